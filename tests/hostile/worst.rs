//! Files that take as much memory as their kind can: each is held against the promise by its target.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use fmnist_gpu::dataset;

use crate::fuzz::{OVERHEAD, limited};
use crate::seeds::safetensors;
use crate::{exclusive, fuzz};

const MIB: usize = 1 << 20;

/// The promise is held against what is really taken.
#[test]
#[should_panic(expected = "more than")]
fn taking_more_than_is_promised_fails() {
    let _exclusive = exclusive();
    limited(100, || vec![0_u8; OVERHEAD + 201].len());
}

#[test]
fn headers_of_models_that_are_dense() {
    let _exclusive = exclusive();
    let tensor = r#"{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#;
    let fill = |each: &dyn Fn(usize) -> String, between: &str, size: usize| {
        let mut text = String::new();
        for number in 0.. {
            let one = each(number);
            if text.len() + one.len() + between.len() > size {
                break;
            }
            if number > 0 {
                text += between;
            }
            text += &one;
        }
        text
    };
    // Within the header that is read, and far beyond it.
    for size in [MIB - 300, 20 * MIB] {
        let tensors = fill(&|number| format!(r#""{number}":{tensor}"#), ",", size);
        let shape = fill(&|_| "0".into(), ",", size);
        let entries = fill(&|number| format!(r#""{number}":"""#), ",", size);
        let classes = fill(&|_| "a".into(), ",", size);
        let escaped = fill(&|_| "\\n".into(), "", size);
        for header in [
            format!("{{{tensors}}}"),
            format!(r#"{{"a":{{"dtype":"F32","shape":[{shape}],"data_offsets":[0,0]}}}}"#),
            format!(r#"{{"__metadata__":{{{entries}}}}}"#),
            format!(r#"{{"__metadata__":{{"activations":"relu","classes":"{classes}"}}}}"#),
            format!(r#"{{"__metadata__":{{"activations":"{classes}"}}}}"#),
            format!(r#"{{"__metadata__":{{"activations":"{escaped}"}}}}"#),
            format!(r#"{{"{escaped}":{tensor}}}"#),
            format!(r#"{{"a":{{"dtype":"{classes}","shape":[0],"data_offsets":[0,0]}}}}"#),
        ] {
            let file = safetensors(&header, 0);
            fuzz::model(&file);
            fuzz::quantized(&file);
        }
    }
}

/// Weights are most of a model: 80 MiB of them.
#[test]
fn large_models() {
    let _exclusive = exclusive();
    let header = |metadata: &str, tensors: &[(&str, &str, &[usize], usize)]| {
        let mut from = 0;
        let mut text = format!(r#"{{"__metadata__":{{"activations":"relu"{metadata}}}"#);
        for (name, dtype, shape, bytes) in tensors {
            let end = from + bytes;
            text += &format!(
                r#","layers.0.{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{from},{end}]}}"#
            );
            from = end;
        }
        (text + "}", from)
    };
    let (rows, columns) = (80 * 1024, 1024);
    let (float, size) = header(
        "",
        &[
            ("weight", "F32", &[rows, columns / 4], rows * columns),
            ("bias", "F32", &[columns / 4], columns),
        ],
    );
    fuzz::model(&safetensors(&float, size));
    let int4 = r#","quantized":"1","precision":"int4","inputs":"163840""#;
    let scales = [2 * rows / 32, columns];
    let (int4, size) = header(
        int4,
        &[
            ("weight", "U8", &[rows, columns], rows * columns),
            ("weight_scale", "F16", &scales, 2 * scales[0] * columns),
            ("bias", "F32", &[columns], 4 * columns),
        ],
    );
    fuzz::quantized(&safetensors(&int4, size));
}

/// What unpacks to a thousand times its size.
#[test]
fn gzip_bombs() {
    let _exclusive = exclusive();
    for (images, mebibytes) in [(true, 60), (true, 200), (false, 200)] {
        let count = mebibytes * MIB as u32;
        let sizes: &[u32] = if images {
            &[count / 784, 28, 28]
        } else {
            &[count]
        };
        let mut plain = vec![0, 0, 8, sizes.len() as u8];
        plain.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
        let total: u64 = sizes.iter().map(|&size| u64::from(size)).product();
        plain.resize(plain.len() + total as usize, 0);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&plain).expect("memory takes it");
        let bomb = encoder.finish().expect("memory takes it");
        drop(plain);
        fuzz::idx(&bomb);
        let read = dataset::read_images("bomb".as_ref(), &bomb);
        assert_eq!(read.is_ok(), mebibytes == 60, "{mebibytes} MiB");
    }
    let mut plain = vec![0, 0, 8, 1];
    plain.extend((150 * MIB as u32).to_be_bytes());
    plain.resize(plain.len() + 150 * MIB, 1);
    fuzz::idx(&plain);
}

#[test]
fn results_that_are_dense() {
    let _exclusive = exclusive();
    let result = |samples: &str, text: &str| {
        format!(
            r#"{{"schema":2,"tool":{{"profile":"release","date":"{text}"}},"machine":{{}},"adapters":[{{"name":"a","backend":"b","kind":"c","driver":"d"}}],"model":{{"sha256":""}},"dataset":{{"sha256":""}},"results":[],"control_workloads":[{{"batch":1,"device":"cpu","work":"w","wall_ns":{{"samples":[{samples}]}}}}]}}"#
        )
    };
    let dense = |count: usize| vec!["1"; count].join(",");
    // The most that are read, and more than are.
    for count in [2_999_000, 4 << 20, 15 << 20, 40 << 20] {
        fuzz::baseline(result(&dense(count), "").as_bytes());
    }
    for megabytes in [1, 30, 40] {
        let escaped = format!("\\n{}", "x".repeat(megabytes * MIB));
        fuzz::baseline(result("", &escaped).as_bytes());
    }
    let row = r#"{"name":"f32","requested":{"precision":"f32","batch":1},"effective":{},"upload_samples_ns":[1]}"#;
    for count in [10_000, 200_000] {
        let rows = vec![row; count].join(",");
        let text = result("", "").replace(r#""results":[]"#, &format!(r#""results":[{rows}]"#));
        fuzz::baseline(text.as_bytes());
    }
}

#[test]
fn numerics_reports_that_are_dense() {
    let _exclusive = exclusive();
    let file = |observations: &str, more: &str| {
        format!(
            r#"{{"schema":2,"adapter":{{"name":"a","driver":"d"}},"numerics":{{"observations":{{{observations}}}}},"results":[{more}]}}"#
        )
    };
    // The largest that are read, and larger ones.
    for size in [4 * MIB - 1_000, 40 * MIB] {
        let ones = vec!["1"; size / 2].join(",");
        let names: Vec<String> = (0..size / 20).map(|at| format!(r#""{at}":"x""#)).collect();
        let same = vec![r#""fma":"fused""#; size / 14].join(",");
        let word = format!(r#""fma":"\n{}""#, "x".repeat(size - 20));
        fuzz::numerics(file("", &ones).as_bytes());
        fuzz::numerics(file(&format!(r#""fma":[{ones}]"#), "").as_bytes());
        fuzz::numerics(file(&format!(r#""later":[{ones}]"#), "").as_bytes());
        for seen in [&names.join(","), &same, &word] {
            fuzz::numerics(file(seen, "").as_bytes());
        }
    }
}

#[test]
fn dense_files_of_the_programs_own() {
    let _exclusive = exclusive();
    // The largest that are read, and larger ones.
    for size in [MIB - 1_000, 20 * MIB] {
        let ones = vec!["1"; size / 2].join(",");
        let lists = vec!["[]"; size / 3].join(",");
        let text = "x".repeat(size - 10);
        let record = r#"{"key":{"adapter":"","backend":"","driver":"","shaders":"","precision":"","scheme":"","shape":"","mode":"full"},"kernel":"","nanoseconds":7,"date":""#;
        for inside in [&ones, &lists] {
            fuzz::tuner_cache(
                format!(r#"{{"version":1,"entries":[{record}","more":[{inside}]}}]}}"#).as_bytes(),
            );
            fuzz::search_state(format!(r#"{{"about":{{}},"more":[{inside}]}}"#).as_bytes());
        }
        let records = vec![format!(r#"{record}"}}"#); size / 150].join(",");
        fuzz::tuner_cache(format!(r#"{{"version":1,"entries":[{records}]}}"#).as_bytes());
        fuzz::tuner_cache(format!(r#"{{"version":1,"entries":[{record}\n{text}"}}]}}"#).as_bytes());
        let keys: Vec<String> = (0..size / 12).map(|at| format!(r#""{at}":"""#)).collect();
        fuzz::search_state(
            format!(r#"{{"about":{{{}}},"measured":{{}}}}"#, keys.join(",")).as_bytes(),
        );
    }
}
