//! The format in which a layer takes its input.

/// The format in which a layer takes its input.
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
        self.unclamped(value).clamp(-128.0, 127.0) as i8
    }

    /// Whether a value is outside the range that the quantized values cover, by more than rounding.
    pub(super) fn clamps(self, value: f32) -> bool {
        !(-128.0..=127.0).contains(&self.unclamped(value))
    }

    fn unclamped(self, value: f32) -> f32 {
        (value * self.inverse()).round_ties_even() + f32::from(self.zero_point)
    }

    /// What values are multiplied by: 1 / scale, rounded to f32.
    #[must_use]
    pub fn inverse(self) -> f32 {
        1.0 / self.scale
    }
}
