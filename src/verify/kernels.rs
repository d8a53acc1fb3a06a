//! Every kernel that an adapter can run, each at the shapes round its tile's edges.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::vec;

use super::case::{Case, KernelTrial};
use super::compare::{Check, Errors};
use super::problem::as_problem;
use super::repeats::{REPEATS, same_bits};
use super::row::CheckRow;
use super::{shapes, tolerance};
use crate::Precision;
use crate::error::{Error, InternalError, Result};
use crate::gpu::{Device, SinglePass, kernel};
use crate::host;
use crate::plan::{Arithmetic, KernelFamily, LayerKernel, Limits, Pass, Subgroups};

/// The most bytes that the repeats of one trial leave behind.
const MOST_BYTES: usize = 4 << 20;

/// A kernel for its element type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variant {
    /// What it does.
    pub pass: Pass,
    /// What it does it in.
    pub elements: Precision,
}

/// Every kernel but those of whole networks, which are checked as networks.
#[must_use]
pub fn every(subgroups: Subgroups) -> Vec<Variant> {
    let mut all = Vec::new();
    for (pass, elements) in kernel::variants(subgroups) {
        let variant = Variant { pass, elements };
        if !matches!(pass, Pass::Network(_)) && !all.contains(&variant) {
            all.push(variant);
        }
    }
    all
}

impl Variant {
    /// Whether its products are those of matrix units.
    #[must_use]
    pub fn on_matrix_units(&self) -> bool {
        matches!(self.pass, Pass::Layer(layer) if layer.arithmetic == Arithmetic::Matrix)
    }

    /// What the device has not of what the plan asks for before it takes a kernel.
    #[must_use]
    pub fn lacks(&self, device: &Device) -> Option<&'static str> {
        let limits = device.limits();
        let bindings =
            kernel::find(self.pass, self.elements).map_or(0, |kernel| kernel.bindings.len());
        if let Some(reason) = device.info().lacks(self.elements) {
            return Some(reason);
        }
        if bindings > limits.storage_buffers as usize {
            return Some("the adapter allows too few storage buffers");
        }
        match self.pass {
            Pass::Layer(layer) => layer_lacks(layer, limits),
            _ => None,
        }
    }

    pub(super) fn row(&self) -> CheckRow {
        CheckRow::new(
            "kernels",
            kernel::variant_name(self.pass),
            &self.elements.into(),
            tolerance::of_kernel(self.pass, self.elements),
        )
    }

    /// Its trials at a shape.
    fn trials(&self, shape: [usize; 3]) -> Vec<KernelTrial> {
        let case = Case {
            pass: self.pass,
            elements: self.elements,
            shape,
            clip: 127,
        };
        case.trials()
    }

    pub(super) async fn check(&self, device: &Arc<Device>, row: CheckRow) -> Result<CheckRow> {
        let (mut errors, mut problems) = (Errors::default(), Vec::new());
        let (mut trials, mut most_repeats) = (0, 0);
        let shapes = shapes(self.pass);
        let largest = shapes
            .iter()
            .filter(|[rows, _, cols]| REPEATS * 4 * rows * (cols + 3) <= MOST_BYTES)
            .max_by_key(|[rows, inner, cols]| rows * cols * inner.min(&64));
        let largest = largest.copied();
        let mut prepared = PreparedTrials::new(*self, shapes);
        while let Some((shape, trials_of_shape)) = prepared.next()? {
            for trial in trials_of_shape {
                let repeats = if Some(shape) == largest { REPEATS } else { 0 };
                let tried = self.try_it(device, &trial, repeats, &mut errors).await;
                match as_problem(tried)?.and_then(|check| check) {
                    Ok(()) => most_repeats = repeats.max(most_repeats),
                    Err(problem) => problems.push(format!("{trial:?}: {problem}")),
                }
                trials += 1;
            }
        }
        let check = if problems.is_empty() {
            Ok(())
        } else {
            Err(problems.join("\n"))
        };
        Ok(CheckRow {
            trials,
            repeats: most_repeats,
            ..row.found(check, errors)
        })
    }

    /// Runs a trial once and judges it, and then, where that is well, `repeats` times, to the same bits of
    /// everything that it writes.
    async fn try_it(
        &self,
        device: &Arc<Device>,
        trial: &KernelTrial,
        repeats: usize,
        errors: &mut Errors,
    ) -> Result<Check> {
        let single = self.on(device, trial).await?;
        let written = run(&single, trial).await?;
        let first = written.clone();
        let judged = trial.judge(written, errors);
        if repeats == 0 || judged.is_err() {
            return Ok(judged);
        }
        let operand = |&operand: &usize| (operand, &trial.operands[operand][..]);
        let operands: Vec<_> = trial.written.iter().map(operand).collect();
        let again = single.repeat(&operands, repeats).await?;
        Ok(same_bits(&first.concat(), &again))
    }

    /// The kernel with a trial's operands on the device.
    async fn on(&self, device: &Arc<Device>, trial: &KernelTrial) -> Result<SinglePass> {
        let KernelTrial {
            params, operands, ..
        } = trial;
        SinglePass::new(device, self.pass, self.elements, *params, operands).await
    }

    /// Tries it at every shape; all that is wrong, together.
    ///
    /// # Errors
    /// What is wrong at which shape, a line each, and what the device says.
    pub async fn check_every_shape(&self, device: &Arc<Device>) -> Check {
        let mut problems = Vec::new();
        for shape in shapes(self.pass) {
            for trial in self.trials(shape) {
                let tried = self.try_it(device, &trial, 0, &mut Errors::default()).await;
                let tried = tried.map_err(|error| error.to_string());
                if let Err(problem) = tried.and_then(|check| check) {
                    problems.push(format!("{trial:?}: {problem}"));
                }
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems.join("\n"))
        }
    }
}

/// Trials that another thread makes, with what the reference says of them, while the device is at work.
struct PreparedTrials {
    variant: Variant,
    /// Of which the trials were not asked for yet.
    shapes: vec::IntoIter<[usize; 3]>,
    /// None where no thread started: then they are made when they are asked for.
    trials: Option<Receiver<Vec<KernelTrial>>>,
}

impl PreparedTrials {
    /// Those of a kernel at each of these shapes, in their order; few of them wait.
    fn new(variant: Variant, shapes: Vec<[usize; 3]>) -> Self {
        let (send, trials) = mpsc::sync_channel(1);
        let shapes = shapes.into_iter();
        let ahead = shapes.clone();
        let make = move || {
            for shape in ahead {
                if send.send(variant.trials(shape)).is_err() {
                    // Nobody asks for the rest.
                    break;
                }
            }
        };
        let started = !host::is_memory_limited() && host::spawn("trials", make).is_ok();
        Self {
            variant,
            shapes,
            trials: started.then_some(trials),
        }
    }

    /// The next shape with its trials; none after the last.
    fn next(&mut self) -> Result<Option<([usize; 3], Vec<KernelTrial>)>> {
        let Some(shape) = self.shapes.next() else {
            return Ok(None);
        };
        let Some(trials) = &self.trials else {
            return Ok(Some((shape, self.variant.trials(shape))));
        };
        let what = "the reference implementation".to_owned();
        let broke = |_| Error::Internal(InternalError::Panicked { what });
        Ok(Some((shape, trials.recv().map_err(broke)?)))
    }
}

/// Runs a kernel once and gives what it left in each of the written operands.
async fn run(single: &SinglePass, trial: &KernelTrial) -> Result<Vec<Vec<u8>>> {
    single.run(1).await?;
    let mut written = Vec::new();
    for &operand in &trial.written {
        written.push(single.read(operand).await?);
    }
    Ok(written)
}

fn layer_lacks(layer: LayerKernel, limits: &Limits) -> Option<&'static str> {
    let on_subgroups = matches!(
        layer.tile.family,
        KernelFamily::Broadcast | KernelFamily::SubgroupRows
    );
    if on_subgroups && limits.subgroup.is_none() {
        return Some("the adapter does not guarantee one subgroup size");
    }
    if layer.tile.lanes > limits.invocations {
        return Some("the adapter's largest workgroup is too small");
    }
    let needed = layer.tile.workgroup_bytes(layer.arithmetic);
    if needed > u64::from(limits.workgroup_bytes) {
        return Some("the tile does not fit in workgroup memory");
    }
    None
}
