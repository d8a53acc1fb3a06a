//! Which assignments of precisions to layers there are, and in which order they are worth trying.

use crate::mode::Mode;
use crate::scheme::{Scheme, WeightScales};
use crate::{Precision, Result};

/// What a layer can be: a precision, and for int8 how its input is quantized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerChoice {
    /// The precision.
    pub precision: Precision,
    /// Of int8.
    pub scheme: Option<Scheme>,
}

impl LayerChoice {
    /// f32, with which all others are compared.
    pub const F32: Self = Self::of(Precision::F32, None);

    /// The others.
    #[must_use]
    pub fn low() -> Vec<Self> {
        let of = |precision| match precision {
            Precision::F32 => vec![],
            Precision::Int8 => [Scheme::DynamicRow, Scheme::Static]
                .map(|scheme| Self::of(precision, Some(scheme)))
                .to_vec(),
            _ => vec![Self::of(precision, None)],
        };
        Precision::EVERY.into_iter().flat_map(of).collect()
    }

    const fn of(precision: Precision, scheme: Option<Scheme>) -> Self {
        Self { precision, scheme }
    }

    /// `int8 static`
    #[must_use]
    pub fn name(self) -> String {
        match self.scheme {
            Some(scheme) if scheme != Scheme::default() => format!("{} {scheme}", self.precision),
            _ => self.precision.to_string(),
        }
    }
}

/// The mode of an assignment; none where its int8 layers are of different schemes, which no mode has.
pub(super) fn mode(choices: &[LayerChoice]) -> Result<Option<Mode>> {
    let mut schemes = choices.iter().filter_map(|choice| choice.scheme);
    let scheme = schemes.next();
    if schemes.any(|other| Some(other) != scheme) {
        return Ok(None);
    }
    let scheme = scheme.unwrap_or(Scheme::DynamicRow);
    let uniform = choices.iter().all(|choice| *choice == choices[0]);
    let mode = match (uniform, choices[0].precision) {
        (true, Precision::Int8) => Mode::int8(scheme, WeightScales::Channel),
        (true, precision) => Mode::from(precision),
        (false, _) => {
            let layers = choices.iter().map(|choice| choice.precision).collect();
            Mode::mixed(layers, scheme, WeightScales::Channel)?
        }
    };
    Ok(Some(mode))
}

/// The uniform modes that a search compares: every choice in all layers, and for int8 also with one scale for each
/// weight matrix. Layers that differ have a scale for each output always.
pub(super) fn uniform(choices: &[LayerChoice]) -> Vec<Mode> {
    let mut modes = Vec::new();
    for choice in choices {
        match choice.scheme {
            Some(scheme) => {
                let of = |weights| Mode::int8(scheme, weights);
                modes.extend([WeightScales::Channel, WeightScales::Tensor].map(of));
            }
            None => modes.push(Mode::from(choice.precision)),
        }
    }
    modes
}

/// What a single layer costs and gains in a choice, against f32 throughout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Effect {
    /// Mean square error of the outputs.
    pub error: f64,
    /// Time over f32's, less 1.
    pub time: f64,
    /// Bytes of parameters less f32's.
    pub bytes: f64,
}

/// The effects of every choice in every layer, `[layers][choices]`; f32 has none.
pub(super) struct Effects {
    pub choices: Vec<LayerChoice>,
    pub of: Vec<Vec<Effect>>,
}

/// More assignments than this are not listed one by one.
const MOST: usize = 4096;

/// An assignment, and what its layers' effects add up to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Predicted {
    pub choices: Vec<LayerChoice>,
    pub effect: Effect,
}

impl Effects {
    /// Every assignment that mixes, or where there are too many, those of two choices that the layers take
    /// in the order of their sensitivity.
    pub fn assignments(&self) -> Vec<Predicted> {
        let layers = self.of.len();
        let count = u32::try_from(layers).ok();
        let count = count.and_then(|layers| self.choices.len().checked_pow(layers));
        let picks = match count.filter(|&count| count <= MOST) {
            Some(count) => (0..count).map(|number| self.digits(number)).collect(),
            None => self.chains(),
        };
        let mut all: Vec<Predicted> = Vec::new();
        for picks in picks {
            let choices: Vec<LayerChoice> = picks.iter().map(|&pick| self.choices[pick]).collect();
            let mixes = choices.iter().any(|choice| *choice != choices[0]);
            if mixes && matches!(mode(&choices), Ok(Some(_))) {
                let effect = self.sum(&picks);
                all.push(Predicted { choices, effect });
            }
        }
        all
    }

    /// The digits of a number to the base of the choices, one for each layer.
    fn digits(&self, mut number: usize) -> Vec<usize> {
        let digit = |_| {
            let digit = number % self.choices.len();
            number /= self.choices.len();
            digit
        };
        (0..self.of.len()).map(digit).collect()
    }

    /// For each pair of choices, the least sensitive 1, 2, … layers in the second, the others in the first.
    fn chains(&self) -> Vec<Vec<usize>> {
        let mut picks = Vec::new();
        for first in 0..self.choices.len() {
            for second in (0..self.choices.len()).filter(|&second| second != first) {
                let mut order: Vec<usize> = (0..self.of.len()).collect();
                let gain =
                    |layer: usize| self.of[layer][second].error - self.of[layer][first].error;
                order.sort_by(|&a, &b| gain(a).total_cmp(&gain(b)));
                for taken in 1..order.len() {
                    let mut pick = vec![first; self.of.len()];
                    order[..taken]
                        .iter()
                        .for_each(|&layer| pick[layer] = second);
                    picks.push(pick);
                }
            }
        }
        picks
    }

    fn sum(&self, picks: &[usize]) -> Effect {
        let none = Effect {
            error: 0.0,
            time: 0.0,
            bytes: 0.0,
        };
        let add = |sum: Effect, (of, &pick): (&Vec<Effect>, &usize)| Effect {
            error: sum.error + of[pick].error,
            time: sum.time + of[pick].time,
            bytes: sum.bytes + of[pick].bytes,
        };
        self.of.iter().zip(picks).fold(none, add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effects(layers: usize, choices: &[LayerChoice]) -> Effects {
        let effect = |layer: usize, choice: usize| Effect {
            error: (layer * choice) as f64,
            time: -0.1 * choice as f64,
            bytes: -10.0 * choice as f64,
        };
        let of = |layer| {
            (0..choices.len())
                .map(|choice| effect(layer, choice))
                .collect()
        };
        Effects {
            choices: choices.to_vec(),
            of: (0..layers).map(of).collect(),
        }
    }

    fn all() -> Vec<LayerChoice> {
        [[LayerChoice::F32].as_slice(), &LayerChoice::low()].concat()
    }

    #[test]
    fn every_assignment_of_a_small_network_is_listed_once() {
        let listed = effects(2, &all()).assignments();
        // All less the uniform ones, less int8 of both schemes in either order.
        let count = all().len();
        let expected = count * count - count - 2;
        assert_eq!(listed.len(), expected);
        let mut names: Vec<String> = listed
            .iter()
            .map(|one| mode(&one.choices).unwrap().unwrap().to_string())
            .collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), expected);
    }

    #[test]
    fn every_uniform_mode_that_a_file_can_have_is_compared() {
        let names: Vec<String> = uniform(&all()).iter().map(ToString::to_string).collect();
        let int8 = [
            "int8",
            "int8, weights by tensor",
            "int8 static",
            "int8 static, weights by tensor",
        ];
        let of = |precision| match precision {
            Precision::Int8 => int8.map(str::to_owned).to_vec(),
            precision => vec![precision.name().to_owned()],
        };
        let expected: Vec<String> = Precision::EVERY.into_iter().flat_map(of).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn effects_add_up() {
        let f16 = LayerChoice::of(Precision::F16, None);
        let int8 = LayerChoice::of(Precision::Int8, Some(Scheme::Static));
        let listed = effects(3, &[LayerChoice::F32, f16, int8]).assignments();
        let one = listed
            .iter()
            .find(|one| one.choices == [f16, LayerChoice::F32, int8]);
        let effect = one.unwrap().effect;
        assert_eq!((effect.error, effect.bytes), (4.0, -30.0));
        assert!((effect.time + 0.3).abs() <= 1e-12);
    }

    #[test]
    fn a_deep_network_has_chains_in_the_order_of_sensitivity() {
        let listed = effects(40, &all()).assignments();
        assert!(listed.len() < MOST, "{}", listed.len());
        let int4 = LayerChoice::of(Precision::Int4, None);
        let f32 = LayerChoice::F32;
        let half = listed
            .iter()
            .find(|one| one.choices[..20] == [int4; 20] && one.choices[20..] == [f32; 20]);
        assert!(half.is_some(), "the least sensitive layers are the first");
    }

    #[test]
    fn a_mode_is_uniform_mixed_or_none() {
        let int8 = |scheme| LayerChoice::of(Precision::Int8, Some(scheme));
        let [row, calibrated] = [Scheme::DynamicRow, Scheme::Static].map(int8);
        let name = |choices: &[LayerChoice]| mode(choices).unwrap().map(|mode| mode.to_string());
        assert_eq!(name(&[calibrated; 2]).unwrap(), "int8 static");
        assert_eq!(name(&[LayerChoice::F32; 2]).unwrap(), "f32");
        assert_eq!(name(&[row, LayerChoice::F32]).unwrap(), "int8,f32");
        assert_eq!(name(&[row, calibrated]), None);
    }
}
