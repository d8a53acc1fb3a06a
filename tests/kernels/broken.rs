//! Kernels that are broken on purpose do not pass what sound ones pass.

use fmnist_gpu::Precision;
use fmnist_gpu::gpu::fault::Broken;
use fmnist_gpu::gpu::{DeviceOptions, kernel};
use fmnist_gpu::verify::kernels::Variant;
use libtest_mimic::Trial;

use crate::common::Rig;
use crate::variants;

/// A kernel that is broken on purpose does not pass these trials.
pub fn broken(rig: &Rig) -> Vec<Trial> {
    let of = |fault: Broken| {
        let options = DeviceOptions {
            faults: fault.into(),
            ..DeviceOptions::default()
        };
        let on = Rig::open(&rig.found, &format!("broken-{fault}"), options);
        // Its tile lies in workgroup memory, which is what both faults are about.
        let staged = "workgroup-4x4x16:256-f32-pixels-f32-stored-relu";
        let mut all = variants(&on, &[Precision::F32]);
        all.retain(|v| kernel::variant_name(v.pass).starts_with(staged));
        let found = move |on: &Rig, variant: Variant| {
            let check = pollster::block_on(variant.check_every_shape(&on.device));
            match check {
                Err(_) => Ok(()),
                Ok(()) => Err(format!("{fault} is not found").into()),
            }
        };
        let trial = |variant: Variant| {
            let name = format!("{}/{}", on.name, kernel::variant_name(variant.pass));
            let rig = on.clone();
            on.trial(name, move || found(&rig, variant))
        };
        all.into_iter().map(trial).collect::<Vec<_>>()
    };
    [Broken::TileEdge, Broken::Barrier]
        .into_iter()
        .flat_map(of)
        .collect()
}
