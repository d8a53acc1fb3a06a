//! The options of `bench` that turn its rows into a decision: a goal and limits, and an earlier result.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use fmnist_gpu::atomic_file::AtomicFile;
use fmnist_gpu::baseline::{self, Change, Flag, LEAST_PAIRS, Name, Present, Saved, compare};
use fmnist_gpu::bench::BenchOptions;
use fmnist_gpu::report::{self, Document, Format};
use fmnist_gpu::verdict::{Circumstances, Goal, LimitName, Request, Verdict, decide, warnings};
use fmnist_gpu::{Error, Result};

use super::{options, terminal};

/// The variable that makes every sample longer, for tests of comparisons.
const SLOWDOWN_VARIABLE: &str = "FMNIST_GPU_SLOWDOWN";

/// What the precision to deploy is to be good for.
#[derive(Clone, Debug, Args)]
pub struct GoalOptions {
    /// What the verdict is to be good for: latency (the smallest batch), throughput (the most images a
    /// second, at any batch), memory or accuracy
    #[arg(long, default_value_t, value_name = "GOAL")]
    goal: Goal,

    /// The most percentage points of accuracy that the precision to deploy may lose against f32 [default: 1]
    #[arg(long, value_name = "POINTS", value_parser = points)]
    max_accuracy_drop: Option<f64>,

    /// The most time that a batch may take, upload included, as a median
    #[arg(long, value_name = "DURATION", value_parser = options::duration)]
    max_latency: Option<humantime::Duration>,

    /// The most that parameters and activations may take, for example 100KiB: each precision is also
    /// measured at the largest batch that fits, and nothing larger is recommended
    #[arg(long, value_name = "SIZE", value_parser = options::size)]
    pub memory_limit: Option<u64>,

    /// The most images in a batch
    #[arg(long, value_name = "N", value_parser = options::positive)]
    pub batch_limit: Option<usize>,

    /// End with exit code 4 where no precision meets every limit
    #[arg(long)]
    gate: bool,
}

/// An earlier result.
#[derive(Debug, Args)]
pub struct BaselineOptions {
    /// Keep this result under a name, to be compared with later: in the user's data folder, or in that of
    /// FMNIST_GPU_CACHE_DIR; not where a gate fails or the run ends early
    #[arg(long, value_name = "NAME")]
    save: Option<Name>,

    /// Compare with an earlier result: a name given to --save, or a JSON file
    #[arg(long, value_name = "NAME|FILE")]
    compare: Option<String>,

    /// End with exit code 5 where a row is slower than the earlier one by more than this (at least 5%; and
    /// beyond the noise, which is 6% or more), significantly less accurate, or not measured any more. Rows with
    /// fewer than 50 samples in either result are not judged, which is told; with no other row the exit code
    /// is 2. FMNIST_GPU_SLOWDOWN=10% makes every sample longer, to see the gate close
    #[arg(long, value_name = "PERCENT", requires = "compare", value_parser = regression)]
    fail_on_regression: Option<f64>,
}

impl BaselineOptions {
    /// Whether the result is held against one of another run, now or later.
    pub fn compares(&self) -> bool {
        self.save.is_some() || self.compare.is_some()
    }
}

impl GoalOptions {
    /// Whether the exit code depends on the result.
    pub fn is_gate(&self) -> bool {
        self.gate
    }

    fn request(&self) -> Request {
        Request {
            goal: self.goal,
            max_accuracy_drop: self.max_accuracy_drop,
            max_latency: self.max_latency.map(Into::into),
            memory_limit: self.memory_limit,
        }
    }

    /// Puts the verdict on what was measured into the document.
    pub fn decide(&self, document: &mut Document, slowdown: f64) {
        let warnings = warnings(Circumstances {
            adapter: &document.adapter().info,
            machine: &document.machine,
            control_workloads: &document.control_workloads,
            debug: cfg!(debug_assertions),
            slowdown,
        });
        document.verdict = decide(
            &document.results,
            document.dataset.images,
            document.adapter().info.processor.is_none(),
            &self.request(),
            warnings,
        );
    }

    /// Fails where limits are to be kept and no row keeps them.
    pub fn check(&self, verdict: &Verdict) -> Result<()> {
        if !self.gate || verdict.recommended.is_some() {
            return Ok(());
        }
        let unmet = verdict.limits.iter().filter(|limit| !limit.met);
        let names: Vec<&str> = unmet.map(|limit| flag(limit.name)).collect();
        let what = match names.is_empty() {
            true => "nothing may be deployed".to_owned(),
            false => format!("not met: {}", names.join(", ")),
        };
        Err(Error::CheckFailed(format!("{what}. {}", verdict.sentence)))
    }
}

/// The option that sets a limit.
fn flag(limit: LimitName) -> &'static str {
    match limit {
        LimitName::AccuracyDrop => "--max-accuracy-drop",
        LimitName::Latency => "--max-latency",
        LimitName::Memory => "--memory-limit",
    }
}

/// An earlier result that was read, and the place of the one to keep, both found before anything is measured.
pub struct Baselines {
    before: Option<Arc<(String, Saved)>>,
    place: Option<(Name, AtomicFile)>,
}

impl BaselineOptions {
    /// Reads the earlier result and holds it against what is about to be measured.
    pub fn open(&self, document: &Document, options: &BenchOptions) -> Result<Baselines> {
        if self.save.is_some() && options.slowdown > 0.0 {
            return Err(Error::Usage(format!(
                "a run that is slow on purpose is no baseline: unset {SLOWDOWN_VARIABLE}, or drop --save"
            )));
        }
        let before = match &self.compare {
            None => None,
            Some(name) => {
                let path = baseline::find(name)?;
                let missing = |error: Error| self.explain(error, name, &path);
                let saved = Saved::read(&path).map_err(missing)?;
                saved.check(name, &present(document))?;
                // A limit's own batch sizes are found later.
                let batches = options.memory_limit.is_none().then(|| options.listed());
                saved.check_modes(name, &options.modes, batches.as_deref())?;
                Some(Arc::new((name.clone(), saved)))
            }
        };
        let place = match &self.save {
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
        };
        Ok(Baselines { before, place })
    }

    /// A name that nothing was saved under is told as such.
    fn explain(&self, error: Error, name: &str, path: &PathBuf) -> Error {
        if path.exists() || name.ends_with(".json") {
            return error;
        }
        Error::file(
            path,
            format!("there is no baseline '{name}'; make one with --save {name}"),
        )
    }

    /// Fails where a row is worse than was allowed, or nothing could be compared.
    pub fn check(&self, document: &Document) -> Result<()> {
        let Some(comparison) = &document.comparison else {
            return Ok(());
        };
        if let Some(refusal) = comparison.refusal() {
            return Err(Error::Usage(refusal));
        }
        let Some(allowed) = self.fail_on_regression else {
            return Ok(());
        };
        let worse = |change: &Change| {
            let text = format!("{} is {}", place(change), change.outcome());
            match &change.note {
                Some(note) if change.flags.contains(&Flag::NoLongerMeasured) => {
                    format!("{text}: {note}")
                }
                _ => text,
            }
        };
        let all: Vec<String> = comparison.regressions(allowed).map(worse).collect();
        if !all.is_empty() {
            return Err(Error::Regression(format!(
                "worse than {}: {}",
                comparison.baseline,
                all.join("; ")
            )));
        }
        let few: Vec<String> = comparison.unjudged().map(place).collect();
        let way_out = format!(
            "both runs need {LEAST_PAIRS} samples of a row: drop --min-time, or give both --runs {LEAST_PAIRS}"
        );
        if !comparison.is_judged() {
            return Err(Error::Usage(format!(
                "no row's time could be judged against {}; {way_out}",
                comparison.baseline
            )));
        }
        if !few.is_empty() {
            terminal::tell(&format!(
                "warning: --fail-on-regression did not judge the time of {}: too few samples; {way_out}",
                few.join(", ")
            ));
        }
        Ok(())
    }
}

/// `f32 at batch 8`
fn place(change: &Change) -> String {
    format!("{} at batch {}", change.name, change.batch)
}

/// Several failures as one error: all are told, and its kind, from which the exit code follows, is the first's.
pub fn together(failures: Vec<Error>, note: Option<String>) -> Result<()> {
    let texts: Vec<String> = failures.iter().map(ToString::to_string).collect();
    let mut text = texts.join("; and ");
    if let Some(note) = note {
        text.push_str(&format!("; {note}"));
    }
    match failures.into_iter().next() {
        None => Ok(()),
        Some(Error::CheckFailed(_)) => Err(Error::CheckFailed(text)),
        Some(Error::Regression(_)) => Err(Error::Regression(text)),
        Some(_) => Err(Error::Usage(text)),
    }
}

impl Baselines {
    /// Keeps the document.
    pub fn save(self, document: &Document) -> Result<()> {
        match self.place {
            None => Ok(()),
            Some((_, place)) => place.commit(report::render(document, Format::Json)?.as_bytes()),
        }
    }

    /// That a result is not kept, where it was to be.
    pub fn unsaved(&self) -> Option<String> {
        let (name, _) = self.place.as_ref()?;
        Some(format!("nothing was saved as {}", name.as_str()))
    }
}

/// What is measured now.
fn present(document: &Document) -> Present<'_> {
    Present {
        adapter: &document.adapter().info,
        machine: &document.machine,
        model_sha256: &document.model.sha256,
        dataset_sha256: &document.dataset.sha256,
        images: document.dataset.images,
        profile: document.tool.profile,
    }
}

/// What follows from the rows of a document, also of one that has not all of them yet: its verdict, and its
/// comparison with the earlier result.
pub fn conclusions(
    goal: &GoalOptions,
    baselines: &Baselines,
    slowdown: f64,
) -> impl Fn(&mut Document) + Send + use<> {
    let (goal, before) = (goal.clone(), baselines.before.clone());
    move |document| {
        goal.decide(document, slowdown);
        if let Some(before) = &before {
            let (name, saved) = &**before;
            let (rows, control_workloads) = (&document.results, &document.control_workloads);
            let comparison = compare(name, saved, &present(document), rows, control_workloads);
            document.comparison = Some(comparison);
        }
    }
}

/// The share by which every sample is to be made longer.
pub fn slowdown() -> Result<f64> {
    match std::env::var(SLOWDOWN_VARIABLE) {
        Err(_) => Ok(0.0),
        Ok(text) => share(&text)
            .map_err(|problem| Error::Usage(format!("{SLOWDOWN_VARIABLE} is '{text}': {problem}"))),
    }
}

/// `5%` as 0.05.
fn share(text: &str) -> Result<f64, String> {
    let number = text
        .trim()
        .strip_suffix('%')
        .and_then(|number| number.trim().parse::<f64>().ok());
    match number {
        Some(percent) if (0.0..=1000.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("write a percentage, as 5%".to_owned()),
    }
}

/// The least that may be allowed: close to [`baseline::LEAST_CHANGE`], below which nothing is flagged.
const LEAST_ALLOWED: f64 = 0.05;

/// At least [`LEAST_ALLOWED`].
fn regression(text: &str) -> Result<f64, String> {
    let allowed = share(text)?;
    if allowed < LEAST_ALLOWED {
        return Err(format!(
            "below {:.0}% a change cannot be told from what two runs of the same program differ by",
            100.0 * LEAST_ALLOWED
        ));
    }
    Ok(allowed)
}

/// Percentage points, from 0 to 100.
fn points(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(points) if (0.0..=100.0).contains(&points) => Ok(points),
        _ => Err("write percentage points from 0 to 100, as 0.5".to_owned()),
    }
}
