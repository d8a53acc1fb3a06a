//! The engine: opens an adapter, decides once what runs where, and runs networks there.

mod memory;
mod placement;
mod session;

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::Precision;
use crate::adapter::{AdapterInfo, Backend, Feature, Kind, Selector, not_found, select};
use crate::cpu::{Processor, ProcessorOptions};
use crate::error::{Error, FileError, Result};
use crate::gpu;
use crate::host;
pub use crate::model::{label, labels};
use crate::plan::Kernels;
use crate::quantize::{QuantizedLayer, QuantizedNetwork, Source};
pub use placement::{Place, Placement};
use session::Executor;
pub use session::{Run, Session};

/// Memory that it takes to load graphics drivers: Mesa's, with its compiler, takes the most of those that run on any
/// machine.
const BYTES_OF_DRIVERS: u64 = 320 << 20;

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

/// An adapter that was chosen and is not open yet, or the CPU path.
#[derive(Debug)]
pub struct Selected {
    info: AdapterInfo,
    reason: String,
    /// The CPU path, as the last of the adapters.
    cpu_path: AdapterInfo,
    processor: Processor,
    found: Option<gpu::Found>,
}

/// An open adapter, or the CPU path.
#[derive(Debug)]
pub struct Engine {
    info: AdapterInfo,
    reason: String,
    cpu_path: AdapterInfo,
    fallback: bool,
    kernels: Kernels,
    processor: Processor,
    device: Option<Arc<gpu::Device>>,
    matrix_units: MatrixUse,
}

/// Whether f16 may run on matrix units, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatrixUse {
    /// Whether it may: then the kernels for them are among those that are chosen from.
    pub used: bool,
    /// Why, or why not, in words.
    pub reason: String,
    /// The kernels for them that the driver does not take.
    #[serde(skip)]
    pub rejected: Vec<&'static str>,
}

impl MatrixUse {
    /// They are used, for this reason.
    pub fn yes(reason: impl Into<String>) -> Self {
        Self {
            used: true,
            ..Self::no(reason)
        }
    }

    /// They are not used, for this reason.
    pub fn no(reason: impl Into<String>) -> Self {
        Self {
            used: false,
            reason: reason.into(),
            rejected: Vec::new(),
        }
    }
}

/// Every adapter behind these backends (all where empty), and the CPU path last.
///
/// # Errors
/// `Error::HostMemory` where this machine does not have the memory that drivers take.
pub async fn adapters(backends: &[Backend]) -> Result<Vec<AdapterInfo>> {
    let found = find(backends).await?;
    let mut infos: Vec<AdapterInfo> = found.into_iter().map(|found| found.info).collect();
    infos.push(AdapterInfo::cpu(infos.len(), Processor::default().info()));
    Ok(infos)
}

/// The same, each as if it had been chosen.
///
/// # Errors
/// As [`adapters`].
pub async fn every_adapter(backends: &[Backend]) -> Result<Vec<Selected>> {
    let processor = Processor::default();
    let found = find(backends).await?;
    let cpu_path = AdapterInfo::cpu(found.len(), processor.info());
    let selected = |found: gpu::Found| Selected {
        info: found.info.clone(),
        reason: String::new(),
        cpu_path: cpu_path.clone(),
        processor: processor.clone(),
        found: Some(found),
    };
    let mut all: Vec<Selected> = found.into_iter().map(selected).collect();
    all.push(Selected {
        info: cpu_path.clone(),
        reason: String::new(),
        cpu_path,
        processor,
        found: None,
    });
    Ok(all)
}

async fn find(backends: &[Backend]) -> Result<Vec<gpu::Found>> {
    if backends == [Backend::Cpu] {
        return Ok(Vec::new());
    }
    // Drivers break down, or are not found, where they cannot be loaded.
    let drivers = "the graphics drivers, which --adapter cpu does without";
    host::need(drivers, BYTES_OF_DRIVERS)?;
    if backends.is_empty() {
        return Ok(gpu::adapters(None).await);
    }
    let mut all = Vec::new();
    for &backend in backends {
        all.extend(gpu::adapters(Some(backend)).await);
    }
    for (index, found) in all.iter_mut().enumerate() {
        found.info.index = index;
    }
    Ok(all)
}

impl Selected {
    /// Finds the adapter that `options` mean.
    ///
    /// # Errors
    /// `Error::AdapterNotFound` where it is not there; those of [`Processor::new`].
    pub async fn find(options: &EngineOptions) -> Result<Self> {
        let processor = Processor::new(options.processor)?;
        let selector = options.adapter.as_ref();
        let backends = match selector {
            Some(Selector::Backend(backend)) => vec![*backend],
            _ => options.backends.clone(),
        };
        let found = find(&backends).await?;
        let mut infos: Vec<AdapterInfo> = found.iter().map(|found| found.info.clone()).collect();
        let cpu_path = AdapterInfo::cpu(infos.len(), processor.info());
        // Who names backends alone wants one of them; the CPU path is no silent way out.
        if backends.is_empty() || selector.is_some() {
            infos.push(cpu_path.clone());
        }
        let Some((info, reason)) = select(&infos, selector) else {
            let requested = match selector {
                Some(selector) => selector.to_string(),
                None => backends
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(","),
            };
            return Err(not_found(&adapters(&[]).await?, requested));
        };
        let mut info = info.clone();
        info.mask(&options.mask_features);
        let chosen = found.into_iter().find(|f| f.info.index == info.index);
        let found = chosen.map(|mut found| {
            found.info = info.clone();
            found
        });
        Ok(Self {
            info,
            reason,
            cpu_path,
            processor,
            found,
        })
    }

    /// What was chosen.
    #[must_use]
    pub fn info(&self) -> &AdapterInfo {
        &self.info
    }

    /// The adapter; none where the CPU path was chosen.
    #[must_use]
    pub fn found(&self) -> Option<&gpu::Found> {
        self.found.as_ref()
    }

    /// Opens it.
    ///
    /// # Errors
    /// `Error::DeviceUnavailable` where its driver refuses.
    pub async fn open(&self, options: &EngineOptions, matrix_units: MatrixUse) -> Result<Engine> {
        let device_options = gpu::DeviceOptions {
            matrix_units: matrix_units.used,
            rejected: matrix_units.rejected.clone(),
            ..options.device.clone()
        };
        let device = match &self.found {
            Some(found) => Some(gpu::Device::open(found, &device_options).await?),
            None => None,
        };
        Ok(Engine {
            info: self.info.clone(),
            reason: self.reason.clone(),
            cpu_path: self.cpu_path.clone(),
            fallback: options.fallback,
            kernels: options.kernels,
            processor: self.processor.clone(),
            device,
            matrix_units,
        })
    }
}

impl Engine {
    /// Finds the adapter that `options` mean and opens it, with its matrix units where they say so.
    ///
    /// # Errors
    /// `Error::AdapterNotFound` where it is not there, `Error::DeviceUnavailable` where its driver
    /// refuses; those of [`Processor::new`].
    pub async fn open(options: &EngineOptions) -> Result<Self> {
        let selected = Selected::find(options).await?;
        let lacks = selected.info.lacks_matrix_units();
        let matrix_units = match lacks.filter(|_| options.device.matrix_units) {
            Some(reason) => MatrixUse::no(reason),
            None if options.device.matrix_units => MatrixUse::yes("requested"),
            None => MatrixUse::no("not requested"),
        };
        selected.open(options, matrix_units).await
    }

    /// The CPU path of the same machine as an engine of its own, to be measured beside this one, for this reason.
    #[must_use]
    pub fn beside(&self, reason: impl Into<String>) -> Self {
        Self {
            info: self.cpu_path.clone(),
            reason: reason.into(),
            cpu_path: self.cpu_path.clone(),
            fallback: self.fallback,
            kernels: Kernels::Any,
            processor: self.processor.clone(),
            device: None,
            matrix_units: MatrixUse::no(self.cpu_path.lacks_matrix_units().unwrap_or("not used")),
        }
    }

    /// The same engine on a device that was opened again. The CPU path has none.
    ///
    /// # Errors
    /// `Error::DeviceUnavailable` where its driver refuses.
    pub async fn restarted(&self) -> Result<Self> {
        Ok(Self {
            info: self.info.clone(),
            reason: self.reason.clone(),
            cpu_path: self.cpu_path.clone(),
            fallback: self.fallback,
            kernels: self.kernels,
            processor: self.processor.clone(),
            device: match &self.device {
                Some(device) => Some(device.reopened().await?),
                None => None,
            },
            matrix_units: self.matrix_units.clone(),
        })
    }

    /// Loads a model anew where `earlier` runs it, with the kernels that were chosen there.
    ///
    /// # Errors
    /// Those of [`Engine::load`].
    pub async fn reload(&self, earlier: &mut Session, model: &QuantizedNetwork) -> Result<Session> {
        let placement = earlier.placement().clone();
        match (&self.device, earlier.gpu()) {
            (Some(device), Some(network)) => {
                let network = gpu::Session::like(network, device, model).await?;
                let executor = Executor::Gpu(Box::new(network));
                Ok(Session::new(executor, placement, model))
            }
            _ => Session::on_cpu(model, &self.processor, placement.reason),
        }
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

    /// The CPU path, which runs what the adapter cannot.
    #[must_use]
    pub fn cpu_path(&self) -> &AdapterInfo {
        &self.cpu_path
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

    /// Whether f16 may run on the adapter's matrix units, and why.
    #[must_use]
    pub fn matrix_units(&self) -> &MatrixUse {
        &self.matrix_units
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
                precision: precision.name(),
                reason: reason.to_owned(),
            }),
        }
    }

    /// The kernels that may run a precision: only f16 has to run on matrix units where they are requested
    /// for.
    fn kernels_for(&self, precision: Precision) -> Kernels {
        match self.kernels {
            Kernels::MatrixUnits if precision != Precision::F16 => Kernels::Any,
            kernels => kernels,
        }
    }

    /// Where a model runs.
    ///
    /// # Errors
    /// Those of [`Engine::place`].
    pub fn place_model(&self, model: &QuantizedNetwork) -> Result<Placement> {
        // A network with a layer in f16 needs what f16 needs.
        let half = |layer: &QuantizedLayer| layer.precision() == Precision::F16;
        self.place(if model.layers.iter().any(half) {
            Precision::F16
        } else {
            model.mode.precision
        })
    }

    /// Puts a model where its mode runs.
    ///
    /// # Errors
    /// Those of [`Engine::place`]; `Error::File` where the model is damaged; those of the device.
    pub async fn load(&self, model: &QuantizedNetwork) -> Result<Session> {
        let placement = self.place_model(model)?;
        match (&self.device, placement.place) {
            (Some(device), Place::Gpu) => {
                let mut network = gpu::Session::new(device, model).await?;
                network.restrict(self.kernels_for(model.mode.precision));
                let executor = Executor::Gpu(Box::new(network));
                Ok(Session::new(executor, placement, model))
            }
            _ => Session::on_cpu(model, &self.processor, placement.reason),
        }
    }
}

/// Checks that images fit a model.
///
/// # Errors
/// `Error::File` naming `data` where their width differs.
pub fn check_width(model: &Source, data: &Path, width: usize) -> Result<()> {
    let inputs = model.architecture().inputs();
    if width == inputs {
        return Ok(());
    }
    Err(Error::file(
        data,
        FileError::unsuitable(
            format!(
                "its images have {width} pixels, but {} takes images of {inputs}",
                model.path().display()
            ),
            "give images of that size, or a network that takes these",
        ),
    ))
}
