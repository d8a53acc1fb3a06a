//! Whether an earlier result can be compared with the present run.

use super::comparison::Present;
use super::saved::{Adapter, Row, Saved};
use crate::adapter::AdapterInfo;
use crate::error::{Error, Result, UsageError};
use crate::mode::Mode;
use crate::model::Network;

/// The warning of a result that was slowed on purpose: [`crate::results::WarningKind::Slowed`].
const SLOWED: &str = "slowed";

impl Saved {
    /// Why it cannot be compared with the present run, for instance because it is of another adapter; `name` is its name.
    ///
    /// # Errors
    /// `Error::Usage` with what differs, by name.
    pub fn check(&self, name: &str, now: &Present<'_>) -> Result<()> {
        if let Some(problem) = self.unfit() {
            return Err(Error::Usage(UsageError::BaselineUnfit {
                baseline: name.to_owned(),
                problem,
            }));
        }
        let quoted = |text: &str| format!("'{text}'");
        let threads = |count: Option<usize>| count.map_or("none".to_owned(), |n| n.to_string());
        let mut pairs = Vec::new();
        for (then, now_on) in self.same_adapters(name, now)? {
            let software = matches!(&*then.kind, "software" | "cpu");
            let processor = |name: Option<&str>| {
                let name = name.filter(|_| software);
                name.map_or("not named".to_owned(), quoted)
            };
            let own = then.processor.as_ref().map(|p| p.threads);
            let theirs = now_on.processor.map(|p| p.threads);
            pairs.extend([
                ("adapter", quoted(&then.name), quoted(&now_on.name)),
                (
                    "backend",
                    quoted(&then.backend),
                    quoted(now_on.backend.name()),
                ),
                ("driver", quoted(&then.driver), quoted(&now_on.driver)),
                (
                    "processor",
                    processor(self.machine.processor.as_deref()),
                    processor(now.machine.processor.as_deref()),
                ),
                ("number of threads", threads(own), threads(theirs)),
            ]);
        }
        pairs.extend([
            (
                "model",
                quoted(short(
                    if Network::is_same_file(&self.model.sha256, now.model_sha256) {
                        now.model_sha256
                    } else {
                        &self.model.sha256
                    },
                )),
                quoted(short(now.model_sha256)),
            ),
            (
                "dataset",
                quoted(short(&self.dataset.sha256)),
                quoted(short(now.dataset_sha256)),
            ),
            (
                "build profile",
                quoted(&self.tool.profile),
                quoted(now.profile),
            ),
        ]);
        let allowed = |what: &str| what == "model" && self.may_be_of_other_model;
        let mut pairs = pairs.into_iter().filter(|(what, ..)| !allowed(what));
        match pairs.find(|(_, before, now)| before != now) {
            None => Ok(()),
            Some((what, before, now)) => Err(Error::Usage(UsageError::BaselineDiffers {
                baseline: name.to_owned(),
                what,
                before,
                now,
            })),
        }
    }

    /// The adapter that a row was requested on; the first where the row does not say.
    pub(super) fn requested_on(&self, row: &Row) -> Option<&Adapter> {
        self.adapters.get(row.requested.adapter.unwrap_or(0))
    }

    /// The adapters that rows were requested on, in their order.
    fn requested_adapters(&self) -> Vec<&Adapter> {
        let last = self
            .results
            .iter()
            .filter_map(|row| row.requested.adapter)
            .max();
        self.adapters.iter().take(last.unwrap_or(0) + 1).collect()
    }

    /// The adapters of both runs, one by one, where they have the same backends.
    ///
    /// # Errors
    /// `Error::Usage` where they have not: a row beside another adapter is not what it is alone.
    fn same_adapters<'a>(
        &'a self,
        name: &str,
        now: &Present<'a>,
    ) -> Result<Vec<(&'a Adapter, &'a AdapterInfo)>> {
        let then = self.requested_adapters();
        let same = |now: &&'a AdapterInfo| {
            let then = then
                .iter()
                .find(|then| *then.backend == *now.backend.name())?;
            Some((*then, *now))
        };
        let pairs: Option<Vec<_>> = now.adapters.iter().map(same).collect();
        if let Some(pairs) = pairs.filter(|pairs| pairs.len() == then.len()) {
            return Ok(pairs);
        }
        let (one, other) = (then.len() == 1, now.adapters.len() == 1);
        // One adapter is named as before, by what it is.
        if let (true, true, Some(then), Some(now)) =
            (one, other, then.first(), now.adapters.first())
        {
            return Ok(vec![(*then, *now)]);
        }
        let list = |names: Vec<&str>| format!("'{}'", names.join(", "));
        Err(Error::Usage(UsageError::BaselineDiffers {
            baseline: name.to_owned(),
            what: "list of adapters",
            before: list(then.iter().map(|adapter| &*adapter.backend).collect()),
            now: list(
                now.adapters
                    .iter()
                    .map(|info| info.backend.name())
                    .collect(),
            ),
        }))
    }

    /// Why nothing can be compared with it.
    fn unfit(&self) -> Option<&'static str> {
        let warnings = self.verdict.iter().flat_map(|verdict| &verdict.warnings);
        if self.incomplete.is_some() {
            Some("its run ended early")
        } else if warnings.into_iter().any(|warning| &*warning.kind == SLOWED) {
            Some("its samples were slowed down on purpose")
        } else {
            None
        }
    }

    /// Why a run of these modes has nothing to compare with it: the two have a precision in different schemes, or no row
    /// in common. `batches` are the sizes that will be measured, where all of them are known.
    ///
    /// # Errors
    /// `Error::Usage` with what differs, by name.
    pub fn check_modes(&self, name: &str, modes: &[Mode], batches: Option<&[usize]>) -> Result<()> {
        // Its rows are then compared with those of other modes too.
        if self.may_be_of_other_model {
            return Ok(());
        }
        let names: Vec<String> = modes.iter().map(ToString::to_string).collect();
        let here = |row: &Row| names.iter().any(|name| **name == *row.name);
        for (mode, own) in modes.iter().zip(&names) {
            let alike = |row: &&Row| *row.requested.precision == *mode.precision.name();
            let mut theirs = self.results.iter().filter(alike).peekable();
            let Some(&first) = theirs.peek() else {
                continue;
            };
            if !theirs.any(here) {
                return Err(Error::Usage(UsageError::BaselineSchemeDiffers {
                    mode: own.clone(),
                    baseline: name.to_owned(),
                    there: first.name.to_string(),
                }));
            }
        }
        let Some(batches) = batches else {
            return Ok(());
        };
        let common = |row: &Row| here(row) && batches.contains(&row.requested.batch);
        if self.results.iter().any(common) {
            return Ok(());
        }
        let baseline = name.to_owned();
        Err(Error::Usage(UsageError::NoCommonRow { baseline }))
    }
}

/// The beginning of a hash, which is enough to distinguish it from others.
fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}
