//! The options for quantizing a model with calibration images.

use std::path::{Path, PathBuf};

use clap::Args;
use fmnist_gpu::dataset::{CALIBRATION_IMAGES, CALIBRATION_SEED, Dataset};
use fmnist_gpu::error::UsageError;
use fmnist_gpu::quantize::{Calibration, Recipe, Rounding, Sample};
use fmnist_gpu::{Error, Mode, Result};

use super::shell::quoted;
use super::{help, options};

/// How static scales and the rounding of int8 and int4 weights are chosen, and with which images.
#[derive(Debug, Args)]
#[command(next_help_heading = help::PRECISION)]
pub struct CalibrationOptions {
    /// How the scheme static chooses the range of each layer's input [default: entropy]
    ///
    /// min-max takes all values. percentile takes 99.99% of them. mse takes the range with the least mean squared
    /// error. entropy takes the range with the least divergence.
    #[arg(long, value_name = "METHOD", hide_short_help = true)]
    calibration: Option<Calibration>,

    /// Number of training images to calibrate with [default: 1000]
    #[arg(long, value_name = "N", value_parser = options::positive, hide_short_help = true)]
    calibration_images: Option<usize>,

    /// Seed of the random choice of these images [default: 0]
    #[arg(long, value_name = "N", hide_short_help = true)]
    calibration_seed: Option<u64>,

    /// Folder with the training split to choose them from, in IDX files (train-images-idx3-ubyte)
    ///
    /// [default: 1,000 training images of Fashion-MNIST inside the program; 'search' uses its --data]
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    calibration_data: Option<PathBuf>,

    /// How int8 and int4 weights are rounded: nearest or compensated [default: compensated]
    ///
    /// nearest rounds each weight by itself. compensated rounds each weight so that it corrects the errors of those
    /// before it (the method GPTQ).
    #[arg(long, value_name = "ROUNDING", hide_short_help = true)]
    rounding: Option<Rounding>,
}

impl CalibrationOptions {
    /// How a model is quantized.
    pub fn recipe(&self) -> Recipe {
        Recipe {
            calibration: self.calibration.unwrap_or_default(),
            rounding: self.rounding.unwrap_or_default(),
        }
    }

    /// Checks that the mode uses each option that was given.
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
                let used_for = format!("modes that use calibration images, but {mode} uses none");
                unused(option, &used_for, format!("drop {option}"))
            }
            None => Ok(()),
        }
    }

    /// Whether an option chooses how ranges are calibrated, or on which images.
    pub fn is_given(&self) -> bool {
        self.calibration.is_some()
            || self.calibration_images.is_some()
            || self.calibration_seed.is_some()
            || self.calibration_data.is_some()
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

    /// The images, from a training split that is loaded already unless the options name another.
    pub fn sample_of(&self, data: &Dataset) -> Result<Sample> {
        match &self.calibration_data {
            Some(_) => self.sample(),
            None => Sample::of(data, self.count(), self.seed()),
        }
    }

    /// Whether the number of images and their seed are those of the images inside the program.
    pub fn draws_the_default(&self) -> bool {
        (self.count(), self.seed()) == (CALIBRATION_IMAGES, CALIBRATION_SEED)
    }

    /// The options that a mode uses, with every default written out. `folder` has the images unless --calibration-data
    /// names another.
    pub fn command_of(&self, mode: &Mode, folder: Option<&Path>) -> String {
        let recipe = self.recipe();
        let images = recipe.needs_images(mode) || recipe.compensates(mode);
        let mut command = String::new();
        if Recipe::calibrates(mode) {
            command += &format!(" --calibration {}", recipe.calibration);
        }
        if images {
            let (count, seed) = (self.count(), self.seed());
            command += &format!(" --calibration-images {count} --calibration-seed {seed}");
        }
        if Recipe::rounds(mode) {
            command += &format!(" --rounding {}", recipe.rounding);
        }
        if let (Some(folder), true) = (self.calibration_data.as_deref().or(folder), images) {
            command += &format!(" --calibration-data {}", quoted(&folder.to_string_lossy()));
        }
        command
    }
}
