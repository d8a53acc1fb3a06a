//! `bench --compare MODEL`: the other model is measured first, as the model itself is.

use std::ops::ControlFlow;

use fmnist_gpu::baseline::Saved;
use fmnist_gpu::bench::{self, BenchOptions, Finished, Observer};
use fmnist_gpu::dataset::Dataset;
use fmnist_gpu::quantize::Source;
use fmnist_gpu::report::{self, Detail, Document, ModelInfo, OutputFormat};
use fmnist_gpu::results::Status;
use fmnist_gpu::{Engine, Mode, Precision};
use indicatif::ProgressBar;

use super::decision::failures;
use super::interrupt::{self, Interrupted};
use super::terminal;

/// The result of the other one of two models, measured on the engines of `document`, which is that of the first.
///
/// # Errors
/// Whatever ends its measurement.
pub fn measure(
    document: &Document,
    engines: &[Engine],
    (model, other): (&Source, &Source),
    data: &Dataset,
    options: &BenchOptions,
    bar: &ProgressBar,
) -> anyhow::Result<Saved> {
    let options = BenchOptions {
        modes: modes(model, other, &options.modes),
        named: false,
        breakdown: false,
        ..options.clone()
    };
    let mut watch = Watch {
        bar,
        model: other.path().display().to_string(),
    };
    let measured = pollster::block_on(bench::run(engines, other, data, &options, &mut watch))?;
    let name = other.path().display();
    if let Some(failure) = measured.failure {
        terminal::note(&format!(
            "note: what follows happened while {name} was measured"
        ));
        return Err(failure.into());
    }
    if interrupt::requested() {
        return Err(Interrupted.into());
    }
    let mut document = document.clone();
    document.model = ModelInfo::new(other);
    document.missing_batches.clear();
    document.results = measured.rows;
    document.control_workloads = measured.control_workloads;
    failures(&document).inspect_err(|_| {
        terminal::note(&format!("note: what follows is about {name}"));
    })?;
    for row in document
        .results
        .iter()
        .filter(|row| row.status != Status::Ok)
    {
        let (row, detail) = (document.row_name(row), row.detail.as_deref());
        let detail = detail.unwrap_or("no reason is known");
        terminal::note(&format!("note: {row} of {name} was not measured: {detail}"));
    }
    let json = report::render(&document, OutputFormat::Json, Detail::Short)?;
    Ok(Saved::of_other_model(json.as_bytes(), &document.results)?)
}

/// The modes of the other model: those of the first if both have float weights. Beside a quantized file, one with float
/// weights runs in f32, and a quantized file always runs as it is.
fn modes(model: &Source, other: &Source, modes: &[Mode]) -> Vec<Mode> {
    match (model.model(), other.model()) {
        (Some(_), Some(_)) => modes.to_vec(),
        (None, Some(_)) => vec![Precision::F32.into()],
        (_, None) => other.mode().into_iter().collect(),
    }
}

/// Shows the progress.
struct Watch<'a> {
    bar: &'a ProgressBar,
    model: String,
}

impl Observer for Watch<'_> {
    fn progress(&mut self, what: &str, done: usize, total: usize) {
        self.bar.set_message(format!("{}: {what}", self.model));
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
    }

    fn finished(&mut self, _: &Finished<'_>) -> ControlFlow<()> {
        if self.hurries() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn hurries(&self) -> bool {
        interrupt::requested()
    }
}
