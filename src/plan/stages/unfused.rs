//! The unfused passes: one dispatch for each step that a precision's definition names.

use super::stage::{Slots, Stage, matrix, product};
use crate::Precision;
use crate::model::{Activation, Architecture, Normalization};
use crate::plan::pass::{Operand, Params, Pass};
use crate::plan::tile::Tiling;

/// Collects the stages.
struct Passes<'a> {
    model: &'a Architecture,
    stages: Vec<Stage>,
}

/// f32 and f16: values are stored as the precision does, sums in f32.
pub(super) fn values(model: &Architecture, tiling: Tiling) -> Vec<Stage> {
    use Operand::{Bias, Pixels, PreActivation, Sums, Table, Values, Weights};
    let elements = model.precision();
    let mut passes = Passes::new(model);
    let input = matrix(model, model.inputs());
    passes.push(
        Pass::Normalize,
        elements,
        None,
        input,
        &[Pixels, Table, Values],
    );
    for index in 0..model.layers.len() {
        let at = Some(index);
        let shape = product(model, index);
        let operands = [Values, Weights(index), Sums];
        passes.push(Pass::Matmul(tiling), elements, at, shape, &operands);
        passes.push(
            Pass::Bias,
            elements,
            at,
            shape,
            &[Sums, Bias(index), PreActivation],
        );
        passes.activation(elements, index);
    }
    passes.stages
}

/// int8 by the scheme `dynamic-tensor`.
pub(super) fn int8(model: &Architecture, tiling: Tiling, slots: &mut Slots) -> Vec<Stage> {
    use Operand::{Bias, Maxima, PreActivation, Quantized, Sums, Values, Weights};
    let int8 = Precision::Int8;
    let mut passes = Passes::new(model);
    let mut scale = passes.quantized_input(slots);
    for index in 0..model.layers.len() {
        let at = Some(index);
        let sum_scale = slots.next();
        let sums = Params {
            slot_in: scale,
            slot_out: sum_scale,
            ..product(model, index)
        };
        let operands = [Quantized, Weights(index), Sums];
        passes.push(Pass::Matmul(tiling), int8, at, sums, &operands);
        passes.push(
            Pass::Bias,
            int8,
            at,
            sums,
            &[Sums, Bias(index), PreActivation, Maxima],
        );
        passes.push(Pass::AbsMax, int8, at, sums, &[PreActivation, Maxima]);
        passes.push(
            Pass::Quantize,
            int8,
            at,
            sums,
            &[PreActivation, Maxima, Quantized],
        );
        let back = Params {
            slot_in: sum_scale,
            ..sums
        };
        passes.push(
            Pass::Dequantize,
            int8,
            at,
            back,
            &[Quantized, Maxima, PreActivation],
        );
        // Between quantizations int8 computes in f32.
        passes.activation(Precision::F32, index);
        if index + 1 < model.layers.len() {
            scale = slots.next();
            let next = Params {
                slot_out: scale,
                ..sums
            };
            passes.push(Pass::AbsMax, int8, at, next, &[Values, Maxima]);
            passes.push(Pass::Quantize, int8, at, next, &[Values, Maxima, Quantized]);
        }
    }
    passes.stages
}

impl<'a> Passes<'a> {
    fn new(model: &'a Architecture) -> Self {
        Self {
            model,
            stages: Vec::new(),
        }
    }

    /// Pixels to int8 quantized values; gives the place of their maximum.
    fn quantized_input(&mut self, slots: &mut Slots) -> u32 {
        use Operand::{Maxima, Pixels, Quantized, Table, Values};
        let int8 = Precision::Int8;
        let scale = slots.next();
        let input = Params {
            slot_out: scale,
            ..matrix(self.model, self.model.inputs())
        };
        if self.model.normalization == Normalization::Unit {
            let input = Params {
                slot_in: slots.next(),
                ..input
            };
            self.push(Pass::PixelMax, int8, None, input, &[Pixels, Maxima]);
            let operands = [Pixels, Maxima, Quantized];
            self.push(Pass::QuantizePixels, int8, None, input, &operands);
        } else {
            let real = Precision::F32;
            self.push(Pass::Normalize, real, None, input, &[Pixels, Table, Values]);
            self.push(Pass::AbsMax, int8, None, input, &[Values, Maxima]);
            self.push(
                Pass::Quantize,
                int8,
                None,
                input,
                &[Values, Maxima, Quantized],
            );
        }
        scale
    }

    /// The activation of layer `index`, to the next layer's input or the outputs.
    fn activation(&mut self, elements: Precision, index: usize) {
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
        let shape = matrix(self.model, layer.outputs);
        self.push(
            pass,
            elements,
            Some(index),
            shape,
            &[Operand::PreActivation, target],
        );
    }

    fn push(
        &mut self,
        pass: Pass,
        elements: Precision,
        layer: Option<usize>,
        params: Params,
        operands: &[Operand],
    ) {
        use Operand::{Outputs, PreActivation, Quantized, Sums, Values};
        // Bytes of a group of four values where a pass stores them as its elements are.
        let stored = 4 * elements.bytes();
        let writes = match pass {
            Pass::Normalize => Some((Values, stored)),
            Pass::QuantizePixels | Pass::Quantize => Some((Quantized, 4)),
            Pass::Matmul(_) => Some((Sums, 16)),
            Pass::Bias | Pass::Dequantize => Some((PreActivation, 16)),
            Pass::Activation(_) => operands.last().map(|&target| (target, stored)),
            Pass::Softmax => Some((Outputs, 16)),
            _ => None,
        };
        let groups = u64::from(params.groups);
        self.stages.push(Stage {
            pass,
            elements,
            layer,
            quantized_for: None,
            params,
            operands: operands.to_vec(),
            writes: writes.map(|(operand, bytes)| (operand, bytes * groups)),
        });
    }
}
