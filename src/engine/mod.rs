//! The engine: opens an adapter, decides once what runs where, and runs networks there.

mod network;

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::Precision;
use crate::adapter::{AdapterInfo, Backend, Feature, Kind, Selector, not_found, select};
use crate::cpu::{Processor, ProcessorOptions};
use crate::error::{Error, Result};
use crate::gpu;
use crate::model::Model;
use crate::plan::Kernels;
use network::Executor;
pub use network::{Network, Run};

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
    /// What the CPU path runs on.
    pub processor: ProcessorOptions,
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
            processor: ProcessorOptions::default(),
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
    processor: Processor,
    device: Option<Arc<gpu::Device>>,
}

/// Every adapter behind these backends (all where empty), and the CPU path last.
pub async fn adapters(backends: &[Backend]) -> Vec<AdapterInfo> {
    let found = find(backends).await;
    let mut infos: Vec<AdapterInfo> = found.into_iter().map(|found| found.info).collect();
    infos.push(AdapterInfo::cpu(infos.len(), Processor::default().info()));
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
    /// refuses; those of [`Processor::new`].
    pub async fn open(options: &EngineOptions) -> Result<Self> {
        let processor = Processor::new(options.processor)?;
        let selector = options.adapter.as_ref();
        let backends = match selector {
            Some(Selector::Backend(backend)) => vec![*backend],
            _ => options.backends.clone(),
        };
        let mut found = find(&backends).await;
        let mut infos: Vec<AdapterInfo> = found.iter().map(|found| found.info.clone()).collect();
        // Who names backends alone wants one of them; the CPU path is no silent way out.
        if backends.is_empty() || selector.is_some() {
            infos.push(AdapterInfo::cpu(infos.len(), processor.info()));
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
            processor,
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

    /// What the CPU path runs on.
    #[must_use]
    pub fn processor(&self) -> &Processor {
        &self.processor
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
            _ => Network::on_cpu(model, precision, &self.processor, placement.reason),
        }
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
