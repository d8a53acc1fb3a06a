//! The table of kernel variants.

use super::tile::{Arithmetic, KernelFamily, Staging, Tile, Tiling, UNKNOWN};
use super::variant::{Fusion, KernelVariant};
use crate::error::{Error, Result};

const fn layers(
    name: &'static str,
    family: KernelFamily,
    [rows, groups, row_lanes, lanes]: [u32; 4],
    arithmetic: Arithmetic,
) -> KernelVariant {
    KernelVariant {
        name,
        fusion: Fusion::Layers(Tile {
            family,
            rows,
            groups,
            row_lanes,
            lanes,
        }),
        arithmetic,
        split: false,
    }
}

/// The same, where workgroups share the inner dimension.
const fn split(name: &'static str, layers: KernelVariant) -> KernelVariant {
    KernelVariant {
        name,
        split: true,
        ..layers
    }
}

const fn network(
    name: &'static str,
    [rows, lanes, k_lanes]: [u32; 3],
    arithmetic: Arithmetic,
) -> KernelVariant {
    KernelVariant {
        name,
        fusion: Fusion::Network {
            rows,
            lanes,
            k_lanes,
        },
        arithmetic,
        split: false,
    }
}

/// Tiles in workgroup memory: groups of four along the inner dimension at a time, and copies of the tiles.
const fn staged(k_step: u32, buffers: u32) -> KernelFamily {
    KernelFamily::Workgroup(Staging { k_step, buffers })
}

const SINGLE: Arithmetic = Arithmetic::F32;
const DOT: Arithmetic = Arithmetic::Dot;
const MATRIX: Arithmetic = Arithmetic::Matrix;
const COOP: KernelFamily = KernelFamily::Coop(UNKNOWN);
const STAGED: KernelFamily = KernelFamily::CoopStaged(UNKNOWN);
const ROWS: KernelFamily = KernelFamily::Rows { column_lanes: 8 };

// The smallest tiles, which also run with the inner dimension shared.
const WORKGROUP_32X64: KernelVariant =
    layers("workgroup-32x64", staged(4, 2), [4, 1, 8, 128], SINGLE);
const WORKGROUP_32X64_DOT: KernelVariant =
    layers("workgroup-32x64-dot", staged(16, 2), [4, 1, 8, 128], DOT);
const COOP_STAGED_2X2: KernelVariant = layers("coop-staged-2x2", STAGED, [2, 2, 2, 4], MATRIX);

/// Every variant. A tile's numbers are rows and groups of four columns an invocation, lanes along
/// the rows, and lanes in all; a broadcast tile's lanes are the adapter's subgroup. On matrix units
/// they are matrices down and across a subgroup, subgroups along the rows, and subgroups in all. A network's numbers are
/// images of a workgroup, its lanes, and lanes that share an output.
pub static KERNEL_VARIANTS: &[KernelVariant] = &[
    unfused(Tiling::WIDE),
    unfused(Tiling::FEW_ROWS),
    layers(
        "register-8x16",
        KernelFamily::Register,
        [8, 4, 8, 8],
        SINGLE,
    ),
    layers(
        "register-8x8",
        KernelFamily::Register,
        [8, 2, 8, 32],
        SINGLE,
    ),
    layers(
        "register-1x4",
        KernelFamily::Register,
        [1, 1, 1, 32],
        SINGLE,
    ),
    layers(
        "register-8x8-dot",
        KernelFamily::Register,
        [8, 2, 8, 32],
        DOT,
    ),
    layers(
        "register-1x4-dot",
        KernelFamily::Register,
        [1, 1, 1, 32],
        DOT,
    ),
    layers(
        "broadcast-4x32",
        KernelFamily::Broadcast,
        [4, 8, 0, 0],
        SINGLE,
    ),
    layers(
        "broadcast-8x32",
        KernelFamily::Broadcast,
        [8, 8, 0, 0],
        SINGLE,
    ),
    layers(
        "broadcast-2x64",
        KernelFamily::Broadcast,
        [2, 16, 0, 0],
        SINGLE,
    ),
    layers(
        "broadcast-4x64",
        KernelFamily::Broadcast,
        [4, 16, 0, 0],
        SINGLE,
    ),
    WORKGROUP_32X64,
    split("workgroup-32x64-split", WORKGROUP_32X64),
    layers("workgroup-64x64", staged(4, 2), [4, 1, 16, 256], SINGLE),
    layers("workgroup-128x64", staged(4, 1), [8, 1, 16, 256], SINGLE),
    layers("workgroup-128x128", staged(4, 1), [8, 2, 16, 256], SINGLE),
    layers(
        "workgroup-128x128-16x8",
        staged(4, 1),
        [16, 2, 8, 128],
        SINGLE,
    ),
    WORKGROUP_32X64_DOT,
    split("workgroup-32x64-split-dot", WORKGROUP_32X64_DOT),
    layers("workgroup-64x64-dot", staged(32, 1), [4, 1, 16, 256], DOT),
    layers(
        "workgroup-64x64x64-dot",
        staged(16, 1),
        [4, 1, 16, 256],
        DOT,
    ),
    layers("workgroup-128x128-dot", staged(16, 1), [8, 2, 16, 256], DOT),
    layers("rows-4x32", ROWS, [4, 1, 1, 256], SINGLE),
    layers("rows-8x32", ROWS, [8, 1, 1, 128], SINGLE),
    layers("rows-4x32-dot", ROWS, [4, 1, 1, 256], DOT),
    layers("rows-8x32-dot", ROWS, [8, 1, 1, 128], DOT),
    layers(
        "subgroup-rows",
        KernelFamily::SubgroupRows,
        [4, 1, 1, 0],
        SINGLE,
    ),
    layers(
        "subgroup-rows-dot",
        KernelFamily::SubgroupRows,
        [4, 1, 1, 0],
        DOT,
    ),
    layers("coop-1x4", COOP, [1, 4, 1, 1], MATRIX),
    layers("coop-2x4", COOP, [2, 4, 1, 1], MATRIX),
    COOP_STAGED_2X2,
    split("coop-staged-2x2-split", COOP_STAGED_2X2),
    layers("coop-staged-4x2", STAGED, [4, 2, 2, 4], MATRIX),
    layers("coop-staged-4x4", STAGED, [4, 4, 2, 4], MATRIX),
    network("network-8", [1, 8, 1], SINGLE),
    network("network-8-dot", [1, 8, 1], DOT),
    network("network-256", [1, 256, 16], SINGLE),
    network("network-256-dot", [1, 256, 16], DOT),
    network("network-32x64", [32, 128, 1], SINGLE),
    network("network-64x64", [64, 256, 1], SINGLE),
];

const fn unfused(tiling: Tiling) -> KernelVariant {
    KernelVariant {
        name: tiling.name,
        fusion: Fusion::Unfused(tiling),
        // In int8 the passes multiply with the packed dot product; `arithmetic_in` says so.
        arithmetic: Arithmetic::F32,
        split: false,
    }
}

impl std::str::FromStr for KernelVariant {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let names = || KERNEL_VARIANTS.iter().map(|variant| variant.name);
        Self::find(text).ok_or_else(|| Error::unknown_name("kernel", text, names()))
    }
}

impl KernelVariant {
    /// The kernel variant of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        KERNEL_VARIANTS.iter().copied().find(|s| s.name == name)
    }

    /// The unfused passes for batches of `rows`.
    #[must_use]
    pub fn unfused(rows: usize) -> Self {
        unfused(Tiling::for_rows(rows))
    }
}
