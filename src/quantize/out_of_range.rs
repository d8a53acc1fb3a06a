//! What a format cannot hold of a network.

use crate::Precision;

/// A quantity of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// A weight or a bias, larger than the largest number.
    Parameter,
    /// The scale of a group of weights, so large or small that its weights lose most of their accuracy.
    WeightScale,
    /// Weights or biases so small that they are rounded to a few bits, or to zero.
    SmallParameter,
    /// A value, larger than the largest number.
    Value,
    /// Values so small that they are rounded to a few bits, or to zero.
    SmallValue,
    /// The terms of a sum: some order of adding them leaves f32, whatever they come to.
    Terms,
    /// The product of the scales of an int8 layer's input and weights, so large or small that f32 does not hold it.
    ScaleProduct,
}

/// Something of a network that its format cannot hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutOfRange {
    /// Index of the layer; none of the network's input.
    pub layer: Option<usize>,
    /// What of it.
    pub quantity: Quantity,
    /// The value that lies farthest outside, before it was rounded.
    pub value: f64,
    /// The precision of the layer.
    pub precision: Precision,
}

impl OutOfRange {
    /// Of two, that of the earlier layer; of one layer, the larger.
    #[must_use]
    pub fn first(self, other: Self) -> Self {
        if (other.layer, -other.value) < (self.layer, -self.value) {
            other
        } else {
            self
        }
    }

    /// What to do.
    fn way_out(self) -> &'static str {
        let large = self.value > f64::from(f32::MAX);
        let small = self.value < f64::from(f32::MIN_POSITIVE);
        match (self.quantity, self.precision) {
            (Quantity::ScaleProduct, _) if small => "use bf16 or f32",
            _ if large => "use smaller weights, because no precision has a larger range",
            _ if small => "use larger weights, because no precision has a larger range",
            (Quantity::SmallValue | Quantity::SmallParameter, Precision::F32 | Precision::Bf16) => {
                "use larger weights, because no precision has a larger range"
            }
            (Quantity::SmallValue | Quantity::SmallParameter, _) => "use bf16 or f32",
            (Quantity::Parameter | Quantity::WeightScale | Quantity::Value, _) => {
                "use bf16, f32 or int8"
            }
            (Quantity::Terms | Quantity::ScaleProduct, _) => {
                "use smaller weights, because no precision has a larger range"
            }
        }
    }
}

impl std::fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.layer {
            Some(layer) => write!(f, "layers.{layer}")?,
            None => f.write_str("the normalized input")?,
        }
        let (value, precision) = (self.value, self.precision);
        let largest = precision.largest_number();
        let few_bits = format!("which {precision} rounds to a few bits or to zero");
        match self.quantity {
            Quantity::Parameter => write!(f, " has the value {value:.6e}, more than {largest}"),
            Quantity::SmallParameter => {
                write!(
                    f,
                    " has weights or biases of {value:.6e} and less, {few_bits}"
                )
            }
            Quantity::WeightScale => write!(
                f,
                " has weights whose scale is {value:.6e}, but {precision} stores scales in binary16, which holds \
                 6.103516e-5 to 65504"
            ),
            Quantity::Value => write!(f, " reaches {value:.6e}, more than {largest}"),
            Quantity::SmallValue => write!(f, " has values of {value:.6e} and less, {few_bits}"),
            Quantity::Terms => {
                let largest = Precision::F32.largest_number();
                write!(
                    f,
                    " adds terms of up to {value:.6e} in all, more than {largest}"
                )
            }
            Quantity::ScaleProduct => write!(
                f,
                " multiplies its sums by {value:.6e}, the product of the scales of its input and its weights, but \
                 f32 holds 1.175494e-38 to 3.402823e38"
            ),
        }?;
        write!(f, "; {}", self.way_out())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each says what, how much, the limit, and what to do.
    #[test]
    fn a_message_names_layer_value_limit_and_way_out() {
        let of = |quantity, value, precision| {
            let layer = Some(1);
            let of = OutOfRange {
                layer,
                quantity,
                value,
                precision,
            };
            of.to_string()
        };
        use Precision::{F16, F32, Int4, Int8};
        for (text, parts) in [
            (
                of(Quantity::Value, 7e4, F16),
                ["7.000000e4", "65504", "use bf16, f32 or int8"],
            ),
            (
                of(Quantity::Parameter, 7e4, F16),
                ["7.000000e4", "65504", "use bf16, f32 or int8"],
            ),
            (
                of(Quantity::SmallValue, 1e-7, F16),
                ["1.000000e-7", "to zero", "use bf16 or f32"],
            ),
            (
                of(Quantity::SmallParameter, 1e-7, F16),
                ["1.000000e-7", "to zero", "use bf16 or f32"],
            ),
            (
                of(Quantity::WeightScale, 1e-9, Int4),
                ["1.000000e-9", "6.103516e-5", "use bf16, f32 or int8"],
            ),
            (
                of(Quantity::Value, 1e39, F32),
                ["1.000000e39", "3.402823e38", "smaller weights"],
            ),
            (
                of(Quantity::Terms, 4e38, F32),
                ["4.000000e38", "3.402823e38", "smaller weights"],
            ),
            (
                of(Quantity::SmallValue, 1e-31, Precision::Bf16),
                ["1.000000e-31", "to zero", "larger weights"],
            ),
            (
                of(Quantity::SmallValue, 1e-39, F32),
                ["1.000000e-39", "to zero", "larger weights"],
            ),
            (
                of(Quantity::ScaleProduct, 1e40, Int8),
                ["1.000000e40", "3.402823e38", "smaller weights"],
            ),
            (
                of(Quantity::ScaleProduct, 1e-40, Int8),
                ["1.000000e-40", "1.175494e-38", "use bf16 or f32"],
            ),
        ] {
            for part in parts.into_iter().chain(["layers.1 "]) {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }
}
