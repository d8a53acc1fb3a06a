//! The report: that it is a page, that its figures are those of the JSON, and that names in it stay names.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::figures::{check, check_own};
use crate::html::{Element, parse};
use crate::support::{Fixture, command, has, model, overflowing, run};

/// A run of the default model, with its report and its JSON.
pub fn report(arguments: &[&str]) -> (Vec<Element>, Value) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (page, json) = (folder.path().join("r.html"), folder.path().join("r.json"));
    let mut command = command();
    command.args(["bench", "--adapter", "cpu", "--runs", "12", "--warmup", "0"]);
    command.args(arguments).arg("--output").arg(&page);
    run(command.arg("--output").arg(&json)).good();
    let read = |path| std::fs::read_to_string(path).expect("a file");
    (
        parse(&read(page)),
        serde_json::from_str(&read(json)).expect("JSON"),
    )
}

/// Fails where a figure of a page is not that of the JSON, or has no place there. Gives the places.
fn check_all(elements: &[Element], document: &Value) -> Vec<String> {
    let mut places = Vec::new();
    for element in elements {
        if let Some(list) = element.get("data-json") {
            check(element, document);
            places.extend(list.split(' ').map(str::to_owned));
        }
        check_own(element, elements, document);
    }
    places
}

/// Fails where words run off a chart's side, were its letters 6 units wide, which is less than they are.
fn check_room(elements: &[Element]) {
    let texts = elements.iter().filter(|one| one.name == "text");
    let upright: Vec<&Element> = texts.filter(|one| one.get("transform").is_none()).collect();
    assert!(upright.len() > 100, "{}", upright.len());
    for text in upright {
        let x: f64 = text.get("x").and_then(|x| x.parse().ok()).expect("a place");
        let width = 6.0 * text.text.chars().count() as f64;
        let start = match text.get("text-anchor") {
            Some("end") => x - width,
            Some("middle") => x - width / 2.0,
            _ => x,
        };
        let inside = start >= -1.0 && start + width <= 361.0;
        // The figures of a confusion are smaller, and in their fields.
        let small = text.get("class") == Some("cell");
        assert!(inside || small, "cut off: '{}' from {start}", text.text);
    }
}

#[test]
fn every_figure_is_that_of_the_json() {
    let (elements, document) = report(&["--batch", "1000,32"]);
    let places = check_all(&elements, &document);
    let shown = |place: &str| places.iter().any(|one| one == place);
    for row in 0..6 {
        for field in [
            "end_to_end_ns",
            "accuracy",
            "wall_ns/p99",
            "memory/device_allocated_bytes",
            "label_changes",
        ] {
            assert!(
                shown(&format!("/results/{row}/{field}")),
                "no {field} of row {row}"
            );
        }
    }
    // Why rows are not faster is told at the batch size that the answer is about.
    let batch = |row: usize| document.pointer(&format!("/results/{row}/effective/batch"));
    let recommended = document["verdict"]["recommended"]["row"].as_u64();
    let recommended = recommended.expect("a row to deploy") as usize;
    for row in (0..6).filter(|row| batch(*row) == batch(recommended)) {
        assert!(shown(&format!("/results/{row}/why/text")), "row {row}");
        assert!(shown(&format!("/results/{row}/effective/batch")));
        assert!(shown(&format!("/results/{row}/layers/1/relative_error")));
    }
    for place in [
        "/verdict/sentence",
        "/verdict/details/0",
        "/verdict/limits/0/measured",
        "/command",
        "/tool/date",
        "/model/parameters",
        "/machine/load_before",
        "/changed/0/total",
    ] {
        assert!(shown(place), "no {place}");
    }
    let of_classes = |field: &str| places.iter().any(|place| place.ends_with(field));
    for field in ["class_accuracy/6/accuracy", "class_accuracy/6/images"] {
        assert!(of_classes(field), "no {field}");
    }
}

#[test]
fn every_figure_of_every_mode_under_a_limit_is_that_of_the_json() {
    let every = ["--precision", "every", "--scheme", "all"];
    let limit = [
        "--batch",
        "32,1",
        "--memory-limit",
        "300KiB",
        "--goal",
        "memory",
    ];
    let limits = ["--max-latency", "1s", "--max-accuracy-drop", "5"];
    let (elements, document) = report(&[&every[..], &limit, &limits].concat());
    check_room(&elements);
    let places = check_all(&elements, &document);
    for place in [
        "/memory_limit/limit_bytes",
        "/memory_limit/lines/0/unlimited_batch",
        "/memory_limit/lines/0/unlimited_images_per_second",
        "/memory_limit/lines/8/images_per_second",
        "/verdict/limits/2/limit",
    ] {
        assert!(places.iter().any(|one| one == place), "no {place}");
    }
    let recommended = document["verdict"]["recommended"]["row"].as_u64();
    let row = recommended.expect("a row to deploy");
    for field in ["memory/device_allocated_bytes", "accuracy_points_vs_f32"] {
        let place = format!("/results/{row}/{field}");
        assert!(places.contains(&place), "no {place}");
    }
}

#[test]
fn rows_say_what_they_are_beside_f32_and_class_by_class() {
    let (_, document) = report(&["--batch", "1000"]);
    let rows = document["results"].as_array().expect("rows");
    let number = |row: &Value, place: &str| row.pointer(place).and_then(Value::as_f64);
    let near = |a: Option<f64>, b: f64| a.is_some_and(|a| (a - b).abs() <= 1e-9);
    let f32 = rows.iter().find(|row| row["name"] == "f32").expect("f32");
    let of_f32 = |place: &str| number(f32, place).expect("a number");
    for row in rows {
        let own = |place: &str| number(row, place).expect("a number");
        let memory = own("/memory/total_bytes") / of_f32("/memory/total_bytes");
        assert!(near(number(row, "/memory_vs_f32"), memory));
        let points = 100.0 * (own("/accuracy") - of_f32("/accuracy"));
        assert!(near(number(row, "/accuracy_points_vs_f32"), points));
        let classes = row["class_accuracy"].as_array().expect("classes");
        let sum = |field: &str| {
            let all = classes.iter().filter_map(|class| class[field].as_f64());
            all.sum::<f64>()
        };
        assert_eq!(sum("correct"), own("/correct"));
        assert_eq!(sum("images"), 10_000.0);
        assert_eq!(sum("more_than_f32"), own("/correct") - of_f32("/correct"));
        let least = classes
            .iter()
            .filter_map(|class| class["accuracy"].as_f64());
        let hardest = row["hardest_class"].as_u64().expect("a class") as usize;
        let hardest = classes[hardest]["accuracy"].as_f64();
        assert_eq!(hardest, least.reduce(f64::min));
    }
}

#[test]
fn confusion_is_shown_once_and_then_as_differences() {
    let (elements, document) = report(&["--batch", "1000"]);
    let rows = document["results"].as_array().expect("rows");
    let f32 = rows.iter().position(|row| row["name"] == "f32");
    let f32 = f32.expect("f32");
    let counts = |row: usize| format!("/results/{row}/confusion/");
    let places: Vec<&str> = elements
        .iter()
        .filter(|one| one.name == "td")
        .filter_map(|one| one.get("data-json"))
        .collect();
    for (at, row) in rows.iter().enumerate() {
        let changes = row["confusion_vs_f32"].as_array().expect("changes");
        let shown = |start: &str| {
            places
                .iter()
                .filter(|place| place.starts_with(start))
                .count()
        };
        let differences = format!("/results/{at}/confusion_vs_f32/");
        assert_eq!(shown(&differences), changes.len());
        assert_eq!(shown(&counts(at)) > 0, at == f32, "row {at}");
        // Every image that leaves a label gets another.
        let mut moved = std::collections::HashMap::new();
        for change in changes {
            let more = change["more"].as_i64().expect("a number");
            *moved.entry(change["class"].as_u64()).or_insert(0) += more;
            let of = |row: usize| {
                let count =
                    &rows[row]["confusion"][change["class"].as_u64().expect("a class") as usize];
                count[change["label"].as_u64().expect("a label") as usize].as_i64()
            };
            assert_eq!(
                of(at).zip(of(f32)).map(|(own, other)| own - other),
                Some(more)
            );
        }
        assert!(moved.values().all(|sum| *sum == 0));
    }
    assert!(
        rows.iter()
            .any(|row| row["confusion_vs_f32"] != serde_json::json!([]))
    );
}

#[test]
fn layers_lose_more_the_coarser_the_precision() {
    let (_, document) = report(&["--precision", "f32,f16,int4", "--batch", "100"]);
    let rows = document["results"].as_array().expect("rows");
    let loss = |name: &str, layer: usize| {
        let row = rows.iter().find(|row| row["name"] == name).expect("a row");
        let layers = row["layers"].as_array().expect("layers");
        assert_eq!(layers.len(), 2);
        assert_eq!(layers[layer]["layer"], layer);
        // The CPU path has no clock of a device.
        assert!(layers[layer]["time_ns"].is_null());
        layers[layer]["relative_error"].as_f64().expect("a loss")
    };
    for layer in 0..2 {
        let [f32, f16, int4] = ["f32", "f16", "int4"].map(|name| loss(name, layer));
        assert!(f32 == 0.0 && 0.0 < f16 && 10.0 * f16 < int4 && int4 < 0.5);
    }
}

/// A bench of `model` on the fixture's data, whose report goes to `page`.
fn short_bench(fixture: &Fixture, model: &Path, page: &Path) -> Command {
    let mut command = command();
    command.args(["bench", "--adapter", "cpu", "--runs", "2", "--batch", "8"]);
    command.arg("--data").arg(fixture.data());
    command.arg("--model").arg(model).arg("--output").arg(page);
    command
}

#[test]
fn names_that_look_like_html_stay_names() {
    let fixture = Fixture::new();
    let name = "<img src=x onerror=alert(1)>&amp;\"'|.safetensors";
    let class = "</figure><b title=\"x\">&lt;'";
    let mut model = model();
    model.classes = [class, "b", "c", "d"].map(str::to_owned).to_vec();
    let path = fixture.save(name, &model);
    let page = fixture.path("r.html");
    let mut command = short_bench(&fixture, &path, &page);
    command.arg("--output").arg(fixture.path("r.md"));
    run(&mut command).good();
    let elements = parse(&std::fs::read_to_string(page).expect("a file"));
    assert!(
        elements
            .iter()
            .all(|one| one.name != "b" && one.get("onerror").is_none())
    );
    let shown = |text: &str| elements.iter().any(|one| one.text.contains(text));
    assert!(shown(name), "the path is not shown as it is");
    assert!(shown(class), "the class is not shown as it is");
}

#[test]
fn a_precision_that_was_not_timed_is_shown_with_its_reason() {
    let fixture = Fixture::new();
    let model = overflowing(70_000.0, fmnist_gpu::model::Activation::Relu);
    let path = fixture.save("overflowing.safetensors", &model);
    let page = fixture.path("r.html");
    let mut command = short_bench(&fixture, &path, &page);
    let (_, error) = run(&mut command).fails_after_output(4);
    has(&error, &["f16 is out of range"]);
    let elements = parse(&std::fs::read_to_string(page).expect("a file"));
    let table = elements
        .iter()
        .find(|one| one.get("class") == Some("results"))
        .expect("the table");
    has(&table.text, &["out of range", "f16", "int8"]);
}

#[test]
fn a_page_of_random_weights_has_no_accuracy() {
    let (elements, document) = report(&["--layers", "784-30-10", "--batch", "300"]);
    let places = check_all(&elements, &document);
    let shown = |place: &str| places.iter().any(|one| one.ends_with(place));
    assert!(shown("/agreement_with_f32") && shown("/label_changes"));
    assert!(!shown("/accuracy") && !shown("/mcnemar/p"));
    let section = |id: &str| elements.iter().any(|one| one.get("id") == Some(id));
    assert!(section("results") && section("latency"));
    assert!(!section("trade-off") && !section("classes"));
}

#[test]
fn html_goes_to_stdout_as_to_a_file() {
    let fixture = Fixture::new();
    let page = fixture
        .bench(&["--adapter", "cpu", "--batch", "8", "--format", "html"])
        .good();
    assert!(
        parse(&page)
            .iter()
            .any(|one| one.name == "h2" && one.text == "Verdict")
    );
    for name in ["predict", "adapters", "memory", "peak"] {
        has(
            &fmnist!(name, "--format", "html").fails(2),
            &["html", "json"],
        );
    }
}
