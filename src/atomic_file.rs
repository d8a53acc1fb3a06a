//! Output files that are written whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// A file that is there, with all of its bytes, once it is committed, and not before.
///
/// That its place can be written is found out when it is made, so that a place that cannot be is
/// reported before any work is done for it.
#[derive(Debug)]
pub struct AtomicFile {
    /// As the user named it.
    path: PathBuf,
    target: Target,
}

/// Where the bytes go.
#[derive(Debug)]
enum Target {
    /// The file of this path, links followed: a new one beside it takes its place at the end.
    Replaced(PathBuf),
    /// What is no regular file (a pipe, a device) cannot be replaced, so it is written as it is. It
    /// stays open all the while: the reader of a pipe leaves when its last writer does.
    Itself(File),
}

impl AtomicFile {
    /// Tries the way to `path`, and leaves nothing there: the work may yet be interrupted.
    ///
    /// A link is followed, and a named pipe waits for its reader, as in a shell.
    ///
    /// # Errors
    /// `Error::Output` where the folder is missing or cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        let target = open(path).map_err(|error| output(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            target,
        })
    }

    /// Where it will be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts `bytes` in its place for the time being, so that something is there should the commit never
    /// come. What is no regular file waits for the commit: it takes everything once.
    ///
    /// # Errors
    /// `Error::Output` where the disk does not take it; an older file then stays as it was.
    pub fn update(&self, bytes: &[u8]) -> Result<()> {
        match &self.target {
            Target::Itself(_) => Ok(()),
            Target::Replaced(path) => {
                replace(path, bytes).map_err(|error| output(&self.path, error))
            }
        }
    }

    /// Writes all of `bytes` and puts the file in its place.
    ///
    /// # Errors
    /// `Error::Output` where the disk does not take it; an older file then stays as it was.
    pub fn commit(self, bytes: &[u8]) -> Result<()> {
        let written = match self.target {
            Target::Itself(mut file) => file.write_all(bytes),
            Target::Replaced(path) => replace(&path, bytes),
        };
        written.map_err(|error| output(&self.path, error))
    }
}

fn open(path: &Path) -> io::Result<Target> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if path.exists() && !path.is_file() {
        let file = OpenOptions::new().write(true).open(path)?;
        return Ok(Target::Itself(file));
    }
    let path = follow(path)?;
    beside(&path)?;
    Ok(Target::Replaced(path))
}

/// Where a path leads once its links are followed, though nothing may be there yet.
fn follow(path: &Path) -> io::Result<PathBuf> {
    match std::fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match std::fs::read_link(path) {
            // Relative to the link's own folder. Links in a circle are another kind of error.
            Ok(target) => follow(&folder(path).join(target)),
            Err(_) => Ok(path.to_owned()),
        },
        found => found,
    }
}

fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = beside(path)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// A new file in the folder of `path`, gone again unless it is kept.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".fmnist-gpu-");
    #[cfg(unix)]
    {
        // A temporary file is its owner's alone; a result is for everyone, as the umask has it.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder(path))
}

fn output(path: &Path, error: io::Error) -> Error {
    // The plain reason, without the name of the temporary file, which tempfile wraps round it.
    let wrapped = error.get_ref().and_then(|error| error.source());
    let wrapped = wrapped.and_then(|source| source.downcast_ref::<io::Error>());
    let code = error
        .raw_os_error()
        .or(wrapped.and_then(io::Error::raw_os_error));
    let plain = code.map(io::Error::from_raw_os_error);
    Error::Output {
        path: path.to_owned(),
        source: plain.unwrap_or(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_there_before_the_commit_and_all_of_it_after() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result");
        drop(AtomicFile::create(&path).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let file = AtomicFile::create(&path).unwrap();
        for early in [b"early", b"later"] {
            file.update(early).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), early);
        }
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), b"later");
        AtomicFile::create(&path).unwrap().commit(b"first").unwrap();
        AtomicFile::create(&path)
            .unwrap()
            .commit(b"second")
            .unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_reported_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            folder.path().to_owned(),
            folder.path().join("missing/result"),
        ] {
            assert_eq!(AtomicFile::create(&path).unwrap_err().exit_code(), 1);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_written_through() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("old"), b"older").unwrap();
        for name in ["old", "new"] {
            // Through a second link, and relative to the first one's folder.
            let (first, second) = (inner.join(format!("{name}-link")), folder.path().join(name));
            symlink(name, &first).unwrap();
            symlink(&first, &second).unwrap();
            AtomicFile::create(&second).unwrap().commit(b"it").unwrap();
            assert_eq!(std::fs::read(inner.join(name)).unwrap(), b"it");
            for link in [first, second] {
                assert!(link.is_symlink(), "{} is replaced", link.display());
            }
        }
        let circle = folder.path().join("circle");
        symlink("circle", &circle).unwrap();
        assert_eq!(AtomicFile::create(&circle).unwrap_err().exit_code(), 1);
    }
}
