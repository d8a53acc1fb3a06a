//! Draws the calibration images that are inside the program from Fashion-MNIST's training split, and writes
//! data/fashion-mnist/calibration-images-idx3-ubyte.gz again: `cargo run --release --example calibration_images`.
#![expect(clippy::print_stdout, reason = "a program")]

use std::path::Path;

use fmnist_gpu::Error;
use fmnist_gpu::atomic_file::AtomicFile;
use fmnist_gpu::dataset::{self, CALIBRATION_IMAGES, CALIBRATION_SEED, Split};
use fmnist_gpu::error::FileError;

const PLACE: &str = "data/fashion-mnist/calibration-images-idx3-ubyte.gz";

fn main() -> fmnist_gpu::Result<()> {
    let data = dataset::load_split(Split::Train, None)?;
    if !dataset::is_fashion_training(&data) {
        let problem = "is not Fashion-MNIST's training split";
        let remedy = "run data/fetch.sh";
        return Err(Error::file(
            &data.name,
            FileError::unsuitable(problem, remedy),
        ));
    }
    let images = dataset::draw_calibration(&data.images, CALIBRATION_IMAGES, CALIBRATION_SEED);
    AtomicFile::create(Path::new(PLACE))?.commit(&dataset::write_images(&images)?)?;
    println!("{PLACE}: {} images of {}", images.count, data.name);
    Ok(())
}
