//! The passes of a network in order, for each precision.

use std::ops::Range;

use super::pass::{Operand, Params, Pass, Tiling, grid, groups};
use super::{Limits, Step};
use crate::Precision;
use crate::model::{Activation, Architecture, Normalization};

/// Collects the steps of a plan.
pub(super) struct Builder<'a> {
    pub(super) model: &'a Architecture,
    pub(super) precision: Precision,
    pub(super) chunks: &'a [Range<usize>],
    pub(super) limits: &'a Limits,
    /// One for all chunks, so that a short last chunk sums in the same order.
    pub(super) tiling: Tiling,
    pub(super) slots: u32,
    pub(super) steps: Vec<Step>,
}

impl Builder<'_> {
    pub(super) fn network(&mut self) {
        match self.precision {
            Precision::F32 | Precision::F16 => self.real_network(),
            Precision::Int8 => self.int8_network(),
        }
    }

    fn real_network(&mut self) {
        use Operand::{Pixels, Sums, Table, Values, Weights, Z};
        let elements = self.precision;
        let model = self.model;
        let input = self.shape(model.inputs());
        self.push(
            Pass::Normalize,
            elements,
            None,
            input,
            &[Pixels, Table, Values],
        );
        for (index, layer) in model.layers.iter().enumerate() {
            let at = Some(index);
            let shape = Params {
                inner: groups(layer.inputs) as u32,
                ..self.shape(layer.outputs)
            };
            self.matmul(elements, index, shape, &[Values, Weights(index), Sums]);
            self.push(
                Pass::Bias,
                elements,
                at,
                shape,
                &[Sums, Operand::Bias(index), Z],
            );
            self.activation(elements, index, Z);
        }
    }

    fn int8_network(&mut self) {
        use Operand::{Bias, Codes, Maxima, Pixels, Sums, Table, Values, Weights, Z};
        // Between quantizations int8 computes in f32.
        let real = Precision::F32;
        let int8 = Precision::Int8;
        let model = self.model;
        let mut scale = self.slot();
        let input = Params {
            slot_out: scale,
            ..self.shape(model.inputs())
        };
        if model.normalization == Normalization::Unit {
            let input = Params {
                slot_in: self.slot(),
                ..input
            };
            self.push(Pass::PixelMax, int8, None, input, &[Pixels, Maxima]);
            self.push(
                Pass::QuantizePixels,
                int8,
                None,
                input,
                &[Pixels, Maxima, Codes],
            );
        } else {
            self.push(Pass::Normalize, real, None, input, &[Pixels, Table, Values]);
            self.push(Pass::AbsMax, int8, None, input, &[Values, Maxima]);
            self.push(Pass::Quantize, int8, None, input, &[Values, Maxima, Codes]);
        }
        for (index, layer) in model.layers.iter().enumerate() {
            let at = Some(index);
            let sum_scale = self.slot();
            let sums = Params {
                inner: groups(layer.inputs) as u32,
                slot_in: scale,
                slot_out: sum_scale,
                ..self.shape(layer.outputs)
            };
            self.matmul(int8, index, sums, &[Codes, Weights(index), Sums]);
            self.push(Pass::Bias, int8, at, sums, &[Sums, Bias(index), Z, Maxima]);
            self.push(Pass::AbsMax, int8, at, sums, &[Z, Maxima]);
            self.push(Pass::Quantize, int8, at, sums, &[Z, Maxima, Codes]);
            let back = Params {
                slot_in: sum_scale,
                ..sums
            };
            self.push(Pass::Dequantize, int8, at, back, &[Codes, Maxima, Z]);
            self.activation(real, index, Z);
            if index + 1 < model.layers.len() {
                scale = self.slot();
                let next = Params {
                    slot_out: scale,
                    ..sums
                };
                self.push(Pass::AbsMax, int8, at, next, &[Values, Maxima]);
                self.push(Pass::Quantize, int8, at, next, &[Values, Maxima, Codes]);
            }
        }
    }

    /// The activation of layer `index`, into the next layer's input or the outputs.
    fn activation(&mut self, elements: Precision, index: usize, z: Operand) {
        let layer = &self.model.layers[index];
        let last = index + 1 == self.model.layers.len();
        let target = if last {
            Operand::Outputs
        } else {
            Operand::Values
        };
        let pass = match layer.activation {
            Activation::Softmax => Pass::Softmax,
            other => Pass::Activation(other),
        };
        let shape = self.shape(layer.outputs);
        self.push(pass, elements, Some(index), shape, &[z, target]);
    }

    fn matmul(&mut self, elements: Precision, layer: usize, params: Params, operands: &[Operand]) {
        let pass = Pass::Matmul(self.tiling);
        self.push(pass, elements, Some(layer), params, operands);
    }

    /// A new maximum.
    fn slot(&mut self) -> u32 {
        self.slots += 1;
        self.slots - 1
    }

    /// The uniform of a matrix of `cols` columns; each chunk puts in its own rows.
    fn shape(&self, cols: usize) -> Params {
        Params {
            cols: cols as u32,
            groups: groups(cols) as u32,
            clip: f32::from(self.model.int8_clip),
            weight_scale: 1.0,
            ..Params::default()
        }
    }

    /// Adds a pass over every chunk.
    fn push(
        &mut self,
        pass: Pass,
        elements: Precision,
        layer: Option<usize>,
        params: Params,
        operands: &[Operand],
    ) {
        for (chunk, range) in self.chunks.iter().enumerate() {
            let rows = range.len() as u32;
            let params = Params { rows, ..params };
            self.steps.push(Step {
                pass,
                elements,
                layer,
                chunk,
                operands: operands.to_vec(),
                params,
                grid: grid(pass, params, self.limits.workgroups),
            });
        }
    }
}
