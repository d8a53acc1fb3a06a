//! The oracle: what each precision means, slow and obvious, in f64 or exact integers.
//!
//! It shares no code with what it checks: no executor, no `quant`, no conversion library. Where a scheme is
//! defined in f32 (the scales of int8), it computes in f32. It takes a network's quantized weights as they
//! are; that these are the weights that a precision asks for, its tests show with its own rounding.

mod arithmetic;
mod network;
mod outcome;
mod rounding;

pub use arithmetic::{
    activate, add_bias, input, integer_product, label, product, quantize, quantize_input,
};
pub use network::{infer, infer_all, sums_of_image};
pub use outcome::{Outcome, Overflow};
pub use rounding::{round_bf16, round_f16};

#[cfg(test)]
mod tests;
