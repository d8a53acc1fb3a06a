//! Checks that several devices of an adapter make at the same time come to what one makes alone, and one device
//! that is lost ends them all without taking anything from what was checked.

use fmnist_gpu::gpu::fault::Faults;
#[cfg(feature = "fault-injection")]
use fmnist_gpu::gpu::fault::Injected;
use fmnist_gpu::gpu::{DeviceOptions, Waiting};
use fmnist_gpu::verify::{self, Lane, Scope, VerifyResult};
use libtest_mimic::Trial;

use crate::common::Rig;
use crate::common::compare::Check;
#[cfg(not(feature = "fault-injection"))]
use crate::common::needs_faults;
use crate::executor::done;

/// A network in every mode: a dozen checks.
const ONLY: &str = "33-31-7-5 by default";

fn lane(rig: &Rig, faults: Faults) -> Lane {
    let options = DeviceOptions {
        faults,
        waiting: Waiting::Sleeping,
        ..DeviceOptions::default()
    };
    Lane {
        device: Some(Rig::open(&rig.found, "lane", options).device),
        matrix_units: Err("not requested".into()),
    }
}

/// What was checked, and how many checks there were to make.
fn check(lanes: &[Lane]) -> (fmnist_gpu::Result<()>, VerifyResult, usize) {
    let (mut result, mut all) = (VerifyResult::default(), 0);
    let scope = Scope {
        only: Some(ONLY.into()),
        time: None,
        progress: &mut |_, _, total| all = total,
        found: &mut |place, row, sums| result.add(place, row, sums),
    };
    let ended = verify::check(lanes, scope);
    (ended, result, all)
}

fn check_together(rig: &Rig) -> Check {
    let (alone, want, all) = check(&[lane(rig, Faults::default())]);
    alone.map_err(|error| error.to_string())?;
    let lanes = [(); 3].map(|()| lane(rig, Faults::default()));
    let (together, got, _) = check(&lanes);
    together.map_err(|error| error.to_string())?;
    if got == want && got.rows.len() == all {
        Ok(())
    } else {
        Err(format!("{all} checks: {got:?}, but alone {want:?}"))
    }
}

#[cfg(feature = "fault-injection")]
fn check_lost(rig: &Rig) -> Check {
    let lost = Injected::DeviceLost(30).into();
    let lanes = [lane(rig, Faults::default()), lane(rig, lost)];
    let (ended, result, all) = check(&lanes);
    let error = ended.err().ok_or("no error")?;
    if error.exit_code() != 6 {
        return Err(format!("another error: {error}"));
    }
    result.verdict().map_err(|error| error.to_string())?;
    match result.rows.len() {
        kept if (1..all).contains(&kept) => Ok(()),
        kept => Err(format!("{kept} of {all} checks were kept")),
    }
}

/// The trials of an adapter.
pub fn trials(rig: &Rig) -> Vec<Trial> {
    let trial = |name: &str, check: fn(&Rig) -> Check| {
        let on = rig.clone();
        rig.trial(format!("{}/{name}", rig.name), move || done(check(&on)))
    };
    vec![
        trial("lanes-together", check_together),
        #[cfg(feature = "fault-injection")]
        trial("lane-lost", check_lost),
        #[cfg(not(feature = "fault-injection"))]
        needs_faults(format!("{}/lane-lost", rig.name)),
    ]
}
