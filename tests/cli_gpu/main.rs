//! The command line on every wgpu adapter of this machine: what `adapters` lists is what runs, and
//! what an adapter lacks is reported. Without an adapter these tests fail and say how to get one;
//! FMNIST_GPU_SKIP_GPU_TESTS=1 turns them into ignored ones, visibly.

#[path = "../common/mod.rs"]
mod common;
#[macro_use]
#[path = "../cli/support.rs"]
mod support;

mod fallback;
mod faults;
mod formats;
mod kernels;
mod matrix;
mod peak;
mod selection;
mod verify;
mod verify_faults;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use serde_json::Value;

/// One wgpu adapter, as `adapters --format json` describes it.
#[derive(Clone)]
struct Adapter {
    index: String,
    backend: String,
    kind: String,
    name: String,
    features: Value,
    matrix_units: Value,
}

impl Adapter {
    fn new(described: &Value) -> Self {
        let text = |field: &str| described[field].as_str().expect("text").to_owned();
        Self {
            index: described["index"].to_string(),
            backend: text("backend"),
            kind: text("kind"),
            name: text("name"),
            features: described["features"].clone(),
            matrix_units: described["matrix_units"].clone(),
        }
    }

    fn has(&self, feature: &str) -> bool {
        let features = self.features.as_array().expect("features");
        features.iter().any(|name| name == feature)
    }

    fn has_matrix_units(&self) -> bool {
        self.matrix_units.is_object()
    }
}

/// A test on one adapter; it fails by panicking.
type Test = fn(&Adapter);

const TESTS: &[(&str, Test)] = &[
    #[cfg(unix)]
    (
        "a-full-disk-behind-the-cache-is-a-warning",
        faults::a_full_disk_behind_the_cache_is_a_warning,
    ),
    (
        "bench-is-as-the-schema-says",
        formats::bench_is_as_the_schema_says,
    ),
    (
        "bench-in-every-format-is-quiet",
        formats::bench_in_every_format_is_quiet,
    ),
    (
        "predict-gives-the-same-bytes-twice",
        formats::predict_gives_the_same_bytes_twice,
    ),
    (
        "predict-labels-are-the-cpu-paths",
        formats::predict_labels_are_the_cpu_paths,
    ),
    (
        "a-quantized-file-gives-the-cpu-paths-numbers",
        formats::a_quantized_file_gives_the_cpu_paths_numbers,
    ),
    (
        "a-file-made-by-quantize-answers-as-on-the-cpu-path",
        formats::a_file_made_by_quantize_answers_as_on_the_cpu_path,
    ),
    (
        "a-search-is-measured-on-the-adapter",
        formats::a_search_is_measured_on_the_adapter,
    ),
    ("memory-plans-what-is-allocated", |adapter| {
        support::memory_is_what_is_allocated(&adapter.index);
    }),
    ("memory-names-the-largest-batch-that-runs", |adapter| {
        support::the_largest_batch_runs(&adapter.index);
    }),
    (
        "timestamps-are-null-where-there-are-none",
        formats::timestamps,
    ),
    (
        "f16-runs-where-the-list-says",
        fallback::f16_runs_where_the_list_says,
    ),
    (
        "f16-falls-back-with-a-reason",
        fallback::f16_falls_back_with_a_reason,
    ),
    (
        "a-named-precision-without-fallback-fails",
        fallback::a_named_precision_fails,
    ),
    (
        "all-without-fallback-has-an-unsupported-row",
        fallback::all_has_an_unsupported_row,
    ),
    (
        "ceilings-are-figures-or-say-why-not",
        peak::ceilings_are_figures_or_say_why_not,
    ),
    (
        "every-format-has-every-ceiling",
        peak::every_format_has_every_ceiling,
    ),
    ("a-path-runs-as-named", kernels::a_path_runs_as_named),
    ("a-kernel-runs-as-named", kernels::a_kernel_runs_as_named),
    (
        "what-cannot-run-is-reported",
        kernels::what_cannot_run_is_reported,
    ),
    (
        "one-batch-size-that-cannot-run-leaves-the-others",
        kernels::one_batch_size_that_cannot_run_leaves_the_others,
    ),
    (
        "what-was-tuned-is-remembered",
        kernels::what_was_tuned_is_remembered,
    ),
    (
        "a-damaged-cache-is-ignored",
        kernels::a_damaged_cache_is_ignored,
    ),
    (
        "a-breakdown-has-every-kernel",
        kernels::a_breakdown_has_every_kernel,
    ),
    (
        "matrix-units-that-are-not-there-are-refused",
        matrix::on_is_refused_where_there_are_none,
    ),
    (
        "matrix-units-run-f16-and-nothing-else",
        matrix::on_runs_f16_there_and_nothing_else,
    ),
    (
        "matrix-units-are-said-to-be-used-or-not",
        matrix::auto_and_off_say_what_ran,
    ),
    (
        "the-trial-of-matrix-units-is-remembered",
        matrix::the_trial_is_remembered,
    ),
    (
        "matrix-units-are-tuned-beside-other-kernels",
        matrix::auto_chooses_among_all_where_they_are_worth_it,
    ),
    (
        "labels-of-matrix-units-are-those-of-other-kernels",
        matrix::labels_are_those_of_other_kernels,
    ),
    (
        "matrix-units-do-not-contradict",
        matrix::contradictions_are_usage_errors,
    ),
    (
        "a-part-is-verified-as-the-schema-says",
        verify::a_part_passes_as_the_schema_says,
    ),
    (
        "what-cannot-be-checked-is-not-well",
        verify::what_cannot_be_checked_is_not_well,
    ),
    (
        "without-a-choice-the-cpu-is-measured-too",
        selection::without_a_choice_the_cpu_is_measured_too,
    ),
    ("the-index-selects", selection::the_index_selects),
    ("the-backend-selects", selection::the_backend_selects),
    (
        "part-of-the-name-selects",
        selection::part_of_the_name_selects,
    ),
    (
        "variables-select-and-the-flag-beats-them",
        selection::variables_select,
    ),
];

/// Those that inject a fault, which takes the cargo feature.
const FAULT_TESTS: &[(&str, Test)] = &[
    (
        "a-lost-device-keeps-the-rows-that-are-finished",
        faults::a_lost_device_keeps_the_rows_that_are_finished,
    ),
    (
        "a-silent-device-is-given-up",
        faults::a_silent_device_is_given_up,
    ),
    (
        "other-commands-report-a-lost-and-a-silent-device",
        faults::other_commands_report_a_lost_and_a_silent_device,
    ),
    (
        "a-lost-or-silent-device-keeps-the-ceilings-that-were-measured",
        faults::a_lost_or_silent_device_keeps_the_ceilings_that_were_measured,
    ),
    (
        "a-lack-of-memory-fails-one-row",
        faults::a_lack_of_memory_fails_one_row,
    ),
    (
        "a-wrong-kernel-fails-only-its-row",
        faults::a_wrong_kernel_fails_only_its_row,
    ),
    (
        "a-row-that-no-kernel-computes-fails",
        faults::a_row_that_no_kernel_computes_fails,
    ),
    (
        "a-wrong-kernel-is-replaced",
        faults::a_wrong_kernel_is_replaced,
    ),
    (
        "a-shader-that-does-not-compile-is-reported",
        faults::a_shader_that_does_not_compile_is_reported,
    ),
    (
        "a-kernel-that-does-not-compile-is-skipped",
        faults::a_kernel_that_does_not_compile_is_skipped,
    ),
    (
        "a-binding-larger-than-the-adapter-takes-is-reported",
        faults::a_binding_larger_than_the_adapter_takes_is_reported,
    ),
    #[cfg(unix)]
    (
        "an-interrupt-ends-a-run-whose-device-is-silent",
        faults::an_interrupt_ends_a_run_whose_device_is_silent,
    ),
    ("what-is-broken-is-found", verify::what_is_broken_is_found),
    #[cfg(target_os = "linux")]
    (
        "a-failed-check-counts-more-than-a-lost-output",
        verify::a_failed_check_counts_more_than_a_lost_output,
    ),
    (
        "a-lost-device-keeps-the-checks-that-were-made",
        verify_faults::a_lost_device_keeps_the_checks_that_were_made,
    ),
    (
        "a-silent-device-keeps-the-checks-that-were-made",
        verify_faults::a_silent_device_keeps_the_checks_that_were_made,
    ),
    (
        "a-check-without-memory-leaves-the-others",
        verify_faults::a_check_without_memory_leaves_the_others,
    ),
];

fn main() {
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials()).exit();
}

fn trials() -> Vec<Trial> {
    if common::skips() {
        let reason = format!("{} is set", common::SKIP);
        let ignored = move || Ok(Completion::ignored_with(reason));
        return vec![Trial::ignorable_test("every GPU test", ignored)];
    }
    let adapters: Vec<Adapter> = support::gpu_adapters().iter().map(Adapter::new).collect();
    if adapters.is_empty() {
        let message = format!(
            "no GPU adapter on this machine; a software one: apt-get install mesa-vulkan-drivers \
             libvulkan1; or skip these tests with {}=1",
            common::SKIP
        );
        let fails = move || Err(Failed::from(message));
        return vec![Trial::test("an adapter is there", fails)];
    }
    let mut trials = Vec::new();
    for adapter in adapters {
        for &(name, test) in TESTS.iter().chain(FAULT_TESTS) {
            let injects = FAULT_TESTS.iter().any(|&(other, _)| other == name);
            let name = format!("{}-{}/{name}", adapter.backend, adapter.index);
            if injects && !common::INJECTS_FAULTS {
                trials.push(common::needs_faults(name));
                continue;
            }
            let adapter = adapter.clone();
            trials.push(Trial::test(name, move || {
                test(&adapter);
                Ok(())
            }));
        }
    }
    trials
}
