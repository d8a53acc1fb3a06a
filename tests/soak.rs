//! A short soak on every adapter of this machine and on the CPU path: outputs are the same in every cycle, and memory
//! does not grow from cycle to cycle. `scripts/soak` is the long one.

#[path = "../examples/soak/work.rs"]
#[expect(dead_code, reason = "the example prints more")]
mod work;

mod common;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use common::{adapter_name, skips};
use fmnist_gpu::engine::{EngineOptions, MatrixUse, Selected, every_adapter};
use libtest_mimic::{Arguments, Failed, Trial};
use pollster::block_on;
use work::{Soak, compare, most, quarters, resident_bytes};

/// The cycles of a soak, and its images.
const CYCLES: usize = 24;
const IMAGES: usize = 100;

/// What may grow in so short a time beside 2%: of each cycle's leak there are 16 between the quarters, and one of a
/// network in every mode would be a mebibyte.
const ALLOWANCE: u64 = 8 << 20;

fn main() {
    #[expect(unsafe_code, reason = "the environment is this process's own")]
    // SAFETY: there is no other thread yet.
    unsafe {
        fmnist_gpu::gpu::quiet_drivers();
    }
    let mut trials = vec![
        Trial::test("another output is found", check_compare),
        Trial::test("growth is found", check_quarters),
    ];
    for selected in block_on(every_adapter(&[])).expect("adapters") {
        let gpu = selected.found().is_some();
        let name = adapter_name(selected.info());
        trials.push(Trial::test(name, move || soak(&selected)).with_ignored_flag(gpu && skips()));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// The memory is the process's, so one soaks at a time.
fn soak(selected: &Selected) -> Result<(), Failed> {
    static SOAKING: Mutex<()> = Mutex::new(());
    let _alone = SOAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let options = EngineOptions::default();
    let opened = selected.open(&options, MatrixUse::no("not soaked"));
    let mut soak = block_on(Soak::new(block_on(opened)?, IMAGES))?;
    let mut held = Vec::new();
    for _ in 0..CYCLES {
        block_on(soak.cycle())?;
        held.extend(resident_bytes());
    }
    if held.is_empty() {
        // Only Linux reports it.
        return Ok(());
    }
    let (early, late) = quarters(&held).ok_or("too few cycles")?;
    if late <= most(early, ALLOWANCE) {
        return Ok(());
    }
    Err(format!("grew from {early} to {late} bytes in {CYCLES} cycles: {held:?}").into())
}

fn check_compare() -> Result<(), Failed> {
    let mut expected = BTreeMap::new();
    let mut run = |batch: usize, outputs: &[f32]| {
        compare(&mut expected, ("f32".to_owned(), batch), outputs, 1).is_ok()
    };
    let found = [
        run(1, &[0.5, 0.0]),
        run(1, &[0.5, 0.0]),
        run(1, &[0.5, -0.0]),
        run(2, &[0.5, -0.0]),
    ];
    match found {
        [true, true, false, true] => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

fn check_quarters() -> Result<(), Failed> {
    let flat = |held: &[u64]| quarters(held).map(|(early, late)| late <= most(early, 10));
    let of = |each: &dyn Fn(u64) -> u64| (0..20).map(each).collect::<Vec<u64>>();
    let found = [
        flat(&of(&|_| 10_000)),
        // What is taken while it warms up, and what comes and goes, is no growth.
        flat(&of(&|at| if at < 5 { 100 * at } else { 10_000 })),
        flat(&of(&|at| if at == 19 { 90_000 } else { 10_000 })),
        flat(&of(&|at| 10_000 + 30 * at)),
        flat(&[1; 7]),
    ];
    match found {
        [Some(true), Some(true), Some(true), Some(false), None] => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}
