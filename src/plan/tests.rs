//! What plans hold, tried without a device.

use super::*;
use crate::adapter::{Kind, MatrixUnits};
use crate::model::{Activation, Format, LayerShape};

fn model(precision: Precision, widths: &[usize]) -> Architecture {
    let layers = widths.windows(2).map(|pair| LayerShape {
        inputs: pair[0],
        outputs: pair[1],
        activation: Activation::Relu,
        format: Format::of(precision, pair[0], 127),
    });
    Architecture::chain(layers.collect())
}

fn limits(binding_bytes: u64, workgroups: u32) -> Limits {
    Limits {
        binding_bytes,
        workgroups,
        storage_buffers: 8,
        invocations: 256,
        workgroup_bytes: 32 << 10,
        subgroup: Some(8),
        matrix_units: None,
        rejected: Vec::new(),
        kind: Kind::Software,
        adapter: "test".into(),
    }
}

#[test]
fn int8_has_all_eight_steps_of_each_layer() {
    let plan = Plan::new(
        &model(Precision::Int8, &[784, 64, 10]),
        32,
        KernelVariant::unfused(32),
        &limits(1 << 27, 65535),
    );
    let names: Vec<String> = plan
        .unwrap()
        .steps
        .iter()
        .map(|s| format!("{:?}", s.pass))
        .collect();
    let starts = |index: usize, name: &str| names[index].starts_with(name);
    assert_eq!(names.len(), 16);
    let layer = [
        "Matmul",
        "Bias",
        "AbsMax",
        "Quantize",
        "Dequantize",
        "Activation",
    ];
    for (index, name) in ["PixelMax", "QuantizePixels"]
        .iter()
        .chain(&layer)
        .enumerate()
    {
        assert!(starts(index, name), "{index}: {}", names[index]);
    }
    for (index, name) in ["AbsMax", "Quantize"].iter().chain(&layer).enumerate() {
        assert!(starts(index + 8, name), "{index}: {}", names[index + 8]);
    }
}

#[test]
fn chunks_fit_every_limit_and_cover_the_batch() {
    let mut split = 0;
    let cases: [((u64, u32), &[usize]); 5] = [
        ((1 << 16, 65535), &[50, 64, 10]),
        ((1 << 20, 7), &[50, 64, 10]),
        ((14_000, 3), &[50, 64, 10]),
        // Inner dimensions of which workgroups can have parts.
        ((1 << 21, 65535), &[900, 300, 10]),
        ((1 << 21, 14), &[900, 300, 10]),
    ];
    for ((binding, workgroups), widths) in cases {
        for precision in Precision::ALL {
            let limits = limits(binding, workgroups);
            let model = model(precision, widths);
            for &variant in KERNEL_VARIANTS {
                if variant.refused(&model, 1_000, &limits).is_some() {
                    continue;
                }
                // A row that no binding takes is refused, and so is not planned at all.
                let plan = match Plan::new(&model, 1_000, variant, &limits) {
                    Ok(plan) => plan,
                    Err(error) => {
                        assert_eq!(error.exit_code(), 6, "{error}");
                        continue;
                    }
                };
                assert_eq!(plan.chunks.first().unwrap().start, 0);
                assert_eq!(plan.chunks.last().unwrap().end, 1_000);
                assert!(
                    plan.chunks
                        .windows(2)
                        .all(|pair| pair[0].end == pair[1].start)
                );
                for range in &plan.chunks {
                    for (operand, bytes) in &plan.buffers {
                        assert!(bytes * range.len() as u64 <= binding, "{operand:?}");
                    }
                }
                split += usize::from(variant.split);
                for step in &plan.steps {
                    assert!(
                        step.grid.iter().all(|&n| (1..=workgroups).contains(&n)),
                        "{step:?}"
                    );
                }
            }
        }
    }
    assert!(split > 3, "{split}");
}

#[test]
fn tiles_of_packed_products_must_fit_beside_layers_that_have_none() {
    let dot = KernelVariant::find("workgroup-32x64-dot").unwrap();
    let Fusion::Layers(tile) = dot.fusion else {
        panic!("no tile");
    };
    let [packed, single] = [Arithmetic::Dot, Arithmetic::F32].map(|of| tile.workgroup_bytes(of));
    assert!(packed < single);
    let int8 = model(Precision::Int8, &[50, 64, 10]);
    let mut mixed = int8.clone();
    mixed.layers[1].format = Format::of(Precision::F16, 64, 127);
    let refused = |model: &Architecture, bytes: u64| {
        let limits = Limits {
            workgroup_bytes: bytes as u32,
            ..limits(1 << 27, 65535)
        };
        dot.refused(model, 100, &limits)
    };
    assert_eq!(refused(&int8, packed), None);
    assert!(refused(&mixed, single - 1).is_some_and(|reason| reason.contains("memory")));
    assert_eq!(refused(&mixed, single), None);
}

#[test]
fn a_large_batch_is_cut_into_short_submits() {
    let model = model(Precision::F32, &[4096, 4096, 10]);
    for (kind, batch, submits) in [
        (Kind::Discrete, 100, 1),
        (Kind::Discrete, 5_000, 9),
        (Kind::Software, 100, 1),
        (Kind::Software, 5_000, 34),
    ] {
        let variant = KernelVariant::unfused(batch);
        let limits = Limits {
            kind,
            ..limits(1 << 27, 65535)
        };
        let plan = Plan::new(&model, batch, variant, &limits).unwrap();
        assert_eq!(plan.submits.first().unwrap().start, 0);
        assert_eq!(plan.submits.last().unwrap().end, plan.steps.len());
        assert!(
            plan.submits
                .windows(2)
                .all(|pair| pair[0].end == pair[1].start)
        );
        assert_eq!(plan.submits.len(), submits);
        for range in &plan.submits {
            let sum: u64 = plan.steps[range.clone()]
                .iter()
                .map(|step| step.operations)
                .sum();
            assert!(sum <= limits.operations_a_submit());
        }
    }
}

#[test]
fn a_layer_too_wide_for_a_dispatch_is_refused() {
    // 32 columns a workgroup of the wide tiling.
    let plan = |outputs| {
        Plan::new(
            &model(Precision::F32, &[1, outputs]),
            9,
            KernelVariant::unfused(9),
            &limits(1 << 30, 100),
        )
    };
    assert!(plan(3_200).is_ok());
    assert_eq!(plan(3_201).unwrap_err().exit_code(), 6);
}

#[test]
fn weights_larger_than_a_binding_are_refused() {
    let plan = |bytes| {
        let variant = KernelVariant::unfused(1);
        Plan::new(
            &model(Precision::F32, &[100, 100]),
            1,
            variant,
            &limits(bytes, 9),
        )
    };
    let error = plan(39_999).unwrap_err();
    assert_eq!(error.exit_code(), 6);
    assert!(error.to_string().contains("layers.0.weight"));
    assert!(plan(40_000).is_ok());
}

/// The dispatches of a kernel variant, by the beginnings of their names.
fn passes(name: &str, precision: Precision, batch: usize) -> Vec<String> {
    let variant = KernelVariant::find(name).unwrap();
    let model = model(precision, &[784, 64, 10]);
    let plan = Plan::new(&model, batch, variant, &limits(1 << 27, 65535));
    let names = plan.unwrap().steps.into_iter().map(|step| {
        let name = format!("{:?}", step.pass);
        name.split(['(', ' ']).next().unwrap().to_owned()
    });
    names.collect()
}

#[test]
fn a_fused_layer_is_one_dispatch_and_nothing_only_converts() {
    assert_eq!(
        passes("register-8x8", Precision::F32, 32),
        ["Layer", "Layer"]
    );
    assert_eq!(
        passes("broadcast-4x32", Precision::F16, 32),
        ["Layer", "Layer"]
    );
    let int8 = ["PixelMax", "Layer", "Layer", "Epilogue"];
    assert_eq!(passes("register-8x8-dot", Precision::Int8, 32), int8);
}

#[test]
fn a_whole_network_is_one_dispatch() {
    assert_eq!(passes("network-8", Precision::F32, 32), ["Network"]);
    assert_eq!(passes("network-8", Precision::Int8, 1), ["Network"]);
}

#[test]
fn variants_are_refused_where_they_would_be_wrong() {
    let limits = limits(1 << 27, 65535);
    let narrow = [784, 64, 10];
    let deep = [1041, 64, 10];
    let refused = |name: &str, widths: &[usize], precision, batch| {
        let variant = KernelVariant::find(name).unwrap();
        let model = model(precision, widths);
        variant.refused(&model, batch, &limits).is_some()
    };
    // 1041 · 127² is more than f32 counts to, 1040 · 127² is not.
    assert!(refused("register-8x8", &deep, Precision::Int8, 9));
    assert!(!refused("register-8x8-dot", &deep, Precision::Int8, 9));
    assert!(!refused(
        "register-8x8",
        &[1040, 64, 10],
        Precision::Int8,
        9
    ));
    assert!(!refused("register-8x8", &deep, Precision::F32, 9));
    // The images of a batch share their scales in int8.
    assert!(refused("network-8", &narrow, Precision::Int8, 2));
    assert!(!refused("network-8", &narrow, Precision::Int8, 1));
    // 784 · 64 and 64 · 12 weights of four bytes, in one binding.
    let bytes = 4 * (784 * 64 + 64 * 12);
    let network = KernelVariant::find("network-8").unwrap();
    for (binding_bytes, fits) in [(bytes, true), (bytes - 1, false)] {
        let limits = Limits {
            binding_bytes,
            ..limits.clone()
        };
        let refused = network.refused(&model(Precision::F32, &narrow), 1, &limits);
        assert_eq!(refused.is_none(), fits, "{refused:?}");
    }
    // Arithmetic of another precision.
    assert!(refused("register-8x8-dot", &narrow, Precision::F32, 9));
    assert!(refused("coop-2x4", &narrow, Precision::F32, 9));
    // Subgroups of no known size.
    let none = Limits {
        subgroup: None,
        ..limits.clone()
    };
    let broadcast = KernelVariant::find("broadcast-4x32").unwrap();
    let narrow = model(Precision::F32, &narrow);
    assert!(broadcast.refused(&narrow, 9, &none).is_some());
    assert!(broadcast.refused(&narrow, 9, &limits).is_none());
}

#[test]
fn every_likely_kernel_exists_and_names_are_unique() {
    for kind in [Kind::Software, Kind::Discrete] {
        for precision in Precision::ALL {
            for batch in [1, 8, 1_000] {
                let limits = Limits {
                    kind,
                    ..limits(1 << 27, 65535)
                };
                let model = model(precision, &[784, 64, 10]);
                let all = KernelVariant::candidates(&model, batch, &limits, Kernels::Any);
                assert!(all.len() >= 2, "{kind} {precision} {batch}");
            }
        }
    }
    let mut names: Vec<&str> = KERNEL_VARIANTS.iter().map(|variant| variant.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), KERNEL_VARIANTS.len());
}

fn with_matrix_units(size: u32, lanes: u32) -> Limits {
    Limits {
        matrix_units: Some(MatrixUnits { size, lanes }),
        kind: Kind::Discrete,
        ..limits(1 << 27, 65535)
    }
}

#[test]
fn tiles_for_matrix_units_are_made_of_the_adapters_matrices() {
    let tile = |name, limits: &Limits| {
        let Fusion::Layers(tile) = KernelVariant::find(name).unwrap().fusion else {
            panic!("{name} is no tile");
        };
        tile.on(limits.subgroups())
    };
    let (small, large) = (with_matrix_units(8, 8), with_matrix_units(16, 32));
    let coop = tile("coop-2x4", &large);
    assert_eq!((coop.lanes, coop.workgroup()), (32, (32, 16)));
    assert_eq!(tile("coop-2x4", &small).workgroup(), (16, 8));
    assert_eq!(coop.grid(100, 17), [2, 4, 1]);
    // Never less than a matrix; then it has whole rows of ten columns, in three groups.
    assert_eq!((coop.narrowed(1).groups, coop.narrowed(5).groups), (4, 8));
    assert!(coop.narrowed(3).holds_rows(3));
    let staged = tile("coop-staged-4x4", &large);
    assert_eq!((staged.lanes, staged.workgroup()), (128, (128, 32)));
    assert!(!staged.narrowed(3).holds_rows(3));
    // 128 × 40 and 32 × 136 values in f16, of which 8 in each row are padding, and a row of 16 × 64 sums in f32 for each subgroup.
    assert_eq!(
        staged.workgroup_bytes(Arithmetic::Matrix),
        10_240 + 8704 + 16_384
    );
}

#[test]
fn matrix_units_run_f16_and_nothing_else() {
    let model = |precision| model(precision, &[784, 64, 10]);
    let candidates = |precision, limits: &Limits, kernels| {
        let all = KernelVariant::candidates(&model(precision), 1000, limits, kernels);
        let coop = all.iter().filter(|s| s.on_matrix_units()).count();
        (coop, all.len() - coop)
    };
    let (with, without) = (with_matrix_units(16, 32), limits(1 << 27, 65535));
    assert_eq!(candidates(Precision::F16, &without, Kernels::Any).0, 0);
    assert_eq!(candidates(Precision::F32, &with, Kernels::Any).0, 0);
    let (coop, others) = candidates(Precision::F16, &with, Kernels::Any);
    assert!(coop > 1 && others > 1);
    assert_eq!(
        candidates(Precision::F16, &with, Kernels::MatrixUnits),
        (coop, 0)
    );
    let first = KernelVariant::candidates(&model(Precision::F16), 1000, &with, Kernels::Any);
    assert!(first[0].on_matrix_units() && !first[1].on_matrix_units());
    let rejected = Limits {
        rejected: vec!["coop-2x4"],
        ..with.clone()
    };
    let (fewer, _) = candidates(Precision::F16, &rejected, Kernels::Any);
    assert_eq!(fewer, coop - 1);
    assert_eq!(
        candidates(Precision::F16, &without, Kernels::MatrixUnits),
        (0, 0)
    );
}

#[test]
fn weights_for_matrix_units_are_whole_matrices() {
    let coop = KernelVariant::find("coop-2x4").unwrap();
    let with = with_matrix_units(16, 32);
    let small = model(Precision::F16, &[50, 10]);
    let plan = Plan::new(&small, 7, coop, &with).unwrap();
    assert_eq!(plan.weights, WeightLayout::Matrices(16));
    let [step] = plan.steps.as_slice() else {
        panic!("{:?}", plan.steps);
    };
    // 64 × 16 values of two bytes.
    assert_eq!(
        operand_bytes(step.pass, Precision::F16, step.params)[1],
        2048
    );
    let too_small = Limits {
        binding_bytes: 2047,
        ..with
    };
    let reason = coop.refused(&small, 7, &too_small);
    assert!(reason.is_some_and(|reason| reason.contains("does not fit in one buffer binding")));
    let plan = Plan::new(&small, 7, KernelVariant::unfused(7), &too_small);
    assert!(plan.is_ok(), "in blocks they fit");
}

#[test]
fn workgroups_share_the_inner_dimension_where_there_are_too_few_of_them() {
    let split = KernelVariant::find("workgroup-32x64-split").unwrap();
    let limits = Limits {
        kind: Kind::Discrete,
        ..limits(1 << 27, 65535)
    };
    let deep = model(Precision::F32, &[4096, 1024, 10]);
    let parts = |batch| {
        let plan = Plan::new(&deep, batch, split, &limits).unwrap();
        let parts = plan.steps.iter().filter_map(|step| match step.pass {
            Pass::Layer(layer) => Some((layer.output.parts(), step.grid)),
            _ => None,
        });
        parts.collect::<Vec<_>>()
    };
    // 16 and 1 workgroups of 32 × 64. Four steps of 16 are the least of a part: 1024 inner values have 16 parts at most.
    let first = [(16, [16, 1, 16]), (1, [4, 32, 1])];
    let second = [(16, [1, 1, 16]), (1, [1, 2, 1])];
    assert_eq!(parts(32), [first, second].concat());
    // 64 × 16 and 64 × 1 workgroups: the first layer has enough of them.
    let second = [(8, [1, 64, 8]), (1, [1, 128, 1])];
    assert_eq!(parts(2048), [&[(1, [16, 64, 1])][..], &second].concat());
    assert!(split.refused(&deep, 20_000, &limits).is_some());

    // The sums lie between the two dispatches, with those of a row side by side; only the products count.
    let plan = Plan::new(&deep, 32, split, &limits).unwrap();
    assert_eq!(plan.row_bytes(Operand::Sums), 16 * 4 * 1024);
    assert_eq!(plan.steps[0].operands[3], Operand::Sums);
    assert_eq!(plan.steps[1].operands[1], Operand::Sums);
    let operations: u64 = plan.steps.iter().map(|step| step.operations).sum();
    assert_eq!(operations, 2 * 32 * (4096 * 1024 + 1024 * 12));
}
