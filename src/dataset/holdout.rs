//! Which training images a network is trained and calibrated on, and which are only ever measured.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The training images that are held back by default.
pub const HELD_OUT: usize = 5_000;

/// The seed of the division: the same always, so that what is measured on the images held back is about
/// the same images, whatever was trained, calibrated or searched.
const DIVISION_SEED: u64 = 0;

/// The indices of a data set, divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdout {
    /// Images that something may be learned from.
    pub training: Vec<usize>,
    /// Images that are only ever measured.
    pub validation: Vec<usize>,
}

impl Holdout {
    /// Holds `validation` of `count` images back, drawn at random since a file may be sorted; at
    /// most a fifth, at least one.
    #[must_use]
    pub fn new(count: usize, validation: usize) -> Self {
        let mut training: Vec<usize> = (0..count).collect();
        training.shuffle(&mut ChaCha8Rng::seed_from_u64(DIVISION_SEED));
        let held = validation.min(count / 5).max(1);
        let validation = training.split_off(count.saturating_sub(held));
        Self {
            training,
            validation,
        }
    }
}

/// `count` of `indices`, drawn without putting back, in ascending order; all of them where there are no
/// more. The same seed draws the same ones.
#[must_use]
pub(super) fn draw(mut indices: Vec<usize>, count: usize, seed: u64) -> Vec<usize> {
    if count < indices.len() {
        indices.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        indices.truncate(count);
    }
    indices.sort_unstable();
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_is_on_exactly_one_side() {
        for (count, requested, held) in [(2, 5000, 1), (9, 5000, 1), (100, 10, 10), (100, 50, 20)] {
            let split = Holdout::new(count, requested);
            assert_eq!(split.validation.len(), held, "{count} images");
            let mut all = [split.training, split.validation].concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..count));
        }
    }

    #[test]
    fn the_split_is_drawn_from_the_whole_file() {
        let split = Holdout::new(60_000, 5_000);
        let early = split.validation.iter().filter(|&&index| index < 30_000);
        assert!((2_300..2_700).contains(&early.count()));
    }

    #[test]
    fn a_draw_is_its_seeds_and_holds_nothing_twice() {
        let of = |count, seed| draw((10..110).collect(), count, seed);
        assert_eq!(of(20, 1), of(20, 1));
        assert_ne!(of(20, 1), of(20, 2));
        let mut unique = of(60, 3);
        unique.dedup();
        assert_eq!(unique.len(), 60);
        assert!(of(500, 4).into_iter().eq(10..110));
    }
}
