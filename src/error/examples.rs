//! An example of every error, for the tests and for the list of all messages.

use std::io;
use std::time::Duration;

use super::{CheckError, Error, FileError, InternalError, UsageError};

/// An adapter's name.
const ADAPTER: &str = "NVIDIA H200 (vulkan, discrete)";

/// At least one example of every variant, in the order of the exit codes.
#[must_use]
pub fn all() -> Vec<Error> {
    let mut all = Vec::new();
    all.extend(internal());
    all.extend(rejections());
    all.extend(names().map(Error::Usage));
    all.extend(options().map(Error::Usage));
    all.extend(models().map(Error::Usage));
    all.extend(kernels().map(Error::Usage));
    all.extend(baselines().map(Error::Usage));
    all.extend(unavailable());
    all.extend(checks().map(Error::CheckFailed));
    all.push(regression());
    all.extend(device());
    all.extend(files());
    all.push(several());
    all
}

fn internal() -> [Error; 3] {
    [
        Error::encoding("JSON", "number out of range"),
        Error::missing("kernel for Quantize in f16"),
        Error::Internal(InternalError::Panicked {
            what: "kernels/quantize".into(),
        }),
    ]
}

fn rejections() -> [Error; 3] {
    let reason = "Validation Error: Shader 'matmul.f32' parsing error";
    [
        Error::KernelRejected {
            kernel: "matmul.f32".into(),
            adapter: ADAPTER.into(),
            reason: reason.into(),
        },
        Error::CommandRejected {
            during: "running a batch".into(),
            adapter: ADAPTER.into(),
            reason: "Validation Error: buffer is destroyed".into(),
        },
        Error::Output {
            path: "results/bench.json".into(),
            source: io::Error::other("No space left on device (os error 28)"),
        },
    ]
}

fn names() -> [UsageError; 8] {
    let unknown = |given: &str, also: Option<&str>| UsageError::UnknownName {
        what: "precision",
        given: given.into(),
        allowed: ["f32", "f16", "int8"].map(str::to_owned).to_vec(),
        also: also.map(str::to_owned),
    };
    [
        unknown("f17", None),
        unknown("f17", Some("a list of them, or all, or every")),
        UsageError::Environment {
            variable: "WGPU_BACKEND",
            source: Box::new(UsageError::UnknownName {
                what: "backend",
                given: "opencl".into(),
                allowed: ["vulkan", "metal", "dx12", "gl"]
                    .map(str::to_owned)
                    .to_vec(),
                also: None,
            }),
        },
        UsageError::InvalidValue {
            what: "the batch size".into(),
            given: "0".into(),
            expected: "at least 1".into(),
        },
        UsageError::UnknownExtension {
            path: "result.xlsx".into(),
        },
        UsageError::FormatUnavailable {
            command: "verify",
            format: "html",
            allowed: "table, json, csv or markdown",
        },
        UsageError::UnknownCheck {
            given: "convolution".into(),
        },
        UsageError::NoDevice,
    ]
}

fn options() -> [UsageError; 2] {
    [
        UsageError::OptionUnused {
            option: "--scheme".into(),
            used_for: "int8".into(),
            remedy: "add --precision int8".into(),
        },
        UsageError::OptionConflict {
            option: "--kernel avx2".into(),
            reason: "avx2 runs only on the CPU path".into(),
            remedy: "add --adapter cpu".into(),
        },
    ]
}

fn models() -> [UsageError; 14] {
    let model = "model.safetensors";
    let mode = "int8 static";
    [
        UsageError::AlreadyQuantized {
            model: model.into(),
            mode: mode.into(),
        },
        UsageError::LayerCountMismatch {
            model: model.into(),
            layers: 2,
            given: 1,
        },
        UsageError::LayerPrecisionsMissing {
            model: model.into(),
            layers: 2,
        },
        UsageError::MixedUnavailable { what: "a layer" },
        UsageError::SchemeUnavailable {
            scheme: "dynamic-tensor",
            reason: "needs the same precision in all layers",
        },
        UsageError::CalibrationImagesMissing { mode: mode.into() },
        UsageError::CalibrationRangeMissing { layer: 1 },
        UsageError::TooFewCalibrationImages {
            requested: 5000,
            available: 1000,
        },
        UsageError::TooManyParameters {
            layers: "784-33554432-10".into(),
            limit: 1 << 28,
            option: "--hidden",
        },
        UsageError::ActivationsMismatch {
            layers: 2,
            given: 3,
        },
        UsageError::NoAccuracy {
            option: "--max-accuracy-drop",
        },
        UsageError::SizeOverflow {
            layers: "784-18446744073709551615-10".into(),
            batch: 32,
        },
        UsageError::NotSquare { pixels: 785 },
        UsageError::NotWholeImages {
            pixels: 785,
            width: 784,
            model: model.into(),
        },
    ]
}

fn kernels() -> [UsageError; 4] {
    [
        UsageError::NoBatch,
        UsageError::KernelUnsuitable {
            kernel: "coop-2x4",
            precision: "f16",
            batch: 8,
            adapter: ADAPTER.into(),
            reason:
                "this run does not use matrix units (see --matrix-units and 'fmnist-gpu adapters')"
                    .into(),
        },
        UsageError::NoKernel {
            which: "of the network path".into(),
            precision: "int8",
            batch: 8,
            adapter: ADAPTER.into(),
        },
        UsageError::OperandsTooShort {
            kernel: "Quantize".into(),
            needed: vec![64, 256],
        },
    ]
}

fn baselines() -> [UsageError; 8] {
    let baseline = || "main".to_owned();
    [
        UsageError::BaselineFolderUnknown {
            variable: "FMNIST_GPU_CACHE_DIR",
        },
        UsageError::BaselineNameIsFile {
            given: "v1.json".into(),
        },
        UsageError::BaselineUnfit {
            baseline: baseline(),
            problem: "its run ended early",
        },
        UsageError::BaselineDiffers {
            baseline: baseline(),
            what: "driver",
            before: "'570.86'".into(),
            now: "'575.51'".into(),
        },
        UsageError::BaselineSchemeDiffers {
            mode: "int8 static".into(),
            baseline: baseline(),
            there: "int8".into(),
        },
        UsageError::RowDiffers {
            row: "f16 at batch 32".into(),
            baseline: baseline(),
            reason: "it ran on the CPU".into(),
        },
        UsageError::NoCommonRow {
            baseline: baseline(),
        },
        UsageError::NothingJudged {
            baseline: baseline(),
            pairs: 50,
        },
    ]
}

fn unavailable() -> [Error; 6] {
    [
        Error::AdapterNotFound {
            selector: "metal".into(),
            found: format!("0 {ADAPTER}, 1 CPU path"),
            hint: " The package mesa-vulkan-drivers has a software Vulkan driver.".into(),
        },
        Error::DeviceUnavailable {
            adapter: ADAPTER.into(),
            reason: "the driver supports fewer storage buffers than requested".into(),
        },
        Error::MatrixUnitsUnavailable {
            adapter: ADAPTER.into(),
            reason: "the adapter has no cooperative matrices, by which shaders use matrix units"
                .into(),
        },
        Error::PrecisionUnavailable {
            adapter: ADAPTER.into(),
            precision: "f16",
            reason: "the adapter has no shader-f16, the feature for 16-bit floats".into(),
        },
        Error::NothingChecked {
            skipped: 12,
            reason: "no time was left of --max-time 1s".into(),
        },
        Error::KernelUnavailable {
            kernel: "avx512",
            found: "avx2, portable".into(),
        },
    ]
}

fn checks() -> [CheckError; 11] {
    let mode = || "f16".to_owned();
    let unmet = |limits: &[&str]| CheckError::LimitsNotMet {
        limits: limits.iter().map(|&limit| limit.to_owned()).collect(),
        verdict: "No measured row can be recommended; f16 at batch 1 comes closest.".into(),
    };
    [
        CheckError::ChecksFailed {
            failed: 1,
            made: 1200,
            first: "kernels/matmul 16x16 f16".into(),
            detail: "the largest error is 0.5, and 0.01 is allowed".into(),
        },
        CheckError::RowsFailed {
            failed: 1,
            rows: 6,
            first: "f16 at batch 32: its outputs differ from the reference result: only 9,000 of 10,000 labels are \
                    equal; report it with the output of 'fmnist-gpu adapters'"
                .to_owned(),
        },
        CheckError::DiffersFromReference {
            problem: "only 9,000 of 10,000 labels are equal".into(),
        },
        CheckError::NotRepeatable,
        CheckError::WrongResult {
            what: "the microkernel of int8 (dot)".into(),
            device: ADAPTER.into(),
            problem: "lane 3 has 17, not 16".into(),
        },
        CheckError::MatrixUnitsWrong {
            adapter: ADAPTER.into(),
            reason: "coop-2x4: 1 of 3 outputs differs".into(),
        },
        CheckError::OutOfRange {
            mode: mode(),
            problem: "layers.0 has the value 7.000000e4, more than binary16's largest number 65504; \
                      use bf16, f32 or int8"
                .into(),
        },
        CheckError::ConstantAnswer {
            mode: "int8 static".into(),
            problem: "all 200 calibration images get the same outputs (label 8); calibrate with other images"
                .into(),
        },
        CheckError::TrainingDiverged {
            epoch: 1,
            learning_rate: 10.0,
        },
        unmet(&["--max-latency"]),
        unmet(&[]),
    ]
}

fn regression() -> Error {
    Error::Regression {
        baseline: "main".into(),
        rows: vec!["f32 at batch 32 is slower: 1.21 times the time".into()],
    }
}

fn device() -> [Error; 6] {
    let (adapter, during) = (|| ADAPTER.to_owned(), || "running a batch".to_owned());
    [
        Error::TooLarge {
            what: "layers.0.weight".into(),
            unit: "bytes",
            needed: 8 << 30,
            limit: 2 << 30,
            adapter: adapter(),
        },
        Error::OutOfMemory {
            adapter: adapter(),
            during: during(),
        },
        Error::HostMemory {
            what: "the outputs of 10000 images".into(),
            needed: 13 << 20,
        },
        Error::HostThreads {
            what: "llvmpipe (vulkan, software)".into(),
            needed: 7,
            reason: "Resource temporarily unavailable (os error 11)".into(),
        },
        Error::NoAnswer {
            adapter: adapter(),
            during: during(),
            waited: Duration::from_secs(60),
        },
        Error::DeviceLost {
            adapter: adapter(),
            during: during(),
            reason: "the driver was reset".into(),
        },
    ]
}

fn files() -> [Error; 7] {
    let model = "model.safetensors";
    [
        Error::file(
            "data/t10k-images-idx3-ubyte",
            FileError::unreadable("No such file or directory (os error 2)"),
        ),
        Error::file(
            model,
            FileError::model("layers.0.bias[1] is inf, not a finite number"),
        ),
        Error::file(
            model,
            FileError::quantized_model("the metadata has no 'precision'"),
        ),
        Error::file(
            "data/t10k-images-idx3-ubyte",
            FileError::images("the header ends before dimension 1"),
        ),
        Error::file(
            "before.json",
            FileError::baseline("its schema is 3; this program reads 1 and 2"),
        ),
        Error::file(
            "verified.json",
            FileError::verify_result("not a result of 'verify --format json'"),
        ),
        Error::file(
            model,
            FileError::unsuitable(
                "is quantized, but float weights are needed here",
                "use the model that it was made from",
            ),
        ),
    ]
}

fn several() -> Error {
    Error::Several {
        first: Box::new(regression()),
        others: vec![Error::CheckFailed(CheckError::RowsFailed {
            failed: 1,
            rows: 6,
            first:
                "f16 at batch 32: it gave different results for the same batch; update the driver"
                    .into(),
        })],
        note: Some("nothing was saved as main".into()),
    }
}
