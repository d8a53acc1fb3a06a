//! What each layer takes and loses: its kernels' time, and how far its outputs are from those of f32.
//!
//! The loss is that of the reference on a few images, so it needs no kernel that shows its layers, and costs a small
//! share of the check of all images.

use crate::dataset::Dataset;
use crate::error::Result;
use crate::host;
use crate::mode::Mode;
use crate::quantize::QuantizedNetwork;
use crate::reference::{check_memory, layer_outputs, relative_error};
use crate::results::{LayerFigures, Row};

/// How many images the loss of a layer is measured on, the first ones.
const IMAGES: usize = 256;

/// The losses that are known, by mode and batch size.
pub(super) struct LayerLosses<'a> {
    data: &'a Dataset,
    /// The outputs of each layer in f32, which does not depend on the batch.
    f32: Option<Vec<Vec<f64>>>,
    known: Vec<KnownLosses>,
}

/// The relative error of each layer of a mode in batches of a size.
struct KnownLosses {
    mode: Mode,
    batch: usize,
    losses: Vec<Option<f64>>,
}

impl<'a> LayerLosses<'a> {
    pub(super) fn new(data: &'a Dataset) -> Self {
        Self {
            data,
            f32: None,
            known: Vec::new(),
        }
    }

    /// The relative error of each layer of `model` beside the same network in f32, in batches of `batch`; a layer whose f32
    /// outputs are all 0 has none. Empty, with a warning, where this machine does not have the memory.
    pub(super) fn of(
        &mut self,
        model: &QuantizedNetwork,
        f32: &QuantizedNetwork,
        batch: usize,
    ) -> Vec<Option<f64>> {
        let batch = if model.mode.depends_on_batch() {
            batch.min(IMAGES)
        } else {
            1
        };
        let is_of = |one: &&KnownLosses| (&one.mode, one.batch) == (&model.mode, batch);
        if let Some(known) = self.known.iter().find(is_of) {
            return known.losses.clone();
        }
        let images = self.data.len().min(IMAGES);
        if let Err(error) = need(model, images, batch) {
            log::warn!(
                "the loss of each layer in {} is not measured: {error}",
                model.mode
            );
            return Vec::new();
        }
        let pixels = self.data.images.range(0, images);
        let f32 = self
            .f32
            .get_or_insert_with(|| layer_outputs(f32, pixels, 1));
        let own = layer_outputs(model, pixels, batch);
        let errors = own
            .iter()
            .zip(f32)
            .map(|(own, f32)| relative_error(own, f32));
        let losses: Vec<Option<f64>> = errors
            .map(|error| Some(error).filter(|error| error.is_finite()))
            .collect();
        self.known.push(KnownLosses {
            mode: model.mode.clone(),
            batch,
            losses: losses.clone(),
        });
        losses
    }
}

/// Fails if this machine does not have the memory for the outputs of all layers, twice: those of f32 are kept.
fn need(model: &QuantizedNetwork, images: usize, batch: usize) -> Result<()> {
    check_memory(model, images, batch)?;
    let values: usize = model.layers.iter().map(|layer| layer.outputs).sum();
    // Their vectors grow by moving.
    let bytes = 2 * 3 * size_of::<f64>() as u64 * (images * values) as u64;
    host::need("the outputs of each layer", bytes)
}

/// Notes the time of each layer's kernels as they ran, where each kernel is of one layer.
pub(super) fn note_times(row: &mut Row) {
    let Some(ran) = row.breakdown.first() else {
        return;
    };
    for figures in &mut row.layers {
        let of_layer = format!("layers.{} ", figures.layer);
        let own = ran.kernels.iter();
        let own = own.filter(|kernel| kernel.name.starts_with(&of_layer));
        let times: Vec<u64> = own.map(|kernel| kernel.ns).collect();
        figures.time_ns = (!times.is_empty()).then(|| times.iter().sum());
    }
}

/// The layers of a row, of which no time is known yet.
pub(super) fn figures(layers: usize, losses: &[Option<f64>]) -> Vec<LayerFigures> {
    let figures = |layer| LayerFigures {
        layer,
        relative_error: losses.get(layer).copied().flatten(),
        time_ns: None,
    };
    (0..layers).map(figures).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::footprint;
    use crate::results::{Breakdown, KernelTime, Requested};
    use crate::{Mode, Precision};

    #[test]
    fn the_kernels_of_a_layer_add_up() {
        let mode = Mode::from(Precision::F32);
        let mut row = Row::new(Requested::new(&mode, 1), 1, footprint(&[4, 3, 2], &mode, 1));
        row.layers = figures(2, &[Some(0.5), None]);
        let kernel = |(name, ns): (&str, u64)| KernelTime {
            name: name.to_owned(),
            ns,
        };
        let ran = |kernels: &[(&str, u64)]| Breakdown {
            path: "unfused",
            kernel: "k",
            upload_ns: 0,
            kernels: kernels.iter().copied().map(kernel).collect(),
            gaps_ns: 0,
            host_ns: 0,
        };
        let times = |row: &Row| -> Vec<_> { row.layers.iter().map(|one| one.time_ns).collect() };
        row.breakdown = vec![
            ran(&[
                ("normalize", 1),
                ("layers.0 matmul", 2),
                ("layers.0 bias", 3),
            ]),
            ran(&[("layers.1 matmul", 9)]),
        ];
        note_times(&mut row);
        assert_eq!(times(&row), [Some(5), None]);
        row.breakdown = vec![ran(&[("network", 7)])];
        note_times(&mut row);
        assert_eq!(times(&row), [None, None]);
        assert_eq!(row.layers[0].relative_error, Some(0.5));
    }
}
