//! What options for modes come to for a network.

use std::str::FromStr;

use fmnist_gpu::deploy::Source;
use fmnist_gpu::error::UsageError;
use fmnist_gpu::{Error, Mode, Precision, Result, Scheme, WeightScales};

/// A list, or everything that there is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Several<T> {
    /// In the order given, each once.
    pub(super) list: Vec<T>,
    /// Whether they were named one by one.
    pub(super) named: bool,
}

/// What can be asked for by a list, or by a word for several.
pub(super) trait Listed: FromStr<Err = Error> + Copy + PartialEq + 'static {
    /// The words for several.
    const WORDS: &'static [(&'static str, &'static [Self])];
}

impl Listed for Precision {
    const WORDS: &'static [(&'static str, &'static [Self])] =
        &[("all", &Self::ALL), ("every", &Self::EVERY)];
}

impl Listed for Scheme {
    const WORDS: &'static [(&'static str, &'static [Self])] = &[("all", &Self::ALL)];
}

impl Listed for WeightScales {
    const WORDS: &'static [(&'static str, &'static [Self])] =
        &[("all", &[Self::Channel, Self::Tensor])];
}

impl<T: Listed> FromStr for Several<T> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = |(word, _): &&(&str, _)| text.eq_ignore_ascii_case(word);
        if let Some((_, all)) = T::WORDS.iter().find(named) {
            return Ok(Self {
                list: all.to_vec(),
                named: false,
            });
        }
        let mut list = Vec::new();
        for name in text.split(',') {
            let words: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
            let more = || format!("a list of them, or {}", words.join(", or "));
            let one = name.trim().parse();
            let one = one.map_err(|error: Error| error.also_accepted(more()))?;
            if !list.contains(&one) {
                list.push(one);
            }
        }
        Ok(Self { list, named: true })
    }
}

/// What the options ask for.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) precisions: Option<Several<Precision>>,
    pub(super) schemes: Option<Several<Scheme>>,
    pub(super) weights: Option<Several<WeightScales>>,
    /// Empty where they were not given.
    pub(super) layers: Vec<Precision>,
    /// What the first is where it was not given.
    pub(super) default: Vec<Precision>,
    /// What the scheme is where neither options nor model say one; none for the command's usual ones.
    pub(super) default_scheme: Option<Scheme>,
}

/// A network, as far as modes depend on it.
pub(super) struct Subject<'a> {
    pub(super) name: &'a str,
    pub(super) layers: usize,
    /// What it is run as unless told otherwise.
    pub(super) own: Option<Mode>,
    /// Whether it runs as nothing else.
    pub(super) fixed: bool,
}

impl<'a> Subject<'a> {
    pub(super) fn new(name: &'a str, model: &Source) -> Self {
        Self {
            name,
            layers: model.architecture().layers.len(),
            own: model.mode(),
            fixed: model.model().is_none(),
        }
    }

    /// The precisions of its layers, where the model itself says how they differ.
    fn own_layers(&self) -> &[Precision] {
        self.own.as_ref().map_or(&[], |own| &own.layers)
    }

    /// Scheme and weight scales that the model itself says. The reference scheme says nothing: it is what
    /// int8 is anyway, and has no choice of scales.
    fn own_int8(&self) -> Option<(Scheme, WeightScales)> {
        let own = self.own.as_ref()?;
        let scheme = own.scheme.filter(|&one| one != Scheme::DynamicTensor)?;
        Some((scheme, own.weights.unwrap_or(WeightScales::Channel)))
    }
}

impl Asked {
    /// The modes, in the order of the precisions, each once.
    pub(super) fn modes(&self, subject: &Subject<'_>) -> Result<Vec<Mode>> {
        if let (Some(own), true) = (&subject.own, subject.fixed) {
            return self.only(own, subject.name);
        }
        let layers = match self.layers.as_slice() {
            [] => subject.own_layers(),
            given => given,
        };
        if !layers.is_empty() && layers.len() != subject.layers {
            return Err(Error::Usage(UsageError::LayerCountMismatch {
                model: subject.name.to_owned(),
                layers: subject.layers,
                given: layers.len(),
            }));
        }
        let mut modes = Vec::new();
        for precision in self.precisions(!layers.is_empty()) {
            match precision {
                Precision::Int8 => modes.extend(self.int8(subject)?),
                Precision::Mixed => modes.extend(self.mixed(layers, subject)?),
                precision => modes.push(precision.into()),
            }
        }
        let mut once: Vec<Mode> = Vec::new();
        for mode in modes {
            if !once.contains(&mode) {
                once.push(mode);
            }
        }
        self.check_use(&once)?;
        Ok(once)
    }

    /// What none of the modes uses was given by mistake.
    fn check_use(&self, modes: &[Mode]) -> Result<()> {
        if modes.iter().any(|mode| mode.scheme.is_some()) {
            return Ok(());
        }
        let option = match (&self.schemes, &self.weights) {
            (Some(_), _) => "--scheme",
            (None, Some(_)) => "--weights",
            (None, None) => return Ok(()),
        };
        let remedy = match self.layers.as_slice() {
            [] => "add --precision int8".to_owned(),
            _ => format!("use int8 in --layer-precision, or drop {option}"),
        };
        Err(Error::Usage(UsageError::OptionUnused {
            option: option.to_owned(),
            used_for: "int8".to_owned(),
            remedy,
        }))
    }

    /// The schemes that are asked for, else the model's own, else the command's.
    fn schemes(&self, own: Option<Scheme>, otherwise: Scheme) -> Vec<Scheme> {
        match &self.schemes {
            Some(asked) => asked.list.clone(),
            None => vec![own.or(self.default_scheme).unwrap_or(otherwise)],
        }
    }

    /// The precisions; `mixed` is one of them where the precision of each layer is given, unless the
    /// model gives it and others were asked for by name.
    fn precisions(&self, has_layers: bool) -> Vec<Precision> {
        let named = self.precisions.as_ref().is_some_and(|asked| asked.named);
        let asked = self.precisions.as_ref().map(|asked| asked.list.clone());
        let mut precisions = asked.unwrap_or_else(|| self.default.clone());
        let wanted = !self.layers.is_empty() || (has_layers && !named);
        if wanted && !precisions.contains(&Precision::Mixed) {
            precisions.push(Precision::Mixed);
        }
        precisions
    }

    fn int8(&self, subject: &Subject<'_>) -> Result<Vec<Mode>> {
        // What the layers of a mixed network are says nothing of one that is int8 as a whole.
        let whole = (subject.own.as_ref()).is_some_and(|own| own.precision == Precision::Int8);
        let own = subject.own_int8().filter(|_| whole);
        let schemes = self.schemes(own.map(|(scheme, _)| scheme), Scheme::DynamicTensor);
        let only_channel = |asked: &Several<_>| !asked.list.contains(&WeightScales::Tensor);
        if schemes == [Scheme::DynamicTensor] && self.weights.as_ref().is_some_and(only_channel) {
            return Err(Error::Usage(UsageError::OptionUnused {
                option: "--weights channel".to_owned(),
                used_for: "the schemes dynamic-row and static (dynamic-tensor has one scale for each weight matrix)"
                    .to_owned(),
                remedy: "add --scheme dynamic-row or static".to_owned(),
            }));
        }
        let of_scheme = |&scheme: &Scheme| {
            let weights = self.weights(scheme, own.map(|(_, weights)| weights));
            weights
                .into_iter()
                .map(move |weights| Mode::int8(scheme, weights))
        };
        Ok(schemes.iter().flat_map(of_scheme).collect())
    }

    fn mixed(&self, layers: &[Precision], subject: &Subject<'_>) -> Result<Vec<Mode>> {
        if layers.is_empty() {
            return Err(Error::Usage(UsageError::LayerPrecisionsMissing {
                model: subject.name.to_owned(),
                layers: subject.layers,
            }));
        }
        let own = subject.own_int8();
        // By row it needs no calibration.
        let mut schemes = self.schemes(own.map(|(scheme, _)| scheme), Scheme::DynamicRow);
        if schemes.len() > 1 {
            // It is told for whole networks only; alone it is an error.
            schemes.retain(|&scheme| scheme != Scheme::DynamicTensor);
        }
        let mut modes = Vec::new();
        for scheme in schemes {
            for weights in self.weights(scheme, own.map(|(_, weights)| weights)) {
                modes.push(Mode::mixed(layers.to_vec(), scheme, weights)?);
            }
        }
        Ok(modes)
    }

    /// How many scales the weights have in a scheme; `own` are the model's.
    fn weights(&self, scheme: Scheme, own: Option<WeightScales>) -> Vec<WeightScales> {
        let every_scheme = self.schemes.as_ref().is_some_and(|asked| !asked.named);
        match (scheme, &self.weights, own) {
            (Scheme::DynamicTensor, ..) => vec![WeightScales::Tensor],
            (_, Some(asked), _) => asked.list.clone(),
            (_, None, _) if every_scheme => vec![WeightScales::Channel, WeightScales::Tensor],
            (_, None, own) => vec![own.unwrap_or(WeightScales::Channel)],
        }
    }

    /// The one mode of a quantized file, where that is asked for.
    fn only(&self, own: &Mode, name: &str) -> Result<Vec<Mode>> {
        fn other<T: PartialEq>(asked: &Option<Several<T>>, own: Option<&T>) -> bool {
            let named = asked.as_ref().filter(|asked| asked.named);
            named.is_some_and(|asked| asked.list.iter().any(|one| Some(one) != own))
        }
        let layers = !self.layers.is_empty() && self.layers != own.layers;
        if layers
            || other(&self.precisions, Some(&own.precision))
            || other(&self.schemes, own.scheme.as_ref())
            || other(&self.weights, own.weights.as_ref())
        {
            return Err(Error::Usage(UsageError::AlreadyQuantized {
                model: name.to_owned(),
                mode: own.to_string(),
            }));
        }
        Ok(vec![own.clone()])
    }
}

#[cfg(test)]
mod tests;
