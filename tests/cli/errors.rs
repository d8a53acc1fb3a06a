//! Exit quantized values 2 (usage) and 3 (no such adapter): what the words of the error must say.

use crate::support::{Fixture, command, gpu_adapters, has, run};

/// A call that cannot be meant ends with 2, and the error names what was wrong.
#[track_caller]
fn usage(arguments: &[&str], parts: &[&str]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let error = run(command().args(arguments).current_dir(folder.path())).fails(2);
    has(&error, parts);
    let left = std::fs::read_dir(folder.path()).expect("the folder");
    assert_eq!(left.count(), 0, "{arguments:?} left files");
}

#[test]
fn unknown_words_are_usage_errors() {
    usage(&["nosuch"], &["nosuch"]);
    usage(&["bench", "--nosuch"], &["--nosuch"]);
    usage(&["bench", "--precision", "f17"], &["f17", "int8"]);
    usage(&["bench", "--precision", "f32,"], &["--precision"]);
    usage(&["predict", "--precision", "all"], &["all"]);
    usage(&["bench", "--format", "xml"], &["xml", "markdown"]);
    usage(&["predict", "--format", "xml"], &["xml", "csv"]);
    usage(&["adapters", "--format", "xml"], &["xml"]);
    usage(&["memory", "--format", "xml"], &["xml"]);
    usage(&["peak", "--format", "xml"], &["xml", "markdown"]);
    usage(&["peak", "--min-time", "1"], &["--min-time", "250ms"]);
    usage(&["adapters", "--format", "csv"], &["csv", "json"]);
    usage(&["memory", "--format", "csv"], &["csv", "json"]);
    usage(
        &["bench", "--scheme", "nosuch"],
        &["nosuch", "dynamic-tensor"],
    );
    usage(
        &["predict", "--scheme", "nosuch"],
        &["nosuch", "dynamic-tensor"],
    );
    usage(
        &["bench", "--mask-features", "nosuch"],
        &["nosuch", "shader-f16"],
    );
    usage(&["bench", "--adapter", ""], &["--adapter"]);
}

#[test]
fn numbers_out_of_range_are_usage_errors() {
    usage(&["bench", "--batch", "0"], &["--batch", "'0'"]);
    usage(&["bench", "--batch", "1,0"], &["--batch", "'0'"]);
    usage(&["bench", "--batch", "-1"], &["-1"]);
    usage(&["bench", "--batch", "many"], &["many"]);
    usage(&["bench", "--batch", "99999999999999999999"], &["--batch"]);
    usage(&["predict", "--batch", "0"], &["--batch"]);
    usage(&["memory", "--batch", "0"], &["--batch"]);
    usage(&["bench", "--runs", "0"], &["--runs"]);
    usage(&["bench", "--warmup", "some"], &["--warmup"]);
    usage(&["bench", "--min-time", "5"], &["--min-time", "250ms"]);
    usage(&["bench", "--min-time", "soon"], &["--min-time", "250ms"]);
    usage(&["memory", "--limit", "some"], &["--limit", "100KiB"]);
    for size in ["99999999999999999999TiB", "18446744073709551615", "16EiB"] {
        usage(&["memory", "--limit", size], &["--limit", size, "below"]);
    }
    usage(&["train", "--epochs", "0", "--output", "m"], &["--epochs"]);
    usage(&["train", "--hidden", "0", "--output", "m"], &["--hidden"]);
    usage(&["train", "--int8-clip", "0", "--output", "m"], &["127"]);
    usage(&["train", "--int8-clip", "128", "--output", "m"], &["127"]);
    usage(&["train", "--seed", "-1", "--output", "m"], &["-1"]);
    usage(&["train"], &["--output"]);
}

#[test]
fn widths_that_are_no_network_are_usage_errors() {
    for layers in ["784", "784-", "784-0-10", "-", "784-x-10", "784,64,10"] {
        usage(&["memory", &format!("--layers={layers}")], &["784-64-10"]);
    }
    let both = ["memory", "--layers", "4-2", "--model", "m.safetensors"];
    usage(&both, &["--layers", "--model"]);
}

#[test]
fn an_output_whose_extension_names_no_format_is_a_usage_error() {
    for name in ["result.xlsx", "result"] {
        usage(&["bench", "--output", name], &[name, ".json"]);
    }
}

#[test]
fn a_variable_that_names_no_backend_is_a_usage_error() {
    for arguments in [["adapters"], ["bench"], ["predict"], ["peak"]] {
        let error = run(command().args(arguments).env("WGPU_BACKEND", "nosuch")).fails(2);
        has(&error, &["WGPU_BACKEND", "nosuch", "vulkan"]);
    }
}

/// An adapter that is not there: 3, with a list of what there is.
#[track_caller]
fn not_there(error: &str, requested: &str) {
    has(error, &[requested, "CPU path"]);
    for adapter in gpu_adapters() {
        has(error, &[adapter["name"].as_str().expect("a name")]);
    }
    let hint = error.contains("mesa-vulkan-drivers");
    assert_eq!(hint, cfg!(target_os = "linux"), "{error}");
}

#[test]
fn an_adapter_that_is_not_there_is_reported_with_those_that_are() {
    let fixture = Fixture::new();
    for requested in ["nosuch", "99"] {
        not_there(
            &fixture.bench(&["--adapter", requested]).fails(3),
            requested,
        );
        not_there(
            &fmnist!("predict", "--adapter", requested).fails(3),
            requested,
        );
        not_there(&fmnist!("peak", "--adapter", requested).fails(3), requested);
    }
}

#[test]
fn a_backend_that_this_system_lacks_is_reported_with_those_that_it_has() {
    let absent = if cfg!(target_os = "macos") {
        "dx12"
    } else {
        "metal"
    };
    not_there(&fmnist!("bench", "--adapter", absent).fails(3), absent);
    let mut command = command();
    command.arg("bench").env("WGPU_BACKEND", absent);
    let error = run(&mut command).fails(3);
    not_there(&error, &format!("'WGPU_BACKEND={absent}'"));
}

#[test]
fn an_adapter_that_a_variable_names_and_is_not_there_is_reported() {
    for arguments in [["bench"], ["predict"]] {
        let error = run(command().args(arguments).env("WGPU_ADAPTER_NAME", "nosuch")).fails(3);
        not_there(&error, "'WGPU_ADAPTER_NAME=nosuch'");
    }
    let mut command = command();
    let both = [("WGPU_BACKEND", "gl"), ("WGPU_ADAPTER_NAME", "nosuch")];
    let error = run(command.arg("bench").envs(both)).fails(3);
    not_there(&error, "'WGPU_BACKEND=gl WGPU_ADAPTER_NAME=nosuch'");
}

#[test]
fn an_index_of_a_list_that_a_variable_narrows_is_reported_with_the_variable() {
    let mut command = command();
    command.args(["bench", "--adapter", "99"]);
    let error = run(command.env("WGPU_BACKEND", "gl")).fails(3);
    not_there(&error, "'WGPU_BACKEND=gl --adapter 99'");
}
