//! The shader of the fixed work beside samples promises what the kernels do.

use fmnist_gpu::Precision;
use fmnist_gpu::gpu::{YARDSTICK_BINDINGS, YARDSTICK_SOURCE};
use naga::valid::Capabilities;

use super::interface::check_bindings;
use super::limits::{check_limits, least};
use super::variant::check;
use super::write::{Layout, targets_for};

#[test]
fn it_runs_everywhere_and_is_bound_as_it_says() {
    let checked = check(YARDSTICK_SOURCE, Capabilities::empty()).expect("a valid text");
    check_bindings(&checked, YARDSTICK_BINDINGS, None).expect("the same bindings");
    check_limits(&checked, 64, &least()).expect("small enough");
    for target in targets_for(Precision::F32, false, false) {
        for guarded in [true, false] {
            let layout = Layout {
                storage: YARDSTICK_BINDINGS,
                guarded,
                subgroups: false,
                matrix_units: false,
            };
            let written = layout.write(&checked, target);
            assert!(written.is_ok(), "{target:?}: {:?}", written.err());
        }
    }
}
