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

/// The footprint of a network of these `widths` (input first, for example `[784, 64, 10]`), for one
/// that is in memory, as is its batch. Beyond 64 bits, where nothing is, every figure is the largest.
#[must_use]
pub fn footprint(widths: &[usize], precision: Precision, batch: usize) -> Footprint {
    checked_footprint(widths, precision, batch).unwrap_or(Footprint {
        parameters_bytes: u64::MAX,
        activations_bytes: u64::MAX,
        total_bytes: u64::MAX,
    })
}

/// As [`footprint`], for a network that is only spoken of; none where 64 bits do not hold it.
#[must_use]
pub fn checked_footprint(
    widths: &[usize],
    precision: Precision,
    batch: usize,
) -> Option<Footprint> {
    let parameters_bytes = parameters(widths)?.checked_mul(precision.bytes())?;
    let activations_bytes = row_bytes(widths, precision)?.checked_mul(batch as u64)?;
    Some(Footprint {
        parameters_bytes,
        activations_bytes,
        total_bytes: parameters_bytes.checked_add(activations_bytes)?,
    })
}

/// The largest batch whose footprint stays within `limit` bytes; none where not even one image
/// fits.
#[must_use]
pub fn largest_batch(widths: &[usize], precision: Precision, limit: u64) -> Option<u64> {
    let rest = limit.checked_sub(parameters(widths)?.checked_mul(precision.bytes())?)?;
    Some(rest / row_bytes(widths, precision)?.max(1)).filter(|&batch| batch > 0)
}

/// Weights and biases of a network of these widths; none where 64 bits do not count them.
#[must_use]
pub fn parameters(widths: &[usize]) -> Option<u64> {
    widths.windows(2).try_fold(0_u64, |sum, pair| {
        let weights_and_bias = (pair[0] as u64).checked_add(1)?;
        sum.checked_add(weights_and_bias.checked_mul(pair[1] as u64)?)
    })
}

fn row_bytes(widths: &[usize], precision: Precision) -> Option<u64> {
    let sum = |sum: u64, &width: &usize| sum.checked_add(width as u64);
    widths
        .iter()
        .try_fold(0, sum)?
        .checked_mul(precision.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_network_has_the_published_figures() {
        let widths = [784, 64, 10];
        assert_eq!(parameters(&widths), Some(50_890));
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

    #[test]
    fn what_64_bits_do_not_hold_has_no_figure() {
        let most = usize::MAX;
        for widths in [
            vec![most, 1],
            vec![784, most, 10],
            vec![most / 2, 1, most / 2],
        ] {
            assert_eq!(checked_footprint(&widths, Precision::F32, 1), None);
            assert_eq!(largest_batch(&widths, Precision::F32, u64::MAX), None);
        }
        assert_eq!(parameters(&[most, 1]), None);
        assert_eq!(parameters(&[1, most]), None);
        let widths = [784, 64, 10];
        assert_eq!(checked_footprint(&widths, Precision::Int8, most), None);
        let small = checked_footprint(&widths, Precision::Int8, 1);
        assert_eq!(small, Some(footprint(&widths, Precision::Int8, 1)));
        // The parameters fit one by one, their bytes do not.
        let wide = [(1 << 32) - 1, 1 << 30];
        assert_eq!(parameters(&wide), Some(1 << 62));
        assert_eq!(checked_footprint(&wide, Precision::F32, 1), None);
        assert!(checked_footprint(&wide, Precision::Int8, 1).is_some());
    }
}
