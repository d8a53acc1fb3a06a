//! Options that several commands share, and how their values are read.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use fmnist_gpu::adapter::{Backend, Feature, Kind, Selector};
use fmnist_gpu::atomic_file::AtomicFile;
use fmnist_gpu::cpu::{Isa, MOST_THREADS, ProcessorOptions};
use fmnist_gpu::error::UsageError;
use fmnist_gpu::gpu::fault::Faults;
use fmnist_gpu::gpu::{DeviceOptions, Waiting};
use fmnist_gpu::model::{Activation, Network, classifier_activations};
use fmnist_gpu::plan::{ExecutionPath, KernelVariant, Kernels};
use fmnist_gpu::quantize::Source;
use fmnist_gpu::tune::{self, MatrixUnitsMode, Tuning};
use fmnist_gpu::{Engine, EngineOptions, Error, Mode, Precision, Result};

use super::{help, interrupt, terminal};

/// Which adapter runs the networks.
#[derive(Debug, Args)]
#[command(next_help_heading = help::DEVICE)]
pub struct AdapterOptions {
    /// Adapter to run on: cpu, vulkan, metal, dx12, gl, an index, or part of a name [default: the best one]
    ///
    /// vulkan, metal, dx12 and gl choose the best adapter of that backend. 'adapters' prints the index and the name.
    /// Without this option the best adapter runs, or the CPU path if there is no adapter. 'bench' then measures the CPU
    /// path too.
    #[arg(long, value_name = "SEL")]
    adapter: Option<Selector>,

    /// Fail if the adapter cannot run a precision, instead of running that precision on the CPU path
    ///
    /// A precision that --precision names then ends the command with exit code 3. In 'bench', a precision that is only
    /// part of 'all' becomes a row with the status unsupported.
    #[arg(long, hide_short_help = true)]
    no_fallback: bool,

    /// Threads of the CPU path [default: one for each hardware thread]
    #[arg(long, value_name = "N", value_parser = threads, hide_short_help = true)]
    threads: Option<usize>,
}

/// Which kernels run the networks, and on which features of the adapter.
#[derive(Debug, Args)]
#[command(next_help_heading = help::ADVANCED)]
pub struct KernelOptions {
    /// Kernels to run networks with: unfused, fused or network [default: the fastest]
    ///
    /// unfused runs each step of the scheme as a dispatch of its own. fused runs one or two dispatches for each layer.
    /// network runs one dispatch for the whole network.
    #[arg(
        long,
        value_name = "PATH",
        conflicts_with = "kernel",
        hide_short_help = true
    )]
    path: Option<ExecutionPath>,

    /// Kernel to run networks with, by the name that the result prints as 'kernel' [default: the fastest]
    ///
    /// On the CPU path a kernel is an instruction set: avx512-vnni, avx512, avx2 or portable.
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    kernel: Option<KernelName>,

    /// Run as if the adapter lacked these features, for example shader-f16,timestamp-query
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        hide_short_help = true
    )]
    mask_features: Vec<Feature>,

    /// Keep wgpu's runtime checks in the shaders, which makes them slower
    #[arg(long, hide_short_help = true)]
    checked: bool,
}

/// A kernel by its name.
#[derive(Clone, Copy, Debug)]
enum KernelName {
    /// Of an adapter.
    Adapter(KernelVariant),
    /// Of the CPU path.
    Processor(Isa),
}

impl std::str::FromStr for KernelName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(isa) = Isa::find(text) {
            return Ok(Self::Processor(isa));
        }
        text.parse().map(Self::Adapter).map_err(|error: Error| {
            let names = Isa::ALL.map(Isa::name).join(", ");
            error.also_accepted(format!("with --adapter cpu: {names}"))
        })
    }
}

/// Whether f16 runs on matrix units.
#[derive(Debug, Args)]
pub struct MatrixOptions {
    /// Whether f16 runs on the adapter's matrix units (tensor cores): auto, on or off
    ///
    /// With auto, f16 uses them if a trial finds their results correct and faster. With on, the command fails if the
    /// adapter has none, or if their results are wrong. The trial runs once, and its result stays in the cache
    /// folder. 'on' repeats a trial that failed; --tune full repeats every trial. With --tune off, auto means off.
    #[arg(
        long,
        default_value = "auto",
        value_name = "USE",
        help_heading = help::DEVICE,
        hide_short_help = true
    )]
    matrix_units: MatrixUnitsMode,
}

impl MatrixOptions {
    /// The value of the option.
    pub fn mode(&self) -> MatrixUnitsMode {
        self.matrix_units
    }
}

impl AdapterOptions {
    /// Opens the adapter for microkernels, with its matrix units or without.
    pub async fn open_for_peak(
        &self,
        kernels: &KernelOptions,
        matrix_units: bool,
    ) -> Result<Engine> {
        let mut options = self.engine(kernels)?;
        options.device.matrix_units = matrix_units;
        let opened = Engine::open(&options).await;
        let engine = opened.map_err(|error| self.name_variables(&options, error))?;
        self.check_kernel(kernels, engine)
    }

    /// Opens the adapter for `verify`, with its matrix units or without, and with these faults.
    pub async fn open_for_verify(
        &self,
        kernels: &KernelOptions,
        matrix_units: bool,
        faults: &Faults,
    ) -> Result<Engine> {
        let unused = [
            ("--kernel", kernels.kernel.is_some()),
            ("--path", kernels.path.is_some()),
            ("--threads", self.threads.is_some()),
            ("--no-fallback", self.no_fallback),
        ];
        let given = unused.iter().filter(|(_, given)| *given);
        let given: Vec<&str> = given.map(|&(option, _)| option).collect();
        if !given.is_empty() {
            return Err(Error::Usage(UsageError::OptionConflict {
                option: given.join(" and "),
                reason: "verify checks every kernel".to_owned(),
                remedy: "drop the option, or choose checks with --only".to_owned(),
            }));
        }
        let mut options = self.engine(kernels)?;
        options.device.matrix_units = matrix_units;
        options.device.faults = faults.clone();
        // Several are checked on at the same time, and nothing is timed.
        options.device.waiting = Waiting::Sleeping;
        let opened = Engine::open(&options).await;
        opened.map_err(|error| self.name_variables(&options, error))
    }

    /// On how many devices at the same time the adapter is verified: as many as keep the processor's cores busy with
    /// a driver's compiler. On OpenGL all devices share one context. A fault that counts takes one device.
    pub fn lanes_to_verify(backend: Backend, faults: &Faults) -> usize {
        if backend == Backend::Gl || faults.count() {
            return 1;
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        cores.min(MOST_LANES)
    }

    /// The engine, if the kernel that --kernel names can run on it.
    fn check_kernel(&self, kernels: &KernelOptions, engine: Engine) -> Result<Engine> {
        let (name, reason, remedy) = match (kernels.kernel, engine.info().kind) {
            (Some(KernelName::Processor(isa)), kind) if kind != Kind::Cpu => (
                isa.name(),
                format!("{isa} runs only on the CPU path"),
                "add --adapter cpu",
            ),
            (Some(KernelName::Adapter(variant)), Kind::Cpu) => {
                let (name, why) = (variant.name, engine.reason());
                let reason =
                    format!("{name} runs only on adapters, but this run uses the CPU path ({why})");
                (name, reason, "drop --kernel, or use another --adapter")
            }
            _ => return Ok(engine),
        };
        Err(Error::Usage(UsageError::OptionConflict {
            option: format!("--kernel {name}"),
            reason,
            remedy: remedy.to_owned(),
        }))
    }

    /// Opens the adapter for networks in these modes, with its matrix units if f16 is to run on them.
    pub async fn open(
        &self,
        kernels: &KernelOptions,
        matrix: &MatrixOptions,
        modes: &[Mode],
        tuning: Tuning,
    ) -> Result<Engine> {
        let options = self.engine(kernels)?;
        let f16 = modes.iter().any(|mode| mode.precision == Precision::F16);
        let spinner = terminal::spinner("opening the adapter");
        let opened = tune::open(&options, matrix.matrix_units, f16, tuning).await;
        spinner.finish_and_clear();
        let engine = opened.map_err(|error| self.name_variables(&options, error))?;
        self.check_kernel(kernels, engine)
    }

    /// As [`AdapterOptions::open`], and the CPU path beside the adapter, unless an option narrows the choice. A software
    /// adapter comes behind the CPU path, which does the same work on the same processor.
    pub async fn open_all(
        &self,
        kernels: &KernelOptions,
        matrix: &MatrixOptions,
        modes: &[Mode],
        tuning: Tuning,
    ) -> Result<Vec<Engine>> {
        let options = self.engine(kernels)?;
        // These are about what one adapter does.
        let narrowed = options.adapter.is_some()
            || !options.backends.is_empty()
            || self.no_fallback
            || options.kernels != Kernels::Any;
        let engine = match self.open(kernels, matrix, modes, tuning).await {
            Ok(engine) => engine,
            Err(error) if !narrowed && is_of_driver(&error) => {
                terminal::note(&format!(
                    "warning: only the CPU is measured, because no adapter can be used: {error}"
                ));
                let cpu_path = EngineOptions {
                    adapter: Some(Selector::Backend(Backend::Cpu)),
                    ..options
                };
                let cpu_path = Engine::open(&cpu_path).await?;
                return Ok(vec![cpu_path.beside("no adapter can be used")]);
            }
            Err(error) => return Err(error),
        };
        let kind = engine.info().kind;
        if narrowed || kind == Kind::Cpu {
            return Ok(vec![engine]);
        }
        let cpu_path =
            engine.beside("measured beside the best adapter, since --adapter names none");
        Ok(match kind {
            Kind::Software => vec![cpu_path, engine],
            _ => vec![engine, cpu_path],
        })
    }

    /// Adds to an adapter that was not found which variables and options selected it.
    fn name_variables(&self, options: &EngineOptions, error: Error) -> Error {
        let Error::AdapterNotFound {
            selector,
            found,
            hint,
        } = error
        else {
            return error;
        };
        let mut selectors = Vec::new();
        if !options.backends.is_empty() {
            selectors.extend(setting("WGPU_BACKEND"));
        }
        match (&self.adapter, &options.adapter) {
            (Some(_), _) => selectors.push(format!("--adapter {selector}")),
            (None, Some(_)) => selectors.extend(setting("WGPU_ADAPTER_NAME")),
            (None, None) => {}
        }
        Error::AdapterNotFound {
            selector: selectors.join(" "),
            found,
            hint,
        }
    }

    /// The engine's options. The environment decides what no option decides.
    fn engine(&self, kernels: &KernelOptions) -> Result<EngineOptions> {
        let mut adapter = self.adapter.clone();
        let mut backends = Vec::new();
        // The environment may narrow the list that 'adapters' prints, in which an index is a place.
        if matches!(adapter, None | Some(Selector::Index(_))) {
            backends = backends_of_environment()?;
        }
        if adapter.is_none() {
            let name = environment("WGPU_ADAPTER_NAME");
            adapter = name.map(|name| Selector::Name(name.to_lowercase()));
        }
        Ok(EngineOptions {
            adapter,
            backends,
            mask_features: kernels.mask_features.clone(),
            fallback: !self.no_fallback,
            kernels: match (kernels.kernel, kernels.path) {
                (Some(KernelName::Adapter(variant)), _) => Kernels::Named(variant),
                (_, Some(path)) => Kernels::Path(path),
                (_, None) => Kernels::Any,
            },
            processor: ProcessorOptions {
                isa: match kernels.kernel {
                    Some(KernelName::Processor(isa)) => Some(isa),
                    _ => None,
                },
                threads: self.threads,
            },
            device: DeviceOptions {
                checked: kernels.checked,
                faults: Faults::from_environment()?,
                on_silence: Some(interrupt::give_up),
                ..DeviceOptions::default()
            },
        })
    }
}

/// The most devices that `verify` uses at the same time. Each keeps its compiled kernels in memory for a while.
const MOST_LANES: usize = 8;

/// What is wrong with the value of an environment variable.
fn of_variable(variable: &'static str, error: Error) -> Error {
    match error {
        Error::Usage(source) => Error::Usage(UsageError::Environment {
            variable,
            source: source.into(),
        }),
        other => other,
    }
}

/// A variable that is set to something.
fn environment(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.trim().is_empty())
}

/// A variable and its value, as it is set in a shell.
fn setting(name: &str) -> Option<String> {
    environment(name).map(|value| format!("{name}={value}"))
}

/// The backends that `WGPU_BACKEND` lists, under the names that wgpu knows.
pub fn backends_of_environment() -> Result<Vec<Backend>> {
    let Some(list) = environment("WGPU_BACKEND") else {
        return Ok(Vec::new());
    };
    list.split(',')
        .map(|name| match name.trim().to_lowercase().as_str() {
            "vulkan" | "vk" => Ok(Backend::Vulkan),
            "metal" | "mtl" => Ok(Backend::Metal),
            "dx12" | "d3d12" => Ok(Backend::Dx12),
            "gl" | "gles" | "opengl" => Ok(Backend::Gl),
            other => {
                let backends = ["vulkan", "metal", "dx12", "gl"];
                let unknown = Error::unknown_name("backend", other, backends);
                Err(of_variable("WGPU_BACKEND", unknown))
            }
        })
        .collect()
}

/// Where a model file goes that is made of another one.
#[derive(Debug, Args)]
#[command(next_help_heading = help::OUTPUT)]
pub struct ModelOutput {
    /// File to write (safetensors)
    #[arg(long, value_name = "FILE")]
    output: PathBuf,

    /// Write over the file of --model; its float weights are then lost
    #[arg(long)]
    force: bool,
}

impl ModelOutput {
    /// The file, as the user named it.
    pub fn path(&self) -> &Path {
        &self.output
    }

    /// Tries the way to the file.
    ///
    /// # Errors
    /// `Error::Usage` where it is that of `model`, unless that is wanted; those of [`AtomicFile::create`].
    pub fn create(&self, model: &ModelOptions) -> Result<AtomicFile> {
        // Links are followed, as they are for the writing.
        let found = |path: &Path| path.canonicalize().ok();
        let input = model.path().and_then(found);
        if !self.force && input.is_some() && input == found(&self.output) {
            return Err(Error::Usage(UsageError::OptionConflict {
                option: format!("--output {}", self.output.display()),
                reason: "it is the file of --model, whose float weights would be lost".to_owned(),
                remedy: "name another file, or add --force".to_owned(),
            }));
        }
        AtomicFile::create(&self.output)
    }
}

/// Which model.
#[derive(Debug, Args)]
pub struct ModelOptions {
    /// Model file (safetensors) [default: the model inside the program]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = help::MODEL)]
    model: Option<PathBuf>,
}

impl ModelOptions {
    /// The file that was named.
    pub fn path(&self) -> Option<&Path> {
        self.model.as_deref()
    }

    /// Loads it.
    pub fn load(&self) -> Result<Source> {
        match &self.model {
            Some(path) => Source::load(path),
            None => Source::default_model(),
        }
    }
}

/// Whether an error of opening an adapter is one of its driver, or of what drivers need of the machine.
fn is_of_driver(error: &Error) -> bool {
    matches!(
        error,
        Error::DeviceUnavailable { .. }
            | Error::DeviceLost { .. }
            | Error::OutOfMemory { .. }
            | Error::HostMemory { .. }
            | Error::HostThreads { .. }
    )
}

/// A network of random weights instead of a model.
#[derive(Debug, Args)]
#[command(next_help_heading = help::MODEL)]
pub struct RandomOptions {
    /// Measure a network of random weights: its widths from input to output, for example 784-1024-10
    ///
    /// The result has no accuracy, since the network has learned nothing. 'changed' counts the images whose label
    /// differs from that of f32. With 784 inputs the network gets the test images, with any other number it gets
    /// random images; --data gives it those of a folder.
    #[arg(long, value_name = "WIDTHS", conflicts_with = "model", value_parser = layers, hide_short_help = true)]
    layers: Option<LayerWidths>,

    /// Activations of the layers: relu, sigmoid, tanh, identity or softmax [default: relu, and softmax at the end]
    #[arg(
        long,
        value_name = "LIST",
        requires = "layers",
        value_delimiter = ',',
        hide_short_help = true
    )]
    activations: Vec<Activation>,

    /// Seed of the random weights and images [default: 0]
    #[arg(long, value_name = "N", requires = "layers", hide_short_help = true)]
    seed: Option<u64>,
}

impl RandomOptions {
    /// Whether a network of random weights was requested.
    pub fn is_given(&self) -> bool {
        self.layers.is_some()
    }

    /// The network, where one was requested.
    pub fn network(&self) -> Result<Option<Network>> {
        let Some(LayerWidths(widths)) = &self.layers else {
            return Ok(None);
        };
        let activations = match self.activations.as_slice() {
            [] => classifier_activations(widths.len() - 1),
            given => given.to_vec(),
        };
        Network::random(widths, &activations, self.seed()).map(Some)
    }

    /// The seed of the weights, and of the images.
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or(0)
    }
}

/// The error of a quantized file where a model with float weights is needed.
pub fn already_quantized(source: &Source) -> Error {
    let mode = source.mode().unwrap_or(Precision::F32.into());
    Error::Usage(UsageError::AlreadyQuantized {
        model: source.path().display().to_string(),
        mode: mode.to_string(),
    })
}

/// `250ms`, `2s`.
pub fn duration(text: &str) -> Result<humantime::Duration, String> {
    text.parse::<humantime::Duration>()
        .map_err(|error| format!("{error}; use a duration such as 250ms or 2s"))
}

/// `100KiB`, `2MiB`, or plain bytes.
pub fn size(text: &str) -> Result<u64, String> {
    match text.parse::<bytesize::ByteSize>() {
        // Where a size does not fit, the parser gives the largest that does.
        Ok(size) if size.as_u64() == u64::MAX => Err("use a size below 16EiB".to_owned()),
        Ok(size) => Ok(size.as_u64()),
        Err(_) => Err("use a size such as 100KiB or 2MiB, or a number of bytes".to_owned()),
    }
}

/// A number of threads.
fn threads(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(number) if (1..=MOST_THREADS).contains(&number) => Ok(number),
        _ => Err(format!("use a whole number from 1 to {MOST_THREADS}")),
    }
}

/// At least 1.
pub fn positive(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) | Err(_) => Err("use a whole number, at least 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

/// Widths from input to output; a type of its own, since clap reads a plain vector as a list.
#[derive(Clone, Debug)]
pub struct LayerWidths(pub Vec<usize>);

/// `784-64-10`: at least two widths.
pub fn layers(text: &str) -> Result<LayerWidths, String> {
    let widths: Result<Vec<usize>, String> = text.split('-').map(positive).collect();
    match widths {
        Ok(widths) if widths.len() >= 2 => Ok(LayerWidths(widths)),
        _ => Err("use the widths from input to output, for example 784-64-10".to_owned()),
    }
}
