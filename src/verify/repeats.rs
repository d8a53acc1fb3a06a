//! Runs that are repeated, to see whether they give the same bits each time.

use super::compare::Check;

/// How often everything is run to see whether it comes to the same bits.
pub const REPEATS: usize = 20;

/// All of `each` the same as `first`, to the bit.
pub(super) fn same_bits<T: PartialEq>(first: &[T], each: &[Vec<T>]) -> Check {
    for (run, other) in each.iter().enumerate() {
        if let Some(at) = first.iter().zip(other).position(|(a, b)| a != b) {
            return Err(format!(
                "run {} of {} gives different bits, first in value {at}",
                run + 1,
                each.len()
            ));
        }
        if other.len() != first.len() {
            return Err(format!(
                "run {} gives a different number of values",
                run + 1
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_bits_are_found() {
        assert!(same_bits(&[1, 2], &[vec![1, 2], vec![1, 2]]).is_ok());
        assert!(same_bits(&[1, 2], &[vec![1, 2], vec![1, 3]]).is_err());
        assert!(same_bits(&[1, 2], &[vec![1]]).is_err());
    }
}
