//! `bench --save`, `--compare` and `--fail-on-regression`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Ended, Fixture, command, has, run, validate};

/// Runs `bench` with a folder of its own for baselines, and what every sample is to be slowed by.
fn bench(fixture: &Fixture, slowdown: Option<&str>, more: &[&str]) -> Ended {
    let mut command = command();
    command.env("FMNIST_GPU_CACHE_DIR", fixture.data());
    if let Some(slowdown) = slowdown {
        command.env("FMNIST_GPU_SLOWDOWN", slowdown);
    }
    command.args(["bench", "--adapter", "cpu", "--precision", "f32,int8"]);
    if !more.contains(&"--batch") {
        command.args(["--batch", "8"]);
    }
    command
        .arg("--data")
        .arg(fixture.data())
        .arg("--model")
        .arg(fixture.model());
    run(command.args(more))
}

fn kept(fixture: &Fixture, name: &str) -> PathBuf {
    fixture.path("baselines").join(format!("{name}.json"))
}

/// Changes a kept result.
fn spoil(path: &Path, change: impl FnOnce(&mut Value)) {
    let text = std::fs::read_to_string(path).expect("a kept result");
    let mut document = serde_json::from_str(&text).expect("JSON");
    change(&mut document);
    std::fs::write(path, document.to_string()).expect("a written file");
}

const QUICK: [&str; 2] = ["--runs", "30"];

#[test]
fn what_was_saved_is_the_result_and_can_be_compared_by_name_and_by_file() {
    let fixture = Fixture::new();
    bench(&fixture, None, &[&QUICK[..], &["--save", "first"]].concat()).good();
    let path = kept(&fixture, "first");
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
    has(&table, &["Beside first (", "interval", "\nVerdict\n"]);
}

/// Every sample takes eleven times as long: no noise hides that, and none makes it of nothing.
#[test]
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
    has(&table, &["1000% longer on purpose", "slower"]);
    let allowed = bench(
        &fixture,
        Some("1000%"),
        &[&QUICK[..], &["--compare", "first"]].concat(),
    );
    allowed.good();
}

#[test]
fn a_loss_of_accuracy_ends_with_5() {
    let fixture = Fixture::new();
    bench(&fixture, None, &[&QUICK[..], &["--save", "first"]].concat()).good();
    // The earlier result had every image right, and the time of a year.
    spoil(&kept(&fixture, "first"), |document| {
        for row in document["results"].as_array_mut().expect("rows") {
            row["right_images"] = "ffffffffff".into();
            for samples in [&["upload_samples_ns"][..], &["wall_ns", "samples"]] {
                let place = samples
                    .iter()
                    .fold(&mut *row, |value, key| &mut value[*key]);
                for sample in place.as_array_mut().expect("samples") {
                    *sample = (1_u64 << 50).into();
                }
            }
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
        ("/adapter/name", "another", "adapter"),
        ("/adapter/backend", "gl", "backend"),
        ("/adapter/driver", "another", "driver"),
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
        has(&error, &["first is incomparable", word]);
    }
    std::fs::write(&path, &original).expect("a written file");
    let threads = ["--compare", "first", "--threads", "977"];
    has(
        &bench(&fixture, None, &threads).fails(2),
        &["number of threads", "977"],
    );
}

#[test]
fn a_row_of_another_scheme_or_no_common_row_is_refused_once_it_is_known() {
    let fixture = Fixture::new();
    bench(&fixture, None, &[&QUICK[..], &["--save", "first"]].concat()).good();
    let path = kept(&fixture, "first");
    let other = [&QUICK[..], &["--compare", "first", "--batch", "3"]].concat();
    let (_, error) = bench(&fixture, None, &other).fails_after_output(2);
    has(&error, &["no row in common"]);
    spoil(&path, |document| {
        document["results"][1]["name"] = "int8 of another scheme".into();
    });
    let more = [&QUICK[..], &["--compare", "first"]].concat();
    let (table, error) = bench(&fixture, None, &more).fails_after_output(2);
    has(
        &error,
        &[
            "int8 at batch 8 cannot be compared",
            "int8 of another scheme",
        ],
    );
    has(&table, &["incomparable"]);
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
        ("{}", "no result of bench"),
        ("no JSON", "not JSON"),
        ("", "ends too early"),
        ("{\"schema\": 2}", "schema is 2"),
        ("{\"schema\": 1}", "no result of bench"),
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
        (&["--save", "a/b"][..], "no name for a baseline"),
        (&["--compare", ".."], "no name for a baseline"),
        (&["--fail-on-regression", "5%"], "--compare"),
        (&["--compare", "a", "--fail-on-regression", "5"], "5%"),
        (
            &["--compare", "a", "--fail-on-regression", "1%"],
            "below 5%",
        ),
    ] {
        has(&bench(&fixture, None, arguments).fails(2), &[word]);
    }
    has(
        &bench(&fixture, Some("much"), &[]).fails(2),
        &["FMNIST_GPU_SLOWDOWN", "5%"],
    );
}
