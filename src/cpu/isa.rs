//! The instruction sets that there are kernels for, and which of them this processor has.

use std::fmt;
use std::str::FromStr;

use super::simd::{Portable, Work};
use crate::error::{Error, Result};

/// An instruction set that there are kernels for; its name is the kernels' name in results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isa {
    /// AVX-512 (F, BW, DQ, VL) with VNNI, which multiplies bytes: Cascade Lake, Ice Lake, Zen 4 and later
    /// servers. Where VBMI is there too, which the first of them lacks, quantized values are looked up by it.
    Avx512Vnni,
    /// AVX-512 (F, BW, DQ, VL): Skylake servers.
    Avx512,
    /// AVX2 with FMA and F16C: Haswell, Zen and later.
    Avx2,
    /// What every processor of the target has: SSE2 on x86-64, NEON on AArch64.
    Portable,
}

impl Isa {
    /// All of them, the fastest first.
    pub const ALL: [Self; 4] = [Self::Avx512Vnni, Self::Avx512, Self::Avx2, Self::Portable];

    /// The name in every output and for `--kernel`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512Vnni => "avx512-vnni",
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// The instruction set of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|isa| isa.name() == name)
    }

    /// Whether this processor has it, and its operating system lets it be used.
    #[must_use]
    pub fn is_supported(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            match self {
                Self::Avx512Vnni => avx512 && is_x86_feature_detected!("avx512vnni"),
                Self::Avx512 => avx512,
                Self::Avx2 => avx2,
                Self::Portable => true,
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Self::Portable
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Isa {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Error::unknown_name("kernel", text, Self::ALL.map(Self::name));
        Self::find(text).ok_or_else(unknown)
    }
}

/// An instruction set that this processor was found to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supported(Isa);

impl Supported {
    /// The fastest there is.
    #[must_use]
    pub fn best() -> Self {
        Self::all().next().unwrap_or(Self(Isa::Portable))
    }

    /// All there are, the fastest first.
    pub fn all() -> impl Iterator<Item = Self> {
        Isa::ALL
            .into_iter()
            .filter(|isa| isa.is_supported())
            .map(Self)
    }

    /// This one.
    ///
    /// # Errors
    /// `Error::KernelUnavailable` where the processor lacks it.
    pub fn named(isa: Isa) -> Result<Self> {
        if isa.is_supported() {
            return Ok(Self(isa));
        }
        let names: Vec<&str> = Self::all().map(|found| found.0.name()).collect();
        Err(Error::KernelUnavailable {
            kernel: isa.name(),
            found: names.join(", "),
        })
    }

    /// Which it is.
    #[must_use]
    pub fn isa(self) -> Isa {
        self.0
    }

    /// Does `work` with its vectors.
    pub(super) fn run<W: Work>(self, work: W) -> W::Output {
        #[cfg(target_arch = "x86_64")]
        use super::simd::{with_avx2, with_avx512, with_avx512_vnni};

        #[expect(
            unsafe_code,
            reason = "instructions beyond the target's own were looked for at run time"
        )]
        // SAFETY: a `Supported` is made only of what the processor was found to have.
        unsafe {
            match self.0 {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512Vnni => with_avx512_vnni(work),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => with_avx512(work),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => with_avx2(work),
                _ => work.run::<Portable>(),
            }
        }
    }
}
