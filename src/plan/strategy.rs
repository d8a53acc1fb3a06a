//! The ways to run a network, by name: what `effective.kernel` says and the tuner chooses from.

use serde::Serialize;

use super::Limits;
use super::fused::{Arithmetic, Body, LayerInput, LayerKernel, LayerOutput, NetworkKernel, Tile};
use super::pass::{Pass, Tiling, groups};
use crate::Precision;
use crate::adapter::Kind;
use crate::error::{Error, Result};
use crate::model::{Activation, Architecture, Normalization};

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
            Self::Separate => "separate",
            Self::Fused => "fused",
            Self::Network => "network",
        }
    }
}

impl std::str::FromStr for Path {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Separate, Self::Fused, Self::Network]
            .into_iter()
            .find(|path| path.name() == text)
            .ok_or_else(|| {
                Error::Usage(format!(
                    "unknown path '{text}': use separate, fused or network"
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
const HALF: Arithmetic = Arithmetic::F16;
const DOT: Arithmetic = Arithmetic::Dot;

/// Every strategy. A tile's numbers are rows and groups of four columns an invocation, lanes along
/// the rows, and lanes in all; a broadcast tile's lanes are the adapter's subgroup.
pub static STRATEGIES: &[Strategy] = &[
    separate(Tiling::WIDE),
    separate(Tiling::FEW_ROWS),
    layers("register-8x16", Body::Register, [8, 4, 8, 8], SINGLE),
    layers("register-8x8", Body::Register, [8, 2, 8, 32], SINGLE),
    layers("register-1x4", Body::Register, [1, 1, 1, 32], SINGLE),
    layers("register-8x8-dot", Body::Register, [8, 2, 8, 32], DOT),
    layers("register-1x4-dot", Body::Register, [1, 1, 1, 32], DOT),
    layers("register-8x8-half", Body::Register, [8, 2, 8, 32], HALF),
    layers("broadcast-4x32", Body::Broadcast, [4, 8, 0, 0], SINGLE),
    layers("broadcast-8x32", Body::Broadcast, [8, 8, 0, 0], SINGLE),
    layers("broadcast-2x64", Body::Broadcast, [2, 16, 0, 0], SINGLE),
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
    layers(
        "workgroup-64x64-half",
        Body::Workgroup,
        [4, 1, 16, 256],
        HALF,
    ),
    layers(
        "workgroup-128x128-half",
        Body::Workgroup,
        [8, 2, 16, 256],
        HALF,
    ),
    layers("rows-64", Body::Rows, [4, 1, 1, 64], SINGLE),
    layers("rows-64-dot", Body::Rows, [4, 1, 1, 64], DOT),
    layers("subgroup-rows", Body::SubgroupRows, [4, 1, 1, 0], SINGLE),
    layers("subgroup-rows-dot", Body::SubgroupRows, [4, 1, 1, 0], DOT),
    network("network-8", 8, 1, SINGLE),
    network("network-8-dot", 8, 1, DOT),
    network("network-256", 256, 16, SINGLE),
    network("network-256-dot", 256, 16, DOT),
];

const fn separate(tiling: Tiling) -> Strategy {
    Strategy {
        name: tiling.name,
        form: Form::Separate(tiling),
        // In int8 the passes multiply with the packed dot product; `arithmetic_in` says so.
        arithmetic: Arithmetic::F32,
    }
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
    pub fn rows_are_alone(self, precision: Precision) -> bool {
        precision != Precision::Int8 || self.path() == Path::Network
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
        let int8 = precision == Precision::Int8;
        let fits_precision = match self.arithmetic {
            Arithmetic::F32 => true,
            Arithmetic::F16 => precision == Precision::F16,
            Arithmetic::Dot => int8,
        };
        if !fits_precision {
            return Some("its arithmetic is not the precision's");
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
            Form::Layers(tile) => self.layers_refused(tile, int8, limits),
            Form::Network { lanes, .. } => {
                self.network_refused(lanes, model, int8 && batch > 1, limits)
            }
        }
    }

    fn layers_refused(self, tile: Tile, int8: bool, limits: &Limits) -> Option<&'static str> {
        let needs_subgroup = matches!(tile.body, Body::Broadcast | Body::SubgroupRows);
        if needs_subgroup && limits.subgroup.is_none() {
            return Some("the adapter has no subgroups of one known size");
        }
        if limits.storage_buffers < if int8 { 5 } else { 4 } {
            return Some("the adapter binds too few buffers");
        }
        if tile.lanes > limits.invocations {
            return Some("the adapter's workgroups are too small");
        }
        let needed = tile.workgroup_bytes(self.arithmetic);
        let fits = needed <= u64::from(limits.workgroup_bytes);
        (!fits).then_some("the adapter has too little workgroup memory")
    }

    fn network_refused(
        self,
        lanes: u32,
        model: &Architecture,
        shared_scales: bool,
        limits: &Limits,
    ) -> Option<&'static str> {
        if shared_scales {
            return Some("the images of an int8 batch share their scales");
        }
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
        let likely = Self::likely(precision, batch, limits.kind);
        let named = likely.iter().filter_map(|name| Self::find(name));
        let mut all: Vec<Self> = named.filter(|s| runnable.contains(s)).collect();
        if all.is_empty() && kernels == Kernels::Any {
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

    /// Names of what is likely to be good, best first.
    fn likely(precision: Precision, batch: usize, kind: Kind) -> &'static [&'static str] {
        match (kind, precision, batch) {
            (Kind::Software | Kind::Cpu, _, 1..=4) => &[
                "network-8",
                "network-8-dot",
                "register-1x4",
                "register-1x4-dot",
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
            (Kind::Software | Kind::Cpu, Precision::Int8, _) => &[
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
            (_, Precision::F32, _) => &[
                "workgroup-64x64",
                "workgroup-128x64",
                "workgroup-128x128",
                "register-8x8",
            ],
            (_, Precision::F16, _) => &[
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

    /// The fused kernels to test it by in a precision: its tile and narrower ones, in each place of a
    /// network, on an adapter with subgroups of `subgroup` lanes.
    #[must_use]
    pub fn variants(self, precision: Precision, subgroup: u32) -> Vec<Pass> {
        let fits = match self.arithmetic {
            Arithmetic::F32 => true,
            Arithmetic::F16 => precision == Precision::F16,
            Arithmetic::Dot => precision == Precision::Int8,
        };
        match self.form {
            Form::Layers(tile) if fits => {
                let tile = tile.on(subgroup);
                let mut tiles = vec![tile, tile.narrowed(1), tile.narrowed(2)];
                tiles.dedup();
                let arithmetic = self.arithmetic;
                let kernel = |tile: Tile, input, output, activation| {
                    Pass::Layer(LayerKernel {
                        tile,
                        arithmetic,
                        input,
                        output,
                        activation,
                    })
                };
                let of = |tile: Tile| layer_variants(tile, precision, &kernel);
                tiles.into_iter().flat_map(of).collect()
            }
            Form::Network { lanes, k_lanes } if fits => vec![Pass::Network(NetworkKernel {
                lanes,
                k_lanes,
                arithmetic: self.arithmetic,
                widest: 256,
            })],
            _ => Vec::new(),
        }
    }
}

/// A tile as the first layer, as one between and as the last.
fn layer_variants(
    tile: Tile,
    precision: Precision,
    kernel: &impl Fn(Tile, LayerInput, LayerOutput, Activation) -> Pass,
) -> Vec<Pass> {
    use Activation::{Identity, Relu, Sigmoid, Softmax, Tanh};
    use LayerInput::{Pixels, Values, Z};
    if precision == Precision::Int8 {
        let inputs = [Pixels, Values, Z(Relu), Z(Tanh)];
        let kernels = inputs.map(|input| kernel(tile, input, LayerOutput::Z, Identity));
        return kernels.to_vec();
    }
    let mut kernels = vec![
        kernel(tile, Pixels, LayerOutput::Stored, Relu),
        kernel(tile, Values, LayerOutput::Stored, Sigmoid),
        kernel(tile, Values, LayerOutput::F32, Identity),
    ];
    if tile.holds_rows(1) {
        kernels.push(kernel(tile, Values, LayerOutput::F32, Softmax));
    }
    kernels
}
