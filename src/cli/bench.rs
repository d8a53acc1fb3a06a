//! `bench`: time, memory and accuracy of every precision, side by side.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use clap::{Args, ValueHint};
use fmnist_gpu::baseline::LEAST_PAIRS;
use fmnist_gpu::bench::{self, BenchOptions, Slowdown, TIME_TO_COMPARE};
use fmnist_gpu::dataset::{self, Dataset, Split};
use fmnist_gpu::quantize::{Recipe, Rounding, Sample, Source};
use fmnist_gpu::report::{AdapterEntry, BenchFormat, DatasetInfo, Detail, Document, ModelInfo};
use fmnist_gpu::tune::Tuning;
use fmnist_gpu::verify::NumericsReport;
use fmnist_gpu::verify::numerics::Observed;
use fmnist_gpu::{Engine, Error};

use super::baselines::BaselineOptions;
use super::decision::{self, GoalOptions, VerdictContext};
use super::help;
use super::interrupt::{self, Interrupted};
use super::modes::ModesOptions;
use super::options::{
    self, AdapterOptions, KernelOptions, MatrixOptions, ModelOptions, RandomOptions,
};
use super::other_model;
use super::record::{Outputs, Record};
use super::shell::command_line;
use super::terminal;
use super::watch::Watch;

/// The calls that its help shows.
const EXAMPLES: &help::Examples = &[
    (
        "fmnist-gpu bench --precision f32,int8 --adapter vulkan",
        "compare two precisions on a Vulkan adapter",
    ),
    (
        "fmnist-gpu bench --model m.safetensors --data DIR",
        "measure your own model on your own images",
    ),
    (
        "fmnist-gpu bench --save main",
        "save the result under the name 'main'",
    ),
    (
        "fmnist-gpu bench --compare main --fail-on-regression 5%",
        "exit with code 5 if a row is 5% slower",
    ),
    (
        "fmnist-gpu bench --adapter vulkan --precision int8 --max-latency 2ms --gate",
        "exit with code 4 if int8 takes longer there",
    ),
    (
        "fmnist-gpu bench --precision every --scheme all",
        "compare all precisions and int8 schemes",
    ),
    (
        "fmnist-gpu bench --layers 784-1024-1024-10",
        "measure a shape without a model, with random weights",
    ),
    (
        "fmnist-gpu bench --output report.html --output r.json",
        "also write the report and the data",
    ),
];

/// Measure time, memory and accuracy of each precision, side by side
///
/// The result recommends a precision and says why the others are slower, larger or less accurate. The model and the
/// test images of Fashion-MNIST are inside the program, so no option is needed.
#[derive(Debug, Args)]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES))]
pub struct Arguments {
    #[command(flatten)]
    model: ModelOptions,

    #[command(flatten)]
    random: RandomOptions,

    /// Folder with a test split in IDX files [default: the Fashion-MNIST test split inside the program]
    ///
    /// The files are t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, plain or as .gz.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = help::MODEL)]
    data: Option<PathBuf>,

    #[command(flatten)]
    modes: ModesOptions,

    #[command(flatten)]
    adapter: AdapterOptions,

    #[command(flatten)]
    matrix: MatrixOptions,

    #[command(flatten)]
    sampling: Sampling,

    #[command(flatten)]
    goal: GoalOptions,

    #[command(flatten)]
    baseline: BaselineOptions,

    /// Format of standard output: table, json, csv, markdown, html, github or junit
    ///
    /// github is the table with annotations for GitHub Actions, junit is JUnit XML.
    #[arg(long, default_value = "table", value_name = "FORMAT", help_heading = help::OUTPUT)]
    format: BenchFormat,

    /// Also write the result to this file (.html, .json, .csv, .md, .txt or .xml); may be repeated
    ///
    /// The extension decides the format. The file is written again after each batch size, so that it has all rows
    /// that are measured.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = help::OUTPUT)]
    output: Vec<PathBuf>,

    /// Explain every row, not only the recommended one and the next best
    #[arg(long, short, help_heading = help::OUTPUT)]
    verbose: bool,

    #[command(flatten)]
    kernels: KernelOptions,
}

/// What is measured, and for how long.
#[derive(Debug, Args)]
#[command(next_help_heading = help::MEASUREMENT)]
struct Sampling {
    /// Batch sizes to measure
    #[arg(long, default_value = default_batches(), value_name = "LIST", value_delimiter = ',', value_parser = options::positive)]
    batch: Vec<usize>,

    /// Samples of each precision [default: as many as --min-time needs]
    #[arg(long, value_name = "N", value_parser = options::positive, hide_short_help = true)]
    runs: Option<usize>,

    /// Passes over the batch before the first sample, and after a network is loaded anew
    #[arg(long, default_value_t = BenchOptions::default().warmup, value_name = "N", hide_short_help = true)]
    warmup: usize,

    /// Least time to spend on the samples of each precision [default: 300ms; 2s with --save or --compare]
    ///
    /// Each precision has at least this time and at least 10 samples (5 if a sample takes over a second). More samples
    /// follow until the result is clear: see --max-time. With a time of at most 2s, a row keeps about 1,000 samples of
    /// it, spread over all of it. Without this option, --save and --compare take at least 50 samples, unless a sample
    /// takes over 0.2 seconds.
    #[arg(long, value_name = "DURATION", value_parser = options::duration, hide_short_help = true)]
    min_time: Option<humantime::Duration>,

    /// Time for the whole run [default: 30s, or longer if --min-time needs it]
    ///
    /// More samples are taken until it is clear which precision to recommend, or until this time is used up. Then the
    /// verdict says between which precisions it is undecided. With this option the time also ends the samples that
    /// --min-time asks for; checks, tuning and the fewest samples are always done, and can take longer.
    #[arg(long, value_name = "DURATION", value_parser = options::duration, conflicts_with = "runs")]
    max_time: Option<humantime::Duration>,

    /// How to choose kernels before the measurement: off, quick or full
    ///
    /// off uses the default kernels for this kind of adapter. quick times the most promising kernels, in a few
    /// seconds at most. full times all of them. The choice is kept in the user's cache folder, or in the folder that
    /// FMNIST_GPU_CACHE_DIR names.
    #[arg(
        long,
        default_value = "quick",
        value_name = "EFFORT",
        hide_short_help = true
    )]
    tune: Tuning,

    /// Also show where the time goes: upload, each kernel, the gaps between kernels, and the host
    ///
    /// The result has these times for the chosen kernel and for the unfused kernels.
    #[arg(long, hide_short_help = true)]
    breakdown: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let outputs = Outputs::open(&arguments.output, BenchFormat::of_path)?;
    let (model, data) = load(arguments)?;
    let other = arguments.baseline.other_model()?;
    let options = BenchOptions {
        modes: arguments.modes.modes_to_compare(&model)?,
        named: arguments.modes.named(),
        batches: arguments.sampling.batch.clone(),
        runs: arguments.sampling.runs,
        warmup: arguments.sampling.warmup,
        min_time: match arguments.sampling.min_time {
            Some(time) => time.into(),
            None if arguments.baseline.compares() => TIME_TO_COMPARE,
            None => BenchOptions::default().min_time,
        },
        max_time: arguments.sampling.max_time.map(Into::into),
        // --min-time decides how long to measure. Without it, a result to compare has as many samples as that needs.
        fewest: match arguments.sampling.min_time {
            None if arguments.baseline.compares() => LEAST_PAIRS,
            _ => BenchOptions::default().fewest,
        },
        tuning: arguments.sampling.tune,
        breakdown: arguments.sampling.breakdown,
        slowdown: Slowdown::from_environment()?,
        memory_limit: arguments.goal.memory_limit,
        recipe: recipe(&data),
        calibration: calibration(&data, arguments.random.seed()),
        batch_limit: arguments.goal.batch_limit,
        control_operations: Some(model.architecture().operations()),
    };
    let opened = (arguments.adapter).open_all(
        &arguments.kernels,
        &arguments.matrix,
        &options.modes,
        options.tuning,
    );
    let engines = pollster::block_on(opened)?;
    let document = Document::new(
        command_line(),
        engines
            .iter()
            .map(adapter_entry)
            .collect::<Result<_, _>>()?,
        engines[0].cpu_path().clone(),
        ModelInfo::new(&model),
        DatasetInfo::new(&data),
        &options.batches,
    );

    let bar = terminal::progress_bar();
    let place = arguments.baseline.place(&options)?;
    let other = match other {
        Some((name, other)) => {
            let other =
                other_model::measure(&document, &engines, (&model, &other), &data, &options, &bar)?;
            Some((name, other))
        }
        None => None,
    };
    let baselines = arguments.baseline.open(&document, &options, other, place)?;
    let context = VerdictContext {
        reference_scheme: arguments.modes.names_reference_scheme(&model),
        random: arguments.random.is_given(),
        slowdown: options.slowdown.share(),
    };
    let conclusions =
        decision::conclusions(&arguments.goal, context, &arguments.baseline, &baselines);
    let settlement = arguments.goal.settlement(&document, context);

    let detail = if arguments.verbose {
        Detail::Full
    } else {
        Detail::Short
    };
    let record = Record::new(
        document,
        (arguments.format, detail),
        outputs,
        bar.clone(),
        conclusions,
    );
    let mut watch = Watch::new(bar, record.clone(), settlement, &options, engines.len());
    let outcome = pollster::block_on(bench::run(&engines, &model, &data, &options, &mut watch))?;
    // The result has everything that was measured, whatever ended the measurement.
    let failure = outcome.failure.map(anyhow::Error::from);
    let failure = failure.or_else(|| interrupt::requested().then(|| Interrupted.into()));
    if let Some(failure) = failure {
        if let Some(unsaved) = baselines.unsaved() {
            terminal::note(&unsaved);
        }
        let ended = record.end(Some(failure.to_string()), outcome.budget);
        return first_of([Err(failure), ended]);
    }
    let ended = record.end(None, outcome.budget);
    let document = record.document();
    let gates = [
        arguments.goal.check(&document.verdict),
        arguments.baseline.check(&document),
    ];
    arguments.baseline.note_unjudged(&document);
    // A regression must not become the baseline, nor a result that could not be compared. An overflow is an ordinary
    // row of the result.
    let sound = gates.iter().all(Result::is_ok) && decision::failures(&document).is_ok();
    let keep = sound && document.incomplete.is_none();
    let note = baselines.unsaved().filter(|_| !keep);
    let saved = if keep {
        baselines.save(&document)
    } else {
        Ok(())
    };
    let checks = [
        decision::failures(&document),
        decision::overflows(&document.results),
    ];
    let checks = checks.into_iter().chain(gates);
    let checks = decision::together(checks.filter_map(Result::err).collect(), note);
    first_of([checks.map_err(Into::into), saved.map_err(Into::into), ended])
}

/// The first error ends the command; the others are printed. A closed standard output counts only if nothing else
/// went wrong, and is not printed.
fn first_of<const N: usize>(ends: [anyhow::Result<()>; N]) -> anyhow::Result<()> {
    let errors = ends.into_iter().filter_map(Result::err);
    let (closed, errors): (Vec<_>, Vec<_>) = errors.partition(terminal::is_closed);
    let mut errors = errors.into_iter();
    let first = errors.next();
    for other in errors {
        terminal::fail(&format!("{other:#}"));
    }
    first.or(closed.into_iter().next()).map_or(Ok(()), Err)
}

/// What the result says of an adapter.
///
/// # Errors
/// Those of [`numerics`].
fn adapter_entry(engine: &Engine) -> Result<AdapterEntry, Error> {
    Ok(AdapterEntry {
        info: engine.info().clone(),
        reason: engine.reason().to_owned(),
        matrix_units: engine.matrix_units().clone(),
        numerics: numerics(engine)?,
    })
}

/// How the driver rounds and orders arithmetic where WGSL leaves it a choice. A result is useful without it, but not
/// from a lost device.
///
/// # Errors
/// Those of a lost or silent device, or one without memory.
fn numerics(engine: &Engine) -> Result<Option<BTreeMap<String, Observed>>, Error> {
    match pollster::block_on(NumericsReport::of(engine)) {
        Ok(numerics) => {
            for operation in numerics.badly_rounded() {
                log::warn!(
                    "the adapter does not round every {operation} of f32 to the nearest number; int8 results may \
                     differ from those of other adapters (see 'fmnist-gpu verify')"
                );
            }
            Ok(Some(numerics.short()))
        }
        Err(
            error @ (Error::DeviceLost { .. } | Error::NoAnswer { .. } | Error::OutOfMemory { .. }),
        ) => Err(error),
        Err(error) => {
            log::warn!(
                "the result has no numerics report, because a probe of the driver failed: {error}"
            );
            Ok(None)
        }
    }
}

/// The default batch sizes as the option takes them, which the help shows.
fn default_batches() -> &'static str {
    static LIST: LazyLock<String> = LazyLock::new(|| {
        let batches = BenchOptions::default().batches;
        let batches: Vec<String> = batches.iter().map(ToString::to_string).collect();
        batches.join(",")
    });
    &LIST
}

/// The network and its images.
fn load(arguments: &Arguments) -> Result<(Source, Dataset), Error> {
    let images = |folder: Option<&Path>| match folder {
        Some(folder) => dataset::load_split(Split::Test, Some(folder)),
        None => dataset::test_split(),
    };
    let Some(network) = arguments.random.network()? else {
        return Ok((arguments.model.load()?, images(arguments.data.as_deref())?));
    };
    arguments.goal.check_random()?;
    let most = most_images(arguments);
    let given = images(arguments.data.as_deref())?;
    let data = if arguments.data.is_some() || given.images.width == network.inputs() {
        given.unlabelled_first(most)?
    } else {
        Dataset::random(most, network.inputs(), arguments.random.seed())?
    };
    Ok((Source::Network(network), data))
}

/// How the model is quantized. Without labels there is no accuracy for which compensated rounding could do anything, and on
/// wide networks it takes long.
fn recipe(data: &Dataset) -> Recipe {
    Recipe {
        rounding: match data.labels {
            Some(_) => Rounding::default(),
            None => Rounding::Nearest,
        },
        ..Recipe::default()
    }
}

/// The images that quantization is calibrated on, if those inside the program do not fit: a network of random weights is
/// calibrated on the images that it classifies, since there is no accuracy for which they would have to differ.
fn calibration(data: &Dataset, seed: u64) -> Option<Sample> {
    if data.labels.is_some() || data.images.width == dataset::CALIBRATION_WIDTH {
        return None;
    }
    Some(Sample {
        images: dataset::draw_images(&data.images, dataset::CALIBRATION_IMAGES, seed),
        seed,
        origin: data.name.clone(),
    })
}

/// How many images a network of random weights classifies: as many as the largest batch needs, and enough to compare
/// its labels with those of f32. All that there are would take long, and say no more. Results of the usual batch sizes
/// have the same images, so that they can be compared.
fn most_images(arguments: &Arguments) -> usize {
    const FEWEST: usize = 1000;
    let largest = arguments.sampling.batch.iter().copied().max().unwrap_or(0);
    match arguments.goal.memory_limit {
        Some(_) => dataset::RANDOM_IMAGES,
        None => largest.clamp(FEWEST, dataset::RANDOM_IMAGES),
    }
}
