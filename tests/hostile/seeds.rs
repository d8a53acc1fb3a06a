//! The corpus that fuzzing begins with: small files that are right, and some that are not.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use fmnist_gpu::model::{Activation, Layer, Network, Normalization};
use fmnist_gpu::quantize::{Ranges, lower};
use fmnist_gpu::{Mode, Precision, Scheme, WeightScales};

use crate::fuzz::FUZZED_DRIVER;

/// A file and its name.
type Seed = (String, Vec<u8>);

/// The seeds of a target.
pub fn of(target: &str) -> Vec<Seed> {
    match target {
        "idx" => idx(),
        "idx_gz" => idx_gz(),
        "model" => model_files(),
        "quantized" => quantized(),
        "baseline" => baseline(),
        "numerics" => numerics(),
        "tuner_cache" => tuner_cache(),
        "search_state" => search_state(),
        "ranges" => ranges(),
        other => panic!("{other} has no seeds"),
    }
}

fn named(seeds: impl IntoIterator<Item = (&'static str, Vec<u8>)>) -> Vec<Seed> {
    let owned = |(name, data): (&str, Vec<u8>)| (name.to_owned(), data);
    seeds.into_iter().map(owned).collect()
}

/// Numbers that no file holds: fuzz/src/ranges.rs makes networks of them.
fn ranges() -> Vec<Seed> {
    let steps = |by: usize| (0..300).map(|at| (at * by % 251) as u8).collect();
    named([
        ("zeros", vec![0; 8]),
        ("steps-of-7", steps(7)),
        ("steps-of-97", steps(97)),
    ])
}

fn idx_file(sizes: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(values);
    bytes
}

fn idx() -> Vec<Seed> {
    named([
        (
            "images",
            idx_file(&[2, 2, 3], &[0, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ),
        ("labels", idx_file(&[3], &[0, 9, 5])),
        ("truncated", idx_file(&[9, 28, 28], &[1; 40])),
        ("more-than-announced", idx_file(&[1, 1, 1], &[1, 2])),
        ("none", idx_file(&[0, 28, 28], &[])),
        ("too-many-for-64-bits", idx_file(&[u32::MAX; 3], &[0; 8])),
        ("no-header", vec![0, 0, 8]),
        ("other-type", vec![0, 0, 0x0d, 3, 0, 0, 0, 1]),
    ])
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn idx_gz() -> Vec<Seed> {
    // The first byte says whether the rest is packed already.
    let packed = |bytes: &[u8]| [&[0], bytes].concat();
    let images = idx_file(&[2, 2, 3], &[7; 12]);
    let whole = gzip(&images);
    let halves = [gzip(&images[..9]), gzip(&images[9..])].concat();
    let mut damaged = whole.clone();
    let end = damaged.len() - 6;
    damaged[end] ^= 0xff;
    named([
        ("images", packed(&whole)),
        ("labels", packed(&gzip(&idx_file(&[3], &[0, 9, 5])))),
        ("two-members", packed(&halves)),
        ("checksum", packed(&damaged)),
        ("truncated", packed(&whole[..whole.len() - 9])),
        ("only-magic", packed(&[0x1f, 0x8b])),
        ("trailing", packed(&[&whole[..], b"rest"].concat())),
        ("to-be-packed", [&[13][..], &images].concat()),
        (
            "lies-packed",
            [&[1][..], &idx_file(&[u32::MAX; 3], &[0; 8])].concat(),
        ),
    ])
}

/// 5-4-3, with weights in eighths: none is rounded on its way into any precision.
fn model() -> Network {
    let values = |count: usize| {
        (0..count)
            .map(|at| (at * 7 % 17) as f32 / 8.0 - 1.0)
            .collect()
    };
    let layer = |inputs: usize, outputs: usize, activation| Layer {
        inputs,
        outputs,
        weights: values(inputs * outputs),
        bias: values(outputs),
        activation,
    };
    let layers = vec![
        layer(5, 4, Activation::Relu),
        layer(4, 3, Activation::Softmax),
    ];
    let mut model = Network::new(layers).expect("a model");
    model.classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    model
}

fn modes() -> Vec<(&'static str, Mode)> {
    let row = Mode::int8(Scheme::DynamicRow, WeightScales::Channel);
    let of_tensor = Mode::int8(Scheme::Static, WeightScales::Tensor);
    let layers = vec![Precision::Int8, Precision::Int4];
    let mixed = Mode::mixed(layers, Scheme::Static, WeightScales::Channel).expect("a mode");
    vec![
        ("f16", Precision::F16.into()),
        ("bf16", Precision::Bf16.into()),
        ("int4", Precision::Int4.into()),
        ("int8-row", row),
        ("int8-static", of_tensor),
        ("mixed", mixed),
    ]
}

/// A safetensors file of any header, and zeros.
pub fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

fn model_files() -> Vec<Seed> {
    let bytes = |model: &Network| model.to_bytes().expect("a file");
    let plain = bytes(&model());
    let mut seeds: Vec<Seed> = modes()
        .into_iter()
        .map(|(name, mode)| {
            let mut model = model();
            model.mode = Some(mode);
            model.normalization = Normalization::Standard {
                mean: 0.25,
                std: 0.5,
            };
            model.layers[0].activation = Activation::Tanh;
            model.int8_clip = 63;
            (format!("run-as-{name}"), bytes(&model))
        })
        .collect();
    let lying = r#"{"__metadata__":{"activations":"relu"},"layers.0.weight":{"dtype":"F32","shape":[4294967295,4294967295],"data_offsets":[0,64]},"layers.0.bias":{"dtype":"F32","shape":[4],"data_offsets":[64,80]}}"#;
    let mut no_number = model();
    no_number.layers[1].weights[5] = f32::NAN;
    let mut steering = model();
    steering.classes[1] = "\u{1b}[2J".into();
    seeds.extend(named([
        ("plain", plain.clone()),
        ("truncated", plain[..plain.len() - 9].to_vec()),
        ("trailing", [&plain[..], &[0]].concat()),
        ("lying-shape", safetensors(lying, 80)),
        (
            "endless-header",
            [&u64::MAX.to_le_bytes()[..], b"{}"].concat(),
        ),
        ("no-tensor", safetensors("{}", 0)),
        ("no-number", bytes(&no_number)),
        ("steering-class", bytes(&steering)),
    ]));
    seeds
}

fn quantized() -> Vec<Seed> {
    let ranges = Ranges(vec![(0.0, 4.0); 2]);
    let file = |mode: &Mode| {
        let quantized = lower(&model(), mode, Some(&ranges)).expect("numbers of the mode");
        quantized.to_bytes().expect("a file")
    };
    let mut seeds: Vec<Seed> = modes()
        .into_iter()
        .map(|(name, mode)| (name.to_owned(), file(&mode)))
        .collect();
    let int4 = file(&Precision::Int4.into());
    // OutOfRange int4's quantized values, and a scale that is none.
    let mut quantized = int4.clone();
    let end = quantized.len();
    quantized[end - 40..].fill(0x88);
    let mut no_scale = file(&modes()[3].1);
    let end = no_scale.len();
    no_scale[end - 60..].fill(0xff);
    seeds.extend(named([
        ("truncated", int4[..int4.len() - 1].to_vec()),
        ("codes", quantized),
        ("no-scale", no_scale),
    ]));
    seeds
}

fn result() -> String {
    let samples: Vec<String> = (0..20)
        .map(|at| (1_000 + at * 37 % 50).to_string())
        .collect();
    let samples = samples.join(",");
    let row = |name: &str| {
        format!(
            r#"{{"name":"{name}","requested":{{"precision":"{name}","batch":8}},"effective":{{"device":"gpu","kernel":"fuzzed","threads":null}},"correct_images":"f0ff","wall_ns":{{"samples":[{samples}]}},"upload_samples_ns":[{samples}]}}"#
        )
    };
    format!(
        r#"{{"schema":2,"tool":{{"commit":null,"profile":"release","date":"2026-11-24"}},"machine":{{"processor":null}},"adapters":[{{"name":"fuzzed","backend":"vulkan","kind":"discrete","driver":"{FUZZED_DRIVER}","processor":null}}],"model":{{"sha256":"fuzzed"}},"dataset":{{"sha256":"fuzzed"}},"results":[{},{},{}],"control_workloads":[{{"batch":8,"device":"gpu","threads":null,"work":"fuzzed","wall_ns":{{"samples":[{samples}]}}}}]}}"#,
        row("f32"),
        row("int8"),
        row("f16")
    )
}

/// A result as a program of schema 1 wrote it.
fn first_schema(result: &str) -> Vec<u8> {
    let renamed = [
        (r#""schema":2"#, r#""schema":1"#),
        (r#""adapters":[{"#, r#""adapter":{"#),
        (r#"}],"model""#, r#"},"model""#),
        ("control_workloads", "yardsticks"),
        ("correct_images", "right_images"),
    ];
    let mut first = result.to_owned();
    for (now, then) in renamed {
        assert!(first.contains(now), "{now} is not there");
        first = first.replace(now, then);
    }
    first.into_bytes()
}

fn baseline() -> Vec<Seed> {
    let good = result();
    let changed = |from: &str, to: &str| {
        let changed = good.replace(from, to);
        assert_ne!(changed, good, "{from} is not there");
        changed.into_bytes()
    };
    named([
        ("good", good.clone().into_bytes()),
        ("truncated", good.as_bytes()[..good.len() / 2].to_vec()),
        ("first-schema", first_schema(&good)),
        ("other-schema", changed(r#""schema":2"#, r#""schema":3"#)),
        ("other-driver", changed(FUZZED_DRIVER, "another")),
        ("no-time", changed("1000", "0")),
        ("all-the-time", changed("1000", "18446744073709551615")),
        ("odd-images", changed("f0ff", "f0f")),
        ("not-ascii-images", changed("f0ff", "föff")),
        (
            "steering",
            changed(r#""date":"2026"#, r#""date":"\u001b[2J"#),
        ),
        ("not-json", b"\xff\xfe{}".to_vec()),
        ("deep", vec![b'['; 4_000]),
    ])
}

fn numerics() -> Vec<Seed> {
    let file = |driver: &str, seen: &str| {
        format!(
            r#"{{"schema":2,"adapter":{{"name":"fuzzed","driver":"{driver}"}},"numerics":{{"observations":{{{seen}}},"not_applicable":{{"fma":"no shaders"}}}},"results":[{{"group":"sums","detail":null}}]}}"#
        )
        .into_bytes()
    };
    let seen = r#""fma":"fused","exp_ulps":1.25,"division_ulps":2,"timestamp_monotonic":true,"f16_round_trip":null"#;
    let good = file(FUZZED_DRIVER, seen);
    let text = String::from_utf8(good.clone()).expect("UTF-8");
    let other = text.replace(r#""schema":2"#, r#""schema":3"#);
    let first = text.replace(r#""schema":2"#, r#""schema":1"#);
    let first = first.replace(r#""numerics""#, r#""passport""#);
    named([
        ("good", good.clone()),
        ("truncated", good[..good.len() / 2].to_vec()),
        ("first-schema", first.into_bytes()),
        ("other-schema", other.into_bytes()),
        ("none", file(FUZZED_DRIVER, "")),
        (
            "later",
            file(FUZZED_DRIVER, r#""later":[[1,{"a":null}]],"nan":"nan""#),
        ),
        ("steering-word", file(FUZZED_DRIVER, r#""fma":"\u001b[2J""#)),
        ("steering-driver", file("\\u001b[2J", seen)),
        ("steering-name", file(FUZZED_DRIVER, r#""\u001b[2J":1"#)),
        ("no-observation", file(FUZZED_DRIVER, r#""fma":["fused"]"#)),
        ("overflow", file(FUZZED_DRIVER, r#""exp_ulps":1e999"#)),
        (
            "largest",
            file(FUZZED_DRIVER, r#""exp_ulps":1e308,"division_ulps":-1e308"#),
        ),
        ("deep", vec![b'['; 4_000]),
    ])
}

fn tuner_cache() -> Vec<Seed> {
    let record = |more: &str| {
        format!(
            r#"{{"key":{{"adapter":"fuzzed","backend":"fuzzed","driver":"fuzzed","shaders":"fuzzed","precision":"fuzzed","scheme":"fuzzed","shape":"fuzzed","mode":"full"}},"kernel":"network-8","nanoseconds":7,"date":"2026-11-24T00:00:00Z"{more}}}"#
        )
    };
    let file = |version: &str, entries: &[String]| {
        format!(
            r#"{{"version":{version},"entries":[{}]}}"#,
            entries.join(",")
        )
        .into_bytes()
    };
    let right = r#","matrix_units":{"right":{"without":"broadcast-4x32","without_nanoseconds":9,"rejected":["coop-16"]}}"#;
    let good = file("1", &[record(""), record(right)]);
    named([
        ("good", good.clone()),
        ("truncated", good[..good.len() - 20].to_vec()),
        ("begun", file("1", &[record(r#","matrix_units":"begun""#)])),
        (
            "unknown",
            file("1", &[record(r#","later":[[1,{"a":null}]]"#)]),
        ),
        ("none", file("1", &[])),
        ("other-version", file("18446744073709551615", &[record("")])),
        (
            "not-utf8",
            b"{\"version\":1,\"entries\":[\"\xff\"]}".to_vec(),
        ),
        ("deep", vec![b'['; 4_000]),
    ])
}

fn search_state() -> Vec<Seed> {
    let file = |model: &str, accuracy: &str| {
        format!(
            r#"{{"about":{{"model":"{model}"}},"measured":{{"f16,int8 static":{{"accuracy":{accuracy},"label_changes":3,"output_error":0.001,"relative_time":0.7,"parameter_bytes":100}}}}}}"#
        )
        .into_bytes()
    };
    let good = file("fuzzed", "0.5");
    named([
        ("good", good.clone()),
        ("truncated", good[..good.len() - 3].to_vec()),
        ("other-model", file("\\u001b[2J", "0.5")),
        ("impossible", file("fuzzed", "-1e308")),
        ("overflow", file("fuzzed", "1e999")),
        (
            "none",
            br#"{"about":{"model":"fuzzed"},"measured":{}}"#.to_vec(),
        ),
        ("deep", vec![b'['; 4_000]),
    ])
}
