//! Every variant on networks that differ in what matters to it, batches that are cut, and weights that
//! are laid out in more ways than one.

use fmnist_gpu::Precision;
use fmnist_gpu::adapter::Backend;
use fmnist_gpu::gpu::{self, Device, DeviceOptions};
use fmnist_gpu::model::{Activation, Network, Normalization};
use fmnist_gpu::plan::{Fusion, KERNEL_VARIANTS, KernelVariant, Kernels, Plan};
use libtest_mimic::Trial;

use crate::common::compare::{Check, equal};
use crate::common::{Rig, random_model, random_pixels, seeded};
use crate::executor::{
    Executor, close_to_reference, core_mode, done, infer_on, precisions, to_bits,
};
use crate::quantized::quantized;
use crate::whole::trials;

/// Every variant that runs something in a precision; and the unfused passes, which are chosen for
/// nothing, once more on all that the chosen ones are tried on.
pub fn variant_trials(rig: &Rig) -> Vec<Trial> {
    let mut trials_of_rig = Vec::new();
    // wgpu's checks are the same text on every backend, and OpenGL takes minutes to compile them: there
    // the trusted modules are tried, and on Vulkan both.
    if rig.checked && rig.device.info().backend == Backend::Gl {
        return trials_of_rig;
    }
    // A device with matrix units is there for their kernels.
    let kernels = match rig.device.limits().matrix_units {
        Some(_) => Kernels::MatrixUnits,
        None => Kernels::Any,
    };
    for precision in precisions(&Executor::gpu(rig, kernels)) {
        let wanted = |s: &&KernelVariant| kernels == Kernels::Any || s.on_matrix_units();
        for &variant in KERNEL_VARIANTS.iter().filter(wanted) {
            let runs_one = !tried_networks(rig, variant, precision).is_empty();
            let compiles = match variant.fusion {
                Fusion::Layers(tile) => rig.compiles(tile, variant.arithmetic),
                Fusion::Unfused(_) | Fusion::Network { .. } => true,
            };
            if runs_one && compiles {
                let executor = Executor::gpu(rig, Kernels::Named(variant));
                let name = format!("{}/networks.{precision}", executor.name());
                let check = move || done(check_variant(&executor, variant, precision));
                trials_of_rig.push(rig.trial(name, check));
            }
        }
    }
    if !rig.checked && kernels == Kernels::Any {
        let separate = Executor::gpu(rig, Kernels::Named(KernelVariant::unfused(1000)));
        trials_of_rig.extend(trials(&separate));
    }
    trials_of_rig
}

pub fn chunks_trial(rig: &Rig, precision: Precision) -> Trial {
    let name = format!("{}/chunks.{precision}", rig.name);
    let on = rig.clone();
    rig.trial(name, move || done(check_chunks(&on, precision)))
}

/// Networks that differ in what matters to a kernel variant: one of the usual size; a deep one of odd widths
/// with every activation that goes element by element; one whose softmax is wider than some tiles; one
/// whose pixels go through a table.
fn networks() -> Vec<Network> {
    use Activation::{Relu, Softmax, Tanh};
    let random = |widths: &[usize], activations: &[Activation]| {
        random_model(&mut seeded("networks"), widths, activations)
    };
    let mut table = random(&[49, 30, 10], &[Tanh, Softmax]);
    table.normalization = Normalization::Standard {
        mean: 0.2860,
        std: 0.3530,
    };
    let elementwise = Activation::ALL.into_iter().filter(|one| *one != Softmax);
    let elementwise: Vec<Activation> = elementwise.collect();
    let widths = [13, 7, 33, 5, 6].into_iter().cycle();
    let widths: Vec<usize> = widths.take(elementwise.len() + 1).collect();
    vec![
        random(&widths, &elementwise),
        random(&[784, 64, 10], &[Relu, Softmax]),
        random(&[33, 12, 40], &[Relu, Softmax]),
        table,
    ]
}

/// The networks that a variant runs. Modules with bounds checks are compiled separately, which takes most of the time: there
/// one has to do.
fn tried_networks(rig: &Rig, variant: KernelVariant, precision: Precision) -> Vec<Network> {
    let limits = rig.device.limits();
    let runs = |model: &Network| {
        let architecture = quantized(model, &core_mode(precision)).map(|it| it.architecture());
        architecture.is_ok_and(|it| variant.refused(&it, 1, limits).is_none())
    };
    let mut networks = networks();
    if variant.split {
        networks.insert(0, deep());
    }
    networks.retain(runs);
    networks.truncate(if rig.checked { 1 } else { networks.len() });
    networks
}

/// A network whose first layer has many more inputs than outputs, and whose second has so few that its inner dimension is
/// divided otherwise.
fn deep() -> Network {
    use Activation::{Relu, Softmax};
    random_model(&mut seeded("deep"), &[3001, 130, 10], &[Relu, Softmax])
}

/// A kernel variant on each of the networks that it can run, in batches of several sizes: against the reference,
/// twice to the same bits, and with the bits that a row has in any batch where batches share nothing.
/// What it cannot run, no plan is made for.
fn check_variant(executor: &Executor, variant: KernelVariant, precision: Precision) -> Check {
    let Executor::Gpu(rig, _) = executor else {
        return Err("the CPU path has no variants".into());
    };
    let limits = rig.device.limits();
    let mut ran = 0;
    for model in tried_networks(rig, variant, precision) {
        let architecture = quantized(&model, &core_mode(precision))?.architecture();
        let width = model.inputs();
        let widths = architecture.widths();
        let pixels = random_pixels(&mut seeded("networks"), 257 * width);
        let mut rows: Option<Vec<u32>> = None;
        for batch in [257, 33, 7, 1] {
            let refused = variant.refused(&architecture, batch, limits);
            let plan = Plan::new(&architecture, batch, variant, limits);
            if refused.is_some() != plan.is_err() {
                return Err(format!(
                    "{widths:?}, {batch}: refused {refused:?}, but {plan:?}"
                ));
            }
            if refused.is_some() {
                continue;
            }
            // Two whole batches and a short one.
            let images = (3 * batch - batch / 2).min(257);
            let pixels = &pixels[..images * width];
            let place = |problem| format!("{widths:?}, batch {batch}: {problem}");
            let got = executor.infer(&model, precision, pixels, batch)?;
            close_to_reference(&model, precision, pixels, batch, &got).map_err(place)?;
            let bits = to_bits(got);
            equal(
                &to_bits(executor.infer(&model, precision, pixels, batch)?),
                &bits,
            )
            .map_err(|problem| place(format!("again: {problem}")))?;
            // How workgroups share an inner dimension depends on the batch.
            if variant.rows_are_independent(&architecture) && !variant.split {
                let all = rows.get_or_insert_with(|| bits.clone());
                equal(&bits, &all[..bits.len()])
                    .map_err(|problem| place(format!("in another batch: {problem}")))?;
            }
            ran += 1;
        }
    }
    if ran > 0 {
        Ok(())
    } else {
        Err("it ran nothing".into())
    }
}

/// A batch that is cut into chunks gives the same bits as one that is not.
fn check_chunks(rig: &Rig, precision: Precision) -> Check {
    let text = |error: fmnist_gpu::Error| error.to_string();
    let activations = [Activation::Relu, Activation::Softmax];
    let model = random_model(&mut seeded("chunks"), &[50, 40, 10], &activations);
    let pixels = random_pixels(&mut seeded("chunks"), 1000 * 50);
    let options = DeviceOptions {
        checked: rig.checked,
        // 16 KiB hold no more than 78 rows of the widest buffer, 52 f32.
        binding_bytes: Some(16 << 10),
        matrix_units: rig.device.limits().matrix_units.is_some(),
        ..DeviceOptions::default()
    };
    let small = pollster::block_on(Device::open(&rig.found, &options)).map_err(text)?;
    let architecture = quantized(&model, &core_mode(precision))?.architecture();
    let names: &[&str] = match small.limits().matrix_units {
        Some(_) => &["coop-2x4", "coop-staged-2x2"],
        None => &["matmul-8x8", "register-8x8", "broadcast-4x32", "network-8"],
    };
    for variant in names.iter().filter_map(|name| KernelVariant::find(name)) {
        let refused = variant.refused(&architecture, 1000, small.limits());
        if refused.is_some() {
            continue;
        }
        let plan = Plan::new(&architecture, 1000, variant, small.limits());
        let chunks = plan.map_err(text)?.chunks.len();
        if chunks < 2 {
            return Err(format!("{}: {chunks} chunk: nothing was cut", variant.name));
        }
        let way = Kernels::Named(variant);
        let cut = infer_on(&small, way, &model, precision, &pixels, 1000).map_err(text)?;
        let whole = infer_on(&rig.device, way, &model, precision, &pixels, 1000).map_err(text)?;
        equal(&to_bits(cut), &to_bits(whole))
            .map_err(|problem| format!("{}: {problem}", variant.name))?;
    }
    Ok(())
}

/// One network that runs with matrix units, without, and with them again, gives the bits that each way
/// gives alone, and keeps its weights in one layout only. Where bindings are `small`, every layer's
/// weights have a buffer of their own.
pub fn check_layouts(rig: &Rig, small: bool) -> Check {
    let text = |error: fmnist_gpu::Error| error.to_string();
    let activations = [Activation::Relu, Activation::Relu, Activation::Softmax];
    let model = random_model(&mut seeded("layouts"), &[50, 70, 60, 10], &activations);
    let pixels = random_pixels(&mut seeded("layouts"), 33 * 50);
    let options = DeviceOptions {
        checked: rig.checked,
        // The largest layer takes 11,520 bytes in whole matrices of 16×16, all take more than 16 KiB.
        binding_bytes: small.then_some(16 << 10),
        matrix_units: true,
        ..DeviceOptions::default()
    };
    let device = pollster::block_on(Device::open(&rig.found, &options)).map_err(text)?;
    let [coop, other] = ["coop-2x4", "register-8x8"].map(KernelVariant::find);
    let (coop, other) = (coop.ok_or("coop-2x4")?, other.ok_or("register-8x8")?);
    let half = quantized(&model, &Precision::F16.into())?;
    let mut network = pollster::block_on(gpu::Session::new(&device, &half)).map_err(text)?;
    let (mut bytes, mut allocated) = (Vec::new(), Vec::new());
    for variant in [coop, other, coop] {
        network.restrict(Kernels::Named(variant));
        let got = pollster::block_on(network.infer(&pixels, 33, &mut |_| ())).map_err(text)?;
        let kernels = Kernels::Named(variant);
        let alone =
            infer_on(&device, kernels, &model, Precision::F16, &pixels, 33).map_err(text)?;
        equal(&to_bits(got), &to_bits(alone)).map_err(|p| format!("{}: {p}", variant.name))?;
        let mut weights = 0;
        for layer in 0..model.layers.len() {
            let packed = pollster::block_on(network.read_weights(layer)).map_err(text)?;
            weights += packed.len();
        }
        bytes.push(weights);
        allocated.push(network.allocated_bytes());
    }
    equal(
        &[allocated[0], bytes[0] as u64],
        &[allocated[2], bytes[2] as u64],
    )?;
    if bytes[1] < bytes[0] {
        Ok(())
    } else {
        Err(format!(
            "{bytes:?} bytes: whole matrices take more than blocks"
        ))
    }
}
