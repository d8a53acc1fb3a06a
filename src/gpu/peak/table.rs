//! The table of microkernels: in which shapes each ceiling is tried.

use std::fmt;

use crate::adapter::{AdapterInfo, Feature, MatrixUnits};
use crate::gpu::kernel::Binding;
use crate::gpu::shader::{self, Constants, choices};

/// What an adapter can do at most of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ceiling {
    /// Multiply-add in f32: 2 operations.
    F32,
    /// Multiply-add in native 16-bit floats: 2 operations. Needs `shader-f16`.
    F16,
    /// Multiply-add of matrices of f16 by matrix units, summed in f32: 2 operations for each product.
    Matrix,
    /// The dot product of four int8 codes, added to a sum: 8 operations.
    Int8Dot,
    /// Bytes of memory copied: those read and those written, together.
    Copy,
}

impl Ceiling {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::F32,
        Self::F16,
        Self::Matrix,
        Self::Int8Dot,
        Self::Copy,
    ];

    /// The name in every output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Matrix => "f16-matrix",
            Self::Int8Dot => "int8-dot",
            Self::Copy => "copy",
        }
    }

    /// What is counted.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::F32 | Self::F16 | Self::Matrix | Self::Int8Dot => "operations",
            Self::Copy => "bytes",
        }
    }

    /// Why an adapter cannot do it; none where it can.
    #[must_use]
    pub fn lacks(self, info: &AdapterInfo) -> Option<&'static str> {
        let lacks_f16 = self == Self::F16 && !info.has(Feature::ShaderF16);
        match self {
            Self::Matrix => info.lacks_matrix_units(),
            _ => lacks_f16.then_some("the adapter has no shader-f16"),
        }
    }

    /// The shapes that it is tried in, on an adapter with these matrix units.
    pub fn shapes(self, units: Option<MatrixUnits>) -> impl Iterator<Item = Shape> {
        let matrices = units.into_iter().flat_map(|units| {
            // Sixteen matrices of sums hide more of the units' latency, eight fit more register files.
            [false, true].map(|wide| Shape::Matrix { units, wide })
        });
        let all = SHAPES.iter().copied().chain(matrices);
        all.filter(move |shape| shape.ceiling() == self)
    }
}

impl fmt::Display for Ceiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One way to reach a ceiling; which is the fastest differs between adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Chains of multiply-adds.
    MultiplyAdd {
        /// In 16-bit floats.
        half: bool,
        /// Written as `fma`, not as a product and a sum.
        fused: bool,
        /// 24 chains in each invocation, not 12.
        wide: bool,
    },
    /// Sums of products of matrices.
    Matrix {
        /// What multiplies them.
        units: MatrixUnits,
        /// 4×4 matrices of sums in each subgroup, not 2×4.
        wide: bool,
    },
    /// Sums of dot products, eight rows of them.
    Dot {
        /// Four columns in each invocation, not two.
        wide: bool,
    },
    /// A shader that copies 16 bytes in each invocation.
    CopyShader,
    /// The queue's own copy of a buffer, which is no shader.
    CopyCommand,
}

const fn multiply_add(half: bool, fused: bool, wide: bool) -> Shape {
    Shape::MultiplyAdd { half, fused, wide }
}

/// Every shape that needs no matrix units. Where time is short only the first of a ceiling is tried, so that comes first which
/// does well on most adapters and compiles fast.
static SHAPES: &[Shape] = &[
    multiply_add(false, true, false),
    multiply_add(false, false, false),
    multiply_add(false, true, true),
    multiply_add(false, false, true),
    // Fused f16 takes some drivers far longer, or more operations, than a product and a sum.
    multiply_add(true, false, false),
    multiply_add(true, true, false),
    multiply_add(true, true, true),
    multiply_add(true, false, true),
    Shape::Dot { wide: false },
    Shape::Dot { wide: true },
    Shape::CopyCommand,
    Shape::CopyShader,
];

impl Shape {
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
            // So that one dimension of the grid is enough for all of the memory.
            Self::CopyShader | Self::CopyCommand => 256,
            Self::MultiplyAdd { .. } | Self::Dot { .. } => 64,
            Self::Matrix { units, .. } => units.lanes,
        }
    }

    /// Values, or matrices, that one invocation of it works on side by side: chains, or sums.
    pub(super) fn chains(self) -> u32 {
        match self {
            Self::MultiplyAdd { wide, .. } => 12 << u32::from(wide),
            Self::Dot { wide } => 16 << u32::from(wide),
            Self::Matrix { wide, .. } => 8 << u32::from(wide),
            Self::CopyShader | Self::CopyCommand => 1,
        }
    }

    /// What one step of one invocation counts: operations, or bytes.
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

    /// Its WGSL text; none for what is no shader.
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

/// What it is, in words: `16 chains, fma`.
impl fmt::Display for Shape {
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
