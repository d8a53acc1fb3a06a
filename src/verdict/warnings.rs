//! Warnings about a measurement as a whole.

use crate::adapter::{AdapterInfo, Kind};
use crate::results::{ControlWorkload, Machine, Warning, WarningKind};
use crate::units::{count, share};

/// The circumstances of a measurement.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// What was measured on.
    pub adapters: &'a [&'a AdapterInfo],
    /// The machine.
    pub machine: &'a Machine,
    /// The control workloads beside the samples.
    pub control_workloads: &'a [ControlWorkload],
    /// Whether this is a debug build.
    pub debug: bool,
    /// The share by which every sample was made longer on purpose.
    pub slowdown: f64,
}

/// If the ninth decile of a control workload is this far above its median, as a share, something disturbed it.
const DISTURBED: f64 = 0.5;

/// Above this load average per processor, the measurement has no processor of its own.
const LOADED: f64 = 0.75;

/// The warnings that a reader of the verdict should see first.
#[must_use]
pub fn warnings(with: Circumstances<'_>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |kind, text| warnings.push(Warning { kind, text });
    // Beside others, a software adapter is not what the verdict is about.
    if let [only] = with.adapters
        && only.kind == Kind::Software
    {
        let text = format!(
            "{} is a software adapter: it runs shaders on the CPU, so this verdict does not apply to a GPU.",
            only.name
        );
        warn(WarningKind::SoftwareAdapter, text);
    }
    if with.debug {
        let text = "This is a debug build, so its times mean nothing. Build it with --release.";
        warn(WarningKind::DebugBuild, text.to_owned());
    }
    if with.slowdown > 0.0 {
        let text = format!(
            "Every sample was slowed down by {} on purpose.",
            share(with.slowdown)
        );
        warn(WarningKind::Slowed, text);
    }
    if let Some(text) = busy(with.machine, with.control_workloads) {
        warn(WarningKind::Busy, text);
    }
    warnings
}

/// Whether other programs used the machine, and how that shows.
fn busy(machine: &Machine, control_workloads: &[ControlWorkload]) -> Option<String> {
    let spread = |control_workload: &ControlWorkload| {
        let median = control_workload.wall_ns.median.max(1) as f64;
        (
            control_workload.wall_ns.p90 as f64 / median - 1.0,
            control_workload.batch,
        )
    };
    let worst = control_workloads
        .iter()
        .map(spread)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let disturbed = worst.filter(|(spread, _)| *spread > DISTURBED);
    let loaded = machine
        .load_before
        .filter(|&load| load > LOADED * machine.processors as f64);
    let load = loaded.map(|load| {
        format!(
            "in the minute before the run, {load:.1} processes on average competed for {} processors",
            machine.processors
        )
    });
    let work = disturbed.map(|(spread, batch)| {
        format!(
            "at batch {}, one in ten runs of the control workload took {} longer than the median",
            count(batch as u64),
            share(spread)
        )
    });
    let both: Vec<String> = work.into_iter().chain(load).collect();
    if both.is_empty() {
        return None;
    }
    Some(format!("The machine was busy: {}.", both.join("; ")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cpu::Processor;
    use crate::engine::Place;
    use crate::stats::Samples;

    fn kinds(
        adapter: &AdapterInfo,
        load: f64,
        slowest: u64,
        debug: bool,
        slowdown: f64,
    ) -> Vec<WarningKind> {
        let mut samples = vec![Duration::from_nanos(1000); 8];
        samples.extend([Duration::from_nanos(slowest); 2]);
        let machine = Machine {
            processor: None,
            processors: 4,
            system: "linux x86_64".into(),
            load_before: Some(load),
        };
        let control_workload = ControlWorkload {
            batch: 1,
            device: Place::Cpu,
            adapter: 0,
            threads: Some(1),
            work: "some".into(),
            wall_ns: Samples::new(&samples).unwrap(),
        };
        let warnings = warnings(Circumstances {
            adapters: &[adapter],
            machine: &machine,
            control_workloads: &[control_workload],
            debug,
            slowdown,
        });
        warnings.into_iter().map(|warning| warning.kind).collect()
    }

    #[test]
    fn each_warning_has_its_cause() {
        let cpu = AdapterInfo::cpu(0, Processor::default().info());
        let software = AdapterInfo {
            kind: Kind::Software,
            ..cpu.clone()
        };
        assert_eq!(kinds(&cpu, 0.5, 1100, false, 0.0), []);
        assert_eq!(kinds(&cpu, 3.5, 1100, false, 0.0), [WarningKind::Busy]);
        assert_eq!(kinds(&cpu, 0.5, 9000, false, 0.0), [WarningKind::Busy]);
        assert_eq!(kinds(&cpu, 0.5, 1100, true, 0.0), [WarningKind::DebugBuild]);
        assert_eq!(kinds(&cpu, 0.5, 1100, false, 0.1), [WarningKind::Slowed]);
        assert_eq!(
            kinds(&software, 0.5, 1100, false, 0.0),
            [WarningKind::SoftwareAdapter]
        );
    }
}
