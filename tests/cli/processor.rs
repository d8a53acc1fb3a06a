//! The CPU path's instruction sets, threads and ceilings, as a user sees them.

use fmnist_gpu::cpu::Isa;
use serde_json::{Value, json};

use crate::support::{Fixture, command, has, rows, run, validate};

#[test]
fn adapters_shows_what_the_cpu_path_uses() {
    let list = fmnist!("adapters", "--format", "json").json();
    let list = list.as_array().expect("a list");
    for adapter in list {
        let processor = &adapter["processor"];
        assert_eq!(processor.is_null(), adapter["kind"] != "cpu", "{adapter}");
    }
    let processor = &list.last().expect("the CPU path")["processor"];
    let name = processor["instruction_set"].as_str().expect("a name");
    assert!(Isa::find(name).is_some_and(Isa::is_supported), "{name}");
    let threads = std::thread::available_parallelism()
        .expect("a number")
        .get();
    assert_eq!(processor["threads"], threads);
    for format in ["table", "markdown"] {
        let text = fmnist!("adapters", "--format", format).good();
        has(&text, &[name, &format!("{threads} thread")]);
    }
}

#[test]
fn each_instruction_set_runs_by_name_or_is_not_there() {
    let fixture = Fixture::new();
    for isa in Isa::ALL {
        let arguments = ["--adapter", "cpu", "--kernel", isa.name(), "--batch", "8"];
        let ended = fixture.bench(&[&arguments[..], &["--format", "json"]].concat());
        if !isa.is_supported() {
            has(&ended.fails(3), &[isa.name(), "portable"]);
            continue;
        }
        let document = ended.json();
        validate(&document);
        assert_eq!(
            document["adapters"][0]["processor"]["instruction_set"],
            isa.name()
        );
        for row in rows(&document) {
            assert_eq!(row["effective"]["kernel"], isa.name());
        }
    }
}

#[test]
fn threads_are_as_many_as_requested_and_batch_1_takes_one() {
    let mut command = command();
    command.args([
        "bench",
        "--adapter",
        "cpu",
        "--threads",
        "3",
        "--batch",
        "1000,1",
    ]);
    let document = run(command.args(["--runs", "2", "--format", "json"])).json();
    validate(&document);
    assert_eq!(document["adapters"][0]["processor"]["threads"], 3);
    for row in rows(&document) {
        let small = row["requested"]["batch"] == 1;
        assert_eq!(
            row["effective"]["threads"],
            if small { 1 } else { 3 },
            "{row}"
        );
        assert_eq!(row["ceiling"]["threads"], 3, "the peak is that of all");
    }
}

#[test]
fn predict_names_its_threads_on_the_cpu_path() {
    let mut command = command();
    command.args([
        "predict",
        "--adapter",
        "cpu",
        "--threads",
        "3",
        "--format",
        "json",
    ]);
    assert_eq!(run(&mut command).json()["threads"], 3);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let predict = |precision, threads| {
        let mut command = command();
        command.args([
            "predict",
            "--adapter",
            "cpu",
            "--format",
            "csv",
            "--batch",
            "700",
        ]);
        run(command.args(["--precision", precision, "--threads", threads])).good()
    };
    for precision in ["f32", "f16", "int8"] {
        let one = predict(precision, "1");
        assert_eq!(one.lines().count(), 10_001);
        for threads in ["2", "5"] {
            assert_eq!(
                predict(precision, threads),
                one,
                "{precision}, {threads} threads"
            );
        }
    }
}

#[test]
fn what_cannot_be_meant_is_a_usage_error() {
    for command in ["bench", "predict", "peak"] {
        for number in ["0", "-1", "1025", "two", ""] {
            let error =
                fmnist!(command, "--adapter", "cpu", &format!("--threads={number}")).fails(2);
            has(&error, &["--threads", "from 1 to 1024"]);
        }
        let error = fmnist!(command, "--adapter", "cpu", "--kernel", "nosuch").fails(2);
        has(
            &error,
            &["unknown kernel 'nosuch'", "avx2", "portable", "network-8"],
        );
        let error = fmnist!(command, "--adapter", "cpu", "--kernel", "network-8").fails(2);
        has(&error, &["network-8", "CPU path"]);
    }
}

#[test]
fn each_row_has_its_share_of_the_processors_ceiling() {
    let arguments = ["--adapter", "cpu", "--batch", "8,1", "--format", "json"];
    let document = Fixture::new().bench(&arguments).json();
    validate(&document);
    for row in rows(&document) {
        let int8 = row["requested"]["precision"] == "int8";
        let ceiling = &row["ceiling"];
        assert_eq!(ceiling["arithmetic"], if int8 { "int8-dot" } else { "f32" });
        let figure = |value: &Value| value.as_f64().expect("a number");
        let rate = figure(&row["operations_per_second"]);
        let share = rate / figure(&ceiling["operations_per_second"]);
        assert!(
            (share - figure(&ceiling["share"])).abs() <= 1e-9 && share > 0.0,
            "{row}"
        );
    }
}

#[test]
fn peak_measures_the_processor() {
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_supported()) {
        let peak = |format| {
            let mut command = command();
            command.args(["peak", "--adapter", "cpu", "--min-time", "1ms"]);
            run(command.args(["--format", format, "--kernel", isa.name(), "--threads", "2"]))
        };
        let document = peak("json").json();
        assert_eq!(document["schema"], 2);
        let processor = json!({ "instruction_set": isa.name(), "threads": 2 });
        assert_eq!(document["adapter"]["processor"], processor);
        let ceilings = document["ceilings"].as_array().expect("ceilings");
        let names: Vec<&Value> = ceilings.iter().map(|line| &line["name"]).collect();
        assert_eq!(names, ["f32", "int8-dot"]);
        for line in ceilings {
            assert_eq!(
                (&line["status"], &line["unit"]),
                (&json!("ok"), &json!("operations"))
            );
            assert!(
                line["per_second"].as_f64().is_some_and(|best| best > 0.0),
                "{line}"
            );
            assert!(
                line["samples"]
                    .as_array()
                    .is_some_and(|samples| samples.len() >= 10)
            );
        }
        for format in ["table", "markdown", "csv"] {
            let text = peak(format).good();
            has(
                &text,
                &["f32", "int8-dot", "CPU path", &format!("{isa}, 2 threads")],
            );
        }
    }
}
