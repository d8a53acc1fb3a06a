//! Where baselines are kept: `baselines/NAME.json` in the user's data folder ([`folders::data`]). Unlike a cache, the
//! program cannot make them again.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Error, Result, UsageError};
use crate::folders::{self, FOLDER_VARIABLE};

/// The longest name: with its ending it fits every file system.
const MOST_CHARACTERS: usize = 100;

/// A baseline's name: letters, digits, `-`, `_` and `.`, not first, and no `.json` last: that is a file's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// As the user wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file that it is kept in.
    ///
    /// # Errors
    /// `Error::Usage` where no folder is known.
    pub fn path(&self) -> Result<PathBuf> {
        let folder = folder().ok_or(Error::Usage(UsageError::BaselineFolderUnknown {
            variable: FOLDER_VARIABLE,
        }))?;
        Ok(folder.join(format!("{}.json", self.0)))
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        let fits = !text.is_empty() && text.len() <= MOST_CHARACTERS && !text.starts_with('.');
        if fits && text.chars().all(plain) && find_model(text).is_none() {
            if is_file_name(text) {
                let given = text.to_owned();
                return Err(Error::Usage(UsageError::BaselineNameIsFile { given }));
            }
            return Ok(Self(text.to_owned()));
        }
        Err(Error::Usage(UsageError::InvalidValue {
            what: "the name of the baseline".to_owned(),
            given: format!("'{}'", text.escape_debug()),
            expected: format!(
                "up to {MOST_CHARACTERS} letters, digits, -, _ and ., without the ending of a model file"
            ),
        }))
    }
}

/// Whether the ending marks a file, so that this cannot be a baseline's name.
fn is_file_name(text: &str) -> bool {
    Path::new(text)
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

/// The file that is meant by a name, or by a path: what has a separator in it or ends in `.json`.
///
/// # Errors
/// `Error::Usage` where it is neither.
pub fn find(text: &str) -> Result<PathBuf> {
    let is_path = text.contains(std::path::is_separator) || is_file_name(text);
    if is_path {
        return Ok(PathBuf::from(text));
    }
    Name::from_str(text)?.path()
}

/// The model file that is meant by this text; none where it means a result.
#[must_use]
pub fn find_model(text: &str) -> Option<PathBuf> {
    let path = Path::new(text);
    let extension = path.extension()?;
    extension
        .eq_ignore_ascii_case("safetensors")
        .then(|| path.to_owned())
}

/// The folder of baselines. `None` where the system names no folder for a user's data.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    folders::data().map(|data| data.join("baselines"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_files_of_their_own_and_paths_are_paths() {
        for good in ["main", "v1.2", "before_the-change", "größer"] {
            let name: Name = good.parse().unwrap();
            assert_eq!(name.as_str(), good);
        }
        let long = "x".repeat(101);
        for bad in ["", ".hidden", "a/b", "a b", "..", "a\nb", &long] {
            assert_eq!(bad.parse::<Name>().unwrap_err().exit_code(), 2, "{bad}");
        }
        assert_eq!(find("a/b").unwrap(), Path::new("a/b"));
        assert_eq!(find("result.json").unwrap(), Path::new("result.json"));
        let kept = find("result").unwrap();
        assert!(kept.ends_with("baselines/result.json"), "{kept:?}");
    }

    /// Of many texts made of what names and paths are made of: what may be saved is looked for where it was kept.
    #[test]
    fn every_name_that_is_accepted_is_found_again() {
        const PARTS: [&str; 10] = [
            "v1",
            ".",
            "json",
            ".json",
            ".JSON",
            "-",
            "/",
            "größer",
            "a.json.b",
            ".safetensors",
        ];
        let (mut accepted, mut refused) = (0, 0);
        for at in 0..PARTS.len().pow(4) {
            let part = |place: u32| PARTS[at / PARTS.len().pow(place) % PARTS.len()];
            let text: String = (0..1 + at as u32 % 4).map(part).collect();
            match text.parse::<Name>() {
                Ok(name) => {
                    accepted += 1;
                    let kept = name.path().unwrap();
                    assert_eq!(find(&text).unwrap(), kept, "{text}");
                    assert_eq!(find_model(&text), None, "{text}");
                }
                Err(error) => {
                    refused += 1;
                    assert_eq!(error.exit_code(), 2, "{text}");
                }
            }
        }
        assert!(accepted > 100 && refused > 100, "{accepted} {refused}");
        for file in ["v1.json", "v1.Json", "a.b.JSON"] {
            let problem = file.parse::<Name>().unwrap_err().to_string();
            assert!(problem.contains("drop '.json'"), "{problem}");
        }
    }
}
