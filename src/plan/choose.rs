//! Which variants can run a network on an adapter, and which of them are likely to be good there.

use super::kernel::NETWORK_GROUPS;
use super::limits::Limits;
use super::table::KERNEL_VARIANTS;
use super::variant::{ExecutionPath, KernelVariant, Kernels};
use crate::Precision;
use crate::adapter::Kind;
use crate::model::Architecture;

impl KernelVariant {
    /// Every variant of `kernels` that can run batches of `batch`.
    #[must_use]
    pub fn runnable(
        model: &Architecture,
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
        let runs = |s: &Self| s.refused(model, batch, limits).is_none();
        let all = KERNEL_VARIANTS.iter().copied();
        all.filter(wanted).filter(runs).collect()
    }

    /// What is likely to be good, best first, for batches of `batch` on an adapter of this kind: the
    /// tuner's candidates, of which the first is taken where nothing is measured. Empty where nothing
    /// of `kernels` can run.
    #[must_use]
    pub fn candidates(
        model: &Architecture,
        batch: usize,
        limits: &Limits,
        kernels: Kernels,
    ) -> Vec<Self> {
        let runnable = Self::runnable(model, batch, limits, kernels);
        if kernels == Kernels::Path(ExecutionPath::Unfused) {
            return vec![Self::unfused(batch)];
        }
        let widest = model.layers.iter().map(|layer| layer.outputs).max();
        let outputs = batch * widest.unwrap_or(0);
        let likely = likely(model.precision(), batch, outputs, limits);
        let named = likely.iter().filter_map(|name| Self::find(name));
        let mut all: Vec<Self> = named.filter(|s| runnable.contains(s)).collect();
        let separate = Self::unfused(batch);
        if all.is_empty() && kernels == Kernels::Any && runnable.contains(&separate) {
            all.push(separate);
        }
        // The requested kernels run, likely or not.
        if all.is_empty() {
            all.extend(runnable.first());
        }
        all
    }
}

/// The outputs of a layer from which on its large tiles fill a large GPU: two workgroups of 128×64 on each of 128 cores.
const MANY_OUTPUTS: usize = 1 << 21;

/// The outputs of a layer below which even small tiles leave cores of a large GPU idle: one workgroup of 32×64 on each of 128.
const FEW_OUTPUTS: usize = 1 << 18;

/// The most outputs of a layer of a network that one dispatch computes in tiles.
const NARROW: usize = 4 * NETWORK_GROUPS as usize;

/// Names of what is likely to be good for batches of `batch` on an adapter, best first, where the widest layer has so
/// many outputs. The best with matrix units and the best without come first, whichever time is left for the others.
fn likely(
    precision: Precision,
    batch: usize,
    outputs: usize,
    limits: &Limits,
) -> Vec<&'static str> {
    let without = match limits.kind {
        Kind::Software | Kind::Cpu => on_processor(precision, batch),
        _ => on_gpu(precision, batch, outputs),
    };
    if precision != Precision::F16 || limits.matrix_units.is_none() {
        return without.to_vec();
    }
    let with: &[&str] = match batch {
        1..=16 => &["coop-1x4", "coop-staged-2x2-split"],
        _ if outputs >= MANY_OUTPUTS => &["coop-staged-4x4", "coop-2x4", "coop-staged-4x2"],
        _ if outputs < FEW_OUTPUTS => &["coop-staged-2x2-split", "coop-2x4", "coop-staged-2x2"],
        _ => &["coop-2x4", "coop-staged-2x2", "coop-staged-4x4"],
    };
    [&with[..1], &without[..1], &with[1..], &without[1..]].concat()
}

/// On adapters that compute on processor cores.
fn on_processor(precision: Precision, batch: usize) -> &'static [&'static str] {
    match (precision, batch) {
        (_, 1..=4) => &[
            "network-8",
            "network-8-dot",
            "register-1x4",
            "register-1x4-dot",
        ],
        (Precision::F32, _) => &[
            "broadcast-4x32",
            "broadcast-8x32",
            "register-8x16",
            "register-8x8",
        ],
        (Precision::F16, _) => &["broadcast-8x32", "broadcast-4x32", "register-8x16"],
        (Precision::Bf16, _) => &[
            "broadcast-8x32",
            "broadcast-4x32",
            "broadcast-4x64",
            "register-8x16",
        ],
        (Precision::Int8, 5..=64) => &[
            "broadcast-2x64",
            "broadcast-4x32",
            "register-8x8-dot",
            "network-8",
        ],
        (Precision::Int8, _) => &[
            "broadcast-4x64",
            "broadcast-4x32",
            "broadcast-2x64",
            "register-8x16",
            "register-8x8-dot",
        ],
        (_, _) => &[
            "broadcast-4x32",
            "broadcast-4x64",
            "broadcast-8x32",
            "register-8x16",
        ],
    }
}

/// On GPUs, without matrix units.
fn on_gpu(precision: Precision, batch: usize, outputs: usize) -> &'static [&'static str] {
    match (precision, batch) {
        (Precision::Int8, 1..=8) => &[
            "network-256-dot",
            "rows-4x32-dot",
            "subgroup-rows-dot",
            "workgroup-32x64-split-dot",
            "network-256",
        ],
        (_, 1..=8) => &[
            "network-256",
            "rows-4x32",
            "subgroup-rows",
            "rows-8x32",
            "workgroup-32x64-split",
            "register-1x4",
        ],
        (Precision::Int8, _) if outputs < FEW_OUTPUTS => &[
            "workgroup-32x64-split-dot",
            "workgroup-64x64-dot",
            // Some GPUs have no instruction for the packed dot product.
            "workgroup-32x64-split",
            "workgroup-32x64-dot",
            "register-8x8-dot",
        ],
        (Precision::Int8, _) => &[
            "workgroup-64x64-dot",
            // Some GPUs have no instruction for the packed dot product.
            "workgroup-64x64",
            "workgroup-32x64-dot",
            "workgroup-64x64x64-dot",
            "register-8x8-dot",
        ],
        _ if outputs >= MANY_OUTPUTS => &[
            "workgroup-128x64",
            "workgroup-128x128-16x8",
            "workgroup-128x128",
            "workgroup-64x64",
        ],
        // One dispatch for a narrow network. With a workgroup for each image, there are more of them than of tiles.
        _ if batch <= 256 && outputs <= NARROW * batch => &[
            "network-256",
            "network-32x64",
            "workgroup-32x64",
            "workgroup-64x64",
            "register-8x8",
        ],
        _ if outputs <= NARROW * batch => &[
            "network-32x64",
            "network-64x64",
            "workgroup-32x64",
            "workgroup-64x64",
        ],
        _ if outputs < FEW_OUTPUTS => &[
            "workgroup-32x64-split",
            "workgroup-64x64",
            "workgroup-32x64",
            "register-8x8",
        ],
        _ => &[
            "workgroup-64x64",
            "workgroup-32x64",
            "workgroup-128x64",
            "register-8x8",
        ],
    }
}
