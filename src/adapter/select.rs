//! Which of the adapters a selector means.

use std::fmt;
use std::str::FromStr;

use super::backend::Backend;
use super::info::{AdapterInfo, Kind};
use crate::error::{Error, Result, UsageError};

/// What `--adapter` means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The best adapter reached through this backend, or the CPU path.
    Backend(Backend),
    /// The adapter of this place in the list.
    Index(usize),
    /// The best adapter whose name holds this text.
    Name(String),
}

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let backends = [
            Backend::Vulkan,
            Backend::Metal,
            Backend::Dx12,
            Backend::Gl,
            Backend::Cpu,
        ];
        if let Some(backend) = backends.into_iter().find(|backend| backend.name() == lower) {
            return Ok(Self::Backend(backend));
        }
        if lower.is_empty() {
            return Err(Error::Usage(UsageError::InvalidValue {
                what: "--adapter".into(),
                given: "empty".into(),
                expected: "a backend, an index or a name that 'fmnist-gpu adapters' prints".into(),
            }));
        }
        Ok(lower.parse().map_or(Self::Name(lower), Self::Index))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend(backend) => write!(f, "{backend}"),
            Self::Index(index) => write!(f, "{index}"),
            Self::Name(name) => write!(f, "{name}"),
        }
    }
}

impl Selector {
    fn matches(&self, info: &AdapterInfo) -> bool {
        match self {
            Self::Backend(backend) => info.backend == *backend,
            Self::Index(index) => info.index == *index,
            Self::Name(name) => info.name.to_ascii_lowercase().contains(name),
        }
    }
}

/// The adapter that a selector means, and why, in words; none where nothing matches. Without a
/// selector: the best, which is the CPU path only where there is nothing else.
#[must_use]
pub fn select<'a>(
    adapters: &'a [AdapterInfo],
    selector: Option<&Selector>,
) -> Option<(&'a AdapterInfo, String)> {
    let matches = |info: &&AdapterInfo| selector.is_none_or(|selector| selector.matches(info));
    let best = adapters
        .iter()
        .filter(matches)
        .min_by_key(|info| info.kind)?;
    let gpus = |info: &&AdapterInfo| info.kind != Kind::Cpu;
    let count = adapters.iter().filter(matches).filter(gpus).count();
    let reason = match selector {
        None if best.kind == Kind::Cpu => "no adapter found, so the CPU path runs".to_owned(),
        None if count == 1 => "the only adapter found".to_owned(),
        None => format!("the best of {count} adapters found"),
        Some(selector) if count <= 1 => format!("requested as '{selector}'"),
        Some(selector) => format!("the best of {count} that match '{selector}'"),
    };
    Some((best, reason))
}

/// The error for an adapter that is not among `adapters`, which lists them.
#[must_use]
pub fn not_found(adapters: &[AdapterInfo], selector: String) -> Error {
    let found: Vec<String> = adapters
        .iter()
        .map(|info| format!("{} {info}", info.index))
        .collect();
    let hint = if cfg!(target_os = "linux") {
        " The package mesa-vulkan-drivers has a software Vulkan driver."
    } else {
        ""
    };
    Error::AdapterNotFound {
        selector,
        found: found.join(", "),
        hint: hint.into(),
    }
}
