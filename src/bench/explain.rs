//! What the samples of a row say beside those of f32: the ratio, why the row is not faster, and warnings.

use super::why::why;
use crate::Precision;
use crate::quantize::{CalibrationProblem, Loss};
use crate::results::{Row, Warning, WarningKind};
use crate::stats::{CONFIDENCE, Estimate, bimodal, drift};
use crate::units::duration;

impl From<Loss> for Warning {
    fn from(loss: Loss) -> Self {
        let kind = match loss {
            Loss::Underflow { .. } => WarningKind::Underflow,
            Loss::Outliers { .. } => WarningKind::Outliers,
        };
        let text = loss.to_string();
        Self { kind, text }
    }
}

impl From<CalibrationProblem> for Warning {
    fn from(problem: CalibrationProblem) -> Self {
        let kind = match problem {
            CalibrationProblem::FewImages { .. } => WarningKind::FewCalibrationImages,
            CalibrationProblem::ConstantInput { .. } => WarningKind::ConstantInput,
            CalibrationProblem::EmptyRange { .. } => WarningKind::EmptyRange,
            CalibrationProblem::Saturation { .. } => WarningKind::Saturation,
            CalibrationProblem::ConstantAnswer { .. } => WarningKind::ConstantAnswer,
        };
        let text = problem.to_string();
        Self { kind, text }
    }
}

/// The fewest blocks for an interval that says something: with two, it is wider than most differences.
const FEWEST_BLOCKS: usize = 3;

/// Adds to the rows of one batch size what their samples say: ratios, warnings and explanations. Called once per batch
/// size. A row is compared with the f32 of the same adapter.
pub fn explain(rows: &mut [Row]) {
    for rows in rows.chunk_by_mut(|a, b| a.requested.adapter == b.requested.adapter) {
        explain_together(rows);
    }
}

fn explain_together(rows: &mut [Row]) {
    let f32 = rows
        .iter()
        .position(|row| row.requested.precision == Precision::F32);
    let reference = f32.map(|at| rows[at].clone());
    for (at, row) in rows.iter_mut().enumerate() {
        let Some(samples) = row.end_to_end_samples() else {
            continue;
        };
        row.speed_vs_f32 = if Some(at) == f32 {
            Some(Estimate {
                value: 1.0,
                low: 1.0,
                high: 1.0,
            })
        } else {
            let ratios = reference.as_ref().and_then(|f32| row.times_of(f32));
            ratios.map(|ratios| ratios.estimate(CONFIDENCE))
        };
        row.warnings.extend(warnings_of(&samples, row.blocks.len()));
    }
    for row in rows {
        row.why = why(row, reference.as_ref());
    }
}

/// The warnings about samples in nanoseconds.
fn warnings_of(samples: &[f64], blocks: usize) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |kind, text| warnings.push(Warning { kind, text });
    if blocks < FEWEST_BLOCKS {
        let text = format!(
            "it has only {} samples, which show too little of how its time varies; take more (--runs or --min-time)",
            samples.len()
        );
        warn(WarningKind::FewSamples, text);
    }
    let whole: Vec<u64> = samples.iter().map(|&sample| sample as u64).collect();
    if let Some(change) = drift(&whole) {
        let word = if change > 0.0 { "slower" } else { "faster" };
        let text = format!(
            "its speed drifted: the last third of its samples is {:.0}% {word} than the first third",
            100.0 * change.abs()
        );
        warn(WarningKind::Drift, text);
    }
    if let Some(found) = bimodal(&whole) {
        let text = format!(
            "its samples are bimodal: {:.0}% of them are around {} and the others around {}, so the median does not \
             describe them",
            100.0 * found.high_share,
            duration(found.high),
            duration(found.low)
        );
        warn(WarningKind::Bimodal, text);
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_its_warning_and_good_samples_have_none() {
        let kinds_of = |samples: &[f64], blocks: usize| {
            let warnings = warnings_of(samples, blocks);
            assert!(warnings.iter().all(|warning| !warning.text.is_empty()));
            warnings
                .iter()
                .map(|warning| warning.kind)
                .collect::<Vec<_>>()
        };
        let good: Vec<f64> = (0..40).map(|at| 1000.0 + f64::from(at * 37 % 40)).collect();
        let kinds = |samples: &[f64]| kinds_of(samples, 6);
        assert_eq!(kinds(&good), []);
        assert_eq!(kinds_of(&good, 2), [WarningKind::FewSamples]);
        assert_eq!(kinds_of(&good, 3), []);
        let rising: Vec<f64> = (0..40).map(|at| 1000.0 + 10.0 * f64::from(at)).collect();
        assert_eq!(kinds(&rising), [WarningKind::Drift]);
        let two: Vec<f64> = (0..42)
            .map(|at| 1000.0 + 800.0 * f64::from(at % 2))
            .collect();
        assert_eq!(kinds(&two), [WarningKind::Bimodal]);
    }
}
