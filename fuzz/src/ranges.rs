//! Networks of any magnitude, 1e-40 to 1e38.

use fmnist_gpu::model::{Activation, Layer, Network};

use super::judge::{Case, IMAGES, held};

/// Bytes, and zeros behind them.
struct Bytes<'a>(std::slice::Iter<'a, u8>);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        self.0.next().copied().unwrap_or(0)
    }

    /// A whole number from `low` to `high`.
    fn within(&mut self, low: i32, high: i32) -> i32 {
        low + i32::from(self.next()) % (high - low + 1)
    }
}

/// The network that bytes describe: 1 to 4 layers of 1 to 8 outputs, whose weights have the magnitude of their layer times
/// up to 10 to the power of its spread.
pub fn case(data: &[u8]) -> Option<Case> {
    let mut bytes = Bytes(data.iter());
    let depth = bytes.within(1, 4);
    let mut inputs = bytes.within(1, 8) as usize;
    let pixels = (0..IMAGES * inputs).map(|_| bytes.next()).collect();
    let mut layers = Vec::new();
    for at in 0..depth {
        let outputs = bytes.within(1, 8) as usize;
        let last = at + 1 == depth;
        let all = &Activation::ALL[..Activation::ALL.len() - usize::from(!last)];
        let activation = all[usize::from(bytes.next()) % all.len()];
        let (magnitude, bias) = (bytes.within(-40, 38), bytes.within(-45, 38));
        let spread = match bytes.next() % 4 {
            3 => bytes.within(0, 60),
            _ => 0,
        };
        let mut number = |magnitude: i32| {
            let digits = f64::from(bytes.next() as i8) / 127.0;
            let exponent = magnitude
                - if spread > 0 {
                    bytes.within(0, spread)
                } else {
                    0
                };
            (digits * 10_f64.powi(exponent)) as f32
        };
        layers.push(Layer {
            inputs,
            outputs,
            weights: (0..inputs * outputs).map(|_| number(magnitude)).collect(),
            bias: (0..outputs).map(|_| number(bias)).collect(),
            activation,
        });
        inputs = outputs;
    }
    let model = Network::new(layers).ok()?;
    Some(Case { model, pixels })
}

/// A network in every mode on the CPU path.
pub fn ranges(data: &[u8]) {
    if let Some(case) = case(data) {
        held(&case);
    }
}
