//! Training in float32: mini-batch Adam on the cross-entropy, with a cosine schedule.
//!
//! It runs on the CPU path's matrix library. The steps (gather, forward, loss, backward, update)
//! are functions over matrices without hidden state, in the order in which shaders would run them.
//! The same data, options and machine give the same weights to the last bit.

mod adam;
mod batch;
mod network;
mod schedule;

use std::collections::BTreeMap;
use std::fmt::Display;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::dataset::{Dataset, HELD_OUT, Holdout, Images};
use crate::error::{CheckError, Error, FileError, Result, UsageError};
use crate::host;
use crate::model::{
    Layer, Network, Normalization, check_parameters, classifier_activations, random_layers,
};
use adam::{AdamStep, Moments};
use batch::TrainingBatch;
use network::{Gradient, Score};

/// What turns a pixel into the network's input, in training as in the model that it gives.
const NORMALIZATION: Normalization = Normalization::Unit;

/// Images of one forward pass when accuracy is measured.
const MEASURED_AT_ONCE: usize = 1000;

/// How a network is trained. The default is the recipe of the default model.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainOptions {
    /// Widths of the hidden layers, first to last; none gives a single softmax layer.
    pub hidden: Vec<usize>,
    /// Passes over the training images.
    pub epochs: usize,
    /// What the first weights and the order of the images follow from.
    pub seed: u64,
    /// Images of one step; the last step of an epoch takes what is left.
    pub batch: usize,
    /// The first step's learning rate; a cosine takes it down to 0.
    pub learning_rate: f32,
    /// Share of each weight taken off a step, times the learning rate. Biases keep theirs.
    pub weight_decay: f32,
    /// Share of the target given to all classes alike, 0 to below 1. It keeps logits of even size,
    /// for which one int8 scale over a batch suffices.
    pub label_smoothing: f32,
    /// Images held back to measure on, at most a fifth of the data; the same ones for every seed.
    pub validation: usize,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            hidden: vec![64],
            epochs: 30,
            seed: 5,
            batch: 128,
            learning_rate: 2e-3,
            weight_decay: 0.05,
            label_smoothing: 0.05,
            validation: HELD_OUT,
        }
    }
}

impl TrainOptions {
    /// The widths of the layers for `data`, if it can be trained on with these options.
    fn check(&self, data: &Dataset) -> Result<Vec<usize>> {
        let fail = |what: &str, given: &dyn Display, expected: &str| {
            Err(Error::Usage(UsageError::InvalidValue {
                what: what.to_owned(),
                given: given.to_string(),
                expected: expected.to_owned(),
            }))
        };
        if let Some(index) = self.hidden.iter().position(|&width| width == 0) {
            return fail(
                &format!("the width of hidden layer {index}"),
                &0,
                "1 or more",
            );
        }
        for (what, value) in [("epochs", self.epochs), ("batch", self.batch)] {
            if value == 0 {
                return fail(what, &0, "1 or more");
            }
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return fail("the learning rate", &self.learning_rate, "a number above 0");
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return fail("the weight decay", &self.weight_decay, "0 or more");
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return fail("label smoothing", &self.label_smoothing, "0 to below 1");
        }
        if data.len() < 2 {
            let problem =
                "has one image, but training needs at least two: one of them is for validation";
            let remedy = "give a larger training split";
            return Err(Error::file(
                &data.name,
                FileError::unsuitable(problem, remedy),
            ));
        }
        if self.steps(data.len()).is_none() {
            let expected = "fewer, so that the number of steps fits in 64 bits";
            return fail("the number of epochs", &self.epochs, expected);
        }
        let widths = self.widths(data.images.width, data.labels()?);
        check_parameters(&widths, "--hidden")?;
        Ok(widths)
    }

    /// Steps of all epochs over so many images; none where they are beyond counting.
    fn steps(&self, images: usize) -> Option<usize> {
        self.epochs.checked_mul(images.div_ceil(self.batch))
    }

    /// Input, hidden layers, and one output for each label up to the largest.
    fn widths(&self, inputs: usize, labels: &[u8]) -> Vec<usize> {
        let largest = labels.iter().copied().max().unwrap_or(0);
        std::iter::once(inputs)
            .chain(self.hidden.iter().copied())
            .chain(std::iter::once(usize::from(largest) + 1))
            .collect()
    }
}

/// How far the training is, after an epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochReport {
    /// The epoch that has just ended, from 1.
    pub epoch: usize,
    /// How many there will be.
    pub epochs: usize,
    /// Mean loss over the epoch's steps (nats, with label smoothing), each before its update.
    pub train_loss: f32,
    /// Share of the training images, 0 to 1, that were right before their step's update.
    pub train_accuracy: f32,
    /// Mean cross-entropy of the validation images (nats, no smoothing) after the epoch.
    pub validation_loss: f32,
    /// Share of the validation images, 0 to 1, that are right after the epoch.
    pub validation_accuracy: f32,
}

/// Trains a network on `data` and gives it with the weights of the last epoch, on which the
/// schedule ends; `progress` is called after each epoch.
///
/// The validation images serve for measuring alone. The model's provenance gets the recipe, the
/// seed, the data's SHA-256 and `accuracy` on the validation images.
///
/// # Errors
/// `Error::Usage` for options that cannot be meant, `Error::File` for fewer than two images, or images without labels,
/// `Error::CheckFailed` where the training diverges (a loss or a weight is no longer finite).
pub fn train(
    data: &Dataset,
    options: &TrainOptions,
    mut progress: impl FnMut(&EpochReport),
) -> Result<Network> {
    let widths = options.check(data)?;
    host::need("training", bytes(&widths, options.batch, data.len()))?;
    let mut split = Holdout::new(data.len(), options.validation);
    // One stream draws the weights, then every epoch's order.
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let layers = random_layers(&widths, &classifier_activations(widths.len() - 1), &mut rng);
    let mut trainer = Trainer::new(layers, data, options)?;
    let mut validation = Score::default();
    for epoch in 1..=options.epochs {
        split.training.shuffle(&mut rng);
        let training = trainer.epoch(&split.training);
        validation = trainer.measure(&split.validation);
        trainer.check_finite(epoch, [training, validation])?;
        let (trained, held) = (split.training.len(), split.validation.len());
        progress(&EpochReport {
            epoch,
            epochs: options.epochs,
            train_loss: (training.loss / trained as f64) as f32,
            train_accuracy: training.accuracy(trained) as f32,
            validation_loss: (validation.loss / held as f64) as f32,
            validation_accuracy: validation.accuracy(held) as f32,
        });
    }
    let mut model = Network::new(trainer.layers)?;
    model.normalization = NORMALIZATION;
    model.provenance = provenance(data, options, &split, validation);
    Ok(model)
}

/// Memory of a training: weights with their gradients and moments, a batch's activations with theirs, the images' order.
fn bytes(widths: &[usize], batch: usize, images: usize) -> u64 {
    let batch = batch.max(MEASURED_AT_ONCE).min(images) as u64;
    let weights: u64 = widths
        .windows(2)
        .map(|pair| (pair[0] as u64 + 1) * pair[1] as u64)
        .sum();
    let values = widths.iter().map(|&width| width as u64).sum::<u64>();
    4 * (5 * weights + 4 * batch * values) + 16 * images as u64
}

/// The entries from which the training can be repeated, and what came of it.
fn provenance(
    data: &Dataset,
    options: &TrainOptions,
    split: &Holdout,
    validation: Score,
) -> BTreeMap<String, String> {
    let accuracy = validation.accuracy(split.validation.len());
    [
        ("seed", options.seed.to_string()),
        ("epochs", options.epochs.to_string()),
        ("batch", options.batch.to_string()),
        ("learning_rate", options.learning_rate.to_string()),
        ("weight_decay", options.weight_decay.to_string()),
        ("label_smoothing", options.label_smoothing.to_string()),
        ("training_images", split.training.len().to_string()),
        ("validation_images", split.validation.len().to_string()),
        ("accuracy", format!("{accuracy:.4}")),
        ("data_sha256", data.sha256()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// A network on its way, with the optimizer's state and the memory of one step.
struct Trainer<'a> {
    images: &'a Images,
    labels: &'a [u8],
    options: &'a TrainOptions,
    layers: Vec<Layer>,
    gradients: Vec<Gradient>,
    /// Of each layer's weights and biases.
    moments: Vec<[Moments; 2]>,
    steps_done: usize,
    table: [f32; 256],
    batch: TrainingBatch,
    outputs: Vec<Vec<f32>>,
    delta: Vec<f32>,
    scratch: Vec<f32>,
}

impl<'a> Trainer<'a> {
    fn new(layers: Vec<Layer>, data: &'a Dataset, options: &'a TrainOptions) -> Result<Self> {
        let moments = |layer: &Layer| [layer.weights.len(), layer.bias.len()].map(Moments::new);
        Ok(Self {
            images: &data.images,
            labels: data.labels()?,
            options,
            gradients: layers.iter().map(Gradient::new).collect(),
            moments: layers.iter().map(moments).collect(),
            steps_done: 0,
            table: NORMALIZATION.table_f32(),
            batch: TrainingBatch::default(),
            outputs: vec![Vec::new(); layers.len()],
            delta: Vec::new(),
            scratch: Vec::new(),
            layers,
        })
    }

    /// One pass over the images at `order`, a step a batch.
    fn epoch(&mut self, order: &[usize]) -> Score {
        // More images than these were counted before the training began.
        let steps = self.options.steps(order.len()).unwrap_or(usize::MAX);
        let mut score = Score::default();
        for indices in order.chunks(self.options.batch) {
            score += self.forward(indices, self.options.label_smoothing);
            network::backward(
                &self.layers,
                &self.batch.input,
                &self.outputs,
                &mut self.delta,
                &mut self.scratch,
                &mut self.gradients,
            );
            let rate = schedule::cosine(self.options.learning_rate, self.steps_done, steps);
            self.steps_done += 1;
            self.update(AdamStep::new(
                self.steps_done,
                rate,
                self.options.weight_decay,
            ));
        }
        score
    }

    /// Runs the images at `indices` and leaves the gradient by the logits in `delta`.
    fn forward(&mut self, indices: &[usize], smoothing: f32) -> Score {
        let data = (self.images, self.labels);
        self.batch.gather(data, indices, &self.table);
        let batch = &self.batch;
        network::forward(&self.layers, &batch.input, batch.len(), &mut self.outputs);
        self.delta.clear();
        self.delta.extend(self.outputs.last().into_iter().flatten());
        network::cross_entropy(&mut self.delta, &batch.labels, smoothing)
    }

    fn update(&mut self, step: AdamStep) {
        let state = self.gradients.iter().zip(&mut self.moments);
        for (layer, (gradient, [weights, bias])) in self.layers.iter_mut().zip(state) {
            adam::update(&mut layer.weights, &gradient.weights, weights, step);
            adam::update(&mut layer.bias, &gradient.bias, bias, step.without_decay());
        }
    }

    /// The score of the images at `indices` as they stand, without label smoothing.
    fn measure(&mut self, indices: &[usize]) -> Score {
        let mut score = Score::default();
        for indices in indices.chunks(MEASURED_AT_ONCE) {
            score += self.forward(indices, 0.0);
        }
        score
    }

    /// The weights are checked too: relu turns NaN into 0, so that a loss can hide one.
    fn check_finite(&self, epoch: usize, scores: [Score; 2]) -> Result<()> {
        let weights = |layer: &Layer| {
            let mut values = layer.weights.iter().chain(&layer.bias);
            values.all(|value| value.is_finite())
        };
        let finite = scores.iter().all(|score| score.loss.is_finite());
        if finite && self.layers.iter().all(weights) {
            return Ok(());
        }
        Err(Error::CheckFailed(CheckError::TrainingDiverged {
            epoch,
            learning_rate: self.options.learning_rate,
        }))
    }
}

#[cfg(test)]
mod tests;
