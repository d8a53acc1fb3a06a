//! The table of microkernels: the shapes in which each ceiling is tried.

use std::fmt;

use crate::adapter::MatrixUnits;
use crate::gpu::kernel::Binding;
use crate::gpu::shader::{self, Constants, choices};
use crate::peak::Ceiling;

/// One way to reach a ceiling; which is the fastest differs between adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeShape {
    /// Chains of multiply-adds.
    MultiplyAdd {
        /// In 16-bit floats.
        half: bool,
        /// Written as `fma` instead of a product and a sum.
        fused: bool,
        /// 24 chains in each invocation instead of 12.
        wide: bool,
    },
    /// Sums of products of matrices.
    Matrix {
        /// What multiplies them.
        units: MatrixUnits,
        /// 4×4 matrices of sums in each subgroup instead of 2×4.
        wide: bool,
    },
    /// Sums of dot products, eight rows of them.
    Dot {
        /// Four columns in each invocation instead of two.
        wide: bool,
    },
    /// A shader that copies 16 bytes in each invocation.
    CopyShader,
    /// The queue's own copy of a buffer, without a shader.
    CopyCommand,
}

const fn multiply_add(half: bool, fused: bool, wide: bool) -> ProbeShape {
    ProbeShape::MultiplyAdd { half, fused, wide }
}

/// Every shape that needs no matrix units. When time is short only the first shape of a ceiling is tried, so the first one
/// is fast on most adapters and compiles fast.
static SHAPES: &[ProbeShape] = &[
    multiply_add(false, true, false),
    multiply_add(false, false, false),
    multiply_add(false, true, true),
    multiply_add(false, false, true),
    // On some drivers fused f16 is far slower, or takes more operations, than a product and a sum.
    multiply_add(true, false, false),
    multiply_add(true, true, false),
    multiply_add(true, true, true),
    multiply_add(true, false, true),
    ProbeShape::Dot { wide: false },
    ProbeShape::Dot { wide: true },
    ProbeShape::CopyCommand,
    ProbeShape::CopyShader,
];

impl ProbeShape {
    /// The shapes in which a ceiling is tried on an adapter with these matrix units.
    pub fn all(ceiling: Ceiling, units: Option<MatrixUnits>) -> impl Iterator<Item = Self> {
        let matrices = units.into_iter().flat_map(|units| {
            // Sixteen matrices of sums hide more of the units' latency, eight fit more register files.
            [false, true].map(|wide| Self::Matrix { units, wide })
        });
        let all = SHAPES.iter().copied().chain(matrices);
        all.filter(move |shape| shape.ceiling() == ceiling)
    }

    /// What it measures.
    #[must_use]
    pub fn ceiling(self) -> Ceiling {
        match self {
            Self::MultiplyAdd { half: false, .. } => Ceiling::F32,
            Self::MultiplyAdd { half: true, .. } => Ceiling::F16,
            Self::Matrix { .. } => Ceiling::Matrix,
            Self::Dot { .. } => Ceiling::Int8Dot,
            Self::CopyShader | Self::CopyCommand => Ceiling::Copy,
        }
    }

    /// Invocations of a workgroup.
    #[must_use]
    pub fn lanes(self) -> u32 {
        match self {
            // With so many, one dimension of the grid covers all of the memory.
            Self::CopyShader | Self::CopyCommand => 256,
            Self::MultiplyAdd { .. } | Self::Dot { .. } => 64,
            Self::Matrix { units, .. } => units.lanes,
        }
    }

    /// How many chains, or sums, one invocation computes side by side.
    pub(super) fn chains(self) -> u32 {
        match self {
            Self::MultiplyAdd { wide, .. } => 12 << u32::from(wide),
            Self::Dot { wide } => 16 << u32::from(wide),
            Self::Matrix { wide, .. } => 8 << u32::from(wide),
            Self::CopyShader | Self::CopyCommand => 1,
        }
    }

    /// The operations, or bytes, of one step of one invocation.
    #[must_use]
    pub fn per_step(self) -> u64 {
        match self {
            Self::MultiplyAdd { .. } => 2 * u64::from(self.chains()),
            Self::Dot { .. } => 8 * u64::from(self.chains()),
            // The lanes of a subgroup share the work.
            Self::Matrix { units, .. } => {
                let products = u64::from(units.size).pow(3) * u64::from(self.chains());
                2 * products / u64::from(units.lanes)
            }
            Self::CopyShader | Self::CopyCommand => 2 * 16,
        }
    }

    /// The storage buffers of its shader, from binding 1 on.
    #[must_use]
    pub fn bindings(self) -> &'static [Binding] {
        match self {
            Self::MultiplyAdd { .. } | Self::Matrix { .. } | Self::Dot { .. } => &[Binding::Write],
            Self::CopyShader | Self::CopyCommand => &[Binding::Read, Binding::Write],
        }
    }

    /// Its WGSL text. `None` where it has no shader.
    #[must_use]
    pub fn source(self) -> Option<String> {
        let mut constants = Constants::default();
        constants.number("LANES", self.lanes());
        let (file, choice) = match self {
            Self::MultiplyAdd { half, fused, wide } => {
                constants.switch("FUSED", fused);
                constants.switch("WIDE", wide);
                let element = if half {
                    "probes/peak/f16"
                } else {
                    "probes/peak/f32"
                };
                ("probes/peak/multiply_add", Some(("element", element)))
            }
            Self::Dot { wide } => {
                constants.switch("WIDE", wide);
                ("probes/peak/dot", None)
            }
            Self::Matrix { units, .. } => {
                constants.number("MATRIX_ROWS", self.chains() / 4);
                let matrices = choices::matrices(units.size);
                ("probes/peak/matrix", Some(("matrices", matrices)))
            }
            Self::CopyShader => ("probes/peak/copy", None),
            Self::CopyCommand => return None,
        };
        Some(shader::link(file, &constants, choice.as_slice()))
    }
}

/// A description: `16 chains, fma`.
impl fmt::Display for ProbeShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MultiplyAdd { fused, .. } => {
                let written = if fused { "fma" } else { "x·a + b" };
                write!(f, "{} chains, {written}", self.chains())
            }
            Self::Matrix { units, .. } => {
                let (rows, size) = (self.chains() / 4, units.size);
                write!(f, "{rows}×4 of {size}×{size}")
            }
            Self::Dot { .. } => write!(f, "8×{} sums", self.chains() / 8),
            Self::CopyShader => f.write_str("shader"),
            Self::CopyCommand => f.write_str("copy command"),
        }
    }
}
