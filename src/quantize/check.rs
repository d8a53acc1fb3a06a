//! What a quantized network must be, whoever made it: a conversion, a file, or a caller.

use super::input::{Affine, InputQuantization};
use super::layer::{Epilogue, QuantizedLayer};
use super::network::QuantizedNetwork;
use super::weights::Weights;
use crate::Precision;
use crate::error::{Error, FileError, Result};
use crate::model::{Activation, ValueId};
use crate::scheme::SMALLEST_SCALE;

impl QuantizedNetwork {
    /// Checks shapes, values and ranges, whoever made them. Infinite parameters are wrong, unless
    /// [`QuantizedNetwork::out_of_range`] names them.
    ///
    /// # Errors
    /// `Error::File` naming the layer and what is wrong with it.
    pub fn check(&self) -> Result<()> {
        let fail = |problem: String| Err(Error::file(&self.path, FileError::model(problem)));
        if self.layers.is_empty() {
            return fail("has no layers".into());
        }
        // A batch shares its scales in all layers or in none: the executors run it in one of two ways.
        let tensor = |layer: &QuantizedLayer| layer.input == InputQuantization::Tensor;
        if self.layers.iter().any(tensor) && !self.layers.iter().all(tensor) {
            return fail("has the scheme dynamic-tensor in some layers only".into());
        }
        let shapes: Vec<[usize; 2]> = self.layers.iter().map(QuantizedLayer::shape).collect();
        self.graph.check(&shapes).or_else(fail)?;
        for (index, layer) in self.layers.iter().enumerate() {
            if let Err(problem) = layer.check(self.int8_clip, self.out_of_range.is_some()) {
                return fail(format!("layers.{index}{problem}"));
            }
            let before = self.graph.layer_before(index);
            let before = before.map(|before| self.layers[before].activation);
            if let Err(problem) = layer.check_input(before) {
                return fail(format!("layers.{index}{problem}"));
            }
            if layer.activation == Activation::Softmax && !self.graph.is_last(index) {
                return fail(format!(
                    "layers.{index} has the activation softmax, but only the last layer may have it"
                ));
            }
        }
        self.check_readers().or_else(fail)?;
        let outputs = self.graph.outputs();
        if !self.classes.is_empty() && self.classes.len() != outputs {
            return fail(format!(
                "has {} class names, but the last layer has {outputs} outputs",
                self.classes.len()
            ));
        }
        if !(1..=127).contains(&self.int8_clip) {
            return fail(format!("int8_clip is {}, not 1 to 127", self.int8_clip));
        }
        Ok(())
    }

    /// Layers that read the same value take it in the same format, so that it is stored once.
    fn check_readers(&self) -> Result<(), String> {
        let format = |layer: usize| {
            let layer = &self.layers[layer];
            let float = layer.input == InputQuantization::Values;
            (layer.input, float.then(|| layer.precision()))
        };
        for value in 0..self.graph.values.len() {
            let readers = self.graph.readers(ValueId(value));
            let readers: Vec<usize> = readers.map(|(_, reader)| reader.layer()).collect();
            let different = |pair: &&[usize]| format(pair[0]) != format(pair[1]);
            if let Some(&[first, other]) = readers.windows(2).find(different) {
                return Err(format!(
                    "layers.{first} and layers.{other} read the same value, but in different precisions; give both the same precision"
                ));
            }
        }
        Ok(())
    }
}

impl QuantizedLayer {
    /// Whether all of its weights and biases are finite numbers.
    pub(super) fn is_finite(&self) -> bool {
        let infinite = |value: f32| !value.is_finite();
        !self.weights.any(infinite) && self.bias.iter().all(|value| value.is_finite())
    }

    /// What is wrong with it, to stand behind its name.
    fn check(&self, clip: u8, may_be_infinite: bool) -> Result<(), String> {
        let (inputs, outputs) = (self.inputs, self.outputs);
        if self.weights.len() != inputs * outputs || self.bias.len() != outputs {
            return Err(format!(
                ".weight has {} values and .bias {}, not {inputs} · {outputs} and {outputs}",
                self.weights.len(),
                self.bias.len()
            ));
        }
        let bad = |value: f32| value.is_nan() || value.is_infinite() && !may_be_infinite;
        if self.weights.any(bad) {
            return Err(".weight has a value that is not a finite number".into());
        }
        if self.bias.iter().any(|&value| bad(value)) {
            return Err(".bias has a value that is not a finite number".into());
        }
        self.weights.check(self.shape(), clip)?;
        if let (InputQuantization::Tensor, Weights::Int8 { scales, .. }) =
            (self.input, &self.weights)
            && scales.len() != 1
        {
            return Err(format!(
                ".weight_scale has {} values, but dynamic-tensor needs 1",
                scales.len()
            ));
        }
        if let InputQuantization::Static(affine) = self.input
            && !(affine.scale.is_finite() && affine.scale >= SMALLEST_SCALE)
        {
            return Err(format!(
                ".input_scale is {}, but must be a finite number of at least 2^-125",
                affine.scale
            ));
        }
        let takes_quantized = !matches!(self.input, InputQuantization::Values);
        if takes_quantized != (self.precision() == Precision::Int8) {
            return Err(
                " must have quantized inputs if its weights are int8, and float inputs otherwise"
                    .into(),
            );
        }
        if takes_quantized {
            self.check_sums(clip, may_be_infinite)?;
        }
        Ok(())
    }

    /// Static quantized values can stand for values that the layer `before`, or pixels where there is none, hands on.
    fn check_input(&self, before: Option<Activation>) -> Result<(), String> {
        let InputQuantization::Static(Affine { scale, zero_point }) = self.input else {
            return Ok(());
        };
        let unsigned = before.filter(|before| before.range().0 >= 0.0);
        if let (Some(before), true) = (unsigned, zero_point != i8::MIN) {
            return Err(format!(
                ".input_zero_point is {zero_point}, but after {before} it must be {}",
                i8::MIN
            ));
        }
        // The range's ends are numbers of f32, and what lies beyond either is less than a step.
        let steps = (127 - i32::from(zero_point)).max(i32::from(zero_point) + 128) - 1;
        if f64::from(scale) * f64::from(steps) > f64::from(f32::MAX) {
            return Err(format!(
                ".input_scale is {scale}, which is so large that its values overflow f32"
            ));
        }
        Ok(())
    }

    /// No sum leaves int32, whatever the input.
    fn check_sums(&self, clip: u8, may_be_infinite: bool) -> Result<(), String> {
        let epilogue = self.epilogue(clip);
        let saturated = |column: &Epilogue| column.offset == i32::MAX || column.offset == i32::MIN;
        let scaled = |column: &Epilogue| column.scale.is_finite() && column.scale > 0.0;
        let lost = epilogue.iter().position(|column| !scaled(column));
        if let Some(column) = lost.filter(|_| !may_be_infinite) {
            return Err(format!(
                ": f32 cannot hold the product of the scales of input and weights in column {column}"
            ));
        }
        if self.largest_sum(clip) >= 1 << 31 || epilogue.iter().any(saturated) {
            return Err(": its int8 sums, with the bias, could overflow int32".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Network;
    use crate::quantize::{InputQuantization, lower};
    use crate::{Mode, Scheme, WeightScales};

    #[test]
    fn a_batch_shares_its_scales_in_all_layers_or_in_none() {
        let model = Network::default_model().unwrap();
        let reference = lower(&model, &Mode::reference_int8(), None).unwrap();
        assert!(reference.check().is_ok());
        let mode = Mode::int8(Scheme::DynamicRow, WeightScales::Tensor);
        let mut mixed = lower(&model, &mode, None).unwrap();
        mixed.layers[1].input = InputQuantization::Tensor;
        let error = mixed.check().unwrap_err();
        assert_eq!(error.exit_code(), 7);
        assert!(error.to_string().contains("some layers only"), "{error}");
    }
}
