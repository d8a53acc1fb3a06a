//! How a thread waits for a device, and how pixels and outputs travel: no way changes an output.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use fmnist_gpu::Precision;
use fmnist_gpu::gpu::{self, Device, DeviceOptions, HostVisible, Waiting};
use fmnist_gpu::model::Activation;
use fmnist_gpu::plan::Kernels;

use crate::common::compare::{Check, equal};
use crate::common::{Rig, random_model, random_pixels, seeded};
use crate::executor::{infer_on, to_bits};
use crate::quantized::quantized;

/// However a thread waits for a device, the outputs are there when it goes on.
pub fn check_waiting(rig: &Rig) -> Check {
    let text = |error: fmnist_gpu::Error| error.to_string();
    let activations = [Activation::Relu, Activation::Softmax];
    let model = random_model(&mut seeded("waiting"), &[784, 64, 10], &activations);
    let pixels = random_pixels(&mut seeded("waiting"), 2000 * 784);
    let infer = |device: &Arc<Device>, batch| {
        let outputs = infer_on(device, Kernels::Any, &model, Precision::F32, &pixels, batch);
        outputs.map(to_bits).map_err(text)
    };
    for waiting in [
        Waiting::Sleeping,
        Waiting::Spinning(Duration::from_secs(60)),
        // Over before the outputs of a large batch are there.
        Waiting::Spinning(Duration::from_nanos(1)),
    ] {
        let options = DeviceOptions {
            waiting,
            ..DeviceOptions::default()
        };
        let device = pollster::block_on(Device::open(&rig.found, &options)).map_err(text)?;
        for batch in [2000, 100] {
            equal(&infer(&device, batch)?, &infer(&rig.device, batch)?)
                .map_err(|problem| format!("{waiting:?}, batch {batch}: {problem}"))?;
        }
    }
    Ok(())
}

/// Whichever buffers the host reaches itself, the same outputs come back: of other pixels, of the same ones again, with the
/// device's time and without. Batches are smaller than what is staged at a time, and larger than two such pieces.
pub fn check_transfers(rig: &Rig) -> Check {
    let text = |error: fmnist_gpu::Error| error.to_string();
    let activations = [Activation::Relu, Activation::Softmax];
    let model = random_model(&mut seeded("transfers"), &[786, 8, 10], &activations);
    let model = quantized(&model, &Precision::F32.into())?;
    let pixels = random_pixels(&mut seeded("transfers"), 12_000 * 786);
    let ways = [(0, 0), (0, u64::MAX), (u64::MAX, 0), (u64::MAX, u64::MAX)];
    let mut expected: HashMap<(usize, usize), Vec<u32>> = HashMap::new();
    for (inputs, outputs) in ways {
        for binding_bytes in [None, Some(4 << 20)] {
            let options = DeviceOptions {
                host_visible: Some(HostVisible { inputs, outputs }),
                binding_bytes,
                ..DeviceOptions::default()
            };
            let device = pollster::block_on(Device::open(&rig.found, &options)).map_err(text)?;
            let session = pollster::block_on(gpu::Session::new(&device, &model));
            let mut session = session.map_err(text)?;
            for (batch, first) in [(1, 0), (1, 1), (33, 7), (33, 7), (12_000, 0), (11_990, 3)] {
                let pixels = &pixels[first * 786..(first + batch) * 786];
                pollster::block_on(session.upload(pixels, batch)).map_err(text)?;
                for run in 0..3 {
                    let run = match run {
                        1 => pollster::block_on(session.run_timed()),
                        _ => pollster::block_on(session.run()),
                    };
                    let bits = to_bits(run.map_err(text)?.outputs);
                    let expected = expected
                        .entry((batch, first))
                        .or_insert_with(|| bits.clone());
                    equal(&bits, expected).map_err(|problem| {
                        let chunks = binding_bytes.is_some();
                        format!("{inputs}, {outputs}, chunks {chunks}, batch {batch}: {problem}")
                    })?;
                }
            }
            let planned = pollster::block_on(session.planned_bytes(11_990)).map_err(text)?;
            let allocated = session.allocated_bytes();
            if planned != allocated {
                return Err(format!("{planned} bytes planned, {allocated} allocated"));
            }
        }
    }
    let sums: HashSet<Vec<u32>> = expected.into_values().collect();
    // Each of the batches is another one.
    equal(&[sums.len()], &[5])
}
