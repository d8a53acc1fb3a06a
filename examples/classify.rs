//! Loads a model and classifies a few images in float16, on the best adapter that there is.
#![expect(clippy::print_stdout, reason = "a program")]

use fmnist_gpu::quantize::lower;
use fmnist_gpu::{Engine, EngineOptions, Precision, dataset, engine, model::Network};

fn main() -> fmnist_gpu::Result<()> {
    let model = Network::default_model()?;
    let data = dataset::test_split()?;
    let (adapter, outputs) = pollster::block_on(async {
        let engine = Engine::open(&EngineOptions::default()).await?;
        let quantized = lower(&model, &Precision::F16.into(), None)?;
        let mut network = engine.load(&quantized).await?;
        let outputs = network
            .infer(data.images.range(0, 8), 8, &mut |_| ())
            .await?;
        fmnist_gpu::Result::Ok((engine.info().to_string(), outputs))
    })?;
    println!("on {adapter}");
    let labels = engine::labels(&outputs, model.outputs());
    for (label, &truth) in labels.into_iter().zip(data.labels()?) {
        let (said, is) = (
            model.class_name(label),
            model.class_name(usize::from(truth)),
        );
        println!("{said:12} {}", if said == is { "right" } else { "wrong" });
    }
    Ok(())
}
