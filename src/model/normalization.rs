//! What turns a pixel byte into the network's input.

use std::fmt;
use std::str::FromStr;

/// How a byte becomes a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Normalization {
    /// p / 255
    Unit,
    /// (p / 255 − mean) / std
    Standard {
        /// Mean of the training pixels, as a share of 255.
        mean: f32,
        /// Their standard deviation, as a share of 255.
        std: f32,
    },
}

impl Normalization {
    /// The normalized value of a byte, before it is rounded to any storage format.
    #[must_use]
    pub fn value(self, pixel: u8) -> f64 {
        let unit = f64::from(pixel) / 255.0;
        match self {
            Self::Unit => unit,
            Self::Standard { mean, std } => (unit - f64::from(mean)) / f64::from(std),
        }
    }

    /// The value of every byte, rounded once to f32.
    #[must_use]
    pub fn table_f32(self) -> [f32; 256] {
        std::array::from_fn(|pixel| self.value(pixel as u8) as f32)
    }

    /// The value of every byte, rounded once to binary16.
    #[must_use]
    pub fn table_f16(self) -> [half::f16; 256] {
        std::array::from_fn(|pixel| half::f16::from_f64(self.value(pixel as u8)))
    }

    /// The value of every byte, rounded once to bfloat16.
    #[must_use]
    pub fn table_bf16(self) -> [half::bf16; 256] {
        std::array::from_fn(|pixel| half::bf16::from_f64(self.value(pixel as u8)))
    }
}

impl fmt::Display for Normalization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit => f.write_str("unit"),
            Self::Standard { mean, std } => write!(f, "{mean},{std}"),
        }
    }
}

impl FromStr for Normalization {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "unit" {
            return Ok(Self::Unit);
        }
        let number = |text: &str| {
            let value = text.trim().parse::<f32>().ok();
            value.filter(|value| value.is_finite())
        };
        text.split_once(',')
            .and_then(|(mean, std)| Some((number(mean)?, number(std)?)))
            .filter(|&(mean, std)| std >= 1e-6 && mean.abs() <= 1e6)
            .map(|(mean, std)| Self::Standard { mean, std })
            .ok_or_else(|| {
                format!(
                    "normalization '{text}' is neither 'unit' nor 'mean,std' with std above 1e-6"
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in ["unit", "0.286,0.353"] {
            assert_eq!(text.parse::<Normalization>().unwrap().to_string(), text);
        }
        for text in ["", "0.5", "0.5,0", "NaN,1", "0.5,inf", "1,2,3"] {
            assert!(text.parse::<Normalization>().is_err(), "{text}");
        }
    }

    #[test]
    fn bfloat16_values_are_rounded_once() {
        let standard = Normalization::Standard {
            mean: 0.286,
            std: 0.353,
        };
        for normalization in [Normalization::Unit, standard] {
            for (pixel, value) in normalization.table_bf16().into_iter().enumerate() {
                let exact = normalization.value(pixel as u8);
                assert_eq!(f64::from(value), crate::reference::round_bf16(exact));
            }
        }
    }

    #[test]
    fn unit_is_the_quotient_of_f32() {
        for (pixel, value) in Normalization::Unit.table_f32().into_iter().enumerate() {
            assert_eq!(value, pixel as f32 / 255.0);
        }
    }
}
