//! The reference implementation: the definition of each precision as simple, slow code in f64 or exact integers.
//!
//! It shares no code with what it checks: no executor, no [`crate::scheme`], no conversion library. The parts of a
//! scheme that are defined in f32 (the scales of int8) are computed in f32. It takes the quantized weights of a network
//! as they are. Its tests check these weights with a rounding of its own.

mod arithmetic;
mod inference;
mod layers;
mod memory;
mod network;
mod overflow;
mod range;
mod rounding;
mod widened;

pub use arithmetic::{
    activate, add_bias, input, integer_product, label, product, quantize, quantize_input,
};
pub use inference::Inference;
pub use layers::{layer_outputs, relative_error};
pub use memory::check_memory;
pub use network::{infer, infer_all, out_of_range, sums_of_image, weight_values};
pub use rounding::{round_bf16, round_f16};

#[cfg(test)]
mod tests;
