//! What a network needs on a device, and the largest batch that runs there within a limit.

use fmnist_gpu::adapter::Kind;
use fmnist_gpu::engine::{Place, Session};
use fmnist_gpu::model::{self, classifier_activations};
use fmnist_gpu::quantize::{QuantizedNetwork, Ranges, Source, lower};
use fmnist_gpu::{Engine, Error, Mode, host, report};

use crate::cli::terminal;

/// A network, with weights or as a shape.
pub struct Network {
    widths: Vec<usize>,
    /// Its weights, or why there are none.
    source: Result<Source, String>,
}

/// What a mode needs on a device.
pub struct Planned {
    /// Where it would run; none where it cannot.
    pub device: Option<Place>,
    /// Bytes of all buffers; none where it cannot run.
    pub bytes: Option<u64>,
    /// The largest batch within the limit; none without a limit, and where no batch fits and runs.
    pub largest: Option<Largest>,
    /// Why a figure is missing, or what else there is to say.
    pub detail: Option<String>,
}

/// The largest batch within a limit, which ran.
#[derive(Clone, Copy)]
pub struct Largest {
    pub batch: usize,
    /// Bytes of all buffers by plan.
    pub planned: u64,
    /// The same as they were allocated.
    pub allocated: u64,
}

impl Network {
    pub fn of_model(source: Source) -> Self {
        Self {
            widths: source.architecture().widths(),
            source: Ok(source),
        }
    }

    /// A network of these widths. Its weights are random: memory does not depend on them.
    pub fn of_shape(widths: &[usize]) -> Self {
        let activations = classifier_activations(widths.len() - 1);
        let network = model::Network::random(widths, &activations, 0);
        Self {
            widths: widths.to_vec(),
            source: network
                .map(Source::Network)
                .map_err(|error| error.to_string()),
        }
    }

    /// Input first.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// What it needs in a mode.
    ///
    /// # Errors
    /// Those of the device that are not about this mode alone.
    pub async fn plan(
        &self,
        engine: &Engine,
        mode: &Mode,
        batch: usize,
        limit: Option<u64>,
    ) -> Result<Planned, Error> {
        let source = match &self.source {
            Ok(source) => source,
            Err(reason) => return Ok(Planned::unknown(reason.clone())),
        };
        let loaded = match quantize(source, mode) {
            Ok(model) => engine.load(&model).await,
            Err(error) => Err(error),
        };
        let mut session = match loaded {
            Ok(session) => session,
            Err(error) => return of_one_mode(error).map(Planned::unknown),
        };
        let placement = session.placement().clone();
        let left = |reason| format!("it would run on the CPU path, because {reason}");
        let mut planned = Planned {
            device: Some(placement.place),
            bytes: None,
            largest: None,
            detail: placement.reason.map(left),
        };
        match session.planned_bytes(batch).await {
            Ok(bytes) => planned.bytes = Some(bytes),
            Err(error) => planned.detail = Some(of_one_mode(error)?),
        }
        if let Some(limit) = limit {
            let spinner = terminal::spinner("running the largest batch");
            let found = largest(engine, &mut session, limit).await;
            spinner.finish_and_clear();
            let (largest, reason) = found?;
            planned.largest = largest;
            planned.detail = reason.or(planned.detail);
        }
        Ok(planned)
    }
}

impl Planned {
    fn unknown(reason: String) -> Self {
        Self {
            device: None,
            bytes: None,
            largest: None,
            detail: Some(reason),
        }
    }
}

/// The network as a mode runs it. Scales of static int8 are made up: memory does not depend on them.
fn quantize(source: &Source, mode: &Mode) -> Result<QuantizedNetwork, Error> {
    match source.model() {
        Some(model) => {
            let ranges = Ranges(vec![(0.0, 1.0); model.layers.len()]);
            lower(model, mode, Some(&ranges))
        }
        None => source.quantize(mode),
    }
}

/// Why a mode cannot run, if the reason is its own.
fn of_one_mode(error: Error) -> Result<String, Error> {
    match error {
        Error::PrecisionUnavailable { .. }
        | Error::TooLarge { .. }
        | Error::OutOfMemory { .. }
        | Error::HostMemory { .. }
        | Error::CheckFailed(_)
        | Error::Usage(_) => Ok(error.to_string()),
        error => Err(error),
    }
}

/// How close the largest batch that runs is found, as a part of itself, where memory is missing for larger ones.
const CLOSE: usize = 16;

/// The largest batch within a limit that runs, and why a larger one does not, if one stays within the limit.
async fn largest(
    engine: &Engine,
    session: &mut Session,
    limit: u64,
) -> Result<(Option<Largest>, Option<String>), Error> {
    let (mut ran, mut failed): (Option<Largest>, Option<(usize, String)>) = (None, None);
    loop {
        let least = ran.map_or(0, |ran| ran.batch);
        let most = match &failed {
            Some((failed, _)) if failed - least <= 1 + least / CLOSE => break,
            Some((failed, _)) => least + (failed - least) / 2,
            None => usize::MAX,
        };
        let Some((batch, planned)) = session.largest_batch(limit, most).await? else {
            break;
        };
        match run(engine, session, batch, planned).await {
            Ok(allocated) => {
                ran = Some(Largest {
                    batch,
                    planned,
                    allocated,
                });
                if failed.is_none() {
                    break;
                }
            }
            Err(
                error @ (Error::OutOfMemory { .. }
                | Error::HostMemory { .. }
                | Error::TooLarge { .. }),
            ) => {
                session.release();
                failed = Some((batch, error.to_string()));
            }
            Err(error) => return Err(error),
        }
    }
    let reason = failed.map(|(batch, error)| {
        format!(
            "a batch of {} stays within the limit, but does not run: {error}",
            report::count(batch as u64)
        )
    });
    Ok((ran, reason))
}

/// Runs a batch of black images; gives the bytes that were allocated for it.
async fn run(
    engine: &Engine,
    session: &mut Session,
    batch: usize,
    planned: u64,
) -> Result<u64, Error> {
    let pixels = batch as u64 * session.inputs() as u64;
    // Besides what is planned, the pixels on their way, in rows as the adapter wants them.
    let on_host = engine.info().kind == Kind::Software || session.placement().place == Place::Cpu;
    let of_host = 2 * pixels + if on_host { planned } else { 0 };
    host::need_free(&format!("a batch of {batch} images"), of_host)?;
    session.release();
    session.upload(&vec![0; pixels as usize]).await?;
    session.run().await?;
    Ok(session.allocated_bytes())
}
