//! What is known of an adapter: its name, what sort of machine it is, and its features.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::backend::Backend;
use crate::Precision;
use crate::error::{Error, Result};

/// What sort of machine an adapter is; the order is from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A GPU with its own memory.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A GPU of a virtual machine.
    Virtual,
    /// A GPU whose driver does not say.
    Other,
    /// A driver that runs shaders on the processor.
    Software,
    /// The project's own CPU path.
    Cpu,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Other => "other",
            Self::Software => "software",
            Self::Cpu => "cpu",
        })
    }
}

/// The adapter features that decide what runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    /// 16-bit floating point in shaders.
    ShaderF16,
    /// Timestamps taken by the device.
    TimestampQuery,
    /// Operations across a subgroup.
    Subgroup,
    /// Cooperative matrices (tensor cores).
    CooperativeMatrix,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::ShaderF16,
        Self::TimestampQuery,
        Self::Subgroup,
        Self::CooperativeMatrix,
    ];

    /// The name in every output and for `--mask-features`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ShaderF16 => "shader-f16",
            Self::TimestampQuery => "timestamp-query",
            Self::Subgroup => "subgroup",
            Self::CooperativeMatrix => "cooperative-matrix",
        }
    }
}

impl FromStr for Feature {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wanted = text.trim().to_ascii_lowercase().replace('_', "-");
        Self::ALL
            .into_iter()
            .find(|feature| feature.name() == wanted)
            .ok_or_else(|| Error::unknown_name("feature", text, Self::ALL.map(Self::name)))
    }
}

impl Serialize for Feature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Matrix units (tensor cores) as this project uses them: the lanes of a subgroup together multiply
/// two matrices of f16 and add the product to one of f32, all of them `size` × `size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct MatrixUnits {
    /// Rows and columns of a matrix: 8 or 16.
    pub size: u32,
    /// Lanes of a subgroup: of an adapter the most that it has, of an open device what kernels get.
    pub lanes: u32,
}

/// One adapter, or the CPU path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdapterInfo {
    /// Its place in the list of adapters that it was found in; no part of a result.
    #[serde(skip)]
    pub index: usize,
    /// The driver's name for it.
    pub name: String,
    /// How it is reached.
    pub backend: Backend,
    /// What sort of machine it is.
    pub kind: Kind,
    /// Driver and version.
    pub driver: String,
    /// Those of its features that decide what runs.
    pub features: Vec<Feature>,
    /// What the CPU path uses of the processor; none for an adapter.
    pub processor: Option<ProcessorInfo>,
    /// Its matrix units, where it has any that can be used.
    pub matrix_units: Option<MatrixUnits>,
}

/// What the CPU path uses of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ProcessorInfo {
    /// The instruction set of its kernels, which is their name.
    pub instruction_set: &'static str,
    /// The threads that it runs on at most.
    pub threads: usize,
}

impl fmt::Display for ProcessorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.threads == 1 { "" } else { "s" };
        write!(
            f,
            "{}, {} thread{plural}",
            self.instruction_set, self.threads
        )
    }
}

impl AdapterInfo {
    /// The CPU path, as the last of the adapters.
    #[must_use]
    pub fn cpu(index: usize, processor: ProcessorInfo) -> Self {
        Self {
            index,
            name: "CPU path".into(),
            backend: Backend::Cpu,
            kind: Kind::Cpu,
            driver: format!("the processor, {}", std::env::consts::ARCH),
            features: Vec::new(),
            processor: Some(processor),
            matrix_units: None,
        }
    }

    /// Whether it has a feature.
    #[must_use]
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// Why this adapter cannot run a precision itself; none where it can.
    #[must_use]
    pub fn lacks(&self, precision: Precision) -> Option<&'static str> {
        let lacks_f16 =
            self.kind != Kind::Cpu && precision == Precision::F16 && !self.has(Feature::ShaderF16);
        lacks_f16.then_some("the adapter has no shader-f16, the feature for 16-bit floats")
    }
}

impl AdapterInfo {
    /// Hides features, as if the adapter lacked them.
    pub fn mask(&mut self, features: &[Feature]) {
        self.features.retain(|feature| !features.contains(feature));
        if self.lacks_matrix_units().is_some() {
            self.matrix_units = None;
        }
    }

    /// Why f16 cannot run on matrix units here; none where it can.
    #[must_use]
    pub fn lacks_matrix_units(&self) -> Option<&'static str> {
        if self.kind == Kind::Cpu {
            Some("the CPU path has no matrix units")
        } else if !self.has(Feature::CooperativeMatrix) {
            Some("the adapter has no cooperative matrices, by which shaders use matrix units")
        } else if !self.has(Feature::ShaderF16) {
            Some("the adapter has no shader-f16, the feature for 16-bit floats")
        } else if !self.has(Feature::Subgroup) {
            Some("the adapter has no subgroup operations")
        } else if self.matrix_units.is_none() {
            Some(
                "the adapter has no cooperative matrix of 8×8 or 16×16 that multiplies f16, sums in f32 and \
                 fits its subgroups",
            )
        } else {
            None
        }
    }
}

impl fmt::Display for AdapterInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Cpu => f.write_str(&self.name),
            kind => write!(f, "{} ({}, {kind})", self.name, self.backend),
        }
    }
}
