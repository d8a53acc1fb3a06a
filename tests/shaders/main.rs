//! What every shader variant promises, checked with naga alone: no adapter, no driver.
//!
//! - Its text is valid WGSL and asks for nothing beyond the core language but 16-bit floats where it
//!   computes in them, and subgroups where its lanes exchange values.
//! - The loops over its tile are unrolled.
//! - Each backend that wgpu could give it to can express it: SPIR-V, Metal, HLSL and GLSL, with
//!   wgpu's runtime checks and without. The one exception is f16 in GLSL, which has no such type.
//! - Its `Params` lies in memory like the host's, its bindings are those of the kernel table, and
//!   it stays within what the smallest devices offer.
//!
//! Each of these checks is also shown to fail on a text that breaks the promise.

mod fixed_work;
mod interface;
mod lanes;
mod limits;
mod numerics;
mod peak;
mod translate;
mod variant;
mod write;

use naga::valid::{Capabilities, ValidationFlags, Validator};

use variant::{check, every, f16, on_subgroups, variants};

#[test]
fn every_variant_is_valid_with_only_its_own_capabilities() {
    every(variants(), |variant| variant.checked().map(drop));
}

#[test]
fn f16_is_refused_without_the_capability() {
    every(f16(), |variant| {
        // The parser refuses `enable f16` already; the validator must refuse the types as well.
        let module = naga::front::wgsl::parse_str(&variant.text).map_err(|e| e.to_string())?;
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
        let parsed = check(&variant.text, Capabilities::empty()).err();
        let validated = validator.validate(&module).err();
        let parsed = parsed.ok_or("the parser took it")?;
        let validated = validated.ok_or("the validator took it")?;
        let validated = validated.emit_to_string(&variant.text);
        let named = parsed.contains("f16") && validated.contains("FLOAT16");
        if named {
            Ok(())
        } else {
            Err(format!("refused for another reason: {parsed} {validated}"))
        }
    });
}

#[test]
fn subgroups_are_refused_without_the_capability() {
    every(on_subgroups(), |variant| {
        let capabilities = variant.capabilities() - Capabilities::SUBGROUP;
        let refused = check(&variant.text, capabilities).err();
        let reason = refused.ok_or("taken")?;
        if reason.to_lowercase().contains("subgroup") {
            Ok(())
        } else {
            Err(format!("refused for another reason: {reason}"))
        }
    });
}

/// A loop that is marked and still there has a limit that the host does not know.
#[test]
fn no_loop_over_a_tile_is_left() {
    every(variants(), |variant| {
        match variant
            .text
            .lines()
            .find(|line| line.contains("unrolled") || line.contains("spelled out"))
        {
            Some(line) => Err(format!("left: {line}")),
            None => Ok(()),
        }
    });
}
