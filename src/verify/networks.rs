//! Whole networks on an adapter, in each way that a plan may choose: against the reference, to the same bits each
//! time, and with the bits of a timed run.

use std::sync::Arc;

use super::compare::{Check, Errors, equal};
use super::problem::as_problem;
use super::repeats::{REPEATS, same_bits};
use super::row::CheckRow;
use super::subjects::{Subject, has_f16, judge, modes};
use super::tolerance;
use crate::Precision;
use crate::error::Result;
use crate::gpu::{self, Device};
use crate::mode::Mode;
use crate::plan::{ChosenBy, ExecutionPath, Fusion, KERNEL_VARIANTS, KernelVariant, Kernels};
use crate::reference;

/// A network in a mode, run in one way.
#[derive(Clone, Debug)]
pub(super) struct NetworkCheck {
    pub(super) subject: Arc<Subject>,
    pub(super) mode: Mode,
    /// The way; what is chosen where nothing is measured, if there is none.
    variant: Option<KernelVariant>,
}

impl NetworkCheck {
    pub(super) fn row(&self, group: &'static str) -> CheckRow {
        let name = match (group, self.variant) {
            ("weights", _) => self.subject.name.clone(),
            (_, Some(variant)) => format!("{} {}", self.subject.name, variant.name),
            (_, None) => format!("{} by default", self.subject.name),
        };
        let tolerance = match group {
            "weights" => tolerance::WEIGHTS,
            _ => tolerance::of_network(&self.mode),
        };
        CheckRow::new(group, name, &self.mode, tolerance)
    }
}

/// What is to be checked: a network and whether it is its weights alone; or why not.
type Planned = Result<(NetworkCheck, bool), Box<CheckRow>>;

/// Each mode on each network: its weights; and it in the likely ways on this adapter, in those that are a
/// whole network in one dispatch, and in unfused passes. Since nothing else is checked of the kernels of one dispatch,
/// these are also run on networks whose widths lie round what their lanes do at a time.
pub(super) fn every(device: &Arc<Device>) -> Result<Vec<Planned>> {
    let (odd, default) = (
        Arc::new(Subject::odd()?),
        Arc::new(Subject::default_model()?),
    );
    let mut all = Vec::new();
    for subject in [&odd, &default] {
        for mode in modes(subject.model.layers.len())? {
            let of = |variant| NetworkCheck {
                subject: Arc::clone(subject),
                mode: mode.clone(),
                variant,
            };
            let lacks = has_f16(&mode).then(|| device.info().lacks(Precision::F16));
            if let Some(reason) = lacks.flatten() {
                all.push(Err(Box::new(of(None).row("networks").skipped(reason))));
                continue;
            }
            let ways = ways(device, subject, &mode)?;
            if ways.is_empty() {
                let row = of(None).row("networks");
                let row = row.skipped("no kernel for it runs on the adapter");
                all.push(Err(Box::new(row)));
                continue;
            }
            all.push(Ok((of(None), true)));
            all.push(Ok((of(None), false)));
            if Arc::ptr_eq(subject, &odd) {
                all.extend(ways.into_iter().map(|way| Ok((of(Some(way)), false))));
            }
        }
    }
    for (turn, of_turn) in turns() {
        for subject in Subject::round(turn)?.map(Arc::new) {
            all.extend(in_one_dispatch(device, &subject, &of_turn)?);
        }
    }
    let tiled: Vec<KernelVariant> = tiled().collect();
    let subject = Arc::new(Subject::in_tiles()?);
    all.extend(in_one_dispatch(device, &subject, &tiled)?);
    Ok(all)
}

/// The kernels of a whole network that have tiles of several images.
fn tiled() -> impl Iterator<Item = KernelVariant> {
    let tiled = |variant: &KernelVariant| matches!(variant.fusion, Fusion::Network { rows, .. } if rows > 1);
    KERNEL_VARIANTS.iter().copied().filter(tiled)
}

/// How many outputs each kernel of a whole network computes at a time, with the kernels that do so.
fn turns() -> Vec<(usize, Vec<KernelVariant>)> {
    let mut turns: Vec<(usize, Vec<KernelVariant>)> = Vec::new();
    for &variant in KERNEL_VARIANTS {
        let turn = match variant.fusion {
            // A lane has a group of four.
            Fusion::Network {
                rows: 1,
                lanes,
                k_lanes,
            } => 4 * (lanes / k_lanes) as usize,
            _ => continue,
        };
        match turns.iter_mut().find(|(known, _)| *known == turn) {
            Some((_, known)) => known.push(variant),
            None => turns.push((turn, vec![variant])),
        }
    }
    turns
}

/// A network in every mode, by those of these ways that can run it.
fn in_one_dispatch(
    device: &Device,
    subject: &Arc<Subject>,
    ways: &[KernelVariant],
) -> Result<Vec<Planned>> {
    let mut all = Vec::new();
    for mode in modes(subject.model.layers.len())? {
        // As where the other networks are run.
        if has_f16(&mode) && device.info().lacks(Precision::F16).is_some() {
            continue;
        }
        let model = subject.quantized(&mode)?.architecture();
        for &way in ways {
            let runs = |&batch: &usize| {
                let refused = way.refused(&model, batch, device.limits());
                refused.is_none()
            };
            if subject.batches.iter().any(runs) {
                let network = NetworkCheck {
                    subject: Arc::clone(subject),
                    mode: mode.clone(),
                    variant: Some(way),
                };
                all.push(Ok((network, false)));
            }
        }
    }
    Ok(all)
}

/// The ways to run a network that are checked.
fn ways(device: &Device, subject: &Subject, mode: &Mode) -> Result<Vec<KernelVariant>> {
    let model = subject.quantized(mode)?.architecture();
    let mut ways = Vec::new();
    for &batch in subject.batches {
        let limits = device.limits();
        let of = |kernels, likely| {
            let list = if likely {
                KernelVariant::candidates
            } else {
                KernelVariant::runnable
            };
            list(&model, batch, limits, kernels)
        };
        ways.extend(of(Kernels::Any, true));
        ways.extend(of(Kernels::Path(ExecutionPath::Network), false));
        ways.extend(of(Kernels::Path(ExecutionPath::Unfused), false));
    }
    let mut seen = Vec::new();
    ways.retain(|way| {
        let new = !seen.contains(way);
        seen.push(*way);
        new
    });
    Ok(ways)
}

/// Checks a network in every batch size that its way can run.
pub(super) async fn check(
    network: &NetworkCheck,
    device: &Arc<Device>,
    row: CheckRow,
) -> Result<CheckRow> {
    let NetworkCheck {
        subject,
        mode,
        variant,
    } = network;
    let model = subject.quantized(mode)?;
    let mut errors = Errors::default();
    let (mut trials, mut result) = (0, Ok(()));
    for &batch in subject.batches {
        let limits = device.limits();
        let refused = variant.and_then(|way| way.refused(&model.architecture(), batch, limits));
        if refused.is_some() {
            continue;
        }
        // Of many small batches a few will do.
        let images = subject.pixels.len() / subject.model.inputs();
        let images = images.min(37 * batch);
        let pixels = subject.first(images);
        reference::check_memory(&model, images, batch)?;
        let want = reference::infer_all(&model, pixels, batch);
        let mut on = gpu::Session::new(device, &model).await?;
        if let Some(way) = variant {
            on.choose(batch, *way, ChosenBy::User);
        }
        let got = as_problem(on.infer(pixels, batch, &mut |_| ()).await)?;
        let got = match got {
            Ok(got) => got,
            Err(problem) => {
                result = result.and(Err(format!("batch {batch}: {problem}")));
                continue;
            }
        };
        let judged = judge(&model, batch, &got, &want, &mut errors);
        let repeated = repeated(&mut on, subject.first(batch), batch, &got).await?;
        let repeated = repeated.map_err(|problem| format!("batch {batch}: {problem}"));
        result = result.and(judged).and(repeated);
        trials += 1;
    }
    if trials == 0 && result.is_ok() {
        return Ok(row.skipped("it cannot run any batch of this network here"));
    }
    Ok(CheckRow {
        trials,
        repeats: REPEATS,
        ..row.found(result, errors)
    })
}

/// Whether a timed run has the outputs that were checked, and many runs have the same.
async fn repeated(
    network: &mut gpu::Session,
    pixels: &[u8],
    batch: usize,
    checked: &[f32],
) -> Result<Check> {
    network.upload(pixels, batch).await?;
    let bits = |outputs: &[f32]| -> Vec<u32> { outputs.iter().map(|v| v.to_bits()).collect() };
    let timed = bits(&network.run_timed().await?.outputs);
    let checked = bits(&checked[..timed.len().min(checked.len())]);
    if let Err(problem) = equal(&timed, &checked) {
        return Ok(Err(format!(
            "a timed run gives different outputs: {problem}"
        )));
    }
    let mut runs = Vec::new();
    for _ in 0..REPEATS {
        runs.push(bits(&network.run().await?.outputs));
    }
    Ok(same_bits(&timed, &runs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kernel_of_a_whole_network_has_networks_round_its_edges() {
        let turns = turns();
        let subject = Subject::in_tiles().unwrap();
        for kernel in tiled() {
            let runnable = subject.quantized(&Precision::F32.into()).unwrap();
            let network = kernel.network_kernel(&runnable.architecture()).unwrap();
            let columns = 4 * network.widest as usize;
            let outputs = &runnable.architecture().widths()[1..];
            assert!(outputs.contains(&columns) && outputs.contains(&(columns - 1)));
            let rows = network.rows as usize;
            let batches = &subject.batches;
            assert!(
                batches.contains(&rows) && batches.contains(&(rows + 1)),
                "{}",
                kernel.name
            );
        }
        let kernels = KERNEL_VARIANTS
            .iter()
            .filter(|s| s.path() == ExecutionPath::Network && !tiled().any(|of| of == **s));
        for kernel in kernels {
            let of = |(_, ways): &&(usize, Vec<KernelVariant>)| ways.contains(kernel);
            let (turn, _) = turns.iter().find(of).expect("its networks");
            let [past, filled] = Subject::round(*turn).unwrap();
            let widest = |subject: &Subject| {
                let runnable = subject.quantized(&Precision::F32.into()).unwrap();
                let kernel = kernel.network_kernel(&runnable.architecture());
                (runnable.architecture().widths(), kernel.unwrap())
            };
            let (widths, _) = widest(&past);
            for width in [turn - 1, *turn, turn + 1, 2 * turn + 1] {
                assert!(widths.contains(&width), "{} at {width}", kernel.name);
            }
            // The memory for a layer's values is full.
            let (widths, network) = widest(&filled);
            assert_eq!(widths.iter().max(), Some(&(4 * network.widest as usize)));
        }
    }
}
