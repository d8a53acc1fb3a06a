//! Files that are damaged, lie, or mean harm: whatever the bytes, nothing panics, and reading takes no more memory than
//! SECURITY.md promises.
//!
//! The functions are those that `scripts/fuzz` drives by libFuzzer; here each is held against its corpus, and against
//! some mutations of that, the same in every run.

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;
mod mutate;
mod ranges;
mod seeds;
mod worst;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fuzz::{TARGETS, Target};
use mutate::Mutator;

/// Mutations of each target's corpus: a few seconds' worth of all.
const MUTATIONS: usize = 4_000;

/// All that a process allocates is counted, so only one test reads at a time.
fn exclusive() -> MutexGuard<'static, ()> {
    static READING: Mutex<()> = Mutex::new(());
    READING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn corpus_folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target)
}

/// The files of a target's corpus, in the order of their names.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = corpus_folder(target);
    let entries = std::fs::read_dir(&folder).expect("a corpus");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        (
            path.display().to_string(),
            std::fs::read(path).expect("a file"),
        )
    };
    paths.into_iter().map(read).collect()
}

/// Runs a target on a file; what brings it down is kept, to become part of the corpus.
fn bears((name, run): Target, what: &str, data: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| run(data))).is_err() {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-finding"));
        std::fs::write(&kept, data).expect("a place for the finding");
        panic!(
            "{name} does not bear {what}; the file is kept as {}",
            kept.display()
        );
    }
}

/// What libFuzzer drives are these functions, all of them: one file and one program each.
#[test]
fn every_fuzz_target_is_one_of_these() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let entries = std::fs::read_dir(root.join("fuzz_targets")).expect("the targets");
    let mut files: Vec<String> = entries
        .map(|entry| entry.expect("a file").file_name())
        .map(|name| name.into_string().expect("UTF-8"))
        .collect();
    files.sort();
    let mut expected: Vec<String> = TARGETS.map(|(name, _)| format!("{name}.rs")).into();
    expected.sort();
    assert_eq!(files, expected);
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).expect("the manifest");
    for (name, _) in TARGETS {
        let path = root.join("fuzz_targets").join(format!("{name}.rs"));
        let text = std::fs::read_to_string(path).expect("a target");
        let call = format!("fuzz_target!(|data: &[u8]| fmnist_gpu_fuzz::{name}(data));");
        assert!(text.contains(&call), "{name}: {text}");
        let program = format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n");
        assert!(manifest.contains(&program), "{name} is no program");
    }
}

#[test]
fn nothing_in_the_corpus_panics() {
    let _exclusive = exclusive();
    for target in TARGETS {
        for (path, data) in corpus(target.0) {
            bears(target, &path, &data);
        }
    }
}

#[test]
fn no_mutation_of_the_corpus_panics() {
    let _exclusive = exclusive();
    for target in TARGETS {
        let files: Vec<Vec<u8>> = corpus(target.0).into_iter().map(|(_, data)| data).collect();
        let mut mutator = Mutator::new(&files);
        for number in 0..MUTATIONS {
            let data = mutator.next();
            bears(target, &format!("mutation {number}"), &data);
        }
    }
}

/// Each target's corpus has what makes sense and what does not.
#[test]
fn the_corpus_holds_the_seeds() {
    for (target, _) in TARGETS {
        let committed = corpus(target);
        for (name, data) in seeds::of(target) {
            let path = corpus_folder(target).join(name).display().to_string();
            let found = committed.iter().find(|(known, _)| *known == path);
            let same = found.is_some_and(|(_, known)| *known == data);
            assert!(
                same,
                "{path} is not what tests/hostile/seeds.rs makes: cargo test --test hostile -- --ignored"
            );
        }
    }
}

#[test]
fn the_corpus_is_small() {
    let sizes = TARGETS.map(|(target, _)| corpus(target).iter().map(|(_, data)| data.len()).sum());
    assert!(sizes.iter().sum::<usize>() < 1 << 20, "{sizes:?}");
}

#[test]
#[ignore = "writes fuzz/corpus"]
fn write_seeds() {
    for (target, _) in TARGETS {
        let folder = corpus_folder(target);
        std::fs::create_dir_all(&folder).expect("a folder");
        for (name, data) in seeds::of(target) {
            std::fs::write(folder.join(name), data).expect("a seed");
        }
    }
}
