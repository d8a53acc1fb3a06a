//! The published JSON schema: that it refuses what it should, so that `validate` can fail.

use serde_json::{Value, json};

use crate::support::{Fixture, closed_schema};

/// A document of every precision, to be spoilt.
fn document() -> Value {
    let arguments = ["--adapter", "cpu", "--batch", "8", "--format", "json"];
    Fixture::new().bench(&arguments).json()
}

/// The place of every field in a document, as JSON pointers.
fn fields(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let at = format!("{at}/{key}");
                fields(value, &at, found);
                found.push(at);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                fields(value, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// Fields that came later: results have them, and older documents without them stay valid.
const LATER: [&str; 1] = ["/ceiling/threads"];

#[test]
fn every_field_is_required() {
    let document = document();
    let validator = closed_schema();
    assert!(validator.is_valid(&document));
    let mut places = Vec::new();
    fields(&document, "", &mut places);
    assert!(places.len() > 100, "{places:?}");
    for later in LATER {
        let has = places.iter().any(|place| place.ends_with(later));
        assert!(has, "results lack {later}");
    }
    for place in places {
        let (parent, key) = place.rsplit_once('/').expect("a pointer");
        let mut document = document.clone();
        let parent = document.pointer_mut(parent).and_then(Value::as_object_mut);
        parent.expect("an object").remove(key);
        let later = LATER.iter().any(|later| place.ends_with(later));
        assert_eq!(validator.is_valid(&document), later, "{place}");
    }
}

/// Fields of objects that have them all since then.
const NEW: [(&str, &[&str]); 2] = [
    ("/tool", &["wgpu"]),
    ("/results/0", &["confusion_vs_f32", "layers"]),
];

#[test]
fn results_of_earlier_versions_stay_valid() {
    let schema: Value =
        serde_json::from_str(include_str!("../../src/report/bench.schema.json")).expect("JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("a valid schema");
    let mut document = document();
    for (place, fields) in NEW {
        let object = document.pointer_mut(place).and_then(Value::as_object_mut);
        let object = object.expect("an object");
        for field in fields {
            assert!(object.remove(*field).is_some(), "no {field}");
        }
    }
    assert!(validator.is_valid(&document));
}

#[test]
fn no_field_takes_another_type() {
    let document = document();
    let validator = closed_schema();
    let mut places = Vec::new();
    fields(&document, "", &mut places);
    for place in places {
        let is_boolean = document.pointer(&place).is_some_and(Value::is_boolean);
        let scalar = if is_boolean { json!(1) } else { json!(true) };
        for wrong in [scalar, json!({ "no": "such" }), json!([{}])] {
            let mut document = document.clone();
            *document.pointer_mut(&place).expect("a field") = wrong.clone();
            assert!(!validator.is_valid(&document), "{place} takes {wrong}");
        }
    }
}

#[test]
fn values_that_mean_nothing_are_refused() {
    let document = document();
    let validator = closed_schema();
    let row = rows_place(&document, "int8");
    let refuses = |place: &str, value: Value| {
        let mut document = document.clone();
        *document.pointer_mut(place).expect("a field") = value.clone();
        assert!(!validator.is_valid(&document), "{place} takes {value}");
    };
    refuses("/schema", json!(1));
    refuses("/tool/date", json!("today"));
    refuses("/adapters/0/backend", json!("glide"));
    refuses("/adapters/0/kind", json!("discrete"));
    refuses("/adapters/0/features", json!(["nosuch"]));
    refuses("/adapters", json!([]));
    refuses("/adapters/0/f16_on_matrix_units/used", json!(true));
    refuses("/model/sha256", json!("abc"));
    refuses("/model/activations", json!(["nosuch"]));
    refuses("/model/layers", json!([784]));
    refuses(&format!("{row}/agreement_with_f32"), Value::Null);
    refuses("/results", json!({}));
    refuses("/verdict/goal", json!("nosuch"));
    refuses("/verdict/recommended", json!({}));
    refuses("/verdict/limits/0/unit", json!("nosuch"));
    refuses("/control_workloads/0/device", json!("nosuch"));
    refuses("/comparison", json!({}));
    refuses("/memory_limit", json!({}));
    for (place, value) in [
        ("requested/precision", json!("f64")),
        ("requested/scheme", Value::Null),
        ("requested/scheme", json!("nosuch")),
        ("requested/weights", Value::Null),
        // The reference scheme has one scale for each weight matrix.
        ("requested/scheme", json!("dynamic-tensor")),
        ("requested/layers", json!(["f16"])),
        ("requested/batch", json!(0)),
        ("effective/device", json!("gpu")),
        ("effective/device", Value::Null),
        ("effective/adapter", Value::Null),
        ("effective/path", json!("nosuch")),
        ("effective/path", json!("separate")),
        ("memory/planned_bytes", Value::Null),
        ("accuracy", json!(1.5)),
        ("accuracy", Value::Null),
        ("correct", json!(-1)),
        ("accuracy_interval", Value::Null),
        ("correct_images", json!("xyz")),
        ("mcnemar/p", json!(1.5)),
        ("why/bottleneck", json!("nosuch")),
        ("why/max_speedup_vs_f32", json!(0.5)),
        ("warnings/0/kind", json!("nosuch")),
        ("wall_ns", Value::Null),
        ("wall_ns/median", json!(1.5)),
        ("wall_ns/samples", json!([])),
        ("images_per_second", json!(0)),
        ("images_per_second", Value::Null),
        ("status", json!("unsupported")),
        ("status", json!("overflow")),
        ("status", json!("failed")),
        ("status", json!("fine")),
        ("detail", json!("a reason without need")),
    ] {
        refuses(&format!("{row}/{place}"), value);
    }
}

/// A row that failed its check: the rest of the document stays as it is.
#[test]
fn a_failed_row_has_a_detail_and_no_figures() {
    let mut document = document();
    let row = rows_place(&document, "int8");
    let row = document.pointer_mut(&row).expect("a row");
    row["status"] = json!("failed");
    row["detail"] = json!("only 9 of 40 labels are the same");
    row["effective"]["reason"] = row["detail"].clone();
    for place in [
        "device",
        "adapter",
        "path",
        "kernel",
        "chosen_by",
        "threads",
    ] {
        row["effective"][place] = Value::Null;
    }
    for bytes in ["planned_bytes", "device_allocated_bytes"] {
        row["memory"][bytes] = Value::Null;
    }
    row["layers"] = json!([]);
    for field in [
        "accuracy",
        "correct",
        "agreement_with_f32",
        "accuracy_interval",
        "correct_images",
        "label_changes",
        "confusion",
        "confusion_vs_f32",
        "class_accuracy",
        "hardest_class",
        "accuracy_points_vs_f32",
        "mcnemar",
        "wall_ns",
        "gpu_ns",
        "upload_ns",
        "upload_samples_ns",
        "speed_vs_f32",
        "why",
        "end_to_end_ns",
        "images_per_second",
        "operations_per_second",
        "operations_per_byte",
    ] {
        assert!(!closed_schema().is_valid(&document), "{field} may stay");
        document
            .pointer_mut(&rows_place(&document, "int8"))
            .expect("a row")[field] = Value::Null;
    }
    assert!(closed_schema().is_valid(&document));
}

/// Where the row of a precision stands.
fn rows_place(document: &Value, precision: &str) -> String {
    let rows = document["results"].as_array().expect("rows");
    let at = rows
        .iter()
        .position(|row| row["requested"]["precision"] == precision);
    format!("/results/{}", at.expect("a row"))
}

#[test]
fn a_reader_takes_the_fields_that_later_versions_add() {
    let schema: Value =
        serde_json::from_str(include_str!("../../src/report/bench.schema.json")).expect("JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("a valid schema");
    let mut document = document();
    document["results"][0]["added"] = json!(1);
    document["adapters"][0]["added"] = json!(1);
    assert!(validator.is_valid(&document));
    assert!(
        !closed_schema().is_valid(&document),
        "ours describes every field"
    );
}

#[test]
fn every_field_is_described() {
    let schema: Value =
        serde_json::from_str(include_str!("../../src/report/bench.schema.json")).expect("JSON");
    let definitions = schema["$defs"].as_object().expect("definitions");
    let objects = definitions.values().chain([&schema]);
    let mut described = 0;
    for object in objects.filter(|object| object["type"] == "object") {
        let properties = object["properties"].as_object().expect("properties");
        for (name, field) in properties {
            let target = field["$ref"]
                .as_str()
                .and_then(|target| target.strip_prefix("#/$defs/"));
            let target = target.map_or(&Value::Null, |target| &definitions[target]);
            let words = |value: &Value| value["description"].is_string();
            assert!(words(field) || words(target), "{name} has no description");
            if name.ends_with("_ns") {
                let text = field["description"].as_str().expect("its own words");
                assert!(text.contains("nanoseconds"), "{name} has no unit");
            }
            described += 1;
        }
    }
    assert!(described > 50, "{described}");
}
