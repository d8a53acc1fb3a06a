//! `predict`: known answers, every format, the model's own precision and clip, the same bytes twice.

use std::io::Write;
use std::path::Path;

use fmnist_gpu::Precision;
use serde_json::Value;

use crate::support::{Ended, Fixture, command, has, identity, images_file, precisions, run};

/// Four images of four pixels: the brightest at 2, 0, 3, and two equal ones at 1 and 2.
const BRIGHT: [u8; 16] = [0, 51, 255, 0, 255, 0, 0, 0, 0, 0, 0, 102, 0, 204, 204, 0];

/// `predict` of these images by this model in CSV; gives label and value of each.
fn classify(model: &Path, images: &Path, arguments: &[&str]) -> Vec<(usize, f64)> {
    let mut command = command();
    command.args(["predict", "--format", "csv"]).args(arguments);
    command.arg("--model").arg(model).arg("--data").arg(images);
    let text = run(&mut command).good();
    let mut lines = text.lines();
    let header = lines.next().expect("a header");
    assert!(header.starts_with("index,label,class,"), "{header}");
    let parse = |(at, line): (usize, &str)| {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(fields.len(), 4, "{line}");
        assert_eq!(fields[0], at.to_string(), "{line}");
        assert_eq!(
            fields[1], fields[2],
            "a model without names has numbers: {line}"
        );
        let label = fields[1].parse().expect("a label");
        (label, fields[3].parse().expect("a number"))
    };
    lines.enumerate().map(parse).collect()
}

/// The known images and a model that gives its inputs back.
fn known() -> (Fixture, std::path::PathBuf, std::path::PathBuf) {
    let fixture = Fixture::new();
    let images = fixture.write("images", &images_file(4, 2, 2, &BRIGHT));
    let model = fixture.save("identity.safetensors", &identity());
    (fixture, model, images)
}

#[test]
fn a_model_that_gives_its_input_back_has_known_answers() {
    let (_fixture, model, images) = known();
    for adapter in [&["--adapter", "cpu"][..], &[]] {
        for precision in precisions() {
            let mut arguments = vec!["--precision", precision];
            arguments.extend(adapter);
            let got = classify(&model, &images, &arguments);
            let labels: Vec<usize> = got.iter().map(|(label, _)| *label).collect();
            // Of equals the lowest.
            assert_eq!(labels, [2, 0, 3, 1], "{precision}");
            for ((_, value), want) in got.iter().zip([1.0, 1.0, 0.4, 0.8]) {
                // int8's steps are 1/127, binary16's at most 2⁻¹¹.
                let step = match precision {
                    "f32" => 1e-6,
                    "f16" => 2_f64.powi(-11),
                    _ => 1.0 / 127.0,
                };
                assert!(
                    (value - want).abs() <= step,
                    "{precision}: {value}, not {want}"
                );
            }
        }
    }
}

#[test]
fn the_clip_of_the_model_and_the_batch_make_the_quantized_of_int8() {
    let (fixture, _, images) = known();
    let mut model = identity();
    model.int8_clip = 1;
    let path = fixture.save("clip.safetensors", &model);
    let int8 = |arguments: &[&str]| {
        classify(
            &path,
            &images,
            &[
                &["--precision", "int8", "--scheme", "dynamic-tensor"],
                arguments,
            ]
            .concat(),
        )
    };
    for adapter in ["cpu", ""] {
        let adapter: &[&str] = if adapter.is_empty() {
            &[]
        } else {
            &["--adapter", "cpu"]
        };
        // Quantized values are 0 and 1: of 255 the pixel 102 is 0.4, so 0; an image of zeros has label 0.
        let together = int8(adapter);
        assert_eq!(together[2], (0, 0.0));
        assert_eq!(together[3], (1, 1.0));
        // Alone it has a scale of its own: 102 is code 1, and that is 0.4.
        let alone = int8(&[&["--batch", "1"], adapter].concat());
        assert_eq!(alone[2].0, 3);
        assert!((alone[2].1 - 0.4).abs() <= 1e-6, "{alone:?}");
        // f32 knows no quantized values.
        let f32 = classify(&path, &images, &[&["--precision", "f32"], adapter].concat());
        assert_eq!(f32[2].0, 3);
    }
}

/// `predict --format json` with a model that asks for a precision.
fn stored(stored: Option<Precision>, arguments: &[&str]) -> Value {
    let (fixture, _, images) = known();
    let mut model = identity();
    model.mode = stored.map(Into::into);
    let path = fixture.save("stored.safetensors", &model);
    let mut command = command();
    command
        .args(["predict", "--format", "json"])
        .args(arguments);
    let document = run(command.arg("--model").arg(path).arg("--data").arg(images)).json();
    assert_eq!(document["predictions"].as_array().map(Vec::len), Some(4));
    document
}

#[test]
fn the_precision_is_the_flag_then_the_model_then_f32() {
    assert_eq!(stored(None, &[])["precision"], "f32");
    for precision in Precision::ALL {
        let document = stored(Some(precision), &[]);
        assert_eq!(document["precision"], precision.name());
        let scheme = &document["scheme"];
        assert_eq!(scheme.is_string(), precision == Precision::Int8, "{scheme}");
        for flag in precisions() {
            let document = stored(Some(precision), &["--precision", flag]);
            assert_eq!(document["precision"], flag);
        }
    }
}

#[test]
fn the_batch_is_named_and_at_most_the_data() {
    assert_eq!(stored(None, &["--batch", "3"])["batch"], 3);
    assert_eq!(stored(None, &["--batch", "99"])["batch"], 4);
    let (_fixture, model, images) = known();
    let args = [
        "--precision",
        "int8",
        "--scheme",
        "dynamic-tensor",
        "--batch",
        "3",
    ];
    for format in ["table", "markdown"] {
        let mut command = command();
        command.args(["predict", "--format", format]).args(args);
        let text = run(command
            .arg("--model")
            .arg(&model)
            .arg("--data")
            .arg(&images))
        .good();
        has(&text, &["int8", "dynamic-tensor", "batch 3"]);
    }
}

#[test]
fn a_short_last_batch_gives_the_same_in_real_precisions() {
    let fixture = Fixture::new();
    let images = fixture.path("t10k-images-idx3-ubyte");
    for precision in ["f32", "f16"] {
        let by = |batch| {
            let arguments = ["--precision", precision, "--batch", batch];
            let labels = classify(&fixture.model(), &images, &arguments);
            labels
                .into_iter()
                .map(|(label, _)| label)
                .collect::<Vec<_>>()
        };
        assert_eq!(by("40").len(), 40);
        assert_eq!(by("7"), by("40"));
        assert_eq!(by("1"), by("40"));
    }
}

#[test]
fn compressed_images_are_the_same_images() {
    let (fixture, model, images) = known();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let plain = std::fs::read(&images).expect("the images");
    encoder.write_all(&plain).expect("compressed");
    let compressed = encoder.finish().expect("compressed");
    for name in ["images.gz", "images-without-the-name"] {
        let path = fixture.write(name, &compressed);
        assert_eq!(classify(&model, &path, &[]), classify(&model, &images, &[]));
    }
}

/// `predict` on the whole embedded test split.
fn embedded(precision: &str, format: &str) -> Ended {
    fmnist!("predict", "--precision", precision, "--format", format)
}

#[test]
fn only_a_softmax_gives_probabilities() {
    let (_fixture, model, images) = known();
    let of_identity = |format: &str| {
        let more = ["--model", model.to_str().expect("UTF-8"), "--data"];
        let mut command = command();
        command.args(["predict", "--format", format]).args(more);
        run(command.arg(&images)).good()
    };
    for format in ["table", "csv", "json", "markdown"] {
        let (identity, softmax) = (of_identity(format), embedded("f32", format).good());
        for (text, word, other) in [
            (&identity, "output", "probability"),
            (&softmax, "probability", "output"),
        ] {
            let head: Vec<&str> = text.lines().take(40).collect();
            has(&head.join("\n"), &[word]);
            assert!(!text.contains(other), "{format}: {other}");
        }
    }
}

#[test]
fn two_runs_give_the_same_bytes() {
    for precision in precisions() {
        let first = embedded(precision, "csv").good();
        assert_eq!(first.lines().count(), 10_001, "{precision}");
        assert!(first == embedded(precision, "csv").good(), "{precision}");
    }
}

#[test]
fn every_format_has_every_image() {
    let csv = embedded("f32", "csv").good();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let records: Vec<csv::StringRecord> =
        reader.records().collect::<Result<_, _>>().expect("records");
    assert_eq!(records.len(), 10_000);
    let document = embedded("f32", "json").json();
    let predictions = document["predictions"].as_array().expect("predictions");
    assert_eq!(predictions.len(), 10_000);
    let table = embedded("f32", "table").good();
    let markdown = embedded("f32", "markdown").good();
    let cells = markdown
        .lines()
        .filter(|line| line.starts_with("| ") && !line.contains("index"));
    let lines: Vec<&str> = cells.collect();
    assert_eq!(lines.len(), 10_000);
    assert!(table.lines().all(|line| line.chars().count() <= 120));
    let table: Vec<&str> = table.lines().rev().take(10_000).collect();
    for (at, record) in records.iter().enumerate() {
        assert_eq!(record[0], at.to_string());
        let prediction = &predictions[at];
        assert_eq!(prediction["index"], at);
        assert_eq!(prediction["label"].to_string(), record[1]);
        assert_eq!(prediction["class"], record[2]);
        let probability: f32 = record[3].parse().expect("a number");
        assert!((0.0..=1.0).contains(&probability), "{record:?}");
        let shown = format!("{probability:.6}");
        let cells: Vec<&str> = lines[at].split('|').map(str::trim).collect();
        let index = at.to_string();
        let wanted = ["", &index, &record[1], &record[2], &shown, ""];
        assert_eq!(cells, wanted);
        has(table[9_999 - at], &[&format!("{at} "), &record[2], &shown]);
    }
}
