//! The dispatches of a deployed network, whose layers have numbers of their own: one a layer, and one more
//! where an input has to be brought into the form that its layer takes.

use super::Limits;
use super::cut::softmax_apart;
use super::fused::{Arithmetic, LayerInput, LayerKernel, LayerOutput, Store, Tile};
use super::pass::{LANES, Operand, Pass, groups};
use super::strategy::Strategy;
use crate::Precision;
use crate::adapter::Kind;
use crate::model::{Activation, Architecture, Form, Normalization};

/// A dispatch, before it is cut into chunks.
pub(super) struct Stage {
    pub(super) pass: Pass,
    /// Which element types its kernel is for.
    pub(super) elements: Precision,
    /// The layer it belongs to; none before the first.
    pub(super) layer: Option<usize>,
    /// The layer that takes the codes it writes; none where it writes none.
    pub(super) codes_for: Option<usize>,
    /// Values of a row: what it takes of a layer's shape where it is no layer itself.
    pub(super) cols: usize,
    /// What is bound, in the order of the shader's bindings.
    pub(super) operands: Vec<Operand>,
    /// What it writes, and how many bytes of that are a row's.
    pub(super) writes: (Operand, u64),
}

/// What a layer reads, and from where.
type Source = (LayerInput, Operand);

/// Every dispatch of a network of fused layers, in order.
pub(super) fn stages(
    model: &Architecture,
    tile: Tile,
    strategy: Strategy,
    limits: &Limits,
) -> Vec<Stage> {
    use Operand::{Bias, Hidden, Outputs, Weights, Z};
    let mut stages = Vec::new();
    let mut source = first_input(model, limits, &mut stages);
    for (index, (layer, format)) in model.layers.iter().zip(&model.formats).enumerate() {
        let columns = groups(layer.outputs) as u32;
        let tile = tile.narrowed(columns);
        let next = model.formats.get(index + 1);
        let apart = next.is_none() && softmax_apart(model, format.precision, strategy, limits);
        let (output, to) = match next.map(|next| (next.input, next.precision)) {
            None if apart => (LayerOutput::F32, Z),
            None => (LayerOutput::F32, Outputs),
            Some((Form::Values, precision)) => {
                (LayerOutput::Stored(Store::of(precision)), Hidden(index % 2))
            }
            Some((Form::Static, _)) => (LayerOutput::Stored(Store::Codes), Hidden(index % 2)),
            Some((Form::Rows, _)) if tile.holds_rows(columns) => {
                (LayerOutput::RowCodes, Hidden(index % 2))
            }
            Some((Form::Rows, _)) => (LayerOutput::Stored(Store::F32), Hidden(index % 2)),
        };
        let int8 = format.precision == Precision::Int8;
        let (input, from) = source;
        let kernel = LayerKernel {
            tile,
            arithmetic: if int8 {
                strategy.arithmetic
            } else {
                Arithmetic::F32
            },
            input,
            output,
            activation: if apart {
                Activation::Identity
            } else {
                layer.activation
            },
        };
        let writes_codes = matches!(
            output,
            LayerOutput::Stored(Store::Codes) | LayerOutput::RowCodes
        );
        stages.push(Stage {
            pass: Pass::Layer(kernel),
            elements: format.precision,
            layer: Some(index),
            codes_for: writes_codes.then_some(index + 1),
            cols: layer.outputs,
            operands: vec![from, Weights(index), Bias(index), to],
            writes: (to, output.row_bytes(u64::from(columns))),
        });
        if apart {
            stages.push(Stage {
                pass: Pass::Softmax,
                elements: Precision::F32,
                layer: Some(index),
                codes_for: None,
                cols: layer.outputs,
                operands: vec![Z, Outputs],
                writes: (Outputs, 16 * u64::from(columns)),
            });
        }
        source = match (next.map(|next| next.input), output) {
            (Some(Form::Rows), LayerOutput::RowCodes) => (LayerInput::RowCodes, to),
            (Some(Form::Rows), _) => {
                stages.push(row_codes(to, layer.outputs, index + 1, limits));
                (LayerInput::RowCodes, Operand::Codes)
            }
            (Some(Form::Static), _) => (LayerInput::Codes, to),
            _ => (LayerInput::Values, to),
        };
    }
    stages
}

/// Brings the pixels into the form that the first layer takes, where they are not in it.
fn first_input(model: &Architecture, limits: &Limits, stages: &mut Vec<Stage>) -> Source {
    use Operand::{Codes, Hidden, Pixels, Table};
    let Some(&first) = model.formats.first() else {
        return (LayerInput::Pixels, Pixels);
    };
    if model.normalization == Normalization::Unit {
        return match first.input {
            Form::Values => (LayerInput::Pixels, Pixels),
            Form::Static => (LayerInput::PixelCodes, Pixels),
            // The deployed model has static codes there.
            Form::Rows => (LayerInput::RowCodes, Codes),
        };
    }
    let elements = match first.precision {
        precision @ (Precision::F16 | Precision::Bf16) => precision,
        _ => Precision::F32,
    };
    let row = LayerOutput::Stored(Store::of(elements)).row_bytes(groups(model.inputs()) as u64);
    stages.push(Stage {
        pass: Pass::Normalize,
        elements,
        layer: None,
        codes_for: None,
        cols: model.inputs(),
        operands: vec![Pixels, Table, Hidden(1)],
        writes: (Hidden(1), row),
    });
    match first.input {
        Form::Values => (LayerInput::Values, Hidden(1)),
        Form::Rows => {
            stages.push(row_codes(Hidden(1), model.inputs(), 0, limits));
            (LayerInput::RowCodes, Codes)
        }
        Form::Static => {
            stages.push(Stage {
                pass: Pass::StaticCodes,
                elements: Precision::Int8,
                layer: None,
                codes_for: Some(0),
                cols: model.inputs(),
                operands: vec![Hidden(1), Codes],
                writes: (Codes, 4 * groups(model.inputs()) as u64),
            });
            (LayerInput::Codes, Codes)
        }
    }
}

/// Rows of `cols` values to the codes that layer `taker` takes.
fn row_codes(from: Operand, cols: usize, taker: usize, limits: &Limits) -> Stage {
    // A software adapter's lanes are a vector: rows side by side spare it the barriers.
    let row_lanes = match limits.kind {
        Kind::Software | Kind::Cpu => 1,
        _ => LANES,
    };
    Stage {
        pass: Pass::RowCodes { row_lanes },
        elements: Precision::Int8,
        layer: taker.checked_sub(1),
        codes_for: Some(taker),
        cols,
        operands: vec![from, Operand::Codes],
        writes: (Operand::Codes, 4 * groups(cols) as u64 + 4),
    }
}
