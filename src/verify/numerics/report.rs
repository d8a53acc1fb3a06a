//! What was observed of an adapter's arithmetic: plain data, compared by name.

use std::collections::BTreeMap;

use serde::Serialize;

/// One thing that was seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Observed {
    /// Nothing: it does not apply, for the reason that [`NumericsReport::not_applicable`] has.
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
pub struct NumericsReport {
    /// What was seen, by name: every name of [`NAMES`].
    pub observations: BTreeMap<String, Observed>,
    /// Why what does not apply does not.
    pub not_applicable: BTreeMap<String, String>,
}

/// What is observed, in the order of the report, and what it means.
pub const NAMES: [(&str, &str); 32] = [
    ("f32_to_f16_pack2x16float", "rounding of pack2x16float"),
    (
        "f32_to_f16_conversion",
        "rounding of f16(x), as f16 arithmetic sees it",
    ),
    ("f32_to_f16_storage", "rounding of a vector stored as f16"),
    ("f32_to_f16_quantize", "rounding of quantizeToF16"),
    ("f16_round_trip", "whether f32(f16(x)) rounds"),
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
    ("addition", "rounding of sums of two f32"),
    ("multiplication", "rounding of products of two f32"),
    ("multiply_add", "whether a·b + c is rounded once or twice"),
    ("fma", "whether fma(a, b, c) is rounded once or twice"),
    ("division_ulps", "largest error of a / b, in ULP"),
    ("exp_ulps", "largest error of exp over −87 to 88, in ULP"),
    ("dot4i8packed", "sums of four int8 products"),
    ("infinity_overflow", "a product that overflows f32"),
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
const SHORT: [&str; 11] = [
    "f32_to_f16_pack2x16float",
    "f32_to_f16_conversion",
    "f16_subnormals_conversion",
    "f32_subnormals_product",
    "addition",
    "multiplication",
    "multiply_add",
    "division_ulps",
    "exp_ulps",
    "dot4i8packed",
    "timestamp_resolution_ns",
];

/// Every name with what it means, in the order of the report.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    NAMES.into_iter().chain(TIMESTAMP_NAMES)
}

/// A difference between two numerics reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// What was looked at.
    pub name: String,
    /// What was seen before; null where it did not apply, or was not looked at.
    pub before: Observed,
    /// What is seen now; null likewise.
    pub now: Observed,
}

impl NumericsReport {
    /// The few observations that results hang on most.
    #[must_use]
    pub fn short(mut self) -> BTreeMap<String, Observed> {
        self.observations
            .retain(|name, _| SHORT.contains(&name.as_str()));
        self.observations
    }

    /// The operations, of sums and products, that are not rounded to the nearest number of f32. The scales, quantized values
    /// and sums of int8 are exact only where they are.
    pub fn badly_rounded(&self) -> impl Iterator<Item = &'static str> {
        let nearest = Observed::Word("nearest-even".to_owned());
        let operations = [("addition", "sum"), ("multiplication", "product")].into_iter();
        operations.filter_map(move |(name, operation)| {
            let seen = self.observations.get(name)?;
            (*seen != Observed::Nothing && *seen != nearest).then_some(operation)
        })
    }

    /// What is seen otherwise than in `before`.
    #[must_use]
    pub fn differences(&self, before: &Self) -> Vec<Difference> {
        let get = |report: &Self, name: &str| {
            let seen = report.observations.get(name);
            seen.cloned().unwrap_or(Observed::Nothing)
        };
        let difference = |(name, _): (&str, &str)| {
            let (before, now) = (get(before, name), get(self, name));
            let name = name.to_owned();
            (before != now).then_some(Difference { name, before, now })
        };
        names().filter_map(difference).collect()
    }

    pub(super) fn word(&mut self, name: &str, word: &str) {
        let word = Observed::Word(word.to_owned());
        self.observations.insert(name.to_owned(), word);
    }

    /// A number, to a hundredth: what is left varies between two that do the same.
    pub(super) fn number(&mut self, name: &str, number: f64) {
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

    pub(super) fn flag(&mut self, name: &str, flag: bool) {
        self.observations
            .insert(name.to_owned(), Observed::Flag(flag));
    }

    pub(super) fn nothing(&mut self, name: &str, reason: &str) {
        self.observations.insert(name.to_owned(), Observed::Nothing);
        self.not_applicable
            .insert(name.to_owned(), reason.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(fma: &str, ulps: f64) -> NumericsReport {
        let mut report = NumericsReport::default();
        report.word("fma", fma);
        report.number("exp_ulps", ulps);
        report.flag("timestamp_monotonic", true);
        report.nothing("f16_round_trip", "no shader-f16");
        report
    }

    #[test]
    fn operations_that_are_not_rounded_to_nearest_are_reported() {
        let mut report = NumericsReport::default();
        assert_eq!(report.badly_rounded().next(), None);
        report.word("addition", "nearest-even");
        report.word("multiplication", "other");
        assert_eq!(report.badly_rounded().collect::<Vec<_>>(), ["product"]);
    }

    #[test]
    fn what_differs_is_named() {
        let now = report("fused", 1.5);
        assert_eq!(now.differences(&report("fused", 1.501)), []);
        let [fma, exp] = &now.differences(&report("separate", 2.0))[..] else {
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
        let lacking = NumericsReport::default().differences(&now);
        assert_eq!(lacking.len(), 3);
        assert_eq!(lacking[0].now, Observed::Nothing);
    }

    #[test]
    fn what_is_no_number_has_a_word() {
        let mut report = NumericsReport::default();
        report.number("exp_ulps", f64::NAN);
        report.number("division_ulps", f64::INFINITY);
        let seen = |name: &str| report.observations[name].to_string();
        assert_eq!(seen("exp_ulps"), "nan");
        assert_eq!(seen("division_ulps"), "infinity");
        assert_eq!(report.differences(&report.clone()), []);
    }
}
