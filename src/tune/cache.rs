//! The file in which the tuner keeps which kernel won, and what else was timed of a device.
//!
//! It is `kernels.json` in the user's cache folder ([`folders::cache`]).
//!
//! It can be deleted at any time, which costs a tuning and nothing else. So whatever it holds is
//! borne: a file that is not understood is ignored, with one warning, and the next save replaces it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::atomic_file::AtomicFile;
use crate::error::{Error, Result};
use crate::folders::{self, FOLDER_VARIABLE};
use crate::gpu::HostVisible;
use crate::input::{json_problem, read_small};

/// The version of the file's format. Removing or redefining a field raises it.
const VERSION: u32 = 1;

/// Some adapters, some models, three precisions: far more than one user tunes for.
const MAX_ENTRIES: usize = 512;

/// Several times what so many entries take.
const MAX_BYTES: u64 = 1 << 20;

/// How thoroughly a winner was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TuningEffort {
    /// The likeliest kernels, timed briefly.
    Quick,
    /// Every kernel that can run.
    Full,
}

impl TuningEffort {
    /// The name in the file and in every output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Full => "full",
        }
    }
}

/// What a winner depends on. Where any of it differs, the tuner has to look again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CacheKey {
    /// The adapter's name.
    pub adapter: String,
    /// The interface that it is reached through.
    pub backend: String,
    /// Its driver and the driver's version: a new one compiles differently.
    pub driver: String,
    /// SHA-256 over the sources of all shaders, in hex.
    pub shaders: String,
    /// The precision's name.
    pub precision: String,
    /// The quantization scheme's name.
    pub scheme: String,
    /// The class of shapes, as the tuner divides them: `784-64-10 relu,softmax batch 8192`.
    pub shape: String,
    /// How thoroughly the winner was, or is to be, looked for.
    pub mode: TuningEffort,
}

/// Which kernel won, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheEntry {
    /// The kernel's name as the file has it, so it need not be one that exists.
    pub kernel: String,
    /// How long it took when it won.
    pub nanoseconds: u64,
    /// When it won, in UTC: `2026-11-23T12:00:00Z`. Nothing but a note for a reader.
    pub date: String,
    /// The result of a trial of the adapter's matrix units. Only the entry of a trial has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix_units: Option<TrialResult>,
    /// Which buffers the host reaches. Only the entry of an adapter's transfers has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_visible: Option<HostVisible>,
}

/// The result of a trial of an adapter's matrix units, as the cache keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrialResult {
    /// It began, and the program has not come to its end: a driver may break down over it.
    Begun,
    /// Every kernel that the driver takes computes what the reference does.
    Right {
        /// The fastest kernel that does without them.
        without: String,
        /// How long that one took on the same network.
        without_nanoseconds: u64,
        /// The kernels for them that the driver does not take. Earlier versions call them `left_out`.
        #[serde(alias = "left_out")]
        rejected: Vec<String>,
    },
    /// A kernel computes something else.
    Wrong {
        /// Which, and what.
        detail: String,
    },
    /// The driver takes none of the kernels, or gives up over one.
    Refused {
        /// What it says.
        detail: String,
    },
}

impl CacheEntry {
    /// A winner of this moment.
    pub fn new(kernel: impl Into<String>, nanoseconds: u64) -> Self {
        Self {
            kernel: kernel.into(),
            nanoseconds,
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            matrix_units: None,
            host_visible: None,
        }
    }
}

/// The file's whole content. Other fields are kept as they are, so that adding one needs no new version.
#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    version: u32,
    entries: Vec<CacheRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CacheRecord {
    key: CacheKey,
    #[serde(flatten)]
    entry: CacheEntry,
}

/// The winners of earlier runs, and those of this one.
#[derive(Debug)]
pub struct Cache {
    /// None keeps the winners for this run only.
    path: Option<PathBuf>,
    /// What the file held when it was last read or written, the oldest first.
    known: Vec<CacheRecord>,
    /// What was put since, in that order.
    fresh: Vec<CacheRecord>,
    /// A file is complained about once.
    warned: bool,
}

impl Cache {
    /// Reads the user's cache. Where there is no folder for one, winners are kept for this run only.
    #[must_use]
    pub fn open() -> Self {
        match folders::cache() {
            Some(folder) => Self::open_at(folder.join("kernels.json")),
            None => {
                log::info!(
                    "the system names no cache folder, so the tuned kernels are kept only for this run; set \
                     {FOLDER_VARIABLE} to a folder"
                );
                Self::at(None)
            }
        }
    }

    /// Reads the cache at `path`. A missing file is an empty cache, and so, with a warning, is one
    /// that is not understood.
    #[must_use]
    pub fn open_at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let mut cache = Self::at(Some(path.clone()));
        cache.reread(&path);
        cache
    }

    fn at(path: Option<PathBuf>) -> Self {
        Self {
            path,
            known: Vec::new(),
            fresh: Vec::new(),
            warned: false,
        }
    }

    /// Where it is kept; none where it is for this run only.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The winner for `key`. One that was looked for fully answers a quick question too, and rather
    /// than a quick one; a quick one does not answer a full question.
    #[must_use]
    pub fn get(&self, key: &CacheKey) -> Option<&CacheEntry> {
        let full = CacheKey {
            mode: TuningEffort::Full,
            ..key.clone()
        };
        self.find(&full).or_else(|| self.find(key))
    }

    fn find(&self, key: &CacheKey) -> Option<&CacheEntry> {
        // The last one wins, as two of one key in the file are nobody's but are possible.
        let mut latest = self.fresh.iter().rev().chain(self.known.iter().rev());
        latest
            .find(|record| record.key == *key)
            .map(|record| &record.entry)
    }

    /// Remembers a winner, in place of an older one of the same key. [`Cache::save`] writes it down.
    pub fn put(&mut self, key: CacheKey, entry: CacheEntry) {
        push(&mut self.fresh, CacheRecord { key, entry });
    }

    /// Writes down what was put since the last save; does nothing where that is nothing, or where
    /// there is no folder.
    ///
    /// The file is read again first, so that what other processes wrote stays; of one key, the last
    /// to write wins. Two that save in the very same moment may lose the one's winners, which costs
    /// a tuning; a lock that a dead process or a network folder holds would cost more. The oldest
    /// entries go where there are too many.
    ///
    /// # Errors
    /// `Error::Output` where the file or its folder cannot be written. What was put is still known
    /// then, and the next save tries again.
    pub fn save(&mut self) -> Result<()> {
        let Some(path) = self.path.clone() else {
            return Ok(());
        };
        if self.fresh.is_empty() {
            return Ok(());
        }
        prepare(&path).map_err(|source| Error::Output {
            path: path.clone(),
            source,
        })?;
        self.reread(&path);
        let mut entries = self.known.clone();
        for record in &self.fresh {
            push(&mut entries, record.clone());
        }
        let (bytes, entries) = encode(entries)?;
        AtomicFile::create(&path)?.commit(&bytes)?;
        self.known = entries;
        self.fresh.clear();
        Ok(())
    }

    fn reread(&mut self, path: &Path) {
        match read(path) {
            Ok(known) => self.known = known,
            // What was understood of it before, if anything, is still true.
            Err(reason) => {
                if !self.warned {
                    log::warn!(
                        "{}: the cache of tuned kernels is ignored: {reason}",
                        path.display()
                    );
                }
                self.warned = true;
            }
        }
    }
}

/// Adds what is now the newest, which may displace the oldest.
fn push(records: &mut Vec<CacheRecord>, record: CacheRecord) {
    records.retain(|other| other.key != record.key);
    records.push(record);
    keep_newest(records);
}

fn keep_newest(records: &mut Vec<CacheRecord>) {
    records.drain(..records.len().saturating_sub(MAX_ENTRIES));
}

/// What the file at `path` holds, the oldest first, or why it is not understood.
fn read(path: &Path) -> Result<Vec<CacheRecord>, String> {
    let bytes = match read_small(path, MAX_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(|error| error.to_string())?,
    };
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| format!("not UTF-8 at byte {}", error.valid_up_to()))?;
    decode(text)
}

fn decode(text: &str) -> Result<Vec<CacheRecord>, String> {
    /// Read by itself first, as all the rest may differ in another version.
    #[derive(Deserialize)]
    struct Head {
        version: u64,
    }
    let head: Head = serde_json::from_str(text).map_err(problem)?;
    if head.version != u64::from(VERSION) {
        return Err(format!(
            "its version is {}, but this program reads {VERSION}",
            head.version
        ));
    }
    let contents: Contents = serde_json::from_str(text).map_err(problem)?;
    let mut records = contents.entries;
    keep_newest(&mut records);
    Ok(records)
}

fn problem(error: serde_json::Error) -> String {
    json_problem(&error, "a field is missing or of another type")
}

/// The file's bytes, and the newest of `entries` that fit into it.
fn encode(entries: Vec<CacheRecord>) -> Result<(Vec<u8>, Vec<CacheRecord>)> {
    let mut contents = Contents {
        version: VERSION,
        entries,
    };
    loop {
        let bytes =
            serde_json::to_vec_pretty(&contents).map_err(|error| Error::encoding("JSON", error))?;
        if bytes.len() as u64 <= MAX_BYTES {
            return Ok((bytes, contents.entries));
        }
        // Names of many kilobytes; whoever has those can tune again.
        let half = contents.entries.len().div_ceil(2);
        contents.entries.drain(..half);
    }
}

/// Makes the folder, and a temporary file in it.
fn prepare(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    match fs::metadata(path) {
        // What a container puts where a file to mount is missing. Fails where anything is in it.
        Ok(found) if found.is_dir() => fs::remove_dir(path),
        // Written as it is, a pipe would wait for its reader.
        Ok(found) if !found.is_file() => Err(io::Error::other("not a regular file")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
