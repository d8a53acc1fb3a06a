//! f16 on matrix units: where an adapter has them, and where it has none.

use serde_json::Value;

use crate::Adapter;
use crate::support::{Ended, Fixture, command, has, rows, run, validate};

/// A short `bench` on a small model.
fn bench(adapter: &Adapter, arguments: &[&str]) -> Ended {
    let arguments = [&["--adapter", &adapter.index], arguments].concat();
    Fixture::new().bench(&arguments)
}

/// The kernel of each row.
fn kernels(document: &Value) -> Vec<&str> {
    let rows = rows(document).iter();
    rows.filter_map(|row| row["effective"]["kernel"].as_str())
        .collect()
}

pub fn on_is_told_where_there_are_none(adapter: &Adapter) {
    let lacks = |arguments: &[&str], words: &[&str]| {
        let on = ["--precision", "f16", "--matrix-units", "on"];
        let error = bench(adapter, &[&on, arguments].concat()).fails(3);
        has(&error, words);
        let mut predict = command();
        predict.args(["predict", "--adapter", &adapter.index]);
        has(&run(predict.args(on).args(arguments)).fails(3), words);
    };
    if adapter.has_matrix_units() {
        for feature in ["cooperative-matrix", "shader-f16", "subgroup"] {
            lacks(
                &["--mask-features", feature],
                &["matrix units", &adapter.name],
            );
        }
    } else {
        lacks(&[], &["matrix units", &adapter.name, "--matrix-units on"]);
    }
}

pub fn on_runs_f16_there_and_nothing_else(adapter: &Adapter) {
    if !adapter.has_matrix_units() {
        return;
    }
    for tuning in ["off", "quick"] {
        let on = ["--matrix-units", "on", "--tune", tuning];
        let document = bench(
            adapter,
            &[&on[..], &["--batch", "1,8,99", "--format", "json"]].concat(),
        );
        let document = document.json();
        validate(&document);
        assert_eq!(document["f16_on_matrix_units"]["used"], true);
        for row in rows(&document) {
            let kernel = row["effective"]["kernel"].as_str().expect("a kernel");
            let f16 = row["requested"]["precision"] == "f16";
            assert_eq!(kernel.contains("coop"), f16, "{row}");
            assert_eq!(row["status"], "ok", "{row}");
            let ceiling = &row["ceiling"]["arithmetic"];
            assert_eq!(ceiling == "f16-matrix", f16, "{row}");
        }
    }
}

/// Whatever `auto` comes to, `off` is without, and both say which.
pub fn auto_and_off_say_what_ran(adapter: &Adapter) {
    let f16 = ["--precision", "f16", "--batch", "8", "--format", "json"];
    for (mode, tuning) in [("auto", "quick"), ("auto", "off"), ("off", "quick")] {
        let how = ["--matrix-units", mode, "--tune", tuning];
        let document = bench(adapter, &[&f16[..], &how].concat()).json();
        validate(&document);
        let said = &document["f16_on_matrix_units"];
        assert!(
            said["reason"]
                .as_str()
                .is_some_and(|reason| reason.len() > 5)
        );
        let may = mode == "auto" && tuning == "quick" && adapter.has_matrix_units();
        assert!(may || said["used"] == false, "{said}");
        let ran = kernels(&document)
            .iter()
            .any(|kernel| kernel.contains("coop"));
        assert!(!ran || said["used"] == true, "{document}");
    }
}

pub fn the_trial_is_remembered(adapter: &Adapter) {
    if !adapter.has_matrix_units() {
        return;
    }
    let cache = tempfile::tempdir().expect("a temporary folder");
    let file = cache.path().join("kernels.json");
    let said = || {
        let mut list = command();
        list.env("FMNIST_GPU_CACHE_DIR", cache.path());
        let list = run(list.args(["adapters", "--format", "json"])).json();
        let index: usize = adapter.index.parse().expect("a number");
        list[index]["f16_on_matrix_units"].clone()
    };
    let first = said();
    has(
        first["reason"].as_str().expect("words"),
        &["right", "coop-"],
    );
    let kept = std::fs::read_to_string(&file).expect("a cache");
    has(&kept, &["matrix_units", "right", "without_nanoseconds"]);
    // What it says again is what the file has: times of a trial are never the same.
    assert_eq!(said(), first);

    // A verdict of the file is believed where it can be; what it names must exist.
    let mut entries: Value = serde_json::from_str(&kept).expect("JSON");
    entries["entries"][0]["matrix_units"] = "wrong".into();
    std::fs::write(&file, entries.to_string()).expect("a file");
    has(
        said()["reason"].as_str().expect("words"),
        &["does not compute"],
    );
    let mut on = command();
    on.env("FMNIST_GPU_CACHE_DIR", cache.path());
    on.args(["predict", "--adapter", &adapter.index, "--precision", "f16"]);
    has(
        &run(on.args(["--matrix-units", "on"])).fails(4),
        &["matrix units"],
    );
    entries["entries"][0]["kernel"] = "nosuch".into();
    std::fs::write(&file, entries.to_string()).expect("a file");
    has(
        said()["reason"].as_str().expect("words"),
        &["right", "coop-"],
    );
}

pub fn labels_are_those_of_other_kernels(adapter: &Adapter) {
    if !adapter.has_matrix_units() {
        return;
    }
    let labels = |mode: &str, batch: &str| -> Vec<Value> {
        let mut command = command();
        command.args(["predict", "--adapter", &adapter.index, "--precision", "f16"]);
        command.args(["--matrix-units", mode, "--batch", batch, "--format", "json"]);
        let document = run(&mut command).json();
        let kernel = document["kernel"].as_str().expect("a kernel");
        assert_eq!(kernel.contains("coop"), mode == "on", "{kernel}");
        let list = document["predictions"].as_array().expect("predictions");
        list.iter().map(|row| row["label"].clone()).collect()
    };
    let without = labels("off", "1000");
    assert_eq!(without.len(), 10_000);
    for batch in ["1000", "17"] {
        let with = labels("on", batch);
        let same = with.iter().zip(&without).filter(|(a, b)| a == b).count();
        assert!(same >= 9_995, "{same} labels are the same");
        assert_eq!(with, labels("on", batch), "twice");
    }
}

pub fn contradictions_are_usage_errors(adapter: &Adapter) {
    for (arguments, word) in [
        (&["--matrix-units", "perhaps"][..], "perhaps"),
        (
            &["--matrix-units", "on", "--precision", "f32,int8"],
            "only f16",
        ),
        (
            &["--matrix-units", "on", "--kernel", "register-8x8"],
            "register-8x8",
        ),
        (&["--matrix-units", "on", "--path", "network"], "network"),
    ] {
        has(&bench(adapter, arguments).fails(2), &[word]);
    }
    if adapter.has("shader-f16") {
        let off = ["--matrix-units", "off", "--kernel", "coop-2x4"];
        let error = bench(adapter, &[&off[..], &["--precision", "f16"]].concat()).fails(2);
        has(&error, &["coop-2x4 cannot run", "no matrix units"]);
    }
}
