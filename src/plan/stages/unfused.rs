//! The unfused passes: one dispatch for each step that a precision's definition names.

use super::stage::{Slots, Stage, matrix, product};
use crate::Precision;
use crate::model::{Activation, Architecture, Graph, Normalization, Operation, ValueId};
use crate::plan::pass::{Operand, Params, Pass};
use crate::plan::tile::Tiling;

/// Collects the stages.
struct Passes<'a> {
    model: &'a Architecture,
    /// The buffer of each value of the graph. A layer may write where it reads: its product goes through buffers of
    /// its own.
    buffers: Vec<usize>,
    stages: Vec<Stage>,
}

/// f32 and f16: values are stored as the precision does, sums in f32.
pub(super) fn values(model: &Architecture, tiling: Tiling) -> Vec<Stage> {
    use Operand::{Bias, PreActivation, Sums, Weights};
    let elements = model.precision();
    let mut passes = Passes::new(model);
    passes.normalize(elements);
    for operation in &model.graph.operations {
        let index = operation.layer();
        let at = Some(index);
        let shape = product(model, index);
        let operands = [passes.value(operation.input()), Weights(index), Sums];
        passes.push(Pass::Matmul(tiling), elements, at, shape, &operands);
        passes.push(
            Pass::Bias,
            elements,
            at,
            shape,
            &[Sums, Bias(index), PreActivation],
        );
        passes.activation(elements, operation);
    }
    passes.stages
}

/// int8 by the scheme `dynamic-tensor`.
pub(super) fn int8(model: &Architecture, tiling: Tiling, slots: &mut Slots) -> Vec<Stage> {
    use Operand::{Bias, Maxima, PreActivation, Quantized, Sums, Weights};
    let int8 = Precision::Int8;
    let mut passes = Passes::new(model);
    if model.normalization != Normalization::Unit {
        passes.normalize(Precision::F32);
    }
    for operation in &model.graph.operations {
        let index = operation.layer();
        let at = Some(index);
        let scale = passes.quantize_input(operation, slots);
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
        passes.activation(Precision::F32, operation);
    }
    passes.stages
}

impl<'a> Passes<'a> {
    fn new(model: &'a Architecture) -> Self {
        Self {
            model,
            buffers: model.graph.buffers(true),
            stages: Vec::new(),
        }
    }

    /// The buffer of a value.
    fn value(&self, value: ValueId) -> Operand {
        Operand::Value(self.buffers[value.0])
    }

    /// Pixels to the network's input, as values.
    fn normalize(&mut self, elements: Precision) {
        let operands = [Operand::Pixels, Operand::Table, self.value(Graph::INPUT)];
        let input = matrix(self.model, self.model.inputs());
        self.push(Pass::Normalize, elements, None, input, &operands);
    }

    /// What an operation reads to int8 quantized values; gives the place of their maximum.
    fn quantize_input(&mut self, operation: &Operation, slots: &mut Slots) -> u32 {
        use Operand::{Maxima, Pixels, Quantized};
        let int8 = Precision::Int8;
        let graph = &self.model.graph;
        let (index, value) = (operation.layer(), operation.input());
        let before = graph.layer_before(index);
        let mut params = Params {
            slot_out: slots.next(),
            ..matrix(self.model, self.model.layers[index].inputs)
        };
        if value == Graph::INPUT && self.model.normalization == Normalization::Unit {
            params.slot_in = slots.next();
            self.push(Pass::PixelMax, int8, None, params, &[Pixels, Maxima]);
            let operands = [Pixels, Maxima, Quantized];
            self.push(Pass::QuantizePixels, int8, None, params, &operands);
        } else {
            let values = self.value(value);
            self.push(Pass::AbsMax, int8, before, params, &[values, Maxima]);
            let operands = [values, Maxima, Quantized];
            self.push(Pass::Quantize, int8, before, params, &operands);
        }
        params.slot_out
    }

    /// The activation of an operation's layer, to the value that it writes or the outputs.
    fn activation(&mut self, elements: Precision, operation: &Operation) {
        let index = operation.layer();
        let layer = &self.model.layers[index];
        let target = if self.model.graph.is_last(index) {
            Operand::Outputs
        } else {
            self.value(operation.output)
        };
        let pass = match layer.activation {
            Activation::Softmax => Pass::Softmax,
            other => Pass::Activation(other),
        };
        let shape = matrix(self.model, layer.outputs);
        let operands = [Operand::PreActivation, target];
        self.push(pass, elements, Some(index), shape, &operands);
    }

    fn push(
        &mut self,
        pass: Pass,
        elements: Precision,
        layer: Option<usize>,
        params: Params,
        operands: &[Operand],
    ) {
        use Operand::{Outputs, PreActivation, Quantized, Sums};
        // Bytes of a group of four values where a pass stores them as its elements are.
        let stored = 4 * elements.bytes();
        let writes = match pass {
            Pass::Normalize | Pass::Activation(_) => {
                operands.last().map(|&target| (target, stored))
            }
            Pass::QuantizePixels | Pass::Quantize => Some((Quantized, 4)),
            Pass::Matmul(_) => Some((Sums, 16)),
            Pass::Bias | Pass::Dequantize => Some((PreActivation, 16)),
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
