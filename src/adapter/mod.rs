//! Adapters as plain data, and which of them a selector means.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::Precision;
use crate::error::{Error, Result};

/// The graphics interface that an adapter is reached through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// Vulkan
    Vulkan,
    /// Metal
    Metal,
    /// Direct3D 12
    Dx12,
    /// OpenGL or OpenGL ES
    Gl,
    /// WebGPU in a browser
    WebGpu,
    /// None: the project's own CPU path.
    Cpu,
}

impl Backend {
    /// The name in every output and in selectors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vulkan => "vulkan",
            Self::Metal => "metal",
            Self::Dx12 => "dx12",
            Self::Gl => "gl",
            Self::WebGpu => "webgpu",
            Self::Cpu => "cpu",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Backend {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

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
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                Error::Usage(format!("unknown feature '{text}': use one of {names}"))
            })
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
        lacks_f16.then_some("the adapter has no shader-f16")
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
            Some("the CPU path has none")
        } else if !self.has(Feature::CooperativeMatrix) {
            Some("the adapter has no cooperative matrices")
        } else if !self.has(Feature::ShaderF16) {
            Some("the adapter has no shader-f16")
        } else if !self.has(Feature::Subgroup) {
            Some("the adapter has no subgroup operations")
        } else if self.matrix_units.is_none() {
            Some(
                "none of the adapter's cooperative matrices is 8×8 or 16×16, multiplies f16, sums in \
                 f32, and fits its subgroups",
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
            return Err(Error::Usage(
                "--adapter is empty: see 'fmnist-gpu adapters'".into(),
            ));
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
        Some(selector) if count <= 1 => format!("asked for as '{selector}'"),
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
        " A software Vulkan driver is in the package mesa-vulkan-drivers."
    } else {
        ""
    };
    Error::AdapterNotFound {
        selector,
        found: found.join(", "),
        hint: hint.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(index: usize, name: &str, backend: Backend, kind: Kind) -> AdapterInfo {
        AdapterInfo {
            index,
            name: name.into(),
            backend,
            kind,
            driver: String::new(),
            features: Vec::new(),
            processor: None,
            matrix_units: None,
        }
    }

    const PROCESSOR: ProcessorInfo = ProcessorInfo {
        instruction_set: "portable",
        threads: 2,
    };

    fn machine() -> Vec<AdapterInfo> {
        vec![
            adapter(0, "llvmpipe (LLVM 15)", Backend::Vulkan, Kind::Software),
            adapter(1, "Great Graphics 7", Backend::Vulkan, Kind::Integrated),
            adapter(2, "llvmpipe", Backend::Gl, Kind::Software),
            AdapterInfo::cpu(3, PROCESSOR),
        ]
    }

    fn chosen(selector: &str) -> usize {
        let selector = selector.parse().unwrap();
        select(&machine(), Some(&selector)).unwrap().0.index
    }

    #[test]
    fn a_selector_is_a_backend_then_an_index_then_a_name() {
        assert_eq!(chosen("vulkan"), 1);
        assert_eq!(chosen("GL"), 2);
        assert_eq!(chosen("cpu"), 3);
        assert_eq!(chosen("0"), 0);
        assert_eq!(chosen("LLVMpipe"), 0);
        assert_eq!(select(&machine(), None).unwrap().0.index, 1);
    }

    #[test]
    fn a_missing_adapter_lists_what_there_is() {
        let selector: Selector = "metal".parse().unwrap();
        assert!(select(&machine(), Some(&selector)).is_none());
        let error = not_found(&machine(), "metal".into());
        assert_eq!(error.exit_code(), 3);
        let message = error.to_string();
        assert!(
            message.contains("1 Great Graphics 7") && message.contains("CPU path"),
            "{message}"
        );
        let hint = message.contains("mesa-vulkan-drivers");
        assert_eq!(hint, cfg!(target_os = "linux"), "{message}");
    }

    #[test]
    fn f16_needs_its_feature_except_on_the_cpu_path() {
        let mut info = machine().swap_remove(1);
        assert!(info.lacks(Precision::F16).is_some());
        assert!(info.lacks(Precision::Int8).is_none());
        info.features.push(Feature::ShaderF16);
        assert!(info.lacks(Precision::F16).is_none());
        assert!(
            AdapterInfo::cpu(0, PROCESSOR)
                .lacks(Precision::F16)
                .is_none()
        );
    }

    #[test]
    fn matrix_units_need_their_features() {
        let mut info = machine().swap_remove(1);
        let lacks = |info: &AdapterInfo| info.lacks_matrix_units().unwrap_or("nothing").to_owned();
        assert!(lacks(&info).contains("no cooperative matrices"));
        info.features.push(Feature::CooperativeMatrix);
        assert!(lacks(&info).contains("shader-f16"));
        info.features.push(Feature::ShaderF16);
        assert!(lacks(&info).contains("subgroup"));
        info.features.push(Feature::Subgroup);
        assert!(lacks(&info).contains("none of the adapter's"));
        info.matrix_units = Some(MatrixUnits { size: 8, lanes: 8 });
        assert_eq!(lacks(&info), "nothing");
        for feature in [
            Feature::CooperativeMatrix,
            Feature::ShaderF16,
            Feature::Subgroup,
        ] {
            let mut masked = info.clone();
            masked.mask(&[feature]);
            assert_eq!(masked.matrix_units, None);
        }
        info.mask(&[Feature::TimestampQuery]);
        assert!(info.matrix_units.is_some());
        assert!(
            AdapterInfo::cpu(0, PROCESSOR)
                .lacks_matrix_units()
                .is_some()
        );
    }
}
