//! Every backend can express every variant, or refuses it for the reason that is known.

use naga::Scalar;
use naga::back::{glsl, hlsl, spv};

use super::variant::*;
use super::write::*;

#[test]
fn every_backend_can_express_every_variant() {
    every(variants(), |variant| {
        let checked = variant.checked()?;
        let mut failures = Vec::new();
        for target in targets(variant) {
            for guarded in [true, false] {
                let layout = Layout::of(variant, guarded);
                if let Err(reason) = layout.write(&checked, target) {
                    failures.push(format!("{target:?}, guarded {guarded}: {reason}"));
                }
            }
        }
        if failures.is_empty() {
            Ok(())
        } else {
            Err(failures.join("; "))
        }
    });
}

#[test]
fn f16_is_refused_by_glsl_for_want_of_the_type() {
    every(f16(), |variant| {
        let checked = variant.checked()?;
        let layout = Layout::of(variant, true);
        for version in GLSL {
            match layout.glsl(&checked, version) {
                // naga knows GLSL's own types only, and 16-bit floats are an extension.
                Err(glsl::Error::UnsupportedScalar(Scalar::F16)) => {}
                Err(other) => return Err(format!("{version}: another reason: {other}")),
                Ok(_) => return Err(format!("{version} took it: list it in `targets`")),
            }
        }
        Ok(())
    });
}

#[test]
fn int8_products_use_the_packed_dot_product_where_there_is_one() {
    let mut products = variants();
    products.retain(|variant| variant.has_packed_products().is_some());
    every(products, |variant| {
        let checked = variant.checked()?;
        let layout = Layout::of(variant, false);
        for target in targets(variant) {
            let offered = match target {
                _ if variant.has_packed_products() != Some(true) => false,
                Target::SpirV { dot_product } => dot_product,
                Target::Msl(major, minor) => (major, minor) >= (2, 1),
                Target::Hlsl(model) => model >= hlsl::ShaderModel::V6_4,
                Target::Glsl(_) => false,
            };
            if layout.write(&checked, target)?.has_packed_dot_product() != offered {
                return Err(format!("{target:?} should use it: {offered}"));
            }
        }
        Ok(())
    });
}

#[test]
fn every_backend_but_glsl_refuses_a_missing_binding() {
    every(variants(), |variant| {
        let checked = variant.checked()?;
        let (_, storage) = variant.kernel.bindings.split_last().ok_or("no bindings")?;
        let layout = Layout {
            storage,
            ..Layout::of(variant, true)
        };
        for target in targets(variant) {
            // In GLSL a buffer may go without a slot, and is then at 0.
            let may = matches!(target, Target::Glsl(_));
            let taken = layout.write(&checked, target).is_ok();
            if taken != may {
                return Err(format!("{target:?}: taken {taken}, should be {may}"));
            }
        }
        Ok(())
    });
}

#[test]
fn f16_is_refused_by_spir_v_without_the_capability() {
    // Takes the place of a device without 16-bit floats; the module itself is valid.
    every(f16(), |variant| {
        let checked = variant.checked()?;
        let options = spv::Options {
            capabilities: Some(
                [spv::Capability::Shader, spv::Capability::Matrix]
                    .into_iter()
                    .collect(),
            ),
            ..spv::Options::default()
        };
        match spv::write_vec(&checked.module, &checked.info, &options, None) {
            Err(spv::Error::MissingCapabilities(..)) => Ok(()),
            Err(other) => Err(format!("another reason: {other}")),
            Ok(_) => Err("taken".into()),
        }
    });
}

#[test]
fn subgroups_are_refused_by_spir_v_without_the_capability() {
    every(on_subgroups(), |variant| {
        let checked = variant.checked()?;
        let layout = Layout {
            subgroups: false,
            ..Layout::of(variant, true)
        };
        match layout.spir_v(&checked, false) {
            Err(spv::Error::MissingCapabilities(..)) => Ok(()),
            Err(other) => Err(format!("another reason: {other}")),
            Ok(_) => Err("taken".into()),
        }
    });
}
