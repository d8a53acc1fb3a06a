//! `shader`: a kernel's WGSL text, as the driver gets it.

use clap::Args;
use fmnist_gpu::adapter::MatrixUnits;
use fmnist_gpu::error::UsageError;
use fmnist_gpu::gpu::kernel::{self, input_name, output_name};
use fmnist_gpu::model::{self, Activation};
use fmnist_gpu::plan::{
    Arithmetic, Fusion, KERNEL_VARIANTS, KernelVariant, LayerInput, LayerKernel, LayerOutput,
    NetworkKernel, Pass, Subgroups, TESTED_PARTS, Tile,
};
use fmnist_gpu::precision::Float;
use fmnist_gpu::report::Table;
use fmnist_gpu::{Error, Precision, Result, Scheme};

use super::{help, options, terminal};

/// The calls that its help shows.
const EXAMPLES: &help::Examples = &[
    ("fmnist-gpu shader --list", "list the kernels"),
    (
        "fmnist-gpu shader broadcast-4x32 --precision int8",
        "print one of them",
    ),
    (
        "fmnist-gpu shader register-8x8 --input values --output outputs --activation softmax",
        "print it as a network's last layer",
    ),
];

/// Print the WGSL text of a kernel exactly as the driver gets it
///
/// KERNEL is a kernel variant, as in --kernel (broadcast-4x32), or a kernel that --list shows (softmax). By
/// default a layer is the first layer of a network, which reads pixels.
#[derive(Debug, Args)]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES))]
pub struct Arguments {
    /// Kernel variant or kernel to print
    #[arg(value_name = "KERNEL", required_unless_present = "list")]
    kernel: Option<String>,

    /// What a layer reads: pixels or values; in int8 also quantized-pixels, quantized, quantized-rows, or
    /// pre-activation-NAME with the name of an activation
    #[arg(long, value_name = "INPUT", help_heading = help::MODEL)]
    input: Option<String>,

    /// What a layer writes: f32, f16, bf16, quantized, quantized-rows, outputs, pre-activation, partial-sums
    #[arg(long, value_name = "OUTPUT", help_heading = help::MODEL)]
    output: Option<String>,

    /// Activation, for example relu
    #[arg(long, value_name = "NAME", help_heading = help::MODEL)]
    activation: Option<Activation>,

    /// Columns of the layer, or of the widest layer of a whole network; the kernel's tile is narrowed to them
    #[arg(
        long,
        value_name = "N",
        value_parser = options::positive,
        help_heading = help::MODEL,
        hide_short_help = true
    )]
    columns: Option<usize>,

    /// Element type [default: the first that the kernel has]
    #[arg(long, value_name = "P", help_heading = help::PRECISION)]
    precision: Option<Precision>,

    /// Scheme of a whole int8 network: dynamic-tensor, dynamic-row or static
    #[arg(long, value_name = "SCHEME", help_heading = help::PRECISION, hide_short_help = true)]
    scheme: Option<Scheme>,

    /// Lanes of the adapter's subgroups
    #[arg(
        long,
        default_value = "32",
        value_name = "N",
        value_parser = options::positive,
        help_heading = help::DEVICE,
        hide_short_help = true
    )]
    subgroup: usize,

    /// Rows of the matrices that the adapter's matrix units multiply: 8 or 16
    #[arg(
        long,
        default_value = "16",
        value_name = "N",
        value_parser = ["8", "16"],
        help_heading = help::DEVICE,
        hide_short_help = true
    )]
    matrix_size: String,

    /// List the kernels, and what each of them does
    #[arg(long, conflicts_with = "kernel", help_heading = help::OUTPUT)]
    list: bool,

    /// Tile of a kernel family: 'register --tile 8x16' is register-8x16
    #[arg(long, value_name = "TILE", help_heading = help::ADVANCED)]
    tile: Option<String>,

    /// Round unfused f16 in integers, as on drivers that convert to f16 wrongly
    #[arg(long, help_heading = help::ADVANCED, hide_short_help = true)]
    round_in_integers: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Some(name) = &arguments.kernel else {
        return terminal::print(&list());
    };
    let (pass, precision) = arguments.find(name)?;
    let text = kernel::source(pass, precision, arguments.round_in_integers);
    let missing = || Error::missing(format!("kernel for {pass:?} in {precision}"));
    terminal::print(&text.ok_or_else(missing)?)
}

/// Every kernel, its element types, and what it does.
fn list() -> String {
    let row = |kernel: kernel::Summary| {
        let elements = kernel.elements.iter().map(|precision| precision.name());
        let elements = elements.collect::<Vec<_>>().join(" ");
        vec![kernel.name.to_owned(), elements, kernel.does]
    };
    let rows = kernel::summaries().map(row).collect();
    let table = Table::of(&["kernel", "precisions", "what it does"], 3, rows);
    table.render(terminal::layout())
}

impl Arguments {
    /// The pass that is meant, and its element type.
    fn find(&self, kernel: &str) -> Result<(Pass, Precision)> {
        let name = match &self.tile {
            Some(tile) => format!("{}-{tile}", kernel.replace('_', "-")),
            None => kernel.to_owned(),
        };
        if let Some(found) = self.unfused(&name)? {
            return Ok(found);
        }
        let of_kernel = |variant: &&KernelVariant| {
            let mut passes = Precision::EVERY.into_iter().flat_map(|precision| {
                let passes = variant
                    .test_kernels(precision, self.subgroups())
                    .into_iter();
                passes.map(move |pass| (pass, precision))
            });
            passes.any(|(pass, precision)| kernel::name(pass, precision) == name)
        };
        let variant = KernelVariant::find(&name);
        let variant = variant.or_else(|| KERNEL_VARIANTS.iter().find(of_kernel).copied());
        let Some(variant) = variant else {
            return Err(unknown(&name));
        };
        let has = |&precision: &Precision| {
            let variants = variant.test_kernels(precision, self.subgroups());
            variants.iter().any(|&pass| {
                // A kernel's name may say more than its variant's: network_int8.
                name == variant.name || kernel::name(pass, precision) == name
            })
        };
        let precisions: Vec<Precision> = Precision::EVERY.into_iter().filter(has).collect();
        let precision = choose(
            variant.name,
            "precision",
            self.precision.map(|precision| precision.name().to_owned()),
            &precisions,
            |precision| precision.name().to_owned(),
        )?;
        let pass = match variant.fusion {
            Fusion::Unfused(tiling) => Pass::Matmul(tiling),
            Fusion::Layers(tile) => Pass::Layer(self.layer(variant, tile, &name, precision)?),
            Fusion::Network {
                rows,
                lanes,
                k_lanes,
            } => Pass::Network(self.network(variant, [rows, lanes, k_lanes], &name, precision)?),
        };
        Ok((pass, precision))
    }

    fn subgroups(&self) -> Subgroups {
        let lanes = self.subgroup.try_into().unwrap_or(u32::MAX);
        Subgroups {
            lanes,
            matrix_units: Some(MatrixUnits {
                size: if self.matrix_size == "8" { 8 } else { 16 },
                lanes,
            }),
        }
    }

    /// The pass of this name that is neither a layer nor a network; none where there is none.
    fn unfused(&self, name: &str) -> Result<Option<(Pass, Precision)>> {
        let mut passes = kernel::variants(self.subgroups());
        passes.retain(|&(pass, precision)| {
            let named = name == kernel::variant_name(pass) || name == kernel::name(pass, precision);
            named && !matches!(pass, Pass::Layer(_) | Pass::Network(_))
        });
        if passes.is_empty() {
            return Ok(None);
        }
        self.take_none(
            name,
            &[
                ("--input", self.input.is_some()),
                ("--output", self.output.is_some()),
                ("--scheme", self.scheme.is_some()),
                ("--columns", self.columns.is_some()),
            ],
        )?;
        if let Some(wanted) = self.activation {
            let of = |pass| match pass {
                Pass::Activation(which) | Pass::Epilogue(which) => Some(which.name().to_owned()),
                _ => None,
            };
            let mut names: Vec<String> = passes.iter().filter_map(|&(pass, _)| of(pass)).collect();
            names.dedup();
            choose(
                name,
                "activation",
                Some(wanted.name().to_owned()),
                &names,
                Clone::clone,
            )?;
            passes.retain(|&(pass, _)| of(pass).as_deref() == Some(wanted.name()));
        }
        let wanted = self.precision.map(|precision| precision.name().to_owned());
        let mut seen = Vec::new();
        passes.retain(|&(_, precision)| {
            let new = !seen.contains(&precision);
            seen.push(precision);
            new
        });
        let of = |(_, precision): &(Pass, Precision)| precision.name().to_owned();
        choose(name, "precision", wanted, &passes, of).map(Some)
    }

    fn layer(
        &self,
        variant: KernelVariant,
        tile: Tile,
        kernel: &str,
        precision: Precision,
    ) -> Result<LayerKernel> {
        let name = variant.name;
        self.take_none(name, &[("--scheme", self.scheme.is_some())])?;
        let mut tile = tile.on(self.subgroups());
        let columns = self.columns.map(|columns| {
            let groups = columns.div_ceil(4).min(1 << 30);
            u32::try_from(groups).unwrap_or(1 << 30)
        });
        if let Some(columns) = columns {
            tile = tile.narrowed(columns);
        }
        let of = format!("{name} in {precision}");
        let input = self.input.clone();
        let input = choose(&of, "input", input, &inputs(precision), |&one| {
            input_name(one)
        })?;
        let of = format!("{of} from {}", input_name(input));
        let mut outputs = outputs(variant.arithmetic, precision, input, tile);
        if variant.split && kernel == name {
            outputs.insert(0, LayerOutput::PartialSums(TESTED_PARTS));
        }
        let output = self.output.clone();
        let output = choose(&of, "output", output, &outputs, |&one| {
            output_name(one).to_owned()
        })?;
        let of = format!("{of} to {}", output_name(output));
        let mut arithmetic = variant.arithmetic;
        if variant.split && output.parts() == 1 {
            // The second dispatch, which adds what the first one left.
            tile = Tile::sum(TESTED_PARTS, columns.unwrap_or(1024));
            arithmetic = arithmetic.of_sums();
        }
        let activation = self.activation.map(|one| one.name().to_owned());
        let activations = activations(output, tile);
        let activation = choose(&of, "activation", activation, &activations, |one| {
            one.name().to_owned()
        })?;
        Ok(LayerKernel {
            tile,
            arithmetic,
            input,
            output,
            activation,
        })
    }

    fn network(
        &self,
        variant: KernelVariant,
        [rows, lanes, k_lanes]: [u32; 3],
        kernel: &str,
        precision: Precision,
    ) -> Result<NetworkKernel> {
        self.take_none(
            variant.name,
            &[
                ("--input", self.input.is_some()),
                ("--output", self.output.is_some()),
                ("--activation", self.activation.is_some()),
                ("--columns", self.columns.is_some() && rows > 1),
            ],
        )?;
        let of = format!("{} in {precision}", variant.name);
        let schemes: &[Scheme] = match (precision, kernel) {
            (Precision::Int8, "network_int8") => &[Scheme::DynamicTensor],
            (Precision::Int8, "network_quantized") => &[Scheme::DynamicRow, Scheme::Static],
            (Precision::Int8, _) => &Scheme::ALL,
            _ => &[],
        };
        let quantized = if schemes.is_empty() {
            self.take_none(&of, &[("--scheme", self.scheme.is_some())])?;
            None
        } else {
            let wanted = self.scheme.map(|scheme| scheme.to_string());
            match choose(&of, "scheme", wanted, schemes, ToString::to_string)? {
                Scheme::DynamicRow => Some(model::InputFormat::Rows),
                Scheme::Static => Some(model::InputFormat::Static),
                Scheme::DynamicTensor => None,
            }
        };
        let groups = self.columns.unwrap_or(784).div_ceil(4);
        let groups: u32 = groups.try_into().unwrap_or(1 << 30);
        Ok(NetworkKernel {
            rows,
            lanes,
            k_lanes,
            arithmetic: variant.arithmetic,
            widest: NetworkKernel::groups_held(rows, groups),
            quantized,
        })
    }

    /// Refuses the options that `kernel` does not have.
    fn take_none(&self, kernel: &str, given: &[(&str, bool)]) -> Result<()> {
        match given.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(Error::Usage(UsageError::OptionConflict {
                option: (*option).to_owned(),
                reason: format!("{kernel} has only one variant, so the option changes nothing"),
                remedy: format!("drop {option}"),
            })),
            None => Ok(()),
        }
    }
}

/// The one of `all` whose name is `wanted`; without one, the first.
fn choose<T: Clone>(
    of: &str,
    what: &str,
    wanted: Option<String>,
    all: &[T],
    name: impl Fn(&T) -> String,
) -> Result<T> {
    let found = match &wanted {
        Some(wanted) => all.iter().find(|one| name(one) == *wanted),
        None => all.first(),
    };
    found.cloned().ok_or_else(|| {
        let wanted = wanted.unwrap_or_default();
        let names: Vec<String> = all.iter().map(name).collect();
        if names.is_empty() {
            return Error::Usage(UsageError::OptionConflict {
                option: format!("--{what}"),
                reason: format!("{of} has no {what}"),
                remedy: format!("drop --{what}"),
            });
        }
        Error::Usage(UsageError::InvalidValue {
            what: format!("--{what} of {of}"),
            given: format!("'{wanted}'"),
            expected: names.join(", "),
        })
    })
}

fn unknown(name: &str) -> Error {
    let variants = KERNEL_VARIANTS.iter().map(|variant| variant.name);
    let kernels = kernel::summaries().map(|kernel| kernel.name);
    Error::unknown_name("kernel", name, variants.chain(kernels))
}

/// Every activation that goes element by element.
fn elementwise() -> impl Iterator<Item = Activation> {
    let all = Activation::ALL.into_iter();
    all.filter(|&activation| activation != Activation::Softmax)
}

/// What a layer can read in a precision.
fn inputs(precision: Precision) -> Vec<LayerInput> {
    let mut inputs = vec![LayerInput::Pixels, LayerInput::Values];
    if precision == Precision::Int8 {
        inputs.extend(elementwise().map(LayerInput::PreActivation));
        inputs.extend([
            LayerInput::QuantizedPixels,
            LayerInput::Quantized,
            LayerInput::QuantizedRows,
        ]);
    }
    inputs
}

/// What a layer can write that reads `input`.
fn outputs(
    arithmetic: Arithmetic,
    precision: Precision,
    input: LayerInput,
    tile: Tile,
) -> Vec<LayerOutput> {
    if precision == Precision::Int8 && !input.is_quantized() {
        return vec![LayerOutput::PreActivation];
    }
    let own = match precision {
        Precision::Int8 => LayerOutput::Quantized,
        precision => LayerOutput::Float(precision.float()),
    };
    let mut outputs = vec![own];
    if arithmetic != Arithmetic::Matrix {
        let all = [Float::F32, Float::F16, Float::Bf16].map(LayerOutput::Float);
        let all = all.into_iter().chain([LayerOutput::Quantized]);
        outputs.extend(all.filter(|output| *output != own));
    }
    let rows = outputs.len() > 1 && tile.holds_rows(1);
    outputs.push(LayerOutput::Outputs);
    outputs.extend(rows.then_some(LayerOutput::QuantizedRows));
    outputs
}

/// What a layer can end in that writes `output`.
fn activations(output: LayerOutput, tile: Tile) -> Vec<Activation> {
    match output {
        LayerOutput::PreActivation | LayerOutput::PartialSums(_) => vec![Activation::Identity],
        LayerOutput::Outputs if tile.holds_rows(1) => Activation::ALL.to_vec(),
        _ => elementwise().collect(),
    }
}
