//! Dense networks in compute shaders, at the precision you choose.
//!
//! The engine runs a dense classifier in float32, float16, bfloat16, int8 or int4. It runs on any adapter that wgpu
//! finds, or on the CPU if there is none. It measures the time, memory and accuracy of each precision there.
//!
//! ```
//! use fmnist_gpu::quantize::lower;
//! use fmnist_gpu::{Engine, EngineOptions, Precision, dataset, engine, model::Network};
//!
//! # fn main() -> fmnist_gpu::Result<()> {
//! let model = Network::default_model()?;
//! let data = dataset::test_split()?;
//! let outputs = pollster::block_on(async {
//!     let engine = Engine::open(&EngineOptions::default()).await?;
//!     let quantized = lower(&model, &Precision::F16.into(), None)?;
//!     let mut network = engine.load(&quantized).await?;
//!     network.infer(data.images.range(0, 8), 8, &mut |_| ()).await
//! })?;
//! for (label, truth) in engine::labels(&outputs, model.outputs()).into_iter().zip(data.labels()?) {
//!     println!("{} (it is a {})", model.class_name(label), model.class_name(usize::from(*truth)));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The modules
//!
//! Data flows one way. docs/architecture.md has the whole picture and says which module may import which.
//!
//! ```text
//! file → model::Network → quantize::lower → QuantizedNetwork → plan → executor: gpu | cpu → outputs, times
//!                                                                                              ↓
//!                           bytes ← report ← verdict, baseline ← rows ← bench (check, warm up, sample, compare)
//! ```
//!
//! - [`precision`], [`scheme`], [`mode`] and [`memory`] define the precisions: their names, formulas and sizes.
//! - [`dataset`] reads images and labels, and [`model`] reads and writes networks with f32 parameters.
//! - [`quantize`] turns a network into a quantized network: it calibrates on images, rounds the weights, and reads
//!   and writes quantized files.
//! - [`adapter`] describes the devices, and [`engine`] opens one and decides once what runs where.
//! - [`plan`] has the kernel variants, and turns a quantized network into dispatches and buffers.
//! - [`gpu`] executes a plan; it is the only module that imports wgpu. [`cpu`] runs networks on the processor.
//! - [`tune`] measures which kernel variant is fastest, and stores the choice.
//! - [`mod@bench`] measures, and [`results`] has its rows as plain data. [`stats`] computes intervals and tests.
//! - [`verdict`] chooses the row to deploy. [`baseline`] compares the rows with an earlier result. [`report`] writes
//!   all of it as text, JSON, CSV or HTML.
//! - [`mod@reference`] is the reference implementation. It shares no code with what it checks.
//! - [`verify`] compares everything that an adapter can run with the reference, and observes how its driver rounds.
//! - [`search`] finds a precision for each layer by measuring.
//! - [`host`] asks this machine for threads and memory.
//! - [`train`] trains networks in float32.

pub mod adapter;
pub mod atomic_file;
pub mod baseline;
pub mod bench;
pub mod cpu;
pub mod dataset;
pub mod engine;
pub mod error;
pub mod folders;
pub mod gpu;
pub mod host;
mod input;
pub mod memory;
pub mod mode;
pub mod model;
pub mod peak;
pub mod plan;
pub mod precision;
mod printable;
pub mod quantize;
pub mod reference;
pub mod report;
pub mod results;
pub mod scheme;
pub mod search;
pub mod stats;
pub mod train;
pub mod tune;
pub mod units;
pub mod verdict;
pub mod verify;

pub use engine::{Engine, EngineOptions};
pub use error::{Error, Result};
pub use mode::Mode;
pub use precision::Precision;
pub use scheme::{Scheme, WeightScales};
