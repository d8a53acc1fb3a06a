//! Calibration: what static scales and error compensation learn from training images.
//!
//! Each layer's input x is collected over the images, in float weights, and a [`Calibration`] gives the range
//! `(low, high)` with low ≤ 0 ≤ high that static quantized values cover; values outside are clamped. Every range holds
//! zero, whose quantized value is exact, so zeros say nothing of where a range should end, and none of the methods
//! counts them.
//!
//! | method | the range |
//! |---|---|
//! | min-max | all values (Krishnamoorthi 2018, § 3.1) |
//! | percentile | on each side of zero, the smallest of its values that at least 99.99% of them do not exceed in magnitude (McKinstry et al., *Discovering low-precision networks close to full-precision networks for efficient inference*, 2019, § 3.1) |
//! | mse | of 1/100 to 100/100 of min-max's, the one with the least Σ (x − x̂)², x̂ being what x's quantized value stands for; of equals the widest (Nagel et al. 2021, § 3.1, eq. 20) |
//! | entropy | magnitudes up to the threshold at which the distribution of the quantized values diverges least from that of the values (Migacz, *8-bit inference with TensorRT*, 2017) |
//!
//! For entropy the magnitudes are put into 2,048 bins. For each number i of the first bins, P is these with
//! everything above put into the last one, Q the same bins merged into as many levels as there are quantized values (128 for
//! each sign, or 256 where there is but one) and spread again over those that hold anything; the divergence is
//! Σ p · ln(p / q), and the i with the least is taken, of those that
//! leave out at most 1% of the values. It is infinite where p > 0 and q = 0.
//!
//! The full titles of Krishnamoorthi and Nagel et al. are in [`crate::quantize`], which says how quantized values cover a range.

mod method;
mod range;

use std::path::Path;

pub use method::Calibration;
pub use range::{PERCENTILE, range};

use super::convert::Ranges;
use super::forward::{LiveValues, float_layer};
use crate::dataset::{
    self, CALIBRATION_IMAGES, CALIBRATION_SEED, Dataset, Images, Split, draw_calibration,
    draw_images,
};
use crate::error::{Error, FileError, Result, UsageError};
use crate::model::Network;

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
            return Err(Error::Usage(UsageError::TooFewCalibrationImages {
                requested: count,
                available: all.count,
            }));
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
        Self::of(&data, count, seed)
    }

    /// `count` images of a training split, or all of it but what is held back.
    ///
    /// # Errors
    /// `Error::File` where nothing is left beside what is held back.
    pub fn of(data: &Dataset, count: usize, seed: u64) -> Result<Self> {
        let images = draw_calibration(&data.images, count.max(1), seed);
        if images.count == 0 {
            let problem = format!(
                "has {} images, and 'train' keeps all of them for validation, so none is left for calibration",
                data.images.count
            );
            let remedy = "give a larger training split";
            return Err(Error::file(
                &data.name,
                FileError::unsuitable(problem, remedy),
            ));
        }
        Ok(Self {
            images,
            seed,
            origin: data.name.clone(),
        })
    }

    /// The default.
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
    pub fn check(&self, model: &Network) -> Result<()> {
        if self.images.width == model.inputs() {
            return Ok(());
        }
        let problem = format!(
            "takes images of {} pixels, but the calibration images ({}) have {}",
            model.inputs(),
            self.origin,
            self.images.width
        );
        let remedy = "give training images for this model to 'fmnist-gpu quantize --calibration-data DIR', or use \
                      --rounding nearest there (not with the scheme static)";
        Err(Error::file(
            &model.path,
            FileError::unsuitable(problem, remedy),
        ))
    }
}

/// The range of each layer's input, in float weights, over the images of a sample.
///
/// # Errors
/// `Error::File` where the model is damaged, or the images do not fit it.
pub fn calibrate(model: &Network, sample: &Sample, method: Calibration) -> Result<Ranges> {
    model.check_precision(crate::Precision::F32)?;
    sample.check(model)?;
    let mut values = LiveValues::new(&model.graph, model.normalization, &sample.images.pixels);
    let mut ranges = vec![(0.0, 0.0); model.layers.len()];
    for operation in &model.graph.operations {
        let (index, x) = (operation.layer(), values.of(operation));
        if x.iter().any(|x| !x.is_finite()) {
            let problem =
                format!("the inputs of layers.{index} overflow f32 on the calibration images");
            let remedy = "use another model, or other calibration images";
            return Err(Error::file(
                &model.path,
                FileError::unsuitable(problem, remedy),
            ));
        }
        ranges[index] = range(x, method);
        if !model.graph.is_last(index) {
            let output = float_layer(&model.layers[index], x);
            values.write(operation, output);
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
        let model = Network::new(vec![
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
        let other = Network::default_model().unwrap();
        let error = calibrate(&other, &sample, Calibration::MinMax).unwrap_err();
        assert_eq!(error.exit_code(), 7);
        assert!(error.to_string().contains("--calibration-data"), "{error}");
    }

    /// The built-in model holds what `train` stores in it. The order of sums differs from processor to processor.
    #[test]
    fn the_built_in_model_holds_its_calibration() {
        let model = Network::default_model().unwrap();
        let stored = model.input_ranges.clone().unwrap();
        let Ranges(found) =
            calibrate(&model, &Sample::standard().unwrap(), Calibration::default()).unwrap();
        for ((low, high), found) in stored.iter().zip(&found) {
            let near = |stored: f32, found: f32| (stored - found).abs() <= 0.01 * (high - low);
            assert!(
                near(*low, found.0) && near(*high, found.1),
                "{stored:?}, {found:?}"
            );
        }
        assert_eq!(stored.len(), found.len());
    }

    #[test]
    #[ignore = "writes data/models/default.safetensors"]
    fn write_the_calibration_of_the_built_in_model() {
        let mut model = Network::default_model().unwrap();
        let sample = Sample::standard().unwrap();
        let Ranges(ranges) = calibrate(&model, &sample, Calibration::default()).unwrap();
        model.input_ranges = Some(ranges);
        model
            .save(Path::new("data/models/default.safetensors"))
            .unwrap();
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
