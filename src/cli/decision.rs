//! The options of `bench` that turn its rows into a decision: a goal and limits, and an earlier result.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use fmnist_gpu::adapter::{AdapterInfo, Kind};
use fmnist_gpu::atomic_file::AtomicFile;
use fmnist_gpu::baseline::{
    self, Change, Flag, LEAST_PAIRS, Name, Present, Saved, compare, compare_with_f32,
};
use fmnist_gpu::bench::BenchOptions;
use fmnist_gpu::error::{CheckError, FileError, UsageError};
use fmnist_gpu::quantize::Source;
use fmnist_gpu::report::{self, Detail, Document, Gate, OutputFormat};
use fmnist_gpu::results::{ControlWorkload, Row, Status};
use fmnist_gpu::units::parse_percent;
use fmnist_gpu::verdict::{
    Circumstances, Goal, LimitName, Request, UnknownAccuracy, Verdict, decide, unsettled, warnings,
};
use fmnist_gpu::{Error, Result};

use super::{help, options, terminal};

/// What the recommended precision must be good for, and which limits it must keep.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = help::DECISION)]
pub struct GoalOptions {
    /// What to optimize for: latency, throughput, memory or accuracy
    ///
    /// latency is the time of the smallest batch. throughput is the number of images per second, at the best batch
    /// size. memory and accuracy are those of the smallest batch.
    #[arg(long, default_value_t, value_name = "GOAL", hide_short_help = true)]
    goal: Goal,

    /// Recommend another precision than f32 only if it is faster by at least this, for example 10% [default: 5%]
    ///
    /// The same gain decides between the CPU and an adapter: the CPU path is recommended unless the adapter is faster
    /// by this.
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, hide_short_help = true)]
    min_gain: Option<f64>,

    /// Accept at most this accuracy loss against f32, in percentage points [default: 1]
    #[arg(long, value_name = "POINTS", value_parser = points, hide_short_help = true)]
    max_accuracy_drop: Option<f64>,

    /// Accept at least this accuracy, for example 88%
    #[arg(long, value_name = "PERCENT", value_parser = accuracy, hide_short_help = true)]
    min_accuracy: Option<f64>,

    /// Accept at most this median time of a batch, with the upload of its images
    #[arg(long, value_name = "DURATION", value_parser = options::duration, hide_short_help = true)]
    max_latency: Option<humantime::Duration>,

    /// Accept at most this memory for parameters and activations, for example 100KiB
    ///
    /// Each precision is then also measured at the largest batch that fits. No larger batch is recommended.
    #[arg(long, value_name = "SIZE", value_parser = options::size, hide_short_help = true)]
    pub memory_limit: Option<u64>,

    /// Measure at most this many images in a batch; larger batch sizes are reduced to this
    #[arg(long, value_name = "N", value_parser = options::positive, hide_short_help = true)]
    pub batch_limit: Option<usize>,

    /// Exit with code 4 if no precision meets every limit
    ///
    /// A limit on the accuracy that cannot be checked, since the images have no labels, is not met.
    #[arg(long, hide_short_help = true)]
    gate: bool,

    /// With --gate, accept that the images have no labels, so that no limit on the accuracy can be checked
    #[arg(long, requires = "gate", hide_short_help = true)]
    allow_unchecked: bool,
}

/// An earlier result.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = help::DECISION)]
pub struct BaselineOptions {
    /// Save this result under a name, for a later --compare
    ///
    /// It is saved in the user's data folder, or in the folder that FMNIST_GPU_CACHE_DIR names. It is not saved if a
    /// gate fails or the run ends early.
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    save: Option<Name>,

    /// Compare with an earlier result (a name given to --save, or a JSON file), or with another model (.safetensors)
    ///
    /// Another model is measured first, in the same run, which takes as long again. Then both are compared by accuracy on
    /// the same images, by the labels that they agree on, by time and by memory. Rows of the same precision are compared;
    /// a quantized file is compared with f32 of a file with float weights, also by --max-accuracy-drop.
    #[arg(long, value_name = "NAME|FILE|MODEL", hide_short_help = true)]
    compare: Option<String>,

    /// With --compare and a result, accept that it is of another model
    #[arg(long, requires = "compare", hide_short_help = true)]
    allow_other_model: bool,

    /// With --compare, exit with code 5 if a row is slower by more than this, for example 5%
    ///
    /// A slowdown counts if it is also larger than the noise of the measurement, which is 6% or more. The exit code
    /// is 5 as well if a row is significantly less accurate, or is no longer measured. A row with fewer than
    /// 50 samples in either result is not judged, and a warning names it. If no row can be judged, the exit code
    /// is 2. The least value is 5%.
    #[arg(
        long,
        value_name = "PERCENT",
        requires = "compare",
        value_parser = regression,
        hide_short_help = true
    )]
    fail_on_regression: Option<f64>,
}

impl BaselineOptions {
    /// The model that --compare names, and its name there; none where it names a result.
    pub fn other_model(&self) -> Result<Option<(String, Source)>> {
        let Some(name) = &self.compare else {
            return Ok(None);
        };
        let path = baseline::find_model(name);
        let model = path.map(|path| Source::load(&path)).transpose()?;
        Ok(model.map(|model| (name.clone(), model)))
    }

    /// Whether the result is compared with that of another run, now or later.
    pub fn compares(&self) -> bool {
        self.save.is_some() || self.compare.is_some()
    }
}

impl GoalOptions {
    /// Fails if an option needs an accuracy, which a network of random weights does not have.
    pub fn check_random(&self) -> Result<()> {
        let options = [
            ("--max-accuracy-drop", self.max_accuracy_drop.is_some()),
            ("--min-accuracy", self.min_accuracy.is_some()),
            ("--goal accuracy", self.goal == Goal::Accuracy),
            (
                "--gate without another limit",
                self.gate && self.max_latency.is_none() && self.memory_limit.is_none(),
            ),
        ];
        match options.into_iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(Error::Usage(UsageError::NoAccuracy { option })),
            None => Ok(()),
        }
    }

    fn request(&self, context: VerdictContext) -> Request {
        Request {
            goal: self.goal,
            min_gain: self.min_gain,
            max_accuracy_drop: self.max_accuracy_drop,
            min_accuracy: self.min_accuracy,
            unknown_accuracy: match (self.gate, self.allow_unchecked) {
                (_, true) => UnknownAccuracy::Accepted,
                // A network of random weights has no accuracy that a gate could check.
                (true, false) if !context.random => UnknownAccuracy::MissesAllLimits,
                _ => UnknownAccuracy::MissesLimits,
            },
            max_latency: self.max_latency.map(Into::into),
            memory_limit: self.memory_limit,
            reference_scheme: context.reference_scheme,
        }
    }

    /// What the verdict needs to know to tell whether it is settled.
    pub fn settlement(&self, document: &Document, context: VerdictContext) -> Settlement {
        let adapters = document.requested().iter();
        Settlement {
            request: self.request(context),
            adapters: adapters.map(|entry| entry.info.clone()).collect(),
            images: document.dataset.images,
        }
    }

    /// Adds the verdict to the document.
    pub fn decide(&self, document: &mut Document, context: VerdictContext) {
        let adapters: Vec<&AdapterInfo> = document
            .requested()
            .iter()
            .map(|entry| &entry.info)
            .collect();
        // A software adapter beside the CPU path is a reference, whose unrest decides nothing.
        let reference = |at: usize| adapters.len() > 1 && adapters[at].kind == Kind::Software;
        let control_workloads = document.control_workloads.iter();
        let control_workloads: Vec<ControlWorkload> = control_workloads
            .filter(|one| one.adapter >= adapters.len() || !reference(one.adapter))
            .cloned()
            .collect();
        let warnings = warnings(Circumstances {
            adapters: &adapters,
            machine: &document.machine,
            control_workloads: &control_workloads,
            debug: cfg!(debug_assertions),
            slowdown: context.slowdown,
        });
        let verdict = decide(
            &document.results,
            document.dataset.images,
            &adapters,
            &self.request(context),
            warnings,
        );
        document.verdict = verdict;
    }

    /// What decides the exit code of --gate; none without it.
    fn gate(&self, verdict: &Verdict) -> Option<Gate> {
        self.gate.then(|| Gate {
            name: "--gate".to_owned(),
            failure: self.check(verdict).err().map(|error| error.to_string()),
        })
    }

    /// Fails if --gate is given and no row meets every limit.
    pub fn check(&self, verdict: &Verdict) -> Result<()> {
        if !self.gate || verdict.recommended.is_some() {
            return Ok(());
        }
        let unmet = verdict.limits.iter();
        let unmet = unmet.filter_map(|limit| Some((limit, limit.shortfall()?)));
        let unmet = unmet.map(|(limit, how)| match limit.measured {
            Some(_) => format!("{} ({how})", flag(limit.name)),
            None => format!(
                "{} ({how}; --allow-unchecked accepts that)",
                flag(limit.name)
            ),
        });
        Err(Error::CheckFailed(CheckError::LimitsNotMet {
            limits: unmet.collect(),
            verdict: verdict.sentence.clone(),
        }))
    }
}

/// Tells whether samples settle the verdict.
pub struct Settlement {
    request: Request,
    adapters: Vec<AdapterInfo>,
    images: usize,
}

impl Settlement {
    /// Which of the rows of a batch size need more samples, if these batch sizes are left to be measured.
    pub fn unsettled(&self, rows: &[Row], left: &[usize]) -> Vec<usize> {
        // The other goals look at the smallest batch size, which comes last.
        if self.request.goal != Goal::Throughput && !left.is_empty() {
            return Vec::new();
        }
        let adapters: Vec<&AdapterInfo> = self.adapters.iter().collect();
        unsettled(rows, self.images, &adapters, &self.request)
    }
}

/// What a verdict depends on besides the rows and the goal.
#[derive(Clone, Copy, Debug)]
pub struct VerdictContext {
    /// Whether the user asked for the reference scheme of int8.
    pub reference_scheme: bool,
    /// Whether the network has random weights, so that its accuracy means nothing.
    pub random: bool,
    /// The share by which every sample was made longer on purpose.
    pub slowdown: f64,
}

/// The option that sets a limit.
fn flag(limit: LimitName) -> &'static str {
    match limit {
        LimitName::AccuracyDrop => "--max-accuracy-drop",
        LimitName::Accuracy => "--min-accuracy",
        LimitName::Latency => "--max-latency",
        LimitName::Memory => "--memory-limit",
    }
}

/// Where a result is kept, under its name.
pub type Place = Option<(Name, AtomicFile)>;

/// An earlier result that was read, and the place of the one to keep, both found before anything is measured.
pub struct Baselines {
    before: Option<Arc<(String, Saved)>>,
    place: Place,
}

impl BaselineOptions {
    /// Finds the place of the result to keep, before anything is measured.
    pub fn place(&self, options: &BenchOptions) -> Result<Place> {
        if self.save.is_some() {
            options.slowdown.check_save()?;
        }
        Ok(match &self.save {
            None => None,
            Some(name) => {
                let path = name.path()?;
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder).map_err(|source| Error::Output {
                        path: folder.to_owned(),
                        source,
                    })?;
                }
                Some((name.clone(), AtomicFile::create(&path)?))
            }
        })
    }

    /// Reads the earlier result, and checks that this run can be compared with it.
    ///
    /// `other_model` is the result of the model that --compare names instead of a result.
    pub fn open(
        &self,
        document: &Document,
        options: &BenchOptions,
        other_model: Option<(String, Saved)>,
        place: Place,
    ) -> Result<Baselines> {
        let before = match (&self.compare, other_model) {
            (_, Some(other)) => Some(Arc::new(other)),
            (None, None) => None,
            (Some(name), None) => {
                let path = baseline::find(name)?;
                let missing = |error: Error| self.explain(error, name, &path);
                let mut saved = Saved::read(&path).map_err(missing)?;
                if self.allow_other_model {
                    saved = saved.allowing_other_model();
                }
                saved.check(name, &present(document))?;
                // A limit's own batch sizes are found later.
                let batches = options.memory_limit.is_none().then(|| options.listed());
                saved.check_modes(name, &options.modes, batches.as_deref())?;
                Some(Arc::new((name.clone(), saved)))
            }
        };
        Ok(Baselines { before, place })
    }

    /// Says that no result has this name, instead of that a file is missing.
    fn explain(&self, error: Error, name: &str, path: &PathBuf) -> Error {
        if path.exists() || name.ends_with(".json") {
            return error;
        }
        Error::file(
            path,
            FileError::unsuitable(
                format!("there is no baseline '{name}'"),
                format!("make one with --save {name}"),
            ),
        )
    }

    /// Fails if a row is worse than --fail-on-regression allows, or if no row could be compared.
    pub fn check(&self, document: &Document) -> Result<()> {
        let Some(comparison) = &document.comparison else {
            return Ok(());
        };
        if let Some(refusal) = comparison.refusal() {
            return Err(refusal);
        }
        let Some(allowed) = self.fail_on_regression else {
            return Ok(());
        };
        let worse = |change: &Change| {
            let text = format!("{} is {}", place(document, change), change.outcome());
            match &change.note {
                Some(note) if change.flags.contains(&Flag::NoLongerMeasured) => {
                    format!("{text}: {note}")
                }
                _ => text,
            }
        };
        let rows: Vec<String> = comparison.regressions(allowed).map(worse).collect();
        if !rows.is_empty() {
            let baseline = comparison.baseline.clone();
            return Err(Error::Regression { baseline, rows });
        }
        if !comparison.is_judged() {
            return Err(Error::Usage(UsageError::NothingJudged {
                baseline: comparison.baseline.clone(),
                pairs: LEAST_PAIRS,
            }));
        }
        Ok(())
    }

    /// Notes which rows --fail-on-regression did not judge, where it judged others.
    pub fn note_unjudged(&self, document: &Document) {
        let comparison = document.comparison.as_ref();
        let comparison = comparison.filter(|found| found.is_judged());
        let (Some(comparison), Some(_)) = (comparison, self.fail_on_regression) else {
            return;
        };
        let few = comparison.unjudged();
        let few: Vec<String> = few.map(|change| place(document, change)).collect();
        if !few.is_empty() {
            terminal::note(&format!(
                "warning: --fail-on-regression did not judge the time of {}: too few samples; both runs need \
                 {LEAST_PAIRS} samples of a row: drop --min-time, or use --runs {LEAST_PAIRS} in both runs",
                few.join(", ")
            ));
        }
    }

    /// What decides the exit code of a comparison; none where nothing does.
    fn gate(&self, document: &Document) -> Option<Gate> {
        let comparison = document.comparison.as_ref()?;
        let name = match self.fail_on_regression {
            Some(_) => "--fail-on-regression",
            None => "--compare",
        };
        Some(Gate {
            name: format!("{name}: {}", comparison.baseline),
            failure: self.check(document).err().map(|error| error.to_string()),
        })
    }
}

/// `f32 at batch 8`, `f32 on the CPU at batch 8`
fn place(document: &Document, change: &Change) -> String {
    format!("{} at batch {}", document.change_name(change), change.batch)
}

/// Fails if a row failed. The others are measured all the same.
pub fn failures(document: &Document) -> Result<(), Error> {
    let rows = &document.results;
    let mut failed = rows.iter().filter(|row| row.status == Status::Failed);
    let Some(first) = failed.next() else {
        return Ok(());
    };
    let batch = first.effective.batch;
    let detail = first.detail.as_deref().unwrap_or_default();
    Err(Error::CheckFailed(CheckError::RowsFailed {
        failed: 1 + failed.count(),
        rows: rows.len(),
        first: format!("{} at batch {batch}: {detail}", document.row_name(first)),
    }))
}

/// Fails if a row is out of range. The other rows are measured all the same.
pub fn overflows(rows: &[Row]) -> Result<(), Error> {
    let Some(row) = rows.iter().find(|row| row.status == Status::Overflow) else {
        return Ok(());
    };
    Err(Error::CheckFailed(CheckError::OutOfRange {
        mode: row.requested.name(),
        problem: row.detail.clone().unwrap_or_default(),
    }))
}

/// Several failures as one error with all their messages. The first decides the exit code.
pub fn together(failures: Vec<Error>, note: Option<String>) -> Result<()> {
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else {
        return Ok(());
    };
    let others: Vec<Error> = failures.collect();
    if others.is_empty() && note.is_none() {
        return Err(first);
    }
    Err(Error::Several {
        first: first.into(),
        others,
        note,
    })
}

impl Baselines {
    /// Keeps the document.
    pub fn save(self, document: &Document) -> Result<()> {
        match self.place {
            None => Ok(()),
            Some((name, place)) => {
                let path = place.path().to_owned();
                let replaced = if path.exists() {
                    ", instead of the result that was there"
                } else {
                    ""
                };
                place.commit(
                    report::render(document, OutputFormat::Json, Detail::Short)?.as_bytes(),
                )?;
                let (name, path) = (name.as_str(), path.display());
                terminal::note(&format!("saved as {name} in {path}{replaced}"));
                Ok(())
            }
        }
    }

    /// The note that the result was not saved, if --save is given.
    pub fn unsaved(&self) -> Option<String> {
        let (name, _) = self.place.as_ref()?;
        Some(format!("this result was not saved as {}", name.as_str()))
    }
}

/// What is measured now.
fn present(document: &Document) -> Present<'_> {
    Present {
        adapters: document
            .requested()
            .iter()
            .map(|entry| &entry.info)
            .collect(),
        machine: &document.machine,
        model_sha256: &document.model.sha256,
        is_quantized: document.model.quantized.is_some(),
        dataset_sha256: &document.dataset.sha256,
        images: document.dataset.images,
        profile: document.tool.profile,
    }
}

/// What follows from the rows of a document, also of one that has not all of them yet: its verdict, and its
/// comparison with the earlier result.
pub fn conclusions(
    goal: &GoalOptions,
    context: VerdictContext,
    options: &BaselineOptions,
    baselines: &Baselines,
) -> impl Fn(&mut Document) + Send + use<> {
    let (goal, options) = (goal.clone(), options.clone());
    let before = baselines.before.clone();
    move |document| {
        if let Some(before) = &before {
            let mut rows = std::mem::take(&mut document.results);
            compare_with_f32(&before.1, &present(document), &mut rows);
            document.results = rows;
        }
        goal.decide(document, context);
        if let Some(before) = &before {
            let (name, saved) = &**before;
            let (rows, control_workloads) = (&document.results, &document.control_workloads);
            let comparison = compare(name, saved, &present(document), rows, control_workloads);
            document.comparison = Some(comparison);
        }
        // A result that is not whole passes or fails nothing.
        document.gates.clear();
        if document.incomplete.is_none() {
            let gates = [goal.gate(&document.verdict), options.gate(document)];
            document.gates = gates.into_iter().flatten().collect();
        }
    }
}

/// The least that may be allowed: close to [`baseline::LEAST_CHANGE`], below which nothing is flagged.
const LEAST_ALLOWED: f64 = 0.05;

/// At least [`LEAST_ALLOWED`].
fn regression(text: &str) -> Result<f64, String> {
    let allowed = parse_percent(text)?;
    if allowed < LEAST_ALLOWED {
        return Err(format!(
            "use at least {:.0}%, because two runs of the same program can differ by about as much",
            100.0 * LEAST_ALLOWED
        ));
    }
    Ok(allowed)
}

/// An accuracy in percent: `88%` is 88.
fn accuracy(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%');
    match number.and_then(|number| number.trim().parse::<f64>().ok()) {
        Some(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("write an accuracy from 0% to 100%, such as 88%".to_owned()),
    }
}

/// Percentage points, from 0 to 100.
fn points(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(points) if (0.0..=100.0).contains(&points) => Ok(points),
        _ => Err("use percentage points from 0 to 100, for example 0.5".to_owned()),
    }
}
