//! Calibration: what static scales and error compensation learn from training images.

mod range;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

pub use range::{PERCENTILE, range};

use super::Ranges;
use super::forward::{float_layer, input};
use crate::dataset::{
    self, CALIBRATION_IMAGES, CALIBRATION_SEED, Dataset, Images, Split, draw_calibration,
    draw_images,
};
use crate::error::{Error, Result};
use crate::model::Model;

/// How the range of a layer's static codes is chosen from the values that it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calibration {
    /// All values.
    MinMax,
    /// All but the largest 0.01%.
    Percentile,
    /// The range whose codes have the least mean square error.
    MeanSquareError,
    /// The range whose codes diverge least from the values' distribution: the default, for the accuracy that
    /// data/README.md shows.
    #[default]
    Entropy,
}

impl Calibration {
    /// Every one of them.
    pub const ALL: [Self; 4] = [
        Self::MinMax,
        Self::Percentile,
        Self::MeanSquareError,
        Self::Entropy,
    ];

    /// The name in every output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MinMax => "min-max",
            Self::Percentile => "percentile",
            Self::MeanSquareError => "mse",
            Self::Entropy => "entropy",
        }
    }
}

impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Calibration {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|method| method.name() == text);
        named.ok_or_else(|| {
            Error::Usage(format!(
                "unknown calibration '{text}': use min-max, percentile, mse or entropy"
            ))
        })
    }
}

/// Training images to calibrate on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The images.
    pub images: Images,
    /// The seed that they were drawn with.
    pub seed: u64,
    /// Where they were drawn from, in words.
    pub origin: String,
}

impl Sample {
    /// `count` of the images inside the binary, or all of them.
    ///
    /// # Errors
    /// `Error::Usage` where there are fewer, or `count` is zero.
    pub fn embedded(count: usize, seed: u64) -> Result<Self> {
        let all = dataset::calibration_images()?;
        if count > all.count || count == 0 {
            return Err(Error::Usage(format!(
                "{count} calibration images are asked for, and the program has {}: give \
                 --calibration-data a folder with training images for more",
                all.count
            )));
        }
        Ok(Self {
            images: draw_images(&all, count, seed),
            seed,
            origin: "Fashion-MNIST training (embedded)".into(),
        })
    }

    /// `count` images of the training split in `folder`, or all of it but what is held back.
    ///
    /// # Errors
    /// `Error::File` where it is missing or damaged.
    pub fn load(folder: &Path, count: usize, seed: u64) -> Result<Self> {
        let data = dataset::load_split(Split::Train, Some(folder))?;
        Ok(Self::of(&data, count, seed))
    }

    /// `count` images of a training split, or all of it but what is held back.
    #[must_use]
    pub fn of(data: &Dataset, count: usize, seed: u64) -> Self {
        Self {
            images: draw_calibration(&data.images, count.max(1), seed),
            seed,
            origin: data.name.clone(),
        }
    }

    /// What is used unless told otherwise.
    ///
    /// # Errors
    /// Only where the binary itself is damaged.
    pub fn standard() -> Result<Self> {
        Self::embedded(CALIBRATION_IMAGES, CALIBRATION_SEED)
    }

    /// Checks that the images fit a model.
    ///
    /// # Errors
    /// `Error::File` naming the model, and the way out.
    pub fn check(&self, model: &Model) -> Result<()> {
        if self.images.width == model.inputs() {
            return Ok(());
        }
        let problem = format!(
            "takes images of {} pixels, and cannot be calibrated on {} of {}: give training images of \
             its own to 'fmnist-gpu quantize --calibration-data DIR', or use --rounding nearest there, but for \
             the scheme static",
            model.inputs(),
            self.origin,
            self.images.width
        );
        Err(Error::file(&model.path, problem))
    }
}

/// The range of each layer's input, in float weights, over the images of a sample.
///
/// # Errors
/// `Error::File` where the model is damaged, or the images do not fit it.
pub fn calibrate(model: &Model, sample: &Sample, method: Calibration) -> Result<Ranges> {
    model.check_precision(crate::Precision::F32)?;
    sample.check(model)?;
    let mut x = input(model.normalization, &sample.images.pixels);
    let mut ranges = Vec::with_capacity(model.layers.len());
    for (index, layer) in model.layers.iter().enumerate() {
        if x.iter().any(|x| !x.is_finite()) {
            let problem = format!("layers.{index} takes values beyond f32 for calibration images");
            return Err(Error::file(&model.path, problem));
        }
        ranges.push(range(&x, method));
        if index + 1 < model.layers.len() {
            x = float_layer(layer, &x);
        }
    }
    Ok(Ranges(ranges))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activation, Layer};

    #[test]
    fn ranges_are_those_of_a_network_worked_by_hand() {
        let layer = |weights: Vec<f32>, activation| Layer {
            inputs: 1,
            outputs: 1,
            weights,
            bias: vec![0.5],
            activation,
        };
        let model = Model::new(vec![
            layer(vec![-2.0], Activation::Identity),
            layer(vec![1.0], Activation::Identity),
        ])
        .unwrap();
        let sample = Sample {
            images: Images {
                count: 3,
                columns: 1,
                width: 1,
                pixels: vec![0, 255, 51],
            },
            seed: 0,
            origin: "three pixels".into(),
        };
        let ranges = calibrate(&model, &sample, Calibration::MinMax).unwrap();
        assert_eq!(ranges, Ranges(vec![(0.0, 1.0), (-1.5, 0.5)]));
        let other = Model::default_model().unwrap();
        let error = calibrate(&other, &sample, Calibration::MinMax).unwrap_err();
        assert_eq!(error.exit_code(), 7);
        assert!(error.to_string().contains("--calibration-data"), "{error}");
    }

    #[test]
    fn a_sample_of_a_seed_is_the_same_and_never_more_than_there_is() {
        let of = |seed| Sample::embedded(10, seed).unwrap().images;
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert_eq!(Sample::embedded(1_001, 0).unwrap_err().exit_code(), 2);
        assert_eq!(Sample::standard().unwrap().images.count, 1_000);
    }
}
