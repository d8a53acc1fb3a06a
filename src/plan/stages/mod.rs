//! The dispatches of a network in order, for each way to run it.

mod layers;
mod stage;
mod unfused;

use super::limits::Limits;
use super::pass::{Operand, Params, Pass};
use super::tile::groups;
use super::variant::{Fusion, KernelVariant};
use crate::model::Architecture;
pub(super) use stage::{Slots, Stage};

/// Every dispatch of a network in order, for batches of `batch`; `slots` counts the maxima that it needs.
pub(super) fn stages(
    model: &Architecture,
    batch: usize,
    variant: KernelVariant,
    limits: &Limits,
    slots: &mut Slots,
) -> Vec<Stage> {
    match variant.fusion {
        Fusion::Unfused(tiling) if model.shares_scales() => unfused::int8(model, tiling, slots),
        Fusion::Unfused(tiling) => unfused::values(model, tiling),
        Fusion::Layers(tile) => {
            let tile = tile.on(limits.subgroups());
            layers::stages(model, batch, tile, variant, limits, slots)
        }
        Fusion::Network { .. } => whole_network(model, variant).into_iter().collect(),
    }
}

/// One dispatch for everything.
fn whole_network(model: &Architecture, variant: KernelVariant) -> Option<Stage> {
    use Operand::{AllBiases, AllWeights, Outputs, Pixels, Shapes};
    let kernel = variant.network_kernel(model)?;
    let elements = model.layers.first()?.format.precision;
    let params = Params {
        inner: groups(model.inputs()) as u32,
        layers: model.layers.len() as u32,
        ..stage::matrix(model, model.outputs())
    };
    Some(Stage {
        pass: Pass::Network(kernel),
        elements,
        layer: None,
        quantized_for: None,
        params,
        operands: vec![Pixels, AllWeights, AllBiases, Outputs, Shapes],
        writes: Some((Outputs, 16 * u64::from(params.groups))),
    })
}
