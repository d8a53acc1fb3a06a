//! How a kernel divides its product: the tile of an invocation, of a subgroup and of a workgroup.

use super::limits::Subgroups;
use crate::Precision;
use crate::adapter::MatrixUnits;

/// Groups of four that a row of `cols` values takes.
#[must_use]
pub fn groups(cols: usize) -> usize {
    cols.div_ceil(4)
}

/// How a fused layer goes about its product: a file of `shaders/kernels/layer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KernelFamily {
    /// A tile in the registers of each invocation, and nothing else.
    Register,
    /// A tile in registers, the weights loaded once for a subgroup and handed round.
    Broadcast,
    /// Tiles staged in workgroup memory.
    Workgroup(Staging),
    /// A few rows: the lanes of a workgroup share the inner dimension.
    Rows {
        /// Groups of four columns of a workgroup. Their weights lie side by side.
        column_lanes: u32,
    },
    /// A few rows: the lanes of a subgroup share the inner dimension.
    SubgroupRows,
    /// Matrix units, a subgroup a workgroup; the weights are read as they lie in memory.
    Coop(MatrixUnits),
    /// Matrix units, the subgroups of a workgroup share tiles staged in workgroup memory.
    CoopStaged(MatrixUnits),
    /// Adds the sums of so many parts of the inner dimension, and ends the layer.
    Sum {
        /// Parts of the inner dimension.
        parts: u32,
    },
}

/// How a workgroup stages its tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Staging {
    /// Groups of four along the inner dimension that it stages at a time.
    pub k_step: u32,
    /// Copies of the tiles: with 2, one is filled while the other is multiplied, and each step has one barrier less.
    pub buffers: u32,
}

impl KernelFamily {
    /// Whether it multiplies nothing, but adds the sums of parts.
    #[must_use]
    pub fn adds(self) -> bool {
        matches!(self, Self::Sum { .. })
    }

    /// The matrix units that it is made for; none for what runs without.
    #[must_use]
    pub fn matrix_units(self) -> Option<MatrixUnits> {
        match self {
            Self::Coop(units) | Self::CoopStaged(units) => Some(units),
            _ => None,
        }
    }

    /// Groups of four along the inner dimension that a workgroup stages at a time; none where it stages
    /// nothing.
    #[must_use]
    pub fn k_step(self) -> u32 {
        match self {
            Self::Workgroup(staging) => staging.k_step,
            Self::CoopStaged(_) => 8,
            Self::Coop(_) => 16,
            Self::Register
            | Self::Broadcast
            | Self::Rows { .. }
            | Self::SubgroupRows
            | Self::Sum { .. } => 0,
        }
    }
}

/// The matrix units of a tile in the table of kernel variants, before it is known what an adapter has.
pub(super) const UNKNOWN: MatrixUnits = MatrixUnits { size: 0, lanes: 0 };

/// Invocations of a workgroup that adds the sums of parts.
const LANES: u32 = 64;

/// Workgroups from which on a layer needs no more of them: some for each core of a large GPU.
const ENOUGH_WORKGROUPS: u32 = 512;

/// The fewest steps of a part of the inner dimension: with fewer, reading and adding its sums costs as much.
const LEAST_STEPS: u32 = 4;

/// The most parts of an inner dimension.
const MOST_PARTS: u32 = 16;

/// The numbers that a kernel multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// f32, which holds every f16, and whole numbers up to 2²⁴.
    F32,
    /// Matrices of f16, summed in f32 by matrix units.
    Matrix,
    /// Four int8 at a time, summed in int32.
    Dot,
}

impl Arithmetic {
    /// The arithmetic that adds sums of its products, which matrix units leave in f32.
    #[must_use]
    pub fn of_sums(self) -> Self {
        match self {
            Self::F32 | Self::Matrix => Self::F32,
            Self::Dot => Self::Dot,
        }
    }

    /// Multiplications that take a group of four values along the inner dimension.
    #[must_use]
    pub fn parts(self) -> u32 {
        match self {
            Self::F32 | Self::Matrix => 4,
            Self::Dot => 1,
        }
    }
}

/// How a fused layer is cut up. On matrix units it is a subgroup that computes what elsewhere an
/// invocation does.
///
/// A tile made of an adapter's subgroups is only whole on an adapter ([`Tile::on`]); in the table of
/// variants one for matrix units counts in matrices and subgroups, not in values and invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// How it is computed.
    pub family: KernelFamily,
    /// Rows that one invocation computes.
    pub rows: u32,
    /// Groups of four columns that one invocation computes.
    pub groups: u32,
    /// Invocations of a workgroup that lie along the rows.
    pub row_lanes: u32,
    /// Invocations of a workgroup.
    pub lanes: u32,
}

impl Tile {
    /// The tile that adds the sums of `parts` parts of a layer of `groups` groups of columns.
    #[must_use]
    pub fn sum(parts: u32, groups: u32) -> Self {
        Self {
            family: KernelFamily::Sum { parts },
            rows: 1,
            groups: 1,
            row_lanes: LANES / LANES.min(groups.next_power_of_two()),
            lanes: LANES,
        }
    }

    /// Into how many parts to divide the inner dimension of a layer of `rows` rows, `groups` groups of columns and `inner`
    /// groups along the inner dimension, for a tile that stages its steps: a power of two, `most` at most, 1 where the layer has enough
    /// workgroups, or too few steps.
    #[must_use]
    pub fn parts_of_inner(self, rows: u32, groups: u32, inner: u32, most: u32) -> u32 {
        let [across, down, _] = self.grid(rows, groups);
        let missing = ENOUGH_WORKGROUPS / across.saturating_mul(down).max(1);
        let steps = inner / (LEAST_STEPS * self.family.k_step().max(1));
        let parts = missing.min(steps).min(most).clamp(1, MOST_PARTS);
        1 << parts.ilog2()
    }

    /// The tile on an adapter with these subgroups, where it is made of them.
    #[must_use]
    pub fn on(self, subgroups: Subgroups) -> Self {
        let units = subgroups.matrix_units.unwrap_or(UNKNOWN);
        let of_matrices = |family| Self {
            family,
            rows: self.rows * units.size,
            groups: self.groups * units.size / 4,
            row_lanes: self.row_lanes,
            lanes: self.lanes * units.lanes,
        };
        match self.family {
            KernelFamily::Broadcast | KernelFamily::SubgroupRows => Self {
                row_lanes: subgroups.lanes,
                lanes: subgroups.lanes,
                ..self
            },
            KernelFamily::Coop(_) => of_matrices(KernelFamily::Coop(units)),
            KernelFamily::CoopStaged(_) => of_matrices(KernelFamily::CoopStaged(units)),
            KernelFamily::Register
            | KernelFamily::Workgroup(_)
            | KernelFamily::Rows { .. }
            | KernelFamily::Sum { .. } => self,
        }
    }

    /// Parts of a workgroup, along the rows and along the columns, that compute [`Tile::rows`] by
    /// [`Tile::groups`] each.
    #[must_use]
    pub fn parts(self) -> (u32, u32) {
        let parts = match self.family {
            KernelFamily::Rows { column_lanes } => return (1, column_lanes),
            KernelFamily::SubgroupRows => return (1, 1),
            KernelFamily::Broadcast => return (self.lanes, 1),
            KernelFamily::Register | KernelFamily::Workgroup(_) | KernelFamily::Sum { .. } => {
                self.lanes
            }
            KernelFamily::Coop(units) | KernelFamily::CoopStaged(units) => {
                self.lanes / units.lanes.max(1)
            }
        };
        (self.row_lanes, parts / self.row_lanes.max(1))
    }

    /// Rows and groups of four columns that a workgroup computes.
    #[must_use]
    pub fn workgroup(self) -> (u32, u32) {
        let (down, across) = self.parts();
        (self.rows * down, self.groups * across)
    }

    /// Workgroups for an output of `rows` × `groups` groups of four.
    #[must_use]
    pub fn grid(self, rows: u32, groups: u32) -> [u32; 3] {
        let (tile_rows, tile_groups) = self.workgroup();
        [groups.div_ceil(tile_groups), rows.div_ceil(tile_rows), 1]
    }

    /// The tile for a layer of `groups` groups of columns: no wider than it need be, in powers of two,
    /// so that few kernels serve all layers.
    #[must_use]
    pub fn narrowed(self, groups: u32) -> Self {
        let enough = groups.next_power_of_two();
        // Matrix units compute whole matrices.
        let least = match self.family {
            KernelFamily::Register | KernelFamily::Broadcast => 1,
            KernelFamily::Coop(units) => units.size / 4,
            KernelFamily::Rows { column_lanes } => {
                let column_lanes = column_lanes.min(enough);
                return Self {
                    family: KernelFamily::Rows { column_lanes },
                    ..self
                };
            }
            KernelFamily::Workgroup(_)
            | KernelFamily::SubgroupRows
            | KernelFamily::CoopStaged(_)
            | KernelFamily::Sum { .. } => return self,
        };
        Self {
            groups: self.groups.min(enough).max(least),
            ..self
        }
    }

    /// Bytes of workgroup memory that it takes: a tile of the input, one of the weights, and sums.
    #[must_use]
    pub fn workgroup_bytes(self, arithmetic: Arithmetic) -> u64 {
        let (rows, groups) = self.workgroup();
        let k_step = self.family.k_step();
        let bytes = match self.family {
            KernelFamily::Workgroup(staging) => {
                // A word of the input for each row, and four for each group of columns, in each row of the tiles.
                let parts = k_step * arithmetic.parts();
                staging.buffers * parts * (4 * (rows + 4) + 16 * (groups + 1))
            }
            KernelFamily::Rows { .. } => 16 * self.lanes * self.rows,
            KernelFamily::Register
            | KernelFamily::Broadcast
            | KernelFamily::SubgroupRows
            | KernelFamily::Sum { .. } => 0,
            KernelFamily::Coop(units) => 8 * rows * k_step + 16 * units.size * groups,
            KernelFamily::CoopStaged(units) => {
                let sums =
                    16 * units.size * self.groups * (rows / self.rows) * (groups / self.groups);
                // Rows of both tiles are padded by eight values.
                8 * (rows * (k_step + 2) + 4 * k_step * (groups + 2)) + sums
            }
        };
        u64::from(bytes)
    }

    /// How it reads a layer's weights.
    #[must_use]
    pub fn weights(self) -> WeightLayout {
        match self.family.matrix_units() {
            Some(units) => WeightLayout::Matrices(units.size),
            None => WeightLayout::Blocks,
        }
    }

    /// Whether one invocation has all columns of a layer of `groups` groups of columns, or comes by them.
    #[must_use]
    pub fn holds_rows(self, groups: u32) -> bool {
        let has_rows = matches!(
            self.family,
            KernelFamily::Register | KernelFamily::Broadcast | KernelFamily::Coop(_)
        );
        has_rows && groups <= self.groups
    }
}

/// How a layer's weights lie in memory. Either way what reaches beyond the matrix is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WeightLayout {
    /// Blocks of four inner values by four columns.
    Blocks,
    /// Matrices of so many inner values by as many columns.
    Matrices(u32),
}

impl WeightLayout {
    /// Values that the weights `[inner, cols]` take.
    #[must_use]
    pub fn values(self, inner: usize, cols: usize) -> u64 {
        let size = match self {
            Self::Blocks => 4,
            Self::Matrices(size) => size as usize,
        };
        inner.next_multiple_of(size) as u64 * cols.next_multiple_of(size) as u64
    }

    /// Bytes of them in a precision, with the scales of groups, which lie behind the blocks.
    #[must_use]
    pub fn bytes(self, inner: usize, cols: usize, precision: Precision) -> u64 {
        let scales = precision.group().map_or(0, |group| {
            2 * (inner.div_ceil(group) * cols.next_multiple_of(4)) as u64
        });
        self.values(inner, cols) * u64::from(precision.weight_bits()) / 8 + scales
    }
}

/// How a product is cut up: see `shaders/kernels/unfused/matmul.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tiling {
    /// The name in results.
    pub name: &'static str,
    /// Rows that one invocation computes.
    pub tile_rows: u32,
    /// Groups of four columns that one invocation computes.
    pub tile_groups: u32,
    /// Invocations of a workgroup that lie along the rows.
    pub row_lanes: u32,
    /// Invocations of a workgroup.
    pub lanes: u32,
}

impl Tiling {
    /// 8×8 outputs an invocation, neighbouring lanes on neighbouring rows.
    pub const WIDE: Self = Self {
        name: "matmul-8x8",
        tile_rows: 8,
        tile_groups: 2,
        row_lanes: 8,
        lanes: 32,
    };

    /// 1×4 outputs an invocation, all lanes of a workgroup on one row.
    pub const FEW_ROWS: Self = Self {
        name: "matmul-1x4",
        tile_rows: 1,
        tile_groups: 1,
        row_lanes: 1,
        lanes: 32,
    };

    /// All of them.
    pub const ALL: [Self; 2] = [Self::WIDE, Self::FEW_ROWS];

    /// The tiling for a product of this many rows.
    #[must_use]
    pub fn for_rows(rows: usize) -> Self {
        if rows <= Self::WIDE.tile_rows as usize {
            Self::FEW_ROWS
        } else {
            Self::WIDE
        }
    }

    /// Workgroups for an output of `rows` × `groups` groups of four.
    #[must_use]
    pub fn grid(self, rows: u32, groups: u32) -> [u32; 3] {
        [
            groups.div_ceil(self.tile_groups * (self.lanes / self.row_lanes)),
            rows.div_ceil(self.tile_rows * self.row_lanes),
            1,
        ]
    }
}
