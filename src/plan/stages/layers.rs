//! Fused layers: one dispatch a layer, one more where workgroups share its inner dimension, and one more where an input has to be brought into the format that its
//! layer takes, or where no invocation has a whole row for a softmax.

use super::stage::{Slots, Stage, matrix, product};
use crate::Precision;
use crate::adapter::Kind;
use crate::model::{
    Activation, Architecture, Graph, InputFormat, LayerShape, Normalization, Operation,
};
use crate::plan::kernel::{LayerInput, LayerKernel, LayerOutput};
use crate::plan::limits::Limits;
use crate::plan::pass::{LANES, Operand, Params, Pass};
use crate::plan::tile::{Tile, groups};
use crate::plan::variant::KernelVariant;
use crate::precision::Float;

/// What the readers of a value take, from where, and the place of its maximum in the scheme `dynamic-tensor`.
#[derive(Clone, Copy)]
struct InputSource {
    input: LayerInput,
    from: Operand,
    slot: u32,
    /// Whether `from` still holds values, which each reader quantizes before it begins.
    unquantized: bool,
}

impl InputSource {
    fn new(input: LayerInput, from: Operand) -> Self {
        Self {
            input,
            from,
            slot: 0,
            unquantized: false,
        }
    }
}

/// Collects the stages.
struct Layers<'a> {
    model: &'a Architecture,
    /// Rows of a batch.
    batch: usize,
    tile: Tile,
    variant: KernelVariant,
    limits: &'a Limits,
    slots: &'a mut Slots,
    /// The buffer of each value of the graph.
    buffers: Vec<usize>,
    stages: Vec<Stage>,
}

/// Every dispatch of a network of fused layers, in order.
pub(super) fn stages(
    model: &Architecture,
    batch: usize,
    tile: Tile,
    variant: KernelVariant,
    limits: &Limits,
    slots: &mut Slots,
) -> Vec<Stage> {
    let mut layers = Layers {
        model,
        batch,
        tile,
        variant,
        limits,
        slots,
        buffers: model.graph.buffers(false),
        stages: Vec::new(),
    };
    let mut sources = vec![layers.first_input(); model.graph.values.len()];
    for operation in &model.graph.operations {
        let source = layers.layer(operation, sources[operation.input().0]);
        sources[operation.output.0] = source;
        if let (LayerInput::PreActivation(activation), true) =
            (source.input, model.graph.is_last(operation.layer()))
        {
            layers.epilogue(operation.layer(), activation, source);
        }
    }
    layers.stages
}

impl Layers<'_> {
    /// A layer, and what brings its input into the format that it takes.
    fn layer(&mut self, operation: &Operation, mut source: InputSource) -> InputSource {
        let index = operation.layer();
        if source.unquantized {
            match source.input {
                LayerInput::QuantizedRows => self.quantize_rows(source.from, index),
                _ => self.quantize_static(source.from, index),
            }
            source.from = Operand::Quantized;
        }
        let last = self.model.graph.is_last(index);
        let layer = self.model.layers[index];
        let columns = groups(layer.outputs) as u32;
        let tile = self.tile.narrowed(columns);
        // All readers take the same format. For a value that nobody reads, any format will do.
        let reader = self.model.graph.layer_after(index);
        let next = reader.map(|reader| self.model.layers[reader].format);
        let tensor = layer.format.input == InputFormat::Tensor;
        let separate_softmax =
            last && !tensor && layer.activation == Activation::Softmax && !tile.holds_rows(columns);
        let value = Operand::Value(self.buffers[operation.output.0]);
        let (output, to) = match next.map(|next| (next.input, next.precision)) {
            _ if tensor => (LayerOutput::PreActivation, value),
            None if separate_softmax => (LayerOutput::Outputs, Operand::PreActivation),
            None if last => (LayerOutput::Outputs, Operand::Outputs),
            None => (LayerOutput::Float(Float::F32), value),
            Some((InputFormat::Values, precision)) => {
                (LayerOutput::Float(precision.float()), value)
            }
            Some((InputFormat::Static, _)) => (LayerOutput::Quantized, value),
            Some((InputFormat::Rows, _)) if tile.holds_rows(columns) => {
                (LayerOutput::QuantizedRows, value)
            }
            Some((InputFormat::Rows | InputFormat::Tensor, _)) => {
                (LayerOutput::Float(Float::F32), value)
            }
        };
        // The two extremes of the pre-activations.
        let slot_out = if tensor { self.slots.next() } else { 0 };
        if tensor {
            self.slots.next();
        }
        let activation = if tensor || separate_softmax {
            Activation::Identity
        } else {
            layer.activation
        };
        let kernel = LayerKernel {
            tile,
            arithmetic: self.variant.arithmetic_of(&layer),
            input: source.input,
            output,
            activation,
        };
        let writes_quantized =
            matches!(output, LayerOutput::Quantized | LayerOutput::QuantizedRows);
        let stage = |kernel: LayerKernel, factors: Operand, to: Operand| Stage {
            pass: Pass::Layer(kernel),
            elements: layer.format.precision,
            layer: Some(index),
            quantized_for: reader.filter(|_| writes_quantized),
            params: Params {
                slot_in: source.slot,
                slot_out,
                ..product(self.model, index)
            },
            operands: [source.from, factors, Operand::Bias(index), to]
                .into_iter()
                .chain(tensor.then_some(Operand::Maxima))
                .collect(),
            writes: Some((to, kernel.output.row_bytes(u64::from(columns)))),
        };
        let weights = Operand::Weights(index);
        let parts = self
            .variant
            .parts(self.tile, &layer, self.batch, self.limits);
        match parts {
            1 => self.stages.push(stage(kernel, weights, to)),
            parts => {
                let multiplies = LayerKernel {
                    output: LayerOutput::PartialSums(parts),
                    activation: Activation::Identity,
                    ..kernel
                };
                let adds = LayerKernel {
                    tile: Tile::sum(parts, columns),
                    arithmetic: kernel.arithmetic.of_sums(),
                    ..kernel
                };
                self.stages.extend([
                    stage(multiplies, weights, Operand::Sums),
                    stage(adds, Operand::Sums, to),
                ]);
            }
        }
        if separate_softmax {
            self.softmax(index, columns);
        }
        match (next.map(|next| next.input), output) {
            (_, LayerOutput::PreActivation) => InputSource {
                slot: slot_out,
                ..InputSource::new(LayerInput::PreActivation(layer.activation), to)
            },
            (Some(InputFormat::Rows), LayerOutput::QuantizedRows) => {
                InputSource::new(LayerInput::QuantizedRows, to)
            }
            (Some(InputFormat::Rows), _) => InputSource {
                unquantized: true,
                ..InputSource::new(LayerInput::QuantizedRows, to)
            },
            (Some(InputFormat::Static), _) => InputSource::new(LayerInput::Quantized, to),
            _ => InputSource::new(LayerInput::Values, to),
        }
    }

    /// Brings the pixels into the format that the first layer takes, where they are not in it.
    fn first_input(&mut self) -> InputSource {
        use Operand::{Pixels, Quantized, Value};
        let first = self.model.layers[self.model.graph.first_layer()];
        let input = first.format.input;
        if self.model.normalization == Normalization::Unit {
            return match input {
                InputFormat::Values => InputSource::new(LayerInput::Pixels, Pixels),
                InputFormat::Static => InputSource::new(LayerInput::QuantizedPixels, Pixels),
                // Conversion gives pixels static quantized values.
                InputFormat::Rows => InputSource::new(LayerInput::QuantizedRows, Quantized),
                InputFormat::Tensor => self.pixel_maximum(),
            };
        }
        let values = Value(self.buffers[Graph::INPUT.0]);
        // In `dynamic-tensor` the maximum of what normalization gives.
        let slots = match input {
            InputFormat::Tensor => [self.slots.next(), self.slots.next()],
            _ => [0; 2],
        };
        self.normalize(first, values, slots);
        match input {
            InputFormat::Values => InputSource::new(LayerInput::Values, values),
            InputFormat::Rows | InputFormat::Static => InputSource {
                unquantized: true,
                ..InputSource::new(
                    match input {
                        InputFormat::Rows => LayerInput::QuantizedRows,
                        _ => LayerInput::Quantized,
                    },
                    values,
                )
            },
            InputFormat::Tensor => {
                let stage = self.before_layers(Pass::AbsMax, &[values, Operand::Maxima]);
                self.stages.push(with_slots(stage, slots));
                InputSource {
                    slot: slots[1],
                    ..InputSource::new(LayerInput::Values, values)
                }
            }
        }
    }

    /// The largest byte of the batch, for the scheme `dynamic-tensor`.
    fn pixel_maximum(&mut self) -> InputSource {
        let slots = [self.slots.next(), self.slots.next()];
        let stage = self.before_layers(Pass::PixelMax, &[Operand::Pixels, Operand::Maxima]);
        self.stages.push(with_slots(stage, slots));
        InputSource {
            slot: slots[0],
            ..InputSource::new(LayerInput::Pixels, Operand::Pixels)
        }
    }

    /// Pixels to values by the table.
    fn normalize(&mut self, first: LayerShape, values: Operand, slots: [u32; 2]) {
        use Operand::{Pixels, Table};
        let elements = match first.format.precision.float() {
            Float::F32 => Precision::F32,
            Float::F16 => Precision::F16,
            Float::Bf16 => Precision::Bf16,
        };
        let columns = groups(self.model.inputs()) as u64;
        let row = LayerOutput::Float(elements.float()).row_bytes(columns);
        let stage = Stage {
            elements,
            writes: Some((values, row)),
            ..self.before_layers(Pass::Normalize, &[Pixels, Table, values])
        };
        self.stages.push(with_slots(stage, slots));
    }

    /// Normalized values to static quantized values for the layer `reader`.
    fn quantize_static(&mut self, from: Operand, reader: usize) {
        let columns = groups(self.model.inputs()) as u64;
        self.stages.push(Stage {
            quantized_for: Some(reader),
            writes: Some((Operand::Quantized, 4 * columns)),
            ..self.before_layers(Pass::QuantizeStatic, &[from, Operand::Quantized])
        });
    }

    /// An int8 pass over the network's input.
    fn before_layers(&self, pass: Pass, operands: &[Operand]) -> Stage {
        Stage {
            pass,
            elements: Precision::Int8,
            layer: None,
            quantized_for: None,
            params: matrix(self.model, self.model.inputs()),
            operands: operands.to_vec(),
            writes: None,
        }
    }

    /// Rows of values to the quantized values that the layer `reader` takes.
    fn quantize_rows(&mut self, from: Operand, reader: usize) {
        let cols = self.model.layers[reader].inputs;
        // A software adapter's lanes are a vector: rows side by side spare it the barriers.
        let row_lanes = match self.limits.kind {
            Kind::Software | Kind::Cpu => 1,
            _ => LANES,
        };
        self.stages.push(Stage {
            pass: Pass::QuantizedRows { row_lanes },
            elements: Precision::Int8,
            layer: self.model.graph.layer_before(reader),
            quantized_for: Some(reader),
            params: matrix(self.model, cols),
            operands: vec![from, Operand::Quantized],
            writes: Some((Operand::Quantized, 4 * groups(cols) as u64 + 4)),
        });
    }

    /// The softmax of the last layer, where its kernel has no whole rows.
    fn softmax(&mut self, index: usize, columns: u32) {
        self.stages.push(Stage {
            pass: Pass::Softmax,
            elements: Precision::F32,
            layer: Some(index),
            quantized_for: None,
            params: matrix(self.model, self.model.outputs()),
            operands: vec![Operand::PreActivation, Operand::Outputs],
            writes: Some((Operand::Outputs, 16 * u64::from(columns))),
        });
    }

    /// In `dynamic-tensor` the last layer's pre-activations quantized, dequantized and activated.
    fn epilogue(&mut self, index: usize, activation: Activation, source: InputSource) {
        let outputs = self.model.outputs();
        self.stages.push(Stage {
            pass: Pass::Epilogue(activation),
            elements: Precision::Int8,
            layer: Some(index),
            quantized_for: None,
            params: Params {
                slot_in: source.slot,
                ..matrix(self.model, outputs)
            },
            operands: vec![source.from, Operand::Outputs, Operand::Maxima],
            writes: Some((Operand::Outputs, 16 * groups(outputs) as u64)),
        });
    }
}

fn with_slots(stage: Stage, [slot_in, slot_out]: [u32; 2]) -> Stage {
    Stage {
        params: Params {
            slot_in,
            slot_out,
            ..stage.params
        },
        ..stage
    }
}
