//! Tells the binary which commit it is built from, so that a result can say so.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-changed=.git/index");
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    // Outside a checkout there is no commit to tell.
    if let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) {
        let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
        let dirty = if changed.is_some_and(|list| !list.is_empty()) {
            "-dirty"
        } else {
            ""
        };
        println!("cargo::rustc-env=FMNIST_GPU_COMMIT={commit}{dirty}");
    }
}
