//! The optimizer: Adam with decoupled weight decay.

/// Decay of the mean of gradients, as the paper suggests.
const BETA_1: f32 = 0.9;
/// Decay of the mean of squared gradients, as the paper suggests.
const BETA_2: f32 = 0.999;
/// Keeps the quotient finite where a parameter has had no gradient yet.
const EPSILON: f32 = 1e-8;

/// Running means of one parameter tensor's gradients and of their squares.
#[derive(Debug)]
pub(super) struct Moments {
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Moments {
    /// The moments of `count` parameters before the first step.
    pub(super) fn new(count: usize) -> Self {
        Self {
            first: vec![0.0; count],
            second: vec![0.0; count],
        }
    }
}

/// What is the same for every parameter in one step.
#[derive(Clone, Copy, Debug)]
pub(super) struct AdamStep {
    rate: f32,
    decay: f32,
    /// `1 / (1 − β₁ᵗ)` and `1 / (1 − β₂ᵗ)`: the moments begin at 0, and this undoes the bias.
    corrections: [f32; 2],
}

impl AdamStep {
    /// Step number `number`, from 1, at a learning rate and a weight decay.
    pub(super) fn new(number: usize, rate: f32, decay: f32) -> Self {
        let correction = |beta: f32| (1.0 / (1.0 - f64::from(beta).powf(number as f64))) as f32;
        Self {
            rate,
            decay,
            corrections: [correction(BETA_1), correction(BETA_2)],
        }
    }

    /// The same step without weight decay, for biases.
    pub(super) fn without_decay(self) -> Self {
        Self { decay: 0.0, ..self }
    }
}

/// Moves `parameters` against `gradient`; both and the moments have the same length.
///
/// `θ ← θ − rate · (m̂ / (√v̂ + ε) + decay · θ)`: algorithm 1 of Kingma and Ba 2015 with the decay of
/// algorithm 2 of Loshchilov and Hutter 2019. Each parameter is on its own, as a shader wants it.
pub(super) fn update(
    parameters: &mut [f32],
    gradient: &[f32],
    moments: &mut Moments,
    step: AdamStep,
) {
    let [first, second] = step.corrections;
    let moments = moments.first.iter_mut().zip(&mut moments.second);
    for ((parameter, &g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
        *m = BETA_1 * *m + (1.0 - BETA_1) * g;
        *v = BETA_2 * *v + (1.0 - BETA_2) * g * g;
        let direction = *m * first / ((*v * second).sqrt() + EPSILON);
        *parameter -= step.rate * (direction + step.decay * *parameter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two steps worked by hand from the paper's formulas, rate 0.1, decay 0.5.
    ///
    /// Step 1, g = 2: m = 0.2, v = 0.004, m̂ = 2, v̂ = 4, so θ = 1 − 0.1 · (1 + 0.5) = 0.85.
    /// Step 2, g = −1: m = 0.18 − 0.1 = 0.08, v = 0.003996 + 0.001 = 0.004996,
    /// m̂ = 0.08 / 0.19 = 0.42105263, v̂ = 0.004996 / 0.001999 = 2.49924962, √v̂ = 1.58090152,
    /// so θ = 0.85 − 0.1 · (0.26633704 + 0.425) = 0.78086630.
    #[test]
    fn agrees_with_the_paper() {
        let (mut theta, mut moments) = ([1.0], Moments::new(1));
        update(&mut theta, &[2.0], &mut moments, AdamStep::new(1, 0.1, 0.5));
        assert!((theta[0] - 0.85).abs() <= 1e-6, "{theta:?}");
        update(
            &mut theta,
            &[-1.0],
            &mut moments,
            AdamStep::new(2, 0.1, 0.5),
        );
        assert!((theta[0] - 0.780_866_3).abs() <= 1e-6, "{theta:?}");
    }

    #[test]
    fn the_first_step_is_the_rate_whatever_the_gradient() {
        for gradient in [1e-3, -1.0, 1e3] {
            let (mut theta, mut moments) = ([0.0], Moments::new(1));
            update(
                &mut theta,
                &[gradient],
                &mut moments,
                AdamStep::new(1, 0.01, 0.0),
            );
            assert!(
                (theta[0] + 0.01 * gradient.signum()).abs() <= 1e-6,
                "{theta:?}"
            );
        }
    }

    #[test]
    fn no_gradient_moves_nothing_but_by_decay() {
        let (mut theta, mut moments) = ([2.0], Moments::new(1));
        let step = AdamStep::new(1, 0.1, 0.5);
        update(&mut theta, &[0.0], &mut moments, step.without_decay());
        assert_eq!(theta, [2.0]);
        update(&mut theta, &[0.0], &mut moments, step);
        assert!((theta[0] - 1.9).abs() <= 1e-6, "{theta:?}");
    }
}
