//! Images that quantization is calibrated on: of the training split, and of those only the ones that a
//! network may have been trained on.

use std::io::Write;
use std::path::Path;

use flate2::{Compression, GzBuilder};

use super::holdout::{HELD_OUT, Holdout, draw};
use super::idx::read_images;
use super::images::Images;
use crate::error::{Error, Result, UsageError};

/// How many calibration images are inside the binary, and are used by default.
pub const CALIBRATION_IMAGES: usize = 1_000;

/// Pixels of such an image.
pub const CALIBRATION_WIDTH: usize = 784;

/// The seed that they were drawn with from Fashion-MNIST's training split.
pub const CALIBRATION_SEED: u64 = 0;

const EMBEDDED: &[u8] = include_bytes!("../../data/fashion-mnist/calibration-images-idx3-ubyte.gz");

/// The calibration images inside the binary: [`draw_calibration`] of Fashion-MNIST's training split, with
/// the numbers above.
///
/// # Errors
/// Only where the binary itself is damaged.
pub fn calibration_images() -> Result<Images> {
    read_images(Path::new("embedded calibration images"), EMBEDDED)
}

/// Draws `count` images, or all there are, from those of a training split that may be trained on, in the
/// split's order.
#[must_use]
pub fn draw_calibration(training: &Images, count: usize, seed: u64) -> Images {
    let holdout = Holdout::new(training.count, HELD_OUT);
    training.select(&draw(holdout.training, count, seed))
}

/// Draws `count` of `images`, or all there are, in their order.
#[must_use]
pub fn draw_images(images: &Images, count: usize, seed: u64) -> Images {
    images.select(&draw((0..images.count).collect(), count, seed))
}

/// An IDX file of square images, gzip: the same bytes for the same images.
///
/// # Errors
/// `Error::Usage` where the images are not square, or too many for the format.
pub fn write_images(images: &Images) -> Result<Vec<u8>> {
    let side = images.width.isqrt();
    let pixels = images.width;
    let wrong = || Error::Usage(UsageError::NotSquare { pixels });
    let mut bytes = vec![0, 0, 8, 3];
    for size in [images.count, side, side] {
        bytes.extend(u32::try_from(size).map_err(|_| wrong())?.to_be_bytes());
    }
    if side * side != images.width {
        return Err(wrong());
    }
    bytes.extend(&images.pixels);
    // No time and no name: nothing but the images decides the bytes.
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    let written = encoder.write_all(&bytes).and_then(|()| encoder.finish());
    written.map_err(|error| Error::encoding("gzip", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{DEBIAN_FOLDER, Split, load_split};

    #[test]
    fn the_embedded_images_are_those_of_the_training_split() {
        let embedded = calibration_images().unwrap();
        assert_eq!(
            (embedded.count, embedded.width),
            (CALIBRATION_IMAGES, CALIBRATION_WIDTH)
        );
        // The training split may not be installed; the rest of the test needs it.
        let Ok(data) = load_split(Split::Train, Some(Path::new(DEBIAN_FOLDER))) else {
            return;
        };
        let drawn = draw_calibration(&data.images, CALIBRATION_IMAGES, CALIBRATION_SEED);
        assert_eq!(embedded, drawn);
    }

    #[test]
    fn written_images_read_the_same() {
        let images = Images {
            count: 2,
            columns: 2,
            width: 4,
            pixels: vec![1, 2, 3, 4, 5, 6, 7, 8],
        };
        let bytes = write_images(&images).unwrap();
        assert_eq!(bytes, write_images(&images).unwrap());
        assert_eq!(read_images(Path::new("x"), &bytes).unwrap(), images);
        let oblong = Images {
            columns: 4,
            width: 8,
            count: 1,
            ..images
        };
        assert_eq!(write_images(&oblong).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn images_held_back_are_never_drawn() {
        let images = Images {
            count: 50,
            columns: 1,
            width: 1,
            pixels: (0..50).collect(),
        };
        let drawn = draw_calibration(&images, 1_000, 0).pixels;
        let held = Holdout::new(50, HELD_OUT).validation;
        assert_eq!(drawn.len(), 40);
        assert!(held.iter().all(|&index| !drawn.contains(&(index as u8))));
    }
}
