//! What a search has measured so far, in a file beside its output, so that an interrupted one goes on.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::result::Measured;
use crate::atomic_file::AtomicFile;
use crate::error::{Error, Result};
use crate::input::{check_json, json_problem, read_small};

/// The largest file that is read: a measurement takes some hundred bytes, and a search makes some hundred.
const MAX_BYTES: u64 = 1 << 20;

/// The measurements of a search, each kept as soon as it is made.
#[derive(Debug)]
pub struct SearchState {
    path: Option<PathBuf>,
    kept: StateFile,
    found: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct StateFile {
    /// Everything that measurements depend on.
    about: BTreeMap<String, String>,
    /// By the name of the mode.
    measured: BTreeMap<String, Measured>,
}

/// How a search begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchStart {
    /// Nothing was kept.
    New,
    /// So much was kept of the same search.
    Resumed(usize),
    /// What was kept is of another search, or damaged, for this reason, and is not used.
    Anew(String),
}

impl SearchState {
    /// A state that is kept nowhere.
    #[must_use]
    pub fn forgotten() -> Self {
        Self {
            path: None,
            kept: StateFile {
                about: BTreeMap::new(),
                measured: BTreeMap::new(),
            },
            found: 0,
        }
    }

    /// The file beside an output.
    #[must_use]
    pub fn path_of(output: &Path) -> PathBuf {
        let mut name = output.as_os_str().to_owned();
        name.push(".search.json");
        name.into()
    }

    /// Takes up what was kept at `path` about the same things.
    #[must_use]
    pub fn open(path: &Path, about: BTreeMap<String, String>) -> (Self, SearchStart) {
        let (measured, beginning) = match read(path, &about) {
            Ok(None) => (BTreeMap::new(), SearchStart::New),
            Ok(Some(measured)) => {
                let count = measured.len();
                (measured, SearchStart::Resumed(count))
            }
            Err(why) => (BTreeMap::new(), SearchStart::Anew(why)),
        };
        let state = Self {
            path: Some(path.to_owned()),
            found: measured.len(),
            kept: StateFile { about, measured },
        };
        (state, beginning)
    }

    /// How many measurements were found when it was opened.
    #[must_use]
    pub fn found(&self) -> usize {
        self.found
    }

    pub(super) fn get(&self, name: &str) -> Option<Measured> {
        self.kept.measured.get(name).copied()
    }

    pub(super) fn put(&mut self, name: &str, measured: Measured) -> Result<()> {
        self.kept.measured.insert(name.to_owned(), measured);
        let Some(path) = &self.path else {
            return Ok(());
        };
        let internal = |error| Error::encoding("JSON", error);
        let bytes = serde_json::to_vec_pretty(&self.kept).map_err(internal)?;
        AtomicFile::create(path)?.commit(&bytes)
    }

    /// Removes the file: the search is done.
    ///
    /// # Errors
    /// `Error::Output` where it cannot be removed.
    pub fn remove(self) -> Result<()> {
        let Some(path) = self.path.filter(|path| path.exists()) else {
            return Ok(());
        };
        std::fs::remove_file(&path).map_err(|source| Error::Output { path, source })
    }
}

/// What was measured of the same things; none where nothing was kept, and the reason where it cannot be used.
fn read(
    path: &Path,
    about: &BTreeMap<String, String>,
) -> Result<Option<BTreeMap<String, Measured>>, String> {
    let damaged = |why: String| format!("it is damaged: {why}");
    let bytes = match read_small(path, MAX_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|error| damaged(error.to_string()))?,
    };
    check_json(&bytes).map_err(damaged)?;
    let kept: StateFile = serde_json::from_slice(&bytes).map_err(|error| {
        damaged(json_problem(
            &error,
            "a field is missing or of another type",
        ))
    })?;
    if let Some(differing) = difference(&kept.about, about) {
        return Err(differing);
    }
    let mut measured = kept.measured.iter();
    match measured.find(|(_, measured)| !measured.is_possible()) {
        Some(_) => Err(damaged("it has an impossible measurement".into())),
        None => Ok(Some(kept.measured)),
    }
}

/// The first thing in which two searches differ, without the words of what was kept.
fn difference(kept: &BTreeMap<String, String>, about: &BTreeMap<String, String>) -> Option<String> {
    let mut own = about.iter();
    match own.find(|&(key, value)| kept.get(key) != Some(value)) {
        Some((key, _)) => Some(format!("another {key}")),
        None => (kept.len() != about.len()).then(|| "it had other settings".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_again_by_the_same_search_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = SearchState::path_of(&folder.path().join("mixed.safetensors"));
        let about = |model: &str| BTreeMap::from([("model".to_owned(), model.to_owned())]);
        let measured = Measured {
            accuracy: 0.5,
            label_changes: 3,
            only_f32: 2,
            only_this: 1,
            output_error: 1e-3,
            relative_time: 0.1 + 0.2,
            parameter_bytes: 100,
        };
        let (mut state, beginning) = SearchState::open(&path, about("a"));
        assert_eq!(beginning, SearchStart::New);
        state.put("f16,int8 static", measured).unwrap();
        let (state, beginning) = SearchState::open(&path, about("a"));
        assert_eq!(beginning, SearchStart::Resumed(1));
        assert_eq!(state.get("f16,int8 static"), Some(measured));
        let (other, beginning) = SearchState::open(&path, about("b"));
        assert_eq!(beginning, SearchStart::Anew("another model".into()));
        assert_eq!(other.get("f16,int8 static"), None);
        state.remove().unwrap();
        assert!(!path.exists());
        std::fs::write(&path, b"{").unwrap();
        let (_, beginning) = SearchState::open(&path, about("a"));
        assert!(matches!(beginning, SearchStart::Anew(why) if why.contains("damaged")));
    }

    #[test]
    fn measurements_that_cannot_be_are_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        let write = |accuracy: f64, error: f64, time: f64| {
            let measured = format!(
                r#"{{"accuracy":{accuracy:?},"label_changes":1,"only_f32":0,"only_this":0,"output_error":{error:?},"relative_time":{time:?},"parameter_bytes":1}}"#
            );
            let text = format!(r#"{{"about":{{}},"measured":{{"f16":{measured}}}}}"#);
            std::fs::write(&path, text).unwrap();
            SearchState::open(&path, BTreeMap::new()).1
        };
        assert_eq!(write(0.5, 1e-3, 0.7), SearchStart::Resumed(1));
        for (accuracy, error, time) in [(1.5, 0.0, 1.0), (0.5, -1.0, 1.0), (0.5, 0.0, -1.0)] {
            assert!(matches!(write(accuracy, error, time), SearchStart::Anew(_)));
        }
    }
}
