//! Every text that a user can meet, in one file: tests/snapshots/messages.txt. A change of words shows up there, and a
//! reviewer can read all of them in one go. The texts are those of Linux, since they hold errors of the system.

mod diff;
mod source;

use std::fmt::Write;
use std::path::Path;
use std::process::Stdio;

use fmnist_gpu::model::Activation;

use crate::support::{Fixture, command, overflowing};

/// How the snapshot is made anew.
const UPDATE: &str = "UPDATE_SNAPSHOTS=1 cargo test --release --test cli messages";

/// Calls that fail or warn, on any machine with the same words. m.safetensors has a network of 16-12-4 and q.safetensors
/// is quantized; big.safetensors overflows f16; dead.safetensors has hidden values of zero; DIR has images of 4×4 pixels.
const CALLS: &[&str] = &[
    // Words that the command line does not know.
    "nosuch",
    "bench --nosuch",
    "bench --precision f17",
    "predict --precision all",
    "bench --scheme nosuch",
    "bench --weights nosuch",
    "bench --batch 0",
    "bench --min-time soon",
    "bench --max-accuracy-drop 101",
    "bench --memory-limit some",
    "bench --format xml",
    "bench --output result.xlsx",
    "bench --goal speed",
    "bench --tune some",
    "bench --matrix-units some",
    "bench --path separately",
    "bench --kernel nosuch",
    "bench --mask-features nosuch",
    "bench --threads 0",
    "bench --save a/b",
    "bench --fail-on-regression 5%",
    "bench --compare x --fail-on-regression 1%",
    "bench --color blue",
    "quantize --calibration nosuch --output none",
    "quantize --rounding nosuch --output none",
    "search --goal nosuch --output none",
    "search --max-accuracy-drop -1 --output none",
    "train --int8-clip 128 --output none",
    "completions nosuch",
    "man nosuch",
    // Options that contradict each other or the model.
    "adapters --format csv",
    "memory --format html",
    "predict --adapter cpu --model m.safetensors --data DIR/t10k-images-idx3-ubyte --format html",
    "search --format html --output none",
    "verify --adapter cpu --format html",
    "verify --adapter cpu --kernel portable",
    "bench --adapter cpu --kernel rows-4x32 --model m.safetensors --data DIR",
    "bench --adapter cpu --matrix-units on --model m.safetensors --data DIR",
    "bench --precision f32 --scheme static",
    "bench --precision f32 --weights channel",
    "bench --weights channel --scheme dynamic-tensor",
    "bench --precision mixed",
    "bench --layer-precision f16",
    "bench --layer-precision f16,mixed",
    "bench --precision mixed --layer-precision f16,f32 --scheme static",
    "bench --precision f64,f32",
    "predict --precision f32 --layer-precision f16,int8",
    "bench --model q.safetensors --precision f32",
    "quantize --precision f16 --calibration mse --output none",
    "quantize --precision bf16 --rounding nearest --output none",
    "quantize --precision bf16 --calibration-seed 1 --output none",
    "quantize --model q.safetensors --output none",
    "quantize --model m.safetensors --precision f16 --output m.safetensors",
    "search --model m.safetensors --output m.safetensors",
    "search --model q.safetensors --output none",
    "train --precision mixed --output none",
    "memory --layers 784",
    "memory --layers 18446744073709551615-10",
    "bench --model m.safetensors",
    "predict --model m.safetensors",
    // Files.
    "bench --model missing.safetensors",
    "bench --data missing",
    "bench --compare missing",
    "bench --compare missing.json",
    "verify --adapter cpu --compare missing.json",
    "train --data missing --output none",
    "bench --model m.safetensors.gz",
    "bench --model DIR/t10k-images-idx3-ubyte",
    "predict --data m.safetensors",
    "bench --model pickle.pt",
    "bench --model twice.safetensors",
    "bench --compare twice.json",
    "verify --adapter cpu --compare m.safetensors.gz",
    // What is computed.
    "predict --adapter cpu --model big.safetensors --data DIR/t10k-images-idx3-ubyte --precision f16",
    "quantize --model m.safetensors --precision int4 --rounding nearest --output made.safetensors",
    "quantize --model m.safetensors --precision bf16 --output made.safetensors",
    "quantize --model m.safetensors --calibration-data DIR --calibration-images 5 --output made.safetensors",
    "quantize --model dead.safetensors --calibration-data DIR --output made.safetensors",
    "quantize --model dead.safetensors --calibration-data DIR --allow-degenerate --output made.safetensors",
    "quantize --model dead.safetensors --calibration-data DIR --precision int4 --allow-degenerate --output made.safetensors",
    "verify --adapter cpu --only nosuch",
];

#[test]
fn messages_are_those_of_the_snapshot() {
    let mut text = format!("All texts of fmnist-gpu. This file is made by: {UPDATE}\n");
    section(&mut text, "Without arguments");
    text.push_str(&call(None, ""));
    section(&mut text, "Help");
    for name in commands() {
        for flag in ["-h", "--help"] {
            text.push_str(&call(None, format!("{name} {flag}").trim()));
        }
    }
    section(&mut text, "Errors and warnings of calls");
    let fixture = Fixture::new();
    fixture.save("m.safetensors", &crate::support::model());
    fixture.save("big.safetensors", &overflowing(60_000.0, Activation::Relu));
    let mut dead = crate::support::model();
    dead.layers[0].bias.fill(-1e4);
    fixture.save("dead.safetensors", &dead);
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03";
    let twice = br#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#;
    let header = [&(twice.len() as u64).to_le_bytes()[..], twice].concat();
    for (name, bytes) in [
        ("m.safetensors.gz", &gzip[..]),
        ("pickle.pt", b"\x80\x02}q\0."),
        ("twice.safetensors", &header),
        ("twice.json", br#"{"schema":2,"schema":2}"#),
    ] {
        std::fs::write(fixture.path(name), bytes).expect("a file");
    }
    call(
        Some(&fixture),
        "quantize --model m.safetensors --precision bf16 --output q.safetensors",
    );
    for arguments in CALLS {
        text.push_str(&call(Some(&fixture), arguments));
    }
    section(&mut text, "Errors");
    for error in fmnist_gpu::error::examples::all() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n[exit code {}] {error}", error.exit_code());
    }
    section(&mut text, "Texts in the source");
    text.push_str(&source::texts());
    compare(&text);
}

/// The names of all commands, in the order of the help, behind an empty one for the program itself.
fn commands() -> Vec<String> {
    let help = fmnist!("-h").good();
    let (_, list) = help.split_once("Commands:\n").expect("commands");
    let lines = list.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names = names.filter(|name| !name.is_empty()).map(str::to_owned);
    let names: Vec<String> = std::iter::once(String::new()).chain(names).collect();
    assert!(names.len() > 11, "commands are missing: {names:?}");
    names
}

fn section(text: &mut String, title: &str) {
    let _ = write!(text, "\n\n{title}\n{}\n", "=".repeat(title.len()));
}

/// A call with its exit code and all that it prints.
fn call(fixture: Option<&Fixture>, arguments: &str) -> String {
    let mut command = command();
    // Help is as wide as a terminal, or as this variable where there is none.
    command.env("COLUMNS", "100").stdin(Stdio::null());
    // A path that no machine adds something to.
    command.env("FMNIST_GPU_CACHE_DIR", "cache");
    let words = arguments.split_whitespace();
    let mut words: Vec<String> = words.map(str::to_owned).collect();
    if let Some(fixture) = fixture {
        command.current_dir(fixture.data());
        for word in &mut words {
            // The data is in the folder that is the current one.
            *word = word.replace("DIR", ".");
        }
    }
    let output = command.args(words).output().expect("the binary starts");
    let read = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let code = output.status.code().expect("an exit code");
    let mut text = format!("\n$ fmnist-gpu {arguments}\n");
    for part in [read(output.stdout), read(output.stderr)] {
        for line in part.lines() {
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    if code != 0 {
        let _ = writeln!(text, "[exit code {code}]");
    }
    text
}

/// Fails with the lines that differ from the snapshot, or makes it anew if that is wanted.
fn compare(text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/messages.txt");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, text).expect("a written snapshot");
        return;
    }
    let saved = std::fs::read_to_string(&path).expect("a snapshot");
    let changes = diff::changes(&saved, text);
    assert!(
        changes.is_empty(),
        "texts differ from {}:\n{changes}\nIf the new texts are right: {UPDATE}",
        path.display()
    );
}
