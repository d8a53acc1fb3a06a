//! Dense networks in compute shaders, at the precision you choose.
//!
//! The engine runs a dense classifier in float32, float16, bfloat16, int8 or int4 on any adapter that
//! wgpu finds, with a CPU path where there is none, and measures what each costs and gains there.
//!
//! ```
//! use fmnist_gpu::quantize::lower;
//! use fmnist_gpu::{Engine, EngineOptions, Precision, dataset, engine, model::Model};
//!
//! # fn main() -> fmnist_gpu::Result<()> {
//! let model = Model::default_model()?;
//! let data = dataset::test_split()?;
//! let outputs = pollster::block_on(async {
//!     let engine = Engine::open(&EngineOptions::default()).await?;
//!     let quantized = lower(&model, &Precision::F16.into(), None)?;
//!     let mut network = engine.load(&quantized).await?;
//!     network.infer(data.images.range(0, 8), 8, &mut |_| ()).await
//! })?;
//! for (label, truth) in engine::labels(&outputs, model.outputs()).into_iter().zip(&data.labels) {
//!     println!("{} (it is a {})", model.class_name(label), model.class_name(usize::from(*truth)));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The rooms
//!
//! Data flows one way, and a module knows only what lies to its left:
//!
//! ```text
//! argv → cli → options ───┐
//!            adapter ─────┤
//!   dataset, model ───────┼→ plan (plain data: variant, chunks, buffers, dispatches)
//!                         │       ↓
//!                         │   executor: gpu | cpu        → outputs, durations
//!                         │       ↓  (chosen once by engine)
//!                         └→ bench (check, warm up, measure, compare) → rows
//!                                 ↓
//!                            verdict (what to deploy), baseline (what changed) → report → bytes
//! ```
//!
//! - [`precision`], [`quant`], [`mode`] and [`memory`] say what a precision means and needs; [`deploy`]
//!   puts a model into the numbers that it runs in.
//! - [`plan`] has the variants, the ways to run a network; [`tune`] measures which is fastest.
//! - [`gpu`] alone knows wgpu; [`cpu`] is its twin in the processor's own vectors.
//! - [`mod@reference`] is the oracle, which shares no code with what it checks.
//! - [`deploy`] puts models into the numbers that they run in, calibrated on images; [`search`] finds which layers
//!   can do with less.
//! - [`results`] has the rows of a benchmark as plain data, which [`bench`] measures and [`report`], [`verdict`] and
//!   [`baseline`] read.
//! - [`stats`] has intervals and tests, as functions of numbers; [`verdict`] says with them which row to deploy,
//!   and [`baseline`] what became of the rows of an earlier result.
//! - [`verify`] holds all that an adapter can run against the oracle, and observes what its driver does where
//!   it has a choice.
//! - [`train`] makes models, in float32.

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
