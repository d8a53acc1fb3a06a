//! The machine that a measurement ran on, as far as its figures depend on it.

use std::fs;
use std::thread;

use serde::Serialize;

/// What a result says of the machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Machine {
    /// The processor's name; none where the system does not say.
    pub processor: Option<String>,
    /// Processors that the system has for this program.
    pub processors: usize,
    /// The system and its architecture: `linux x86_64`.
    pub system: String,
    /// Processes that ran or waited to run in the minute before the measurement, on average (the load
    /// average); none where the system does not count them.
    pub load_before: Option<f64>,
}

impl Machine {
    /// This machine, now.
    #[must_use]
    pub fn here() -> Self {
        Self {
            processor: fs::read_to_string("/proc/cpuinfo")
                .ok()
                .and_then(|text| processor(&text)),
            processors: thread::available_parallelism().map_or(1, usize::from),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            load_before: load(),
        }
    }
}

/// The name in what Linux says of its processors, where it says one.
fn processor(text: &str) -> Option<String> {
    let named = |line: &str| {
        let (key, value) = line.split_once(':')?;
        let value = value.trim();
        (key.trim() == "model name" && !value.is_empty()).then(|| value.to_owned())
    };
    text.lines().find_map(named)
}

/// The system's load average over a minute.
#[cfg(unix)]
fn load() -> Option<f64> {
    let mut loads = [0.0];
    #[expect(unsafe_code, reason = "the standard library does not ask for it")]
    // SAFETY: the call writes one number, and the buffer holds one.
    let written = unsafe { libc::getloadavg(loads.as_mut_ptr(), 1) };
    (written == 1).then_some(loads[0])
}

#[cfg(not(unix))]
fn load() -> Option<f64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_where_linux_names_it() {
        let text =
            "processor\t: 0\nmodel name\t: AMD EPYC 9754\nflags\t: fpu\nmodel name\t: another\n";
        assert_eq!(processor(text).as_deref(), Some("AMD EPYC 9754"));
        for nameless in ["", "processor\t: 0\n", "model name\t: \n"] {
            assert_eq!(processor(nameless), None);
        }
    }

    #[test]
    fn this_machine_has_a_processor_at_least() {
        let machine = Machine::here();
        assert!(machine.processors >= 1);
        assert_eq!(machine.load_before.is_some(), cfg!(unix));
    }
}
