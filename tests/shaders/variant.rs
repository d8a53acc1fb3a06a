//! Every variant of the kernel table, parsed and validated.

use std::collections::HashSet;

use fmnist_gpu::Precision;
use fmnist_gpu::adapter::MatrixUnits;
use fmnist_gpu::gpu::kernel::{self, Kernel};
use fmnist_gpu::plan::{Arithmetic, KernelFamily, Pass, Subgroups};
use naga::Module;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

/// A row of the kernel table with its constants: what one pipeline is made from.
pub struct Variant {
    pub name: String,
    pub pass: Pass,
    pub elements: Precision,
    pub kernel: Kernel,
    pub text: String,
}

impl Variant {
    pub fn new(pass: Pass, elements: Precision, round_in_integers: bool) -> Self {
        let shader = kernel::variant_name(pass);
        let rounding = if round_in_integers {
            ", rounded in integers"
        } else {
            ""
        };
        Self {
            name: format!("{shader} {elements}{rounding}"),
            pass,
            elements,
            kernel: kernel::find(pass, elements).expect("a row of the table"),
            text: kernel::source(pass, elements, round_in_integers).expect("a text"),
        }
    }

    /// The capabilities beyond the core language that it may use. The packed dot product of int8
    /// is none of them: naga counts it as part of the language.
    pub fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::empty();
        let has_f16 = self.elements == Precision::F16 || self.elements.group().is_some();
        if has_f16 && !self.native_f16() {
            // The packing of two f16 into a word, which is core WGSL.
            capabilities |= Capabilities::SHADER_FLOAT16_IN_FLOAT32;
        }
        if self.native_f16() {
            capabilities |= Capabilities::SHADER_FLOAT16;
        }
        if self.on_subgroups() {
            capabilities |= Capabilities::SUBGROUP;
        }
        if self.matrix_units().is_some() {
            capabilities |= Capabilities::COOPERATIVE_MATRIX;
        }
        capabilities
    }

    /// Whether its lanes exchange values within a subgroup.
    pub fn on_subgroups(&self) -> bool {
        matches!(self.pass, Pass::Layer(layer)
            if matches!(layer.tile.family, KernelFamily::Broadcast | KernelFamily::SubgroupRows | KernelFamily::CoopStaged(_)))
    }

    /// The matrix units that it is made for.
    pub fn matrix_units(&self) -> Option<MatrixUnits> {
        match self.pass {
            Pass::Layer(layer) => layer.tile.family.matrix_units(),
            _ => None,
        }
    }

    /// Whether its products are packed int8 dot products: of fused kernels, only those made for it.
    /// None where it is no product.
    pub fn has_packed_products(&self) -> Option<bool> {
        match self.pass {
            Pass::Matmul(_) => Some(self.elements == Precision::Int8),
            Pass::Layer(layer) => Some(layer.arithmetic == Arithmetic::Dot),
            Pass::Network(network) => Some(network.arithmetic == Arithmetic::Dot),
            _ => None,
        }
    }

    /// Whether it uses the f16 type: the passes of f16 do, fused kernels only where they compute in it.
    pub fn native_f16(&self) -> bool {
        match self.pass {
            Pass::Layer(layer) => layer.arithmetic == Arithmetic::Matrix,
            Pass::Network(_) => false,
            _ => self.elements == Precision::F16,
        }
    }

    /// Whether the text depends on how f16 is rounded.
    fn rounds_either_way(&self) -> bool {
        let fused = matches!(self.pass, Pass::Layer(_) | Pass::Network(_));
        self.elements == Precision::F16 && !fused
    }

    pub fn checked(&self) -> Result<Checked, String> {
        check(&self.text, self.capabilities())
    }
}

/// Every variant; those of f16 with both ways of rounding, those on matrix units for either size.
pub fn variants() -> Vec<Variant> {
    let mut all = kernel::variants(SUBGROUPS[0]);
    all.extend(kernel::variants(SUBGROUPS[1]));
    let mut seen = HashSet::new();
    all.retain(|variant| seen.insert(*variant));
    all.into_iter()
        .flat_map(|(pass, elements)| {
            let mut variants = vec![Variant::new(pass, elements, false)];
            if variants[0].rounds_either_way() {
                variants.push(Variant::new(pass, elements, true));
            }
            variants
        })
        .collect()
}

/// Subgroups as on software adapters, with small matrices, or with large ones.
pub const SUBGROUPS: [Subgroups; 2] = [small_subgroups(8), small_subgroups(16)];

const fn small_subgroups(size: u32) -> Subgroups {
    Subgroups {
        lanes: 8,
        matrix_units: Some(MatrixUnits { size, lanes: 8 }),
    }
}

/// The variants that need subgroups.
pub fn on_subgroups() -> Vec<Variant> {
    let mut chosen = variants();
    chosen.retain(Variant::on_subgroups);
    chosen
}

/// The variants in 16-bit floats.
pub fn f16() -> Vec<Variant> {
    let mut chosen = variants();
    chosen.retain(Variant::native_f16);
    chosen
}

/// Runs `test` on every one of `variants` and reports all failures together.
pub fn every(variants: Vec<Variant>, test: impl Fn(&Variant) -> Result<(), String>) {
    assert!(!variants.is_empty(), "a test of no variant at all");
    let failure = |variant: &Variant| Some(format!("{}: {}", variant.name, test(variant).err()?));
    let failures: Vec<String> = variants.iter().filter_map(failure).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// A module that has been validated.
pub struct Checked {
    pub module: Module,
    pub info: ModuleInfo,
}

/// Parses and validates `text` where only `capabilities` are allowed.
pub fn check(text: &str, capabilities: Capabilities) -> Result<Checked, String> {
    let options = naga::front::wgsl::Options {
        parse_doc_comments: false,
        capabilities,
    };
    let module = naga::front::wgsl::Frontend::new_with_options(options)
        .parse(text)
        .map_err(|error| error.emit_to_string(text))?;
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .map_err(|error| error.emit_to_string(text))?;
    Ok(Checked { module, info })
}

/// `text` with each replacement made, in order; each must have something to replace.
pub fn changed(text: &str, replacements: &[(&str, &str)]) -> String {
    let change = |text: String, &(from, to): &(&str, &str)| {
        assert!(text.contains(from), "nothing to replace: {from}");
        text.replace(from, to)
    };
    replacements.iter().fold(text.to_owned(), change)
}

/// Replacements that break a promise, and a word that the reason of the refusal must contain.
pub type Break<'a> = (&'a [(&'a str, &'a str)], &'a str);

/// Asserts that `test` refuses the variant's text after each of `breaks`, for its reason. The text
/// stays valid, or the refusal would prove nothing about `test`.
pub fn refuses(
    variant: &Variant,
    test: impl Fn(&Checked) -> Result<(), String>,
    breaks: &[Break<'_>],
) {
    let intact = variant.checked().expect("a valid text");
    assert_eq!(test(&intact), Ok(()), "refused even so");
    for (replacements, word) in breaks {
        let text = changed(&variant.text, replacements);
        let checked = check(&text, variant.capabilities()).expect("a valid text");
        let reason = test(&checked).expect_err(word);
        assert!(reason.contains(word), "not refused for {word}: {reason}");
    }
}
