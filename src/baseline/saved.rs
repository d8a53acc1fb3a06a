//! An earlier result, as far as it is compared: what `bench --format json` wrote, or `--save` kept.

use std::path::Path;

use serde::Deserialize;
use serde_json::error::Category;

use super::Present;
use crate::error::{Error, Result};

/// The version of the form that is understood.
const SCHEMA: u32 = 1;

/// The largest result that is read: some thousand samples of some hundred rows.
const MAX_BYTES: u64 = 256 << 20;

/// An earlier result.
#[derive(Clone, Debug, Deserialize)]
pub struct Saved {
    pub(super) tool: Tool,
    pub(super) machine: Machine,
    pub(super) adapter: Adapter,
    pub(super) model: Hashed,
    pub(super) dataset: Hashed,
    pub(super) results: Vec<Row>,
    pub(super) yardsticks: Vec<Yardstick>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Tool {
    pub(super) commit: Option<String>,
    pub(super) profile: String,
    pub(super) date: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Machine {
    pub(super) processor: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Adapter {
    pub(super) name: String,
    pub(super) backend: String,
    pub(super) kind: String,
    pub(super) driver: String,
    pub(super) processor: Option<Processor>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Processor {
    pub(super) threads: usize,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Hashed {
    pub(super) sha256: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) requested: Requested,
    pub(super) effective: Effective,
    pub(super) right_images: Option<String>,
    pub(super) wall_ns: Option<Samples>,
    pub(super) upload_samples_ns: Option<Vec<u64>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Requested {
    pub(super) precision: String,
    pub(super) batch: usize,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Effective {
    pub(super) device: Option<String>,
    pub(super) kernel: Option<String>,
    pub(super) threads: Option<usize>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Samples {
    pub(super) samples: Vec<u64>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Yardstick {
    pub(super) batch: usize,
    pub(super) device: String,
    pub(super) threads: Option<usize>,
    pub(super) work: String,
    pub(super) wall_ns: Samples,
}

impl Saved {
    /// Reads a result.
    ///
    /// # Errors
    /// `Error::File` where it is missing, damaged, or of a form that is not understood.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read(path).map_err(|error| Error::file(path, error.to_string()))?;
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

    /// Why it is of something else than what is measured now; `name` is how it is called.
    ///
    /// # Errors
    /// `Error::Usage` with what differs, by name.
    pub fn check(&self, name: &str, now: &Present<'_>) -> Result<()> {
        let quoted = |text: &str| format!("'{text}'");
        let threads = |count: Option<usize>| count.map_or("none".to_owned(), |n| n.to_string());
        let software = matches!(self.adapter.kind.as_str(), "software" | "cpu");
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
            Some((what, before, now)) => Err(Error::Usage(format!(
                "{name} is incomparable: its {what} is {before}, and this one's is {now}"
            ))),
        }
    }
}

/// As much of a hash as tells it from others.
fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let found = std::fs::metadata(path)?;
    if !found.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    if found.len() > MAX_BYTES {
        let problem = format!("{} bytes are more than a result has", found.len());
        return Err(std::io::Error::other(problem));
    }
    std::fs::read(path)
}

/// What is wrong and where, without the file's own words: they may be long, or steer a terminal.
fn problem(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Eof => "it ends too early",
        Category::Data => "it is no result of bench, or one of an older fmnist-gpu",
        Category::Syntax | Category::Io => "it is not JSON",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}
