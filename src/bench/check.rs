//! Comparing the outputs of a precision with the reference, before anything is timed.

use super::layers::LayerLosses;
use crate::dataset::Dataset;
use crate::engine;
use crate::error::{CheckError, Error, Result};
use crate::mode::Mode;
use crate::precision::Tolerance;
use crate::quantize::QuantizedNetwork;
use crate::reference::{self, Inference};

/// How many images have their outputs compared value by value.
const COMPARED_OUTPUTS: usize = 256;

/// The reference outputs of a data set, each computed once.
pub(super) struct ReferenceCheck<'a> {
    data: &'a Dataset,
    known: Vec<((Mode, usize), Inference)>,
    /// What each layer loses.
    pub(super) losses: LayerLosses<'a>,
}

impl<'a> ReferenceCheck<'a> {
    pub(super) fn new(data: &'a Dataset) -> Self {
        Self {
            data,
            known: Vec::new(),
            losses: LayerLosses::new(data),
        }
    }

    /// Compares the outputs of the whole data set, run in batches of `batch`, with the reference. Gives the reason where
    /// values leave their type's range, so that there is nothing to compare.
    ///
    /// # Errors
    /// `Error::CheckFailed` where labels or outputs differ by more than the tolerance.
    pub(super) fn check(
        &mut self,
        model: &QuantizedNetwork,
        batch: usize,
        outputs: &[f32],
    ) -> Result<Option<String>> {
        let width = model.architecture().outputs();
        let mode = &model.mode;
        let want = self.outcome(model, batch)?;
        if let Some(overflow) = want.overflow {
            return Ok(Some(overflow.to_string()));
        }
        compare(mode.tolerance(), width, outputs, want)
            .map(|()| None)
            .map_err(|problem| Error::CheckFailed(CheckError::DiffersFromReference { problem }))
    }

    fn outcome(&mut self, model: &QuantizedNetwork, batch: usize) -> Result<&Inference> {
        let mode = &model.mode;
        // Only the reference scheme's scales depend on the batch.
        let batch = if mode.depends_on_batch() { batch } else { 1 };
        let at = self
            .known
            .iter()
            .position(|((known, of), _)| (known, *of) == (mode, batch));
        let at = match at {
            Some(at) => at,
            None => {
                reference::check_memory(model, self.data.len(), batch)?;
                let outcome = reference::infer_all(model, &self.data.images.pixels, batch);
                self.known.push(((mode.clone(), batch), outcome));
                self.known.len() - 1
            }
        };
        Ok(&self.known[at].1)
    }
}

/// All labels, and the outputs of the first images, within the tolerance.
fn compare(
    tolerance: Tolerance,
    width: usize,
    outputs: &[f32],
    want: &Inference,
) -> Result<(), String> {
    if outputs.len() != want.outputs.len() {
        return Err(format!(
            "it has {} outputs instead of {}",
            outputs.len(),
            want.outputs.len()
        ));
    }
    let labels = engine::labels(outputs, width);
    let rows = want.outputs.chunks(width);
    let equal = labels
        .iter()
        .zip(rows)
        .zip(&want.logits)
        .filter(|((label, row), logits)| is_largest(row, **label, **logits))
        .count();
    // A few images may always lie on a tie, however small the data set, but not all of them.
    let least = (tolerance.labels_equal * labels.len() as f64).floor() as usize;
    let least = least.min(labels.len().saturating_sub(1)).max(1);
    if equal < least.min(labels.len()) {
        return Err(format!(
            "only {equal} of {} labels are the same",
            labels.len()
        ));
    }

    let rows = outputs.chunks(width).zip(want.outputs.chunks(width));
    let compared = rows.len().min(COMPARED_OUTPUTS);
    let fits = |got: &[f32], want: &[f64], logits: f64| {
        let relative = widened(tolerance.relative, logits);
        let fits = |(&got, &want): (&f32, &f64)| {
            (f64::from(got) - want).abs() <= tolerance.absolute + relative * want.abs()
        };
        got.iter().zip(want).all(fits)
    };
    let outside: Vec<usize> = rows
        .zip(&want.logits)
        .take(compared)
        .enumerate()
        .filter(|(_, ((got, want), logits))| !fits(got, want, **logits))
        .map(|(index, _)| index)
        .collect();
    let most = if tolerance.rows_outside > 0.0 {
        ((tolerance.rows_outside * compared as f64) as usize).max(1)
    } else {
        0
    };
    match outside.first() {
        Some(first) if outside.len() > most => Err(format!(
            "the outputs of {} of {compared} images are outside the tolerance, first in image {first}",
            outside.len()
        )),
        _ => Ok(()),
    }
}

/// The magnitude of logits that tolerances are given for.
const USUAL_LOGITS: f64 = 32.0;

/// The relative tolerance of a softmax output, where `relative` is the tolerance for logits of usual magnitude. A
/// logit's error grows with its magnitude, and the output changes by the factor e to the error. Correct networks with
/// large logits therefore differ from the reference by more than any fixed share.
fn widened(relative: f64, logits: f64) -> f64 {
    (relative.ln_1p() * (logits / USUAL_LOGITS).max(1.0)).exp_m1()
}

/// Whether the reference has the largest output at this label, or one that f32 cannot distinguish from it: a saturated
/// tanh is exactly 1 in f32 and a little less in f64.
fn is_largest(row: &[f64], label: usize, logits: f64) -> bool {
    const TIE: f64 = 1.0 / (1 << 18) as f64;
    let largest = row[reference::label(row)];
    largest - row[label] <= widened(TIE, logits) * largest.abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Precision;

    /// 1,000 images of three outputs, the label going round.
    fn outcome() -> Inference {
        let outputs: Vec<f64> = (0..3000)
            .map(|i| if i % 3 == i / 3 % 3 { 0.8 } else { 0.1 })
            .collect();
        Inference {
            labels: outputs.chunks(3).map(reference::label).collect(),
            logits: vec![0.0; outputs.len() / 3],
            outputs,
            ..Inference::default()
        }
    }

    fn outputs() -> Vec<f32> {
        outcome()
            .outputs
            .iter()
            .map(|&value| value as f32)
            .collect()
    }

    #[test]
    fn equal_answers_pass_in_every_mode() {
        for mode in Mode::every() {
            assert_eq!(compare(mode.tolerance(), 3, &outputs(), &outcome()), Ok(()));
        }
    }

    #[test]
    fn a_tie_that_only_f64_can_break_is_no_wrong_label() {
        let row = [1.0 - 1e-12, 1.0 - 1e-13, 0.5];
        assert!(is_largest(&row, 0, 0.0) && is_largest(&row, 1, 0.0) && !is_largest(&row, 2, 0.0));
        assert!(!is_largest(&[0.3, 0.3001], 0, 32.0));
        assert!(!is_largest(&[f64::NAN, 0.1], 1, 1e9));
    }

    /// f32 holds logits of some thousands no finer than in thousandths, and a softmax passes that error on to its outputs.
    #[test]
    fn what_large_logits_cost_is_allowed_and_no_more() {
        let outputs = |factor: f32| {
            outputs()
                .iter()
                .map(|value| value * factor)
                .collect::<Vec<_>>()
        };
        let want = |logits: f64| Inference {
            logits: vec![logits; 1000],
            ..outcome()
        };
        let tolerance = Precision::F32.tolerance();
        let fits = |factor, logits| compare(tolerance, 3, &outputs(factor), &want(logits)).is_ok();
        assert!(fits(1.00008, 32.0) && !fits(1.0003, 32.0));
        assert!(fits(1.0003, 320.0) && !fits(1.003, 320.0));
        assert!(!fits(f32::NAN, 1e30));
        assert!(is_largest(&[0.3, 0.3001], 0, 6000.0));
    }

    #[test]
    fn the_label_of_a_single_image_is_checked() {
        for mode in Mode::every() {
            let mut want = outcome();
            want.outputs.truncate(3);
            want.logits.truncate(1);
            want.labels.truncate(1);
            let mut got = outputs()[..3].to_vec();
            assert_eq!(compare(mode.tolerance(), 3, &got, &want), Ok(()));
            got.rotate_left(1);
            let problem = compare(mode.tolerance(), 3, &got, &want).unwrap_err();
            assert!(
                problem.contains("only 0 of 1 labels are the same"),
                "{mode}: {problem}"
            );
        }
    }

    #[test]
    fn wrong_answers_fail_in_every_mode() {
        for mode in Mode::every() {
            let tolerance = mode.tolerance();
            // Ten wrong labels behind the images whose outputs are compared.
            let mut wrong = outputs();
            for image in 500..510 {
                wrong[3 * image..3 * image + 3].rotate_left(1);
            }
            let problem = compare(tolerance, 3, &wrong, &outcome()).unwrap_err();
            assert!(problem.contains("labels"), "{problem}");
            // Right labels, but wrong outputs, or none.
            for bad in [0.1, f32::NAN] {
                let mut wrong = outputs();
                wrong
                    .iter_mut()
                    .filter(|value| **value > 0.5)
                    .for_each(|value| *value = bad);
                assert!(
                    compare(tolerance, 3, &wrong, &outcome()).is_err(),
                    "{mode} {bad}"
                );
            }
            assert!(compare(tolerance, 3, &outputs()[3..], &outcome()).is_err());
        }
    }
}
