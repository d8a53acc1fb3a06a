//! Images as the numbers that they are trained on.

use crate::dataset::Images;

/// A batch as the network takes it.
#[derive(Debug, Default)]
pub(super) struct TrainingBatch {
    /// `[len, width]` row-major.
    pub input: Vec<f32>,
    /// `[len]`
    pub labels: Vec<u8>,
}

impl TrainingBatch {
    /// Fills the batch with the images at `indices`; `table` gives each byte's value.
    pub(super) fn gather(
        &mut self,
        (images, labels): (&Images, &[u8]),
        indices: &[usize],
        table: &[f32; 256],
    ) {
        self.input.clear();
        self.labels.clear();
        for &index in indices {
            let pixels = images.range(index, index + 1);
            let values = pixels.iter().map(|&pixel| table[usize::from(pixel)]);
            self.input.extend(values);
            self.labels.push(labels[index]);
        }
    }

    /// How many images.
    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }
}
