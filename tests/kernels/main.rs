//! Every pass × element type × adapter × awkward shape against the reference, with checked and with
//! trusted shader modules, and with sentinels behind every buffer that is written.

#[cfg(feature = "fault-injection")]
mod broken;
#[path = "../common/mod.rs"]
mod common;

#[cfg(feature = "fault-injection")]
use broken::broken;
use common::{Rig, run_on_adapters};
use fmnist_gpu::Precision;
use fmnist_gpu::gpu::{DeviceOptions, kernel};
use fmnist_gpu::model::Activation;
use fmnist_gpu::plan::{LayerInput, LayerKernel, Pass};
use fmnist_gpu::verify::kernels::{self, Variant};
use libtest_mimic::Trial;

fn main() {
    run_on_adapters(Vec::new(), |rigs| {
        let mut trials = Vec::new();
        for rig in rigs {
            let all = variants(rig, &Precision::EVERY).into_iter();
            trials.extend(all.map(|variant| trial(rig, variant)));
            if let Some(rig) = rig.with_matrix_units() {
                let mut all = variants(&rig, &[Precision::F16]);
                all.retain(Variant::on_matrix_units);
                if !rig.checked {
                    all.extend(in_large_workgroups(&rig));
                }
                trials.extend(all.into_iter().map(|variant| trial(&rig, variant)));
            }
            if !rig.checked {
                trials.extend(broken(rig));
                // What a driver gets whose own conversion does not round to nearest even.
                let options = DeviceOptions {
                    round_in_integers: true,
                    ..DeviceOptions::default()
                };
                let rounds = Rig::open(&rig.found, "rounds-in-integers", options);
                let mut again = variants(&rounds, &[Precision::F16]);
                // Fused kernels always round in integers.
                again.retain(|v| !matches!(v.pass, Pass::Layer(_)));
                trials.extend(again.into_iter().map(|variant| trial(&rounds, variant)));
            }
        }
        trials
    })
}

/// The kernels of these element types that the adapter can run.
fn variants(rig: &Rig, elements: &[Precision]) -> Vec<Variant> {
    let limits = rig.device.limits();
    let mut variants = kernels::every(limits.subgroups());
    variants.retain(|v| elements.contains(&v.elements) && v.lacks(&rig.device).is_none());
    variants.retain(
        |v| !matches!(v.pass, Pass::Layer(layer) if !rig.compiles(layer.tile, layer.arithmetic)),
    );
    if rig.checked {
        // Compilation takes most of the time, and wgpu's checks meet no other index in a tile that
        // lies elsewhere in a network: there, one place of each tile has to do.
        let first = |layer: LayerKernel| {
            matches!(
                layer.input,
                LayerInput::Pixels | LayerInput::QuantizedPixels
            )
        };
        variants.retain(|v| !matches!(v.pass, Pass::Layer(layer) if !first(layer)));
    }
    variants
}

/// The trials of broken kernels, which this build cannot break.
#[cfg(not(feature = "fault-injection"))]
fn broken(rig: &Rig) -> Vec<Trial> {
    vec![common::needs_faults(format!("{}/broken", rig.name))]
}

/// Kernels for matrix units as they are on an adapter that may have larger subgroups than it then has:
/// several of them compute the same.
fn in_large_workgroups(rig: &Rig) -> Vec<Variant> {
    let mut subgroups = rig.device.limits().subgroups();
    if let Some(units) = &mut subgroups.matrix_units {
        units.lanes *= 2;
    }
    let mut variants = kernels::every(subgroups);
    let between = |layer: LayerKernel| layer.activation == Activation::Identity;
    variants.retain(|v| {
        let wanted = matches!(v.pass, Pass::Layer(layer) if between(layer));
        wanted && v.on_matrix_units() && v.lacks(&rig.device).is_none()
    });
    variants
}

fn trial(rig: &Rig, variant: Variant) -> Trial {
    let Variant { pass, elements } = variant;
    let name = format!("{}/{}.{elements}", rig.name, kernel::variant_name(pass));
    let on = rig.clone();
    rig.trial(name, move || {
        let check = variant.check_every_shape(&on.device);
        pollster::block_on(check).map_err(Into::into)
    })
}
