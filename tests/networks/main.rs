//! Whole networks × precision × executor × awkward shapes against the reference; every variant on networks
//! that differ in what matters to it; golden labels of the default model; and proof that each precision
//! is what it says.
//!
//! The executors are the CPU path and every adapter, with checked and with trusted shaders, which runs
//! networks in the way that is chosen where nothing is measured, and in one that is requested.

mod branches;
#[cfg(feature = "fault-injection")]
mod broken;
mod chain;
#[path = "../common/mod.rs"]
mod common;
mod executor;
#[cfg(feature = "fault-injection")]
mod hostile;
#[path = "../../fuzz/src/judge.rs"]
mod judge;
mod lanes;
mod processor;
mod quantized;
mod ranges;
mod variants;
mod ways;
mod whole;

use common::compare::Check;
use common::run_on_adapters;
use executor::{Executor, done, precisions};
use fmnist_gpu::Precision;
use fmnist_gpu::adapter::Backend;
use fmnist_gpu::cpu::{Processor, ProcessorOptions, Supported};
use fmnist_gpu::plan::Kernels;
use libtest_mimic::Trial;
use processor::{check_cpu_sums, check_edges, check_threads};
use variants::{check_layouts, chunks_trial, variant_trials};
use ways::{check_transfers, check_waiting};
use whole::{golden_trials, trials};

fn main() {
    let mut cpu_trials = Vec::new();
    for supported in Supported::all() {
        let options = ProcessorOptions {
            isa: Some(supported.isa()),
            threads: Some(3),
        };
        let processor = Processor::new(options).expect("an instruction set that was found");
        let executor = Executor::Cpu(processor.clone());
        cpu_trials.extend(trials(&executor));
        let thorough = supported == Supported::best();
        cpu_trials.extend(golden_trials(&executor, thorough));
        for precision in Precision::ALL {
            let on = executor.clone();
            let name = format!("{}/tile-edges.{precision}", executor.name());
            cpu_trials.push(Trial::test(name, move || done(check_edges(&on, precision))));
            let name = format!("{}/threads.{precision}", executor.name());
            let check = move || done(check_threads(supported, precision));
            cpu_trials.push(Trial::test(name, check));
        }
        cpu_trials.extend(quantized::cpu_trials(&executor.name(), &processor));
        cpu_trials.push(branches::cpu_trial(&executor.name(), &processor));
        for (what, check) in [
            ("int8-bits", chain::check_int8 as fn(&Processor) -> Check),
            ("values", chain::check_values),
        ] {
            let on = processor.clone();
            let name = format!("{}/{what}", executor.name());
            cpu_trials.push(Trial::test(name, move || done(check(&on))));
        }
        let name = format!("{}/single-images", executor.name());
        let check = move || done(chain::check_single_images(supported));
        cpu_trials.push(Trial::test(name, check));
        let name = format!("{}/int8-sums", executor.name());
        cpu_trials.push(Trial::test(name, move || done(check_cpu_sums(&processor))));
    }
    cpu_trials.extend(ranges::cpu_trials());
    run_on_adapters(cpu_trials, |rigs| {
        let mut all = Vec::new();
        for rig in rigs {
            let chosen = Executor::gpu(rig, Kernels::Any);
            all.extend(trials(&chosen));
            all.extend(golden_trials(&chosen, !rig.checked));
            all.extend(variant_trials(rig));
            all.extend(quantized::trials(rig));
            all.push(branches::trial(rig));
            if !rig.checked {
                all.extend(ranges::trials(rig));
                let (name, on) = (format!("{}/waiting", rig.name), rig.clone());
                all.push(rig.trial(name, move || done(check_waiting(&on))));
                let (name, on) = (format!("{}/transfers", rig.name), rig.clone());
                all.push(rig.trial(name, move || done(check_transfers(&on))));
                #[cfg(feature = "fault-injection")]
                {
                    all.extend(broken::trials(rig));
                    all.extend(hostile::trials(rig));
                }
                #[cfg(not(feature = "fault-injection"))]
                all.push(common::needs_faults(format!("{}/broken", rig.name)));
                // On OpenGL all devices share one context, and are not used at the same time.
                if rig.found.info.backend != Backend::Gl {
                    all.extend(lanes::trials(rig));
                }
            }
            if let Some(rig) = rig.with_matrix_units() {
                let on = Executor::gpu(&rig, Kernels::MatrixUnits);
                all.extend(trials(&on));
                all.extend(golden_trials(&on, !rig.checked));
                all.extend(variant_trials(&rig));
                all.push(chunks_trial(&rig, Precision::F16));
                for small in [false, true] {
                    let name = format!("{}/layouts{}", rig.name, if small { ", cut" } else { "" });
                    let on = rig.clone();
                    all.push(rig.trial(name, move || done(check_layouts(&on, small))));
                }
            }
            for precision in precisions(&chosen) {
                all.push(chunks_trial(rig, precision));
            }
        }
        all
    })
}
