//! What is to be doubted of a measurement as a whole.

use crate::adapter::{AdapterInfo, Kind};
use crate::bench::{Doubt, Machine, Warning, Yardstick};
use crate::units::{count, share};

/// What a measurement was made with and beside.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// What it ran on.
    pub adapter: &'a AdapterInfo,
    /// The machine.
    pub machine: &'a Machine,
    /// The fixed work beside the samples.
    pub yardsticks: &'a [Yardstick],
    /// Whether this is a debug build.
    pub debug: bool,
    /// The share by which every sample was made longer on purpose.
    pub slowdown: f64,
}

/// A yardstick whose ninth decile is so far above its median, as a share, was disturbed.
const DISTURBED: f64 = 0.5;

/// A load average from this share of the processors on leaves none for the measurement.
const LOADED: f64 = 0.75;

/// Everything that a reader of the verdict should know first.
#[must_use]
pub fn doubts(with: Circumstances<'_>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |kind, text| warnings.push(Warning { kind, text });
    if with.adapter.kind == Kind::Software {
        let text = format!(
            "{} runs shaders on the processor: this verdict speaks of this adapter alone and says nothing \
             about a GPU.",
            with.adapter.name
        );
        warn(Doubt::SoftwareAdapter, text);
    }
    if with.debug {
        let text = "This is a debug build, whose times mean nothing: use cargo run --release.";
        warn(Doubt::DebugBuild, text.to_owned());
    }
    if with.slowdown > 0.0 {
        let text = format!(
            "Every sample was made {} longer on purpose.",
            share(with.slowdown)
        );
        warn(Doubt::Slowed, text);
    }
    if let Some(text) = busy(with.machine, with.yardsticks) {
        warn(Doubt::Busy, text);
    }
    warnings
}

/// Whether something else took the machine's time, and how that shows.
fn busy(machine: &Machine, yardsticks: &[Yardstick]) -> Option<String> {
    let spread = |yardstick: &Yardstick| {
        let median = yardstick.wall_ns.median.max(1) as f64;
        (yardstick.wall_ns.p90 as f64 / median - 1.0, yardstick.batch)
    };
    let worst = yardsticks
        .iter()
        .map(spread)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let disturbed = worst.filter(|(spread, _)| *spread > DISTURBED);
    let loaded = machine
        .load_before
        .filter(|&load| load > LOADED * machine.processors as f64);
    let load = loaded.map(|load| {
        format!(
            "in the minute before, {load:.1} processes wanted to run on {} processors (a build counts too)",
            machine.processors
        )
    });
    let work = disturbed.map(|(spread, batch)| {
        format!(
            "the same work took {} longer in one of ten tries beside batch {}",
            share(spread),
            count(batch as u64)
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
    ) -> Vec<Doubt> {
        let mut samples = vec![Duration::from_nanos(1000); 8];
        samples.extend([Duration::from_nanos(slowest); 2]);
        let machine = Machine {
            processor: None,
            processors: 4,
            system: "linux x86_64".into(),
            load_before: Some(load),
        };
        let yardstick = Yardstick {
            batch: 1,
            device: Place::Cpu,
            threads: Some(1),
            work: "some".into(),
            wall_ns: Samples::new(&samples).unwrap(),
        };
        let warnings = doubts(Circumstances {
            adapter,
            machine: &machine,
            yardsticks: &[yardstick],
            debug,
            slowdown,
        });
        warnings.into_iter().map(|warning| warning.kind).collect()
    }

    #[test]
    fn each_doubt_has_its_cause() {
        let cpu = AdapterInfo::cpu(0, Processor::default().info());
        let software = AdapterInfo {
            kind: Kind::Software,
            ..cpu.clone()
        };
        assert_eq!(kinds(&cpu, 0.5, 1100, false, 0.0), []);
        assert_eq!(kinds(&cpu, 3.5, 1100, false, 0.0), [Doubt::Busy]);
        assert_eq!(kinds(&cpu, 0.5, 9000, false, 0.0), [Doubt::Busy]);
        assert_eq!(kinds(&cpu, 0.5, 1100, true, 0.0), [Doubt::DebugBuild]);
        assert_eq!(kinds(&cpu, 0.5, 1100, false, 0.1), [Doubt::Slowed]);
        assert_eq!(
            kinds(&software, 0.5, 1100, false, 0.0),
            [Doubt::SoftwareAdapter]
        );
    }
}
