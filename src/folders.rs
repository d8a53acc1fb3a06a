//! The user's folders: where the program keeps files between runs.
//!
//! Both are the folder that the environment variable `FMNIST_GPU_CACHE_DIR` names. Without it they are the folder
//! `fmnist-gpu` in the system's places:
//!
//! | | elsewhere | Windows |
//! |---|---|---|
//! | [`cache`] | `$XDG_CACHE_HOME`, otherwise `~/.cache` | `%LOCALAPPDATA%` |
//! | [`data`] | `$XDG_DATA_HOME`, otherwise `~/.local/share` | `%APPDATA%` |

use std::ffi::OsString;
use std::path::PathBuf;

use etcetera::{BaseStrategy, choose_base_strategy};

/// The environment variable that names one folder for everything, in place of the user's own folders.
pub const FOLDER_VARIABLE: &str = "FMNIST_GPU_CACHE_DIR";

/// The folder for files that the program can make again. `None` where the system names none.
#[must_use]
pub fn cache() -> Option<PathBuf> {
    let user = choose_base_strategy().ok().map(|user| user.cache_dir());
    choose(std::env::var_os(FOLDER_VARIABLE), user)
}

/// The folder for files that the program cannot make again. `None` where the system names none.
#[must_use]
pub fn data() -> Option<PathBuf> {
    let user = choose_base_strategy().ok().map(|user| user.data_dir());
    choose(std::env::var_os(FOLDER_VARIABLE), user)
}

/// The folder that the variable names, or else `fmnist-gpu` in the user's own folder.
fn choose(named: Option<OsString>, user: Option<PathBuf>) -> Option<PathBuf> {
    let named = named.filter(|folder| !folder.is_empty());
    // HOME may hold a relative path, but files must not depend on the working directory.
    let user = user.filter(|user| user.is_absolute());
    named
        .map(PathBuf::from)
        .or_else(|| user.map(|user| user.join("fmnist-gpu")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_the_folder() {
        let absolute = std::env::temp_dir();
        let user = choose(None, Some(absolute.clone()));
        assert_eq!(user, Some(absolute.join("fmnist-gpu")));
        let empty = choose(Some("".into()), Some(absolute));
        assert_eq!(empty, user, "empty means unset");
        assert_eq!(choose(None, Some("relative".into())), None);
        assert_eq!(choose(None, None), None);
        assert_eq!(choose(Some("here".into()), None), Some("here".into()));
        for folder in [cache(), data()].into_iter().flatten() {
            assert!(!folder.as_os_str().is_empty());
        }
    }
}
