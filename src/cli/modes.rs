//! What models are run as: the options that say so, and what they come to for a model.

use std::str::FromStr;

use clap::Args;
use fmnist_gpu::deploy::Source;
use fmnist_gpu::{Error, Mode, Precision, Result, Scheme, WeightScales};

/// What a command runs a model as, perhaps in several ways.
#[derive(Debug, Args)]
pub struct ModesOptions {
    /// f32, f16, bf16, int8, int4, mixed, a list of them, all (f32, f16 and int8) or every (with bf16 and
    /// int4) [default: all; of a quantized file its own]
    #[arg(long, value_name = "LIST")]
    precision: Option<Several<Precision>>,

    /// How int8 is quantized: dynamic-tensor, dynamic-row, static, a list of them, or all [default:
    /// dynamic-tensor; dynamic-row where layers differ]
    #[arg(long, value_name = "LIST")]
    scheme: Option<Several<Scheme>>,

    /// Scales of an int8 weight matrix: tensor (one), channel (one for each output) or all [default:
    /// channel, and with '--scheme all' both; dynamic-tensor has tensor alone]
    #[arg(long, value_name = "LIST")]
    weights: Option<Several<WeightScales>>,

    #[command(flatten)]
    layers: LayerOptions,
}

/// What a command runs a model as.
#[derive(Debug, Args)]
pub struct ModeOptions {
    /// f32, f16, bf16, int8, int4 or mixed [default: the precision stored in the model, else f32]
    #[arg(long, value_name = "P")]
    precision: Option<Precision>,

    /// How int8 is quantized: dynamic-tensor, dynamic-row or static [default: dynamic-tensor; dynamic-row
    /// where layers differ]
    #[arg(long, value_name = "S")]
    scheme: Option<Scheme>,

    /// Scales of an int8 weight matrix: tensor (one) or channel (one for each output) [default: channel;
    /// dynamic-tensor has tensor alone]
    #[arg(long, value_name = "W")]
    weights: Option<WeightScales>,

    #[command(flatten)]
    layers: LayerOptions,
}

/// The precision of each layer.
#[derive(Debug, Args)]
struct LayerOptions {
    /// The precision of each layer, first to last, for example f16,int8: the network is run as 'mixed'
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    layer_precision: Vec<Precision>,
}

/// A list, or everything that there is.
#[derive(Clone, Debug, PartialEq)]
struct Several<T> {
    /// In the order given, each once.
    list: Vec<T>,
    /// Whether they were named one by one.
    named: bool,
}

/// What can be asked for by a list, or by a word for several.
trait Listed: FromStr<Err = Error> + Copy + PartialEq + 'static {
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
            let words = words.join(" or ");
            let one = name.trim().parse().map_err(|error: Error| {
                Error::Usage(format!("{error}, a list of them, or {words}"))
            })?;
            if !list.contains(&one) {
                list.push(one);
            }
        }
        Ok(Self { list, named: true })
    }
}

/// What the options ask for.
#[derive(Clone, Debug, Default)]
struct Asked {
    precisions: Option<Several<Precision>>,
    schemes: Option<Several<Scheme>>,
    weights: Option<Several<WeightScales>>,
    /// Empty where they were not given.
    layers: Vec<Precision>,
    /// What the first is where it was not given.
    default: Vec<Precision>,
}

/// A network, as far as modes depend on it.
struct Subject<'a> {
    name: &'a str,
    layers: usize,
    /// What it is run as unless told otherwise.
    own: Option<Mode>,
    /// Whether it runs as nothing else.
    fixed: bool,
}

impl ModesOptions {
    /// The modes to run `model` in.
    ///
    /// # Errors
    /// `Error::Usage` where the options contradict one another, or the model.
    pub fn modes(&self, model: &Source) -> Result<Vec<Mode>> {
        let name = model.path().display().to_string();
        self.asked().modes(&Subject::new(&name, model))
    }

    /// The modes to speak of for a network of `layers` layers that is called `name` and has, perhaps, a
    /// mode of its own.
    ///
    /// # Errors
    /// `Error::Usage` where the options contradict one another, or the network.
    pub fn modes_of_shape(
        &self,
        name: &str,
        layers: usize,
        own: Option<Mode>,
    ) -> Result<Vec<Mode>> {
        let fixed = false;
        let subject = Subject {
            name,
            layers,
            own,
            fixed,
        };
        self.asked().modes(&subject)
    }

    /// Whether they were named one by one.
    pub fn named(&self) -> bool {
        self.precision.as_ref().is_some_and(|several| several.named)
    }

    fn asked(&self) -> Asked {
        Asked {
            precisions: self.precision.clone(),
            schemes: self.scheme.clone(),
            weights: self.weights.clone(),
            layers: self.layers.layer_precision.clone(),
            default: Precision::ALL.to_vec(),
        }
    }
}

impl ModeOptions {
    /// The mode to run `model` in.
    ///
    /// # Errors
    /// `Error::Usage` where the options contradict one another, or the model.
    pub fn mode(&self, model: &Source) -> Result<Mode> {
        let own = model.mode().unwrap_or(Precision::F32.into());
        self.mode_or(model, own.precision, None)
    }

    /// The mode to write `model` in: where nothing else is said, int8 by the scheme static.
    ///
    /// # Errors
    /// `Error::Usage` where the options contradict one another, or the model.
    pub fn quantized_mode(&self, model: &Source) -> Result<Mode> {
        let own = model.mode().filter(|mode| !mode.is_core());
        let scheme = own.as_ref().and_then(|own| own.scheme);
        let precision = own.map_or(Precision::Int8, |own| own.precision);
        self.mode_or(model, precision, Some(scheme.unwrap_or(Scheme::Static)))
    }

    /// The mode, of the precision and the scheme that are given here where the options do not say.
    fn mode_or(
        &self,
        model: &Source,
        precision: Precision,
        scheme: Option<Scheme>,
    ) -> Result<Mode> {
        fn one<T>(one: T) -> Several<T> {
            Several {
                list: vec![one],
                named: true,
            }
        }
        let layers = self.layers.layer_precision.clone();
        let asked_precision = match (self.precision, layers.is_empty()) {
            (Some(precision), false) if precision != Precision::Mixed => {
                return Err(Error::Usage(format!(
                    "--layer-precision is for --precision mixed, not {precision}"
                )));
            }
            (None, false) => Some(Precision::Mixed),
            (precision, _) => precision,
        };
        let asked = Asked {
            precisions: asked_precision.map(one),
            schemes: self.scheme.or(scheme).map(one),
            weights: self.weights.map(one),
            layers,
            default: vec![precision],
        };
        let name = model.path().display().to_string();
        let modes = asked.modes(&Subject::new(&name, model))?;
        let first = modes.into_iter().next();
        first.ok_or_else(|| Error::Internal("no mode is left to run the model in".into()))
    }
}

impl<'a> Subject<'a> {
    fn new(name: &'a str, model: &Source) -> Self {
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
}

impl Asked {
    /// The modes, in the order of the precisions, each once.
    fn modes(&self, subject: &Subject<'_>) -> Result<Vec<Mode>> {
        if let (Some(own), true) = (&subject.own, subject.fixed) {
            return self.only(own, subject.name);
        }
        let layers = match self.layers.as_slice() {
            [] => subject.own_layers(),
            given => given,
        };
        if !layers.is_empty() && layers.len() != subject.layers {
            return Err(Error::Usage(format!(
                "{} has {} layers, and --layer-precision gives {}: give a precision for each",
                subject.name,
                subject.layers,
                layers.len()
            )));
        }
        let mut modes = Vec::new();
        for precision in self.precisions(!layers.is_empty()) {
            match precision {
                Precision::Int8 => modes.extend(self.int8()?),
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
        Ok(once)
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

    fn int8(&self) -> Result<Vec<Mode>> {
        let schemes = match &self.schemes {
            Some(schemes) => schemes.list.as_slice(),
            None => &[Scheme::DynamicTensor],
        };
        let only_channel = |asked: &Several<_>| !asked.list.contains(&WeightScales::Tensor);
        if schemes == [Scheme::DynamicTensor] && self.weights.as_ref().is_some_and(only_channel) {
            return Err(Error::Usage(
                "--weights channel is not for the scheme dynamic-tensor, which has one scale for a weight \
                 matrix: add --scheme dynamic-row or static"
                    .into(),
            ));
        }
        let of_scheme = |&scheme: &Scheme| {
            let weights = self.weights(scheme, None);
            weights
                .into_iter()
                .map(move |weights| Mode::int8(scheme, weights))
        };
        Ok(schemes.iter().flat_map(of_scheme).collect())
    }

    fn mixed(&self, layers: &[Precision], subject: &Subject<'_>) -> Result<Vec<Mode>> {
        if layers.is_empty() {
            return Err(Error::Usage(format!(
                "mixed needs a precision for each of the {} layers of {}: give them with --layer-precision",
                subject.layers, subject.name
            )));
        }
        let own = subject.own.as_ref();
        let mut schemes = match (&self.schemes, own.and_then(|own| own.scheme)) {
            (Some(asked), _) => asked.list.clone(),
            (None, Some(scheme)) if scheme != Scheme::DynamicTensor => vec![scheme],
            // It needs no calibration.
            (None, _) => vec![Scheme::DynamicRow],
        };
        if schemes.len() > 1 {
            // It is told for whole networks only; alone it is an error.
            schemes.retain(|&scheme| scheme != Scheme::DynamicTensor);
        }
        let mut modes = Vec::new();
        for scheme in schemes {
            for weights in self.weights(scheme, own.and_then(|own| own.weights)) {
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
            own.is_some_and(|own| {
                named.is_some_and(|asked| asked.list.iter().any(|one| one != own))
            })
        }
        let layers = !self.layers.is_empty() && self.layers != own.layers;
        if layers
            || other(&self.precisions, Some(&own.precision))
            || other(&self.schemes, own.scheme.as_ref())
            || other(&self.weights, own.weights.as_ref())
        {
            return Err(Error::Usage(format!(
                "{name} is quantized: it runs as {own} and nothing else; for other modes use the model that \
                 it was made of"
            )));
        }
        Ok(vec![own.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the modes of a network of two layers.
    fn names(precisions: &str, schemes: &str, weights: &str, layers: &str) -> Result<String> {
        named(precisions, schemes, weights, layers, None, false)
    }

    fn named(
        precisions: &str,
        schemes: &str,
        weights: &str,
        layers: &str,
        own: Option<Mode>,
        fixed: bool,
    ) -> Result<String> {
        fn some<T: Listed>(text: &str) -> Option<Several<T>> {
            (!text.is_empty()).then(|| text.parse().unwrap())
        }
        let asked = Asked {
            precisions: some(precisions),
            schemes: some(schemes),
            weights: some(weights),
            layers: some(layers).map_or(Vec::new(), |_: Several<Precision>| {
                layers.split(',').map(|one| one.parse().unwrap()).collect()
            }),
            default: Precision::ALL.to_vec(),
        };
        let subject = Subject {
            name: "net",
            layers: 2,
            own,
            fixed,
        };
        let modes = asked.modes(&subject)?;
        let names: Vec<String> = modes.iter().map(ToString::to_string).collect();
        Ok(names.join(" | "))
    }

    #[track_caller]
    fn refused(result: Result<String>, words: &str) {
        let error = result.unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(words), "{error}");
    }

    #[test]
    fn precisions_schemes_and_weights_multiply() {
        assert_eq!(names("", "", "", "").unwrap(), "f32 | f16 | int8");
        assert_eq!(
            names("every", "", "", "").unwrap(),
            "f32 | f16 | bf16 | int8 | int4"
        );
        assert_eq!(names("int8", "static", "", "").unwrap(), "int8 static");
        assert_eq!(
            names("int8,f32", "all", "", "").unwrap(),
            "int8 | int8 dynamic-row | int8 dynamic-row, weights by tensor | int8 static | \
             int8 static, weights by tensor | f32"
        );
        assert_eq!(
            names("int8", "all", "channel", "").unwrap(),
            "int8 | int8 dynamic-row | int8 static"
        );
        assert_eq!(
            names("int8", "static", "all", "").unwrap(),
            "int8 static | int8 static, weights by tensor"
        );
        assert_eq!(names("int8", "", "all", "").unwrap(), "int8");
        assert_eq!(names("f32", "static", "channel", "").unwrap(), "f32");
        refused(names("all", "", "channel", ""), "--scheme dynamic-row");
    }

    #[test]
    fn layers_of_their_own_are_a_row_of_their_own() {
        let all = names("", "", "", "f16,int8").unwrap();
        assert_eq!(all, "f32 | f16 | int8 | f16,int8 dynamic-row");
        let one = names("mixed", "static", "tensor", "f16,int8").unwrap();
        assert_eq!(one, "f16,int8 static, weights by tensor");
        assert_eq!(names("f32", "", "", "f16,f32").unwrap(), "f32 | f16,f32");
        assert_eq!(names("mixed", "all", "", "f16,f32").unwrap(), "f16,f32");
        assert_eq!(
            names("mixed", "all", "channel", "f16,int8").unwrap(),
            "f16,int8 dynamic-row | f16,int8 static"
        );
        refused(names("mixed", "", "", ""), "--layer-precision");
        refused(
            names("", "", "", "f16"),
            "net has 2 layers, and --layer-precision gives 1",
        );
        refused(names("", "", "", "f16,mixed"), "not mixed");
        refused(
            names("mixed", "dynamic-tensor", "", "f16,int8"),
            "whole networks",
        );
    }

    #[test]
    fn a_model_may_say_how_its_layers_differ() {
        let layers = vec![Precision::Bf16, Precision::Int8];
        let own = Mode::mixed(layers, Scheme::Static, WeightScales::Tensor).unwrap();
        let with = |precisions| named(precisions, "", "", "", Some(own.clone()), false).unwrap();
        let name = own.to_string();
        assert_eq!(with("mixed"), name);
        assert_eq!(with("all"), format!("f32 | f16 | int8 | {name}"));
        assert_eq!(with("f32"), "f32");
    }

    #[test]
    fn a_quantized_file_runs_in_its_own_mode_only() {
        let own = Mode::int8(Scheme::Static, WeightScales::Channel);
        let with = |precisions, schemes, weights, layers| {
            named(
                precisions,
                schemes,
                weights,
                layers,
                Some(own.clone()),
                true,
            )
        };
        for precisions in ["", "int8", "all", "every"] {
            assert_eq!(with(precisions, "", "", "").unwrap(), "int8 static");
        }
        assert_eq!(with("", "all", "channel", "").unwrap(), "int8 static");
        for (precisions, schemes, weights, layers) in [
            ("f32", "", "", ""),
            ("int8,f32", "", "", ""),
            ("", "dynamic-row", "", ""),
            ("int8", "", "tensor", ""),
            ("", "", "", "f16,int8"),
        ] {
            refused(with(precisions, schemes, weights, layers), "quantized");
        }
    }

    #[test]
    fn lists_say_what_they_take() {
        for (text, words) in [("f64", "every"), ("f32,,f16", "every")] {
            let error = text.parse::<Several<Precision>>().unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        assert!("dynamic".parse::<Several<Scheme>>().is_err());
        let two: Several<Scheme> = "static,dynamic-row,static".parse().unwrap();
        assert_eq!(two.list, [Scheme::Static, Scheme::DynamicRow]);
        assert!(two.named);
    }
}
