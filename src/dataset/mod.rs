//! Labelled images: the IDX format, and where Fashion-MNIST is found.
//!
//! The test split is inside the binary, and so are some training images to calibrate quantization on. The
//! training split is looked for on disk, since it is large and little needs it.

mod calibration;
mod fashion;
mod holdout;
mod idx;
mod images;
mod random;
mod sha256;

pub use calibration::{
    CALIBRATION_IMAGES, CALIBRATION_SEED, CALIBRATION_WIDTH, calibration_images, draw_calibration,
    draw_images, write_images,
};
pub use fashion::{
    CLASSES, DEBIAN_FOLDER, Split, default_folder, is_fashion_training, load_split,
    load_test_images, test_split,
};
pub use holdout::{HELD_OUT, Holdout};
pub use idx::{load_images, load_labels, read_images, read_labels};
pub use images::{Dataset, Images};
pub use random::RANDOM_IMAGES;
pub(crate) use sha256::hex;
pub use sha256::sha256_of;
