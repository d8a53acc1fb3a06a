//! Every variant has an example, its exit code, and a message that says what to do.

use std::collections::BTreeSet;

use super::*;

/// The name of an error's variant, and its exit code. Without a wildcard: a new variant belongs here and into the
/// examples.
fn variant(error: &Error) -> (&'static str, u8) {
    match error {
        Error::Usage(usage) => (of_usage(usage), 2),
        Error::AdapterNotFound { .. } => ("AdapterNotFound", 3),
        Error::DeviceUnavailable { .. } => ("DeviceUnavailable", 3),
        Error::MatrixUnitsUnavailable { .. } => ("MatrixUnitsUnavailable", 3),
        Error::PrecisionUnavailable { .. } => ("PrecisionUnavailable", 3),
        Error::NothingChecked { .. } => ("NothingChecked", 3),
        Error::KernelUnavailable { .. } => ("KernelUnavailable", 3),
        Error::File { problem, .. } => (of_file(problem), 7),
        Error::Output { .. } => ("Output", 1),
        Error::CheckFailed(failed) => (of_check(failed), 4),
        Error::Regression { .. } => ("Regression", 5),
        Error::TooLarge { .. } => ("TooLarge", 6),
        Error::OutOfMemory { .. } => ("OutOfMemory", 6),
        Error::HostMemory { .. } => ("HostMemory", 6),
        Error::HostThreads { .. } => ("HostThreads", 6),
        Error::NoAnswer { .. } => ("NoAnswer", 6),
        Error::DeviceLost { .. } => ("DeviceLost", 6),
        Error::KernelRejected { .. } => ("KernelRejected", 1),
        Error::CommandRejected { .. } => ("CommandRejected", 1),
        Error::Internal(internal) => (of_internal(internal), 1),
        // That of the example's first failure, a regression.
        Error::Several { .. } => ("Several", 5),
    }
}

fn of_file(error: &FileError) -> &'static str {
    match error {
        FileError::Unreadable { .. } => "Unreadable",
        FileError::Model { .. } => "Model",
        FileError::QuantizedModel { .. } => "QuantizedModel",
        FileError::Images { .. } => "Images",
        FileError::Baseline { .. } => "Baseline",
        FileError::VerifyResult { .. } => "VerifyResult",
        FileError::Unsuitable { .. } => "Unsuitable",
    }
}

fn of_internal(error: &InternalError) -> &'static str {
    match error {
        InternalError::Encoding { .. } => "Encoding",
        InternalError::Missing { .. } => "Missing",
        InternalError::Panicked { .. } => "Panicked",
    }
}

fn of_check(error: &CheckError) -> &'static str {
    match error {
        CheckError::ChecksFailed { .. } => "ChecksFailed",
        CheckError::RowsFailed { .. } => "RowsFailed",
        CheckError::DiffersFromReference { .. } => "DiffersFromReference",
        CheckError::NotRepeatable => "NotRepeatable",
        CheckError::WrongResult { .. } => "WrongResult",
        CheckError::MatrixUnitsWrong { .. } => "MatrixUnitsWrong",
        CheckError::OutOfRange { .. } => "OutOfRange",
        CheckError::ConstantAnswer { .. } => "ConstantAnswer",
        CheckError::TrainingDiverged { .. } => "TrainingDiverged",
        CheckError::LimitsNotMet { .. } => "LimitsNotMet",
    }
}

fn of_usage(error: &UsageError) -> &'static str {
    match error {
        UsageError::UnknownName { .. } => "UnknownName",
        UsageError::InvalidValue { .. } => "InvalidValue",
        UsageError::Environment { .. } => "Environment",
        UsageError::UnknownExtension { .. } => "UnknownExtension",
        UsageError::FormatUnavailable { .. } => "FormatUnavailable",
        UsageError::UnknownCheck { .. } => "UnknownCheck",
        UsageError::OptionUnused { .. } => "OptionUnused",
        UsageError::OptionConflict { .. } => "OptionConflict",
        UsageError::AlreadyQuantized { .. } => "AlreadyQuantized",
        UsageError::LayerCountMismatch { .. } => "LayerCountMismatch",
        UsageError::LayerPrecisionsMissing { .. } => "LayerPrecisionsMissing",
        UsageError::MixedUnavailable { .. } => "MixedUnavailable",
        UsageError::SchemeUnavailable { .. } => "SchemeUnavailable",
        UsageError::CalibrationImagesMissing { .. } => "CalibrationImagesMissing",
        UsageError::CalibrationRangeMissing { .. } => "CalibrationRangeMissing",
        UsageError::TooFewCalibrationImages { .. } => "TooFewCalibrationImages",
        UsageError::TooManyParameters { .. } => "TooManyParameters",
        UsageError::ActivationsMismatch { .. } => "ActivationsMismatch",
        UsageError::NoAccuracy { .. } => "NoAccuracy",
        UsageError::SizeOverflow { .. } => "SizeOverflow",
        UsageError::NotSquare { .. } => "NotSquare",
        UsageError::NotWholeImages { .. } => "NotWholeImages",
        UsageError::NoBatch => "NoBatch",
        UsageError::KernelUnsuitable { .. } => "KernelUnsuitable",
        UsageError::NoKernel { .. } => "NoKernel",
        UsageError::OperandsTooShort { .. } => "OperandsTooShort",
        UsageError::NoDevice => "NoDevice",
        UsageError::BaselineFolderUnknown { .. } => "BaselineFolderUnknown",
        UsageError::BaselineNameIsFile { .. } => "BaselineNameIsFile",
        UsageError::BaselineUnfit { .. } => "BaselineUnfit",
        UsageError::BaselineDiffers { .. } => "BaselineDiffers",
        UsageError::BaselineSchemeDiffers { .. } => "BaselineSchemeDiffers",
        UsageError::RowDiffers { .. } => "RowDiffers",
        UsageError::NoCommonRow { .. } => "NoCommonRow",
        UsageError::NothingJudged { .. } => "NothingJudged",
    }
}

/// How many variants the matches above have; `Usage`, `CheckFailed`, `File` and `Internal` count as what they hold.
const VARIANTS: usize = 17 + 7 + 3 + 10 + 35;

/// What asks a reader to do something. A message names it behind a semicolon, after the cause.
const VERBS: [&str; 19] = [
    "accept",
    "add",
    "calibrate",
    "change",
    "check",
    "drop",
    "give",
    "make",
    "measure",
    "open",
    "raise",
    "report",
    "run",
    "set",
    "try",
    "unset",
    "update",
    "upload",
    "use",
];

fn says_what_to_do(message: &str) -> bool {
    let clauses = message.split("; ").skip(1);
    clauses
        .filter_map(|clause| clause.split(' ').next())
        .any(|word| VERBS.contains(&word))
}

#[test]
fn every_variant_has_an_example_with_its_exit_code() {
    let mut found = BTreeSet::new();
    for error in examples::all() {
        let (name, code) = variant(&error);
        assert_eq!(error.exit_code(), code, "{name}: {error}");
        found.insert(name);
    }
    assert_eq!(found.len(), VARIANTS, "{found:?}");
}

#[test]
fn every_message_says_what_to_do_in_two_lines_at_most() {
    for error in examples::all() {
        let message = error.to_string();
        assert!(says_what_to_do(&message), "no next step in: {message}");
        assert!(message.lines().count() <= 2, "too many lines: {message}");
        assert!(
            !message.ends_with('.') || message.contains(". "),
            "{message}"
        );
        assert!(!message.contains("  "), "two spaces in: {message}");
    }
}

#[test]
fn a_message_without_a_next_step_is_found() {
    assert!(!says_what_to_do("a batch holds at least one image"));
    assert!(!says_what_to_do("use of matrix units: off"));
    assert!(!says_what_to_do(
        "main is of another driver; nothing is compared"
    ));
    assert!(says_what_to_do("the batch size is 0; use at least 1"));
}

#[test]
fn names_are_listed_as_a_reader_writes_them() {
    let message = |names: &[&str]| Error::unknown_name("path", "x", names.to_vec()).to_string();
    assert_eq!(message(&["one"]), "unknown path 'x'; use one");
    assert_eq!(message(&["one", "two"]), "unknown path 'x'; use one or two");
    let error = Error::unknown_name("path", "x", ["one", "two", "three"]);
    assert_eq!(
        error.also_accepted("all").to_string(),
        "unknown path 'x'; use one, two or three; or all"
    );
}

#[test]
fn the_first_of_several_failures_decides_the_exit_code() {
    let together = |first: Error, others| Error::Several {
        first: Box::new(first),
        others,
        note: None,
    };
    for first in examples::all() {
        let code = first.exit_code();
        let others = examples::all();
        assert_eq!(together(first, others).exit_code(), code);
    }
}

#[test]
fn only_a_rejection_by_the_driver_leaves_other_kernels_to_try() {
    for error in examples::all() {
        let rejected = matches!(variant(&error).0, "KernelRejected" | "CommandRejected");
        assert_eq!(error.is_rejection(), rejected, "{error}");
        let of_kernel = error.of_kernel("matmul.f32");
        assert_eq!(
            variant(&of_kernel).0 == "KernelRejected",
            rejected,
            "{of_kernel}"
        );
    }
}

#[test]
fn this_module_uses_no_other_part_of_the_engine() {
    let files = [
        include_str!("mod.rs"),
        include_str!("check.rs"),
        include_str!("examples.rs"),
        include_str!("file.rs"),
        include_str!("internal.rs"),
        include_str!("usage.rs"),
    ];
    let used: Vec<&str> = files
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| line.contains("crate::"))
        .collect();
    assert_eq!(used, ["use crate::printable::printable;"]);
}
