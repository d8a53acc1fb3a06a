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
//! [`calibrate()`] gives, widened to contain zero. s = (high − low) / 255 and n = round(−low / s) − 128, so zero is
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
mod calibration_check;
mod check;
mod compensate;
mod convert;
mod file;
mod forward;
mod input;
mod layer;
mod loss;
mod lost;
mod network;
mod out_of_range;
mod range;
mod recipe;
mod rounding;
mod source;
mod weights;

pub use calibrate::{Calibration, Sample, calibrate};
pub use calibration_check::{
    CalibrationProblem, FEWEST_IMAGES, MOST_SATURATED, calibration_problems,
};
pub use convert::{Ranges, lower};
pub use file::check_mode;
pub use input::{Affine, InputQuantization};
pub use layer::{Epilogue, QuantizedLayer};
pub use loss::{Loss, losses};
pub use lost::LostParameters;
pub use network::QuantizedNetwork;
pub use out_of_range::{OutOfRange, Quantity};
pub use recipe::{Quantizer, Recipe};
pub use rounding::Rounding;
pub use source::Source;
pub use weights::{INT4_LARGEST, Weights};

pub use crate::precision::INT4_GROUP;
