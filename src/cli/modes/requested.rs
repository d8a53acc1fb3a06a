//! Which modes the options request for a network.

use std::str::FromStr;

use fmnist_gpu::error::UsageError;
use fmnist_gpu::quantize::Source;
use fmnist_gpu::{Error, Mode, Precision, Result, Scheme, WeightScales};

/// A list, or everything that there is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Several<T> {
    /// In the order given, each once.
    pub(super) list: Vec<T>,
    /// Whether they were named one by one.
    pub(super) named: bool,
}

/// Values that an option takes as a list, or as one word for several.
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

/// What the options request.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestedModes {
    pub(super) precisions: Option<Several<Precision>>,
    pub(super) schemes: Option<Several<Scheme>>,
    pub(super) weights: Option<Several<WeightScales>>,
    /// Empty where they were not given.
    pub(super) layers: Vec<Precision>,
    /// The precisions if the options name none.
    pub(super) default: Vec<Precision>,
    /// The scheme if neither options nor model name one; none for the default.
    pub(super) default_scheme: Option<Scheme>,
}

/// A network, as far as modes depend on it.
pub(super) struct ModeContext<'a> {
    pub(super) name: &'a str,
    pub(super) layers: usize,
    /// The mode that it asks for in its file.
    pub(super) own: Option<Mode>,
    /// Whether it runs in that mode only.
    pub(super) fixed: bool,
}

impl<'a> ModeContext<'a> {
    pub(super) fn new(name: &'a str, model: &Source) -> Self {
        Self {
            name,
            layers: model.architecture().layers.len(),
            own: model.mode(),
            fixed: model.model().is_none(),
        }
    }

    /// The precisions of its layers, if the file names one for each.
    fn own_layers(&self) -> &[Precision] {
        self.own.as_ref().map_or(&[], |own| &own.layers)
    }

    /// The scheme that the file names, and its weight scales if the scheme has a choice of them.
    fn own_int8(&self) -> Option<(Scheme, Option<WeightScales>)> {
        let own = self.own.as_ref()?;
        let scheme = own.scheme?;
        Some((
            scheme,
            own.weights.filter(|_| scheme != Scheme::DynamicTensor),
        ))
    }
}

impl RequestedModes {
    /// The modes, in the order of the precisions, each once.
    pub(super) fn modes(&self, subject: &ModeContext<'_>) -> Result<Vec<Mode>> {
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

    /// Fails if no mode uses an option that was given.
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

    /// The requested schemes; otherwise the model's own; otherwise the command's; otherwise the default, which needs no
    /// calibration.
    fn schemes(&self, own: Option<Scheme>) -> Vec<Scheme> {
        match &self.schemes {
            Some(requested) => requested.list.clone(),
            None => vec![own.or(self.default_scheme).unwrap_or_default()],
        }
    }

    /// The precisions. `mixed` is one of them if the options give a precision for each layer, or if the model does and
    /// the options name no precision.
    fn precisions(&self, has_layers: bool) -> Vec<Precision> {
        let named = self
            .precisions
            .as_ref()
            .is_some_and(|requested| requested.named);
        let requested = self
            .precisions
            .as_ref()
            .map(|requested| requested.list.clone());
        let mut precisions = requested.unwrap_or_else(|| self.default.clone());
        let wanted = !self.layers.is_empty() || (has_layers && !named);
        if wanted && !precisions.contains(&Precision::Mixed) {
            precisions.push(Precision::Mixed);
        }
        precisions
    }

    fn int8(&self, subject: &ModeContext<'_>) -> Result<Vec<Mode>> {
        // The scheme of a mixed network's int8 layers does not hold for the whole network in int8.
        let whole = (subject.own.as_ref()).is_some_and(|own| own.precision == Precision::Int8);
        let own = subject.own_int8().filter(|_| whole);
        let schemes = self.schemes(own.map(|(scheme, _)| scheme));
        let only_channel = |requested: &Several<_>| !requested.list.contains(&WeightScales::Tensor);
        if schemes == [Scheme::DynamicTensor] && self.weights.as_ref().is_some_and(only_channel) {
            return Err(Error::Usage(UsageError::OptionUnused {
                option: "--weights channel".to_owned(),
                used_for: "the schemes dynamic-row and static (dynamic-tensor has one scale for each weight matrix)"
                    .to_owned(),
                remedy: "add --scheme dynamic-row or static".to_owned(),
            }));
        }
        let of_scheme = |&scheme: &Scheme| {
            let weights = self.weights(scheme, own.and_then(|(_, weights)| weights));
            weights
                .into_iter()
                .map(move |weights| Mode::int8(scheme, weights))
        };
        Ok(schemes.iter().flat_map(of_scheme).collect())
    }

    fn mixed(&self, layers: &[Precision], subject: &ModeContext<'_>) -> Result<Vec<Mode>> {
        if layers.is_empty() {
            return Err(Error::Usage(UsageError::LayerPrecisionsMissing {
                model: subject.name.to_owned(),
                layers: subject.layers,
            }));
        }
        let own = subject.own_int8();
        let mut schemes = self.schemes(own.map(|(scheme, _)| scheme));
        if schemes.len() > 1 {
            // The scheme dynamic-tensor needs the same precision in all layers only. As the only scheme it is an error.
            schemes.retain(|&scheme| scheme != Scheme::DynamicTensor);
        }
        let mut modes = Vec::new();
        for scheme in schemes {
            for weights in self.weights(scheme, own.and_then(|(_, weights)| weights)) {
                modes.push(Mode::mixed(layers.to_vec(), scheme, weights)?);
            }
        }
        Ok(modes)
    }

    /// How many scales the weights have in a scheme; `own` are the model's.
    fn weights(&self, scheme: Scheme, own: Option<WeightScales>) -> Vec<WeightScales> {
        let every_scheme = self
            .schemes
            .as_ref()
            .is_some_and(|requested| !requested.named);
        match (scheme, &self.weights, own) {
            (Scheme::DynamicTensor, ..) => vec![WeightScales::Tensor],
            (_, Some(requested), _) => requested.list.clone(),
            (_, None, _) if every_scheme => vec![WeightScales::Channel, WeightScales::Tensor],
            (_, None, own) => vec![own.unwrap_or(WeightScales::Channel)],
        }
    }

    /// The one mode of a quantized file, unless the options request another.
    fn only(&self, own: &Mode, name: &str) -> Result<Vec<Mode>> {
        fn other<T: PartialEq>(requested: &Option<Several<T>>, own: Option<&T>) -> bool {
            let named = requested.as_ref().filter(|requested| requested.named);
            named.is_some_and(|requested| requested.list.iter().any(|one| Some(one) != own))
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
