//! What a network needs in memory, by precision: parameters and activations, and the largest batch
//! under a limit.
//!
//! Parameters: count × bytes a value. Activations: (sum of the layer widths, input included) ×
//! batch × bytes a value. These are planned figures; a result also carries what was really made.

use serde::Serialize;

use crate::Precision;

/// Bytes that a network needs at one precision and batch size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Footprint {
    /// Weights and biases.
    pub parameters_bytes: u64,
    /// The input and every layer's output, for one batch.
    pub activations_bytes: u64,
    /// Both.
    pub total_bytes: u64,
}

/// The footprint of a network of these `widths` (input first, for example `[784, 64, 10]`).
#[must_use]
pub fn footprint(widths: &[usize], precision: Precision, batch: usize) -> Footprint {
    let parameters_bytes = parameters(widths).saturating_mul(precision.bytes());
    let activations_bytes = row_bytes(widths, precision).saturating_mul(batch as u64);
    Footprint {
        parameters_bytes,
        activations_bytes,
        total_bytes: parameters_bytes.saturating_add(activations_bytes),
    }
}

/// The largest batch whose footprint stays within `limit` bytes; none where not even one image
/// fits.
#[must_use]
pub fn largest_batch(widths: &[usize], precision: Precision, limit: u64) -> Option<u64> {
    let parameters = parameters(widths).saturating_mul(precision.bytes());
    let rest = limit.checked_sub(parameters)?;
    Some(rest / row_bytes(widths, precision).max(1)).filter(|&batch| batch > 0)
}

/// Weights and biases of a network of these widths.
#[must_use]
pub fn parameters(widths: &[usize]) -> u64 {
    widths
        .windows(2)
        .map(|pair| {
            (pair[0] as u64)
                .saturating_add(1)
                .saturating_mul(pair[1] as u64)
        })
        .fold(0, u64::saturating_add)
}

fn row_bytes(widths: &[usize], precision: Precision) -> u64 {
    let values = widths
        .iter()
        .fold(0_u64, |sum, &width| sum.saturating_add(width as u64));
    values.saturating_mul(precision.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_network_has_the_published_figures() {
        let widths = [784, 64, 10];
        assert_eq!(parameters(&widths), 50_890);
        let kib = |precision, batch| {
            let sizes = footprint(&widths, precision, batch);
            let round = |bytes: u64| (bytes as f64 / 1024.0 * 10.0).round() / 10.0;
            (
                round(sizes.parameters_bytes),
                round(sizes.activations_bytes),
            )
        };
        assert_eq!(kib(Precision::F32, 32), (198.8, 107.3));
        assert_eq!(kib(Precision::F16, 32), (99.4, 53.6));
        assert_eq!(kib(Precision::Int8, 32), (49.7, 26.8));
    }

    #[test]
    fn the_largest_batch_fits_and_the_next_does_not() {
        let widths = [784, 64, 10];
        for precision in Precision::ALL {
            let limit = 1 << 20;
            let batch = largest_batch(&widths, precision, limit).unwrap() as usize;
            assert!(footprint(&widths, precision, batch).total_bytes <= limit);
            assert!(footprint(&widths, precision, batch + 1).total_bytes > limit);
        }
        assert_eq!(largest_batch(&widths, Precision::F32, 1000), None);
    }
}
