//! The passes of a network in order, for each precision.

use std::ops::Range;

use super::cut::softmax_apart;
use super::deployed::stages;
use super::fused::{LayerInput, LayerKernel, LayerOutput, Store, Tile};
use super::pass::{Operand, Params, Pass, Tiling, grid, groups};
use super::strategy::{Form, Strategy};
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
    pub(super) strategy: Strategy,
    pub(super) slots: u32,
    pub(super) steps: Vec<Step>,
}

impl Builder<'_> {
    pub(super) fn network(&mut self) {
        let subgroups = self.limits.subgroups();
        if let (Form::Layers(tile), false) = (self.strategy.form, self.model.formats.is_empty()) {
            return self.deployed_layers(tile.on(subgroups));
        }
        match (self.strategy.form, self.precision) {
            (Form::Separate(tiling), Precision::Int8) => self.int8_network(tiling),
            (Form::Separate(tiling), _) => self.real_network(tiling),
            (Form::Layers(tile), Precision::Int8) => self.int8_layers(tile.on(subgroups)),
            (Form::Layers(tile), _) => self.real_layers(tile.on(subgroups)),
            (Form::Network { .. }, _) => self.whole_network(),
        }
    }

    /// The layers of a deployed network, each in numbers of its own.
    fn deployed_layers(&mut self, tile: Tile) {
        for stage in stages(self.model, tile, self.strategy, self.limits) {
            let shape = match (stage.pass, stage.layer) {
                (Pass::Layer(_), Some(layer)) => self.layer_shape(layer),
                _ => self.shape(stage.cols),
            };
            let at = (stage.layer, stage.codes_for);
            self.push_to(stage.pass, stage.elements, at, shape, &stage.operands);
        }
    }

    /// One dispatch a layer in f32 and f16, between which values are stored as the precision does.
    fn real_layers(&mut self, tile: Tile) {
        use Operand::{Hidden, Outputs, Pixels, Table, Weights, Z};
        let elements = self.precision;
        let model = self.model;
        let (mut input, mut from) = (LayerInput::Pixels, Pixels);
        if model.normalization != Normalization::Unit {
            let shape = self.shape(model.inputs());
            let operands = [Pixels, Table, Hidden(1)];
            self.push(Pass::Normalize, elements, None, shape, &operands);
            (input, from) = (LayerInput::Values, Hidden(1));
        }
        for (index, layer) in model.layers.iter().enumerate() {
            let shape = self.layer_shape(index);
            let tile = tile.narrowed(shape.groups);
            let last = index + 1 == model.layers.len();
            let apart = last && softmax_apart(model, elements, self.strategy, self.limits);
            let (output, to) = match (last, apart) {
                (false, _) => (LayerOutput::Stored(Store::of(elements)), Hidden(index % 2)),
                (true, false) => (LayerOutput::F32, Outputs),
                (true, true) => (LayerOutput::F32, Z),
            };
            let activation = if apart {
                Activation::Identity
            } else {
                layer.activation
            };
            let kernel = LayerKernel {
                tile,
                arithmetic: self.strategy.arithmetic,
                input,
                output,
                activation,
            };
            let operands = [from, Weights(index), Operand::Bias(index), to];
            self.push(Pass::Layer(kernel), elements, Some(index), shape, &operands);
            if apart {
                let shape = self.shape(layer.outputs);
                self.push(Pass::Softmax, elements, Some(index), shape, &[Z, Outputs]);
            }
            (input, from) = (LayerInput::Values, to);
        }
    }

    /// One dispatch a layer in int8, each of which quantizes what it reads; the scales are the batch's,
    /// so that the pixels' largest has to be found before and the outputs made after.
    fn int8_layers(&mut self, tile: Tile) {
        use Operand::{Hidden, Maxima, Outputs, Pixels, Table, Weights};
        let int8 = Precision::Int8;
        let model = self.model;
        let scale = self.slot();
        let pixels = Params {
            slot_in: scale,
            slot_out: self.slot(),
            ..self.shape(model.inputs())
        };
        let (mut input, mut from, mut slot_in) = (LayerInput::Pixels, Pixels, scale);
        if model.normalization == Normalization::Unit {
            self.push(Pass::PixelMax, int8, None, pixels, &[Pixels, Maxima]);
        } else {
            let operands = [Pixels, Table, Hidden(1)];
            self.push(Pass::Normalize, Precision::F32, None, pixels, &operands);
            self.push(Pass::AbsMax, int8, None, pixels, &[Hidden(1), Maxima]);
            (input, from, slot_in) = (LayerInput::Values, Hidden(1), pixels.slot_out);
        }
        for (index, layer) in model.layers.iter().enumerate() {
            // The two extremes of z.
            let slot_out = self.slot();
            self.slot();
            let shape = Params {
                slot_in,
                slot_out,
                ..self.layer_shape(index)
            };
            let kernel = LayerKernel {
                tile: tile.narrowed(shape.groups),
                arithmetic: self.strategy.arithmetic,
                input,
                output: LayerOutput::Z,
                activation: Activation::Identity,
            };
            let to = Hidden(index % 2);
            let operands = [from, Weights(index), Operand::Bias(index), to, Maxima];
            self.push(Pass::Layer(kernel), int8, Some(index), shape, &operands);
            (input, from, slot_in) = (LayerInput::Z(layer.activation), to, slot_out);
        }
        if let Some(layer) = model.layers.last() {
            let shape = Params {
                slot_in,
                ..self.shape(layer.outputs)
            };
            let at = Some(model.layers.len() - 1);
            let operands = [from, Outputs, Maxima];
            self.push(Pass::Finish(layer.activation), int8, at, shape, &operands);
        }
    }

    /// One dispatch for everything.
    fn whole_network(&mut self) {
        use Operand::{AllBiases, AllWeights, Outputs, Pixels, Shapes};
        let Some(kernel) = self.strategy.network_kernel(self.model) else {
            return;
        };
        let shape = Params {
            inner: groups(self.model.inputs()) as u32,
            layers: self.model.layers.len() as u32,
            ..self.shape(self.model.outputs())
        };
        let operands = [Pixels, AllWeights, AllBiases, Outputs, Shapes];
        self.push(
            Pass::Network(kernel),
            self.precision,
            None,
            shape,
            &operands,
        );
    }

    fn layer_shape(&self, index: usize) -> Params {
        let layer = &self.model.layers[index];
        Params {
            inner: groups(layer.inputs) as u32,
            ..self.shape(layer.outputs)
        }
    }

    fn real_network(&mut self, tiling: Tiling) {
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
        for index in 0..model.layers.len() {
            let at = Some(index);
            let shape = self.layer_shape(index);
            let operands = [Values, Weights(index), Sums];
            self.push(Pass::Matmul(tiling), elements, at, shape, &operands);
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

    fn int8_network(&mut self, tiling: Tiling) {
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
        for index in 0..model.layers.len() {
            let at = Some(index);
            let sum_scale = self.slot();
            let sums = Params {
                slot_in: scale,
                slot_out: sum_scale,
                ..self.layer_shape(index)
            };
            let operands = [Codes, Weights(index), Sums];
            self.push(Pass::Matmul(tiling), int8, at, sums, &operands);
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
        self.push_to(pass, elements, (layer, None), params, operands);
    }

    /// Adds a pass of a layer, which writes codes for another, over every chunk.
    fn push_to(
        &mut self,
        pass: Pass,
        elements: Precision,
        (layer, codes_for): (Option<usize>, Option<usize>),
        params: Params,
        operands: &[Operand],
    ) {
        for (chunk, range) in self.chunks.iter().enumerate() {
            let rows = range.len() as u32;
            let params = Params { rows, ..params };
            let operations = match pass {
                Pass::Matmul(_) | Pass::Layer(_) => {
                    32 * u64::from(rows) * u64::from(params.inner) * u64::from(params.groups)
                }
                Pass::Network(_) => self.model.operations() * u64::from(rows),
                _ => 0,
            };
            self.steps.push(Step {
                pass,
                elements,
                layer,
                codes_for,
                chunk,
                operands: operands.to_vec(),
                params,
                grid: grid(pass, params, self.limits.workgroups),
                operations,
            });
        }
    }
}
