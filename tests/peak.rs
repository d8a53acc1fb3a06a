//! Ceilings on every adapter: each microkernel computes what the same recurrence gives on the host,
//! with checked and with trusted shaders, and what is measured is a figure. How large it is, no test
//! says: that is the machine's affair.

mod common;

use std::time::Duration;

use common::{Rig, run_on_adapters};
use fmnist_gpu::Error;
use fmnist_gpu::adapter::MatrixUnits;
use fmnist_gpu::error::CheckError;
use fmnist_gpu::gpu::peak::{self, Peak, Peaks, ProbeShape};
use fmnist_gpu::peak::{Ceiling, PeakEffort};
use libtest_mimic::{Failed, Trial};

fn main() {
    run_on_adapters(Vec::new(), |rigs| {
        let with_units = rigs.iter().filter_map(Rig::with_matrix_units);
        let rigs = rigs.iter().cloned().chain(with_units);
        rigs.flat_map(|rig| {
            let mut trials = trials(&rig);
            trials.extend(lanes_trial(&rig));
            trials
        })
        .collect()
    })
}

fn trials(rig: &Rig) -> Vec<Trial> {
    let mut trials = Vec::new();
    for ceiling in Ceiling::ALL.into_iter().filter(|&of| present(rig, of)) {
        for shape in ProbeShape::all(ceiling, rig.device.limits().matrix_units) {
            let device = rig.device.clone();
            let name = format!("{}/{ceiling}, {shape}", rig.name);
            trials.push(Trial::test(name, move || {
                Ok(pollster::block_on(peak::check(&device, shape))?)
            }));
        }
    }
    let rig = rig.clone();
    let name = format!("{}/what is requested is measured", rig.name);
    trials.push(Trial::test(name, move || measures(&rig)));
    trials
}

/// Workgroups that are larger than a subgroup are seen to be.
fn lanes_trial(rig: &Rig) -> Option<Trial> {
    let units = rig.device.limits().matrix_units?;
    let rig = rig.clone();
    let name = format!("{}/lanes in use", rig.name);
    Some(Trial::test(name, move || {
        for factor in [1, 2, 4] {
            let lanes = factor * units.lanes;
            let most = MatrixUnits { lanes, ..units };
            let found = pollster::block_on(rig.device.with_lanes_in_use(most))?;
            if found != units {
                return Err(format!("{found:?} of {most:?}, not {units:?}").into());
            }
        }
        Ok(())
    }))
}

/// Whether the device has it. One opened without its matrix units has none.
fn present(rig: &Rig, ceiling: Ceiling) -> bool {
    let closed = ceiling == Ceiling::Matrix && rig.device.limits().matrix_units.is_none();
    !closed && ceiling.lacks(rig.device.info()).is_none()
}

/// One ceiling at a time, and none that the adapter lacks.
fn measures(rig: &Rig) -> Result<(), Failed> {
    let effort = PeakEffort {
        sample: Duration::from_millis(1),
        total: Duration::from_millis(1),
        fewest: 4,
    };
    for requested in Ceiling::ALL {
        let peaks = pollster::block_on(peak::measure(&rig.device, &[requested], effort))?;
        for ceiling in Ceiling::ALL {
            let expected = ceiling == requested && present(rig, ceiling);
            match peaks.get(ceiling) {
                Some(peak) if expected => is_a_figure(peak)?,
                None if !expected => {}
                other => {
                    return Err(format!("{requested} requested: {ceiling} is {other:?}").into());
                }
            }
        }
    }
    let none = pollster::block_on(peak::measure(&rig.device, &[], effort))?;
    if none == Peaks::default() {
        Ok(())
    } else {
        Err(format!("nothing requested: {none:?}").into())
    }
}

fn is_a_figure(peak: &Peak) -> Result<(), Error> {
    let positive = |rate: &f64| rate.is_finite() && *rate > 0.0;
    let ordered = peak.median() <= peak.best();
    let enough = peak.samples.len() >= 4;
    if peak.samples.iter().all(positive) && ordered && enough && peak.spread().is_finite() {
        return Ok(());
    }
    Err(Error::CheckFailed(CheckError::WrongResult {
        what: "the measurement".into(),
        device: "this device".into(),
        problem: format!("{peak:?}"),
    }))
}
