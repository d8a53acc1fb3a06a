//! The options that say how a model is quantized from images.

use std::path::PathBuf;

use clap::Args;
use fmnist_gpu::Result;
use fmnist_gpu::dataset::{CALIBRATION_IMAGES, CALIBRATION_SEED, Dataset};
use fmnist_gpu::deploy::{Calibration, Recipe, Rounding, Sample};

use super::options;

/// How static scales and int4 weights are decided, and by which images.
#[derive(Debug, Args)]
pub struct CalibrationOptions {
    /// How the range of each layer's static codes is chosen: min-max, percentile (99.99), mse (least mean
    /// square error) or entropy (least divergence)
    #[arg(long, default_value_t, value_name = "METHOD")]
    calibration: Calibration,

    /// Training images to calibrate on
    #[arg(long, default_value_t = CALIBRATION_IMAGES, value_name = "N", value_parser = options::positive)]
    calibration_images: usize,

    /// What they are drawn by
    #[arg(long, default_value_t = CALIBRATION_SEED, value_name = "N")]
    calibration_seed: u64,

    /// A folder with a training split in IDX files to draw them from (train-images-idx3-ubyte, …); without
    /// it, 1,000 of Fashion-MNIST are inside the program
    #[arg(long, value_name = "DIR")]
    calibration_data: Option<PathBuf>,

    /// How int4 weights are rounded: nearest, or compensated (each makes up for the errors of those before
    /// it, as in GPTQ)
    #[arg(long, default_value_t, value_name = "ROUNDING")]
    rounding: Rounding,
}

impl CalibrationOptions {
    /// How a model is put into a mode.
    pub fn recipe(&self) -> Recipe {
        Recipe {
            calibration: self.calibration,
            rounding: self.rounding,
        }
    }

    /// The images.
    pub fn sample(&self) -> Result<Sample> {
        let (count, seed) = (self.calibration_images, self.calibration_seed);
        match &self.calibration_data {
            Some(folder) => Sample::load(folder, count, seed),
            None => Sample::embedded(count, seed),
        }
    }

    /// The images, of a training split that is loaded anyway unless another is named.
    pub fn sample_of(&self, data: &Dataset) -> Result<Sample> {
        match &self.calibration_data {
            Some(_) => self.sample(),
            None => Ok(Sample::of(
                data,
                self.calibration_images,
                self.calibration_seed,
            )),
        }
    }

    /// The options as they are given again, every choice told.
    pub fn command(&self) -> String {
        let mut command = format!(
            " --calibration {} --calibration-images {} --calibration-seed {} --rounding {}",
            self.calibration, self.calibration_images, self.calibration_seed, self.rounding
        );
        if let Some(folder) = &self.calibration_data {
            command += &format!(" --calibration-data {}", folder.display());
        }
        command
    }
}
