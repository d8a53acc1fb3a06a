//! JSON files: earlier results of `bench` and of `verify`, the cache of tuned kernels, and what a search has measured so far.

use std::collections::BTreeMap;

use fmnist_gpu::adapter::{AdapterInfo, Backend, Kind};
use fmnist_gpu::baseline::{Present, Saved, compare};
use fmnist_gpu::engine::Place;
use fmnist_gpu::memory::footprint;
use fmnist_gpu::report::Compared;
use fmnist_gpu::results::{ControlWorkload, Effective, Machine, Memory, Requested, Row, Status};
use fmnist_gpu::search::{SearchStart, SearchState};
use fmnist_gpu::stats::Samples;
use fmnist_gpu::tune::{Cache, CacheEntry, CacheKey, TuningEffort};
use fmnist_gpu::verify::NumericsReport;
use fmnist_gpu::verify::numerics::Earlier;
use fmnist_gpu::{Mode, Precision};

use super::{file, limited};

/// The driver of the results that are compared; all else in them is called `fuzzed`.
pub const FUZZED_DRIVER: &str = "fuzzed 1.0";

/// An earlier result of `bench`, held against one of 16 images.
pub fn baseline(data: &[u8]) {
    let path = file(data);
    let Ok(saved) = limited(data.len(), || Saved::read(&path)) else {
        return;
    };
    assert!(!saved.date().chars().any(char::is_control));
    let adapter = AdapterInfo {
        index: 0,
        name: "fuzzed".into(),
        backend: Backend::Vulkan,
        kind: Kind::Discrete,
        driver: FUZZED_DRIVER.into(),
        features: Vec::new(),
        processor: None,
        matrix_units: None,
    };
    let machine = Machine {
        processor: None,
        processors: 1,
        system: "fuzzed".into(),
        load_before: None,
    };
    let now = Present {
        adapters: vec![&adapter],
        machine: &machine,
        model_sha256: "fuzzed",
        is_quantized: false,
        dataset_sha256: "fuzzed",
        images: 16,
        profile: "release",
    };
    // Of something else, a result is refused; what compares them is to bear it nevertheless.
    let _ = saved.check("fuzzed", &now);
    let rows = [Precision::F32, Precision::Int8].map(row);
    let comparison = compare("fuzzed", &saved, &now, &rows, &[control_workload()]);
    let _ = comparison.refusal();
    assert!(comparison.regressions(0.05).count() <= rows.len());
}

fn samples() -> Samples {
    let times = (100..120).map(std::time::Duration::from_nanos);
    Samples::new(&times.collect::<Vec<_>>()).expect("some samples")
}

fn control_workload() -> ControlWorkload {
    ControlWorkload {
        batch: 8,
        device: Place::Gpu,
        adapter: 0,
        threads: None,
        work: "fuzzed".into(),
        wall_ns: samples(),
    }
}

fn row(precision: Precision) -> Row {
    let mode = Mode::from(precision);
    Row {
        name: mode.to_string(),
        requested: Requested::new(&mode, 8),
        effective: Effective {
            device: Some(Place::Gpu),
            adapter: Some(0),
            kernel: Some("fuzzed"),
            batch: 8,
            ..Effective::default()
        },
        accuracy: None,
        accuracy_interval: None,
        correct: None,
        correct_images: Some("f0f0".into()),
        agreement_with_f32: None,
        label_changes: None,
        confusion: None,
        confusion_vs_f32: None,
        class_accuracy: None,
        hardest_class: None,
        accuracy_points_vs_f32: None,
        mcnemar: None,
        wall_ns: Some(samples()),
        gpu_ns: None,
        upload_ns: None,
        labels: Vec::new(),
        blocks: Vec::new(),
        spread: None,
        upload_samples_ns: Some(vec![5; 20]),
        end_to_end_ns: None,
        speed_vs_f32: None,
        images_per_second: None,
        operations_per_second: None,
        operations_per_byte: None,
        ceiling: None,
        memory_vs_f32: None,
        memory: Memory {
            textbook: footprint(&[4, 2], &mode, 8),
            planned_bytes: None,
            device_allocated_bytes: None,
        },
        breakdown: Vec::new(),
        layers: Vec::new(),
        why: None,
        warnings: Vec::new(),
        status: Status::Ok,
        detail: None,
    }
}

/// An earlier result of `verify`, held against a numerics report in which nothing was seen.
pub fn numerics(data: &[u8]) {
    let path = file(data);
    let Ok(earlier) = limited(data.len(), || Earlier::read(&path)) else {
        return;
    };
    let compared = Compared::new(&path, &earlier, &NumericsReport::default());
    let harmless = |text: &str| text.len() <= 1_000 && !text.chars().any(char::is_control);
    assert!(harmless(&compared.adapter) && harmless(&compared.driver));
    for difference in &compared.differences {
        assert!(harmless(&difference.name) && harmless(&difference.before.to_string()));
    }
}

/// The tuner's cache: read and searched, and for some files added to, written and read again.
pub fn tuner_cache(data: &[u8]) {
    let path = file(data);
    let mut cache = limited(data.len(), || Cache::open_at(&path));
    let word = || "fuzzed".to_owned();
    let mut key = CacheKey {
        adapter: word(),
        backend: word(),
        driver: word(),
        shaders: word(),
        precision: word(),
        scheme: word(),
        shape: word(),
        mode: TuningEffort::Quick,
    };
    let _ = cache.get(&key);
    // Writing waits for the disk: one in eight will do.
    if data.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) % 8 > 0 {
        return;
    }
    key.mode = TuningEffort::Full;
    cache.put(key.clone(), CacheEntry::new("fuzzed", 7));
    limited(data.len(), || cache.save()).expect("a place for the file");
    let again = Cache::open_at(&path);
    assert_eq!(again.get(&key).map(|entry| entry.nanoseconds), Some(7));
}

/// What a search kept.
pub fn search_state(data: &[u8]) {
    let path = file(data);
    let about = BTreeMap::from([("model".to_owned(), "fuzzed".to_owned())]);
    let (state, beginning) = limited(data.len(), || SearchState::open(&path, about));
    match beginning {
        SearchStart::New => panic!("the file was not seen"),
        SearchStart::Resumed(count) => assert_eq!(count, state.found()),
        SearchStart::Anew(why) => {
            assert_eq!(state.found(), 0);
            assert!(!why.chars().any(char::is_control));
        }
    }
}
