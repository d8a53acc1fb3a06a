//! The options of `bench` for an earlier result: `--save`, `--compare`, and what fails a comparison.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use fmnist_gpu::atomic_file::AtomicFile;
use fmnist_gpu::baseline::{self, Change, Flag, LEAST_PAIRS, Name, Present, Saved};
use fmnist_gpu::bench::BenchOptions;
use fmnist_gpu::error::{FileError, UsageError};
use fmnist_gpu::quantize::Source;
use fmnist_gpu::report::{self, Detail, Document, Gate, OutputFormat};
use fmnist_gpu::units::parse_percent;
use fmnist_gpu::{Error, Result};

use super::{help, terminal};

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

/// Where a result is kept, under its name.
pub type Place = Option<(Name, AtomicFile)>;

/// An earlier result that was read, and the place of the one to keep, both found before anything is measured.
pub struct Baselines {
    pub(super) before: Option<Arc<(String, Saved)>>,
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
    pub(super) fn gate(&self, document: &Document) -> Option<Gate> {
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
pub fn present(document: &Document) -> Present<'_> {
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
