//! `bench --save`, `--compare` and `--fail-on-regression`.

use std::path::{Path, PathBuf};
use std::process::Command;

use fmnist_gpu::cpu::Isa;
use fmnist_gpu::model::{Activation, Layer, Network};
use serde_json::Value;

use crate::support::{CLASSES, Ended, Fixture, PIXELS, command, has, overflowing, run, validate};

/// Runs `bench` with a folder of its own for baselines, and what every sample is to be slowed by.
pub fn bench(fixture: &Fixture, slowdown: Option<&str>, more: &[&str]) -> Ended {
    run(&mut bench_command(fixture, slowdown, more))
}

pub fn bench_command(fixture: &Fixture, slowdown: Option<&str>, more: &[&str]) -> Command {
    let mut command = command();
    command.env("FMNIST_GPU_CACHE_DIR", fixture.data());
    if let Some(slowdown) = slowdown {
        command.env("FMNIST_GPU_SLOWDOWN", slowdown);
    }
    command.args(["bench", "--adapter", "cpu"]);
    if !more.contains(&"--precision") {
        command.args(["--precision", "f32,int8"]);
    }
    if !more.contains(&"--batch") {
        command.args(["--batch", "8"]);
    }
    command
        .arg("--data")
        .arg(fixture.data())
        .arg("--model")
        .arg(fixture.model())
        .args(more);
    command
}

pub fn kept(fixture: &Fixture, name: &str) -> PathBuf {
    fixture.path("baselines").join(format!("{name}.json"))
}

/// Changes a kept result.
pub fn spoil(path: &Path, change: impl FnOnce(&mut Value)) {
    let text = std::fs::read_to_string(path).expect("a kept result");
    let mut document = serde_json::from_str(&text).expect("JSON");
    change(&mut document);
    std::fs::write(path, document.to_string()).expect("a written file");
}

/// Samples enough to be compared.
pub const QUICK: [&str; 2] = ["--runs", "60"];

#[test]
fn what_was_saved_is_the_result_and_can_be_compared_by_name_and_by_file() {
    let fixture = Fixture::new();
    let path = kept(&fixture, "first");
    let name = path.to_str().expect("UTF-8").to_owned();
    for replaced in [false, true] {
        let saved = bench(&fixture, None, &[&QUICK[..], &["--save", "first"]].concat());
        has(&saved.saved, &["saved as first in", &name]);
        assert_eq!(
            saved.saved.contains("instead of"),
            replaced,
            "{}",
            saved.saved
        );
        saved.good();
    }
    let text = std::fs::read_to_string(&path).expect("a kept result");
    validate(&serde_json::from_str(&text).expect("JSON"));
    for baseline in ["first", path.to_str().expect("UTF-8")] {
        let more = [&QUICK[..], &["--compare", baseline, "--format", "json"]].concat();
        let document = bench(&fixture, None, &more).json();
        validate(&document);
        let comparison = &document["comparison"];
        assert_eq!(comparison["baseline"], baseline);
        let changes = comparison["rows"].as_array().expect("rows");
        assert_eq!(changes.len(), 2);
        for change in changes {
            // The same labels, to the last; what the times do is the machine's.
            assert_eq!(
                (&change["accuracy_points"], &change["accuracy_p"]),
                (&0.0.into(), &1.0.into())
            );
            assert!(change["time"]["value"].is_number(), "{change}");
        }
    }
    let table = bench(
        &fixture,
        None,
        &[&QUICK[..], &["--compare", "first"]].concat(),
    )
    .good();
    has(
        &table,
        &["Compared with first (", "interval", "Why not faster"],
    );
}

/// Every sample takes eleven times as long: no noise hides that, and none makes it of nothing.
#[test]
#[cfg_attr(
    not(feature = "fault-injection"),
    ignore = "needs --features fault-injection"
)]
fn a_deliberate_slowdown_ends_with_5_and_is_marked() {
    let fixture = Fixture::new();
    bench(&fixture, None, &[&QUICK[..], &["--save", "first"]].concat()).good();
    let gate = [
        &QUICK[..],
        &["--compare", "first", "--fail-on-regression", "5%"],
    ]
    .concat();
    let (table, error) = bench(&fixture, Some("1000%"), &gate).fails_after_output(5);
    has(
        &error,
        &[
            "worse than first",
            "f32 at batch 8 is slower",
            "int8 at batch 8 is slower",
        ],
    );
    has(&table, &["slowed down by 1000% on purpose", "slower"]);
    let allowed = bench(
        &fixture,
        Some("1000%"),
        &[&QUICK[..], &["--compare", "first"]].concat(),
    );
    allowed.good();
}

/// Makes every sample of a kept row that of a very slow program.
pub fn age(row: &mut Value) {
    for samples in [&["upload_samples_ns"][..], &["wall_ns", "samples"]] {
        let place = samples
            .iter()
            .fold(&mut *row, |value, key| &mut value[*key]);
        for sample in place.as_array_mut().expect("samples") {
            *sample = (1_u64 << 50).into();
        }
    }
}

const GATE: [&str; 4] = ["--compare", "first", "--fail-on-regression", "5%"];

#[test]
fn a_faster_run_passes_the_gate() {
    let fixture = Fixture::new();
    bench(&fixture, None, &[&QUICK[..], &["--save", "first"]].concat()).good();
    spoil(&kept(&fixture, "first"), |document| {
        let rows = document["results"].as_array_mut().expect("rows");
        rows.iter_mut().for_each(age);
    });
    let table = bench(&fixture, None, &[&QUICK[..], &GATE].concat()).good();
    has(&table, &["faster"]);
}

/// The kernel of fewer instructions does the same work in more of them: no switch lengthens its samples.
#[test]
#[cfg_attr(
    not(feature = "fault-injection"),
    ignore = "needs --features fault-injection"
)]
fn a_really_slower_kernel_ends_with_5() {
    let fixture = Fixture::new();
    let wide = |inputs: usize, outputs: usize, activation| Layer {
        inputs,
        outputs,
        weights: (0..inputs * outputs)
            .map(|at| (at * 389 % 1009) as f32 / 2e5)
            .collect(),
        bias: vec![0.0; outputs],
        activation,
    };
    let layers = vec![
        wide(PIXELS, 512, Activation::Relu),
        wide(512, 512, Activation::Relu),
        wide(512, CLASSES, Activation::Softmax),
    ];
    fixture.save("model.safetensors", &Network::new(layers).expect("a model"));
    let one = ["--precision", "f32", "--batch", "32", "--threads", "1"];
    bench(
        &fixture,
        None,
        &[&QUICK[..], &one, &["--save", "first"]].concat(),
    )
    .good();
    // A processor whose best kernel is the portable one has no slower one: there the work is lengthened.
    let slowdown = (Isa::ALL
        .into_iter()
        .filter(|isa| isa.is_supported())
        .count()
        == 1)
        .then_some("100%");
    let slower = [&QUICK[..], &one, &["--kernel", "portable"], &GATE].concat();
    let (table, error) = bench(&fixture, slowdown, &slower).fails_after_output(5);
    has(&error, &["worse than first", "f32 at batch 32 is slower"]);
    if slowdown.is_none() {
        has(&table, &["the kernel was", "and is now portable"]);
    }
}

#[test]
#[cfg_attr(
    not(feature = "fault-injection"),
    ignore = "needs --features fault-injection"
)]
fn few_samples_are_not_judged_and_are_not_enough_for_a_gate() {
    let fixture = Fixture::new();
    let few = ["--runs", "20"];
    bench(&fixture, None, &[&QUICK[..], &["--save", "first"]].concat()).good();
    let table = bench(
        &fixture,
        None,
        &[&few[..], &["--compare", "first"]].concat(),
    )
    .good();
    has(&table, &["too few samples to compare", "20 samples"]);
    let (_, error) =
        bench(&fixture, Some("1000%"), &[&few[..], &GATE].concat()).fails_after_output(2);
    has(
        &error,
        &["no row has enough samples to compare its time", "--runs 50"],
    );
    // One row of the two has samples enough.
    spoil(&kept(&fixture, "first"), |document| {
        let row = &mut document["results"][1];
        for place in ["/wall_ns/samples", "/upload_samples_ns"] {
            let samples = row.pointer_mut(place).and_then(Value::as_array_mut);
            samples.expect("samples").truncate(49);
        }
        age(&mut document["results"][0]);
    });
    let ended = bench(&fixture, None, &[&QUICK[..], &GATE].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    has(
        &ended.stderr,
        &[
            "warning: --fail-on-regression did not judge",
            "int8 at batch 8",
        ],
    );
    has(&ended.stdout, &["too few samples to compare", "49 samples"]);
}

#[test]
fn what_only_one_result_has_is_reported_and_the_rest_is_compared() {
    let fixture = Fixture::new();
    bench(&fixture, None, &[&QUICK[..], &["--save", "first"]].concat()).good();
    let compare = [&QUICK[..], &["--compare", "first", "--format", "json"]].concat();
    let flags = |more: &[&str]| -> Vec<(String, bool, Value)> {
        let document = bench(&fixture, None, &[&compare[..], more].concat()).json();
        validate(&document);
        let rows = document["comparison"]["rows"].as_array().expect("rows");
        let line = |row: &Value| {
            let name = row["name"].as_str().expect("a name").to_owned();
            let unmatched = row["flags"] == serde_json::json!(["unmatched"]);
            assert_eq!(unmatched, row["time"].is_null(), "{row}");
            (name, unmatched, row["row"].clone())
        };
        rows.iter().map(line).collect()
    };
    let line = |name: &str, unmatched: bool, row: Option<u64>| {
        let row: Value = row.into();
        (name.to_owned(), unmatched, row)
    };
    assert_eq!(
        flags(&["--precision", "f32,f16,int8"]),
        [
            line("f32", false, Some(0)),
            line("f16", true, Some(1)),
            line("int8", false, Some(2)),
        ]
    );
    assert_eq!(
        flags(&["--precision", "f32"]),
        [line("f32", false, Some(0)), line("int8", true, None)]
    );
    let schemes = flags(&[
        "--precision",
        "f32,int8",
        "--scheme",
        "dynamic-row,dynamic-tensor",
    ]);
    for (name, unmatched, _) in &schemes {
        assert_eq!(
            *unmatched,
            !["f32", "int8"].contains(&name.as_str()),
            "{name}"
        );
    }
    assert!(schemes.len() >= 3, "{schemes:?}");
    let table = [
        &QUICK[..],
        &["--compare", "first", "--precision", "f32,f16"],
    ]
    .concat();
    has(
        &bench(&fixture, None, &table).good(),
        &["only in this result", "only in the baseline"],
    );
}

#[test]
fn what_overflows_now_is_no_longer_measured() {
    let fixture = Fixture::new();
    fixture.save(
        "model.safetensors",
        &overflowing(60_000.0, Activation::Relu),
    );
    let both = ["--precision", "f32,f16"];
    let save = [&QUICK[..], &both, &["--save", "first"]].concat();
    bench(&fixture, None, &save).fails_after_output(4);
    let path = kept(&fixture, "first");
    let compare = [&QUICK[..], &both, &GATE].concat();
    spoil(&path, |document| age(&mut document["results"][0]));
    let (table, error) = bench(&fixture, None, &compare).fails_after_output(4);
    has(&table, &["not measured", "neither result measured it"]);
    assert!(!error.contains("worse than"), "{error}");
    spoil(&path, |document| {
        for field in ["wall_ns", "upload_samples_ns"] {
            document["results"][1][field] = document["results"][0][field].clone();
        }
    });
    let (table, error) = bench(&fixture, None, &compare).fails_after_output(4);
    has(
        &table,
        &["no longer measured", "f16 at batch 8: overflow: "],
    );
    has(
        &error,
        &[
            "f16 is out of range",
            "worse than first: f16 at batch 8 is no longer measured: overflow",
        ],
    );
}

/// A result that a program of schema 1 wrote. What differs from machine to machine is taken from a run here.
#[test]
fn a_result_of_schema_1_can_be_compared() {
    let fixture = Fixture::new();
    let arguments = [
        "bench",
        "--adapter",
        "cpu",
        "--threads",
        "1",
        "--batch",
        "8",
    ];
    let more = ["--precision", "f32", "--runs", "50", "--format", "json"];
    let mut command = command();
    let here = run(command.args(arguments).args(more)).json();
    let path = fixture.write(
        "first.json",
        include_bytes!("../fixtures/schema-1-bench.json"),
    );
    spoil(&path, |first| {
        assert_eq!(first["schema"], 1);
        first["adapter"]["driver"] = here["adapters"][0]["driver"].clone();
        first["machine"]["processor"] = here["machine"]["processor"].clone();
        first["tool"]["profile"] = here["tool"]["profile"].clone();
        first["yardsticks"][0]["work"] = here["control_workloads"][0]["work"].clone();
    });
    let mut command = crate::support::command();
    command
        .args(arguments)
        .args(more)
        .arg("--compare")
        .arg(path);
    let document = run(&mut command).json();
    validate(&document);
    let rows = document["comparison"]["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 1);
    assert!(rows[0]["time"]["value"].is_number(), "{}", rows[0]);
    // The same images are labelled correctly.
    assert_eq!(rows[0]["accuracy_points"], 0.0, "{}", rows[0]);
}

#[test]
fn a_loss_of_accuracy_ends_with_5() {
    let fixture = Fixture::new();
    bench(&fixture, None, &[&QUICK[..], &["--save", "first"]].concat()).good();
    // The earlier result had every image right, and the time of a year.
    spoil(&kept(&fixture, "first"), |document| {
        for row in document["results"].as_array_mut().expect("rows") {
            row["correct_images"] = "ffffffffff".into();
            age(row);
        }
    });
    let gate = [
        &QUICK[..],
        &["--compare", "first", "--fail-on-regression", "5%"],
    ]
    .concat();
    let (_, error) = bench(&fixture, None, &gate).fails_after_output(5);
    has(&error, &["less accurate"]);
}

#[test]
fn a_result_of_something_else_is_refused_by_name_before_anything_is_measured() {
    let fixture = Fixture::new();
    bench(&fixture, None, &[&QUICK[..], &["--save", "first"]].concat()).good();
    let path = kept(&fixture, "first");
    let original = std::fs::read(&path).expect("a kept result");
    for (pointer, value, word) in [
        ("/adapters/0/name", "another", "adapter"),
        ("/adapters/0/backend", "gl", "backend"),
        ("/adapters/0/driver", "another", "driver"),
        ("/machine/processor", "another", "processor"),
        ("/model/sha256", "0123456789abcdef", "model"),
        ("/dataset/sha256", "0123456789abcdef", "dataset"),
        ("/tool/profile", "another", "build profile"),
    ] {
        std::fs::write(&path, &original).expect("a written file");
        spoil(&path, |document| {
            *document.pointer_mut(pointer).expect("a field") = value.into();
        });
        let error = bench(&fixture, None, &["--compare", "first"]).fails(2);
        has(&error, &["first cannot be compared with this result", word]);
    }
    std::fs::write(&path, &original).expect("a written file");
    let threads = ["--compare", "first", "--threads", "977"];
    has(
        &bench(&fixture, None, &threads).fails(2),
        &["number of threads", "977"],
    );
}

#[test]
fn a_row_of_another_scheme_or_no_common_row_is_refused_before_anything_is_measured() {
    let fixture = Fixture::new();
    bench(&fixture, None, &[&QUICK[..], &["--save", "first"]].concat()).good();
    let path = kept(&fixture, "first");
    let other = [&QUICK[..], &["--compare", "first", "--batch", "3"]].concat();
    has(
        &bench(&fixture, None, &other).fails(2),
        &["no row in common"],
    );
    let other = [
        &QUICK[..],
        &["--compare", "first", "--scheme", "dynamic-tensor"],
    ]
    .concat();
    has(
        &bench(&fixture, None, &other).fails(2),
        &[
            "int8 dynamic-tensor cannot be compared with first",
            "only as int8;",
        ],
    );
    spoil(&path, |document| {
        document["results"][1]["requested"]["scheme"] = "static".into();
    });
    let more = [&QUICK[..], &["--compare", "first"]].concat();
    let error = bench(&fixture, None, &more).fails(2);
    has(
        &error,
        &["int8 cannot be compared with first", "only as int8 static;"],
    );
}

#[test]
fn damaged_results_and_missing_ones_end_with_7() {
    let fixture = Fixture::new();
    has(
        &bench(&fixture, None, &["--compare", "never"]).fails(7),
        &["no baseline 'never'", "--save never"],
    );
    bench(&fixture, None, &[&QUICK[..], &["--save", "first"]].concat()).good();
    let path = kept(&fixture, "first");
    let text = std::fs::read_to_string(&path).expect("a kept result");
    for (bytes, word) in [
        (&text[..text.len() / 2], "ends too early"),
        ("{}", "not a result of 'bench"),
        ("no JSON", "not JSON"),
        ("", "ends too early"),
        ("{\"schema\": 3}", "schema is 3; this program reads 1 and 2"),
        ("{\"schema\": 2}", "not a result of 'bench"),
        ("{\"schema\": 1}", "not a result of 'bench"),
    ] {
        std::fs::write(&path, bytes).expect("a written file");
        has(
            &bench(&fixture, None, &["--compare", "first"]).fails(7),
            &[word],
        );
    }
    let folder = fixture.data().to_str().expect("UTF-8");
    has(
        &bench(&fixture, None, &["--compare", folder]).fails(7),
        &["not a regular file"],
    );
}

#[test]
fn requests_that_cannot_be_meant_are_usage_errors() {
    let fixture = Fixture::new();
    for (arguments, word) in [
        (&["--save", "a/b"][..], "the name of the baseline is"),
        (&["--save", "v1.json"], "drop '.json'"),
        (&["--compare", ".."], "the name of the baseline is"),
        (&["--fail-on-regression", "5%"], "--compare"),
        (&["--compare", "a", "--fail-on-regression", "5"], "5%"),
        (
            &["--compare", "a", "--fail-on-regression", "1%"],
            "use at least 5%",
        ),
    ] {
        has(&bench(&fixture, None, arguments).fails(2), &[word]);
    }
}

#[test]
#[cfg_attr(
    not(feature = "fault-injection"),
    ignore = "needs --features fault-injection"
)]
fn a_slowdown_that_is_no_percentage_is_a_usage_error() {
    has(
        &bench(&Fixture::new(), Some("much"), &[]).fails(2),
        &["FMNIST_GPU_SLOWDOWN", "5%"],
    );
}
