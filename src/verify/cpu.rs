//! The CPU path on each instruction set that the processor has: exact sums, and networks round the edges of
//! its tiles, against the reference, to the same bits each time and on any number of threads.

use super::compare::{Check, Errors, equal};
use super::data::{random_model, random_pixels, seeded};
use super::repeats::{REPEATS, same_bits};
use super::row::CheckRow;
use super::subjects::{Subject, judge, modes};
use super::{sums, tolerance};
use crate::Precision;
use crate::cpu::{Isa, Processor, ProcessorOptions, Session};
use crate::error::Result;
use crate::mode::Mode;
use crate::model::Activation;
use crate::reference;

/// Threads on which batches are run beside one: enough of them to share a batch unevenly.
const THREADS: [usize; 2] = [1, 3];

/// Images and widths: one layer and two, round the edges of a vector and a tile.
const SHAPES: [(usize, &[usize]); 18] = [
    (1, &[1, 1]),
    (3, &[7, 15]),
    (3, &[7, 16]),
    (3, &[7, 17]),
    (7, &[31, 33]),
    (6, &[33, 63]),
    (2, &[9, 65]),
    (12, &[30, 19, 5]),
    (13, &[30, 19, 5]),
    (14, &[30, 81, 5]),
    (8, &[1, 21]),
    (8, &[2, 21]),
    (8, &[3, 21]),
    (8, &[5, 21]),
    (1, &[784, 64, 10]),
    (96, &[10, 19]),
    (97, &[10, 19]),
    (3, &[1041, 10]),
];

/// A check on one instruction set.
#[derive(Debug)]
pub(super) struct OnProcessor {
    isa: Isa,
    what: What,
}

#[derive(Debug)]
enum What {
    Sums,
    Network(Box<Subject>, Mode),
}

/// Every check of every instruction set. A check that this processor cannot make is a row that says so.
pub(super) fn every() -> Result<Vec<Result<OnProcessor, CheckRow>>> {
    let mut all = Vec::new();
    for isa in Isa::ALL {
        let sums = on(isa, What::Sums);
        if !isa.is_supported() {
            let reason = "the processor lacks its instructions";
            all.push(Err(sums.row().skipped(reason)));
            continue;
        }
        all.push(Ok(sums));
        for subject in [Subject::odd()?, Subject::default_model()?] {
            for mode in modes(subject.model.layers.len())? {
                let what = What::Network(Box::new(subject.clone()), mode);
                all.push(Ok(on(isa, what)));
            }
        }
    }
    Ok(all)
}

fn on(isa: Isa, what: What) -> OnProcessor {
    OnProcessor { isa, what }
}

/// The processor with this instruction set on so many threads.
fn processor(isa: Isa, threads: usize) -> Result<Processor> {
    Processor::new(ProcessorOptions {
        isa: Some(isa),
        threads: Some(threads),
    })
}

impl OnProcessor {
    pub(super) fn row(&self) -> CheckRow {
        match &self.what {
            What::Sums => CheckRow::new(
                "sums",
                self.isa.to_string(),
                &Precision::Int8.into(),
                tolerance::SUMS,
            ),
            What::Network(subject, mode) => CheckRow::new(
                "networks",
                format!("{} {}", subject.name, self.isa),
                mode,
                tolerance::of_network(mode),
            ),
        }
    }

    pub(super) fn check(&self, row: CheckRow) -> Result<(CheckRow, Option<String>)> {
        match &self.what {
            What::Sums => Ok(sums::on_processor(&processor(self.isa, 1)?, row)),
            What::Network(subject, mode) => {
                let mut errors = Errors::default();
                let (result, trials) = self.networks(subject, mode, &mut errors)?;
                let row = CheckRow {
                    trials,
                    repeats: REPEATS,
                    ..row.found(result, errors)
                };
                Ok((row, None))
            }
        }
    }

    /// A network in each of its batches; with the odd one, others round the edges of tiles.
    fn networks(
        &self,
        subject: &Subject,
        mode: &Mode,
        errors: &mut Errors,
    ) -> Result<(Check, usize)> {
        let mut result = Ok(());
        let mut trials = 0;
        let mut subjects = vec![subject.clone()];
        if subject.model.layers.len() > 2 && mode.layers.is_empty() {
            for (images, widths) in SHAPES {
                subjects.push(of_widths(images, widths)?);
            }
        }
        for subject in &subjects {
            for &batch in subject.batches {
                let widths = subject.model.architecture().widths();
                let images = subject.pixels.len() / subject.model.inputs();
                let batch = if batch == 0 { images } else { batch };
                let found = self.network(subject, mode, batch, errors)?;
                result = result.and(found.map_err(|problem| format!("{widths:?}: {problem}")));
                trials += 1;
            }
        }
        Ok((result, trials))
    }

    fn network(
        &self,
        subject: &Subject,
        mode: &Mode,
        batch: usize,
        errors: &mut Errors,
    ) -> Result<Check> {
        let model = subject.quantized(mode)?;
        let images = subject.pixels.len() / subject.model.inputs();
        let images = images.min(37 * batch);
        let pixels = subject.first(images);
        reference::check_memory(&model, images, batch)?;
        let want = reference::infer_all(&model, pixels, batch);
        let mut first: Option<Vec<u32>> = None;
        let mut result = Ok(());
        for threads in THREADS {
            let processor = processor(self.isa, threads)?;
            let mut on = Session::new(&model, &processor)?;
            let mut got = Vec::new();
            for pixels in pixels.chunks(batch * subject.model.inputs()) {
                on.upload(pixels, pixels.len() / subject.model.inputs());
                got.extend_from_slice(on.run());
            }
            result = result.and(judge(&model, batch, &got, &want, errors));
            let got = bits(&got);
            let alike = equal(&got, first.get_or_insert_with(|| got.clone()));
            let alike = alike.map_err(|problem| format!("{threads} threads: {problem}"));
            on.upload(subject.first(batch.min(images)), batch.min(images));
            let once = bits(on.run());
            let runs: Vec<_> = (0..REPEATS).map(|_| bits(on.run())).collect();
            result = result.and(alike).and(same_bits(&once, &runs));
            let timed = equal(&once, &got[..once.len()]);
            result =
                result.and(timed.map_err(|p| format!("a timed run gives different outputs: {p}")));
        }
        Ok(result)
    }
}

fn bits(outputs: &[f32]) -> Vec<u32> {
    outputs.iter().map(|value| value.to_bits()).collect()
}

/// A network of these widths that ends in a softmax, and so many images for it.
fn of_widths(images: usize, widths: &[usize]) -> Result<Subject> {
    let name = format!("{images} {widths:?}");
    let mut activations = vec![Activation::Relu; widths.len() - 2];
    activations.push(Activation::Softmax);
    let model = random_model(&mut seeded(&name), widths, &activations)?;
    Ok(Subject {
        name: "edges".to_owned(),
        pixels: random_pixels(&mut seeded(&name), images * model.inputs()),
        model,
        // All images at once.
        batches: &[0],
    })
}
