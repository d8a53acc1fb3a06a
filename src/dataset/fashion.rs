//! Where Fashion-MNIST is found: the test split in the binary, either split in a folder.

use std::path::{Path, PathBuf};

use super::idx::{load_images, load_labels, read_images, read_labels};
use super::images::{Dataset, Images};
use crate::error::{Error, FileError, Result};

/// Where Debian's package `dataset-fashion-mnist` puts the four files.
pub const DEBIAN_FOLDER: &str = "/usr/share/datasets/fashion-mnist";

/// Where a checkout of this project keeps them, from its root.
const CHECKOUT_FOLDER: &str = "data/fashion-mnist";

/// The names of Fashion-MNIST's classes, by label.
pub const CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// SHA-256 of the training split's pixels and labels.
const TRAIN_SHA256: &str = "16d82e2b505296aa2b78bd5ea0992634f30419a4c97def7c907d154a35ac6157";

const TEST_IMAGES: &[u8] = include_bytes!("../../data/fashion-mnist/t10k-images-idx3-ubyte.gz");
const TEST_LABELS: &[u8] = include_bytes!("../../data/fashion-mnist/t10k-labels-idx1-ubyte.gz");

/// One of the two parts that the data sets of the MNIST family come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// `train-…`
    Train,
    /// `t10k-…`
    Test,
}

impl Split {
    fn prefix(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "t10k",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Test => "test",
        }
    }
}

/// The embedded test split of Fashion-MNIST: 10,000 images of 28×28.
///
/// # Errors
/// Only where the binary itself is damaged.
pub fn test_split() -> Result<Dataset> {
    let path = Path::new("embedded Fashion-MNIST test split");
    let images = read_images(path, TEST_IMAGES)?;
    let labels = read_labels(path, TEST_LABELS)?;
    Dataset::new("Fashion-MNIST test (embedded)", images, labels)
}

/// Whether `data` is Fashion-MNIST's training split, whose labels are [`CLASSES`].
#[must_use]
pub fn is_fashion_training(data: &Dataset) -> bool {
    data.sha256() == TRAIN_SHA256
}

/// Loads a split from `folder`, or, where none is given, from the first place that has it:
/// `data/fashion-mnist`, then Debian's package.
///
/// # Errors
/// `Error::File` where it is missing (with the ways to get it) or damaged.
pub fn load_split(split: Split, folder: Option<&Path>) -> Result<Dataset> {
    let places = match folder {
        Some(folder) => vec![folder],
        None => vec![Path::new(CHECKOUT_FOLDER), Path::new(DEBIAN_FOLDER)],
    };
    for place in &places {
        let images = find(place, split, "images", 3);
        let labels = find(place, split, "labels", 1);
        match (images, labels) {
            (Some(images), Some(labels)) => return load_pair(split, place, &images, &labels),
            (Some(found), None) | (None, Some(found)) => {
                return Err(Error::file(
                    found,
                    FileError::unsuitable(
                        "the matching file (images or labels of the same split) is not in this folder",
                        "add it",
                    ),
                ));
            }
            (None, None) => {}
        }
    }
    let place = places[0];
    let (name, prefix) = (split.name(), split.prefix());
    let missing = match folder {
        Some(folder) if !folder.is_dir() => {
            return Err(Error::file(
                folder,
                FileError::unsuitable("there is no such folder", "check the path"),
            ));
        }
        Some(_) => format!(
            "there is no {name} split here: expected {prefix}-images-idx3-ubyte and {prefix}-labels-idx1-ubyte, \
             plain or .gz"
        ),
        None => format!("the {name} split is neither here nor in {DEBIAN_FOLDER}"),
    };
    let remedy =
        "to get Fashion-MNIST, run 'apt-get install dataset-fashion-mnist' or data/fetch.sh";
    Err(Error::file(place, FileError::unsuitable(missing, remedy)))
}

/// The folder that [`load_split`] takes where none is named, if a split is in one.
#[must_use]
pub fn default_folder(split: Split) -> Option<&'static Path> {
    let places = [CHECKOUT_FOLDER, DEBIAN_FOLDER].map(Path::new);
    let has = |place: &&Path| find(place, split, "images", 3).is_some();
    places.into_iter().find(has)
}

/// Loads images from an IDX file, or those of the test split from a folder.
///
/// # Errors
/// `Error::File` where they are missing or damaged.
pub fn load_test_images(path: &Path) -> Result<Images> {
    if !path.is_dir() {
        return load_images(path);
    }
    let images = find(path, Split::Test, "images", 3);
    let images = images.ok_or_else(|| {
        Error::file(
            path,
            FileError::unsuitable(
                "there is no t10k-images-idx3-ubyte here, plain or .gz",
                "name a file of images",
            ),
        )
    })?;
    load_images(&images)
}

fn load_pair(split: Split, place: &Path, images: &Path, labels: &Path) -> Result<Dataset> {
    let name = format!("{} ({} split)", place.display(), split.name());
    let images = load_images(images)?;
    let labels = load_labels(labels)?;
    Dataset::new(name, images, labels)
}

/// The file of a split under any of the names that are in use for it.
fn find(folder: &Path, split: Split, what: &str, dimensions: u8) -> Option<PathBuf> {
    let prefix = split.prefix();
    ["-", "."]
        .iter()
        .flat_map(|joint| ["", ".gz"].map(|end| (joint, end)))
        .map(|(joint, end)| {
            folder.join(format!("{prefix}-{what}{joint}idx{dimensions}-ubyte{end}"))
        })
        .find(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_split_is_whole() {
        let data = test_split().unwrap();
        assert_eq!((data.len(), data.images.width), (10_000, 784));
        for class in 0..10 {
            let count = data
                .labels()
                .unwrap()
                .iter()
                .filter(|&&label| label == class)
                .count();
            assert_eq!(count, 1_000, "class {class}");
        }
    }

    #[test]
    fn missing_split_names_both_ways_to_get_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = load_split(Split::Train, Some(folder.path())).unwrap_err();
        assert_eq!(error.exit_code(), 7);
        for part in [
            "train-images-idx3-ubyte",
            "dataset-fashion-mnist",
            "data/fetch.sh",
        ] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn folder_loads_like_the_embedded_split() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(CHECKOUT_FOLDER);
        let data = load_split(Split::Test, Some(&folder)).unwrap();
        assert_eq!(data.sha256(), test_split().unwrap().sha256());
    }
}
