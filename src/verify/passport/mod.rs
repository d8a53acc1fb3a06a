//! The numeric passport: what a driver, or a processor, really does where the language leaves it a choice.
//! Observed, never judged. Two of them are compared by name.

mod device;
mod earlier;
mod observe;
mod processor;

use std::collections::BTreeMap;

use serde::Serialize;

use super::as_problem;
use crate::engine::Engine;
use crate::error::Result;
pub use earlier::Earlier;

/// One thing that was seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Observed {
    /// Nothing: it does not apply, for the reason that [`Passport::not_applicable`] has.
    Nothing,
    /// Yes or no.
    Flag(bool),
    /// A number; what of is in its name: units in the last place, nanoseconds.
    Number(f64),
    /// A word.
    Word(String),
}

impl std::fmt::Display for Observed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.pad("–"),
            Self::Flag(true) => f.pad("yes"),
            Self::Flag(false) => f.pad("no"),
            Self::Number(number) => f.pad(&number.to_string()),
            Self::Word(word) => f.pad(word),
        }
    }
}

/// What an adapter does where it has a choice.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Passport {
    /// What was seen, by name: every name of [`NAMES`].
    pub observations: BTreeMap<String, Observed>,
    /// Why what does not apply does not.
    pub not_applicable: BTreeMap<String, String>,
}

/// What is looked at, in the order in which it is told, and what it means.
pub const NAMES: [(&str, &str); 30] = [
    ("f32_to_f16_pack2x16float", "rounding of pack2x16float"),
    (
        "f32_to_f16_conversion",
        "rounding of f16(x), as f16 arithmetic sees it",
    ),
    ("f32_to_f16_storage", "rounding of a vector stored as f16"),
    ("f32_to_f16_quantize", "rounding of quantizeToF16"),
    ("f16_round_trip", "whether f32(f16(x)) rounds at all"),
    ("f16_overflow_pack2x16float", "65520 and more, packed"),
    (
        "f16_overflow_conversion",
        "65520 and more, converted and stored",
    ),
    ("f16_overflow_quantize", "65520 and more, by quantizeToF16"),
    ("f16_subnormals_pack2x16float", "results below 2⁻¹⁴, packed"),
    (
        "f16_subnormals_unpack2x16float",
        "operands below 2⁻¹⁴, unpacked",
    ),
    (
        "f16_subnormals_conversion",
        "results below 2⁻¹⁴, converted and stored",
    ),
    (
        "f16_subnormals_quantize",
        "results below 2⁻¹⁴, by quantizeToF16",
    ),
    (
        "f16_subnormals_widened",
        "operands below 2⁻¹⁴, widened to f32",
    ),
    ("f16_subnormals_product", "products of f16 below 2⁻¹⁴"),
    ("f32_subnormals_product", "products of f32 below 2⁻¹²⁶"),
    ("f32_subnormals_operand", "operands below 2⁻¹²⁶ of a sum"),
    ("multiply_add", "whether a·b + c is rounded once or twice"),
    ("fma", "whether fma(a, b, c) is rounded once or twice"),
    ("division_ulps", "largest error of a / b, in ULP"),
    ("exp_ulps", "largest error of exp over −87 to 88, in ULP"),
    ("dot4i8packed", "sums of four int8 products"),
    ("infinity_overflow", "a product beyond f32"),
    ("infinity_division", "1 / 0"),
    ("infinity_exp", "exp(100)"),
    ("nan_difference", "∞ − ∞"),
    ("nan_product", "0 · ∞"),
    ("nan_maximum", "max(NaN, 1)"),
    ("nan_minimum", "min(NaN, 1)"),
    ("nan_equality", "NaN == NaN"),
    ("timestamp_monotonic", "timestamps never go back"),
];

/// What timestamps are besides, where there are any.
pub const TIMESTAMP_NAMES: [(&str, &str); 2] = [
    ("timestamp_period_ns", "nanoseconds of a tick"),
    (
        "timestamp_resolution_ns",
        "nanoseconds that times are multiples of",
    ),
];

/// What a result file has of it.
const SHORT: [&str; 9] = [
    "f32_to_f16_pack2x16float",
    "f32_to_f16_conversion",
    "f16_subnormals_conversion",
    "f32_subnormals_product",
    "multiply_add",
    "division_ulps",
    "exp_ulps",
    "dot4i8packed",
    "timestamp_resolution_ns",
];

/// Every name with what it means, in the order in which it is told.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    NAMES.into_iter().chain(TIMESTAMP_NAMES)
}

/// A difference between two passports.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// What was looked at.
    pub name: String,
    /// What was seen before; null where it did not apply, or was not looked at.
    pub before: Observed,
    /// What is seen now; null likewise.
    pub now: Observed,
}

impl Passport {
    /// Looks at an engine's adapter, or at its processor where it has none.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn of(engine: &Engine) -> Result<Self> {
        let mut passport = Self::default();
        match engine.device() {
            Some(device) => {
                let _pause = device.without_faults();
                let observed = device::observe(device, &mut passport).await;
                // What a driver does not take is no failure here, but something that was not seen.
                if let Err(problem) = as_problem(observed)? {
                    for (name, _) in names() {
                        if !passport.observations.contains_key(name) {
                            passport.nothing(name, &problem);
                        }
                    }
                }
            }
            None => processor::observe(engine.processor(), &mut passport),
        }
        Ok(passport)
    }

    /// The few observations that results hang on most.
    #[must_use]
    pub fn short(mut self) -> BTreeMap<String, Observed> {
        self.observations
            .retain(|name, _| SHORT.contains(&name.as_str()));
        self.observations
    }

    /// What is seen otherwise than in `before`.
    #[must_use]
    pub fn differences(&self, before: &Self) -> Vec<Difference> {
        let get = |passport: &Self, name: &str| {
            let seen = passport.observations.get(name);
            seen.cloned().unwrap_or(Observed::Nothing)
        };
        let difference = |(name, _): (&str, &str)| {
            let (before, now) = (get(before, name), get(self, name));
            let name = name.to_owned();
            (before != now).then_some(Difference { name, before, now })
        };
        names().filter_map(difference).collect()
    }

    fn word(&mut self, name: &str, word: &str) {
        let word = Observed::Word(word.to_owned());
        self.observations.insert(name.to_owned(), word);
    }

    /// A number, to a hundredth: what is left varies between two that do the same.
    fn number(&mut self, name: &str, number: f64) {
        let rounded = (100.0 * number).round() / 100.0;
        // JSON has no number for these, so that they would differ from themselves when they are read again.
        match (rounded.is_finite(), rounded.is_nan()) {
            (true, _) => {
                let number = Observed::Number(rounded);
                self.observations.insert(name.to_owned(), number);
            }
            (false, true) => self.word(name, "nan"),
            (false, false) => self.word(name, "infinity"),
        }
    }

    fn flag(&mut self, name: &str, flag: bool) {
        self.observations
            .insert(name.to_owned(), Observed::Flag(flag));
    }

    fn nothing(&mut self, name: &str, reason: &str) {
        self.observations.insert(name.to_owned(), Observed::Nothing);
        self.not_applicable
            .insert(name.to_owned(), reason.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passport(fma: &str, ulps: f64) -> Passport {
        let mut passport = Passport::default();
        passport.word("fma", fma);
        passport.number("exp_ulps", ulps);
        passport.flag("timestamp_monotonic", true);
        passport.nothing("f16_round_trip", "no shader-f16");
        passport
    }

    #[test]
    fn what_differs_is_named() {
        let now = passport("fused", 1.5);
        assert_eq!(now.differences(&passport("fused", 1.501)), []);
        let [fma, exp] = &now.differences(&passport("separate", 2.0))[..] else {
            panic!("two differ");
        };
        assert_eq!(
            (&*fma.name, &fma.before, &fma.now),
            (
                "fma",
                &Observed::Word("separate".into()),
                &Observed::Word("fused".into())
            )
        );
        assert_eq!(
            (&*exp.name, &exp.before),
            ("exp_ulps", &Observed::Number(2.0))
        );
        let lacking = Passport::default().differences(&now);
        assert_eq!(lacking.len(), 3);
        assert_eq!(lacking[0].now, Observed::Nothing);
    }

    #[test]
    fn what_is_no_number_has_a_word() {
        let mut passport = Passport::default();
        passport.number("exp_ulps", f64::NAN);
        passport.number("division_ulps", f64::INFINITY);
        let seen = |name: &str| passport.observations[name].to_string();
        assert_eq!(seen("exp_ulps"), "nan");
        assert_eq!(seen("division_ulps"), "infinity");
        assert_eq!(passport.differences(&passport.clone()), []);
    }
}
