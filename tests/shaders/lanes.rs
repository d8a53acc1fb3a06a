//! The kernel that looks at the size of subgroups promises what the others do.

use fmnist_gpu::adapter::MatrixUnits;
use fmnist_gpu::gpu::{LANES_BINDINGS, lanes_source};
use naga::valid::Capabilities;

use super::interface::check_bindings;
use super::limits::{check_limits, least};
use super::variant::{Checked, changed, check};
use super::write::{Layout, matrix_targets};

const CAPABILITIES: [Capabilities; 3] = [
    Capabilities::SHADER_FLOAT16,
    Capabilities::SUBGROUP,
    Capabilities::COOPERATIVE_MATRIX,
];

fn units() -> impl Iterator<Item = MatrixUnits> {
    let lanes = |size| [8, 64].map(|lanes| MatrixUnits { size, lanes });
    [8, 16].into_iter().flat_map(lanes)
}

fn checked(units: MatrixUnits) -> Checked {
    let all = CAPABILITIES.into_iter().collect();
    check(&lanes_source(units), all).expect("a valid text")
}

#[test]
fn it_asks_for_no_more_than_kernels_for_matrix_units() {
    for units in units() {
        let text = lanes_source(units);
        for one in CAPABILITIES {
            let others = CAPABILITIES.into_iter().filter(|other| *other != one);
            assert!(check(&text, others.collect()).is_err(), "without {one:?}");
        }
        check_limits(&checked(units), units.lanes, &least()).expect("small enough");
    }
}

#[test]
fn its_buffer_is_bound_and_it_is_written_for_every_backend() {
    for units in units() {
        // It takes no parameters.
        let text = changed(
            &lanes_source(units),
            &[
                ("found[0] = size", "found[0] = size + params"),
                (
                    "var<workgroup> factors",
                    "@group(0) @binding(0) var<uniform> params: u32; var<workgroup> factors",
                ),
            ],
        );
        let valid = check(&text, CAPABILITIES.into_iter().collect()).expect("a valid text");
        check_bindings(&valid, LANES_BINDINGS, None, &[]).expect("the same bindings");
        for target in matrix_targets(units) {
            for guarded in [true, false] {
                let layout = Layout {
                    storage: LANES_BINDINGS,
                    guarded,
                    subgroups: true,
                    matrix_units: true,
                };
                let written = layout.write(&checked(units), target);
                assert!(written.is_ok(), "{target:?}: {:?}", written.err());
            }
        }
    }
}
