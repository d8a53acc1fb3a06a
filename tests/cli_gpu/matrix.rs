//! f16 on matrix units: where an adapter has them, and where it has none.

use serde_json::{Value, json};

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

pub fn on_is_refused_where_there_are_none(adapter: &Adapter) {
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
        assert_eq!(document["adapters"][0]["f16_on_matrix_units"]["used"], true);
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
        let said = &document["adapters"][0]["f16_on_matrix_units"];
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

/// The trial of an adapter's matrix units in a cache folder, and commands that use that folder.
struct Kept {
    cache: tempfile::TempDir,
    index: String,
}

impl Kept {
    fn new(adapter: &Adapter) -> Self {
        let kept = Self {
            cache: tempfile::tempdir().expect("a temporary folder"),
            index: adapter.index.clone(),
        };
        has(&kept.says(), &["right", "coop-"]);
        kept
    }

    fn command(&self) -> std::process::Command {
        let mut command = command();
        command.env("FMNIST_GPU_CACHE_DIR", self.cache.path());
        command
    }

    /// What `adapters` says of them.
    fn says(&self) -> String {
        let list = run(self.command().args(["adapters", "--format", "json"])).json();
        let index: usize = self.index.parse().expect("a number");
        let said = &list[index]["f16_on_matrix_units"];
        said["reason"].as_str().expect("words").to_owned()
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.cache.path().join("kernels.json")).expect("a cache")
    }

    /// Changes the verdict in the file.
    fn change(&self, change: impl FnOnce(&mut Value)) {
        let mut content: Value = serde_json::from_str(&self.text()).expect("JSON");
        let entries = content["entries"].as_array_mut().expect("entries");
        let trial = entries
            .iter_mut()
            .find(|entry| entry["matrix_units"] != Value::Null);
        change(trial.expect("a trial"));
        std::fs::write(self.cache.path().join("kernels.json"), content.to_string())
            .expect("a file");
    }

    /// `predict` in f16 on them.
    fn predict_on(&self) -> Ended {
        let mut command = self.command();
        command.args(["predict", "--adapter", &self.index, "--precision", "f16"]);
        run(command.args(["--matrix-units", "on", "--format", "json"]))
    }
}

pub fn the_trial_is_remembered(adapter: &Adapter) {
    if !adapter.has_matrix_units() {
        return;
    }
    let kept = Kept::new(adapter);
    has(
        &kept.text(),
        &["matrix_units", "right", "without_nanoseconds"],
    );
    // What it says again is what the file has: times of a trial are never the same.
    assert_eq!(kept.says(), kept.says());

    // A verdict of the file is believed, but not what names no kernel.
    kept.change(|trial| trial["kernel"] = "nosuch".into());
    has(&kept.says(), &["right", "coop-"]);
    // One that came to nothing is made again where they are requested.
    let wrong = json!({ "wrong": { "detail": "it was the moon" } });
    let refused = json!({ "refused": { "detail": "it was the moon" } });
    for (verdict, word) in [
        (wrong, "moon"),
        (refused, "moon"),
        (json!("begun"), "not ended"),
    ] {
        kept.change(|trial| trial["matrix_units"] = verdict);
        has(&kept.says(), &[word]);
        has(&kept.predict_on().good(), &["coop-"]);
        has(&kept.says(), &["right", "coop-"]);
    }
}

/// Where the trial says that they are faster, kernels with and without are timed, whatever was chosen
/// without them before.
pub fn auto_chooses_among_all_where_they_are_worth_it(adapter: &Adapter) {
    if !adapter.has_matrix_units() {
        return;
    }
    let kept = Kept::new(adapter);
    kept.change(|trial| trial["nanoseconds"] = 1.into());
    has(&kept.says(), &["the results are correct, and"]);
    let fixture = Fixture::new();
    for path in [&[][..], &["--path", "fused"]] {
        for (mode, used) in [("off", false), ("auto", true)] {
            let mut command = kept.command();
            command.args([
                "bench",
                "--runs",
                "1",
                "--adapter",
                &kept.index,
                "--batch",
                "40",
            ]);
            command.arg("--data").arg(fixture.data());
            command.arg("--model").arg(fixture.model());
            command.args([
                "--precision",
                "f16",
                "--matrix-units",
                mode,
                "--format",
                "json",
            ]);
            command.args(path).env("RUST_LOG", "fmnist_gpu=info");
            let ended = run(&mut command);
            let document: Value = serde_json::from_str(&ended.stdout).expect("JSON");
            validate(&document);
            assert_eq!(
                document["adapters"][0]["f16_on_matrix_units"]["used"], used,
                "{document}"
            );
            let timed = |name: &str| ended.stderr.contains(&format!("{name}: "));
            assert!(
                timed("broadcast-8x32") || timed("register-8x16"),
                "{}",
                ended.stderr
            );
            assert_eq!(timed("coop-2x4"), used, "{}", ended.stderr);
        }
    }
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
        has(
            &error,
            &["coop-2x4 cannot run", "does not use matrix units"],
        );
    }
}
