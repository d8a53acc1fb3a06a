//! From a network with f32 parameters to a quantized network, in every precision and scheme. Layers may differ.
//!
//! # What a layer computes
//!
//! A layer reads values x in its own input format. The layer before it rounded them once, to that format. From the
//! pre-activation z the layer computes activation(z) in f32, and stores it in the input format of the next layer.
//!
//! | format | x | weights | pre-activation z |
//! |---|---|---|---|
//! | f32 | f32 | f32 | Σ x·w + b, in f32 |
//! | f16, bf16 | rounded to that type, to nearest even | rounded likewise, and so is b | Σ x·w + b, in f32 |
//! | int4 | f32 | s·q, with \|q\| ≤ 7 and a binary16 scale s for each 32 values along the inner dimension of a column | Σ x·(s·q) + b, in f32 |
//! | int8, by tensor | s·q, s the batch's | s_w·q_w, one s_w a matrix | f32(T) · (s·s_w) + b, T = Σ q·q_w; quantized and dequantized by its own scale before the activation |
//! | int8, by row | s·(q − n), s the row's own | s_w·q_w | f32(T) · (s·s_w) + b, T = Σ (q − n)·q_w |
//! | int8, static | s·(q − n), s and n calibrated | s_w·q_w | f32(T) · (s·s_w), T = Σ (q − n)·q_w + round(b / (s·s_w)) |
//!
//! T is exact in int32. The last layer's outputs are f32. If the last layer is f16 or bf16, they are also rounded to
//! that type; if its activation is softmax, z is rounded instead of the outputs. Rounding is to nearest even.
//!
//! By row: relu and sigmoid give no negative values, so their quantized values use all levels. With L = 2c + 1 and m
//! the row's largest value, s = m / L, q = round(x / s) − (c + 1) and n = −(c + 1). For other values s = max|x| / c,
//! q = round(x / s) and n = 0. If that s is below 2⁻¹²⁵, for example because all values are zero, s = 1.
//!
//! Static: q = clamp(round(x · (1/s)) + n, −128, 127). The quantized values cover the range [low, high] that
//! [`calibrate`] gives, widened to contain zero. s = (high − low) / 255 and n = round(−low / s) − 128, so zero is
//! exactly n (Krishnamoorthi 2018, § 2.1). If the range is empty, s = 1 and n = −128. After relu and sigmoid low = 0,
//! so n = −128. A column whose weights are all zero gets s_w from its bias: s·s_w = |b| / 2²⁴. Every s_w is large
//! enough that |b| ≤ 2³⁰ · s·s_w.
//!
//! Pixels / 255 have the quantized values p − 128 and s = 1 / 255 by row and static. They lose nothing, whereas a
//! scale for each row would round them.
//!
//! The sum Σ (q − n)·q_w is computed as Σ q·q_w − n · Σ q_w. In the static scheme the bias is an integer in units of
//! s·s_w, and scales are only multiplied. Drivers then have no multiply and add to contract, so with relu between the
//! layers the sums are the same on every adapter.
//!
//! Formulas: Jacob et al., *Quantization and Training of Neural Networks for Efficient
//! Integer-Arithmetic-Only Inference*, 2018 (eq. 1, 7); Krishnamoorthi, *Quantizing deep convolutional
//! networks for efficient inference*, 2018 (§ 2, 3.1); Nagel et al., *A White Paper on Neural Network
//! Quantization*, 2021 (§ 2.2, 2.4).
//!
//! # Compensated rounding
//!
//! Rounding each weight of a column w to nearest keeps w close. More important is the error of the layer's output
//! over real inputs X: ‖X(w − ŵ)‖² = (w − ŵ)ᵀ H (w − ŵ) with H = XᵀX. GPTQ (Frantar et al., *GPTQ: Accurate
//! Post-Training Quantization for Generative Pre-trained Transformers*, 2022, eq. 2, 3) rounds the weights along k
//! one after another. After each it changes the weights that are not yet rounded, so that they compensate the error
//! as well as possible. With the factor H = M·Mᵀ, M upper triangular, that is the same as rounding
//!
//! ```text
//! t_k = w_k + Σ_{j<k} (M_jk / M_kk) · (w_j − ŵ_j)
//! ```
//!
//! to nearest (Chee et al., *QuIP: 2-Bit Quantization of Large Language Models with Guarantees*, 2023, § 3.2;
//! theorem 6 proves that both are equal). This needs no inverse. The remaining error is the sum over k of
//! M_kk² · (t_k − ŵ_k)², so these weights choose a group's scale.
//!
//! The bias is one more weight, of an input that is always 1. It comes last and is not rounded. 1% of the mean of H's
//! diagonal is added to the diagonal (Frantar et al. 2022, § 3.3, step 3), so the weights of pixels that are zero in
//! all calibration images are rounded to nearest.

pub mod calibrate;
mod check;
mod compensate;
mod convert;
mod file;
mod forward;
mod loss;
mod range;
mod recipe;
mod source;
mod weights;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::Precision;
use crate::mode::Mode;
use crate::model::{
    Activation, Architecture, Format, Graph, InputFormat, LayerShape, Normalization,
};
pub use calibrate::{Calibration, Sample};
pub use convert::{Ranges, lower};
pub use file::check_mode;
pub use loss::{Loss, losses};
pub use recipe::{Quantizer, Recipe, Rounding};
pub use source::Source;
pub use weights::{INT4_LARGEST, Weights};

pub use crate::precision::INT4_GROUP;

/// A model in the numbers that it runs in.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedNetwork {
    /// What it is run as.
    pub mode: Mode,
    /// The operations in order: what each reads and writes, with shapes.
    pub graph: Graph,
    /// The layers, whose parameters operations use.
    pub layers: Vec<QuantizedLayer>,
    /// What turns a pixel into the first layer's input.
    pub normalization: Normalization,
    /// Names of the outputs; empty where the file has none.
    pub classes: Vec<String>,
    /// c, the largest int8 quantized value of weights, and of signed activations by row.
    pub int8_clip: u8,
    /// How it was made.
    pub provenance: BTreeMap<String, String>,
    /// The file of the model, quantized or not.
    pub path: PathBuf,
    /// SHA-256 of that file.
    pub sha256: String,
    /// The first layer whose weights or biases leave the range of their type, where they were made of floats
    /// that do. They are infinite then: what comes out of them is no answer, and no file holds them.
    pub out_of_range: Option<OutOfRange>,
}

/// Parameters that leave the range of the type that they are put into.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutOfRange {
    /// Index of the layer.
    pub layer: usize,
    /// The largest magnitude before it was rounded.
    pub largest: f64,
}

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
    /// In which form it takes its input.
    pub input: InputQuantization,
}

/// In which form a layer takes its input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InputQuantization {
    /// As numbers of the weights' type; f32 where these are int4.
    Values,
    /// As quantized values with one scale for the whole batch: the scheme `dynamic-tensor`.
    Tensor,
    /// As quantized values with a scale for each row.
    Row {
        /// Whether no value can be negative.
        unsigned: bool,
    },
    /// As quantized values with a scale that is known.
    Static(Affine),
}

/// How static quantized values stand for values: x = scale · (q − zero_point).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// What a step is; finite and positive.
    pub scale: f32,
    /// The quantized value of zero.
    pub zero_point: i8,
}

impl Affine {
    /// The quantized value of a value.
    #[must_use]
    pub fn quantize(self, value: f32) -> i8 {
        let moved = (value * self.inverse()).round_ties_even() + f32::from(self.zero_point);
        moved.clamp(-128.0, 127.0) as i8
    }

    /// What values are multiplied by: 1 / scale, rounded to f32.
    #[must_use]
    pub fn inverse(self) -> f32 {
        1.0 / self.scale
    }
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

impl QuantizedNetwork {
    /// How its weights were rounded to quantized values: `compensated` or to `nearest`; none where the mode leaves no
    /// choice, and where a file does not say.
    #[must_use]
    pub fn rounding(&self) -> Option<String> {
        let rounding = self.provenance.get("rounding");
        // A file can hold any text there.
        rounding
            .filter(|text| text.parse::<Rounding>().is_ok())
            .cloned()
    }

    /// The model without its weights.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        let shape = |layer: &QuantizedLayer| LayerShape {
            inputs: layer.inputs,
            outputs: layer.outputs,
            activation: layer.activation,
            format: Format {
                precision: layer.precision(),
                input: match layer.input {
                    InputQuantization::Values => InputFormat::Values,
                    InputQuantization::Tensor => InputFormat::Tensor,
                    InputQuantization::Row { .. } => InputFormat::Rows,
                    InputQuantization::Static(_) => InputFormat::Static,
                },
                largest_sum: layer.largest_sum(self.int8_clip),
            },
        };
        Architecture {
            graph: self.graph.clone(),
            layers: self.layers.iter().map(shape).collect(),
            normalization: self.normalization,
            int8_clip: self.int8_clip,
        }
    }

    /// Bytes of the weights, scales and biases, as files and devices hold them.
    #[must_use]
    pub fn parameter_bytes(&self) -> u64 {
        let layer = |layer: &QuantizedLayer| {
            let of_bias = layer.precision().float().bytes();
            layer.weights.bytes() + of_bias * layer.bias.len() as u64
        };
        self.layers.iter().map(layer).sum()
    }

    /// Bytes of the values that one image has between the layers: each layer's input in the form that it
    /// takes, with the row's scale, and the outputs in f32.
    #[must_use]
    pub fn activation_bytes(&self) -> u64 {
        let input = |layer: &QuantizedLayer| match layer.input {
            InputQuantization::Static(_) | InputQuantization::Tensor => layer.inputs as u64,
            InputQuantization::Row { .. } => layer.inputs as u64 + 4,
            InputQuantization::Values => layer.precision().bytes() * layer.inputs as u64,
        };
        let inputs: u64 = self.layers.iter().map(input).sum();
        inputs + 4 * self.graph.outputs() as u64
    }
}
