//! How float weights become the numbers of a mode, where images decide.

use super::calibrate::{Calibration, Sample, calibrate};
use super::compensate::{RoundingGrid, compensate};
use super::convert::{Ranges, lost_parameters, lower, out_of_range};
use super::forward::{LiveValues, quantized_layer};
use super::layer::QuantizedLayer;
use super::network::QuantizedNetwork;
use super::rounding::Rounding;
use super::weights::Weights;
use crate::Scheme;
use crate::error::{Error, Result, UsageError};
use crate::host;
use crate::mode::Mode;
use crate::model::{Graph, Layer, Network};

/// How a model is put into a mode. The default is what is done where nothing else is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    /// How static ranges are chosen.
    pub calibration: Calibration,
    /// How int4 and int8 weights are rounded.
    pub rounding: Rounding,
}

impl Recipe {
    /// Whether static ranges are chosen at all.
    #[must_use]
    pub fn calibrates(mode: &Mode) -> bool {
        mode.scheme == Some(Scheme::Static)
    }

    /// Whether errors are compensated at all.
    #[must_use]
    pub fn compensates(self, mode: &Mode) -> bool {
        Self::rounds(mode) && self.rounding == Rounding::Compensated
    }

    /// Whether there are weights whose rounding can be chosen: those of int4, and of int8 outside the scheme
    /// `dynamic-tensor`, which rounds to nearest.
    #[must_use]
    pub fn rounds(mode: &Mode) -> bool {
        let precisions = mode.precisions();
        let tensor = mode.scheme == Some(Scheme::DynamicTensor);
        !tensor
            && precisions
                .iter()
                .any(|precision| precision.quantizes_weights())
    }

    /// Whether a mode needs calibration images. Where only int8 weights are to be compensated it does not:
    /// without images that fit they are rounded to nearest, and a warning says so.
    #[must_use]
    pub fn needs_images(self, mode: &Mode) -> bool {
        self.needs_images_beside(mode, false)
    }

    /// As [`Recipe::needs_images`], where the ranges of static scales may be known.
    fn needs_images_beside(self, mode: &Mode, ranges_known: bool) -> bool {
        let precisions = mode.precisions();
        let groups = precisions
            .iter()
            .any(|precision| precision.group().is_some());
        !ranges_known && Self::calibrates(mode) || groups && self.compensates(mode)
    }

    /// Puts `model` into the numbers of `mode`, with what `sample` decides; it may be none where the mode
    /// does not need images.
    ///
    /// # Errors
    /// Those of [`Quantizer::quantize`].
    pub fn quantize(
        self,
        model: &Network,
        mode: &Mode,
        sample: Option<&Sample>,
    ) -> Result<QuantizedNetwork> {
        Quantizer::new(self, model, sample).quantize(mode)
    }

    /// How the numbers of a mode came to be, as a file says it.
    fn provenance(self, mode: &Mode, sample: Option<&Sample>) -> Vec<(String, String)> {
        let mut entries = Vec::new();
        if Self::calibrates(mode) {
            entries.push(("calibration", self.calibration.to_string()));
        }
        if Self::rounds(mode) {
            entries.push(("rounding", self.rounding.to_string()));
        }
        if let Some(sample) = sample {
            entries.push(("calibration_images", sample.images.count.to_string()));
            entries.push(("calibration_seed", sample.seed.to_string()));
            entries.push(("calibration_data", sample.origin.clone()));
        }
        let owned = |(key, value): (&str, String)| (key.to_owned(), value);
        entries.into_iter().map(owned).collect()
    }
}

/// A model that is put into several modes by one recipe; what they share is computed once.
#[derive(Debug)]
pub struct Quantizer<'a> {
    recipe: Recipe,
    model: &'a Network,
    sample: Option<&'a Sample>,
    ranges: Option<Ranges>,
    /// The first layer's compensated weights and bias, whose inputs are pixels in every mode, beside the
    /// weights rounded to nearest that they were made of.
    first: Vec<(Weights, (Weights, Vec<f32>))>,
}

impl<'a> Quantizer<'a> {
    /// A recipe for a model; without a sample, for modes that need no images.
    #[must_use]
    pub fn new(recipe: Recipe, model: &'a Network, sample: Option<&'a Sample>) -> Self {
        Self {
            recipe,
            model,
            sample,
            ranges: None,
            first: Vec::new(),
        }
    }

    /// The same, which takes the ranges of static scales from the model if it holds them.
    #[must_use]
    pub fn with_stored_ranges(self) -> Self {
        Self {
            ranges: self.model.input_ranges.clone().map(Ranges),
            ..self
        }
    }

    /// Puts the model into the numbers of a mode.
    ///
    /// # Errors
    /// Those of [`lower`]; `Error::File` where the images do not fit the model; `Error::Usage` where there
    /// are none and they are needed.
    pub fn quantize(&mut self, mode: &Mode) -> Result<QuantizedNetwork> {
        let known = self.ranges.is_some();
        let (needs, wants) = (
            self.recipe.needs_images_beside(mode, known),
            self.recipe.compensates(mode),
        );
        let sample = match self.sample {
            Some(sample) if needs => {
                sample.check(self.model)?;
                Some(sample)
            }
            None if needs => {
                let mode = mode.to_string();
                return Err(Error::Usage(UsageError::CalibrationImagesMissing { mode }));
            }
            sample => sample.filter(|sample| wants && sample.check(self.model).is_ok()),
        };
        if let Some(sample) = sample {
            host::need("calibration", calibration_bytes(self.model, sample))?;
        }
        if let (Some(sample), None, true) = (sample, &self.ranges, Recipe::calibrates(mode)) {
            let ranges = calibrate(self.model, sample, self.recipe.calibration)?;
            self.ranges = Some(ranges);
        }
        let mut quantized = lower(self.model, mode, self.ranges.as_ref())?;
        let mut rounding = Rounding::Nearest;
        if let (Some(sample), true) = (sample, self.recipe.compensates(mode)) {
            rounding = self.compensate(&mut quantized, sample);
            self.judge_range(&mut quantized);
            quantized.check()?;
        }
        let entries = Recipe {
            rounding,
            ..self.recipe
        }
        .provenance(mode, sample);
        quantized.provenance.extend(entries);
        if !self.model.sha256.is_empty() {
            let source = ("source_sha256".to_owned(), self.model.sha256.clone());
            quantized.provenance.extend([source]);
        }
        Ok(quantized)
    }

    /// Compensating moves biases too, and where weights are beyond int4's scales so far that f32 does not hold
    /// them: then it is the model that leaves the range.
    fn judge_range(&self, quantized: &mut QuantizedNetwork) {
        if quantized.out_of_range.is_none() {
            quantized.out_of_range = out_of_range(self.model, &quantized.layers);
        }
        quantized.lost_parameters = lost_parameters(self.model, &quantized.layers);
    }

    /// Rounds the int4 and int8 layers again, each for the values that the layers before it, as they are quantized,
    /// hand on. Gives what all of them are rounded by: where values overflow on the way there is nothing to make
    /// up for, and what follows stays as it is.
    fn compensate(&mut self, quantized: &mut QuantizedNetwork, sample: &Sample) -> Rounding {
        let clip = quantized.int8_clip;
        let rounded = |layer: &QuantizedLayer| layer.precision().quantizes_weights();
        let graph = &self.model.graph;
        let mut operations = graph.operations.iter();
        let last = operations.rposition(|operation| rounded(&quantized.layers[operation.layer()]));
        let Some(last) = last else {
            return Rounding::Compensated;
        };
        let pixels = &sample.images.pixels;
        let mut values = LiveValues::new(graph, self.model.normalization, pixels);
        for (at, operation) in graph.operations[..=last].iter().enumerate() {
            let (index, x) = (operation.layer(), values.of(operation));
            let same_input = index == 0 && operation.input() == Graph::INPUT;
            let layer = &mut quantized.layers[index];
            let nearest = layer.weights.clone();
            let grid = match &nearest {
                Weights::Int8 { scales, .. } => Some(RoundingGrid::Int8(clip, scales)),
                Weights::Int4 { .. } => Some(RoundingGrid::Int4),
                Weights::F32(_) | Weights::F16(_) | Weights::Bf16(_) => None,
            };
            if let Some(grid) = grid {
                if x.iter().any(|x| !x.is_finite()) {
                    return Rounding::Nearest;
                }
                let source = &self.model.layers[index];
                let known = self
                    .first
                    .iter()
                    .find(|(of, _)| same_input && *of == nearest);
                let found = match known {
                    Some((_, found)) => found.clone(),
                    None => compensate(source, x, grid),
                };
                if same_input && known.is_none() {
                    self.first.push((nearest, found.clone()));
                }
                (layer.weights, layer.bias) = found;
            }
            if at < last {
                let output = quantized_layer(layer, clip, x);
                values.write(operation, output);
            }
        }
        Rounding::Compensated
    }
}

/// Memory for what a layer takes and gives over all images, and for rounding its weights with compensation: the matrix of
/// its inputs, and what the rounded weights owe, both in f64.
fn calibration_bytes(model: &Network, sample: &Sample) -> u64 {
    let of_layer = |layer: &Layer| {
        let (inputs, outputs) = (layer.inputs as u64 + 1, layer.outputs as u64);
        let images = sample.images.count as u64;
        3 * 4 * images * (inputs + outputs) + 8 * inputs * inputs + 16 * inputs * outputs
    };
    model.layers.iter().map(of_layer).max().unwrap_or(0)
}
