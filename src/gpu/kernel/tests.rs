//! The table has what it should, and every file imports what it uses.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::*;
use crate::adapter::MatrixUnits;

#[test]
fn every_row_of_the_table_is_among_the_variants() {
    let variants = variants(Subgroups {
        lanes: 8,
        matrix_units: Some(MatrixUnits { size: 16, lanes: 8 }),
    });
    for row in KERNELS {
        for of in row.elements {
            let of_row = |&(pass, elements): &(Pass, Precision)| {
                name(pass, elements) == row.name() && elements == *of
            };
            assert!(variants.iter().any(of_row), "{}.{of}", row.file);
        }
    }
}

#[test]
fn every_file_of_a_kernel_has_a_row() {
    for (path, _) in shader::FILES {
        let is_kernel = path.starts_with("kernels/");
        let rows = KERNELS.iter().filter(|row| row.file == *path).count();
        assert_eq!(rows, usize::from(is_kernel), "{path}");
    }
}

/// The names that a file declares for the whole module, and those that it uses of others: not those of
/// its own parameters and variables.
fn names(text: &str) -> (HashSet<&str>, HashSet<&str>) {
    let (mut declared, mut used, mut local) = (HashSet::new(), HashSet::new(), HashSet::new());
    for line in text.lines() {
        let code = line.split("//").next().unwrap_or_default();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut before = "";
        let places = code.match_indices(is_word).map(|(at, _)| at);
        let mut end = 0;
        for at in places {
            if at < end {
                continue;
            }
            let rest = &code[at..];
            let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
            end = at + word.len();
            let member = code[..at].ends_with('.');
            let follows = code[end..].trim_start();
            let is_global = !code.starts_with(' ');
            let variable = is_global && code[..at].contains("var<") && follows.starts_with(':');
            if is_global && (matches!(before, "fn" | "alias" | "struct" | "const") || variable) {
                declared.insert(word);
            } else if matches!(before, "let" | "var" | "const") || follows.starts_with(':') {
                local.insert(word);
            } else if !member {
                used.insert(word);
            }
            before = word;
        }
    }
    (declared, &used - &local)
}

/// Every file imports what it uses, except for what the kernel declares: in its own file, or for kernels
/// of whole networks in `shared/network`.
#[test]
fn every_file_imports_what_it_uses() {
    let subgroups = Subgroups {
        lanes: 8,
        matrix_units: Some(MatrixUnits { size: 16, lanes: 8 }),
    };
    let files: HashMap<&str, &str> = shader::FILES.iter().copied().collect();
    let mut failures = BTreeSet::new();
    for (pass, elements) in variants(subgroups) {
        let kernel = find(pass, elements).expect("a row");
        let text = source(pass, elements, false).expect("a text");
        assert!(!text.contains("#import"), "{text}");
        let choices: HashMap<_, _> = choices::of(pass, elements).into_iter().collect();
        let parts = text
            .lines()
            .filter_map(|line| line.strip_prefix("// shaders/"));
        let parts: Vec<&str> = parts
            .filter_map(|line| line.strip_suffix(".wgsl"))
            .collect();
        let imports = |path: &&str| {
            let lines = files[path].lines();
            let names = lines.filter_map(|line| line.strip_prefix("#import "));
            let choose = |name| choices.get(name).copied().unwrap_or(name);
            names.map(choose).collect::<Vec<&str>>()
        };
        for part in &parts {
            let mut known = vec![*part];
            let mut next = 0;
            while let Some(path) = known.get(next).copied() {
                known.extend(imports(&path));
                next += 1;
                let mut seen = HashSet::new();
                known.retain(|path| seen.insert(*path));
            }
            known.extend([kernel.file, "shared/network"]);
            let used = names(files[part]).1;
            for other in parts.iter().filter(|other| !known.contains(other)) {
                for name in names(files[other]).0.intersection(&used) {
                    failures.insert(format!("{part} uses {name} of {other}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
