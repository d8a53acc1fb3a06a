//! What models are run as: the options that say so.

mod asked;

use clap::Args;
use fmnist_gpu::deploy::Source;
use fmnist_gpu::error::UsageError;
use fmnist_gpu::{Error, Mode, Precision, Result, Scheme, WeightScales};

use asked::{Asked, Several, Subject};

/// What to do where values leave the range of a precision.
pub fn way_out_of_overflow(precision: Precision) -> &'static str {
    match precision {
        Precision::F16 | Precision::Mixed => "use --precision f32, bf16 or int8",
        _ => "scale down the model's weights, as no precision has a larger range",
    }
}

/// What a command runs a model as, perhaps in several ways.
#[derive(Debug, Args)]
pub struct ModesOptions {
    /// f32, f16, bf16, int8, int4, mixed, a list of them, all (f32, f16 and int8) or every (with bf16 and
    /// int4) [default: all; of a quantized file its own]
    #[arg(long, value_name = "LIST")]
    precision: Option<Several<Precision>>,

    /// How int8 is quantized: dynamic-tensor, dynamic-row, static, a list of them, or all [default: the
    /// scheme stored in the model, else dynamic-tensor; dynamic-row where layers differ]
    #[arg(long, value_name = "LIST")]
    scheme: Option<Several<Scheme>>,

    /// Scales of an int8 weight matrix: tensor (one), channel (one for each output) or all [default: what
    /// is stored in the model, else channel, and with '--scheme all' both; dynamic-tensor has tensor alone]
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

    /// How int8 is quantized: dynamic-tensor, dynamic-row or static [default: the scheme stored in the
    /// model, else dynamic-tensor; dynamic-row where layers differ; of quantize static]
    #[arg(long, value_name = "S")]
    scheme: Option<Scheme>,

    /// Scales of an int8 weight matrix: tensor (one) or channel (one for each output) [default: what is
    /// stored in the model, else channel; dynamic-tensor has tensor alone]
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

impl ModesOptions {
    /// The modes to run `model` in.
    ///
    /// # Errors
    /// `Error::Usage` where the options contradict one another, or the model.
    pub fn modes(&self, model: &Source) -> Result<Vec<Mode>> {
        let name = model.path().display().to_string();
        self.asked().modes(&Subject::new(&name, model))
    }

    /// The modes to speak of for a network of `layers` layers that is called `name` and has no weights.
    ///
    /// # Errors
    /// `Error::Usage` where the options contradict one another, or the network.
    pub fn modes_of_shape(&self, name: &str, layers: usize) -> Result<Vec<Mode>> {
        let subject = Subject {
            name,
            layers,
            own: None,
            fixed: false,
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
            default_scheme: None,
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
        // What runs from float weights needs no quantized file.
        let float = |mode: &Mode| {
            let tensor = mode.scheme == Some(Scheme::DynamicTensor);
            matches!(mode.precision, Precision::F32 | Precision::F16) || tensor
        };
        let own = model.mode().filter(|mode| !float(mode));
        let precision = own.map_or(Precision::Int8, |own| own.precision);
        self.mode_or(model, precision, Some(Scheme::Static))
    }

    /// The mode, of the precision that is given here where the options do not say, and the scheme where the
    /// model does not either.
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
                return Err(Error::Usage(UsageError::OptionUnused {
                    option: "--layer-precision".to_owned(),
                    used_for: "--precision mixed".to_owned(),
                    remedy: format!("drop it, or --precision {precision}"),
                }));
            }
            (None, false) => Some(Precision::Mixed),
            (precision, _) => precision,
        };
        let asked = Asked {
            precisions: asked_precision.map(one),
            schemes: self.scheme.map(one),
            weights: self.weights.map(one),
            layers,
            default: vec![precision],
            default_scheme: scheme,
        };
        let name = model.path().display().to_string();
        let modes = asked.modes(&Subject::new(&name, model))?;
        let first = modes.into_iter().next();
        first.ok_or_else(|| Error::missing("mode to run the model in"))
    }
}
