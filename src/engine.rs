//! The engine: opens an adapter, decides once what runs where, and runs networks there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::Precision;
use crate::adapter::{AdapterInfo, Backend, Feature, Kind, Selector, not_found, select};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::plan::{Arithmetic, ChosenBy, Kernels};
use crate::{cpu, gpu};

/// How an engine is opened.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Which adapter; the best found where none is named.
    pub adapter: Option<Selector>,
    /// The only backends to look behind; all of them where empty. A selector of a backend beats it.
    pub backends: Vec<Backend>,
    /// Features to hide, as if the adapter lacked them.
    pub mask_features: Vec<Feature>,
    /// Whether a precision that the adapter cannot run goes to the CPU path.
    pub fallback: bool,
    /// Which kernels networks may run with on the adapter.
    pub kernels: Kernels,
    /// How the device is opened.
    pub device: gpu::DeviceOptions,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            adapter: None,
            backends: Vec::new(),
            mask_features: Vec::new(),
            fallback: true,
            kernels: Kernels::Any,
            device: gpu::DeviceOptions::default(),
        }
    }
}

/// Where something runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The adapter.
    Gpu,
    /// The CPU path.
    Cpu,
}

/// Where a precision runs, and why there if that is not where it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Where.
    pub place: Place,
    /// Why not on the adapter.
    pub reason: Option<String>,
}

/// An open adapter, or the CPU path.
#[derive(Debug)]
pub struct Engine {
    info: AdapterInfo,
    reason: String,
    fallback: bool,
    kernels: Kernels,
    device: Option<Arc<gpu::Device>>,
}

/// Every adapter behind these backends (all where empty), and the CPU path last.
pub async fn adapters(backends: &[Backend]) -> Vec<AdapterInfo> {
    let found = find(backends).await;
    let mut infos: Vec<AdapterInfo> = found.into_iter().map(|found| found.info).collect();
    infos.push(AdapterInfo::cpu(infos.len()));
    infos
}

async fn find(backends: &[Backend]) -> Vec<gpu::Found> {
    if backends.is_empty() {
        return gpu::adapters(None).await;
    }
    let mut all = Vec::new();
    for &backend in backends {
        all.extend(gpu::adapters(Some(backend)).await);
    }
    for (index, found) in all.iter_mut().enumerate() {
        found.info.index = index;
    }
    all
}

impl Engine {
    /// Finds the adapter that `options` mean and opens it.
    ///
    /// # Errors
    /// `Error::AdapterNotFound` where it is not there, `Error::DeviceUnavailable` where its driver
    /// refuses.
    pub async fn open(options: &EngineOptions) -> Result<Self> {
        let selector = options.adapter.as_ref();
        let backends = match selector {
            Some(Selector::Backend(backend)) => vec![*backend],
            _ => options.backends.clone(),
        };
        let mut found = find(&backends).await;
        let mut infos: Vec<AdapterInfo> = found.iter().map(|found| found.info.clone()).collect();
        // Who names backends alone wants one of them; the CPU path is no silent way out.
        if backends.is_empty() || selector.is_some() {
            infos.push(AdapterInfo::cpu(infos.len()));
        }
        let Some((info, reason)) = select(&infos, selector) else {
            let asked = match selector {
                Some(selector) => selector.to_string(),
                None => backends
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(","),
            };
            return Err(not_found(&adapters(&[]).await, asked));
        };
        let mut info = info.clone();
        info.features
            .retain(|feature| !options.mask_features.contains(feature));
        let device = match found
            .iter_mut()
            .find(|found| found.info.index == info.index)
        {
            Some(found) => {
                found.info = info.clone();
                Some(gpu::Device::open(found, &options.device).await?)
            }
            None => None,
        };
        Ok(Self {
            info,
            reason,
            fallback: options.fallback,
            kernels: options.kernels,
            device,
        })
    }

    /// What was opened.
    #[must_use]
    pub fn info(&self) -> &AdapterInfo {
        &self.info
    }

    /// Why this adapter, in words.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The open device; none on the CPU path.
    #[must_use]
    pub fn device(&self) -> Option<&Arc<gpu::Device>> {
        self.device.as_ref()
    }

    /// Where a precision runs.
    ///
    /// # Errors
    /// `Error::PrecisionUnavailable` where the adapter cannot and fallback is not allowed.
    pub fn place(&self, precision: Precision) -> Result<Placement> {
        if self.info.kind == Kind::Cpu {
            return Ok(Placement {
                place: Place::Cpu,
                reason: None,
            });
        }
        match self.info.lacks(precision) {
            None => Ok(Placement {
                place: Place::Gpu,
                reason: None,
            }),
            Some(reason) if self.fallback => Ok(Placement {
                place: Place::Cpu,
                reason: Some(reason.to_owned()),
            }),
            Some(reason) => Err(Error::PrecisionUnavailable {
                adapter: self.info.to_string(),
                precision,
                reason: reason.to_owned(),
            }),
        }
    }

    /// Converts the weights of `model` to `precision` where that runs.
    ///
    /// # Errors
    /// Those of [`Engine::place`]; `Error::File` where the model cannot be run in this precision;
    /// those of the device.
    pub async fn load(&self, model: &Model, precision: Precision) -> Result<Network> {
        let placement = self.place(precision)?;
        match (&self.device, placement.place) {
            (Some(device), Place::Gpu) => {
                let mut network = gpu::Network::new(device, model, precision).await?;
                network.restrict(self.kernels);
                Ok(Network::new(
                    Executor::Gpu(Box::new(network)),
                    placement,
                    model,
                ))
            }
            _ => Network::on_cpu(model, precision, placement.reason),
        }
    }
}

impl Network {
    /// Loads a model on the CPU path, whatever the adapter; `reason` says why there.
    ///
    /// # Errors
    /// `Error::File` where the model cannot be run in this precision.
    pub fn on_cpu(model: &Model, precision: Precision, reason: Option<String>) -> Result<Self> {
        let network = cpu::Network::new(model, precision)?;
        let placement = Placement {
            place: Place::Cpu,
            reason,
        };
        Ok(Self::new(
            Executor::Cpu(Box::new(network)),
            placement,
            model,
        ))
    }

    fn new(executor: Executor, placement: Placement, model: &Model) -> Self {
        Self {
            executor,
            placement,
            inputs: model.inputs(),
            outputs: model.outputs(),
            model_path: model.path.clone(),
        }
    }
}

/// A model in one precision, ready to run.
#[derive(Debug)]
pub struct Network {
    executor: Executor,
    placement: Placement,
    inputs: usize,
    outputs: usize,
    model_path: PathBuf,
}

#[derive(Debug)]
enum Executor {
    Gpu(Box<gpu::Network>),
    Cpu(Box<cpu::Network>),
}

/// The outputs of a batch, and the device's own time for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// `[batch, out]` row-major.
    pub outputs: Vec<f32>,
    /// The kernels' time by the device's clock; none on the CPU path and without timestamps.
    pub gpu: Option<Duration>,
}

impl Network {
    /// Where it runs.
    #[must_use]
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// The way in which it runs: `separate`, `fused` or `network` on the adapter, where it depends on the
    /// batch prepared last, or `cpu`.
    #[must_use]
    pub fn path(&self) -> &'static str {
        match &self.executor {
            Executor::Gpu(network) => match network.prepared_strategy() {
                Some(strategy) => strategy.path().name(),
                None => "none",
            },
            Executor::Cpu(_) => "cpu",
        }
    }

    /// The kernel that does its products. On the GPU it depends on the batch prepared last.
    #[must_use]
    pub fn kernel(&self) -> &'static str {
        match &self.executor {
            Executor::Gpu(network) => network.prepared_strategy().map_or("none", |s| s.name),
            Executor::Cpu(_) => cpu::KERNEL,
        }
    }

    /// What chose the kernel; none on the CPU path, which has one, and before a batch is prepared.
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
                let strategy = network.prepared_strategy()?;
                Some(strategy.arithmetic_in(network.precision()))
            }
            Executor::Cpu(_) => None,
        }
    }

    /// The network on the adapter; none on the CPU path.
    pub fn gpu(&mut self) -> Option<&mut gpu::Network> {
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
    pub async fn run(&mut self) -> Result<Run> {
        match &mut self.executor {
            Executor::Gpu(network) => {
                let gpu::Run { outputs, gpu } = network.run().await?;
                Ok(Run { outputs, gpu })
            }
            Executor::Cpu(network) => Ok(Run {
                outputs: network.run().to_vec(),
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
            return Err(Error::Usage("a batch holds at least one image".into()));
        }
        let batch = batch.min(images);
        match &mut self.executor {
            Executor::Gpu(network) => network.infer(pixels, batch, progress).await,
            Executor::Cpu(network) => {
                let mut outputs = Vec::with_capacity(images * self.outputs);
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
            return Err(Error::Usage(format!(
                "{} pixels are no whole images of the {} values that {} takes",
                pixels.len(),
                self.inputs,
                self.model_path.display()
            )));
        }
        Ok(pixels.len() / self.inputs)
    }
}

/// The index of the first largest output of each row. `outputs: [images, out]` row-major.
#[must_use]
pub fn labels(outputs: &[f32], width: usize) -> Vec<usize> {
    outputs.chunks_exact(width).map(label).collect()
}

/// The index of the first largest value.
#[must_use]
pub fn label(row: &[f32]) -> usize {
    let mut best = 0;
    for (index, &value) in row.iter().enumerate() {
        if value > row[best] {
            best = index;
        }
    }
    best
}

/// Checks that images fit a model.
///
/// # Errors
/// `Error::File` naming `data` where their width differs.
pub fn check_width(model: &Model, data: &Path, width: usize) -> Result<()> {
    if width == model.inputs() {
        return Ok(());
    }
    Err(Error::file(
        data,
        format!(
            "holds images of {width} pixels, but {} takes {}",
            model.path.display(),
            model.inputs()
        ),
    ))
}
