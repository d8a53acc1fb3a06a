//! An earlier result, as far as it is compared: what `bench --format json` wrote, or `--save` kept.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use serde::de::{Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Present;
use crate::error::{Error, Result, UsageError};
use crate::input::{Text, json_problem, read_small};
use crate::mode::Mode;

/// The version of the form that is understood.
const SCHEMA: u32 = 1;

/// The largest result that is read. A row has some thousand samples of three kinds, 20 bytes each.
const MAX_BYTES: u64 = 32 << 20;

/// The most values in it: a sample takes eight bytes, and room to grow, however short it is written.
const MAX_VALUES: usize = 3_000_000;

/// The most rows, and the most yardsticks.
const MAX_ROWS: usize = 10_000;

/// How a result says that it was slowed on purpose: [`crate::bench::Doubt::Slowed`].
const SLOWED: &str = "slowed";

/// An earlier result.
#[derive(Clone, Debug, Deserialize)]
pub struct Saved {
    pub(super) tool: Tool,
    pub(super) machine: Machine,
    pub(super) adapter: Adapter,
    pub(super) model: Hashed,
    pub(super) dataset: Hashed,
    #[serde(deserialize_with = "few")]
    pub(super) results: Vec<Row>,
    #[serde(deserialize_with = "few")]
    pub(super) yardsticks: Vec<Yardstick>,
    /// Why the run ended early, if it did.
    incomplete: Option<IgnoredAny>,
    verdict: Option<Verdict>,
}

/// What is to be doubted of the run as a whole.
#[derive(Clone, Debug, Deserialize)]
struct Verdict {
    #[serde(default, deserialize_with = "few")]
    warnings: Vec<Warning>,
}

#[derive(Clone, Debug, Deserialize)]
struct Warning {
    kind: Text,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Tool {
    pub(super) commit: Option<Text>,
    pub(super) profile: Text,
    pub(super) date: Text,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Machine {
    pub(super) processor: Option<Text>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Adapter {
    pub(super) name: Text,
    pub(super) backend: Text,
    pub(super) kind: Text,
    pub(super) driver: Text,
    pub(super) processor: Option<Processor>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Processor {
    pub(super) threads: usize,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Hashed {
    pub(super) sha256: Text,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Row {
    pub(super) name: Text,
    pub(super) requested: Requested,
    pub(super) effective: Effective,
    pub(super) right_images: Option<String>,
    pub(super) wall_ns: Option<Samples>,
    pub(super) upload_samples_ns: Option<Vec<u64>>,
}

impl Row {
    /// Whether it has a time end to end.
    pub(super) fn is_measured(&self) -> bool {
        self.wall_ns.is_some() && self.upload_samples_ns.is_some()
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Requested {
    pub(super) precision: Text,
    pub(super) batch: usize,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Effective {
    pub(super) device: Option<Text>,
    pub(super) kernel: Option<Text>,
    pub(super) threads: Option<usize>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Samples {
    pub(super) samples: Vec<u64>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Yardstick {
    pub(super) batch: usize,
    pub(super) device: Text,
    pub(super) threads: Option<usize>,
    pub(super) work: Text,
    pub(super) wall_ns: Samples,
}

/// A list of at most [`MAX_ROWS`].
fn few<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Few<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Few<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX_ROWS}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut few = Vec::new();
            while let Some(one) = list.next_element()? {
                if few.len() == MAX_ROWS {
                    return Err(A::Error::invalid_length(MAX_ROWS + 1, &self));
                }
                few.push(one);
            }
            Ok(few)
        }
    }
    deserializer.deserialize_seq(Few(PhantomData))
}

impl Saved {
    /// Reads a result.
    ///
    /// # Errors
    /// `Error::File` where it is missing, damaged, or of a form that is not understood.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes =
            read_small(path, MAX_BYTES).map_err(|error| Error::file(path, error.to_string()))?;
        Self::parse(&bytes).map_err(|problem| {
            Error::file(path, format!("{problem}; measure it again with --save"))
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        /// Read by itself first, as all the rest may differ in another version.
        #[derive(Deserialize)]
        struct Head {
            schema: u32,
        }
        // Every value but the first of a list or an object follows a comma.
        let commas = bytes.iter().filter(|&&byte| byte == b',').count();
        if commas > MAX_VALUES {
            return Err(format!("it has more than {MAX_VALUES} values"));
        }
        let head: Head = serde_json::from_slice(bytes).map_err(|error| problem(&error))?;
        if head.schema != SCHEMA {
            return Err(format!("its schema is {}, not {SCHEMA}", head.schema));
        }
        serde_json::from_slice(bytes).map_err(|error| problem(&error))
    }

    /// When it was measured.
    #[must_use]
    pub fn date(&self) -> &str {
        &self.tool.date
    }

    /// Why it is none to compare with, such as one of something else than what is measured now; `name` is how it
    /// is called.
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
        let software = matches!(&*self.adapter.kind, "software" | "cpu");
        let processor = |name: Option<&str>| {
            let name = name.filter(|_| software);
            name.map_or("not named".to_owned(), quoted)
        };
        let own = self.adapter.processor.as_ref().map(|p| p.threads);
        let theirs = now.adapter.processor.map(|p| p.threads);
        let pairs = [
            (
                "adapter",
                quoted(&self.adapter.name),
                quoted(&now.adapter.name),
            ),
            (
                "backend",
                quoted(&self.adapter.backend),
                quoted(now.adapter.backend.name()),
            ),
            (
                "driver",
                quoted(&self.adapter.driver),
                quoted(&now.adapter.driver),
            ),
            (
                "processor",
                processor(self.machine.processor.as_deref()),
                processor(now.machine.processor.as_deref()),
            ),
            ("number of threads", threads(own), threads(theirs)),
            (
                "model",
                quoted(short(&self.model.sha256)),
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
        ];
        match pairs.into_iter().find(|(_, before, now)| before != now) {
            None => Ok(()),
            Some((what, before, now)) => Err(Error::Usage(UsageError::BaselineDiffers {
                baseline: name.to_owned(),
                what,
                before,
                now,
            })),
        }
    }
}

impl Saved {
    /// What makes it none to compare anything with.
    fn unfit(&self) -> Option<&'static str> {
        let doubts = self.verdict.iter().flat_map(|verdict| &verdict.warnings);
        if self.incomplete.is_some() {
            Some("its run ended early")
        } else if doubts.into_iter().any(|doubt| &*doubt.kind == SLOWED) {
            Some("its samples were made longer on purpose")
        } else {
            None
        }
    }

    /// Why a run of these modes will have nothing to compare with it: a precision of both is of other schemes in
    /// each, or no row is in both. `batches` are the sizes that will be measured, where all of them are known.
    ///
    /// # Errors
    /// `Error::Usage` with what differs, by name.
    pub fn check_modes(&self, name: &str, modes: &[Mode], batches: Option<&[usize]>) -> Result<()> {
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

/// As much of a hash as tells it from others.
fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

fn problem(error: &serde_json::Error) -> String {
    json_problem(
        error,
        "it is no result of bench, or one of an older fmnist-gpu",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::MAX_TEXT;

    /// The error of a result with a name and so many rows and samples; none where it is read.
    fn problem_of(name: &str, rows: usize, samples: usize) -> Option<String> {
        let name = serde_json::to_string(name).unwrap();
        let row = format!(
            r#"{{"name":{name},"requested":{{"precision":"f32","batch":1}},"effective":{{}}}}"#
        );
        let text = format!(
            r#"{{"schema":1,"tool":{{"profile":"release","date":"today"}},"machine":{{}},"adapter":{{"name":"a","backend":"b","kind":"c","driver":"d"}},"model":{{"sha256":""}},"dataset":{{"sha256":""}},"results":[{}],"yardsticks":[{{"batch":1,"device":"cpu","work":"w","wall_ns":{{"samples":[{}]}}}}]}}"#,
            vec![row; rows].join(","),
            vec!["1"; samples].join(",")
        );
        Saved::parse(text.as_bytes()).err()
    }

    #[test]
    fn a_result_is_read_up_to_its_limits() {
        assert_eq!(problem_of("f32", 1, 10), None);
        assert_eq!(problem_of("int8 static, größer", MAX_ROWS, 1), None);
        assert!(problem_of("f32", MAX_ROWS + 1, 1).is_some());
        assert_eq!(problem_of("f32", 1, MAX_VALUES - 100), None);
        assert!(problem_of("f32", 1, MAX_VALUES + 2).is_some());
        assert!(problem_of("\u{1b}[2J", 1, 1).is_some());
        assert!(problem_of(&"x".repeat(MAX_TEXT + 1), 1, 1).is_some());
    }
}
