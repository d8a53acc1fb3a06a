//! The options that say how a model is quantized from images.

use std::path::PathBuf;

use clap::Args;
use fmnist_gpu::dataset::{CALIBRATION_IMAGES, CALIBRATION_SEED, Dataset};
use fmnist_gpu::deploy::{Calibration, Recipe, Rounding, Sample};
use fmnist_gpu::error::UsageError;
use fmnist_gpu::{Error, Mode, Result};

use super::options;

/// How static scales and the rounding of int8 and int4 weights are decided, and by which images.
#[derive(Debug, Args)]
pub struct CalibrationOptions {
    /// How the range of each layer's static codes is chosen: min-max, percentile (99.99), mse (least mean
    /// square error) or entropy (least divergence) [default: entropy]
    #[arg(long, value_name = "METHOD")]
    calibration: Option<Calibration>,

    /// Training images to calibrate on [default: 1000]
    #[arg(long, value_name = "N", value_parser = options::positive)]
    calibration_images: Option<usize>,

    /// What they are drawn by [default: 0]
    #[arg(long, value_name = "N")]
    calibration_seed: Option<u64>,

    /// A folder with a training split in IDX files to draw them from (train-images-idx3-ubyte, …); without
    /// it, 1,000 of Fashion-MNIST are inside the program
    #[arg(long, value_name = "DIR")]
    calibration_data: Option<PathBuf>,

    /// How int8 and int4 weights are rounded: nearest, or compensated (each makes up for the errors of
    /// those before it, as in GPTQ) [default: compensated]
    #[arg(long, value_name = "ROUNDING")]
    rounding: Option<Rounding>,
}

impl CalibrationOptions {
    /// How a model is put into a mode.
    pub fn recipe(&self) -> Recipe {
        Recipe {
            calibration: self.calibration.unwrap_or_default(),
            rounding: self.rounding.unwrap_or_default(),
        }
    }

    /// Checks that a mode uses what was given.
    ///
    /// # Errors
    /// `Error::Usage` naming the first option that it does not.
    pub fn check_use(&self, mode: &Mode) -> Result<()> {
        let unused = |option: &str, used_for: &str, remedy: String| {
            Err(Error::Usage(UsageError::OptionUnused {
                option: option.to_owned(),
                used_for: used_for.to_owned(),
                remedy,
            }))
        };
        if self.calibration.is_some() && !Recipe::calibrates(mode) {
            let remedy = "add --scheme static".to_owned();
            return unused("--calibration", "int8 with the scheme static", remedy);
        }
        if self.rounding.is_some() && !Recipe::rounds(mode) {
            let remedy = "add --precision int8 or int4".to_owned();
            return unused("--rounding", "int8 and int4 weights", remedy);
        }
        let recipe = self.recipe();
        if recipe.needs_images(mode) || recipe.compensates(mode) {
            return Ok(());
        }
        let given = [
            ("--calibration-images", self.calibration_images.is_some()),
            ("--calibration-seed", self.calibration_seed.is_some()),
            ("--calibration-data", self.calibration_data.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((option, _)) => {
                let used_for = format!("modes that use calibration images, and {mode} does not");
                unused(option, &used_for, format!("drop {option}"))
            }
            None => Ok(()),
        }
    }

    fn count(&self) -> usize {
        self.calibration_images.unwrap_or(CALIBRATION_IMAGES)
    }

    fn seed(&self) -> u64 {
        self.calibration_seed.unwrap_or(CALIBRATION_SEED)
    }

    /// The images.
    pub fn sample(&self) -> Result<Sample> {
        let (count, seed) = (self.count(), self.seed());
        match &self.calibration_data {
            Some(folder) => Sample::load(folder, count, seed),
            None => Sample::embedded(count, seed),
        }
    }

    /// The images, of a training split that is loaded anyway unless another is named.
    pub fn sample_of(&self, data: &Dataset) -> Result<Sample> {
        match &self.calibration_data {
            Some(_) => self.sample(),
            None => Sample::of(data, self.count(), self.seed()),
        }
    }

    /// The options that a mode uses as they are given again, every choice told.
    pub fn command_of(&self, mode: &Mode) -> String {
        let recipe = self.recipe();
        let images = recipe.needs_images(mode) || recipe.compensates(mode);
        self.told(Recipe::calibrates(mode), images, Recipe::rounds(mode))
    }

    /// All options as they are given again, every choice told.
    pub fn command(&self) -> String {
        self.told(true, true, true)
    }

    fn told(&self, calibrates: bool, images: bool, rounds: bool) -> String {
        let recipe = self.recipe();
        let mut command = String::new();
        if calibrates {
            command += &format!(" --calibration {}", recipe.calibration);
        }
        if images {
            let (count, seed) = (self.count(), self.seed());
            command += &format!(" --calibration-images {count} --calibration-seed {seed}");
        }
        if rounds {
            command += &format!(" --rounding {}", recipe.rounding);
        }
        if let (Some(folder), true) = (&self.calibration_data, images) {
            command += &format!(" --calibration-data {}", folder.display());
        }
        command
    }
}
