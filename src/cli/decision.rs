//! The options of `bench` that turn its rows into a decision: a goal and limits.

use clap::Args;
use fmnist_gpu::adapter::{AdapterInfo, Kind};
use fmnist_gpu::baseline::{compare, compare_with_f32};
use fmnist_gpu::error::{CheckError, UsageError};
use fmnist_gpu::report::{Document, Gate};
use fmnist_gpu::results::{ControlWorkload, Row, Status};
use fmnist_gpu::units::parse_percent;
use fmnist_gpu::verdict::{
    Circumstances, Goal, LimitName, Request, UnknownAccuracy, Verdict, decide, unsettled, warnings,
};
use fmnist_gpu::{Error, Result};

use super::baselines::{BaselineOptions, Baselines, present};
use super::{help, options};

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

    /// How much faster than a simpler precision another must be to be recommended, for example 10% [default: 5%]
    ///
    /// f32 is the simplest. The same gain decides between the CPU and an adapter: the CPU path is recommended unless
    /// the adapter is faster by this.
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

    /// Accept at most this memory for all buffers, for example 100KiB
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

/// Fails if a row failed. The others are measured all the same.
pub fn failures(document: &Document) -> Result<(), Error> {
    let rows = &document.results;
    let mut failed = rows.iter().filter(|row| row.status == Status::Failed);
    let Some(first) = failed.next() else {
        return Ok(());
    };
    let detail = first.detail.as_deref().unwrap_or_default();
    Err(Error::CheckFailed(CheckError::RowsFailed {
        failed: 1 + failed.count(),
        rows: rows.len(),
        first: format!("{}: {detail}", document.row_place(first)),
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
