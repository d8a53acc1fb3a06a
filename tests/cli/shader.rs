//! `shader`: what it prints is what the engine compiles.

use std::collections::HashSet;
use std::ffi::OsStr;

use fmnist_gpu::adapter::MatrixUnits;
use fmnist_gpu::gpu::kernel::{self, input_name, output_name};
use fmnist_gpu::model::InputFormat;
use fmnist_gpu::plan::{Fusion, KERNEL_VARIANTS, KernelFamily, Pass, Subgroups};
use fmnist_gpu::{Precision, Scheme};
use naga::valid::{Capabilities, ValidationFlags, Validator};

use crate::support::{Ended, command, has, run};

const SUBGROUPS: Subgroups = Subgroups {
    lanes: 8,
    matrix_units: Some(MatrixUnits { size: 16, lanes: 8 }),
};

fn shader(arguments: &[impl AsRef<OsStr>]) -> Ended {
    run(command().arg("shader").args(arguments))
}

/// The arguments that ask for a variant, and the text that the engine compiles for it.
struct Case {
    arguments: Vec<String>,
    compiled: String,
}

impl Case {
    fn new(name: &str, pass: Pass, precision: Precision, options: &[(&str, &str)]) -> Self {
        let round = options.iter().any(|(option, _)| *option == ROUND);
        let options = options.iter().flat_map(|(option, value)| [*option, *value]);
        let all = [name, "--precision", precision.name()].into_iter();
        let all = all.chain(options).filter(|word| !word.is_empty());
        Self {
            arguments: all.map(str::to_owned).collect(),
            compiled: kernel::source(pass, precision, round).expect("a variant"),
        }
    }

    /// Whether the command prints valid WGSL, and just what the engine compiles.
    fn check(&self) -> Result<(), String> {
        let printed = shader(&self.arguments).good();
        let failed = |reason: String| Err(format!("{:?}: {reason}", self.arguments));
        let module = match naga::front::wgsl::parse_str(&printed) {
            Ok(module) => module,
            Err(error) => return failed(error.emit_to_string(&printed)),
        };
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
        if let Err(error) = validator.validate(&module) {
            return failed(error.emit_to_string(&printed));
        }
        let mut lines = printed.lines().zip(self.compiled.lines());
        match lines.find(|(printed, compiled)| printed != compiled) {
            Some((printed, compiled)) => failed(format!("'{printed}' is not '{compiled}'")),
            None if printed != self.compiled => failed("other lengths".into()),
            None => Ok(()),
        }
    }
}

const ROUND: &str = "--round-in-integers";

/// Every variant of the kernel table.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (pass, precision) in kernel::variants(SUBGROUPS) {
        if matches!(pass, Pass::Layer(_) | Pass::Network(_)) {
            continue;
        }
        let name = kernel::variant_name(pass);
        cases.push(Case::new(&name, pass, precision, &[]));
        if precision == Precision::F16 {
            cases.push(Case::new(&name, pass, precision, &[(ROUND, "")]));
        }
    }
    for variant in KERNEL_VARIANTS {
        for precision in Precision::EVERY {
            for pass in variant.test_kernels(precision, SUBGROUPS) {
                cases.push(of_variant(variant.name, pass, precision));
            }
        }
    }
    cases
}

fn of_variant(name: &str, pass: Pass, precision: Precision) -> Case {
    match pass {
        Pass::Layer(layer) => {
            let columns = match layer.tile.family {
                KernelFamily::Sum { .. } => layer.tile.lanes / layer.tile.row_lanes,
                KernelFamily::Rows { column_lanes } => column_lanes,
                _ => layer.tile.groups,
            };
            let options = [
                ("--subgroup", "8"),
                ("--matrix-size", "16"),
                ("--columns", &(4 * columns).to_string()),
                ("--input", &input_name(layer.input)),
                ("--output", output_name(layer.output)),
                ("--activation", layer.activation.name()),
            ];
            Case::new(name, pass, precision, &options)
        }
        Pass::Network(network) => {
            let columns = (4 * network.widest).to_string();
            let scheme = match network.quantized {
                None => Scheme::DynamicTensor,
                Some(InputFormat::Rows) => Scheme::DynamicRow,
                Some(_) => Scheme::Static,
            };
            let mut options = Vec::new();
            if network.rows == 1 {
                options.push(("--columns", columns.as_str()));
            }
            if precision == Precision::Int8 {
                options.push(("--scheme", scheme.name()));
            }
            Case::new(name, pass, precision, &options)
        }
        other => panic!("{other:?} is not of a kernel variant"),
    }
}

#[test]
fn every_variant_is_printed_as_the_engine_compiles_it() {
    let cases = cases();
    let failures: Vec<String> = cases.iter().filter_map(|case| case.check().err()).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    let texts: HashSet<&str> = cases.iter().map(|case| case.compiled.as_str()).collect();
    assert!(texts.len() > 500, "{} different texts", texts.len());
}

#[test]
fn another_text_is_noticed() {
    let case = || Case::new("softmax", Pass::Softmax, Precision::F32, &[]);
    assert_eq!(case().check(), Ok(()));
    let changes: [fn(&mut Case); 4] = [
        |case| case.arguments[2] = "f16".into(),
        |case| case.compiled = case.compiled.replace("LANES = 64u", "LANES = 32u"),
        |case| case.compiled.push('\n'),
        |case| {
            case.arguments.push(ROUND.into());
            case.compiled.push_str("// rounded\n");
        },
    ];
    for change in changes {
        let mut case = case();
        change(&mut case);
        assert!(case.check().is_err(), "{:?}", case.arguments);
    }
}

#[test]
fn a_kernel_is_found_by_its_name_and_tile() {
    let by = |arguments: &[&str]| shader(arguments).good();
    assert_eq!(
        by(&["register", "--tile", "8x8", "--precision", "int8"]),
        by(&["register-8x8", "--precision", "int8"])
    );
    assert_eq!(by(&["subgroup_rows"]), by(&["subgroup-rows"]));
    assert_eq!(
        by(&["network_int8"]),
        by(&[
            "network-8",
            "--precision",
            "int8",
            "--scheme",
            "dynamic-tensor"
        ])
    );
    assert_eq!(by(&["matmul", "--tile", "1x4"]), by(&["matmul-1x4"]));
    assert_eq!(
        by(&["activation", "--activation", "tanh"]),
        by(&["activation-tanh", "--precision", "f32"])
    );
    // Without options, the first layer of a network.
    let first = by(&["register-8x8"]);
    has(
        &first,
        &["shaders/shared/input/pixels.wgsl", "const ACTIVATION = 0u;"],
    );
}

#[test]
fn the_list_names_every_kernel_and_what_it_does() {
    let list = fmnist!("shader", "--list").good();
    for kernel in kernel::summaries() {
        has(&list, &[kernel.name]);
        assert!(kernel.does.len() > 10, "{kernel:?}");
    }
    for name in KERNEL_VARIANTS
        .iter()
        .filter(|s| !matches!(s.fusion, Fusion::Unfused(_)))
    {
        fmnist!("shader", name.name).good();
    }
}

#[test]
fn what_does_not_exist_is_a_usage_error_that_lists_what_does() {
    let cases: [(&[&str], &[&str]); 8] = [
        (&["nosuch"], &["nosuch", "broadcast-4x32", "softmax"]),
        (&["softmax", "--precision", "int8"], &["int8", "f32, f16"]),
        (&["softmax", "--input", "pixels"], &["--input"]),
        (&["coop-1x4", "--precision", "f32"], &["f32", "use f16"]),
        (
            &["register-8x8", "--input", "nosuch"],
            &["nosuch", "pixels, values"],
        ),
        (
            &["register-8x8", "--output", "nosuch"],
            &["nosuch", "f32, f16, bf16"],
        ),
        (
            &["register-8x8", "--output", "f16", "--activation", "softmax"],
            &["softmax", "relu, sigmoid"],
        ),
        (&["network-8", "--scheme", "static"], &["--scheme"]),
    ];
    for (arguments, words) in cases {
        has(&shader(arguments).fails(2), words);
    }
}
