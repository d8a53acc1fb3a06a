//! Requests that cannot be met.

use std::path::PathBuf;

/// A request that cannot be met.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// A name that is none of those that exist.
    #[error("unknown {what} '{given}'; use {}{}", any_of(.allowed), more(.also.as_deref()))]
    UnknownName {
        /// What it should name: a precision, a kernel.
        what: &'static str,
        /// The name.
        given: String,
        /// The names that exist.
        allowed: Vec<String>,
        /// What else is accepted, where it is more than the names.
        also: Option<String>,
    },

    /// A value out of its range.
    #[error("{what} is {given}; use {expected}")]
    InvalidValue {
        /// Which value.
        what: String,
        /// The value.
        given: String,
        /// Values that are accepted.
        expected: String,
    },

    /// An environment variable with a value that is not accepted.
    #[error("{variable}: {source}")]
    Environment {
        /// The variable.
        variable: &'static str,
        /// What is wrong with its value.
        source: Box<UsageError>,
    },

    /// An output file whose extension stands for no format.
    #[error("{}: no output format has this extension; use .html, .json, .csv, .md or .txt", .path.display())]
    UnknownExtension {
        /// The file.
        path: PathBuf,
    },

    /// A format that this command does not have.
    #[error("{command} has no {format} output; use {allowed}")]
    FormatUnavailable {
        /// The command.
        command: &'static str,
        /// The format.
        format: &'static str,
        /// The formats that it has.
        allowed: &'static str,
    },

    /// No check of `verify` has such a name.
    #[error(
        "no check has '{given}' in its name; run 'verify --format json' without --only to see all names"
    )]
    UnknownCheck {
        /// The part of a name.
        given: String,
    },

    /// An option that has no effect here.
    #[error("{option} is only for {used_for}; {remedy}")]
    OptionUnused {
        /// The option.
        option: String,
        /// What uses it.
        used_for: String,
        /// What to do.
        remedy: String,
    },

    /// An option that contradicts another option, or the device.
    #[error("{option} cannot be used here: {reason}; {remedy}")]
    OptionConflict {
        /// The option.
        option: String,
        /// What it contradicts.
        reason: String,
        /// What to do.
        remedy: String,
    },

    /// A quantized file cannot run in another mode, nor be quantized again.
    #[error(
        "{model} is already quantized and runs only as {mode}; use the model with float weights that it was made from"
    )]
    AlreadyQuantized {
        /// The file.
        model: String,
        /// The mode that it is stored in.
        mode: String,
    },

    /// The number of layer precisions is not the number of layers.
    #[error(
        "{model} has {layers} layers, but --layer-precision gives {given}; give a precision for each layer"
    )]
    LayerCountMismatch {
        /// The model.
        model: String,
        /// Its number of layers.
        layers: usize,
        /// The number of precisions.
        given: usize,
    },

    /// The precision mixed, without a precision for each layer.
    #[error(
        "mixed needs a precision for each of the {layers} layers of {model}; use --layer-precision"
    )]
    LayerPrecisionsMissing {
        /// The model.
        model: String,
        /// Its number of layers.
        layers: usize,
    },

    /// A layer, or a trained model, whose one precision would be mixed.
    #[error("the precision of {what} cannot be mixed; use f32, f16, bf16, int8 or int4")]
    MixedUnavailable {
        /// What has one precision.
        what: &'static str,
    },

    /// The reference scheme where only the other schemes can be used.
    #[error("the scheme {scheme} {reason}; use dynamic-row or static")]
    SchemeUnavailable {
        /// The scheme.
        scheme: &'static str,
        /// Why it cannot be used.
        reason: &'static str,
    },

    /// A mode that needs calibration images, without any.
    #[error("{mode} needs calibration images; give a folder with training images")]
    CalibrationImagesMissing {
        /// The mode.
        mode: String,
    },

    /// A calibration without a range for a layer.
    #[error(
        "the scheme static needs the range of the inputs of layers.{layer}, which the calibration does not have; \
         calibrate this model"
    )]
    CalibrationRangeMissing {
        /// The layer.
        layer: usize,
    },

    /// More calibration images than the program has inside.
    #[error(
        "{requested} calibration images were requested, but the program has {available}; use 1 to {available}, \
         or give --calibration-data a folder with more training images"
    )]
    TooFewCalibrationImages {
        /// How many were requested.
        requested: usize,
        /// How many there are.
        available: usize,
    },

    /// A network too large to be made.
    #[error(
        "a network of {layers} has more than {limit} parameters, the most that this program makes; use smaller widths in {option}"
    )]
    TooManyParameters {
        /// The widths from input to output.
        layers: String,
        /// The most parameters.
        limit: u64,
        /// The option that sets its widths.
        option: &'static str,
    },

    /// The number of activations is not the number of layers.
    #[error(
        "the network has {layers} layers, but --activations names {given}; give one for each layer"
    )]
    ActivationsMismatch {
        /// The number of layers.
        layers: usize,
        /// The number of activations.
        given: usize,
    },

    /// An option that needs the accuracy of a network, for one that has none.
    #[error(
        "{option} needs an accuracy, which a network of random weights does not have; use --model instead of --layers"
    )]
    NoAccuracy {
        /// The option.
        option: &'static str,
    },

    /// A network whose memory is beyond counting.
    #[error(
        "the memory of a network of {layers} at batch {batch} is too large to count in 64 bits; use smaller \
         widths or a smaller --batch"
    )]
    SizeOverflow {
        /// The widths of the layers.
        layers: String,
        /// The batch size.
        batch: usize,
    },

    /// Images that cannot be stored as square images.
    #[error("images of {pixels} pixels are not square; use square images")]
    NotSquare {
        /// Pixels of an image.
        pixels: usize,
    },

    /// Pixels that are not whole images.
    #[error(
        "{model} takes images of {width} values, and {pixels} pixels are not a multiple of that; give whole images"
    )]
    NotWholeImages {
        /// How many pixels there are.
        pixels: usize,
        /// Values of one image.
        width: usize,
        /// The model.
        model: String,
    },

    /// A network that is run before a batch was uploaded.
    #[error("the device has no batch yet; upload one before you run the network")]
    NoBatch,

    /// The requested kernel cannot run this network.
    #[error(
        "{kernel} cannot run this network in {precision} at batch {batch} on {adapter}: {reason}; use another \
         --kernel or --path, or drop the option"
    )]
    KernelUnsuitable {
        /// The kernel's name.
        kernel: &'static str,
        /// The precision.
        precision: &'static str,
        /// The batch size.
        batch: usize,
        /// The adapter's name.
        adapter: String,
        /// Why it cannot.
        reason: String,
    },

    /// No kernel of those that may be chosen can run this network.
    #[error(
        "no kernel {which} can run this network in {precision} at batch {batch} on {adapter}; use another \
         --path or --kernel, or drop the option"
    )]
    NoKernel {
        /// Which kernels may be chosen, as `of the fused path`.
        which: String,
        /// The precision.
        precision: &'static str,
        /// The batch size.
        batch: usize,
        /// The adapter's name.
        adapter: String,
    },

    /// Operands of a single kernel that are missing or too short.
    #[error(
        "{kernel} needs operands of {needed:?} bytes; give all of them, each at least that long"
    )]
    OperandsTooShort {
        /// The kernel.
        kernel: String,
        /// The bytes of each operand.
        needed: Vec<u64>,
    },

    /// A check without anything to check.
    #[error("there is no device to check; open an adapter or the CPU path first")]
    NoDevice,

    /// The folder of the baselines is unknown.
    #[error(
        "the folder for saved results is unknown, because the system names no data folder for the user; set \
             {variable} to a folder"
    )]
    BaselineFolderUnknown {
        /// The environment variable that can name it.
        variable: &'static str,
    },

    /// A file's name where a baseline's name belongs.
    #[error("'{given}' is a file name, but --save takes a name without an extension; drop '.json'")]
    BaselineNameIsFile {
        /// The name.
        given: String,
    },

    /// An earlier result that nothing can be compared with.
    #[error("cannot compare with {baseline}: {problem}; measure it again")]
    BaselineUnfit {
        /// The earlier result.
        baseline: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// An earlier result of another adapter, model or program.
    #[error(
        "{baseline} cannot be compared with this result: its {what} is {before}, and here it is {now}; {}",
        same(.what)
    )]
    BaselineDiffers {
        /// The earlier result.
        baseline: String,
        /// What differs.
        what: &'static str,
        /// As it was.
        before: String,
        /// As it is.
        now: String,
    },

    /// An earlier result that has this precision in another scheme only.
    #[error(
        "{mode} cannot be compared with {baseline}, which has this precision only as {there}; use the same \
         --scheme and --weights"
    )]
    BaselineSchemeDiffers {
        /// The mode.
        mode: String,
        /// The earlier result.
        baseline: String,
        /// The mode in the earlier result.
        there: String,
    },

    /// A row that was measured in another way than the same row of an earlier result.
    #[error("{row} cannot be compared with {baseline}: {reason}; measure both in the same way")]
    RowDiffers {
        /// The row.
        row: String,
        /// The earlier result.
        baseline: String,
        /// What differs.
        reason: String,
    },

    /// Two results that have no row in common.
    #[error(
        "{baseline} has no row in common with this result; use the same --precision and --batch"
    )]
    NoCommonRow {
        /// The earlier result.
        baseline: String,
    },

    /// A regression gate that had too few samples to judge any row.
    #[error(
        "no row has enough samples to compare its time with {baseline}: both runs need at least {pairs} of a \
         row; drop --min-time, or use --runs {pairs} in both runs"
    )]
    NothingJudged {
        /// The earlier result.
        baseline: String,
        /// How many samples are needed.
        pairs: usize,
    },
}

/// `a, b or c`
fn any_of(names: &[String]) -> String {
    match names {
        [] => "another".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn more(also: Option<&str>) -> String {
    also.map_or_else(String::new, |also| format!("; or {also}"))
}

/// How to compare two results that differ in this.
fn same(what: &str) -> String {
    match what {
        "model" => "use a baseline of the same model, or --allow-other-model".to_owned(),
        "list of adapters" => {
            "choose the same with --adapter, or use a baseline with the same list".to_owned()
        }
        what => format!("use a baseline with the same {what}"),
    }
}
