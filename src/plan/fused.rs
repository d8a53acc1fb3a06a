//! Fused kernels: a whole layer, or a whole network, in one dispatch.

use crate::model::Activation;

/// How a fused layer goes about its product: a file of `shaders/fused`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// A tile in the registers of each invocation, and nothing else.
    Register,
    /// A tile in registers, the weights loaded once for a subgroup and handed round.
    Broadcast,
    /// Tiles staged in workgroup memory.
    Workgroup,
    /// A few rows: the lanes of a workgroup share the inner dimension.
    Rows,
    /// A few rows: the lanes of a subgroup share the inner dimension.
    SubgroupRows,
}

/// The numbers that a kernel multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// f32, which holds every f16, and whole numbers up to 2²⁴.
    F32,
    /// f16, summed in f32.
    F16,
    /// Four int8 at a time, summed in int32.
    Dot,
}

/// How a fused layer is cut up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// How it is computed.
    pub body: Body,
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
    /// The tile on an adapter whose subgroups have `subgroup` lanes, where it is made of one.
    #[must_use]
    pub fn on(self, subgroup: u32) -> Self {
        match self.body {
            Body::Broadcast | Body::SubgroupRows => Self {
                row_lanes: subgroup,
                lanes: subgroup,
                ..self
            },
            Body::Register | Body::Workgroup | Body::Rows => self,
        }
    }

    /// Rows and groups of four columns that a workgroup computes.
    #[must_use]
    pub fn workgroup(self) -> (u32, u32) {
        match self.body {
            Body::Rows | Body::SubgroupRows => (self.rows, 1),
            Body::Broadcast => (self.rows * self.lanes, self.groups),
            Body::Register | Body::Workgroup => (
                self.rows * self.row_lanes,
                self.groups * (self.lanes / self.row_lanes),
            ),
        }
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
        match self.body {
            Body::Register | Body::Broadcast => Self {
                groups: self.groups.min(groups.next_power_of_two()),
                ..self
            },
            Body::Workgroup | Body::Rows | Body::SubgroupRows => self,
        }
    }

    /// Bytes of workgroup memory that it takes: a tile of the input and one of the weights, or the lanes'
    /// sums.
    #[must_use]
    pub fn workgroup_bytes(self, arithmetic: Arithmetic) -> u64 {
        // Four values along the inner dimension, and a block of weights.
        let (value, block) = match arithmetic {
            Arithmetic::F32 => (16, 64),
            Arithmetic::F16 => (8, 32),
            Arithmetic::Dot => (4, 16),
        };
        let (rows, groups) = self.workgroup();
        let bytes = match self.body {
            Body::Workgroup => value * rows * (K_STEP + 1) + block * groups * K_STEP,
            Body::Rows => 16 * self.lanes * self.rows,
            Body::Register | Body::Broadcast | Body::SubgroupRows => 0,
        };
        u64::from(bytes)
    }

    /// Whether one invocation has all columns of a layer of `groups` groups of columns.
    #[must_use]
    pub fn holds_rows(self, groups: u32) -> bool {
        matches!(self.body, Body::Register | Body::Broadcast) && groups <= self.groups
    }
}

/// Groups of four along the inner dimension that a workgroup stages at a time.
pub const K_STEP: u32 = 8;

/// What a fused layer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LayerInput {
    /// Pixels.
    Pixels,
    /// Values as the precision stores them; in int8 f32 values whose largest magnitude is known.
    Values,
    /// In int8: the z of the layer before, which had this activation.
    Z(Activation),
}

/// What a fused layer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LayerOutput {
    /// Values as the precision stores them.
    Stored,
    /// The same values as f32.
    F32,
    /// In int8: z in f32, and its extremes.
    Z,
}

/// One of the kernels that are a whole layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LayerKernel {
    /// How it is cut up.
    pub tile: Tile,
    /// What it multiplies.
    pub arithmetic: Arithmetic,
    /// What it reads.
    pub input: LayerInput,
    /// What it writes.
    pub output: LayerOutput,
    /// What it ends in; identity where it writes z. Softmax only where its tile holds whole rows.
    pub activation: Activation,
}

/// One of the kernels that are a whole network: a workgroup takes one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NetworkKernel {
    /// Invocations of a workgroup.
    pub lanes: u32,
    /// How many of them share an output, each with a part of the inner dimension.
    pub k_lanes: u32,
    /// What it multiplies.
    pub arithmetic: Arithmetic,
    /// Groups of four that its workgroup memory holds of each layer's values.
    pub widest: u32,
}

impl NetworkKernel {
    /// Bytes of workgroup memory: two layers' values, the lanes' sums, and in int8 their extremes.
    #[must_use]
    pub fn workgroup_bytes(self) -> u64 {
        u64::from(2 * 16 * self.widest + (16 + 8) * self.lanes)
    }
}

/// What a whole-network kernel knows of a layer; its twin is in `shaders/prelude/network.wgsl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct LayerShape {
    /// Groups of four along the inner dimension.
    pub inner: u32,
    /// Groups of four outputs.
    pub groups: u32,
    /// Outputs, without padding.
    pub cols: u32,
    /// The activation's number in the shaders.
    pub activation: u32,
    /// The layer's first block among all layers' weights.
    pub weights: u32,
    /// The layer's first group among all layers' biases.
    pub bias: u32,
    /// Scale of the weights in int8.
    pub scale: f32,
    /// Nothing; the shader's struct is as long.
    pub unused: u32,
}
