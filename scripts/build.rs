//! Tells the binary which commit and which wgpu it is built from, so that a result can say so and what
//! was tuned is not believed of another; and lists the shaders, which the binary contains.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// What the binary is made of. A change in any of it makes it another than the commit's, and in
/// nothing else.
const SOURCES: [&str; 6] = [
    "src",
    "shaders",
    "data",
    "scripts/build.rs",
    "Cargo.toml",
    "Cargo.lock",
];

fn main() {
    for path in SOURCES {
        println!("cargo::rerun-if-changed={path}");
    }
    // In a worktree they are not under .git. A path that is not there would mean: run every time.
    for name in ["HEAD", "index", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name])
            && Path::new(&path).exists()
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    println!("cargo::rustc-env=FMNIST_GPU_WGPU={}", wgpu_version());
    list_shaders();
    // Outside a checkout there is no commit to tell.
    if let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) {
        let mut status = vec!["status", "--porcelain", "--untracked-files=no", "--"];
        status.extend(SOURCES);
        let dirty = if git(&status).is_some_and(|list| !list.is_empty()) {
            "-dirty"
        } else {
            ""
        };
        println!("cargo::rustc-env=FMNIST_GPU_COMMIT={commit}{dirty}");
    }
}

/// Writes the table of all files in `shaders` that `src/gpu/shader/files.rs` includes: path without
/// extension, and text.
fn list_shaders() {
    let mut files = Vec::new();
    find_shaders(Path::new("shaders"), &mut files);
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        let name = file
            .trim_start_matches("shaders/")
            .trim_end_matches(".wgsl");
        writeln!(
            table,
            "({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?}))),",
            format!("/{file}")
        )
        .expect("writing to a string");
    }
    table.push(']');
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    std::fs::write(Path::new(&out).join("shaders.rs"), table).expect("OUT_DIR can be written");
}

/// Paths of the shaders in `folder`, with `/` on every system.
fn find_shaders(folder: &Path, found: &mut Vec<String>) {
    for entry in folder.read_dir().expect("a folder of the repository") {
        let path = entry.expect("an entry of it").path();
        if path.is_dir() {
            find_shaders(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "wgsl")
        {
            let path = path.to_str().expect("a name in ASCII");
            found.push(path.replace('\\', "/"));
        }
    }
}

/// The version of wgpu in the lock file; empty where there is none to read.
fn wgpu_version() -> String {
    let lock = std::fs::read_to_string("Cargo.lock").unwrap_or_default();
    let mut lines = lock.lines().skip_while(|line| *line != "name = \"wgpu\"");
    let version = lines
        .nth(1)
        .and_then(|line| line.strip_prefix("version = "));
    version.unwrap_or_default().trim_matches('"').to_owned()
}

/// What git says; none where it fails.
fn git(arguments: &[&str]) -> Option<String> {
    // Without the lock it does not touch the index, whose change would run this again.
    let mut command = Command::new("git");
    command.arg("--no-optional-locks").args(arguments);
    let output = command.output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
