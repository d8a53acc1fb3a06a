//! `search`: finds the precision of each layer by measuring.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use fmnist_gpu::dataset::{self, Dataset, Split};
use fmnist_gpu::engine::check_width;
use fmnist_gpu::model::Network;
use fmnist_gpu::quantize::{CalibrationProblem, Sample, Source, calibration_problems};
use fmnist_gpu::report::{self, DatasetInfo, ModelInfo, OutputFormat, SearchSubject, Tool};
use fmnist_gpu::search::{
    self, SearchGoal, SearchImages, SearchObserver, SearchOptions, SearchResult, SearchStart,
    SearchState, Sensitivity, Trial,
};
use fmnist_gpu::tune::Tuning;
use fmnist_gpu::units::parse_percent;
use fmnist_gpu::{Engine, Error, Mode, Precision};
use indicatif::ProgressBar;

use super::calibration::CalibrationOptions;
use super::help;
use super::interrupt;
use super::options::{
    self, AdapterOptions, KernelOptions, MatrixOptions, ModelOptions, ModelOutput,
};
use super::quantize;
use super::shell::command_line;
use super::terminal;

/// The calls that its help shows.
const EXAMPLES: &help::Examples = &[
    (
        "fmnist-gpu search --output mixed.safetensors",
        "find the fastest precisions within 0.1 points of f32",
    ),
    (
        "fmnist-gpu search --goal memory --max-accuracy-drop 0.5 --output small.safetensors",
        "find the smallest within 0.5 points",
    ),
    (
        "fmnist-gpu search --model m.safetensors --data DIR --output mixed.safetensors",
        "search for your own model",
    ),
];

/// Find the fastest or smallest precision for each layer, and write that model
///
/// It measures time on the adapter, and accuracy on training images that 'train' does not train on: half of them to choose
/// by, the others to confirm the choice. It ends with the 'quantize' command that makes the same network. After an interrupt,
/// the same command continues where it stopped.
#[derive(Debug, Args)]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES))]
pub struct Arguments {
    #[command(flatten)]
    model: ModelOptions,

    /// Folder with a training split in IDX files [default: data/fashion-mnist, or Debian's package]
    ///
    /// The files are train-images-idx3-ubyte and train-labels-idx1-ubyte, plain or as .gz. The search measures the
    /// images that 'train' keeps for validation. Debian's package is dataset-fashion-mnist.
    #[arg(long, value_name = "DIR", help_heading = help::MODEL)]
    data: Option<PathBuf>,

    #[command(flatten)]
    calibration: CalibrationOptions,

    #[command(flatten)]
    adapter: AdapterOptions,

    #[command(flatten)]
    matrix: MatrixOptions,

    #[command(flatten)]
    effort: SearchTarget,

    /// Format of standard output: table, json, csv or markdown
    #[arg(long, default_value = "table", value_name = "FORMAT", help_heading = help::OUTPUT)]
    format: OutputFormat,

    #[command(flatten)]
    output: ModelOutput,

    #[command(flatten)]
    kernels: KernelOptions,
}

/// What the search looks for, and how long.
#[derive(Debug, Args)]
#[command(next_help_heading = help::MEASUREMENT)]
struct SearchTarget {
    /// What to minimize: latency (time of a batch) or memory (bytes of parameters)
    #[arg(long, default_value_t, value_name = "GOAL")]
    goal: SearchGoal,

    /// Accept at most this accuracy loss against f32, in percentage points
    #[arg(long, default_value_t = 0.1, value_name = "POINTS", value_parser = points)]
    max_accuracy_drop: f64,

    /// Choose a mix only if it is better than the best single precision by this share, and that than f32
    #[arg(long, default_value = "5%", value_name = "PERCENT", value_parser = parse_percent, hide_short_help = true)]
    min_gain: f64,

    /// Images in the batch that is timed
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = options::positive, hide_short_help = true)]
    batch: usize,

    /// Measure at most this many mixed networks
    #[arg(long, default_value_t = 40, value_name = "N", hide_short_help = true)]
    trials: usize,

    /// Time to spend on each of the best networks in the final comparison
    #[arg(
        long,
        default_value = "500ms",
        value_name = "DURATION",
        value_parser = options::duration,
        hide_short_help = true
    )]
    min_time: humantime::Duration,

    /// How to choose the kernels of the best networks before the final comparison: off, quick or full, as in 'bench'
    #[arg(
        long,
        default_value = "quick",
        value_name = "EFFORT",
        hide_short_help = true
    )]
    tune: Tuning,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.format == OutputFormat::Html {
        return Err(Error::no_output("search", "html", "table, json, csv or markdown").into());
    }
    let output = arguments.output.create(&arguments.model)?;
    let source = arguments.model.load()?;
    let Source::Network(model) = &source else {
        return Err(options::already_quantized(&source).into());
    };
    let data = dataset::load_split(Split::Train, arguments.data.as_deref())?;
    check_width(&source, data.name.as_ref(), data.images.width)?;
    let sample = arguments.calibration.sample_of(&data)?;
    let images = SearchImages::new(&data, model)?;
    let engine = open(arguments)?;
    let options = SearchOptions {
        max_drop: arguments.effort.max_accuracy_drop / 100.0,
        min_gain: arguments.effort.min_gain,
        goal: arguments.effort.goal,
        batch: arguments.effort.batch.min(images.choosing.len()),
        trials: arguments.effort.trials,
        min_time: arguments.effort.min_time.into(),
        tuning: arguments.effort.tune,
        recipe: arguments.calibration.recipe(),
    };
    let subject = SearchSubject {
        adapter: engine.info(),
        model: ModelInfo::new(&source),
        dataset: DatasetInfo::new(&images.choosing),
        confirming: DatasetInfo::new(&images.confirming),
        exposure: images.exposure,
        options: &options,
        output: arguments.output.path().display().to_string(),
    };
    let about = about(arguments, &engine, model, &sample, &images, &options)?;
    let mut state = take_up(arguments, about);
    let table = arguments.format == OutputFormat::Table;
    let mut screen = SearchDisplay::new(table.then(|| report::search_preamble(&subject)));
    let search = search::run(
        &engine,
        model,
        &sample,
        &images,
        &options,
        &mut state,
        &mut screen,
    );
    let result = pollster::block_on(search);
    screen.bar.finish_and_clear();
    let mut result = result?;
    let problems = calibration_problems(model, &result.best, &sample);
    for problem in &problems {
        terminal::note(&format!("warning: {}: {problem}", result.best.mode));
    }
    let command = quantize_command(arguments, &data, &result.best.mode, &problems);
    add_provenance(&subject, &mut result);
    output.commit(&result.best.to_bytes()?)?;
    state.remove()?;
    screen.printed?;
    match arguments.format {
        OutputFormat::Table => terminal::print(&report::search_result(
            &subject,
            &result,
            &command,
            terminal::layout(),
        )),
        format => terminal::print(&report::search_document(
            &subject, &result, &command, format,
        )?),
    }
}

fn open(arguments: &Arguments) -> Result<Engine, Error> {
    let modes = Precision::EVERY.map(Mode::from);
    let (kernels, matrix) = (&arguments.kernels, &arguments.matrix);
    let opened = (arguments.adapter).open(kernels, matrix, &modes, arguments.effort.tune);
    pollster::block_on(opened)
}

/// Everything that the measurements depend on.
fn about(
    arguments: &Arguments,
    engine: &Engine,
    model: &Network,
    sample: &Sample,
    images: &SearchImages,
    options: &SearchOptions,
) -> Result<BTreeMap<String, String>, Error> {
    let tool = Tool::now();
    let recipe = options.recipe;
    let adapter = engine.info();
    let threads = engine.processor().info();
    let entries = [
        ("version", format!("{} {:?}", tool.version, tool.commit)),
        ("model", dataset::sha256_of(&model.to_bytes()?)),
        ("adapter", format!("{adapter} {} {threads}", adapter.driver)),
        (
            "adapter options",
            format!(
                "{:?} {:?} {:?}",
                arguments.adapter, arguments.kernels, arguments.matrix
            ),
        ),
        ("data", images.choosing.sha256()),
        ("batch", options.batch.to_string()),
        (
            "calibration",
            format!("{} {}", recipe.calibration, recipe.rounding),
        ),
        (
            "calibration images",
            dataset::sha256_of(&sample.images.pixels),
        ),
    ];
    Ok(entries.map(|(key, value)| (key.to_owned(), value)).into())
}

/// The measurements of the same search that an earlier run kept, or none. A note says which.
fn take_up(arguments: &Arguments, about: BTreeMap<String, String>) -> SearchState {
    let path = SearchState::path_of(arguments.output.path());
    let kept = path.clone();
    interrupt::before_end(move |_| {
        if kept.exists() {
            terminal::note(&format!(
                "note: {} keeps the measurements so far; run the same command again to continue",
                kept.display()
            ));
        }
    });
    let (state, beginning) = SearchState::open(&path, about);
    match beginning {
        SearchStart::New => {}
        SearchStart::Resumed(count) => terminal::note(&format!(
            "note: {} has {count} measurements of this search; it continues from there",
            path.display()
        )),
        SearchStart::Anew(why) => terminal::note(&format!(
            "note: {} cannot be continued ({why}); this search starts from the beginning",
            path.display()
        )),
    }
    state
}

/// The `quantize` command that makes the same network.
fn quantize_command(
    arguments: &Arguments,
    data: &Dataset,
    mode: &Mode,
    problems: &[CalibrationProblem],
) -> String {
    let calibration = &arguments.calibration;
    // The images inside the program are those that are drawn from Fashion-MNIST by default.
    let folder = match dataset::is_fashion_training(data) && calibration.draws_the_default() {
        true => None,
        false => arguments
            .data
            .as_deref()
            .or(dataset::default_folder(Split::Train)),
    };
    let mut options = calibration.command_of(mode, folder);
    let is_constant =
        |one: &CalibrationProblem| matches!(one, CalibrationProblem::ConstantAnswer { .. });
    if problems.iter().any(is_constant) {
        options += " --allow-degenerate";
    }
    let output = arguments.output.path();
    quantize::command_line(arguments.model.path(), mode, &options, output)
}

/// Writes into the file how it was made.
fn add_provenance(subject: &SearchSubject<'_>, result: &mut SearchResult) {
    let found = result.confirmation;
    let entries = [
        ("search_command", command_line()),
        ("search_adapter", subject.adapter.to_string()),
        ("search_images", subject.confirming.name.clone()),
        ("search_accuracy", format!("{:.4}", found.accuracy())),
        (
            "search_f32_accuracy",
            format!("{:.4}", found.f32_accuracy()),
        ),
    ];
    let entries = entries.map(|(key, value)| (key.to_owned(), value));
    result.best.provenance.extend(entries);
}

/// At least 0.
fn points(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(points) if (0.0..=100.0).contains(&points) => Ok(points),
        _ => Err("use percentage points from 0 to 100, for example 0.1".to_owned()),
    }
}

/// The progress bar, and the table of sensitivities as soon as they are measured.
struct SearchDisplay {
    bar: ProgressBar,
    /// None if the format is no table.
    preamble: Option<String>,
    printed: anyhow::Result<()>,
}

impl SearchDisplay {
    fn new(preamble: Option<String>) -> Self {
        Self {
            bar: terminal::progress_bar(),
            preamble,
            printed: Ok(()),
        }
    }
}

impl SearchObserver for SearchDisplay {
    fn progress(&mut self, what: &str, done: usize, total: usize) {
        self.bar.set_message(what.to_owned());
        self.bar.set_length(total.max(1) as u64);
        self.bar.set_position(done as u64);
    }

    fn sensitivities(&mut self, f32: &Trial, sensitivities: &[Sensitivity]) {
        if let Some(preamble) = &self.preamble {
            let table = report::sensitivity_table(f32, sensitivities, terminal::layout());
            let text = format!("{preamble}{table}");
            self.printed = self.bar.suspend(|| terminal::print(&text));
        }
    }
}
