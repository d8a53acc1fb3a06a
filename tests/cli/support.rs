//! Driving the real binary: how it is called, what a good and a bad end look like, and the small
//! models, images and files that the tests make for it.
#![allow(dead_code, reason = "each test program uses a part of this module")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fmnist_gpu::Precision;
use fmnist_gpu::model::{Activation, Layer, Network};
use serde_json::Value;
use tempfile::TempDir;

/// Runs the binary with these arguments: `fmnist!("bench", "--model", &path)`.
macro_rules! fmnist {
    ($($argument:expr),* $(,)?) => {
        $crate::support::run($crate::support::command().args([
            $(std::ffi::OsString::from($argument)),*
        ]))
    };
}

/// A path that cargo gives: where the test runs, or else where it was built. scripts/check-gpu runs tests on machines
/// that have no checkout.
macro_rules! from_cargo {
    ($name:literal) => {
        std::env::var_os($name).unwrap_or_else(|| env!($name).into())
    };
}

/// The binary, with an environment that chooses nothing for it and asks for every backtrace.
pub fn command() -> Command {
    let mut command = Command::new(from_cargo!("CARGO_BIN_EXE_fmnist-gpu"));
    for variable in ["RUST_LOG", "WGPU_BACKEND", "WGPU_ADAPTER_NAME"] {
        command.env_remove(variable);
    }
    command.env("RUST_BACKTRACE", "1");
    // What the tests tune is no business of the user's own cache.
    command.env("FMNIST_GPU_CACHE_DIR", from_cargo!("CARGO_TARGET_TMPDIR"));
    command
}

/// How a call ended.
#[must_use]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// The line of stderr that says where `--save` put a result; it is not in `stderr`.
    pub saved: String,
    what: String,
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ended {
    let output = command.output().expect("the binary starts");
    ended(command, output)
}

/// What is left of a command that has ended.
pub fn ended(command: &Command, output: Output) -> Ended {
    let arguments: Vec<OsString> = command.get_args().map(Into::into).collect();
    let stderr = String::from_utf8(output.stderr).expect("UTF-8 on stderr");
    let lines = stderr.split_inclusive('\n');
    let (saved, stderr) = lines.partition(|line| line.starts_with("saved as "));
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
        stderr,
        saved,
        what: format!("{arguments:?}"),
    }
}

impl Ended {
    /// Ended well and said nothing on stderr; gives stdout.
    pub fn good(self) -> String {
        let Self { what, stderr, .. } = &self;
        assert_eq!(self.code, Some(0), "{what}: {stderr}");
        assert_eq!(stderr, "", "{what}");
        assert_ne!(self.stdout, "", "{what}");
        self.stdout
    }

    /// As [`Ended::good`], and stdout is one JSON document.
    pub fn json(self) -> Value {
        let text = self.good();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Ended with this code and an error in words, before anything was on stdout; gives stderr.
    pub fn fails(self, code: i32) -> String {
        assert_eq!(self.stdout, "", "{}", self.what);
        self.fails_after_output(code).1
    }

    /// As [`Ended::fails`], with something on stdout; gives both.
    pub fn fails_after_output(self, code: i32) -> (String, String) {
        let Self { what, stderr, .. } = &self;
        assert_eq!(self.code, Some(code), "{what}: {stderr}");
        assert!(stderr.starts_with("error: "), "{what}: {stderr}");
        assert!(!stderr.contains("panicked"), "{what}: {stderr}");
        // clap points to the help, which is no part of the error.
        let pointer = |line: &&str| {
            let starts = ["Usage: ", "  tip: ", "For more information, try "];
            starts.iter().any(|start| line.starts_with(start))
        };
        let lines = stderr.lines().filter(|line| !line.trim().is_empty());
        let lines: Vec<&str> = lines.filter(|line| !(code == 2 && pointer(line))).collect();
        assert!(lines.len() <= 2, "{what}: {stderr}");
        assert!(
            stderr.matches("(os error").count() <= 1,
            "{what}: the reason is reported twice: {stderr}"
        );
        (self.stdout, self.stderr)
    }
}

/// Fails where `text` lacks one of `parts`.
pub fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no '{part}' in: {text}");
    }
}

/// Wgpu's adapters as `adapters --format json` lists them, without the CPU path.
pub fn gpu_adapters() -> Vec<Value> {
    let list = fmnist!("adapters", "--format", "json").json();
    let list = list.as_array().expect("a list").iter();
    list.filter(|adapter| adapter["kind"] != "cpu")
        .cloned()
        .collect()
}

/// The published schema, with every object closed: a field that it does not describe, or describes and
/// does not find, is a failure here, while a reader's copy allows the fields that later versions add and
/// those that earlier ones did not have. Names of precisions and activations are those of this version.
pub fn closed_schema() -> jsonschema::Validator {
    closed(include_str!("../../src/report/bench.schema.json"))
}

/// The same of what `verify` writes.
pub fn closed_verify_schema() -> jsonschema::Validator {
    closed(include_str!("../../src/report/verify.schema.json"))
}

fn closed(schema: &str) -> jsonschema::Validator {
    let mut schema: Value = serde_json::from_str(schema).expect("JSON");
    close(&mut schema);
    for name in ["tool", "adapter", "numerics"] {
        if let Some(property) = schema["properties"].get_mut(name) {
            close(property);
        }
    }
    let definitions = schema["$defs"].as_object_mut().expect("definitions");
    definitions.values_mut().for_each(close);
    let precisions = Precision::EVERY.map(Precision::name).to_vec();
    let activations = Activation::ALL.map(Activation::name).to_vec();
    definitions["precision"]["enum"] = [&*precisions, &["mixed"]].concat().into();
    // What verify writes has neither.
    if definitions.contains_key("layer_precision") {
        definitions["layer_precision"]["enum"] = precisions.into();
        definitions["model"]["properties"]["activations"]["items"]["enum"] = activations.into();
    }
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .build(&schema)
        .expect("a valid schema")
}

fn close(schema: &mut Value) {
    if schema["type"] == "object" {
        schema["additionalProperties"] = false.into();
        let described = schema["properties"].as_object().into_iter().flatten();
        let names: Vec<Value> = described.map(|(name, _)| name.as_str().into()).collect();
        schema["required"] = names.into();
    }
}

/// Fails where a document of `bench` is not what the schema says.
pub fn validate(document: &Value) {
    validate_with(&closed_schema(), document);
}

/// Fails where a document is not what a schema says.
pub fn validate_with(validator: &jsonschema::Validator, document: &Value) {
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// The rows of a document.
pub fn rows(document: &Value) -> &[Value] {
    document["results"].as_array().expect("results")
}

/// Images of the small test set.
pub const IMAGES: usize = 40;
/// Images of the small training split: enough to calibrate with, though a fifth is held back. The first are those of the
/// test set.
pub const TRAINING_IMAGES: usize = 160;
/// Pixels of one of its images: 4×4.
pub const PIXELS: usize = 16;
/// Labels of the small test set and outputs of [`model`].
pub const CLASSES: usize = 4;

/// A folder that goes away by itself, with a small test split, a training split that begins with the same images, and a
/// model for them.
pub struct Fixture {
    pub folder: TempDir,
}

impl Fixture {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let fixture = Self { folder };
        for (prefix, count) in [("t10k", IMAGES), ("train", TRAINING_IMAGES)] {
            let images = images_file(count as u32, 4, 4, &pixels_of(count));
            fixture.write(&format!("{prefix}-images-idx3-ubyte"), &images);
            let labels = labels_file(count as u32, &labels_of(count));
            fixture.write(&format!("{prefix}-labels-idx1-ubyte"), &labels);
        }
        model().save(&fixture.model()).expect("a saved model");
        fixture
    }

    /// The folder with the data.
    pub fn data(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn model(&self) -> PathBuf {
        self.path("model.safetensors")
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("a written file");
        path
    }

    /// Saves a model under a name.
    pub fn save(&self, name: &str, model: &Network) -> PathBuf {
        let path = self.path(name);
        model.save(&path).expect("a saved model");
        path
    }

    /// `bench` on the small data and model, quickly, with further arguments.
    pub fn bench(&self, arguments: &[&str]) -> Ended {
        let mut command = command();
        command.arg("bench").args(["--warmup", "1"]);
        command.arg("--data").arg(self.data());
        command.arg("--model").arg(self.model());
        if !arguments
            .iter()
            .any(|argument| argument.starts_with("--min-time"))
        {
            command.args(["--runs", "2"]);
        }
        run(command.args(arguments))
    }
}

/// The images of the small test set.
pub fn pixels() -> Vec<u8> {
    pixels_of(IMAGES)
}

/// Image i has the label i mod 4 and that quarter of its rows bright, over some noise.
fn pixels_of(images: usize) -> Vec<u8> {
    let pixel = |at: usize| {
        let (image, row) = (at / PIXELS, at % PIXELS / 4);
        let noise = (at * 37 % 61) as u8;
        if row == image % CLASSES {
            255 - noise
        } else {
            noise
        }
    };
    (0..images * PIXELS).map(pixel).collect()
}

/// The labels of the small test set.
pub fn labels() -> Vec<u8> {
    labels_of(IMAGES)
}

fn labels_of(images: usize) -> Vec<u8> {
    (0..images).map(|image| (image % CLASSES) as u8).collect()
}

/// 16-12-4, relu and softmax, with weights that follow from their places.
pub fn model() -> Network {
    let weights = |count: usize| {
        let weight = |at: usize| (at * 389 % 1009) as f32 / 504.5 - 1.0;
        (0..count).map(weight).collect()
    };
    let layer = |inputs: usize, outputs: usize, activation| Layer {
        inputs,
        outputs,
        weights: weights(inputs * outputs),
        bias: weights(outputs),
        activation,
    };
    Network::new(vec![
        layer(PIXELS, 12, Activation::Relu),
        layer(12, CLASSES, Activation::Softmax),
    ])
    .expect("a valid model")
}

/// One layer that gives its four inputs back.
pub fn identity() -> Network {
    let weight = |at: usize| if at / 4 == at % 4 { 1.0 } else { 0.0 };
    Network::new(vec![Layer {
        inputs: 4,
        outputs: 4,
        weights: (0..16).map(weight).collect(),
        bias: vec![0.0; 4],
        activation: Activation::Identity,
    }])
    .expect("a valid model")
}

/// [`model`] with a first layer of this weight and activation: 60,000 is a number of binary16 whose
/// sums are none, 70,000 is itself none.
pub fn overflowing(weight: f32, hidden: Activation) -> Network {
    let mut model = model();
    model.layers[0].weights.fill(weight);
    model.layers[0].activation = hidden;
    model.layers[1].weights.fill(1e-4);
    model
}

/// An IDX file of images; its header may say anything.
pub fn images_file(count: u32, rows: u32, columns: u32, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3];
    for size in [count, rows, columns] {
        bytes.extend(size.to_be_bytes());
    }
    bytes.extend(pixels);
    bytes
}

/// An IDX file of labels; its header may say anything.
pub fn labels_file(count: u32, labels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 1];
    bytes.extend(count.to_be_bytes());
    bytes.extend(labels);
    bytes
}

/// The names of all precisions.
pub fn precisions() -> [&'static str; 3] {
    Precision::ALL.map(Precision::name)
}

/// What `memory` plans in every mode for the small network on an adapter is what `bench` says of its rows, and within 5%
/// of what it allocates.
pub fn memory_is_what_is_allocated(adapter: &str) {
    let fixture = Fixture::new();
    let modes = [
        "--precision",
        "every",
        "--scheme",
        "all",
        "--format",
        "json",
    ];
    let on = ["--adapter", adapter];
    for batch in ["1", "23"] {
        let arguments = [&on[..], &modes, &["--batch", batch]].concat();
        // Tuning may choose a kernel with other buffers.
        let document = fixture.bench(&[&arguments[..], &["--tune", "off"]].concat());
        let document = document.json();
        let mut memory = command();
        memory.arg("memory").arg("--model").arg(fixture.model());
        let memory = run(memory.args(&arguments)).json();
        let lines = memory["precisions"].as_array().expect("lines");
        let mut compared = 0;
        for line in lines {
            let is_of = |row: &&Value| {
                let of = &row["requested"];
                ["precision", "scheme", "weights"]
                    .iter()
                    .all(|field| of[field] == line[field])
            };
            let row = rows(&document).iter().find(is_of);
            let row = row.unwrap_or_else(|| panic!("no row of {line}"));
            // Static scales need images of this size, which the program does not have.
            if row["status"] != "ok" {
                continue;
            }
            let bytes = |field: &str| row["memory"][field].as_u64().expect("bytes");
            let (planned, allocated) = (bytes("planned_bytes"), bytes("device_allocated_bytes"));
            assert_eq!(line["planned_bytes"], planned, "{row}");
            assert!(planned.abs_diff(allocated) * 20 <= allocated, "{row}");
            compared += 1;
        }
        assert!(compared >= 6, "{compared} of {}", rows(&document).len());
    }
}

/// The largest batch that `memory` names within a limit ran, in memory within 5% of what was planned; one image more is
/// planned beyond the limit.
pub fn the_largest_batch_runs(adapter: &str) {
    let memory = |arguments: &[&str]| {
        let all = ["memory", "--adapter", adapter, "--format", "json"];
        run(command().args(all).args(arguments)).json()
    };
    for limit in [300_u64 << 10, 1 << 20] {
        let document = memory(&["--limit", &limit.to_string()]);
        for line in document["precisions"].as_array().expect("lines") {
            let figure = |name: &str| {
                line[name]
                    .as_u64()
                    .unwrap_or_else(|| panic!("{name}: {line}"))
            };
            let planned = figure("largest_batch_planned_bytes");
            let allocated = figure("largest_batch_allocated_bytes");
            assert!(
                planned <= limit && planned.abs_diff(allocated) * 20 <= allocated,
                "{line}"
            );
            let precision = line["precision"].as_str().expect("a precision");
            let of = |batch: u64| {
                let document = memory(&["--precision", precision, "--batch", &batch.to_string()]);
                document["precisions"][0]["planned_bytes"].as_u64()
            };
            let batch = figure("largest_batch");
            assert_eq!(of(batch), Some(planned), "{line}");
            assert!(of(batch + 1) > Some(limit), "{line}");
        }
    }
}
