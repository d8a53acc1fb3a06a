//! Which modes the options request.

use super::*;

/// The names of the modes of a network of two layers.
fn names(precisions: &str, schemes: &str, weights: &str, layers: &str) -> Result<String> {
    named(precisions, schemes, weights, layers, None, false)
}

fn named(
    precisions: &str,
    schemes: &str,
    weights: &str,
    layers: &str,
    own: Option<Mode>,
    fixed: bool,
) -> Result<String> {
    fn some<T: Listed>(text: &str) -> Option<Several<T>> {
        (!text.is_empty()).then(|| text.parse().unwrap())
    }
    let requested = RequestedModes {
        precisions: some(precisions),
        schemes: some(schemes),
        weights: some(weights),
        layers: some(layers).map_or(Vec::new(), |_: Several<Precision>| {
            layers.split(',').map(|one| one.parse().unwrap()).collect()
        }),
        default: Precision::ALL.to_vec(),
        default_scheme: None,
    };
    let subject = ModeContext {
        name: "net",
        layers: 2,
        own,
        fixed,
    };
    let modes = requested.modes(&subject)?;
    let names: Vec<String> = modes.iter().map(ToString::to_string).collect();
    Ok(names.join(" | "))
}

#[track_caller]
fn refused(result: Result<String>, words: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn precisions_schemes_and_weights_multiply() {
    assert_eq!(names("", "", "", "").unwrap(), "f32 | f16 | int8");
    assert_eq!(
        names("every", "", "", "").unwrap(),
        Precision::EVERY.map(Precision::name).join(" | ")
    );
    assert_eq!(names("int8", "static", "", "").unwrap(), "int8 static");
    assert_eq!(
        names("int8,f32", "all", "", "").unwrap(),
        "int8 | int8, weights by tensor | int8 static | int8 static, weights by tensor | \
         int8 dynamic-tensor | f32"
    );
    assert_eq!(
        names("int8", "all", "channel", "").unwrap(),
        "int8 | int8 static | int8 dynamic-tensor"
    );
    assert_eq!(
        names("int8", "static", "all", "").unwrap(),
        "int8 static | int8 static, weights by tensor"
    );
    assert_eq!(
        names("int8", "", "all", "").unwrap(),
        "int8 | int8, weights by tensor"
    );
    assert_eq!(names("all", "", "channel", "").unwrap(), "f32 | f16 | int8");
    refused(
        names("f32", "static", "channel", ""),
        "--scheme is only for int8",
    );
    refused(names("f32,f16", "all", "", ""), "add --precision int8");
    refused(
        names("f32", "", "channel", ""),
        "--weights is only for int8",
    );
    refused(
        names("all", "dynamic-tensor", "channel", ""),
        "--scheme dynamic-row",
    );
}

#[test]
fn layers_of_their_own_are_a_row_of_their_own() {
    let all = names("", "", "", "f16,int8").unwrap();
    assert_eq!(all, "f32 | f16 | int8 | f16,int8");
    let one = names("mixed", "static", "tensor", "f16,int8").unwrap();
    assert_eq!(one, "f16,int8 static, weights by tensor");
    assert_eq!(names("f32", "", "", "f16,f32").unwrap(), "f32 | f16,f32");
    refused(
        names("mixed", "all", "", "f16,f32"),
        "use int8 in --layer-precision",
    );
    assert_eq!(
        names("mixed", "all", "channel", "f16,int8").unwrap(),
        "f16,int8 | f16,int8 static"
    );
    refused(names("mixed", "", "", ""), "--layer-precision");
    refused(
        names("", "", "", "f16"),
        "net has 2 layers, but --layer-precision gives 1",
    );
    refused(names("", "", "", "f16,mixed"), "cannot be mixed");
    refused(
        names("mixed", "dynamic-tensor", "", "f16,int8"),
        "the same precision in all layers",
    );
}

#[test]
fn a_model_may_say_how_its_layers_differ() {
    let layers = vec![Precision::Bf16, Precision::Int8];
    let own = Mode::mixed(layers, Scheme::Static, WeightScales::Tensor).unwrap();
    let with = |precisions| named(precisions, "", "", "", Some(own.clone()), false).unwrap();
    let name = own.to_string();
    assert_eq!(with("mixed"), name);
    assert_eq!(with("all"), format!("f32 | f16 | int8 | {name}"));
    assert_eq!(with("f32"), "f32");
}

#[test]
fn a_model_may_say_how_int8_is_quantized() {
    let with = |own: &Mode, precisions, schemes, weights| {
        named(precisions, schemes, weights, "", Some(own.clone()), false).unwrap()
    };
    let own = Mode::int8(Scheme::Static, WeightScales::Tensor);
    let name = own.to_string();
    assert_eq!(with(&own, "int8", "", ""), name);
    assert_eq!(with(&own, "", "", ""), format!("f32 | f16 | {name}"));
    assert_eq!(with(&own, "int8", "", "channel"), "int8 static");
    assert_eq!(
        with(&own, "int8", "dynamic-tensor", ""),
        "int8 dynamic-tensor"
    );
    // The reference scheme's one scale is no choice that would hold for another scheme.
    let own = Mode::reference_int8();
    assert_eq!(with(&own, "int8", "", ""), "int8 dynamic-tensor");
    assert_eq!(with(&own, "int8", "static", ""), "int8 static");
}

#[test]
fn a_quantized_file_runs_in_its_own_mode_only() {
    let own = Mode::int8(Scheme::Static, WeightScales::Channel);
    let with = |precisions, schemes, weights, layers| {
        named(
            precisions,
            schemes,
            weights,
            layers,
            Some(own.clone()),
            true,
        )
    };
    for precisions in ["", "int8", "all", "every"] {
        assert_eq!(with(precisions, "", "", "").unwrap(), "int8 static");
    }
    assert_eq!(with("", "all", "channel", "").unwrap(), "int8 static");
    for (precisions, schemes, weights, layers) in [
        ("f32", "", "", ""),
        ("int8,f32", "", "", ""),
        ("", "dynamic-row", "", ""),
        ("int8", "", "tensor", ""),
        ("", "", "", "f16,int8"),
    ] {
        refused(with(precisions, schemes, weights, layers), "quantized");
    }
}

#[test]
fn lists_say_what_they_take() {
    for (text, words) in [("f64", "every"), ("f32,,f16", "every")] {
        let error = text.parse::<Several<Precision>>().unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!("dynamic".parse::<Several<Scheme>>().is_err());
    let two: Several<Scheme> = "static,dynamic-row,static".parse().unwrap();
    assert_eq!(two.list, [Scheme::Static, Scheme::DynamicRow]);
    assert!(two.named);
}
