//! `search`: finds the precision of each layer by measuring.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use fmnist_gpu::atomic_file::AtomicFile;
use fmnist_gpu::dataset::{self, Dataset, HELD_OUT, Holdout, Split};
use fmnist_gpu::deploy::{Sample, Source};
use fmnist_gpu::engine::check_width;
use fmnist_gpu::model::Model;
use fmnist_gpu::report::{self, DatasetInfo, Format, ModelInfo, SearchSubject, Tool};
use fmnist_gpu::search::{
    self, Beginning, Goal, Observer, Outcome, SearchOptions, Sensitivity, State, Trial,
};
use fmnist_gpu::tune::Tuning;
use fmnist_gpu::{Engine, Error, Mode, Precision};
use indicatif::ProgressBar;

use super::calibration::CalibrationOptions;
use super::interrupt;
use super::options::{self, AdapterOptions, MatrixOptions, ModelOptions};
use super::terminal;

/// Finds the precision of each layer by measuring: speed on the adapter, accuracy on training images that
/// are held back. Interrupted, it goes on where it was.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    adapter: AdapterOptions,

    #[command(flatten)]
    matrix: MatrixOptions,

    #[command(flatten)]
    model: ModelOptions,

    /// The accuracy that may be lost against f32, in points
    #[arg(long, default_value_t = 0.1, value_name = "POINTS", value_parser = points)]
    max_accuracy_drop: f64,

    /// What there is to be little of: latency (time of a batch) or memory (bytes of parameters)
    #[arg(long, default_value_t, value_name = "GOAL")]
    goal: Goal,

    /// Images of the batch that is timed
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = options::positive)]
    batch: usize,

    /// Mixed assignments that are tried at most
    #[arg(long, default_value_t = 40, value_name = "N")]
    trials: usize,

    /// The time that each of the best takes in the last comparison
    #[arg(long, default_value = "500ms", value_name = "DURATION", value_parser = options::duration)]
    min_time: humantime::Duration,

    /// How the kernels of the best are chosen before they are compared: off, quick or full, as in 'bench'
    #[arg(long, default_value = "quick", value_name = "EFFORT")]
    tune: Tuning,

    /// A folder with a training split in IDX files (train-images-idx3-ubyte, …); without it:
    /// data/fashion-mnist, then Debian's package. The images that 'train' holds back are measured.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    #[command(flatten)]
    calibration: CalibrationOptions,

    /// table, json, csv or markdown
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    format: Format,

    /// The file to write (safetensors)
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.format == Format::Html {
        return Err(Error::no_output("search", "html", "table, json, csv or markdown").into());
    }
    let output = AtomicFile::create(&arguments.output)?;
    let source = arguments.model.load()?;
    let Source::Model(model) = &source else {
        return Err(options::already_quantized(&source).into());
    };
    let data = dataset::load_split(Split::Train, arguments.data.as_deref())?;
    check_width(&source, data.name.as_ref(), data.images.width)?;
    let sample = arguments.calibration.sample_of(&data)?;
    let held = held_out(data)?;
    let engine = open(arguments)?;
    let options = SearchOptions {
        max_drop: arguments.max_accuracy_drop / 100.0,
        goal: arguments.goal,
        batch: arguments.batch.min(held.len()),
        trials: arguments.trials,
        min_time: arguments.min_time.into(),
        tuning: arguments.tune,
        recipe: arguments.calibration.recipe(),
    };
    let subject = SearchSubject {
        adapter: engine.info(),
        model: ModelInfo::new(&source),
        dataset: DatasetInfo::new(&held),
        options: &options,
        output: arguments.output.display().to_string(),
    };
    let about = about(arguments, &engine, model, &sample, &held, &options)?;
    let mut state = take_up(arguments, about);
    let table = arguments.format == Format::Table;
    let mut screen = Screen::new(table.then(|| report::search_preamble(&subject)));
    let search = search::run(
        &engine,
        model,
        &sample,
        &held,
        &options,
        &mut state,
        &mut screen,
    );
    let outcome = pollster::block_on(search);
    screen.bar.finish_and_clear();
    let mut outcome = outcome?;
    tell_origin(arguments, &subject, &mut outcome);
    output.commit(&outcome.best.to_bytes()?)?;
    state.remove()?;
    screen.printed?;
    match arguments.format {
        Format::Table => terminal::print(&report::search_result(
            &subject,
            &outcome,
            terminal::layout(),
        )),
        format => terminal::print(&report::search_document(&subject, &outcome, format)?),
    }
}

/// The images that nothing has learned from.
fn held_out(data: Dataset) -> Result<Dataset, Error> {
    let held = Holdout::new(data.len(), HELD_OUT).validation;
    let labels = held.iter().map(|&index| data.labels[index]).collect();
    let name = format!("{}, held back", data.name);
    Dataset::new(name, data.images.select(&held), labels)
}

fn open(arguments: &Arguments) -> Result<Engine, Error> {
    let modes = Precision::EVERY.map(Mode::from);
    let opened = (arguments.adapter).open(&arguments.matrix, &modes, arguments.tune);
    pollster::block_on(opened)
}

/// Everything that the measurements depend on.
fn about(
    arguments: &Arguments,
    engine: &Engine,
    model: &Model,
    sample: &Sample,
    held: &Dataset,
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
            format!("{:?} {:?}", arguments.adapter, arguments.matrix),
        ),
        ("data", held.sha256()),
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

/// What was kept of the same search, or nothing; either is told.
fn take_up(arguments: &Arguments, about: BTreeMap<String, String>) -> State {
    let path = State::path_of(&arguments.output);
    let kept = path.clone();
    interrupt::before_end(move |_| {
        if kept.exists() {
            terminal::tell(&format!(
                "note: what was measured is kept in {}: the same command goes on from there",
                kept.display()
            ));
        }
    });
    let (state, beginning) = State::open(&path, about);
    match beginning {
        Beginning::New => {}
        Beginning::Resumed(count) => terminal::tell(&format!(
            "note: {} has {count} measurements of this search, which goes on from there",
            path.display()
        )),
        Beginning::Anew(why) => terminal::tell(&format!(
            "note: {} is of another search ({why}); this one starts anew",
            path.display()
        )),
    }
    state
}

/// How the file came to be.
fn tell_origin(arguments: &Arguments, subject: &SearchSubject<'_>, outcome: &mut Outcome) {
    let best = &outcome.finalists[0].trial.measured;
    let options = subject.options;
    let mut command = "fmnist-gpu search".to_owned();
    if let Some(path) = arguments.model.path() {
        command += &format!(" --model {}", path.display());
    }
    if let Some(folder) = &arguments.data {
        command += &format!(" --data {}", folder.display());
    }
    command += &format!(
        " --max-accuracy-drop {} --goal {} --batch {} --trials {}{} --output {}",
        arguments.max_accuracy_drop,
        options.goal,
        options.batch,
        options.trials,
        arguments.calibration.command(),
        subject.output
    );
    let entries = [
        ("search_command", command),
        ("search_adapter", subject.adapter.to_string()),
        ("search_images", subject.dataset.name.clone()),
        ("search_accuracy", format!("{:.4}", best.accuracy)),
        (
            "search_f32_accuracy",
            format!("{:.4}", outcome.f32.measured.accuracy),
        ),
    ];
    let entries = entries.map(|(key, value)| (key.to_owned(), value));
    outcome.best.provenance.extend(entries);
}

/// At least 0.
fn points(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(points) if (0.0..=100.0).contains(&points) => Ok(points),
        _ => Err("write points of accuracy from 0 to 100, for example 0.1".to_owned()),
    }
}

/// The progress bar, and the table of sensitivities as soon as it is there.
struct Screen {
    bar: ProgressBar,
    /// None where the format is no table.
    preamble: Option<String>,
    printed: anyhow::Result<()>,
}

impl Screen {
    fn new(preamble: Option<String>) -> Self {
        Self {
            bar: terminal::progress_bar(),
            preamble,
            printed: Ok(()),
        }
    }
}

impl Observer for Screen {
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
