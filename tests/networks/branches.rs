//! Networks whose layers do not follow each other: a value that several layers read, and layers that lead nowhere.
//!
//! Each gives the bits of the network of only those layers that lead to the output, in the same way to run it.
//! A buffer that is written while a later layer still reads it gives others.

use fmnist_gpu::cpu::{self, Processor};
use fmnist_gpu::gpu;
use fmnist_gpu::mode::Mode;
use fmnist_gpu::model::{
    Activation, Graph, Layer, Network, Normalization, Operation, OperationKind, Shape, ValueId,
};
use fmnist_gpu::plan::{ExecutionPath, KernelVariant, Kernels};
use fmnist_gpu::quantize::{QuantizedNetwork, Ranges, lower};
use fmnist_gpu::scheme::{Scheme, WeightScales};
use fmnist_gpu::{Precision, reference};
use libtest_mimic::Trial;

use crate::common::compare::{Check, equal};
use crate::common::{Rig, random_model, random_pixels, seeded};
use crate::executor::{done, to_bits};

const IMAGES: usize = 21;

/// The outputs of each way to run a network, by name.
type Ways = Result<Vec<(String, Vec<f32>)>, String>;

/// A network with branches, and the chain of its layers that lead to the output.
struct Case {
    name: &'static str,
    branched: Network,
    chain: Network,
    /// The layers of the chain.
    used: Vec<usize>,
}

fn cases() -> Vec<Case> {
    let mut cases = vec![
        // The layers 1 and 3 read what the layer 0 gives.
        case(
            "a hidden value",
            &[(0, 1), (1, 2), (2, 3), (1, 4)],
            &[19, 33, 9, 18, 7],
            &[0, 3],
        ),
        // The layers 0 and 2 read the images.
        case(
            "the input",
            &[(0, 1), (1, 2), (0, 3)],
            &[19, 40, 22, 6],
            &[2],
        ),
        // The layer 2 reads the images again, after which the layer 3 reads what the layer 0 gives.
        case(
            "both",
            &[(0, 1), (1, 2), (0, 3), (1, 4)],
            &[19, 12, 25, 30, 5],
            &[0, 3],
        ),
    ];
    let mut normalized = cases[2].branched.clone();
    normalized.normalization = Normalization::Standard {
        mean: 0.286,
        std: 0.353,
    };
    let mut chain = cases[2].chain.clone();
    chain.normalization = normalized.normalization;
    cases.push(Case {
        name: "both, normalized",
        branched: normalized,
        chain,
        used: cases[2].used.clone(),
    });
    cases
}

/// Layers by the values that they read and write, whose sizes `sizes` are.
fn case(name: &'static str, ends: &[(usize, usize)], sizes: &[usize], used: &[usize]) -> Case {
    let last = ends.len() - 1;
    let layer = |(index, &(from, to)): (usize, &(usize, usize))| {
        let activation = match index {
            _ if index == last => Activation::Softmax,
            1 => Activation::Tanh,
            _ => Activation::Relu,
        };
        let widths = [sizes[from], sizes[to]];
        let model = random_model(
            &mut seeded(&format!("{name}{index}")),
            &widths,
            &[activation],
        );
        model.layers.into_iter().next().expect("one layer")
    };
    let layers: Vec<Layer> = ends.iter().enumerate().map(layer).collect();
    let operation = |(layer, &(from, to)): (usize, &(usize, usize))| Operation {
        kind: OperationKind::Dense(layer),
        inputs: vec![ValueId(from)],
        output: ValueId(to),
    };
    let graph = Graph {
        values: sizes.iter().map(|&size| Shape(vec![size])).collect(),
        operations: ends.iter().enumerate().map(operation).collect(),
    };
    let chain = used.iter().map(|&layer| layers[layer].clone()).collect();
    Case {
        name,
        branched: Network::with_graph(graph, layers).expect("a network"),
        chain: Network::new(chain).expect("a network"),
        used: used.to_vec(),
    }
}

/// Modes of the branched network: every one, and one that differs between the branches.
fn modes(case: &Case) -> Vec<Mode> {
    let mut modes = Mode::every();
    if case.name == "a hidden value" {
        use Precision::{F16, F32, Int8};
        let mixed = Mode::mixed(
            vec![F16, Int8, F32, Int8],
            Scheme::DynamicRow,
            WeightScales::Channel,
        );
        modes.push(mixed.expect("a mode"));
    }
    modes
}

/// Both networks in a mode.
fn lowered(case: &Case, mode: &Mode) -> Result<[QuantizedNetwork; 2], String> {
    let of_chain = match mode.layers.is_empty() {
        true => mode.clone(),
        false => Mode {
            layers: case.used.iter().map(|&layer| mode.layers[layer]).collect(),
            ..mode.clone()
        },
    };
    let lower = |model: &Network, mode: &Mode| {
        let ranges = Ranges(vec![(-1.0, 2.5); model.layers.len()]);
        lower(model, mode, Some(&ranges)).map_err(|error| error.to_string())
    };
    Ok([lower(&case.branched, mode)?, lower(&case.chain, &of_chain)?])
}

fn check(run: &dyn Fn(&QuantizedNetwork, &[u8]) -> Ways) -> Check {
    for case in cases() {
        let pixels = random_pixels(&mut seeded(case.name), IMAGES * case.branched.inputs());
        for mode in modes(&case) {
            let [branched, chain] = lowered(&case, &mode)?;
            let want = reference::infer(&chain, &pixels, IMAGES);
            let place = |way: &str, problem| format!("{}, {mode}, {way}: {problem}", case.name);
            equal(
                &reference::infer(&branched, &pixels, IMAGES).outputs,
                &want.outputs,
            )
            .map_err(|problem| place("the reference implementation", problem))?;
            let wants = run(&chain, &pixels)?;
            for (way, outputs) in run(&branched, &pixels)? {
                let want = wants.iter().find(|(other, _)| *other == way);
                let (_, want) =
                    want.ok_or_else(|| place(&way, "the chain does not run so".into()))?;
                equal(&to_bits(outputs), &to_bits(want.clone()))
                    .map_err(|problem| place(&way, problem))?;
            }
        }
    }
    Ok(())
}

fn on_processor(processor: &Processor, model: &QuantizedNetwork, pixels: &[u8]) -> Ways {
    let mut session = cpu::Session::new(model, processor).map_err(|error| error.to_string())?;
    session.upload(pixels, IMAGES);
    Ok(vec![("cpu".into(), session.run().to_vec())])
}

/// In every way that has one of a few kernels.
fn on_adapter(rig: &Rig, model: &QuantizedNetwork, pixels: &[u8]) -> Ways {
    let limits = rig.device.limits();
    let ways = KernelVariant::runnable(&model.architecture(), IMAGES, limits, Kernels::Any);
    let branched = !model.graph.is_chain();
    let mut outputs = Vec::new();
    for variant in ways {
        if branched && variant.path() == ExecutionPath::Network {
            return Err(format!("{} runs a network with branches", variant.name));
        }
        let few = variant.path() == ExecutionPath::Unfused || variant.name == "register-1x4";
        if few {
            let run = async {
                let mut session = gpu::Session::new(&rig.device, model).await?;
                session.restrict(Kernels::Named(variant));
                session.infer(pixels, IMAGES, &mut |_| ()).await
            };
            let run: fmnist_gpu::Result<Vec<f32>> = pollster::block_on(run);
            outputs.push((
                variant.name.to_owned(),
                run.map_err(|error| error.to_string())?,
            ));
        }
    }
    Ok(outputs)
}

/// The trial of the CPU path.
pub fn cpu_trial(name: &str, processor: &Processor) -> Trial {
    let processor = processor.clone();
    Trial::test(format!("{name}/branches"), move || {
        done(check(&|model, pixels| {
            on_processor(&processor, model, pixels)
        }))
    })
}

/// The trial of an adapter.
pub fn trial(rig: &Rig) -> Trial {
    let on = rig.clone();
    rig.trial(format!("{}/branches", rig.name), move || {
        done(check(
            &|model, pixels| match model.architecture().precision() {
                precision if on.device.info().lacks(precision).is_some() => Ok(Vec::new()),
                Precision::Mixed if on.device.info().lacks(Precision::F16).is_some() => {
                    Ok(Vec::new())
                }
                _ => on_adapter(&on, model, pixels),
            },
        ))
    })
}
