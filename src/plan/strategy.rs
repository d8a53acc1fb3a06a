//! The ways to run a network, by name: what `effective.kernel` says and the tuner chooses from.

use serde::Serialize;

use super::Limits;
use super::fused::{Arithmetic, Body, NetworkKernel, Tile, WeightLayout};
use super::pass::{Tiling, groups, packed_weights_bytes};
use super::table::{STRATEGIES, likely, separate};
use crate::Precision;
use crate::error::{Error, Result};
use crate::model::{Architecture, Form as InputForm, Format, LayerShape, Normalization};

/// How a plan is made of dispatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// The scheme's passes one by one.
    Separate,
    /// A dispatch a layer.
    Fused,
    /// One dispatch for the whole network.
    Network,
}

impl Path {
    /// The name in every output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Separate => "unfused",
            Self::Fused => "fused",
            Self::Network => "network",
        }
    }
}

impl std::str::FromStr for Path {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // The name of this path before version 2 of the JSON documents.
        let text = if text == "separate" { "unfused" } else { text };
        [Self::Separate, Self::Fused, Self::Network]
            .into_iter()
            .find(|path| path.name() == text)
            .ok_or_else(|| {
                Error::Usage(format!(
                    "unknown path '{text}': use unfused, fused or network"
                ))
            })
    }
}

/// Which strategies may be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kernels {
    /// Any.
    #[default]
    Any,
    /// Those of this path.
    Path(Path),
    /// Those on matrix units.
    MatrixUnits,
    /// This one.
    Named(Strategy),
}

/// What chose a strategy.
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

/// What a strategy's dispatches are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// The scheme's passes, with this product.
    Separate(Tiling),
    /// Fused layers; `lanes` of a tile that is a subgroup is the adapter's.
    Layers(Tile),
    /// One whole-network kernel of so many lanes, of which so many share an output.
    Network {
        /// Invocations of a workgroup.
        lanes: u32,
        /// How many of them share an output.
        k_lanes: u32,
    },
}

/// A way to run a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Strategy {
    /// The name in results and in the tuner's cache.
    pub name: &'static str,
    /// What its dispatches are.
    pub form: Form,
    /// What its products multiply.
    pub arithmetic: Arithmetic,
}

impl std::str::FromStr for Strategy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::find(text).ok_or_else(|| {
            let names: Vec<&str> = STRATEGIES.iter().map(|strategy| strategy.name).collect();
            Error::Usage(format!(
                "unknown kernel '{text}': use one of {}",
                names.join(", ")
            ))
        })
    }
}

impl Strategy {
    /// The strategy of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        STRATEGIES.iter().copied().find(|s| s.name == name)
    }

    /// The separate passes for batches of `rows`.
    #[must_use]
    pub fn separate(rows: usize) -> Self {
        separate(Tiling::for_rows(rows))
    }

    /// How it is made of dispatches.
    #[must_use]
    pub fn path(self) -> Path {
        match self.form {
            Form::Separate(_) => Path::Separate,
            Form::Layers(_) => Path::Fused,
            Form::Network { .. } => Path::Network,
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
        match self.form {
            Form::Layers(tile) => tile.on(limits.subgroups()).weights(),
            Form::Separate(_) | Form::Network { .. } => WeightLayout::Blocks,
        }
    }

    /// The arithmetic of its products in a precision: whose ceiling bounds it.
    #[must_use]
    pub fn arithmetic_in(self, precision: Precision) -> Arithmetic {
        match (self.form, precision) {
            (Form::Separate(_), Precision::Int8) => Arithmetic::Dot,
            _ => self.arithmetic,
        }
    }

    /// Whether rows of different batches may lie side by side in one dispatch and still get the bits
    /// of their own batch: not where a batch has scales of its own.
    #[must_use]
    pub fn rows_are_alone(self, model: &Architecture, precision: Precision) -> bool {
        !model.shares_scales(precision) || self.path() == Path::Network
    }

    /// Why it cannot run this network in batches of `batch` on an adapter; none where it can.
    #[must_use]
    pub fn refused(
        self,
        model: &Architecture,
        precision: Precision,
        batch: usize,
        limits: &Limits,
    ) -> Option<&'static str> {
        if !model.formats.is_empty() {
            return self.deployed_refused(model, precision, limits);
        }
        let int8 = precision == Precision::Int8;
        let fits_precision = match self.arithmetic {
            Arithmetic::F32 => true,
            Arithmetic::F16 | Arithmetic::Matrix => precision == Precision::F16,
            Arithmetic::Dot => int8,
        };
        if !fits_precision {
            return Some("its arithmetic is not the precision's");
        }
        if limits.left_out.contains(&self.name) {
            return Some("the adapter's driver does not take it");
        }
        let deepest = model.layers.iter().map(|layer| layer.inputs).max();
        let clip = usize::from(model.int8_clip);
        let largest_sum = deepest.unwrap_or(0) * clip * clip;
        if int8 && self.arithmetic == Arithmetic::F32 && largest_sum >= 1 << 24 {
            return match self.form {
                Form::Separate(_) => None,
                _ => Some("the sums of int8 products leave the whole numbers of f32"),
            };
        }
        match self.form {
            Form::Separate(_) => None,
            Form::Layers(tile) => self.layers_refused(tile, model, precision, limits),
            Form::Network { lanes, .. } => {
                // By the reference scheme.
                if int8 && batch > 1 {
                    return Some("the images of an int8 batch share their scales");
                }
                self.network_refused(lanes, model, precision, limits)
            }
        }
    }

    /// Why it cannot run a deployed network.
    fn deployed_refused(
        self,
        model: &Architecture,
        precision: Precision,
        limits: &Limits,
    ) -> Option<&'static str> {
        if limits.left_out.contains(&self.name) {
            return Some("the adapter's driver does not take it");
        }
        let int8 = |format: &&Format| format.precision == Precision::Int8;
        let largest_sum = model.formats.iter().map(|format| format.largest_sum).max();
        match self.arithmetic {
            Arithmetic::F16 | Arithmetic::Matrix => {
                return Some("its arithmetic is not the precision's");
            }
            Arithmetic::Dot if !model.formats.iter().any(|format| int8(&format)) => {
                return Some("its arithmetic is not the precision's");
            }
            Arithmetic::F32 if largest_sum >= Some(1 << 24) => {
                return Some("the sums of int8 products leave the whole numbers of f32");
            }
            Arithmetic::F32 | Arithmetic::Dot => {}
        }
        match self.form {
            Form::Separate(_) => Some("the separate passes tell the reference scheme, f32 and f16"),
            Form::Layers(tile) => self.layers_refused(tile, model, precision, limits),
            Form::Network { lanes, .. } => {
                let kind = |format: &Format| (format.precision, format.input);
                // Of the first layer's codes the pixels decide.
                let mut others = model.formats.iter().skip(1).map(kind);
                let second = model.formats.get(1).map(kind);
                let first = model.formats.first().map(|format| format.precision);
                let alike = others.all(|other| Some(other) == second && Some(other.0) == first);
                if !alike {
                    return Some("the layers differ in their numbers");
                }
                self.network_refused(lanes, model, precision, limits)
            }
        }
    }

    fn layers_refused(
        self,
        tile: Tile,
        model: &Architecture,
        precision: Precision,
        limits: &Limits,
    ) -> Option<&'static str> {
        if self.on_matrix_units() && limits.matrix_units.is_none() {
            return Some(
                "no matrix units are in use (see --matrix-units, and 'fmnist-gpu adapters')",
            );
        }
        let needs_subgroup = matches!(tile.body, Body::Broadcast | Body::SubgroupRows);
        if needs_subgroup && limits.subgroup.is_none() {
            return Some("the adapter has no subgroups of one known size");
        }
        if limits.storage_buffers < if model.shares_scales(precision) { 5 } else { 4 } {
            return Some("the adapter binds too few buffers");
        }
        let tile = tile.on(limits.subgroups());
        if tile.lanes > limits.invocations {
            return Some("the adapter's workgroups are too small");
        }
        let needed = tile.workgroup_bytes(self.arithmetic);
        if needed > u64::from(limits.workgroup_bytes) {
            return Some("the adapter has too little workgroup memory");
        }
        // In blocks they always fit, or nothing runs at all, which is told in more words.
        let layout = tile.weights();
        let weights = |layer: &LayerShape| layout.values(layer.inputs, layer.outputs);
        let largest = model.layers.iter().map(weights).max().unwrap_or(0);
        let fits =
            layout == WeightLayout::Blocks || largest * precision.bytes() <= limits.binding_bytes;
        (!fits).then_some("the weights in whole matrices do not fit one binding")
    }

    fn network_refused(
        self,
        lanes: u32,
        model: &Architecture,
        precision: Precision,
        limits: &Limits,
    ) -> Option<&'static str> {
        if model.normalization != Normalization::Unit {
            return Some("the pixels need a table");
        }
        if limits.storage_buffers < 5 {
            return Some("the adapter binds too few buffers");
        }
        if lanes > limits.invocations {
            return Some("the adapter's workgroups are too small");
        }
        let needed = self
            .network_kernel(model)
            .map_or(0, NetworkKernel::workgroup_bytes);
        if needed > u64::from(limits.workgroup_bytes) {
            return Some("the layers do not fit in workgroup memory");
        }
        let weights = packed_weights_bytes(model, precision, WeightLayout::Blocks);
        if weights > limits.binding_bytes {
            return Some("the weights of all layers do not fit one binding");
        }
        None
    }

    /// The kernel of a whole network; none where it runs in another way.
    #[must_use]
    pub fn network_kernel(self, model: &Architecture) -> Option<NetworkKernel> {
        let Form::Network { lanes, k_lanes } = self.form else {
            return None;
        };
        let widest = model.widths().into_iter().map(groups).max().unwrap_or(1);
        Some(NetworkKernel {
            lanes,
            k_lanes,
            arithmetic: self.arithmetic,
            widest: (widest as u32).next_power_of_two(),
            codes: model
                .formats
                .last()
                .map(|format| format.input)
                .filter(|&form| form != InputForm::Values),
        })
    }

    /// Every strategy of `kernels` that can run batches of `batch`.
    #[must_use]
    pub fn runnable(
        model: &Architecture,
        precision: Precision,
        batch: usize,
        limits: &Limits,
        kernels: Kernels,
    ) -> Vec<Self> {
        let wanted = |s: &Self| match kernels {
            Kernels::Any => true,
            Kernels::Path(path) => s.path() == path,
            Kernels::MatrixUnits => s.on_matrix_units(),
            Kernels::Named(named) => *s == named,
        };
        let runs = |s: &Self| s.refused(model, precision, batch, limits).is_none();
        let all = STRATEGIES.iter().copied();
        all.filter(wanted).filter(runs).collect()
    }

    /// What is likely to be good, best first, for batches of `batch` on an adapter of this kind: the
    /// tuner's candidates, of which the first is taken where nothing is measured. Empty where nothing
    /// of `kernels` can run.
    #[must_use]
    pub fn candidates(
        model: &Architecture,
        precision: Precision,
        batch: usize,
        limits: &Limits,
        kernels: Kernels,
    ) -> Vec<Self> {
        let runnable = Self::runnable(model, precision, batch, limits, kernels);
        if kernels == Kernels::Path(Path::Separate) {
            return vec![Self::separate(batch)];
        }
        let likely = likely(precision, batch, limits);
        let named = likely.iter().filter_map(|name| Self::find(name));
        let mut all: Vec<Self> = named.filter(|s| runnable.contains(s)).collect();
        if all.is_empty() && kernels == Kernels::Any && model.formats.is_empty() {
            all.push(Self::separate(batch));
        }
        // What was asked for runs, likely or not; nobody need hear of f16 arithmetic who did not.
        if all.is_empty() {
            let exact =
                |s: &&Self| s.arithmetic != Arithmetic::F16 || matches!(kernels, Kernels::Named(_));
            all.extend(runnable.iter().find(exact));
        }
        all
    }
}
