//! `bench`: time, memory and accuracy of every precision, side by side.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::LazyLock;

use clap::Args;
use fmnist_gpu::Error;
use fmnist_gpu::atomic_file::AtomicFile;
use fmnist_gpu::bench::{self, BenchOptions, Machine, Observer, Row, Status};
use fmnist_gpu::dataset::{self, Dataset, Split};
use fmnist_gpu::report::{self, DatasetInfo, Document, Format, Layout, ModelInfo, SCHEMA, Tool};
use fmnist_gpu::tune::Tuning;
use fmnist_gpu::verdict::{Goal, Verdict};
use indicatif::ProgressBar;

use super::decision::{self, BaselineOptions, GoalOptions};
use super::modes::ModesOptions;
use super::options::{self, AdapterOptions, MatrixOptions, ModelOptions};
use super::terminal;

/// Measures time, memory and accuracy of every precision, side by side.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    adapter: AdapterOptions,

    #[command(flatten)]
    matrix: MatrixOptions,

    #[command(flatten)]
    modes: ModesOptions,

    /// Batch sizes
    #[arg(long, default_value = default_batches(), value_name = "LIST", value_delimiter = ',', value_parser = options::positive)]
    batch: Vec<usize>,

    #[command(flatten)]
    model: ModelOptions,

    /// A folder with a test split in IDX files (t10k-images-idx3-ubyte, …, plain or .gz); the
    /// Fashion-MNIST test split is inside the program.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// What goes to standard output: table, json, csv or markdown
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    format: Format,

    /// Also write a file; its extension tells the format (.json, .csv, .md, .txt). May be repeated.
    #[arg(long, value_name = "FILE")]
    output: Vec<PathBuf>,

    /// Samples of each precision, instead of as many as --min-time needs
    #[arg(long, value_name = "N", value_parser = options::positive)]
    runs: Option<usize>,

    /// Passes before the first sample
    #[arg(long, default_value_t = BenchOptions::default().warmup, value_name = "N")]
    warmup: usize,

    /// The time that each precision's samples are to take together. Sampling ends once all of them
    /// have it and 10 samples (5 where one takes over a second); or, since a quick precision would
    /// keep a slow one waiting, after twice that time for every precision. Up to the default time,
    /// 1000 samples at most are kept, spread over all of it.
    #[arg(long, default_value_t = BenchOptions::default().min_time.into(), value_name = "DURATION", value_parser = options::duration)]
    min_time: humantime::Duration,

    /// How kernels are chosen before anything is measured: off (defaults for this kind of adapter),
    /// quick (the likeliest are timed, a few seconds at most) or full (all are). What won is kept in
    /// the user's cache folder, or in that of FMNIST_GPU_CACHE_DIR.
    #[arg(long, default_value = "quick", value_name = "EFFORT")]
    tune: Tuning,

    /// Also show where the time goes: upload, each kernel, the gaps between them, and the host, for the
    /// kernel chosen and for the separate passes
    #[arg(long)]
    breakdown: bool,

    #[command(flatten)]
    goal: GoalOptions,

    #[command(flatten)]
    baseline: BaselineOptions,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let outputs = open_outputs(&arguments.output)?;
    let model = arguments.model.load()?;
    let data = load_data(arguments.data.as_deref())?;
    let options = BenchOptions {
        modes: arguments.modes.modes(&model)?,
        named: arguments.modes.named(),
        batches: arguments.batch.clone(),
        runs: arguments.runs,
        warmup: arguments.warmup,
        min_time: arguments.min_time.into(),
        tuning: arguments.tune,
        breakdown: arguments.breakdown,
        slowdown: decision::slowdown()?,
        memory_limit: arguments.goal.memory_limit,
        batch_limit: arguments.goal.batch_limit,
    };
    let opened = (arguments.adapter).open(&arguments.matrix, &options.modes, options.tuning);
    let engine = pollster::block_on(opened)?;
    let mut document = Document {
        schema: SCHEMA,
        tool: Tool::now(),
        machine: Machine::here(),
        adapter: engine.info().clone(),
        adapter_reason: engine.reason().to_owned(),
        matrix_units: engine.matrix_units().clone(),
        model: ModelInfo::new(&model),
        dataset: DatasetInfo::new(&data),
        results: Vec::new(),
        yardsticks: Vec::new(),
        memory_limit: None,
        verdict: Verdict::unmeasured(Goal::default()),
        comparison: None,
    };

    let baselines = arguments.baseline.open(&document)?;

    let mut screen = Screen::new(arguments.format, &document, !outputs.is_empty());
    let outcome = pollster::block_on(bench::run(&engine, &model, &data, &options, &mut screen))?;
    screen.bar.finish_and_clear();
    let measured = !outcome.rows.is_empty();
    let failure = decision::conclude(
        &mut document,
        outcome,
        &arguments.goal,
        &baselines,
        options.slowdown,
    );
    if screen.table && measured {
        let conclusion = report::conclusion(&document, Layout::Terminal);
        screen.print(&format!("\n{}{conclusion}", report::LEGEND));
    }

    // What was measured is kept, whatever ended the measurement.
    let printed = match arguments.format {
        Format::Table => screen.printed,
        format => terminal::print(&report::render(&document, format)?),
    };
    for (format, file) in outputs {
        file.commit(report::render(&document, format)?.as_bytes())?;
    }
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    baselines.save(&document)?;
    printed?;
    overflows(&document.results)?;
    arguments.goal.check(&document.verdict)?;
    arguments.baseline.check(&document)?;
    Ok(())
}

/// The default batch sizes as a list is written, which the help then shows.
fn default_batches() -> &'static str {
    static LIST: LazyLock<String> = LazyLock::new(|| {
        let batches = BenchOptions::default().batches;
        let batches: Vec<String> = batches.iter().map(ToString::to_string).collect();
        batches.join(",")
    });
    &LIST
}

/// Opens every output file before anything is measured.
fn open_outputs(paths: &[PathBuf]) -> Result<Vec<(Format, AtomicFile)>, Error> {
    let open = |path: &PathBuf| Ok((Format::of_path(path)?, AtomicFile::create(path)?));
    paths.iter().map(open).collect()
}

fn load_data(folder: Option<&std::path::Path>) -> Result<Dataset, Error> {
    match folder {
        Some(folder) => dataset::load_split(Split::Test, Some(folder)),
        None => dataset::test_split(),
    }
}

/// An overflow is told in its row; the rest was measured, and the exit code says that not all is
/// well.
fn overflows(rows: &[Row]) -> anyhow::Result<()> {
    let Some(row) = rows.iter().find(|row| row.status == Status::Overflow) else {
        return Ok(());
    };
    let detail = row.detail.as_deref().unwrap_or_default();
    let name = row.requested.name();
    Err(Error::CheckFailed(format!(
        "{name} overflows: {detail}; run this model in f32 or int8"
    ))
    .into())
}

/// The progress bar, and the table as it grows.
struct Screen {
    bar: ProgressBar,
    /// The preamble, until the first rows come; none where the format is no table.
    preamble: Option<String>,
    table: bool,
    printed: anyhow::Result<()>,
    /// Whether results also go to files.
    has_files: bool,
}

impl Screen {
    fn new(format: Format, document: &Document, has_files: bool) -> Self {
        let table = format == Format::Table;
        Self {
            bar: terminal::progress_bar(),
            preamble: table.then(|| report::preamble(document)),
            table,
            printed: Ok(()),
            has_files,
        }
    }

    fn print(&mut self, text: &str) {
        if self.printed.is_ok() {
            self.printed = self.bar.suspend(|| terminal::print(text));
        }
    }
}

impl Observer for Screen {
    fn progress(&mut self, what: &str, done: usize, total: usize) {
        if let Some(preamble) = self.preamble.take() {
            self.print(&preamble);
        }
        self.bar.set_message(what.to_owned());
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
    }

    fn finished(&mut self, rows: &[Row]) -> ControlFlow<()> {
        if self.table {
            let table = report::rows_table(rows, Layout::Terminal);
            self.print(&format!("\n{table}"));
        }
        // A closed standard output ends the run, unless files wait for the rest.
        if self.printed.is_err() && !self.has_files {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}
