//! The rows as candidates: whether each is eligible, and how two of them compare.

use super::limits::{broken, check, is_f32};
use super::types::{DEFAULT_MIN_GAIN, LimitCheck, Request, RowReference};
use crate::adapter::{AdapterInfo, Kind};
use crate::engine::Place;
use crate::results::{Row, Status};
use crate::stats::SIGNIFICANT;
use crate::{Precision, Scheme};

/// What is measured on, as far as it matters to the decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Devices<'a>(pub(super) &'a [&'a AdapterInfo]);

impl<'a> Devices<'a> {
    /// The adapter of this place; none for a row of an adapter that is not known.
    pub(super) fn of(self, adapter: usize) -> Option<&'a AdapterInfo> {
        self.0.get(adapter).copied()
    }

    /// What a sentence calls an adapter.
    pub(super) fn name(self, adapter: usize) -> &'a str {
        match self.of(adapter) {
            Some(info) if info.kind == Kind::Cpu => "the CPU",
            Some(info) => &info.name,
            None => "another adapter",
        }
    }

    /// Whether this is a software adapter beside the CPU path, which does the same work on the same processor.
    pub(super) fn is_software_beside_cpu(self, adapter: usize) -> bool {
        let is = |info: &AdapterInfo, kind| info.kind == kind;
        self.of(adapter)
            .is_some_and(|info| is(info, Kind::Software))
            && self.0.iter().any(|info| is(info, Kind::Cpu))
    }
}

/// Why a row is excluded from the choice.
#[derive(Clone, Debug)]
pub(super) enum Exclusion {
    /// For a reason of its own.
    Own(String),
    /// All rows of its adapter are.
    SoftwareAdapter,
}

impl Exclusion {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Own(text) => text.clone(),
            Self::SoftwareAdapter => {
                "it ran on a software adapter, which is measured only for reference".to_owned()
            }
        }
    }
}

/// A row, and why it is excluded from the choice if it is.
pub(super) struct Contender<'a> {
    pub(super) at: usize,
    pub(super) row: &'a Row,
    pub(super) devices: Devices<'a>,
    min_gain: f64,
    pub(super) limits: Vec<LimitCheck>,
    pub(super) excluded: Option<Exclusion>,
}

impl<'a> Contender<'a> {
    pub(super) fn new(
        at: usize,
        row: &'a Row,
        images: usize,
        request: &Request,
        devices: Devices<'a>,
    ) -> Self {
        let limits = check(request, row, images);
        let adapter = row.requested.adapter;
        let on_adapter = devices
            .of(adapter)
            .is_some_and(|info| info.kind != Kind::Cpu);
        let excluded = match (row.status, row.effective.device) {
            (Status::Unsupported | Status::Overflow | Status::Failed, _) => {
                row.detail.clone().map(Exclusion::Own)
            }
            _ if devices.is_software_beside_cpu(adapter) => Some(Exclusion::SoftwareAdapter),
            (Status::Ok, Some(Place::Cpu)) if on_adapter => Some(Exclusion::Own(format!(
                "it ran on the CPU, not on the adapter: {}",
                row.effective
                    .reason
                    .as_deref()
                    .unwrap_or("no reason is known")
            ))),
            (Status::Ok, _) if is_reference_scheme(row) && !request.reference_scheme => {
                Some(Exclusion::Own(REFERENCE_SCHEME.to_owned()))
            }
            (Status::Ok, _) => {
                let broken = limits.iter().find(|limit| !limit.met).map(broken);
                broken.map(Exclusion::Own)
            }
        };
        Self {
            at,
            row,
            devices,
            min_gain: request.min_gain.unwrap_or(DEFAULT_MIN_GAIN),
            limits,
            excluded,
        }
    }

    /// Its name, with the adapter where several are measured.
    pub(super) fn name(&self) -> String {
        format!("{}{}", self.row.name, self.on())
    }

    /// ` on llvmpipe`; empty where only one adapter is measured.
    pub(super) fn on(&self) -> String {
        if self.devices.0.len() < 2 {
            return String::new();
        }
        self.place()
    }

    /// ` on llvmpipe`, also where only one adapter is measured.
    pub(super) fn place(&self) -> String {
        format!(" on {}", self.devices.name(self.adapter()))
    }

    /// Whether it runs on a software adapter.
    pub(super) fn is_on_software_adapter(&self) -> bool {
        let info = self.devices.of(self.adapter());
        info.is_some_and(|info| info.kind == Kind::Software)
    }

    pub(super) fn adapter(&self) -> usize {
        self.row.requested.adapter
    }

    /// Whether it is of the same adapter as another.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.adapter() == other.adapter()
    }

    pub(super) fn is_on_cpu_path(&self) -> bool {
        let info = self.devices.of(self.adapter());
        info.is_some_and(|info| info.kind == Kind::Cpu)
    }

    pub(super) fn batch(&self) -> usize {
        self.row.effective.batch
    }

    pub(super) fn choice(&self) -> RowReference {
        RowReference {
            row: self.at,
            name: self.row.name.clone(),
            batch: self.batch(),
            adapter: self.adapter(),
        }
    }

    /// Its end-to-end time; the longest where it was not measured.
    pub(super) fn time(&self) -> u64 {
        self.row.end_to_end_ns.unwrap_or(u64::MAX)
    }

    pub(super) fn changes(&self) -> usize {
        self.row.label_changes.unwrap_or(usize::MAX)
    }

    /// Whether it is significantly more (or less) accurate than f32.
    pub(super) fn differs(&self, better: bool) -> bool {
        self.row.mcnemar.is_some_and(|found| {
            let more = found.this_only > found.f32_only;
            found.p < SIGNIFICANT && more == better
        })
    }

    /// Whether it is known not to be significantly less accurate than f32.
    pub(super) fn is_as_accurate(&self) -> bool {
        is_f32(self.row) || self.row.mcnemar.is_some() && !self.differs(false)
    }

    /// Whether it takes longer than another row by at least the least gain.
    pub(super) fn is_slower_than(&self, other: &Self) -> Answer {
        if self.at == other.at {
            return Answer::No;
        }
        let Some(ratios) = other.row.times_of(self.row) else {
            return Answer::Open;
        };
        let ratio = ratios.estimate(CONFIDENCE_OF_ORDER);
        let least = 1.0 + self.min_gain;
        match ratio {
            _ if ratios.len() < LEAST_BLOCKS => Answer::Open,
            _ if ratio.low > least => Answer::Yes,
            _ if ratio.high <= least => Answer::No,
            _ => Answer::Open,
        }
    }

    /// The share by which its time and that of another row may differ, either way; none where it is not known.
    pub(super) fn differs_by(&self, other: &Self) -> Option<f64> {
        let ratios = other.row.times_of(self.row)?;
        let ratio = ratios.estimate(CONFIDENCE_OF_ORDER);
        let known = ratios.len() >= LEAST_BLOCKS;
        known.then(|| ratio.high.max(1.0 / ratio.low) - 1.0)
    }

    /// A sort key: the simplest to deploy first. The CPU path needs no driver, and the more accurate of two precisions
    /// that need the same is the one that changes fewer labels.
    pub(super) fn simplicity(&self) -> impl Ord + use<> {
        let effort = match (self.row.requested.precision, self.row.requested.scheme) {
            (Precision::F32, _) => 0,
            (Precision::F16, _) => 1,
            (Precision::Bf16, _) => 2,
            (Precision::Int8, Some(Scheme::DynamicTensor)) => 5,
            // It needs calibration images.
            (Precision::Int8, Some(Scheme::Static)) => 4,
            (Precision::Int8, _) => 3,
            (Precision::Int4, _) => 6,
            (Precision::Mixed, _) => 7,
        };
        (effort, !self.is_on_cpu_path(), self.changes(), self.at)
    }

    /// How much faster one row must be than another to be preferred to it, as a share.
    pub(super) fn min_gain(&self) -> f64 {
        self.min_gain
    }

    /// The bytes that it holds; the most where that is not known.
    pub(super) fn memory(&self) -> u64 {
        held(self.row).unwrap_or(u64::MAX)
    }
}

/// The bytes that a row holds while it runs; none where nothing ran.
pub(super) fn held(row: &Row) -> Option<u64> {
    row.memory.device_allocated_bytes
}

/// The answer to a question that samples may leave open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    Open,
}

impl Answer {
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Open,
        }
    }

    pub(super) fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Open => Self::Open,
        }
    }
}

/// The confidence of the interval that decides the order of two rows. It is higher than that of the intervals that are
/// shown, since the samples are looked at after every block, and any look may mislead.
const CONFIDENCE_OF_ORDER: f64 = 0.99;

/// With fewer blocks, two rows may differ from each other by the same in all of them by chance.
const LEAST_BLOCKS: usize = 3;

/// Why the reference scheme of int8 is not recommended unless it was asked for.
const REFERENCE_SCHEME: &str = "it is the reference scheme, in which the result for an image depends on the other images of its \
                                batch; --scheme dynamic-tensor allows it";

pub(super) fn is_reference_scheme(row: &Row) -> bool {
    row.requested.scheme == Some(Scheme::DynamicTensor)
}
