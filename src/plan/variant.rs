//! The ways to run a network, by name: what `effective.kernel` says and the tuner chooses from.

use serde::Serialize;

use super::kernel::{NETWORK_GROUPS, NetworkKernel};
use super::limits::Limits;
use super::pass::packed_weights_bytes;
use super::tile::{Arithmetic, KernelFamily, Tile, Tiling, WeightLayout, groups};
use crate::Precision;
use crate::error::{Error, Result};
use crate::model::{Architecture, Format, InputFormat, LayerShape, Normalization};

/// How a plan is made of dispatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExecutionPath {
    /// The scheme's passes one by one.
    Unfused,
    /// A dispatch a layer, or two.
    Fused,
    /// One dispatch for the whole network.
    Network,
}

impl ExecutionPath {
    /// The name in every output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unfused => "unfused",
            Self::Fused => "fused",
            Self::Network => "network",
        }
    }
}

impl std::str::FromStr for ExecutionPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // The name of this path before version 2 of the JSON documents.
        let text = if text == "separate" { "unfused" } else { text };
        [Self::Unfused, Self::Fused, Self::Network]
            .into_iter()
            .find(|path| path.name() == text)
            .ok_or_else(|| Error::unknown_name("path", text, ["unfused", "fused", "network"]))
    }
}

/// Which variants may be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kernels {
    /// Any.
    #[default]
    Any,
    /// Those of this path.
    Path(ExecutionPath),
    /// Those on matrix units.
    MatrixUnits,
    /// This one.
    Named(KernelVariant),
}

/// What chose a kernel variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChosenBy {
    /// The user, by name or by path.
    User,
    /// The defaults for this kind of adapter.
    Default,
    /// The tuner, which measured it in this run.
    Measuring,
    /// The tuner, which measured it in an earlier one.
    Cache,
}

/// What a kernel variant's dispatches are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fusion {
    /// The scheme's passes, with this product.
    Unfused(Tiling),
    /// Fused layers; `lanes` of a tile that is a subgroup is the adapter's.
    Layers(Tile),
    /// One whole-network kernel of so many lanes, of which so many share an output.
    Network {
        /// Images of a workgroup.
        rows: u32,
        /// Invocations of a workgroup.
        lanes: u32,
        /// How many of them share an output.
        k_lanes: u32,
    },
}

/// A way to run a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KernelVariant {
    /// The name in results and in the tuner's cache.
    pub name: &'static str,
    /// What its dispatches are.
    pub fusion: Fusion,
    /// What its products multiply.
    pub arithmetic: Arithmetic,
    /// Whether workgroups share the inner dimension of a layer that has too few outputs to occupy a GPU; a second
    /// dispatch adds their sums (split K).
    pub split: bool,
}

impl KernelVariant {
    /// How it is made of dispatches.
    #[must_use]
    pub fn path(self) -> ExecutionPath {
        match self.fusion {
            Fusion::Unfused(_) => ExecutionPath::Unfused,
            Fusion::Layers(_) => ExecutionPath::Fused,
            Fusion::Network { .. } => ExecutionPath::Network,
        }
    }

    /// The kernel family of fused layers; none of the other paths.
    #[must_use]
    pub fn family(self) -> Option<KernelFamily> {
        match self.fusion {
            Fusion::Layers(tile) => Some(tile.family),
            Fusion::Unfused(_) | Fusion::Network { .. } => None,
        }
    }

    /// Whether its products are those of matrix units.
    #[must_use]
    pub fn on_matrix_units(self) -> bool {
        self.arithmetic == Arithmetic::Matrix
    }

    /// How its kernels read weights on an adapter.
    #[must_use]
    pub fn weights(self, limits: &Limits) -> WeightLayout {
        match self.fusion {
            Fusion::Layers(tile) => tile.on(limits.subgroups()).weights(),
            Fusion::Unfused(_) | Fusion::Network { .. } => WeightLayout::Blocks,
        }
    }

    /// The arithmetic of its products in a precision: whose ceiling bounds it.
    #[must_use]
    pub fn arithmetic_in(self, precision: Precision) -> Arithmetic {
        match (self.fusion, precision) {
            (Fusion::Unfused(_), Precision::Int8) => Arithmetic::Dot,
            _ => self.arithmetic,
        }
    }

    /// Whether rows of different batches may lie side by side in one dispatch and still get the bits
    /// of their own batch: not where a batch has scales of its own.
    #[must_use]
    pub fn rows_are_independent(self, model: &Architecture) -> bool {
        !model.shares_scales() || self.path() == ExecutionPath::Network
    }

    /// Why it cannot run this network in batches of `batch` on an adapter; none where it can.
    #[must_use]
    pub fn refused(
        self,
        model: &Architecture,
        batch: usize,
        limits: &Limits,
    ) -> Option<&'static str> {
        if limits.rejected.contains(&self.name) {
            return Some("the adapter's driver rejects it");
        }
        let formats = || model.layers.iter().map(|layer| layer.format);
        let of = |precision| move |format: Format| format.precision == precision;
        let fits_precision = match self.arithmetic {
            Arithmetic::F32 => true,
            Arithmetic::Matrix => formats().all(of(Precision::F16)),
            Arithmetic::Dot => formats().any(of(Precision::Int8)),
        };
        if !fits_precision {
            return Some("it computes in another precision");
        }
        let fused = self.path() != ExecutionPath::Unfused;
        let largest_sum = formats().map(|format| format.largest_sum).max();
        if fused && self.arithmetic == Arithmetic::F32 && largest_sum >= Some(1 << 24) {
            return Some("the sums of int8 products can be too large for exact f32");
        }
        match self.fusion {
            Fusion::Unfused(_) => unfused_refused(model),
            Fusion::Layers(tile) => self.layers_refused(tile, model, batch, limits),
            Fusion::Network { rows, lanes, .. } => {
                self.network_refused([rows, lanes], model, batch, limits)
            }
        }
    }

    /// What the products of a layer multiply. Only int8 layers multiply by packed dot products; what multiplies f16 is for
    /// networks of f16 alone.
    #[must_use]
    pub fn arithmetic_of(self, layer: &LayerShape) -> Arithmetic {
        match self.arithmetic {
            Arithmetic::Dot if layer.format.precision != Precision::Int8 => Arithmetic::F32,
            arithmetic => arithmetic,
        }
    }

    /// Into how many parts the inner dimension of a layer is divided, in batches of `batch`.
    pub(super) fn parts(
        self,
        tile: Tile,
        layer: &LayerShape,
        batch: usize,
        limits: &Limits,
    ) -> u32 {
        if !self.split {
            return 1;
        }
        let batch = u32::try_from(batch).unwrap_or(u32::MAX);
        let [columns, inner] = [layer.outputs, layer.inputs].map(|size| groups(size) as u32);
        tile.parts_of_inner(batch, columns, inner, limits.workgroups)
    }

    fn layers_refused(
        self,
        tile: Tile,
        model: &Architecture,
        batch: usize,
        limits: &Limits,
    ) -> Option<&'static str> {
        if self.on_matrix_units() && limits.matrix_units.is_none() {
            return Some(
                "this run does not use matrix units (see --matrix-units and 'fmnist-gpu adapters')",
            );
        }
        let needs_subgroup = matches!(
            tile.family,
            KernelFamily::Broadcast | KernelFamily::SubgroupRows
        );
        if needs_subgroup && limits.subgroup.is_none() {
            return Some("the adapter does not guarantee one subgroup size");
        }
        if limits.storage_buffers < if model.shares_scales() { 5 } else { 4 } {
            return Some("the adapter allows too few storage buffers");
        }
        let tile = tile.on(limits.subgroups());
        let parts = |layer: &LayerShape| self.parts(tile, layer, batch, limits);
        if self.split && model.layers.iter().all(|layer| parts(layer) == 1) {
            return Some(
                "no layer has few enough outputs and enough inputs for workgroups to share its inputs",
            );
        }
        if tile.lanes > limits.invocations {
            return Some("the adapter's largest workgroup is too small");
        }
        let needed = |layer: &LayerShape| tile.workgroup_bytes(self.arithmetic_of(layer));
        let needed = model.layers.iter().map(needed).max().unwrap_or(0);
        if needed > u64::from(limits.workgroup_bytes) {
            return Some("the adapter has too little workgroup memory");
        }
        // In blocks they always fit, or nothing runs at all, which another message explains.
        let layout = tile.weights();
        let weights =
            |layer: &LayerShape| layout.bytes(layer.inputs, layer.outputs, layer.format.precision);
        let largest = model.layers.iter().map(weights).max().unwrap_or(0);
        let fits = layout == WeightLayout::Blocks || largest <= limits.binding_bytes;
        (!fits).then_some("a weight matrix does not fit in one buffer binding")
    }

    fn network_refused(
        self,
        [rows, lanes]: [u32; 2],
        model: &Architecture,
        batch: usize,
        limits: &Limits,
    ) -> Option<&'static str> {
        if rows > 1 {
            let int8 = |layer: &LayerShape| layer.format.precision == Precision::Int8;
            if model.layers.iter().any(int8) {
                return Some("it does not run int8");
            }
            let wide = |layer: &LayerShape| layer.outputs > 4 * NETWORK_GROUPS as usize;
            if model.layers.iter().any(wide) {
                return Some("a layer has more outputs than its tile has columns");
            }
        }
        if model.shares_scales() && batch > 1 {
            return Some(
                "the images of the batch share one int8 scale, so each cannot run by itself",
            );
        }
        if !model.graph.is_chain() {
            return Some("the network has branches");
        }
        if !alike(model) {
            return Some("the layers have different precisions or schemes");
        }
        if model.normalization != Normalization::Unit {
            return Some("the model's normalization of pixels needs a table");
        }
        if limits.storage_buffers < 5 {
            return Some("the adapter allows too few storage buffers");
        }
        if lanes > limits.invocations {
            return Some("the adapter's largest workgroup is too small");
        }
        let needed = self
            .network_kernel(model)
            .map_or(0, NetworkKernel::workgroup_bytes);
        if needed > u64::from(limits.workgroup_bytes) {
            return Some("the layers do not fit in workgroup memory");
        }
        let weights = packed_weights_bytes(model, WeightLayout::Blocks);
        if weights > limits.binding_bytes {
            return Some("the weights of all layers do not fit in one buffer binding");
        }
        None
    }

    /// The kernel of a whole network; none where it runs in another way.
    #[must_use]
    pub fn network_kernel(self, model: &Architecture) -> Option<NetworkKernel> {
        let Fusion::Network {
            rows,
            lanes,
            k_lanes,
        } = self.fusion
        else {
            return None;
        };
        let widest = model.widths().into_iter().map(groups).max().unwrap_or(1);
        Some(NetworkKernel {
            rows,
            lanes,
            k_lanes,
            arithmetic: self.arithmetic,
            widest: NetworkKernel::groups_held(rows, widest as u32),
            quantized: model
                .layers
                .last()
                .map(|layer| layer.format.input)
                .filter(|input| matches!(input, InputFormat::Rows | InputFormat::Static)),
        })
    }
}

/// Why the unfused passes cannot run a network: there are passes for f32, f16 and `dynamic-tensor`.
fn unfused_refused(model: &Architecture) -> Option<&'static str> {
    let kind = |layer: &LayerShape| (layer.format.precision, layer.format.input);
    let first = model.layers.first().map(kind);
    let known = matches!(
        first,
        Some(
            (Precision::F32 | Precision::F16, InputFormat::Values)
                | (Precision::Int8, InputFormat::Tensor)
        )
    );
    let fits = known
        && model
            .layers
            .iter()
            .map(kind)
            .all(|kind| Some(kind) == first);
    (!fits).then_some("the unfused path runs only f32, f16 and int8 dynamic-tensor")
}

/// Whether one kernel can run all layers. Pixels decide the format of the first layer's quantized values.
fn alike(model: &Architecture) -> bool {
    let kind = |layer: &LayerShape| (layer.format.precision, layer.format.input);
    let mut others = model.layers.iter().skip(1).map(kind);
    let second = model.layers.get(1).map(kind);
    let first = model.layers.first().map(|layer| layer.format.precision);
    others.all(|other| Some(other) == second && Some(other.0) == first)
}
