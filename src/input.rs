//! Files from outside: how they are opened, how much of them is read, and how an error describes them. SECURITY.md
//! says what follows for the user.
//!
//! Reading a file takes at most twice its size and 64 MiB of memory, whatever the file says of itself: what
//! a header announces is held against the bytes that are there before anything is made for it.

mod kind;
mod unique_keys;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::Path;

use bytemuck::Pod;
use serde::Deserialize;
use serde_json::error::Category;

use crate::error::{Error, FileError, Result};
use crate::printable::{is_harmless, printable};
pub(crate) use kind::{FileKind, HEAD, Wanted};
pub(crate) use unique_keys::duplicate_key;

/// What reading a file may take beside twice its size, less what the program itself needs of it.
pub(crate) const READING_OVERHEAD: u64 = 63 << 20;

/// The longest name, date or other text of a file that is shown, in bytes.
pub(crate) const MAX_TEXT: usize = 1_000;

/// A file that is about to be read.
#[derive(Debug)]
pub(crate) struct OpenFile<R> {
    pub stream: R,
    /// Its size in bytes; none where only its end shows it, as of a pipe.
    pub length: Option<u64>,
}

/// Opens a model or data file.
///
/// # Errors
/// `Error::File` where it is missing or cannot be read.
pub(crate) fn open(path: &Path) -> Result<OpenFile<File>> {
    let found = std::fs::metadata(path).and_then(|found| match found.is_dir() {
        true => Err(io::ErrorKind::IsADirectory.into()),
        false => Ok((found, File::open(path)?)),
    });
    let (found, stream) = found.map_err(|error| unreadable(path, &error))?;
    Ok(OpenFile {
        stream,
        length: found.is_file().then_some(found.len()),
    })
}

/// The error of a file that the system does not give.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::file(path, FileError::unreadable(error))
}

/// All of a regular file of at most `most` bytes.
pub(crate) fn read_small(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let found = std::fs::metadata(path)?;
    // Before it is opened: a pipe would wait for its writer.
    if !found.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if found.len() > most {
        let problem = format!("{} bytes, more than {most}", found.len());
        return Err(io::Error::other(problem));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0));
    // It may have grown since.
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// `count` values, little-endian, to which `spare` more may be added without moving them.
///
/// `certain` says that the bytes were found to be there; otherwise memory is taken as they arrive.
pub(crate) fn read_values<T: Pod>(
    stream: &mut impl Read,
    count: usize,
    spare: usize,
    certain: bool,
) -> io::Result<Vec<T>> {
    const AT_ONCE: usize = 1 << 16;
    let mut values: Vec<T> = Vec::new();
    if certain {
        values.try_reserve_exact(count.saturating_add(spare))?;
    }
    while values.len() < count {
        let from = values.len();
        values.try_reserve(AT_ONCE.min(count - from))?;
        values.resize(count.min(from + AT_ONCE), T::zeroed());
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut values[from..]);
        stream.read_exact(bytes)?;
        if cfg!(target_endian = "big") {
            bytes
                .chunks_exact_mut(size_of::<T>())
                .for_each(<[u8]>::reverse);
        }
    }
    Ok(values)
}

/// The error of a file that is of another kind than was wanted, by its first bytes; none where they say nothing.
pub(crate) fn wrong_kind(head: &[u8], wanted: Wanted) -> Option<FileError> {
    let format = match wanted {
        Wanted::Safetensors => "safetensors",
        Wanted::Idx => "IDX",
    };
    let kind = FileKind::of(head).filter(|kind| match wanted {
        Wanted::Safetensors => *kind != FileKind::Safetensors,
        Wanted::Idx => *kind != FileKind::Idx,
    })?;
    let problem = format!("is {}, not {format}", kind.name());
    Some(FileError::unsuitable(problem, kind.remedy(wanted)))
}

/// What is wrong with a JSON file before its content: that it is of another kind, or that a key stands twice, of which
/// a parser would take the last.
///
/// # Errors
/// That, in words.
pub(crate) fn check_json(bytes: &[u8]) -> Result<(), String> {
    match FileKind::of(&bytes[..bytes.len().min(HEAD)]) {
        Some(kind) if kind != FileKind::Json => return Err(format!("it is {}", kind.name())),
        _ => {}
    }
    match duplicate_key(bytes) {
        Some(key) => {
            let key = printable(&key);
            Err(format!("it has the key '{key}' twice"))
        }
        None => Ok(()),
    }
}

/// What is wrong with a JSON file and where, without the file's own words; `data` is said of what is JSON, but
/// of another format.
pub(crate) fn json_problem(error: &serde_json::Error, data: &str) -> String {
    let what = match error.classify() {
        Category::Eof => "it ends too early",
        Category::Data => data,
        Category::Syntax | Category::Io => "not JSON",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// Text of a file that is shown, so that it must neither steer a terminal nor fill it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Text(String);

impl TryFrom<String> for Text {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if text.len() > MAX_TEXT || !text.chars().all(is_harmless) {
            return Err("a name is too long or has control characters");
        }
        Ok(Self(text))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_whole_or_not_at_all() {
        let bytes: Vec<u8> = [1.5_f32, -2.0]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        for certain in [false, true] {
            let read = read_values::<f32>(&mut &bytes[..], 2, 3, certain).unwrap();
            assert_eq!(read, [1.5, -2.0]);
            assert!(read_values::<f32>(&mut &bytes[..], 3, 0, certain).is_err());
        }
        // A pipe's header may announce anything.
        assert!(read_values::<f32>(&mut &bytes[..], usize::MAX / 8, 0, false).is_err());
    }

    #[test]
    fn what_is_said_of_a_json_file_has_no_control_characters() {
        assert_eq!(check_json(b"{\"a\": 1, \"b\": 2}"), Ok(()));
        assert_eq!(check_json(b"not JSON, which its reader says"), Ok(()));
        let problem = check_json(b"{\"m\\bout\": 1, \"m\\bout\": 2}").unwrap_err();
        assert!(problem.contains("twice"), "{problem}");
        assert!(!problem.chars().any(char::is_control), "{problem:?}");
        let long = format!("{{\"{0}\": 1, \"{0}\": 2}}", "k".repeat(100_000));
        assert!(check_json(long.as_bytes()).unwrap_err().len() < 2_000);
        assert_eq!(
            check_json(b"\x1f\x8b\x08"),
            Err("it is a gzip file".to_owned())
        );
    }

    #[test]
    fn only_a_regular_file_within_the_limit_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"12345").unwrap();
        assert_eq!(read_small(&path, 5).unwrap(), b"12345");
        assert!(read_small(&path, 4).is_err());
        assert!(read_small(folder.path(), 4).is_err());
        assert_eq!(open(&path).unwrap().length, Some(5));
        assert_eq!(open(folder.path()).unwrap_err().exit_code(), 7);
    }
}
