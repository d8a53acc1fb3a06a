//! The shaders of a numerics report promise what the kernels do.

use fmnist_gpu::Precision;
use fmnist_gpu::gpu::{NUMERICS_BINDINGS, numerics_sources};
use naga::valid::Capabilities;

use super::interface::check_bindings;
use super::limits::{check_limits, least};
use super::variant::{Checked, check};
use super::write::{Layout, targets_for};

/// The core language with its packing of two f16 into a word, what has the f16 type, what rounds f32 to f16, and what
/// needs nothing of the kind.
const KINDS: [(Precision, Capabilities); 4] = [
    (Precision::F32, Capabilities::SHADER_FLOAT16_IN_FLOAT32),
    (Precision::F16, Capabilities::SHADER_FLOAT16),
    (Precision::F32, Capabilities::SHADER_FLOAT16_IN_FLOAT32),
    (Precision::F32, Capabilities::empty()),
];

fn checked(at: usize) -> Checked {
    check(&numerics_sources()[at], KINDS[at].1).expect("a valid text")
}

#[test]
fn they_ask_for_no_more_than_they_need() {
    for (at, (_, capabilities)) in KINDS.into_iter().enumerate() {
        if !capabilities.is_empty() {
            assert!(check(&numerics_sources()[at], Capabilities::empty()).is_err());
        }
        check(&numerics_sources()[at], capabilities).expect("a valid text");
        check_limits(&checked(at), 64, &least()).expect("small enough");
    }
}

#[test]
fn they_are_bound_as_they_say_and_written_for_every_backend() {
    for (at, (like, _)) in KINDS.into_iter().enumerate() {
        let checked = checked(at);
        check_bindings(&checked, NUMERICS_BINDINGS[at], None, &[]).expect("the same bindings");
        let native = like == Precision::F16;
        for target in targets_for(like, native, false) {
            for guarded in [true, false] {
                let layout = Layout {
                    storage: NUMERICS_BINDINGS[at],
                    guarded,
                    subgroups: false,
                    matrix_units: false,
                };
                let written = layout.write(&checked, target);
                assert!(written.is_ok(), "{target:?}: {:?}", written.err());
            }
        }
    }
}
