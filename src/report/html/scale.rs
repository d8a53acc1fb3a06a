//! From figures to places on an axis, and the round figures that stand beside it.

/// An axis: figures `min..=max` lie from `from` to `to`, in a drawing's units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    min: f64,
    max: f64,
    from: f64,
    to: f64,
    log: bool,
}

impl Scale {
    /// Equal differences are equal distances.
    pub fn linear(min: f64, max: f64, from: f64, to: f64) -> Self {
        // An axis without any length would divide by nothing.
        let max = if max > min { max } else { min + 1.0 };
        Self {
            min,
            max,
            from,
            to,
            log: false,
        }
    }

    /// Equal ratios are equal distances; for figures above 0.
    pub fn log(min: f64, max: f64, from: f64, to: f64) -> Self {
        let min = min.max(f64::MIN_POSITIVE);
        let max = if max > min { max } else { 10.0 * min };
        Self {
            min,
            max,
            from,
            to,
            log: true,
        }
    }

    /// The place of a figure; one beyond the ends lies on the end.
    pub fn at(&self, figure: f64) -> f64 {
        let figure = figure.clamp(self.min, self.max);
        let share = if self.log {
            (figure / self.min).ln() / (self.max / self.min).ln()
        } else {
            (figure - self.min) / (self.max - self.min)
        };
        self.from + share * (self.to - self.from)
    }

    /// The ends of the figures.
    pub fn ends(&self) -> (f64, f64) {
        (self.min, self.max)
    }

    /// The figure at a share of the way, 0 to 1.
    pub fn figure_at(&self, share: f64) -> f64 {
        if self.log {
            self.min * (self.max / self.min).powf(share)
        } else {
            self.min + share * (self.max - self.min)
        }
    }

    /// Round figures inside the ends, `most` of them at most where that can be.
    pub fn ticks(&self, most: usize) -> Vec<f64> {
        if self.log {
            self.log_ticks(most)
        } else {
            self.linear_ticks(most)
        }
    }

    fn linear_ticks(&self, most: usize) -> Vec<f64> {
        let rough = (self.max - self.min) / most.max(1) as f64;
        let power = 10_f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * power);
        let step = steps.into_iter().find(|step| *step >= rough * 0.999);
        let step = step.unwrap_or(10.0 * power);
        let (first, last) = (
            (self.min / step).ceil() as i64,
            (self.max / step).floor() as i64,
        );
        (first..=last).map(|at| at as f64 * step).collect()
    }

    fn log_ticks(&self, most: usize) -> Vec<f64> {
        let (low, high) = (
            self.min.log10().floor() as i32,
            self.max.log10().ceil() as i32,
        );
        let inside = |mantissas: &[f64], every: i32| -> Vec<f64> {
            let powers = (low..=high).filter(|power| power.rem_euclid(every) == 0);
            let all = powers.flat_map(|power| {
                mantissas
                    .iter()
                    .map(move |mantissa| mantissa * 10_f64.powi(power))
            });
            all.filter(|tick| (self.min * 0.999..=self.max * 1.001).contains(tick))
                .collect()
        };
        let finer = [
            inside(&[1.0, 2.0, 3.0, 5.0, 7.0], 1),
            inside(&[1.0, 2.0, 5.0], 1),
            inside(&[1.0, 3.0], 1),
            inside(&[1.0], 1),
            inside(&[1.0], 2),
        ];
        let fits = finer.iter().find(|ticks| ticks.len() <= most);
        fits.cloned().unwrap_or_else(|| inside(&[1.0], 3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_lie_where_they_should() {
        let scale = Scale::linear(10.0, 20.0, 100.0, 0.0);
        assert_eq!(
            [10.0, 15.0, 20.0, 99.0].map(|x| scale.at(x)),
            [100.0, 50.0, 0.0, 0.0]
        );
        let scale = Scale::log(1.0, 100.0, 0.0, 200.0);
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-9;
        assert!(near(scale.at(10.0), 100.0) && near(scale.at(100.0), 200.0));
        assert!(near(scale.figure_at(0.5), 10.0));
        assert!(Scale::linear(3.0, 3.0, 0.0, 1.0).at(3.0).is_finite());
        assert!(Scale::log(0.0, 0.0, 0.0, 1.0).at(0.0).is_finite());
    }

    #[test]
    fn ticks_are_round_and_few() {
        let near = |got: Vec<f64>, want: &[f64]| {
            assert_eq!(got.len(), want.len(), "{got:?}");
            assert!(
                got.iter().zip(want).all(|(a, b)| (a - b).abs() <= 1e-9),
                "{got:?}"
            );
        };
        near(
            Scale::linear(0.0, 10.0, 0.0, 1.0).ticks(5),
            &[0.0, 2.0, 4.0, 6.0, 8.0, 10.0],
        );
        near(
            Scale::linear(0.871, 0.889, 0.0, 1.0).ticks(4),
            &[0.875, 0.88, 0.885],
        );
        near(
            Scale::log(9.0, 120.0, 0.0, 1.0).ticks(4),
            &[10.0, 20.0, 50.0, 100.0],
        );
        near(
            Scale::log(1.0, 1e6, 0.0, 1.0).ticks(4),
            &[1.0, 1e2, 1e4, 1e6],
        );
    }
}
