//! The shader of the fixed work beside samples promises what the kernels do.

use fmnist_gpu::Precision;
use fmnist_gpu::gpu::{CONTROL_WORKLOAD_BINDINGS, CONTROL_WORKLOAD_SOURCE};
use naga::valid::Capabilities;

use super::interface::check_bindings;
use super::limits::{check_limits, least};
use super::variant::check;
use super::write::{Layout, targets_for};

#[test]
fn it_runs_everywhere_and_is_bound_as_it_says() {
    let checked = check(CONTROL_WORKLOAD_SOURCE, Capabilities::empty()).expect("a valid text");
    check_bindings(&checked, CONTROL_WORKLOAD_BINDINGS, None).expect("the same bindings");
    check_limits(&checked, 64, &least()).expect("small enough");
    for target in targets_for(Precision::F32, false, false) {
        for guarded in [true, false] {
            let layout = Layout {
                storage: CONTROL_WORKLOAD_BINDINGS,
                guarded,
                subgroups: false,
                matrix_units: false,
            };
            let written = layout.write(&checked, target);
            assert!(written.is_ok(), "{target:?}: {:?}", written.err());
        }
    }
}
