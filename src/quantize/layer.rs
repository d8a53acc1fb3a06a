//! One dense layer in the numbers that it runs in, and its epilogue.

use super::input::InputQuantization;
use super::weights::Weights;
use crate::Precision;
use crate::model::{Activation, Format};

/// One dense layer in the numbers that it runs in.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedLayer {
    /// Values of one input row.
    pub inputs: usize,
    /// Values of one output row.
    pub outputs: usize,
    /// The weights.
    pub weights: Weights,
    /// `[outputs]`; in f16 and bf16 numbers of that type.
    pub bias: Vec<f32>,
    /// What is applied to the pre-activations.
    pub activation: Activation,
    /// The format in which it takes its input.
    pub input: InputQuantization,
}

impl QuantizedLayer {
    /// `[inputs, outputs]`
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        [self.inputs, self.outputs]
    }

    /// The precision that it is in.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.weights.precision()
    }

    /// The values that the weights stand for, `[inputs, outputs]`, in f32.
    #[must_use]
    pub fn weight_values(&self) -> Vec<f32> {
        self.weights.values(self.outputs)
    }

    /// n: the quantized value of zero in its input; 0 where it takes values.
    #[must_use]
    pub fn zero_point(&self, clip: u8) -> i32 {
        match self.input {
            InputQuantization::Row { unsigned: true } => -(i32::from(clip) + 1),
            InputQuantization::Static(affine) => i32::from(affine.zero_point),
            InputQuantization::Row { unsigned: false }
            | InputQuantization::Tensor
            | InputQuantization::Values => 0,
        }
    }

    /// The product of the scales of a static layer's input and of a column of its weights that f32 does not hold, exact.
    pub(super) fn infinite_scale(&self) -> Option<f64> {
        let (InputQuantization::Static(affine), Weights::Int8 { scales, .. }) =
            (self.input, &self.weights)
        else {
            return None;
        };
        let infinite = |scale: &&f32| !(*scale * affine.scale).is_finite();
        let scale = scales.iter().find(infinite)?;
        Some(f64::from(*scale) * f64::from(affine.scale))
    }

    /// What an int8 layer adds to its sums of q·q_w, and multiplies them by then, for each output:
    /// −n · Σ q_w, with the bias where the scales are static, and s_w, or s·s_w where the input's scale
    /// is static; in `dynamic-tensor` the batch's scale is multiplied in by the kernels. Empty where the layer
    /// is not int8.
    #[must_use]
    pub fn epilogue(&self, clip: u8) -> Vec<Epilogue> {
        let Weights::Int8 { quantized, scales } = &self.weights else {
            return Vec::new();
        };
        let zero_point = i64::from(self.zero_point(clip));
        let mut column_sums = vec![0_i64; self.outputs];
        for row in quantized.chunks_exact(self.outputs) {
            for (sum, &q) in column_sums.iter_mut().zip(row) {
                *sum += i64::from(q);
            }
        }
        let of_column = |column: usize| {
            let scale = scales[if scales.len() == 1 { 0 } else { column }];
            let moved = -zero_point * column_sums[column];
            let (offset, scale, bias) = match self.input {
                InputQuantization::Static(affine) => {
                    let scale = affine.scale * scale;
                    let bias = (f64::from(self.bias[column]) / f64::from(scale)).round_ties_even();
                    // A bias of whatever size: that it fits is checked below.
                    (moved.saturating_add(bias as i64), scale, 0.0)
                }
                _ => (moved, scale, self.bias[column]),
            };
            // Checked when the layer was made.
            let offset =
                i32::try_from(offset).unwrap_or(if offset < 0 { i32::MIN } else { i32::MAX });
            Epilogue {
                offset,
                scale,
                bias,
            }
        };
        (0..self.outputs).map(of_column).collect()
    }

    /// The largest magnitude that the sums Σ q·q_w of an int8 layer can reach on their way, for any quantized values of
    /// the input, and with their offset; 0 where the layer is not int8.
    #[must_use]
    pub fn largest_sum(&self, clip: u8) -> u64 {
        let Weights::Int8 { quantized, .. } = &self.weights else {
            return 0;
        };
        if self.input == InputQuantization::Tensor {
            return Format::tensor(self.inputs, clip).largest_sum;
        }
        let mut sums = vec![0_u64; self.outputs];
        for row in quantized.chunks_exact(self.outputs) {
            for (sum, &q) in sums.iter_mut().zip(row) {
                *sum += u64::from(q.unsigned_abs());
            }
        }
        let epilogue = self.epilogue(clip);
        let largest = |(sum, column): (u64, &Epilogue)| {
            (128 * sum).saturating_add(u64::from(column.offset.unsigned_abs()))
        };
        let reached = sums.into_iter().zip(&epilogue).map(largest);
        reached.max().unwrap_or(0)
    }
}

/// What becomes of an int8 layer's sum Σ q·q_w in one column: z = f32(sum + offset) · scale + bias, where by
/// row the scale is also multiplied by the row's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epilogue {
    /// What is added to the sum.
    pub offset: i32,
    /// What the whole is multiplied by.
    pub scale: f32,
    /// What is added last; 0 where the scales are static.
    pub bias: f32,
}
