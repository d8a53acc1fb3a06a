//! A model on a device: weights converted once, and plans made ready to run again and again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::device::{Device, HostVisible};
use super::layout::pack_rows;
use super::planned::batch_bytes;
use super::prepared::Prepared;
use super::weights::DeviceWeights;
use crate::Precision;
use crate::adapter::{AdapterInfo, Feature};
use crate::error::{Error, Result, UsageError};
use crate::host;
use crate::model::{Architecture, LayerShape};
use crate::plan::{ChosenBy, ExecutionPath, KERNEL_VARIANTS, KernelVariant, Kernels, Plan};
use crate::quantize::QuantizedNetwork;

/// The outputs of one pass over a batch, and how long the device took.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// `[batch, out]` row-major.
    pub outputs: Vec<f32>,
    /// From the first kernel's start to the last one's end, where it was taken and the adapter has
    /// timestamps.
    pub gpu: Option<Duration>,
}

/// A model on a device.
#[derive(Debug)]
pub struct Session {
    pub(super) device: Arc<Device>,
    pub(super) model: Architecture,
    pub(super) precision: Precision,
    weights: DeviceWeights,
    /// Which ways to run may be chosen.
    kernels: Kernels,
    /// The ways that were chosen for batch sizes, and by what.
    pub(super) chosen: HashMap<usize, (KernelVariant, ChosenBy)>,
    /// Batches of this size may only run in ways that need at most so many bytes.
    limited: Option<(usize, u64)>,
    /// What the last batch size needs; made when a batch of another size comes.
    pub(super) prepared: Option<Prepared>,
}

impl Session {
    /// Puts the weights of `model` on the device.
    ///
    /// # Errors
    /// `Error::File` where the model is damaged, `Error::TooLarge` where a layer exceeds the adapter's largest
    /// binding, `Error::PrecisionUnavailable` where no kernel can run the model there, else those of the device.
    pub async fn new(device: &Arc<Device>, model: &QuantizedNetwork) -> Result<Self> {
        model.check()?;
        let architecture = model.architecture();
        let kernels = Kernels::Any;
        let limits = device.limits();
        // Planning one row shows whether the weights fit, before anything is allocated.
        let Some(&first) = KernelVariant::candidates(&architecture, 1, limits, kernels).first()
        else {
            let first = KERNEL_VARIANTS
                .iter()
                .find(|s| s.path() == ExecutionPath::Fused);
            let reason = first.and_then(|s| s.refused(&architecture, 1, limits));
            return Err(Error::PrecisionUnavailable {
                adapter: device.info().to_string(),
                precision: model.mode.precision.name(),
                reason: reason
                    .unwrap_or("no kernel for it runs on the adapter")
                    .to_owned(),
            });
        };
        Plan::new(&architecture, 1, first, limits)?;
        let half = |layer: &LayerShape| layer.format.precision == Precision::F16;
        if architecture.layers.iter().any(half) {
            // Found out here, so that no compilation is left for a timed run.
            device.rounds_in_integers().await?;
        }
        let weights: usize = model.layers.iter().map(|layer| layer.weights.len()).sum();
        host::need("packing the weights", 8 * weights as u64)?;
        let weights = DeviceWeights::new(device, model);
        device.check("uploading the weights")?;
        Ok(Self {
            device: Arc::clone(device),
            precision: architecture.precision(),
            model: architecture,
            weights,
            kernels,
            chosen: HashMap::new(),
            limited: None,
            prepared: None,
        })
    }

    /// As [`Session::new`], with the choices of an earlier session of the same model.
    ///
    /// # Errors
    /// Those of [`Session::new`].
    pub async fn like(
        earlier: &Self,
        device: &Arc<Device>,
        model: &QuantizedNetwork,
    ) -> Result<Self> {
        let mut session = Self::new(device, model).await?;
        session.kernels = earlier.kernels;
        session.chosen.clone_from(&earlier.chosen);
        session.limited = earlier.limited;
        Ok(session)
    }

    /// Makes everything ready for batches of this size: buffers, compiled kernels, bind groups.
    ///
    /// # Errors
    /// `Error::OutOfMemory` and those of the device.
    pub async fn prepare(&mut self, batch: usize) -> Result<()> {
        self.prepare_many(batch, 1).await
    }

    /// Makes everything ready for `batches` batches side by side, with the kernels of one.
    async fn prepare_many(&mut self, batch: usize, batches: usize) -> Result<()> {
        let wanted = (batch, batches);
        let present = |prepared: &Prepared| (prepared.plan.batch, prepared.plan.batches);
        if self.prepared.as_ref().map(present) != Some(wanted) {
            // The old buffers go first, so that both never stand side by side.
            self.prepared = None;
            // What the host holds of a batch on its way: its pixels, and its outputs in f32.
            let images = (batch as u64).saturating_mul(batches as u64);
            let of_image = 2 * self.model.inputs() + 8 * self.model.outputs();
            let bytes = images.saturating_mul(of_image as u64);
            host::need(&format!("a batch of {images} images"), bytes)?;
            let (variant, _) = self.variant(batch)?;
            let limits = self.device.limits();
            let size = [batch, batches];
            let plan = Plan::many(&self.model, size, variant, limits)?;
            self.weights.lay_out(&self.device, plan.weights);
            self.prepared = Some(Prepared::new(&self.device, &self.weights, plan).await?);
        }
        Ok(())
    }

    /// Which ways to run may be chosen from now on.
    pub fn restrict(&mut self, kernels: Kernels) {
        self.kernels = kernels;
        self.chosen.clear();
        self.prepared = None;
    }

    /// Runs batches of this size in this way from now on.
    pub fn choose(&mut self, batch: usize, variant: KernelVariant, by: ChosenBy) {
        self.chosen.insert(batch, (variant, by));
        self.prepared = None;
    }

    /// Forgets what was chosen for batches of this size: the default runs again.
    pub fn unchoose(&mut self, batch: usize) {
        self.chosen.remove(&batch);
        self.prepared = None;
    }

    /// Runs batches of this size only in ways that need at most so many bytes from now on.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn keep_within(&mut self, batch: usize, bytes: u64) -> Result<()> {
        // Known from here on.
        self.device.host_visible().await?;
        self.limited = Some((batch, bytes));
        Ok(())
    }

    /// Whether a way to run batches of this size keeps to the limit.
    fn keeps_to_limit(&self, variant: KernelVariant, batch: usize) -> bool {
        match self.limited {
            Some((limited, bytes)) if limited == batch => {
                let visible = self.device.known_host_visible();
                (self.planned_with(variant, batch, visible)).is_ok_and(|planned| planned <= bytes)
            }
            _ => true,
        }
    }

    /// Which ways to run may be chosen.
    #[must_use]
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Whether kernels for matrix units are among those that may be chosen.
    #[must_use]
    pub fn may_use_matrix_units(&self) -> bool {
        self.precision == Precision::F16 && self.device.limits().matrix_units.is_some()
    }

    /// Gives back the memory that the last batch size took.
    pub fn release(&mut self) {
        self.prepared = None;
    }

    /// Another way to run batches of this size than `failed`, of another kernel family if there is one.
    #[must_use]
    pub fn other_than(&self, failed: KernelVariant, batch: usize) -> Option<KernelVariant> {
        let mut others = self.candidates(batch);
        others.extend(self.runnable(batch));
        others.retain(|other| *other != failed);
        let mut unrelated = others.iter();
        let unrelated = unrelated.find(|other| other.family() != failed.family());
        unrelated.or(others.first()).copied()
    }

    /// Whether the user has left nothing to choose.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        matches!(
            self.kernels,
            Kernels::Named(_) | Kernels::Path(ExecutionPath::Unfused)
        )
    }

    /// The likely ways to run batches of this size, best first.
    #[must_use]
    pub fn candidates(&self, batch: usize) -> Vec<KernelVariant> {
        let limits = self.device.limits();
        let all = KernelVariant::candidates(&self.model, batch, limits, self.kernels);
        let keeps = |one: &KernelVariant| self.keeps_to_limit(*one, batch);
        all.into_iter().filter(keeps).collect()
    }

    /// Every way to run batches of this size.
    #[must_use]
    pub fn runnable(&self, batch: usize) -> Vec<KernelVariant> {
        let limits = self.device.limits();
        let all = KernelVariant::runnable(&self.model, batch, limits, self.kernels);
        let keeps = |one: &KernelVariant| self.keeps_to_limit(*one, batch);
        all.into_iter().filter(keeps).collect()
    }

    /// The way to run batches of this size, and what chose it.
    ///
    /// # Errors
    /// `Error::Usage` where nothing that may be chosen can run them.
    pub fn variant(&self, batch: usize) -> Result<(KernelVariant, ChosenBy)> {
        if let Some(&chosen) = self.chosen.get(&batch) {
            return Ok(chosen);
        }
        let by = if self.kernels == Kernels::Any {
            ChosenBy::Default
        } else {
            ChosenBy::User
        };
        match (self.candidates(batch).first(), self.kernels) {
            (Some(&first), _) => Ok((first, by)),
            // Planning it says why not.
            (None, Kernels::Named(variant)) => Ok((variant, by)),
            (None, kernels) => {
                let which = match kernels {
                    Kernels::Path(path) => format!("of the {} path", path.name()),
                    Kernels::MatrixUnits => "for matrix units".to_owned(),
                    Kernels::Any | Kernels::Named(_) => "of any path".to_owned(),
                };
                Err(Error::Usage(UsageError::NoKernel {
                    which,
                    precision: self.precision.name(),
                    batch,
                    adapter: self.device.info().to_string(),
                }))
            }
        }
    }

    /// Whether batches of this size can be run in a way that may be chosen.
    ///
    /// # Errors
    /// `Error::Usage` where they cannot; `Error::TooLarge` where something exceeds the adapter.
    pub fn check_batch(&self, batch: usize) -> Result<()> {
        let (variant, _) = self.variant(batch)?;
        let limits = self.device.limits();
        Plan::new(&self.model, batch, variant, limits).map(drop)
    }

    /// Whether a variant can run batches of this size.
    #[must_use]
    pub fn can_run(&self, variant: KernelVariant, batch: usize) -> bool {
        Plan::new(&self.model, batch, variant, self.device.limits()).is_ok()
    }

    pub(super) fn device(&self) -> &Arc<Device> {
        &self.device
    }

    pub(super) fn prepared(&self) -> Option<&Prepared> {
        self.prepared.as_ref()
    }

    /// The shape of the network.
    #[must_use]
    pub fn architecture(&self) -> &Architecture {
        &self.model
    }

    /// The precision of its layers; mixed where they differ.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The adapter that it runs on.
    #[must_use]
    pub fn info(&self) -> &AdapterInfo {
        self.device.info()
    }

    /// The way in which the last batch size runs; none before the first batch is prepared.
    #[must_use]
    pub fn prepared_variant(&self) -> Option<KernelVariant> {
        self.prepared.as_ref().map(|prepared| prepared.plan.variant)
    }

    /// What chose the way in which the last batch size runs.
    #[must_use]
    pub fn chosen_by(&self) -> Option<ChosenBy> {
        let batch = self.prepared.as_ref()?.plan.batch;
        self.variant(batch).ok().map(|(_, by)| by)
    }

    /// Puts a batch on the device and waits until it is there. `pixels: [batch, in]` row-major.
    ///
    /// # Errors
    /// Those of [`Session::prepare`].
    pub async fn upload(&mut self, pixels: &[u8], batch: usize) -> Result<()> {
        self.upload_many(pixels, batch, 1).await
    }

    pub(super) async fn upload_many(
        &mut self,
        pixels: &[u8],
        batch: usize,
        batches: usize,
    ) -> Result<()> {
        self.prepare_many(batch, batches).await?;
        let Some(prepared) = &self.prepared else {
            return Err(Error::Usage(UsageError::NoBatch));
        };
        let pixels = padded(pixels, self.model.inputs());
        prepared.upload(&self.device, &pixels).await
    }

    /// Runs the batch uploaded last and reads its outputs back. Its device time is not taken:
    /// timestamps cost time themselves, on software adapters a good part of a small network's.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn run(&mut self) -> Result<Run> {
        let Some(prepared) = &mut self.prepared else {
            return Err(Error::Usage(UsageError::NoBatch));
        };
        prepared.submit(&self.device)?;
        Ok(Run {
            outputs: prepared.read_outputs(&self.device).await?,
            gpu: None,
        })
    }

    /// Like [`Session::run`], with the device's own time where the adapter has timestamps.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn run_timed(&mut self) -> Result<Run> {
        let Some(prepared) = &self.prepared else {
            return Err(Error::Usage(UsageError::NoBatch));
        };
        prepared.submit_timed(&self.device)?;
        let outputs = prepared.read_outputs(&self.device).await?;
        let gpu = match &prepared.timestamps {
            Some(timestamps) => Some(timestamps.read(&self.device).await?),
            None => None,
        };
        Ok(Run { outputs, gpu })
    }

    /// The bytes of a layer's weights as they lie on the device: in blocks, before a batch is prepared that
    /// wants them otherwise.
    ///
    /// # Errors
    /// Those of the device.
    ///
    /// # Panics
    /// Where there is no such layer.
    pub async fn read_weights(&self, layer: usize) -> Result<Vec<u8>> {
        use wgpu::BufferUsages as Usage;
        let (device, during) = (&self.device, "reading the weights");
        let (source, range) = self.weights.of_layer(layer);
        let bytes = (range.end - range.start).next_multiple_of(4);
        let target = device.buffer(during, bytes, Usage::MAP_READ | Usage::COPY_DST);
        let mut encoder = device.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(source, range.start, &target, 0, bytes);
        device.queue.submit([encoder.finish()]);
        device
            .read_mapped(&target, bytes, during, <[u8]>::to_vec)
            .await
    }

    /// Bytes of all buffers that the model and batches of this size need with the kernel that would run them. Nothing
    /// is allocated.
    ///
    /// # Errors
    /// Those of [`Session::check_batch`], and of the device.
    pub async fn planned_bytes(&self, batch: usize) -> Result<u64> {
        let (variant, _) = self.variant(batch)?;
        self.planned_with(variant, batch, self.device.host_visible().await?)
    }

    /// The same with this kernel.
    fn planned_with(
        &self,
        variant: KernelVariant,
        batch: usize,
        visible: HostVisible,
    ) -> Result<u64> {
        let plan = Plan::new(&self.model, batch, variant, self.device.limits())?;
        let timestamps = self.info().has(Feature::TimestampQuery);
        let weights = self.weights.bytes_in(plan.weights, &self.model);
        Ok(weights + batch_bytes(&plan, visible, timestamps))
    }

    /// Bytes of all buffers that were made for the model and its present batch size.
    #[must_use]
    pub fn allocated_bytes(&self) -> u64 {
        self.weights.bytes() + self.prepared.as_ref().map_or(0, Prepared::bytes)
    }
}

/// Pixels with each row padded to whole words; as they are where the rows are whole already.
pub(super) fn padded(pixels: &[u8], width: usize) -> Cow<'_, [u8]> {
    if width.is_multiple_of(4) {
        Cow::Borrowed(pixels)
    } else {
        Cow::Owned(pack_rows(pixels, width, 0))
    }
}
