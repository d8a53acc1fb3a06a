//! Images for networks of random weights.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::images::{Dataset, Images};
use crate::error::Result;

/// The most images that such a network classifies: as many as the test split of Fashion-MNIST has.
pub const RANDOM_IMAGES: usize = 10_000;

/// The most bytes that they take.
const MOST_BYTES: usize = 1 << 28;

impl Dataset {
    /// `count` images of `width` random pixels each, uniform from 0 to 255, without labels; fewer if they would take
    /// more than 256 MiB. They are square if they can be. The same seed gives the same images everywhere.
    ///
    /// # Errors
    /// `Error::File` where `count` is 0.
    pub fn random(count: usize, width: usize, seed: u64) -> Result<Self> {
        let count = count.min(most_images(width));
        let mut pixels = vec![0; count * width];
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // The weights are drawn with the same seed, from the first stream.
        rng.set_stream(1);
        rng.fill_bytes(&mut pixels);
        let side = width.isqrt();
        let images = Images {
            count,
            columns: if side * side == width { side } else { width },
            width,
            pixels,
        };
        Self::unlabelled(format!("random pixels, seed {seed}"), images)
    }

    /// The first `count` images, or all there are, without their labels.
    ///
    /// # Errors
    /// `Error::File` where `count` is 0.
    pub fn unlabelled_first(&self, count: usize) -> Result<Self> {
        let count = count.min(self.len());
        let indices: Vec<usize> = (0..count).collect();
        let name = match count == self.len() {
            true => format!("{} without labels", self.name),
            false => format!("first images of {} without labels", self.name),
        };
        Self::unlabelled(name, self.images.select(&indices))
    }
}

/// How many images of `width` pixels fit in [`MOST_BYTES`]; one always does.
fn most_images(width: usize) -> usize {
    (MOST_BYTES / width.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::test_split;

    #[test]
    fn random_images_are_those_of_their_seed() {
        let data = Dataset::random(3, 16, 1).unwrap();
        assert_eq!(
            (data.len(), data.images.columns, data.images.pixels.len()),
            (3, 4, 48)
        );
        assert_eq!(data, Dataset::random(3, 16, 1).unwrap());
        assert_ne!(data.images, Dataset::random(3, 16, 2).unwrap().images);
        assert_eq!(Dataset::random(1, 15, 1).unwrap().images.columns, 15);
        assert_eq!((most_images(1 << 27), most_images(usize::MAX)), (2, 1));
        assert_eq!(Dataset::random(0, 15, 1).unwrap_err().exit_code(), 7);
    }

    #[test]
    fn the_first_images_lose_their_labels() {
        let data = test_split().unwrap();
        let few = data.unlabelled_first(5).unwrap();
        assert_eq!(few.images.pixels, data.images.range(0, 5));
        assert!(few.labels.is_none() && few.name.starts_with("first images of "));
        let all = data.unlabelled_first(usize::MAX).unwrap();
        assert_eq!((all.len(), all.labels), (data.len(), None));
    }
}
