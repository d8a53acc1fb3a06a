//! The options for the modes that a model runs in.

mod requested;

use clap::Args;
use fmnist_gpu::error::UsageError;
use fmnist_gpu::quantize::Source;
use fmnist_gpu::{Error, Mode, Precision, Result, Scheme, WeightScales};

use super::help;
use requested::{ModeContext, RequestedModes, Several};

/// The modes that a command runs a model in.
#[derive(Debug, Args)]
#[command(next_help_heading = help::PRECISION)]
pub struct ModesOptions {
    /// Precisions: f32, f16, bf16, int8, int4, mixed, a list of them, all (f32,f16,int8) or every (each of them but mixed)
    /// [default: all]
    ///
    /// A quantized file runs only in its own precision.
    #[arg(long, value_name = "LIST")]
    precision: Option<Several<Precision>>,

    /// How int8 is quantized: dynamic-row, static, dynamic-tensor, a list of them, or all
    ///
    /// dynamic-row finds a scale for each image. static uses scales that were calibrated before the run. dynamic-tensor
    /// is the reference: it finds one scale for a whole batch, so an image's result depends on the images beside it.
    /// [default: the scheme stored in the model; otherwise dynamic-row]
    #[arg(long, value_name = "LIST", hide_short_help = true)]
    scheme: Option<Several<Scheme>>,

    /// Scales of an int8 weight matrix: tensor (one), channel (one for each output), or all
    ///
    /// The scheme dynamic-tensor always uses tensor. [default: the scales stored in the model; otherwise channel, or
    /// both with '--scheme all']
    #[arg(long, value_name = "LIST", hide_short_help = true)]
    weights: Option<Several<WeightScales>>,

    #[command(flatten)]
    layers: LayerOptions,
}

/// The mode that a command runs a model in.
#[derive(Debug, Args)]
#[command(next_help_heading = help::PRECISION)]
pub struct ModeOptions {
    /// Precision: f32, f16, bf16, int8, int4 or mixed [default: the one stored in the model; otherwise f32 in
    /// 'predict' and int8 in 'quantize']
    #[arg(long, value_name = "P")]
    precision: Option<Precision>,

    /// How int8 is quantized: dynamic-row, static or dynamic-tensor
    ///
    /// dynamic-row finds a scale for each image. static uses scales that were calibrated before the run. dynamic-tensor
    /// is the reference: it finds one scale for a whole batch, so an image's result depends on the images beside it.
    /// [default: the scheme stored in the model; otherwise dynamic-row, or static in 'quantize']
    #[arg(long, value_name = "S")]
    scheme: Option<Scheme>,

    /// Scales of an int8 weight matrix: tensor (one) or channel (one for each output)
    ///
    /// The scheme dynamic-tensor always uses tensor. [default: the scales stored in the model; otherwise channel]
    #[arg(long, value_name = "W", hide_short_help = true)]
    weights: Option<WeightScales>,

    #[command(flatten)]
    layers: LayerOptions,
}

/// The precision of each layer.
#[derive(Debug, Args)]
#[command(next_help_heading = help::PRECISION)]
struct LayerOptions {
    /// Precision of each layer, from first to last, for example f16,int8
    ///
    /// The network then runs in the precision 'mixed'.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        hide_short_help = true
    )]
    layer_precision: Vec<Precision>,
}

impl ModesOptions {
    /// The modes to run `model` in.
    ///
    /// # Errors
    /// `Error::Usage` where the options contradict one another, or the model.
    pub fn modes(&self, model: &Source) -> Result<Vec<Mode>> {
        let name = model.path().display().to_string();
        self.requested().modes(&ModeContext::new(&name, model))
    }

    /// The modes to run `model` in, to be compared with each other. Where the options name neither a precision nor a scheme,
    /// int8 is also `static` if the model holds its calibration, and in the reference scheme.
    ///
    /// # Errors
    /// `Error::Usage` where the options contradict one another, or the model.
    pub fn modes_to_compare(&self, model: &Source) -> Result<Vec<Mode>> {
        let mut modes = self.modes(model)?;
        let named = self.named() || self.scheme.is_some() || self.weights.is_some();
        let last = modes
            .iter()
            .rposition(|mode| mode.precision == Precision::Int8);
        if let (Some(last), Some(float), false) = (last, model.model(), named) {
            let calibrated = float.input_ranges.as_ref();
            let calibrated = calibrated.map(|_| Mode::int8(Scheme::Static, WeightScales::Channel));
            let more = calibrated.into_iter().chain([Mode::reference_int8()]);
            let more: Vec<Mode> = more.filter(|mode| !modes.contains(mode)).collect();
            modes.splice(last + 1..last + 1, more);
        }
        Ok(modes)
    }

    /// Whether the options, or `model`, name the reference scheme.
    pub fn names_reference_scheme(&self, model: &Source) -> bool {
        let named = self.scheme.as_ref().filter(|schemes| schemes.named);
        let stored = model.mode().and_then(|mode| mode.scheme);
        stored == Some(Scheme::DynamicTensor)
            || named.is_some_and(|schemes| schemes.list.contains(&Scheme::DynamicTensor))
    }

    /// The modes for a network without weights, of `layers` layers, which messages call `name`.
    ///
    /// # Errors
    /// `Error::Usage` where the options contradict one another, or the network.
    pub fn modes_of_shape(&self, name: &str, layers: usize) -> Result<Vec<Mode>> {
        let subject = ModeContext {
            name,
            layers,
            own: None,
            fixed: false,
        };
        self.requested().modes(&subject)
    }

    /// Whether they were named one by one.
    pub fn named(&self) -> bool {
        self.precision.as_ref().is_some_and(|several| several.named)
    }

    fn requested(&self) -> RequestedModes {
        RequestedModes {
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

    /// The mode to write `model` in: int8 with the scheme static unless the options or the model choose another.
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

    /// The mode. `precision` holds if the options name none, and `scheme` if neither options nor model name one.
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
        let chosen = match (self.precision, layers.is_empty()) {
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
        let requested = RequestedModes {
            precisions: chosen.map(one),
            schemes: self.scheme.map(one),
            weights: self.weights.map(one),
            layers,
            default: vec![precision],
            default_scheme: scheme,
        };
        let name = model.path().display().to_string();
        let modes = requested.modes(&ModeContext::new(&name, model))?;
        let first = modes.into_iter().next();
        first.ok_or_else(|| Error::missing("mode to run the model in"))
    }
}
