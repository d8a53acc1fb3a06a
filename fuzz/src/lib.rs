//! What the program does with a file that it is given, a function for each kind of file, and with a network of any magnitude.
//!
//! None of them panics, whatever the bytes. Reading a file takes at most twice its size and 64 MiB of memory: each
//! function that reads one asserts that. `scripts/fuzz` drives them by libFuzzer; tests/hostile holds them against the
//! corpus and some mutations of it in every run of the tests.

mod json;
pub mod judge;
mod memory;
mod model;
pub mod ranges;

use std::cell::RefCell;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::{Compression, write::GzEncoder};
use fmnist_gpu::dataset;
pub use json::{FUZZED_DRIVER, baseline, numerics, search_state, tuner_cache};
pub use memory::{OVERHEAD, limited};
pub use model::{model, quantized};
pub use ranges::ranges;
use tempfile::TempDir;

/// A function, by the name of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// Every one of them.
pub const TARGETS: [Target; 9] = [
    ("idx", idx),
    ("idx_gz", idx_gz),
    ("model", model),
    ("quantized", quantized),
    ("baseline", baseline),
    ("numerics", numerics),
    ("tuner_cache", tuner_cache),
    ("search_state", search_state),
    ("ranges", ranges),
];

/// Images and labels in the IDX format.
pub fn idx(data: &[u8]) {
    let path = file(data);
    let images = limited(data.len(), || dataset::load_images(&path));
    if let Ok(images) = &images {
        assert!(images.count > 0 && images.width > 0);
        assert_eq!(images.pixels.len(), images.count * images.width);
        assert_eq!(
            images.range(images.count - 1, images.count).len(),
            images.width
        );
    }
    let labels = limited(data.len(), || dataset::load_labels(&path));
    let labels_of_bytes = dataset::read_labels(&path, data);
    match (&labels, &labels_of_bytes) {
        (Ok(labels), Ok(of_bytes)) => assert_eq!(labels, of_bytes),
        (Err(_), Err(_)) => {}
        _ => panic!("a file and its bytes are not read alike"),
    }
    if let (Ok(images), Ok(labels)) = (images, labels) {
        // One of them is of the wrong kind.
        panic!(
            "read as {} images and as {} labels",
            images.count,
            labels.len()
        );
    }
}

/// The same, gzip: as it is where the first byte is even, else the rest packed, so that damage is also found
/// behind the checksum.
pub fn idx_gz(data: &[u8]) {
    match data.split_first() {
        Some((first, content)) if first % 2 == 1 => {
            let level = Compression::new(u32::from(first / 2 % 10));
            let mut encoder = GzEncoder::new(Vec::new(), level);
            let packed = encoder.write_all(content).and_then(|()| encoder.finish());
            idx(&packed.expect("memory takes it"));
        }
        Some((_, file)) => idx(file),
        None => {}
    }
}

/// Puts the bytes where a file is read from.
fn file(data: &[u8]) -> PathBuf {
    thread_local! {
        static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) };
    }
    let path = FOLDER.with_borrow_mut(|folder| {
        let folder = folder.get_or_insert_with(|| {
            // In memory, where there is such a place.
            let memory = Path::new("/dev/shm");
            let made = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir());
            made.expect("a folder for the file")
        });
        folder.path().join("file")
    });
    std::fs::write(&path, data).expect("a place for the file");
    path
}
