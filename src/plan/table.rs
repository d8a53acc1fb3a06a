//! The table of strategies, and which of them are likely to be good where.

use super::Limits;
use super::fused::{Arithmetic, Body, Tile, UNKNOWN};
use super::pass::Tiling;
use super::strategy::{Form, Strategy};
use crate::Precision;
use crate::adapter::Kind;

const fn layers(
    name: &'static str,
    body: Body,
    [rows, groups, row_lanes, lanes]: [u32; 4],
    arithmetic: Arithmetic,
) -> Strategy {
    Strategy {
        name,
        form: Form::Layers(Tile {
            body,
            rows,
            groups,
            row_lanes,
            lanes,
        }),
        arithmetic,
    }
}

const fn network(name: &'static str, lanes: u32, k_lanes: u32, arithmetic: Arithmetic) -> Strategy {
    Strategy {
        name,
        form: Form::Network { lanes, k_lanes },
        arithmetic,
    }
}

const SINGLE: Arithmetic = Arithmetic::F32;
const DOT: Arithmetic = Arithmetic::Dot;
const MATRIX: Arithmetic = Arithmetic::Matrix;
const COOP: Body = Body::Coop(UNKNOWN);
const STAGED: Body = Body::CoopStaged(UNKNOWN);

/// Every strategy. A tile's numbers are rows and groups of four columns an invocation, lanes along
/// the rows, and lanes in all; a broadcast tile's lanes are the adapter's subgroup. On matrix units
/// they are matrices down and across a subgroup, subgroups along the rows, and subgroups in all.
pub static STRATEGIES: &[Strategy] = &[
    separate(Tiling::WIDE),
    separate(Tiling::FEW_ROWS),
    layers("register-8x16", Body::Register, [8, 4, 8, 8], SINGLE),
    layers("register-8x8", Body::Register, [8, 2, 8, 32], SINGLE),
    layers("register-1x4", Body::Register, [1, 1, 1, 32], SINGLE),
    layers("register-8x8-dot", Body::Register, [8, 2, 8, 32], DOT),
    layers("register-1x4-dot", Body::Register, [1, 1, 1, 32], DOT),
    layers("broadcast-4x32", Body::Broadcast, [4, 8, 0, 0], SINGLE),
    layers("broadcast-8x32", Body::Broadcast, [8, 8, 0, 0], SINGLE),
    layers("broadcast-2x64", Body::Broadcast, [2, 16, 0, 0], SINGLE),
    layers("broadcast-4x64", Body::Broadcast, [4, 16, 0, 0], SINGLE),
    layers("workgroup-64x64", Body::Workgroup, [4, 1, 16, 256], SINGLE),
    layers("workgroup-128x64", Body::Workgroup, [8, 1, 16, 256], SINGLE),
    layers(
        "workgroup-128x128",
        Body::Workgroup,
        [8, 2, 16, 256],
        SINGLE,
    ),
    layers("workgroup-64x64-dot", Body::Workgroup, [4, 1, 16, 256], DOT),
    layers(
        "workgroup-128x128-dot",
        Body::Workgroup,
        [8, 2, 16, 256],
        DOT,
    ),
    layers("rows-64", Body::Rows, [4, 1, 1, 64], SINGLE),
    layers("rows-64-dot", Body::Rows, [4, 1, 1, 64], DOT),
    layers("subgroup-rows", Body::SubgroupRows, [4, 1, 1, 0], SINGLE),
    layers("subgroup-rows-dot", Body::SubgroupRows, [4, 1, 1, 0], DOT),
    layers("coop-1x4", COOP, [1, 4, 1, 1], MATRIX),
    layers("coop-2x4", COOP, [2, 4, 1, 1], MATRIX),
    layers("coop-staged-2x2", STAGED, [2, 2, 2, 4], MATRIX),
    layers("coop-staged-4x4", STAGED, [4, 4, 2, 4], MATRIX),
    network("network-8", 8, 1, SINGLE),
    network("network-8-dot", 8, 1, DOT),
    network("network-256", 256, 16, SINGLE),
    network("network-256-dot", 256, 16, DOT),
];

pub(super) const fn separate(tiling: Tiling) -> Strategy {
    Strategy {
        name: tiling.name,
        form: Form::Separate(tiling),
        // In int8 the passes multiply with the packed dot product; `arithmetic_in` says so.
        arithmetic: Arithmetic::F32,
    }
}

/// Names of what is likely to be good for batches of `batch` on an adapter, best first. The best with
/// matrix units and the best without come first, whichever time is left for the others.
pub(super) fn likely(precision: Precision, batch: usize, limits: &Limits) -> Vec<&'static str> {
    let without = without_matrix_units(precision, batch, limits.kind);
    if precision != Precision::F16 || limits.matrix_units.is_none() {
        return without.to_vec();
    }
    let with: &[&str] = match batch {
        1..=16 => &["coop-1x4"],
        _ => &["coop-2x4", "coop-staged-2x2", "coop-staged-4x4"],
    };
    [&with[..1], &without[..1], &with[1..], &without[1..]].concat()
}

fn without_matrix_units(precision: Precision, batch: usize, kind: Kind) -> &'static [&'static str] {
    match (kind, precision, batch) {
        (Kind::Software | Kind::Cpu, _, 1..=4) => &[
            "network-8",
            "network-8-dot",
            "register-1x4",
            "register-1x4-dot",
        ],
        (Kind::Software | Kind::Cpu, Precision::Int4 | Precision::Mixed, _) => &[
            "broadcast-4x32",
            "broadcast-4x64",
            "broadcast-8x32",
            "register-8x16",
        ],
        (Kind::Software | Kind::Cpu, Precision::F32, _) => &[
            "broadcast-4x32",
            "broadcast-8x32",
            "register-8x16",
            "register-8x8",
        ],
        (Kind::Software | Kind::Cpu, Precision::F16, _) => {
            &["broadcast-8x32", "broadcast-4x32", "register-8x16"]
        }
        (Kind::Software | Kind::Cpu, Precision::Bf16, _) => &[
            "broadcast-8x32",
            "broadcast-4x32",
            "broadcast-4x64",
            "register-8x16",
        ],
        (Kind::Software | Kind::Cpu, Precision::Int8, 5..=64) => &[
            "broadcast-2x64",
            "broadcast-4x32",
            "register-8x8-dot",
            "network-8",
        ],
        (Kind::Software | Kind::Cpu, Precision::Int8, _) => &[
            "broadcast-4x64",
            "broadcast-4x32",
            "broadcast-2x64",
            "register-8x16",
            "register-8x8-dot",
        ],
        (_, Precision::Int8, 1..=8) => &[
            "network-256-dot",
            "subgroup-rows-dot",
            "rows-64-dot",
            "network-256",
        ],
        (_, _, 1..=8) => &["network-256", "subgroup-rows", "rows-64", "register-1x4"],
        (_, Precision::F32 | Precision::Int4 | Precision::Mixed, _) => &[
            "workgroup-64x64",
            "workgroup-128x64",
            "workgroup-128x128",
            "register-8x8",
        ],
        (_, Precision::F16 | Precision::Bf16, _) => &[
            "workgroup-64x64",
            "workgroup-128x128",
            "workgroup-128x64",
            "register-8x8",
        ],
        (_, Precision::Int8, _) => &[
            "workgroup-64x64-dot",
            "workgroup-128x128-dot",
            "workgroup-64x64",
            "register-8x8-dot",
        ],
    }
}
