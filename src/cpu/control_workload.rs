//! The processor's control workload: fixed work, on as many threads as a batch runs on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::aligned::Aligned;
use super::isa::Supported;
use super::processor::Processor;
use super::simd::{Simd, Work};

/// Bytes of an image, and sums of each.
const INPUTS: usize = 784;
const SUMS: usize = 64;

/// Operations of a network per byte of an image. With it, the control workload takes about as long as a small network.
const OPERATIONS_PER_BYTE: u64 = 170;

/// Images that a thread takes at a time, at most.
const TOGETHER: usize = 96;

/// The most images. A larger batch is not disturbed differently.
const MOST: usize = 1_024;

/// Fixed work: the images of a batch are copied, as an upload does, and bytes all over them are multiplied with fixed
/// weights in the processor's widest vectors, whichever the kernels use, since other programs slow narrow and wide
/// vectors differently. As in a network, one thread writes what the others read, and its time depends on the distance
/// of the cores. It resembles a network and shares no kernel with one. Whoever changes it must change its words too:
/// earlier results are not comparable any more.
#[derive(Debug)]
pub struct ControlWorkload {
    processor: Processor,
    threads: usize,
    images: usize,
    /// The bytes of an image that are summed, which lie all over it.
    places: Vec<usize>,
    /// `[images, INPUTS]`
    pixels: Vec<u8>,
    /// The same, where the threads read them.
    uploaded: Vec<u8>,
    /// `[INPUTS, SUMS]` row-major.
    weights: Aligned<f32>,
}

impl ControlWorkload {
    /// A control workload of `images`, 1 to 1,024, on `threads` threads, beside a network of `operations` for each image.
    #[must_use]
    pub fn new(processor: &Processor, threads: usize, images: usize, operations: u64) -> Self {
        let images = images.clamp(1, MOST);
        let bytes = (operations / OPERATIONS_PER_BYTE).clamp(1, INPUTS as u64) as usize;
        let mut weights = Aligned::zeroed(INPUTS * SUMS);
        for (at, weight) in weights.iter_mut().enumerate() {
            *weight = (at * 29 % 128) as f32 / 256.0 - 0.25;
        }
        Self {
            processor: processor.clone(),
            threads: threads.max(1),
            images,
            places: (0..bytes).map(|at| at * INPUTS / bytes).collect(),
            pixels: (0..images * INPUTS)
                .map(|at| (at * 37 % 256) as u8)
                .collect(),
            uploaded: Vec::new(),
            weights,
        }
    }

    /// What it does, in words. Two results with the same words measured the same work.
    #[must_use]
    pub fn work(&self) -> String {
        let isa = Supported::best().isa();
        let (bytes, images, threads) = (self.places.len(), self.images, self.threads);
        format!(
            "sums of {bytes} bytes × {SUMS} in f32, version 2, {isa}, images: {images}, threads: {threads}"
        )
    }

    /// Does the work, with all threads awake, and gives the time.
    #[must_use]
    pub fn run(&mut self) -> Duration {
        self.processor.rouse(self.threads);
        if self.threads > 1 {
            // A core that slept is slower at first, by a different amount in each run of the program.
            self.once();
        }
        let start = Instant::now();
        self.once();
        start.elapsed()
    }

    fn once(&mut self) {
        self.uploaded.clear();
        self.uploaded.extend_from_slice(&self.pixels);
        let next = AtomicUsize::new(0);
        let together = self.images.div_ceil(self.threads).min(TOGETHER);
        self.processor.on_threads(self.threads, &|_, _| {
            loop {
                let first = next.fetch_add(together, Ordering::Relaxed);
                if first >= self.images {
                    break;
                }
                for image in first..self.images.min(first + together) {
                    std::hint::black_box(self.image(image));
                }
            }
        });
    }

    /// The sums of one image.
    fn image(&self, image: usize) -> [f32; SUMS] {
        let pixels = &self.uploaded[image * INPUTS..][..INPUTS];
        let (places, weights) = (&self.places[..], &self.weights[..]);
        Supported::best().run(Image {
            pixels,
            places,
            weights,
        })
    }
}

struct Image<'a> {
    /// `[INPUTS]`
    pixels: &'a [u8],
    /// Of the bytes that are summed.
    places: &'a [usize],
    /// `[INPUTS, SUMS]` row-major, the first rows of which are for the bytes that are summed.
    weights: &'a [f32],
}

/// Vectors that are summed side by side; so many divide the columns in every instruction set.
const SIDE_BY_SIDE: usize = 4;

#[expect(unsafe_code, reason = "computed with vectors")]
impl Work for Image<'_> {
    type Output = [f32; SUMS];

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> [f32; SUMS] {
        let mut sums = [0.0; SUMS];
        let step = SIDE_BY_SIDE * S::LANES;
        for columns in (0..SUMS).step_by(step) {
            // SAFETY: the caller's promise; SUMS is a multiple of `step`, so that every vector lies in a row of
            // the weights and in the sums.
            unsafe {
                let mut vectors = [S::splat(0.0); SIDE_BY_SIDE];
                for (&place, row) in self.places.iter().zip(self.weights.chunks_exact(SUMS)) {
                    let pixel = S::splat(f32::from(self.pixels[place]));
                    for (at, vector) in vectors.iter_mut().enumerate() {
                        let weights = S::load(row.as_ptr().add(columns + at * S::LANES));
                        *vector = S::mul_add(pixel, weights, *vector);
                    }
                }
                for (at, vector) in vectors.into_iter().enumerate() {
                    S::store(sums.as_mut_ptr().add(columns + at * S::LANES), vector);
                }
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::ProcessorOptions;

    #[test]
    fn it_computes_the_sums_that_it_says() {
        let processor = Processor::new(ProcessorOptions::default()).unwrap();
        // Operations, and the bytes that are summed for them.
        for (operations, bytes) in [(101_760, 598), (0, 1), (u64::MAX, 784)] {
            let mut control_workload = ControlWorkload::new(&processor, 2, 6, operations);
            assert!(control_workload.run() > Duration::ZERO);
            for image in [0, 5] {
                let sums = control_workload.image(image);
                for column in [0, 1, 63] {
                    let term = |byte: usize| {
                        let weight = ((byte * SUMS + column) * 29 % 128) as f64 / 256.0 - 0.25;
                        ((image * INPUTS + byte * INPUTS / bytes) * 37 % 256) as f64 * weight
                    };
                    let want: f64 = (0..bytes).map(term).sum();
                    // Small multiples of 1/256: exact in f32, in every order.
                    assert_eq!(f64::from(sums[column]), want);
                }
            }
        }
    }

    #[test]
    fn other_work_has_another_name() {
        let processor = Processor::new(ProcessorOptions::default()).unwrap();
        let work = |threads, images, operations| {
            ControlWorkload::new(&processor, threads, images, operations).work()
        };
        let one = work(2, 3, 100_000);
        for other in [
            work(1, 3, 100_000),
            work(2, 4, 100_000),
            work(2, 3, 200_000),
        ] {
            assert_ne!(one, other);
        }
    }
}
