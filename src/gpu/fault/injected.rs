//! The words of `FMNIST_GPU_FAULT`.

use std::str::FromStr;
use std::time::Duration;

use crate::error::{Error, Result};

/// A fault that is injected into a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Injected {
    /// The device is destroyed before this wait, counted from 1.
    DeviceLost(u64),
    /// A kernel without end runs from this wait on, and each wait takes this long at most.
    NoAnswer(u64, Duration),
    /// This buffer, counted from 1, gets no memory.
    NoMemoryAllocating(u64),
    /// This buffer, counted among those that are filled, gets no memory.
    NoMemoryUploading(u64),
    /// Shaders whose names contain this do not compile.
    Shader(String),
    /// The largest binding in bytes.
    Binding(u64),
}

impl FromStr for Injected {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || {
            let faults = [
                "device-lost:N",
                "no-answer:N:DURATION",
                "out-of-memory-allocation:N",
                "out-of-memory-upload:N",
                "shader:TEXT",
                "binding:BYTES",
            ];
            Error::unknown_name("fault", text, faults)
        };
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let number = |digits: &str| match digits {
            "" => Ok(1),
            digits => digits.parse::<u64>().map_err(|_| unknown()),
        };
        Ok(match name {
            "device-lost" => Self::DeviceLost(number(rest)?),
            "no-answer" => {
                let (count, time) = rest.split_once(':').unwrap_or((rest, "1s"));
                let time = humantime::parse_duration(time).map_err(|_| unknown())?;
                Self::NoAnswer(number(count)?, time)
            }
            "out-of-memory-allocation" => Self::NoMemoryAllocating(number(rest)?),
            "out-of-memory-upload" => Self::NoMemoryUploading(number(rest)?),
            "shader" => Self::Shader(rest.to_owned()),
            "binding" => Self::Binding(rest.parse().map_err(|_| unknown())?),
            _ => return Err(unknown()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named() {
        let parse = |text: &str| text.parse::<Injected>().ok();
        assert_eq!(parse("device-lost"), Some(Injected::DeviceLost(1)));
        assert_eq!(parse("device-lost:7"), Some(Injected::DeviceLost(7)));
        let second = Duration::from_secs(1);
        assert_eq!(parse("no-answer"), Some(Injected::NoAnswer(1, second)));
        assert_eq!(
            parse("no-answer:3:60s"),
            Some(Injected::NoAnswer(3, 60 * second))
        );
        assert_eq!(parse("shader"), Some(Injected::Shader(String::new())));
        assert_eq!(parse("binding:64"), Some(Injected::Binding(64)));
        for wrong in [
            "",
            "nothing",
            "device-lost:x",
            "no-answer:1:x",
            "binding",
            "device-lost:-1",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
