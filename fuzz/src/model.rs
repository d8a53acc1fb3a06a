//! Models: read, described, written again, and run.

use fmnist_gpu::cpu::{Processor, ProcessorOptions, Session};
use fmnist_gpu::model::Network;
use fmnist_gpu::quantize::{QuantizedNetwork, Ranges, Source, lower};
use fmnist_gpu::{Mode, memory, reference};
use serde_json::Value;

use super::{file, limited};

/// Networks larger than this are read, but not run: that is slow, and finds no more.
const MOST_PARAMETERS: usize = 1 << 14;
const MOST_INPUTS: usize = 256;

/// The images that a network is run on.
const IMAGES: usize = 2;

/// A model with float weights.
pub fn model(data: &[u8]) {
    one_model(data);
    if let Some(mended) = mended(data) {
        one_model(&mended);
    }
}

/// A quantized file.
pub fn quantized(data: &[u8]) {
    one_quantized(data);
    if let Some(mended) = mended(data) {
        one_quantized(&mended);
    }
}

fn one_model(data: &[u8]) {
    let path = file(data);
    let read = limited(data.len(), || Network::load(&path));
    let Ok(model) = read else {
        // Whatever it is instead is no reason to panic either.
        let _ = limited(data.len(), || Source::load(&path));
        return;
    };
    let bytes = model.to_bytes().expect("what was read can be written");
    let again = Network::from_bytes("again", &bytes).expect("what was written can be read");
    assert_eq!(bytes, again.to_bytes().expect("and written again"));
    use_it(&Source::Network(model));
}

fn one_quantized(data: &[u8]) {
    let path = file(data);
    let read = limited(data.len(), || QuantizedNetwork::load(&path));
    let Ok(quantized) = read else {
        let _ = limited(data.len(), || Source::load(&path));
        return;
    };
    let bytes = quantized.to_bytes().expect("what was read can be written");
    let again =
        QuantizedNetwork::from_bytes("again", &bytes).expect("what was written can be read");
    assert_eq!(bytes, again.to_bytes().expect("and written again"));
    use_it(&Source::QuantizedNetwork(quantized));
}

/// All that the commands do with a model that they were given.
fn use_it(source: &Source) {
    let architecture = source.architecture();
    for label in 0..=architecture.outputs() {
        let name = source.class_name(label);
        assert!(
            !name.chars().any(char::is_control),
            "a name that steers a terminal"
        );
    }
    let widths = architecture.widths();
    let small = memory::parameters(&widths).is_some_and(|count| count <= MOST_PARAMETERS as u64);
    if !small || architecture.inputs() > MOST_INPUTS {
        return;
    }
    let modes = source.mode().into_iter().chain(Mode::every());
    for mode in modes {
        let quantized = match source {
            // Ranges stand for calibration images, with which this would take a hundred times as long.
            Source::Network(model) => {
                let ranges = Ranges(vec![(-1.0, 4.0); model.layers.len()]);
                lower(model, &mode, Some(&ranges))
            }
            Source::QuantizedNetwork(_) => source.quantize(&mode),
        };
        if let Ok(quantized) = quantized {
            run(&quantized, architecture.inputs());
        }
    }
}

fn run(quantized: &QuantizedNetwork, inputs: usize) {
    let options = ProcessorOptions {
        threads: Some(1),
        ..ProcessorOptions::default()
    };
    let processor = Processor::new(options).expect("a thread");
    let Ok(mut network) = Session::new(quantized, &processor) else {
        return;
    };
    let pixels: Vec<u8> = (0..IMAGES * inputs).map(|at| (at * 89) as u8).collect();
    network.upload(&pixels, IMAGES);
    let outputs = network.run().len();
    assert_eq!(outputs, IMAGES * quantized.architecture().outputs());
    if quantized.may_overflow() {
        let _ = reference::infer_all(quantized, &pixels, IMAGES);
    }
}

/// The same header and data where the length of either no longer fits the other, so that damage is also found
/// behind that check.
fn mended(data: &[u8]) -> Option<Vec<u8>> {
    const MOST_DATA: usize = 1 << 16;
    let rest = data.get(8..)?;
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Value>();
    let header = values.next()?.ok()?;
    let length = values.byte_offset();
    let end = |tensor: &Value| tensor.get("data_offsets")?.get(1)?.as_u64();
    let ends = header.as_object()?.values().filter_map(end);
    let data_length = usize::try_from(ends.max()?).ok()?;
    let mut mended = (length as u64).to_le_bytes().to_vec();
    mended.extend_from_slice(rest);
    mended.resize(8 + length + data_length.min(MOST_DATA), 0x3c);
    (mended != data).then_some(mended)
}
