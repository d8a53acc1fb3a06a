//! What the chosen assignment does on images that chose nothing.

use super::measure::answers;
use super::result::Confirmation;
use crate::dataset::Dataset;
use crate::engine::{Engine, labels};
use crate::error::Result;
use crate::quantize::QuantizedNetwork;
use crate::reference;

/// Runs an assignment and f32 on these images.
pub(super) async fn confirm(
    engine: &Engine,
    f32: &QuantizedNetwork,
    chosen: &QuantizedNetwork,
    data: &Dataset,
) -> Result<Confirmation> {
    let width = f32.architecture().outputs();
    let truth = data.labels()?;
    let of = async |model: &QuantizedNetwork| {
        let outputs = answers(&mut engine.load(model).await?, data).await?;
        let finite = outputs.iter().all(|output| output.is_finite());
        Ok::<_, crate::Error>((labels(&outputs, width), finite))
    };
    let (f32, _) = of(f32).await?;
    let (own, finite) = of(chosen).await?;
    let overflow = reference::out_of_range(chosen, &data.images.pixels, 1)?;
    let right = |label: &usize, truth: &u8| *label == usize::from(*truth);
    let mut found = Confirmation {
        images: data.len() as u64,
        correct: 0,
        f32_correct: 0,
        only_f32: 0,
        only_this: 0,
        label_changes: 0,
        out_of_range: !finite || overflow.is_some(),
    };
    for ((own, f32), truth) in own.iter().zip(&f32).zip(truth) {
        let (own_right, f32_right) = (right(own, truth), right(f32, truth));
        found.correct += u64::from(own_right);
        found.f32_correct += u64::from(f32_right);
        found.only_f32 += u64::from(f32_right && !own_right);
        found.only_this += u64::from(own_right && !f32_right);
        found.label_changes += u64::from(own != f32);
    }
    Ok(found)
}
