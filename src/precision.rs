//! The precisions: names, sizes, what each needs of an adapter, and how far its results may differ
//! from the reference result, and why.

use std::fmt;
use std::str::FromStr;

use half::{bf16, f16};
use serde::{Serialize, Serializer};

use crate::error::{Error, Result};

/// The numeric mode of inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Precision {
    /// IEEE 754 binary32 throughout.
    F32,
    /// Weights and activations in binary16, sums of products in f32.
    F16,
    /// Weights and activations in bfloat16, sums of products in f32.
    Bf16,
    /// Weights and activations in int8, sums of products in exact int32.
    Int8,
    /// Weights in int4, each 32 along the inner dimension with a scale of their own; activations and
    /// sums in f32.
    Int4,
    /// Each layer in its own of these.
    Mixed,
}

impl Precision {
    /// The precisions that `all` stands for, in the order of every table.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Int8];

    /// The precisions that `every` stands for: all that a layer can have.
    pub const EVERY: [Self; 5] = [Self::F32, Self::F16, Self::Bf16, Self::Int8, Self::Int4];

    /// The name in every output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
            Self::Int4 => "int4",
            Self::Mixed => "mixed",
        }
    }

    /// Bits of a weight, without its scales.
    #[must_use]
    pub fn weight_bits(self) -> u32 {
        match self {
            Self::F32 | Self::Mixed => 32,
            Self::F16 | Self::Bf16 => 16,
            Self::Int8 => 8,
            Self::Int4 => 4,
        }
    }

    /// Whether weights are integers with scales.
    #[must_use]
    pub fn quantizes_weights(self) -> bool {
        self.weight_bits() <= 8
    }

    /// How many weights of a column, along the inner dimension, share a binary16 scale; none where weights have no
    /// such scales.
    #[must_use]
    pub fn group(self) -> Option<usize> {
        match self {
            Self::Int4 => Some(INT4_GROUP),
            Self::F32 | Self::F16 | Self::Bf16 | Self::Int8 | Self::Mixed => None,
        }
    }

    /// The type of biases, and of what layers read and write where that is not quantized.
    #[must_use]
    pub fn float(self) -> Float {
        match self {
            Self::F16 => Float::F16,
            Self::Bf16 => Float::Bf16,
            Self::F32 | Self::Int8 | Self::Int4 | Self::Mixed => Float::F32,
        }
    }

    /// Bytes of one activation as it is handed on: int4 is of the weights alone, and a mixed network
    /// counts as what its widest layers are.
    #[must_use]
    pub fn bytes(self) -> u64 {
        match self {
            Self::Int8 => 1,
            _ => self.float().bytes(),
        }
    }

    /// The largest number of the type that its values are handed on in, in words.
    #[must_use]
    pub fn largest_number(self) -> &'static str {
        match self.float() {
            Float::F16 => "binary16's largest number 65504",
            Float::Bf16 => "bfloat16's largest number 3.389531e38",
            Float::F32 => "f32's largest number 3.402823e38",
        }
    }

    /// What rounding to this precision changes of a value at most, as a share of the largest that has the same scale, or of
    /// the value itself where there are no scales.
    #[must_use]
    pub fn roundoff(self) -> f64 {
        match self {
            Self::Int8 => 0.5 / 127.0,
            Self::Int4 => 0.5 / 7.0,
            _ => self.float().unit_roundoff(),
        }
    }

    /// What a network's outputs in this precision may differ from the reference's.
    #[must_use]
    pub fn tolerance(self) -> Tolerance {
        match self {
            // Both sides mean the same f32 numbers; only the order of the sums differs.
            Self::F32 => Tolerance {
                relative: 1e-4,
                absolute: 1e-6,
                rows_outside: 0.0,
                labels_equal: 0.9999,
            },
            // A binary16 ULP at each rounding: a logit of 16 to 32 may move by 2^-6, and again by as
            // much for the roundings of the layers before it; two such logits that move apart change
            // the ratio of their probabilities by 4 · 2^-6, some 6%, of which a probability takes
            // most.
            Self::F16 => Tolerance {
                relative: 0.05,
                absolute: 2e-3,
                rows_outside: 0.0,
                labels_equal: 0.9995,
            },
            // The same with bfloat16's 8 significant bits: a ULP is eight times as large.
            Self::Bf16 => Tolerance {
                relative: 0.3,
                absolute: 1e-2,
                rows_outside: 0.001,
                labels_equal: 0.9980,
            },
            // Integer sums are exact, so a row either agrees to f32's accuracy or has a quantized value that
            // fell on the other side of a rounding tie; of those there may be a few.
            Self::Int8 => Tolerance {
                relative: 1e-3,
                absolute: 1e-5,
                rows_outside: 0.01,
                labels_equal: 0.9990,
            },
            // Only the order of f32 sums differs: the weights are the same numbers on both sides.
            Self::Int4 => Tolerance {
                relative: 1e-3,
                absolute: 1e-5,
                rows_outside: 0.0,
                labels_equal: 0.9999,
            },
            // What its loosest layer allows.
            Self::Mixed => Tolerance {
                relative: 0.3,
                absolute: 1e-2,
                rows_outside: 0.01,
                labels_equal: 0.9980,
            },
        }
    }
}

/// Inner values of an int4 column that share a scale.
pub const INT4_GROUP: usize = 32;

/// A type of floating-point numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Float {
    /// binary32.
    F32,
    /// binary16.
    F16,
    /// bfloat16.
    Bf16,
}

impl Float {
    /// Bytes of a number.
    #[must_use]
    pub fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// The smallest normal number: smaller ones have fewer significant bits (IEEE 754-2019, § 3.3), and WGSL lets an
    /// adapter take those of f32 for zero (§ 15.7.2).
    #[must_use]
    pub fn smallest_normal(self) -> f64 {
        match self {
            Self::F16 => f64::from(f16::MIN_POSITIVE),
            Self::F32 | Self::Bf16 => f64::from(f32::MIN_POSITIVE),
        }
    }

    /// The most that rounding changes of a normal number, as a share of it: 2⁻ᵖ with p significant bits.
    #[must_use]
    pub fn unit_roundoff(self) -> f64 {
        let digits = match self {
            Self::F32 => f32::MANTISSA_DIGITS,
            Self::F16 => f16::MANTISSA_DIGITS,
            Self::Bf16 => bf16::MANTISSA_DIGITS,
        };
        (-f64::from(digits)).exp2()
    }

    /// The number of this type that is nearest to `value`, ties to even.
    #[must_use]
    pub fn round(self, value: f32) -> f32 {
        match self {
            Self::F32 => value,
            Self::F16 => f16::from_f32(value).to_f32(),
            Self::Bf16 => bf16::from_f32(value).to_f32(),
        }
    }
}

/// How far a network's outputs may be from the reference's: each value within
/// `absolute + relative · |expected|`, on all but a share of the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Share of the expected magnitude.
    pub relative: f64,
    /// Absolute part, in the output's unit.
    pub absolute: f64,
    /// Share of the rows (images) that may differ by more; one row always may where it is not zero.
    pub rows_outside: f64,
    /// Least share of labels equal to the reference's.
    pub labels_equal: f64,
}

impl Tolerance {
    /// What both allow between them.
    #[must_use]
    pub fn looser(self, other: Self) -> Self {
        Self {
            relative: self.relative.max(other.relative),
            absolute: self.absolute.max(other.absolute),
            rows_outside: self.rows_outside.max(other.rows_outside),
            labels_equal: self.labels_equal.min(other.labels_equal),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let lowercase = text.to_ascii_lowercase();
        let name = match lowercase.as_str() {
            "float32" | "fp32" => "f32",
            "float16" | "fp16" => "f16",
            "bfloat16" => "bf16",
            "i8" => "int8",
            "i4" => "int4",
            name => name,
        };
        let mut all = Self::EVERY.into_iter().chain([Self::Mixed]);
        let names = all.clone().map(Self::name);
        let found = all.find(|precision| precision.name() == name);
        found.ok_or_else(|| Error::unknown_name("precision", text, names))
    }
}

impl Serialize for Precision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_is_understood() {
        for (text, precision) in [
            ("f32", Precision::F32),
            ("float32", Precision::F32),
            ("FP32", Precision::F32),
            ("f16", Precision::F16),
            ("float16", Precision::F16),
            ("fp16", Precision::F16),
            ("int8", Precision::Int8),
            ("i8", Precision::Int8),
            ("bf16", Precision::Bf16),
            ("bfloat16", Precision::Bf16),
            ("int4", Precision::Int4),
            ("i4", Precision::Int4),
            ("mixed", Precision::Mixed),
        ] {
            assert_eq!(text.parse::<Precision>().unwrap(), precision);
        }
        assert_eq!("f64".parse::<Precision>().unwrap_err().exit_code(), 2);
    }
}
