//! The shaders of fixed work promise what the kernels do: the control workload, and the trial of the ways to the device and
//! back.

use fmnist_gpu::Precision;
use fmnist_gpu::gpu::{
    CONTROL_WORKLOAD_BINDINGS, CONTROL_WORKLOAD_SOURCE, TRANSFER_BINDINGS, TRANSFER_SOURCE,
    kernel::Binding,
};
use naga::valid::Capabilities;

use super::interface::check_bindings;
use super::limits::{check_limits, least};
use super::variant::check;
use super::write::{Layout, targets_for};

#[test]
fn they_run_everywhere_and_are_bound_as_they_say() {
    runs_everywhere(CONTROL_WORKLOAD_SOURCE, CONTROL_WORKLOAD_BINDINGS);
    runs_everywhere(TRANSFER_SOURCE, TRANSFER_BINDINGS);
}

fn runs_everywhere(source: &str, storage: &[Binding]) {
    let checked = check(source, Capabilities::empty()).expect("a valid text");
    check_bindings(&checked, storage, None, &[]).expect("the same bindings");
    check_limits(&checked, 64, &least()).expect("small enough");
    for target in targets_for(Precision::F32, false, false) {
        for guarded in [true, false] {
            let layout = Layout {
                storage,
                guarded,
                subgroups: false,
                matrix_units: false,
            };
            let written = layout.write(&checked, target);
            assert!(written.is_ok(), "{target:?}: {:?}", written.err());
        }
    }
}
