//! Every variant of the kernel table, parsed and validated.

use fmnist_gpu::Precision;
use fmnist_gpu::gpu::kernel::{self, Kernel};
use fmnist_gpu::plan::Pass;
use naga::Module;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

/// A row of the kernel table with its constants: what one pipeline is made from.
pub struct Variant {
    pub name: String,
    pub pass: Pass,
    pub elements: Precision,
    pub kernel: &'static Kernel,
    pub text: String,
}

impl Variant {
    pub fn new(pass: Pass, elements: Precision, round_in_integers: bool) -> Self {
        let shader = match pass {
            Pass::Matmul(tiling) => tiling.name.to_owned(),
            Pass::Activation(activation) => format!("activation ({activation:?})"),
            _ => kernel::name(pass).to_owned(),
        };
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
        match self.elements {
            Precision::F16 => Capabilities::SHADER_FLOAT16,
            Precision::F32 | Precision::Int8 => Capabilities::empty(),
        }
    }

    pub fn checked(&self) -> Result<Checked, String> {
        check(&self.text, self.capabilities())
    }
}

/// Every variant; those of f16 with both ways of rounding.
pub fn variants() -> Vec<Variant> {
    let rounding = |elements| match elements {
        Precision::F16 => vec![false, true],
        Precision::F32 | Precision::Int8 => vec![false],
    };
    let all = kernel::variants().into_iter();
    all.flat_map(|(pass, elements)| {
        let rounding = rounding(elements).into_iter();
        rounding.map(move |in_integers| Variant::new(pass, elements, in_integers))
    })
    .collect()
}

/// The variants in 16-bit floats.
pub fn f16() -> Vec<Variant> {
    let mut chosen = variants();
    chosen.retain(|variant| variant.elements == Precision::F16);
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
