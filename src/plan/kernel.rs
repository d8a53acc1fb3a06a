//! What a fused kernel reads, multiplies and writes.

use super::tile::{Arithmetic, Tile};
use crate::Precision;
use crate::model::{Activation, InputFormat};
use crate::precision::Float;

/// What a fused layer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LayerInput {
    /// Pixels.
    Pixels,
    /// Values as the precision stores them; in int8 f32 values whose largest magnitude is known.
    Values,
    /// In int8: the pre-activations of the layer before, which had this activation.
    PreActivation(Activation),
    /// In int8 outside the reference scheme: pixels / 255, whose static quantized values they are themselves.
    QuantizedPixels,
    /// In int8: static quantized values.
    Quantized,
    /// In int8: quantized values with a scale for each row, behind the quantized values of all rows.
    QuantizedRows,
}

impl LayerInput {
    /// Whether it is that of an int8 layer outside the reference scheme.
    #[must_use]
    pub fn is_quantized(self) -> bool {
        matches!(
            self,
            Self::QuantizedPixels | Self::Quantized | Self::QuantizedRows
        )
    }

    /// Bytes of a row of `groups` groups of four in `precision`.
    #[must_use]
    pub fn row_bytes(self, precision: Precision, groups: u64) -> u64 {
        match self {
            Self::Pixels | Self::QuantizedPixels | Self::Quantized => 4 * groups,
            Self::QuantizedRows => 4 * groups + 4,
            // In int8 by the reference scheme what lies between the layers is f32.
            Self::Values | Self::PreActivation(_) => 4 * groups * precision.float().bytes(),
        }
    }
}

/// What a fused layer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LayerOutput {
    /// Floating-point numbers for the layers that read them, rounded once.
    Float(Float),
    /// Static int8 quantized values for the layers that read them, rounded once.
    Quantized,
    /// The network's outputs: rounded to the precision's own type, and stored in f32.
    Outputs,
    /// In int8: pre-activations in f32, and their extremes.
    PreActivation,
    /// int8 quantized values with a scale for each row, behind the quantized values of all rows.
    QuantizedRows,
    /// The sums of so many parts of the inner dimension, side by side in each row: f32, or int32 of packed dot products. A
    /// second dispatch adds them ([`KernelFamily::Sum`](super::KernelFamily::Sum)).
    PartialSums(u32),
}

impl LayerOutput {
    /// Bytes of a row of `groups` groups of four.
    #[must_use]
    pub fn row_bytes(self, groups: u64) -> u64 {
        match self {
            Self::Outputs | Self::PreActivation => 16 * groups,
            Self::Float(float) => 4 * groups * float.bytes(),
            Self::Quantized => 4 * groups,
            Self::QuantizedRows => 4 * groups + 4,
            Self::PartialSums(parts) => 16 * groups * u64::from(parts),
        }
    }

    /// Parts of the inner dimension that workgroups of their own multiply.
    #[must_use]
    pub fn parts(self) -> u32 {
        match self {
            Self::PartialSums(parts) => parts,
            _ => 1,
        }
    }
}

/// One of the kernels that are a whole layer, or half of one.
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
    /// What it ends in; identity where it writes pre-activations. Softmax only where its tile holds whole rows.
    pub activation: Activation,
}

/// Groups of four along the inner dimension that whole-network kernels with tiles load at a time.
pub const NETWORK_K_STEP: u32 = 4;

/// Groups of four outputs that whole-network kernels with tiles have for each layer.
pub const NETWORK_GROUPS: u32 = 16;

/// One of the kernels that are a whole network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NetworkKernel {
    /// Images of a workgroup. More than one have tiles in workgroup memory.
    pub rows: u32,
    /// Invocations of a workgroup.
    pub lanes: u32,
    /// How many of them share an output, each with a part of the inner dimension.
    pub k_lanes: u32,
    /// What it multiplies.
    pub arithmetic: Arithmetic,
    /// Groups of four that its workgroup memory holds of each layer's values.
    pub widest: u32,
    /// The format of the layers' inputs where they are int8 quantized values outside the reference scheme.
    pub quantized: Option<InputFormat>,
}

impl NetworkKernel {
    /// Groups of four that kernels of `rows` images a workgroup hold of a layer's values, for networks of up to `groups`.
    #[must_use]
    pub fn groups_held(rows: u32, groups: u32) -> u32 {
        if rows > 1 {
            NETWORK_GROUPS
        } else {
            groups.min(1 << 30).next_power_of_two()
        }
    }

    /// Bytes of workgroup memory: two layers' values, the lanes' sums, and in int8 their extremes. With tiles: those of
    /// the input and of the weights, and a layer's values.
    #[must_use]
    pub fn workgroup_bytes(self) -> u64 {
        if self.rows > 1 {
            let step = 4 * NETWORK_K_STEP;
            let input = 4 * step * (self.rows + 4);
            let groups = (step + self.rows) * (self.widest + 1);
            return u64::from(input + 16 * groups);
        }
        u64::from(2 * 16 * self.widest + (16 + 8) * self.lanes)
    }
}

/// What a whole-network kernel knows of a layer; its twin is in `shaders/shared/network.wgsl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct LayerParams {
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
    /// Scale of the weights in int8 by the reference scheme; where quantized values are static, the inverse of the
    /// input's scale.
    pub scale: f32,
    /// The quantized value of zero in the input; 0 by the reference scheme.
    pub zero: f32,
}
