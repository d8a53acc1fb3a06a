//! What a choice of kernels depends on, as the key that the cache keeps it under.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::cache::{CacheKey, TuningEffort};
use crate::adapter::AdapterInfo;
use crate::gpu;
use crate::plan::{KERNEL_VARIANTS, Kernels};
use crate::{Mode, Scheme};

/// What a winner depends on. Batch sizes of one class, a power of two, share it.
pub(super) fn key(gpu: &gpu::Session, mode: &Mode, batch: usize, effort: TuningEffort) -> CacheKey {
    let model = gpu.architecture();
    let mut shape = String::new();
    for (index, width) in model.widths().into_iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(shape, "{}{width}", if index > 0 { "-" } else { "" });
    }
    for layer in &model.layers {
        let _ = write!(shape, " {}", layer.activation);
    }
    let class = batch.next_power_of_two();
    let _ = write!(shape, " {} batch {class}", model.normalization);
    shape.push_str(&among(gpu.kernels(), gpu.may_use_matrix_units()));
    device_key(gpu.info(), mode, shape, effort)
}

/// What a winner was chosen among: one among a few is none among all.
fn among(kernels: Kernels, may_use_matrix_units: bool) -> String {
    let path = match kernels {
        Kernels::Path(path) => format!(", {}", path.name()),
        Kernels::MatrixUnits => ", only on matrix units".to_owned(),
        Kernels::Any | Kernels::Named(_) => String::new(),
    };
    let units = if may_use_matrix_units {
        ", with matrix units"
    } else {
        ""
    };
    path + units
}

/// The key of something found out on an adapter.
pub(super) fn device_key(
    info: &AdapterInfo,
    mode: &Mode,
    shape: String,
    effort: TuningEffort,
) -> CacheKey {
    let (precision, scheme) = names(mode);
    CacheKey {
        adapter: info.name.clone(),
        backend: info.backend.to_string(),
        driver: info.driver.clone(),
        shaders: shaders(),
        precision,
        scheme,
        shape,
        mode: effort,
    }
}

/// A mode as the cache calls it: the precision, that of each layer where they differ, and the scheme,
/// with how many scales the weights have where a scheme leaves that open.
fn names(mode: &Mode) -> (String, String) {
    let whole = [mode.precision];
    let layers = if mode.layers.is_empty() {
        &whole[..]
    } else {
        &mode.layers
    };
    let layers: Vec<&str> = layers.iter().map(|layer| layer.name()).collect();
    let scheme = match (mode.scheme, mode.weights) {
        (Some(scheme), Some(weights)) if scheme != Scheme::DynamicTensor => {
            format!("{scheme}, weights by {weights}")
        }
        // The only scheme once, which a precision without one still has in the cache.
        _ => Scheme::DynamicTensor.to_string(),
    };
    (layers.join(","), scheme)
}

/// SHA-256 of every shader, of the variants' numbers, and of what compiles them: a winner among others
/// is none among these.
fn shaders() -> String {
    let mut hash = Sha256::new();
    hash.update(env!("FMNIST_GPU_WGPU"));
    for text in gpu::shader_texts() {
        hash.update(text);
    }
    hash.update(format!("{KERNEL_VARIANTS:?}"));
    let mut hex = String::new();
    for byte in hash.finalize() {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ExecutionPath;
    use crate::{Precision, WeightScales};

    #[test]
    fn every_mode_has_winners_of_its_own() {
        let mut modes = Mode::every();
        for scheme in [Scheme::DynamicRow, Scheme::Static] {
            modes.push(Mode::int8(scheme, WeightScales::Tensor));
            for weights in [WeightScales::Tensor, WeightScales::Channel] {
                for layers in [[Precision::F16, Precision::Int8], [Precision::Int8; 2]] {
                    modes.push(Mode::mixed(layers.to_vec(), scheme, weights).unwrap());
                }
            }
        }
        let mut all: Vec<_> = modes.iter().map(names).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), modes.len());
        // What was tuned before there were others is still known.
        let dynamic = "dynamic-tensor".to_owned();
        assert_eq!(
            names(&Mode::reference_int8()),
            ("int8".into(), dynamic.clone())
        );
        assert_eq!(names(&Precision::F16.into()), ("f16".into(), dynamic));
    }

    #[test]
    fn a_winner_is_of_those_it_was_chosen_among() {
        let fused = Kernels::Path(ExecutionPath::Fused);
        let network = Kernels::Path(ExecutionPath::Network);
        let mut all = Vec::new();
        for kernels in [Kernels::Any, fused, network, Kernels::MatrixUnits] {
            all.extend([among(kernels, false), among(kernels, true)]);
        }
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
