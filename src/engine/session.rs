//! A model in a mode on whichever executor runs it.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use super::placement::{Place, Placement};
use crate::Mode;
use crate::error::{Error, Result, UsageError};
use crate::host;
use crate::plan::{Arithmetic, ChosenBy};
use crate::quantize::QuantizedNetwork;
use crate::{cpu, gpu};

/// A model in a mode, ready to run.
#[derive(Debug)]
pub struct Session {
    executor: Executor,
    placement: Placement,
    mode: Mode,
    inputs: usize,
    outputs: usize,
    model_path: PathBuf,
}

#[derive(Debug)]
pub(super) enum Executor {
    Gpu(Box<gpu::Session>),
    Cpu(Box<cpu::Session>),
}

/// The outputs of a batch, and the device's own time for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run<'a> {
    /// `[batch, out]` row-major. The CPU path lends what it has.
    pub outputs: Cow<'a, [f32]>,
    /// The kernels' time by the device's clock; none on the CPU path and without timestamps.
    pub gpu: Option<Duration>,
}

impl Session {
    /// Loads a model on the CPU path, whatever the adapter; `reason` says why there.
    ///
    /// # Errors
    /// `Error::File` where the model is damaged.
    pub fn on_cpu(
        model: &QuantizedNetwork,
        processor: &cpu::Processor,
        reason: Option<String>,
    ) -> Result<Self> {
        let network = cpu::Session::new(model, processor)?;
        let placement = Placement {
            place: Place::Cpu,
            reason,
        };
        let executor = Executor::Cpu(Box::new(network));
        Ok(Self::new(executor, placement, model))
    }

    pub(super) fn new(executor: Executor, placement: Placement, model: &QuantizedNetwork) -> Self {
        let architecture = model.architecture();
        Self {
            executor,
            placement,
            mode: model.mode.clone(),
            inputs: architecture.inputs(),
            outputs: architecture.outputs(),
            model_path: model.path.clone(),
        }
    }

    /// What it is run as.
    #[must_use]
    pub fn mode(&self) -> &Mode {
        &self.mode
    }

    /// Where it runs.
    #[must_use]
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// The way in which it runs: `unfused`, `fused` or `network` on the adapter, where it depends on the
    /// batch prepared last, or `cpu`.
    #[must_use]
    pub fn path(&self) -> &'static str {
        match &self.executor {
            Executor::Gpu(network) => match network.prepared_variant() {
                Some(variant) => variant.path().name(),
                None => "none",
            },
            Executor::Cpu(_) => "cpu",
        }
    }

    /// The kernel that does its products. On the GPU it depends on the batch prepared last.
    #[must_use]
    pub fn kernel(&self) -> &'static str {
        match &self.executor {
            Executor::Gpu(network) => network.prepared_variant().map_or("none", |s| s.name),
            Executor::Cpu(network) => network.processor().info().instruction_set,
        }
    }

    /// The threads of the CPU path that the batch uploaded last runs on; none on the adapter.
    #[must_use]
    pub fn threads(&self) -> Option<usize> {
        match &self.executor {
            Executor::Gpu(_) => None,
            Executor::Cpu(network) => Some(network.threads()),
        }
    }

    /// Waits a moment until the threads of the CPU path that a batch runs on are awake; nothing on the adapter.
    pub fn rouse(&self) {
        if let Executor::Cpu(network) = &self.executor {
            network.processor().rouse(network.threads());
        }
    }

    /// The kernel that does the products of batches of this size.
    ///
    /// # Errors
    /// `Error::Usage` where none that may be chosen can run them.
    pub fn kernel_for(&self, batch: usize) -> Result<&'static str> {
        match &self.executor {
            Executor::Gpu(network) => Ok(network.variant(batch)?.0.name),
            Executor::Cpu(_) => Ok(self.kernel()),
        }
    }

    /// What chose the kernel; none on the CPU path, which has one for each instruction set, and before a
    /// batch is prepared.
    #[must_use]
    pub fn chosen_by(&self) -> Option<ChosenBy> {
        match &self.executor {
            Executor::Gpu(network) => network.chosen_by(),
            Executor::Cpu(_) => None,
        }
    }

    /// The arithmetic of its products on the adapter; none on the CPU path and before a batch is
    /// prepared.
    #[must_use]
    pub fn arithmetic(&self) -> Option<Arithmetic> {
        match &self.executor {
            Executor::Gpu(network) => {
                let variant = network.prepared_variant()?;
                Some(variant.arithmetic_in(network.precision()))
            }
            Executor::Cpu(_) => None,
        }
    }

    /// The network on the adapter; none on the CPU path.
    pub fn gpu(&mut self) -> Option<&mut gpu::Session> {
        match &mut self.executor {
            Executor::Gpu(network) => Some(network),
            Executor::Cpu(_) => None,
        }
    }

    /// Bytes of all buffers that were really made, on the device or on the host.
    #[must_use]
    pub fn allocated_bytes(&self) -> u64 {
        match &self.executor {
            Executor::Gpu(network) => network.allocated_bytes(),
            Executor::Cpu(network) => network.allocated_bytes(),
        }
    }

    /// Pixels of an image.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    pub(super) fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Gives back the memory that batches took, so that what is allocated next is what the next batch needs.
    pub fn release(&mut self) {
        match &mut self.executor {
            Executor::Gpu(network) => network.release(),
            Executor::Cpu(network) => network.release(),
        }
    }

    /// Puts a batch where a run starts from, and waits until it is there.
    /// `pixels: [batch, in]` row-major, one byte a pixel.
    ///
    /// # Errors
    /// `Error::Usage` where `pixels` are no whole images of the model's width; those of the device.
    pub async fn upload(&mut self, pixels: &[u8]) -> Result<()> {
        let batch = self.images(pixels)?;
        match &mut self.executor {
            Executor::Gpu(network) => network.upload(pixels, batch).await,
            Executor::Cpu(network) => {
                network.check_batch(batch)?;
                network.upload(pixels, batch);
                Ok(())
            }
        }
    }

    /// Runs the batch uploaded last; its outputs end in host memory. The device's own time is not
    /// taken.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn run(&mut self) -> Result<Run<'_>> {
        match &mut self.executor {
            Executor::Gpu(network) => {
                let gpu::Run { outputs, gpu } = network.run().await?;
                Ok(Run {
                    outputs: Cow::Owned(outputs),
                    gpu,
                })
            }
            Executor::Cpu(network) => Ok(Run {
                outputs: Cow::Borrowed(network.run()),
                gpu: None,
            }),
        }
    }

    /// The device's own time for the batch uploaded last, from a run of its own: taking it costs time.
    /// None on the CPU path and where the adapter has no timestamps.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn device_time(&mut self) -> Result<Option<Duration>> {
        match &mut self.executor {
            Executor::Gpu(network) => Ok(network.run_timed().await?.gpu),
            Executor::Cpu(_) => Ok(None),
        }
    }

    /// The outputs `[images, out]` of all of `pixels` (`[images, in]` row-major), run in batches of
    /// `batch`, the last perhaps short. `progress` is called with the number of images done.
    ///
    /// # Errors
    /// `Error::Usage` where `pixels` are no whole images of the model's width, or `batch` is zero;
    /// those of the device.
    pub async fn infer(
        &mut self,
        pixels: &[u8],
        batch: usize,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<f32>> {
        let images = self.images(pixels)?;
        if batch == 0 {
            return Err(Error::Usage(UsageError::InvalidValue {
                what: "the batch size".into(),
                given: "0".into(),
                expected: "at least 1".into(),
            }));
        }
        let batch = batch.min(images);
        // The outputs and their labels.
        let bytes = images as u64 * (8 * self.outputs as u64 + 16);
        host::need(&format!("the outputs of {images} images"), bytes)?;
        match &mut self.executor {
            Executor::Gpu(network) => network.infer(pixels, batch, progress).await,
            Executor::Cpu(network) => {
                let mut outputs = Vec::with_capacity(images * self.outputs);
                network.check_batch(batch)?;
                for pixels in pixels.chunks(batch * self.inputs) {
                    network.upload(pixels, pixels.len() / self.inputs);
                    outputs.extend_from_slice(network.run());
                    progress(outputs.len() / self.outputs);
                }
                Ok(outputs)
            }
        }
    }

    /// How many images `pixels` hold.
    fn images(&self, pixels: &[u8]) -> Result<usize> {
        if pixels.is_empty() || !pixels.len().is_multiple_of(self.inputs) {
            return Err(Error::Usage(UsageError::NotWholeImages {
                pixels: pixels.len(),
                width: self.inputs,
                model: self.model_path.display().to_string(),
            }));
        }
        Ok(pixels.len() / self.inputs)
    }
}
