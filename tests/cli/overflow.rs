//! Exit code 4: a model whose values leave binary16.

use fmnist_gpu::model::{Activation, Network, Normalization};
use serde_json::{Value, json};

use crate::support::{Ended, Fixture, command, has, model, overflowing, rows, run, validate};

/// Runs `predict` on the small images.
fn predict(fixture: &Fixture, model: &Network, adapter: &[&str], precision: &str) -> Ended {
    let path = fixture.save("overflow.safetensors", model);
    let mut command = command();
    command
        .args(["predict", "--precision", precision])
        .args(adapter);
    command
        .arg("--data")
        .arg(fixture.path("t10k-images-idx3-ubyte"));
    run(command.arg("--model").arg(path))
}

/// f16 is refused with the name of the layer; the other precisions run.
#[track_caller]
fn overflows(model: &Network, layer: &str) {
    let fixture = Fixture::new();
    for adapter in [&["--adapter", "cpu"][..], &[]] {
        let error = predict(&fixture, model, adapter, "f16").fails(4);
        has(
            &error,
            &["f16 is out of range", layer, "use bf16, f32 or int8"],
        );
        predict(&fixture, model, adapter, "f32").good();
        predict(&fixture, model, adapter, "int8").good();
    }
}

#[test]
fn predict_names_the_layer_that_overflows() {
    overflows(&overflowing(60_000.0, Activation::Relu), "layers.0");
    overflows(&overflowing(70_000.0, Activation::Identity), "layers.0");
}

/// A sigmoid makes 1 of an infinite sum, so that nothing odd is left in the outputs.
#[test]
fn predict_reports_weights_outside_the_range_that_an_activation_hides() {
    overflows(&overflowing(70_000.0, Activation::Sigmoid), "layers.0");
}

/// A softmax makes 0 of a logit of −∞, so that nothing odd is left in the outputs.
#[test]
fn predict_reports_a_logit_outside_the_range_that_the_softmax_hides() {
    let mut model = model();
    model.layers[0].weights.fill(100.0);
    model.layers[1].weights.fill(0.25);
    for weight in model.layers[1].weights.iter_mut().step_by(4) {
        *weight = -1000.0;
    }
    overflows(&model, "layers.1");
}

/// Inputs up to 10⁵, which is infinite in f16, with weights so small that nothing else is large: a sigmoid, a tanh
/// or a softmax of infinity is a number like any other.
#[test]
fn predict_names_an_input_outside_the_range() {
    for hidden in [Activation::Sigmoid, Activation::Tanh, Activation::Relu] {
        let mut model = model();
        model.normalization = Normalization::Standard {
            mean: 0.0,
            std: 1e-5,
        };
        model.layers[0].weights.fill(1e-3);
        model.layers[0].activation = hidden;
        let fixture = Fixture::new();
        for adapter in [&["--adapter", "cpu"][..], &[]] {
            let error = predict(&fixture, &model, adapter, "f16").fails(4);
            has(&error, &["f16", "normalized input", "1.000000e5", "65504"]);
            predict(&fixture, &model, adapter, "f32").good();
            predict(&fixture, &model, adapter, "bf16").good();
            mixed_input(&fixture, &model, adapter);
        }
    }
}

/// The same of a network whose first layer alone is in f16.
fn mixed_input(fixture: &Fixture, model: &Network, adapter: &[&str]) {
    let path = fixture.save("mixed.safetensors", model);
    for (layers, code) in [("f16,f32", 4), ("f32,f16", 0)] {
        let mut command = command();
        command.args(["predict", "--layer-precision", layers]);
        command
            .args(adapter)
            .arg("--model")
            .arg(&path)
            .arg("--data");
        let ended = run(command.arg(fixture.path("t10k-images-idx3-ubyte")));
        if code == 0 {
            ended.good();
        } else {
            has(&ended.fails(code), &["normalized input", "1.000000e5"]);
        }
    }
}

#[test]
fn bench_marks_the_row_and_measures_the_others() {
    let fixture = Fixture::new();
    for (weight, hidden) in [
        (60_000.0, Activation::Relu),
        (70_000.0, Activation::Sigmoid),
    ] {
        fixture.save("model.safetensors", &overflowing(weight, hidden));
        for adapter in [&["--adapter", "cpu"][..], &[]] {
            let mut arguments = vec!["--batch", "8", "--format", "json"];
            arguments.extend(adapter);
            let (text, error) = fixture.bench(&arguments).fails_after_output(4);
            has(&error, &["f16", "layers.0"]);
            check_rows(&serde_json::from_str(&text).expect("JSON"));
        }
    }
}

fn check_rows(document: &Value) {
    validate(document);
    // int8 in two schemes, on the CPU path and perhaps an adapter.
    assert!([4, 8].contains(&rows(document).len()), "{document}");
    for row in rows(document) {
        let overflows = row["requested"]["precision"] == "f16";
        let status = if overflows { "overflow" } else { "ok" };
        assert_eq!(row["status"], status, "{row}");
        assert_eq!(row["wall_ns"].is_null(), overflows, "{row}");
        if overflows {
            has(row["detail"].as_str().expect("words"), &["layers.0"]);
        }
    }
}

#[test]
fn bench_reports_an_overflow_in_its_table_and_its_files() {
    let fixture = Fixture::new();
    fixture.save(
        "model.safetensors",
        &overflowing(60_000.0, Activation::Relu),
    );
    let path = fixture.path("result.json");
    let name = path.to_str().expect("UTF-8");
    let arguments = ["--batch", "8", "--output", name];
    let (table, _) = fixture.bench(&arguments).fails_after_output(4);
    has(
        &table,
        &["is out of range, so it was not timed", "layers.0", "65504"],
    );
    let text = std::fs::read_to_string(path).expect("a file");
    check_rows(&serde_json::from_str(&text).expect("JSON"));
}

/// A network whose layers differ is refused as a uniform one is, and marked as one is, whether its weights or
/// only its values leave binary16.
#[test]
fn a_mixed_network_overflows_like_a_uniform_one() {
    let fixture = Fixture::new();
    for (weight, layers, named) in [
        (60_000.0, "f32,f16", "binary16"),
        (60_000.0, "int8,f16", "binary16"),
        (70_000.0, "f16,f32", "7.000000e4"),
        (70_000.0, "f16,int8", "7.000000e4"),
    ] {
        fixture.save("model.safetensors", &overflowing(weight, Activation::Relu));
        for adapter in [&["--adapter", "cpu"][..], &[]] {
            let mixed = ["--precision", "mixed", "--layer-precision", layers];
            let mut command = command();
            command.arg("predict").args(mixed).args(adapter);
            command.arg("--model").arg(fixture.model()).arg("--data");
            let error = run(command.arg(fixture.path("t10k-images-idx3-ubyte"))).fails(4);
            has(&error, &[layers, "layers.0", named, "--allow-overflow"]);

            let quick = ["--batch", "8", "--format", "json"];
            let all = [&["--precision", "f32,mixed"], &mixed[2..], &quick, adapter].concat();
            let (text, error) = fixture.bench(&all).fails_after_output(4);
            has(&error, &[layers, "layers.0"]);
            let document: Value = serde_json::from_str(&text).expect("JSON");
            validate(&document);
            let status: Vec<&Value> = rows(&document).iter().map(|row| &row["status"]).collect();
            for of_adapter in status.chunks(2) {
                assert_eq!(of_adapter, ["ok", "overflow"]);
            }
            let detail = rows(&document)[1]["detail"].as_str().expect("words");
            has(detail, &["layers.0", named]);
        }
    }
}

/// f32 has a range too; a smaller one is no way out.
#[test]
fn an_overflow_of_f32_is_reported_as_one() {
    let fixture = Fixture::new();
    let model = overflowing(1e38, Activation::Relu);
    let error = predict(&fixture, &model, &["--adapter", "cpu"], "f32").fails(4);
    has(
        &error,
        &[
            "f32 is out of range",
            "layers.0",
            "3.402823e38",
            "smaller weights",
        ],
    );
    fixture.save("model.safetensors", &model);
    let arguments = ["--adapter", "cpu", "--batch", "8", "--format", "json"];
    let (text, _) = fixture.bench(&arguments).fails_after_output(4);
    let document: Value = serde_json::from_str(&text).expect("JSON");
    validate(&document);
    for row in rows(&document) {
        assert_eq!(row["status"], "overflow", "{row}");
    }
}

#[test]
fn answers_of_an_overflow_are_given_where_that_is_allowed() {
    let fixture = Fixture::new();
    let path = fixture.save(
        "overflow.safetensors",
        &overflowing(70_000.0, Activation::Relu),
    );
    for adapter in [&["--adapter", "cpu"][..], &[]] {
        let allowed = |format: &str| {
            let mut command = command();
            command
                .args(["predict", "--precision", "f16", "--allow-overflow"])
                .args(adapter);
            command
                .args(["--format", format])
                .arg("--model")
                .arg(&path)
                .arg("--data");
            run(command.arg(fixture.path("t10k-images-idx3-ubyte")))
        };
        let end = allowed("json");
        assert_eq!(end.code, Some(0), "{}", end.stderr);
        has(
            &end.stderr,
            &["warning: f16 is out of range: layers.0 has the value 7.000000e4"],
        );
        let document: Value = serde_json::from_str(&end.stdout).expect("JSON");
        has(
            document["overflow"].as_str().expect("words"),
            &["layers.0", "7.000000e4"],
        );
        assert_eq!(
            document["predictions"].as_array().expect("a list").len(),
            40
        );
        let end = allowed("csv");
        assert_eq!(
            (end.code, end.stdout.lines().count()),
            (Some(0), 41),
            "{}",
            end.stderr
        );
    }
}

#[test]
fn nothing_is_written_of_weights_outside_the_range() {
    let fixture = Fixture::new();
    fixture.save(
        "model.safetensors",
        &overflowing(70_000.0, Activation::Relu),
    );
    let output = fixture.path("q.safetensors");
    let options = ["quantize", "--precision", "f16", "--model"];
    let mut command = command();
    command.args(options).arg(fixture.model());
    let error = run(command.arg("--output").arg(&output)).fails(4);
    has(&error, &["f16", "layers.0", "7.000000e4"]);
    assert!(!output.exists());
}

/// A model with this first layer.
fn with_first_layer(change: impl Fn(usize, &mut f32)) -> Network {
    let mut model = model();
    let weights = model.layers[0].weights.iter_mut().enumerate();
    weights.for_each(|(at, weight)| change(at, weight));
    model
}

/// A warning of this kind is on stderr, in the row, and in the reports; other rows have none of it.
#[track_caller]
fn warns(model: &Network, precision: &str, kind: &str, parts: &[&str]) {
    let fixture = Fixture::new();
    fixture.save("model.safetensors", model);
    let report = fixture.path("report.html");
    let name = report.to_str().expect("UTF-8");
    for adapter in [&["--adapter", "cpu"][..], &[]] {
        let quick = ["--batch", "8,4", "--format", "json", "--output", name];
        let end = fixture.bench(&[&quick, adapter].concat());
        assert_eq!(end.code, Some(0), "{}", end.stderr);
        let start = format!("warning: {precision}: layers.0");
        let own = |line: &&str| line.starts_with(&start);
        let lines: Vec<&str> = end.stderr.lines().filter(own).collect();
        assert_eq!(lines.len(), 1, "once, however many batches: {}", end.stderr);
        has(lines[0], parts);
        let document: Value = serde_json::from_str(&end.stdout).expect("JSON");
        validate(&document);
        for row in rows(&document) {
            let warnings = row["warnings"].as_array().expect("a list").iter();
            let found: Vec<&Value> = warnings.filter(|one| one["kind"] == kind).collect();
            let own = row["requested"]["precision"] == precision;
            assert_eq!(found.len(), usize::from(own), "{row}");
            for warning in found {
                has(warning["text"].as_str().expect("words"), parts);
            }
        }
        has(&std::fs::read_to_string(&report).expect("a page"), parts);
        let end = fixture.bench(&[&["--batch", "8", "--quiet", "-v"], adapter].concat());
        assert_eq!(end.stderr, "");
        let table = end.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        has(&table, &[&format!("Warning: {precision}"), ": layers.0"]);
        has(&table, parts);
    }
    let mut command = command();
    command.args(["predict", "--precision", precision, "--format", "json"]);
    command.arg("--model").arg(fixture.model()).arg("--data");
    let end = run(command.arg(fixture.path("t10k-images-idx3-ubyte")));
    has(&end.stderr, parts);
    let document: Value = serde_json::from_str(&end.stdout).expect("JSON");
    assert_eq!(document["warnings"][0]["kind"], kind);
    assert_eq!(document["overflow"], json!(null));
}

#[test]
fn weights_that_become_subnormal_or_zero_are_reported() {
    let tiny = with_first_layer(|at, weight| match at % 12 {
        0 => *weight = 1e-8,
        1 => *weight = 1.1e-6,
        _ => {}
    });
    // One of the model's own weights is zero, or none is: that is no loss.
    let own = tiny.layers[0]
        .weights
        .iter()
        .filter(|&&weight| weight != 0.0);
    let parts = format!(
        "of its {} weights 16 become zero and 16 subnormal in f16",
        own.count()
    );
    warns(
        &tiny,
        "f16",
        "underflow",
        &[&parts, "2 of its outputs lose more by this"],
    );
}

#[test]
fn outliers_that_take_the_range_of_int8_are_reported() {
    let spoiled = with_first_layer(|at, weight| {
        if at == 7 {
            *weight = 500.0;
        }
    });
    let parts = [
        "1 large weight (up to 500.000)",
        "only 0 of 127 int8 levels",
    ];
    warns(&spoiled, "int8", "outliers", &parts);
}

/// The small model and the default one lose nothing that is worth a word.
#[test]
fn usual_weights_are_not_warned_of() {
    let fixture = Fixture::new();
    let all = ["--precision", "every", "--batch", "8", "--adapter", "cpu"];
    assert_eq!(fixture.bench(&all).stderr, "");
    for precision in ["f16", "int8"] {
        let options = ["predict", "--adapter", "cpu", "--precision", precision];
        run(command().args(options)).good();
    }
}
