//! Output files that are written whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// A file that is there, with all of its bytes, once it is committed, and not before.
///
/// That its place can be written is found out when it is made, so that a place that cannot be is
/// told before any work is done for it.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
}

/// Where the bytes go.
enum Target {
    /// A new file beside the final place, moved there at the end.
    Beside(NamedTempFile),
    /// What is no regular file (a pipe, a device) is written as it is: it cannot be replaced.
    Itself(File),
}

impl AtomicFile {
    /// Tries the way to `path`, and leaves nothing there: the work may yet be interrupted.
    ///
    /// # Errors
    /// `Error::Output` where the folder is missing or cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        let file = Self {
            path: path.to_owned(),
        };
        file.open().map(drop).map_err(|error| file.output(error))?;
        Ok(file)
    }

    /// Where it will be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all of `bytes` and puts the file in its place.
    ///
    /// # Errors
    /// `Error::Output` where the disk does not take it; an older file then stays as it was.
    pub fn commit(self, bytes: &[u8]) -> Result<()> {
        let write = || match self.open()? {
            Target::Itself(mut file) => file.write_all(bytes),
            Target::Beside(mut file) => {
                file.write_all(bytes)?;
                file.as_file().sync_all()?;
                file.persist(&self.path)
                    .map(drop)
                    .map_err(|error| error.error)
            }
        };
        write().map_err(|error| self.output(error))
    }

    fn open(&self) -> io::Result<Target> {
        let path = self.path.as_path();
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if path.exists() && !path.is_file() {
            let file = OpenOptions::new().write(true).open(path)?;
            return Ok(Target::Itself(file));
        }
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let mut builder = tempfile::Builder::new();
        builder.prefix(".fmnist-gpu-");
        #[cfg(unix)]
        {
            // A temporary file is its owner's alone; a result is for everyone, as the umask has it.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
        Ok(Target::Beside(file))
    }

    fn output(&self, error: io::Error) -> Error {
        // The plain reason, without the name of the temporary file.
        let plain = error.raw_os_error().map(io::Error::from_raw_os_error);
        Error::Output {
            path: self.path.clone(),
            source: plain.unwrap_or(error),
        }
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
        AtomicFile::create(&path).unwrap().commit(b"first").unwrap();
        AtomicFile::create(&path)
            .unwrap()
            .commit(b"second")
            .unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            folder.path().to_owned(),
            folder.path().join("missing/result"),
        ] {
            assert_eq!(AtomicFile::create(&path).unwrap_err().exit_code(), 1);
        }
    }
}
