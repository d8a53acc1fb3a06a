//! The words of `FMNIST_GPU_BREAK`. Each is one change: to the text of one shader, to the weights that are uploaded, or
//! to how often a kernel runs. `verify` must find each of them.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// What a device computes wrongly on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// `layer_workgroup` multiplies a whole step of its tile, also where the inner dimension ends inside the step.
    TileEdge,
    /// `layer_workgroup` reads its tile before all of it is written.
    Barrier,
    /// `layer_broadcast` in f16 leaves half of the inner values out.
    BroadcastF16,
    /// Each block of four by four weights is transposed.
    Transposed,
    /// The lowest bit of the first weight is flipped.
    Bit,
    /// A kernel that is run on its own does nothing in its second and later runs.
    Once,
}

impl Broken {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::TileEdge,
        Self::Barrier,
        Self::BroadcastF16,
        Self::Transposed,
        Self::Bit,
        Self::Once,
    ];

    /// Its name in `FMNIST_GPU_BREAK`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TileEdge => "tile-edge",
            Self::Barrier => "barrier",
            Self::BroadcastF16 => "broadcast-f16",
            Self::Transposed => "transposed",
            Self::Bit => "bit",
            Self::Once => "once",
        }
    }

    /// The one place of a shader that it changes: the files of the shader, the text there, and its replacement.
    fn change(self) -> Option<(&'static [&'static str], &'static str, &'static str)> {
        match self {
            Self::TileEdge => Some((
                &[],
                "let inside = step + k < params.inner;",
                "let inside = true;",
            )),
            Self::Barrier => Some((
                &[],
                "        workgroupBarrier(); // all of the step is there\n",
                "",
            )),
            Self::BroadcastF16 => Some((
                &["kernels/layer/broadcast.wgsl", "shared/element/f16.wgsl"],
                "for (var k = 0u; k < params.inner; k++)",
                "for (var k = params.inner / 2u; k < params.inner; k++)",
            )),
            Self::Transposed | Self::Bit | Self::Once => None,
        }
    }

    /// A shader's text with the fault in it. A text without that place stays as it is.
    #[must_use]
    pub fn in_shader(self, text: String) -> String {
        match self.change() {
            Some((files, from, to))
                if text.contains(from) && files.iter().all(|file| text.contains(file)) =>
            {
                text.replacen(from, to, 1)
            }
            _ => text,
        }
    }

    /// Breaks the packed weights of a model's layers. Beside each layer's weights stand the bytes of a block of four by
    /// four.
    pub(super) fn in_weights(self, layers: &mut [(&mut Vec<u8>, u64)]) {
        match self {
            Self::Bit => {
                if let Some(first) = layers.first_mut().and_then(|(bytes, _)| bytes.first_mut()) {
                    *first ^= 1;
                }
            }
            Self::Transposed => layers
                .iter_mut()
                .for_each(|(bytes, block)| transpose_blocks(bytes, *block as usize / 16)),
            Self::TileEdge | Self::Barrier | Self::BroadcastF16 | Self::Once => {}
        }
    }
}

/// Transposes blocks of four by four values. Values of less than a byte stay as they are.
fn transpose_blocks(bytes: &mut [u8], value: usize) {
    if value == 0 {
        return;
    }
    for block in bytes.chunks_exact_mut(16 * value) {
        for (row, col) in (0..4).flat_map(|row| (0..row).map(move |col| (row, col))) {
            for byte in 0..value {
                block.swap(
                    (4 * row + col) * value + byte,
                    (4 * col + row) * value + byte,
                );
            }
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Broken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|fault| fault.name() == text);
        named.ok_or_else(|| Error::unknown_name("fault", text, Self::ALL.map(Self::name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Precision;
    use crate::gpu::kernel;
    use crate::plan::{KernelFamily, Pass, Subgroups};

    /// Every kernel of the table, on subgroups of eight.
    fn texts() -> impl Iterator<Item = (Pass, String)> {
        texts_by_precision().map(|(pass, _, text)| (pass, text))
    }

    fn texts_by_precision() -> impl Iterator<Item = (Pass, Precision, String)> {
        let subgroups = Subgroups {
            lanes: 8,
            matrix_units: None,
        };
        let variants = kernel::variants(subgroups).into_iter();
        variants.filter_map(|(pass, e)| Some((pass, e, kernel::source(pass, e, false)?)))
    }

    #[test]
    fn a_broken_shader_is_another_text_in_one_place() {
        for fault in [Broken::TileEdge, Broken::Barrier] {
            let mut changed = 0;
            for (pass, text) in texts() {
                let broken = fault.in_shader(text.clone());
                let staged = match pass {
                    Pass::Layer(layer) => {
                        matches!(layer.tile.family, KernelFamily::Workgroup(_))
                    }
                    Pass::Network(network) => network.rows > 1,
                    _ => false,
                };
                assert_eq!(broken != text, staged, "{fault}: {pass:?}");
                changed += usize::from(staged);
                if staged {
                    let lines = |text: &str| text.lines().count();
                    let gone = usize::from(fault == Broken::Barrier);
                    assert_eq!(lines(&broken) + gone, lines(&text));
                    let barriers = |text: &str| text.matches("workgroupBarrier").count();
                    assert_eq!(barriers(&broken) + gone, barriers(&text));
                }
            }
            assert!(changed > 20, "{fault} changes {changed} kernels");
        }
        for fault in [Broken::Transposed, Broken::Bit, Broken::Once] {
            assert!(texts().all(|(_, text)| fault.in_shader(text.clone()) == text));
        }
    }

    #[test]
    fn one_kernel_is_broken_in_one_precision() {
        for (pass, elements, text) in texts_by_precision() {
            let broken = Broken::BroadcastF16.in_shader(text.clone());
            let broadcast =
                matches!(pass, Pass::Layer(layer) if layer.tile.family == KernelFamily::Broadcast);
            let expected = broadcast && elements == Precision::F16;
            assert_eq!(broken != text, expected, "{pass:?} {elements}");
        }
    }

    #[test]
    fn broken_weights_are_other_weights() {
        let weights: Vec<u8> = (0..64).collect();
        let broken = |fault: Broken, block| {
            let mut weights = weights.clone();
            fault.in_weights(&mut [(&mut weights, block)]);
            weights
        };
        let differ = |other: &[u8]| weights.iter().zip(other).filter(|(a, b)| a != b).count();
        let flipped = broken(Broken::Bit, 16);
        assert_eq!((flipped[0], differ(&flipped)), (1, 1));
        let turned = broken(Broken::Transposed, 16);
        assert_eq!((turned[1], turned[4], differ(&turned)), (4, 1, 48));
        assert_eq!(broken(Broken::Transposed, 64)[4..8], [16, 17, 18, 19]);
        assert_eq!(broken(Broken::Barrier, 16), weights);
    }

    #[test]
    fn faults_are_requested_by_name() {
        for fault in Broken::ALL {
            assert_eq!(fault.name().parse::<Broken>().unwrap(), fault);
        }
        assert_eq!("none".parse::<Broken>().unwrap_err().exit_code(), 2);
    }
}
