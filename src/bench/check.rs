//! Holding a precision's answers against the oracle, before anything is timed.

use crate::Precision;
use crate::dataset::Dataset;
use crate::engine;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::reference::{self, Outcome};

/// How many images have their outputs compared value by value.
const COMPARED_OUTPUTS: usize = 256;

/// The oracle's answers for a model and a data set, each found once.
pub(super) struct Oracle<'a> {
    model: &'a Model,
    data: &'a Dataset,
    known: Vec<((Precision, usize), Outcome)>,
}

impl<'a> Oracle<'a> {
    pub(super) fn new(model: &'a Model, data: &'a Dataset) -> Self {
        Self {
            model,
            data,
            known: Vec::new(),
        }
    }

    /// Compares the outputs of the whole data set, run in batches of `batch`, with the oracle's.
    /// Gives the reason where f16 leaves its range, so that there is nothing to compare.
    ///
    /// # Errors
    /// `Error::CheckFailed` where labels or outputs differ by more than the tolerance.
    pub(super) fn check(
        &mut self,
        precision: Precision,
        batch: usize,
        outputs: &[f32],
    ) -> Result<Option<String>> {
        let width = self.model.outputs();
        let want = self.outcome(precision, batch);
        if let Some(overflow) = want.overflow {
            return Ok(Some(format!(
                "layers.{} reaches {:.6e}, beyond binary16's largest number 65504",
                overflow.layer, overflow.largest
            )));
        }
        compare(precision, width, outputs, want)
            .map(|()| None)
            .map_err(|problem| {
                Error::CheckFailed(format!(
                    "{precision} at batch {batch} is not what the oracle says: {problem}; nothing \
                     was timed. Please report it with the output of 'fmnist-gpu adapters'"
                ))
            })
    }

    fn outcome(&mut self, precision: Precision, batch: usize) -> &Outcome {
        // Only int8's scales depend on the batch.
        let batch = if precision == Precision::Int8 {
            batch
        } else {
            self.data.len()
        };
        let key = (precision, batch);
        let at = self.known.iter().position(|(known, _)| *known == key);
        let at = at.unwrap_or_else(|| {
            let pixels = &self.data.images.pixels;
            let outcome = reference::infer(self.model, precision, pixels, batch);
            self.known.push((key, outcome));
            self.known.len() - 1
        });
        &self.known[at].1
    }
}

/// All labels, and the outputs of the first images, within the precision's tolerance.
fn compare(
    precision: Precision,
    width: usize,
    outputs: &[f32],
    want: &Outcome,
) -> Result<(), String> {
    let tolerance = precision.tolerance();
    if outputs.len() != want.outputs.len() {
        return Err(format!(
            "{} outputs, not {}",
            outputs.len(),
            want.outputs.len()
        ));
    }
    let labels = engine::labels(outputs, width);
    let rows = want.outputs.chunks(width);
    let equal = labels
        .iter()
        .zip(rows)
        .filter(|(label, row)| is_largest(row, **label))
        .count();
    // A few images always may lie on a tie, however small the data set.
    let least = (tolerance.labels_equal * labels.len() as f64).floor() as usize;
    if equal < least.min(labels.len() - 1) {
        return Err(format!("only {equal} of {} labels are equal", labels.len()));
    }

    let rows = outputs.chunks(width).zip(want.outputs.chunks(width));
    let compared = rows.len().min(COMPARED_OUTPUTS);
    let fits = |(&got, &want): (&f32, &f64)| {
        (f64::from(got) - want).abs() <= tolerance.absolute + tolerance.relative * want.abs()
    };
    let beyond: Vec<usize> = rows
        .take(compared)
        .enumerate()
        .filter(|(_, (got, want))| !got.iter().zip(*want).all(fits))
        .map(|(index, _)| index)
        .collect();
    let most = if tolerance.rows_beyond > 0.0 {
        ((tolerance.rows_beyond * compared as f64) as usize).max(1)
    } else {
        0
    };
    match beyond.first() {
        Some(first) if beyond.len() > most => Err(format!(
            "the outputs of {} of {compared} images are off, the first of them image {first}",
            beyond.len()
        )),
        _ => Ok(()),
    }
}

/// Whether the oracle holds this label for the largest, or for one that f32 cannot tell from it: a
/// saturated tanh is exactly 1 in f32 and a little less in f64.
fn is_largest(row: &[f64], label: usize) -> bool {
    const TIE: f64 = 1.0 / (1 << 18) as f64;
    let largest = row[reference::label(row)];
    largest - row[label] <= TIE * largest.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,000 images of three outputs, the label going round.
    fn outcome() -> Outcome {
        let outputs: Vec<f64> = (0..3000)
            .map(|i| if i % 3 == i / 3 % 3 { 0.8 } else { 0.1 })
            .collect();
        Outcome {
            labels: outputs.chunks(3).map(reference::label).collect(),
            outputs,
            overflow: None,
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
    fn equal_answers_pass_in_every_precision() {
        for precision in Precision::ALL {
            assert_eq!(compare(precision, 3, &outputs(), &outcome()), Ok(()));
        }
    }

    #[test]
    fn a_tie_that_only_f64_can_break_is_no_wrong_label() {
        let row = [1.0 - 1e-12, 1.0 - 1e-13, 0.5];
        assert!(is_largest(&row, 0) && is_largest(&row, 1) && !is_largest(&row, 2));
        assert!(!is_largest(&[0.3, 0.3001], 0));
        assert!(!is_largest(&[f64::NAN, 0.1], 1));
    }

    #[test]
    fn wrong_answers_fail_in_every_precision() {
        for precision in Precision::ALL {
            // Ten wrong labels behind the images whose outputs are compared.
            let mut wrong = outputs();
            for image in 500..510 {
                wrong[3 * image..3 * image + 3].rotate_left(1);
            }
            let problem = compare(precision, 3, &wrong, &outcome()).unwrap_err();
            assert!(problem.contains("labels"), "{problem}");
            // Right labels, but wrong outputs, or none.
            for bad in [0.9, f32::NAN] {
                let mut wrong = outputs();
                wrong
                    .iter_mut()
                    .filter(|value| **value > 0.5)
                    .for_each(|value| *value = bad);
                assert!(
                    compare(precision, 3, &wrong, &outcome()).is_err(),
                    "{precision} {bad}"
                );
            }
            assert!(compare(precision, 3, &outputs()[3..], &outcome()).is_err());
        }
    }
}
