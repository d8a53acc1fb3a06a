//! The networks that whole-network checks run, the modes that they are run in, and how their outputs are
//! judged.

use super::compare::{
    Check, Errors, Unit, close_f16_network, close_f32, close_int8_network, close_outputs,
};
use super::data::{random_model, random_pixels, seeded};
use crate::error::Result;
use crate::mode::Mode;
use crate::model::{Activation, Network};
use crate::quantize::{QuantizedNetwork, Ranges, lower};
use crate::scheme::{Scheme, WeightScales};
use crate::{Precision, dataset, reference};

/// A network, the images that it is given, and the batches that it gets them in.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) model: Network,
    pub(super) pixels: Vec<u8>,
    pub(super) batches: &'static [usize],
}

impl Subject {
    /// One whose widths fill no tile: three layers that end in each sort of activation.
    pub(super) fn odd() -> Result<Self> {
        let activations = [Activation::Relu, Activation::Tanh, Activation::Softmax];
        let model = random_model(&mut seeded("odd"), &[33, 31, 7, 5], &activations)?;
        Ok(Self {
            name: "33-31-7-5".to_owned(),
            pixels: random_pixels(&mut seeded("odd"), 37 * model.inputs()),
            model,
            batches: &[37, 8, 1],
        })
    }

    /// Those whose widths lie round `turn`, the outputs that a whole-network kernel computes at a time: one that goes
    /// beyond two turns, and one that fills them, and the power of two that its memory is made for.
    pub(super) fn round(turn: usize) -> Result<[Self; 2]> {
        let past = [turn - 1, 2 * turn + 1, turn, turn + 1];
        let filled = [2 * turn, turn, 1, turn];
        let of = |widths: [usize; 4]| {
            let name = widths.map(|width| width.to_string()).join("-");
            let activations = [Activation::Relu, Activation::Tanh, Activation::Softmax];
            let model = random_model(&mut seeded(&name), &widths, &activations)?;
            Ok(Self {
                pixels: random_pixels(&mut seeded(&name), 3 * model.inputs()),
                name,
                model,
                batches: &[3, 1],
            })
        };
        Ok([of(past)?, of(filled)?])
    }

    /// One for whole-network kernels with tiles of 32 or 64 images and 64 outputs: widths and batches at their edges,
    /// and inner dimensions that end within a step.
    pub(super) fn in_tiles() -> Result<Self> {
        let widths = [57, 64, 21, 63];
        let activations = [Activation::Relu, Activation::Tanh, Activation::Softmax];
        let model = random_model(&mut seeded("tiles"), &widths, &activations)?;
        Ok(Self {
            pixels: random_pixels(&mut seeded("tiles"), 65 * model.inputs()),
            name: "57-64-21-63".to_owned(),
            model,
            batches: &[65, 64, 33, 32, 1],
        })
    }

    /// The default model on the first images of its test split.
    pub(super) fn default_model() -> Result<Self> {
        let images = dataset::test_split()?.images;
        Ok(Self {
            name: "784-64-10".to_owned(),
            model: Network::default_model()?,
            pixels: images.range(0, 256).to_vec(),
            batches: &[256, 1],
        })
    }

    /// The images of a batch, or what there is.
    pub(super) fn first(&self, batch: usize) -> &[u8] {
        &self.pixels[..batch * self.model.inputs()]
    }

    /// The network in a mode. Static scales are given, not calibrated.
    pub(super) fn quantized(&self, mode: &Mode) -> Result<QuantizedNetwork> {
        let range = |activation: Activation| {
            let (low, high) = activation.range();
            (low.max(-3.0) as f32, high.min(3.0) as f32)
        };
        let layers = self
            .model
            .layers
            .iter()
            .map(|layer| range(layer.activation));
        let ranges = std::iter::once((0.0, 1.0)).chain(layers);
        let ranges = Ranges(ranges.take(self.model.layers.len()).collect());
        lower(&self.model, mode, Some(&ranges))
    }
}

/// Every precision and scheme that a network of so many layers is run in.
pub(super) fn modes(layers: usize) -> Result<Vec<Mode>> {
    use Precision::{Bf16, F16, F32, Int4, Int8};
    let mut modes = Mode::every();
    for scheme in [Scheme::DynamicRow, Scheme::Static] {
        modes.push(Mode::int8(scheme, WeightScales::Tensor));
        for order in [[F16, Int8, Bf16], [Int8, Int4, F32]] {
            let order = order.into_iter().take(layers).collect();
            modes.push(Mode::mixed(order, scheme, WeightScales::Channel)?);
        }
    }
    Ok(modes)
}

/// Whether a mode has numbers of binary16.
pub(super) fn has_f16(mode: &Mode) -> bool {
    mode.precisions().contains(&Precision::F16)
}

/// Outputs `[images, out]`, run in batches of `batch`, against the reference's.
pub(super) fn judge(
    model: &QuantizedNetwork,
    batch: usize,
    got: &[f32],
    want: &reference::Inference,
    errors: &mut Errors,
) -> Check {
    let (mode, architecture) = (&model.mode, model.architecture());
    let wide: Vec<f64> = got.iter().copied().map(f64::from).collect();
    let want = &want.outputs;
    errors.see(&wide, want, unit(mode));
    let deepest = architecture.widths().into_iter().max().unwrap_or(1);
    let layers = architecture.layers.len();
    let check = match mode.precision {
        Precision::F32 => close_f32(&wide, want, deepest),
        Precision::F16 => close_f16_network(&wide, want, layers),
        Precision::Int8 if mode.depends_on_batch() => close_int8_network(&wide, want),
        _ => close_outputs(mode, &wide, want, architecture.outputs()),
    };
    check.map_err(|problem| format!("batch {batch}: {problem}"))
}

/// The numbers that the last layer gives.
fn unit(mode: &Mode) -> Unit {
    match mode.precisions().last() {
        Some(Precision::F16) => Unit::F16,
        Some(Precision::Bf16) => Unit::Bf16,
        _ => Unit::F32,
    }
}
