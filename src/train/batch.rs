//! Which images are trained on, in what order, and as what numbers.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::dataset::Dataset;

/// The seed of the validation split: the same for all trainings, so that their accuracies are
/// about the same images and seeds can be compared.
const SPLIT_SEED: u64 = 0;

/// The indices of a data set, divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Split {
    /// Images that the gradient is taken of.
    pub training: Vec<usize>,
    /// Images that are only ever measured.
    pub validation: Vec<usize>,
}

impl Split {
    /// Holds `validation` of `count` images back, drawn at random since a file may be sorted; at
    /// most a fifth, at least one.
    pub(super) fn new(count: usize, validation: usize) -> Self {
        let mut training: Vec<usize> = (0..count).collect();
        training.shuffle(&mut ChaCha8Rng::seed_from_u64(SPLIT_SEED));
        let held = validation.min(count / 5).max(1);
        let validation = training.split_off(count.saturating_sub(held));
        Self {
            training,
            validation,
        }
    }
}

/// A batch as the network takes it.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// `[len, width]` row-major.
    pub input: Vec<f32>,
    /// `[len]`
    pub labels: Vec<u8>,
}

impl Batch {
    /// Fills the batch with the images at `indices`; `table` gives each byte's value.
    pub(super) fn gather(&mut self, data: &Dataset, indices: &[usize], table: &[f32; 256]) {
        self.input.clear();
        self.labels.clear();
        for &index in indices {
            let pixels = data.images.range(index, index + 1);
            let values = pixels.iter().map(|&pixel| table[usize::from(pixel)]);
            self.input.extend(values);
            self.labels.push(data.labels[index]);
        }
    }

    /// How many images.
    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_is_on_exactly_one_side() {
        for (count, asked, held) in [(2, 5000, 1), (9, 5000, 1), (100, 10, 10), (100, 50, 20)] {
            let split = Split::new(count, asked);
            assert_eq!(split.validation.len(), held, "{count} images");
            let mut all = [split.training, split.validation].concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..count));
        }
    }

    #[test]
    fn the_split_is_drawn_from_the_whole_file() {
        let split = Split::new(60_000, 5_000);
        let early = split.validation.iter().filter(|&&index| index < 30_000);
        assert!((2_300..2_700).contains(&early.count()));
    }
}
