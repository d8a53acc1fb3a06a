//! `bench`: time, memory and accuracy of every precision, side by side.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Args, ValueHint};
use fmnist_gpu::adapter::AdapterInfo;
use fmnist_gpu::baseline::LEAST_PAIRS;
use fmnist_gpu::bench::{self, BenchOptions, Finished, Observer, TIME_TO_COMPARE};
use fmnist_gpu::dataset::{self, Dataset, Split};
use fmnist_gpu::report::{AdapterEntry, DatasetInfo, Document, Format, ModelInfo, SCHEMA, Tool};
use fmnist_gpu::results::{Machine, Row, Status, Warning};
use fmnist_gpu::tune::Tuning;
use fmnist_gpu::verdict::{Goal, Verdict};
use fmnist_gpu::verify::NumericsReport;
use fmnist_gpu::verify::numerics::Observed;
use fmnist_gpu::{Engine, Error, Mode};
use indicatif::ProgressBar;

use super::decision::{self, BaselineOptions, GoalOptions};
use super::interrupt::{self, Interrupted};
use super::modes::{self, ModesOptions};
use super::options::{self, AdapterOptions, MatrixOptions, ModelOptions};
use super::record::{Outputs, Record};
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
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    data: Option<PathBuf>,

    /// What goes to standard output: table, json, csv, markdown or html
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    format: Format,

    /// Also write a file; its extension tells the format (.html, .json, .csv, .md, .txt). May be repeated.
    /// It has the rows of a batch size as soon as they are measured.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Vec<PathBuf>,

    /// Samples of each precision, instead of as many as --min-time needs
    #[arg(long, value_name = "N", value_parser = options::positive)]
    runs: Option<usize>,

    /// Passes before the first sample
    #[arg(long, default_value_t = BenchOptions::default().warmup, value_name = "N")]
    warmup: usize,

    /// The time that each precision's samples are to take together. Sampling ends once all of them
    /// have it and 10 samples (5 where one takes over a second); or, since a quick precision would
    /// keep a slow one waiting, after twice that time for every precision. Up to two seconds, 1000
    /// samples at most are kept, spread over all of it. Where it is left out, --save and --compare take 50
    /// samples unless one takes over 0.2 seconds. [default: 300ms; 2s with --save or --compare]
    #[arg(long, value_name = "DURATION", value_parser = options::duration)]
    min_time: Option<humantime::Duration>,

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
    let outputs = Outputs::open(&arguments.output)?;
    let model = arguments.model.load()?;
    let data = load_data(arguments.data.as_deref())?;
    let options = BenchOptions {
        modes: arguments.modes.modes(&model)?,
        named: arguments.modes.named(),
        batches: arguments.batch.clone(),
        runs: arguments.runs,
        warmup: arguments.warmup,
        min_time: match arguments.min_time {
            Some(time) => time.into(),
            None if arguments.baseline.compares() => TIME_TO_COMPARE,
            None => BenchOptions::default().min_time,
        },
        // Who says how long measures no longer; a result that is to be compared has what a comparison takes.
        fewest: match arguments.min_time {
            None if arguments.baseline.compares() => LEAST_PAIRS,
            _ => BenchOptions::default().fewest,
        },
        tuning: arguments.tune,
        breakdown: arguments.breakdown,
        slowdown: decision::slowdown()?,
        memory_limit: arguments.goal.memory_limit,
        batch_limit: arguments.goal.batch_limit,
    };
    let opened = (arguments.adapter).open(&arguments.matrix, &options.modes, options.tuning);
    let engine = pollster::block_on(opened)?;
    let document = Document {
        schema: SCHEMA,
        tool: Tool::now(),
        command: command_line(),
        machine: Machine::here(),
        adapters: vec![AdapterEntry {
            info: engine.info().clone(),
            reason: engine.reason().to_owned(),
            matrix_units: engine.matrix_units().clone(),
            numerics: numerics(&engine)?,
        }],
        cpu_path: AdapterInfo::cpu(0, engine.processor().info()),
        model: ModelInfo::new(&model),
        dataset: DatasetInfo::new(&data),
        results: Vec::new(),
        changed: Vec::new(),
        missing_batches: largest_first(&options.batches),
        incomplete: None,
        control_workloads: Vec::new(),
        memory_limit: None,
        verdict: Verdict::unmeasured(Goal::default()),
        comparison: None,
    };

    let baselines = arguments.baseline.open(&document, &options)?;
    let conclusions = decision::conclusions(&arguments.goal, &baselines, options.slowdown);

    let bar = terminal::progress_bar();
    let record = Record::new(
        document,
        arguments.format,
        outputs,
        bar.clone(),
        conclusions,
    );
    let mut watch = Watch {
        bar,
        record,
        judged: arguments.baseline.compares() || arguments.goal.is_gate(),
    };
    let outcome = pollster::block_on(bench::run(&engine, &model, &data, &options, &mut watch))?;
    let record = watch.record;
    // What was measured is kept, whatever ended the measurement.
    let failure = outcome.failure.map(anyhow::Error::from);
    let failure = failure.or_else(|| interrupt::requested().then(|| Interrupted.into()));
    if let Some(failure) = failure {
        if let Some(unsaved) = baselines.unsaved() {
            terminal::tell(&unsaved);
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
    // A regression must not become the baseline, nor what is held against nothing. An overflow is a row of the
    // result as any other.
    let keep = gates.iter().all(Result::is_ok) && document.incomplete.is_none();
    let note = baselines.unsaved().filter(|_| !keep);
    let saved = if keep {
        baselines.save(&document)
    } else {
        Ok(())
    };
    let checks = std::iter::once(overflows(&document.results)).chain(gates);
    let checks = decision::together(checks.filter_map(Result::err).collect(), note);
    first_of([checks.map_err(Into::into), saved.map_err(Into::into), ended])
}

/// One error ends the command, the first; the others are told beside it. A closed standard output is no error
/// beside any other, and nothing to tell.
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

/// What the adapter does where it has a choice. A result is worth having without it, but not from a device that is
/// gone.
///
/// # Errors
/// Those of a lost or silent device, or one without memory.
fn numerics(engine: &Engine) -> Result<Option<BTreeMap<String, Observed>>, Error> {
    match pollster::block_on(NumericsReport::of(engine)) {
        Ok(numerics) => Ok(Some(numerics.short())),
        Err(
            error @ (Error::DeviceLost { .. } | Error::NoAnswer { .. } | Error::OutOfMemory { .. }),
        ) => Err(error),
        Err(error) => {
            log::warn!("what the driver does where it has a choice was not seen: {error}");
            Ok(None)
        }
    }
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

fn load_data(folder: Option<&std::path::Path>) -> Result<Dataset, Error> {
    match folder {
        Some(folder) => dataset::load_split(Split::Test, Some(folder)),
        None => dataset::test_split(),
    }
}

/// An overflow is told in its row; the rest was measured, and the exit code says that not all is
/// well.
fn overflows(rows: &[Row]) -> Result<(), Error> {
    let Some(row) = rows.iter().find(|row| row.status == Status::Overflow) else {
        return Ok(());
    };
    let detail = row.detail.as_deref().unwrap_or_default();
    let name = row.requested.name();
    let way_out = modes::way_out_of_overflow(row.requested.precision);
    Err(Error::CheckFailed(format!(
        "{name} overflows: {detail}; {way_out}"
    )))
}

/// The batch sizes in the order in which they are measured.
fn largest_first(batches: &[usize]) -> Vec<usize> {
    let mut batches = batches.to_vec();
    batches.sort_unstable_by(|a, b| b.cmp(a));
    batches.dedup();
    batches
}

/// The command line, as a shell takes it.
pub(super) fn command_line() -> String {
    let words = std::env::args_os().skip(1);
    let words = words.map(|word| quoted(&word.to_string_lossy()));
    let words: Vec<String> = std::iter::once("fmnist-gpu".to_owned())
        .chain(words)
        .collect();
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./,:=+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Shows how far a measurement is, and hands its rows on.
struct Watch {
    bar: ProgressBar,
    record: Record,
    /// Whether a gate or a baseline wants every row, also where nobody reads them.
    judged: bool,
}

impl Observer for Watch {
    fn progress(&mut self, what: &str, done: usize, total: usize) {
        self.record.open();
        self.bar.set_message(what.to_owned());
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
    }

    fn measured(&mut self, batch: &Finished<'_>) {
        self.record.measured(batch);
    }

    fn finished(&mut self, batch: &Finished<'_>) -> ControlFlow<()> {
        self.record.finished(batch);
        if self.hurries() || !self.judged && self.record.is_unread() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn warned(&mut self, mode: &Mode, warning: &Warning) {
        let line = format!("warning: {mode}: {}", warning.text);
        self.bar.suspend(|| terminal::tell(&line));
    }

    fn hurries(&self) -> bool {
        interrupt::requested()
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_as_a_shell_takes_them() {
        for (word, want) in [
            ("--batch", "--batch"),
            ("1,32", "1,32"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(quoted(word), want);
        }
    }
}
