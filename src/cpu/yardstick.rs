//! The processor's yardstick: fixed work, on as many threads as a batch runs on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::aligned::Aligned;
use super::simd::{Simd, Work};
use super::{Processor, Supported};

/// Bytes of an image, and sums of each.
const INPUTS: usize = 784;
const SUMS: usize = 64;

/// Fixed work: images' bytes are multiplied with fixed weights, in the processor's widest vectors, whichever the
/// kernels use: what else runs on a machine does not slow narrow and wide ones alike. It is of the networks'
/// character and shares no kernel with them. Changing it makes earlier results incomparable, so that its words
/// have to change too.
#[derive(Debug)]
pub struct Yardstick {
    processor: Processor,
    threads: usize,
    images: usize,
    /// `[INPUTS]`, the same for every image: what is read differs little, what is computed does not.
    pixels: Vec<u8>,
    /// `[INPUTS, SUMS]` row-major.
    weights: Aligned<f32>,
}

impl Yardstick {
    /// A yardstick of so many images, at least one, on so many threads.
    #[must_use]
    pub fn new(processor: &Processor, threads: usize, images: usize) -> Self {
        let mut weights = Aligned::zeroed(INPUTS * SUMS);
        for (at, weight) in weights.iter_mut().enumerate() {
            *weight = (at * 29 % 128) as f32 / 256.0 - 0.25;
        }
        Self {
            processor: processor.clone(),
            threads,
            images: images.max(1),
            pixels: (0..INPUTS).map(|at| (at * 37 % 256) as u8).collect(),
            weights,
        }
    }

    /// What it does, in words: two results whose words are the same measured the same work.
    #[must_use]
    pub fn work(&self) -> String {
        let isa = Supported::best().isa();
        let (images, threads) = (self.images, self.threads);
        format!(
            "sums of 784 bytes × 64 in f32, version 1, {isa}, images: {images}, threads: {threads}"
        )
    }

    /// Does the work once, and gives the time.
    #[must_use]
    pub fn run(&self) -> Duration {
        let start = Instant::now();
        let left = AtomicUsize::new(self.images);
        let claim = || {
            let less = |left: usize| left.checked_sub(1);
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
        };
        self.processor.on_threads(self.threads, &|_, _| {
            while claim().is_ok() {
                std::hint::black_box(self.image());
            }
        });
        start.elapsed()
    }

    /// The sums of one image.
    fn image(&self) -> [f32; SUMS] {
        // Hidden, so that no compiler computes an image once for all.
        let pixels = std::hint::black_box(&self.pixels[..]);
        let weights = &self.weights[..];
        Supported::best().run(Image { pixels, weights })
    }
}

struct Image<'a> {
    /// `[INPUTS]`
    pixels: &'a [u8],
    /// `[INPUTS, SUMS]` row-major.
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
                for (&pixel, row) in self.pixels.iter().zip(self.weights.chunks_exact(SUMS)) {
                    let pixel = S::splat(f32::from(pixel));
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
        let yardstick = Yardstick::new(&processor, 2, 3);
        let sums = yardstick.image();
        for column in [0, 1, 63] {
            let term = |input: usize| {
                let weight = ((input * SUMS + column) * 29 % 128) as f64 / 256.0 - 0.25;
                (input * 37 % 256) as f64 * weight
            };
            let want: f64 = (0..INPUTS).map(term).sum();
            // Small multiples of 1/256: exact in f32, in every order.
            assert_eq!(f64::from(sums[column]), want);
        }
        assert!(yardstick.run() > Duration::ZERO);
        assert_ne!(
            yardstick.work(),
            Yardstick::new(&processor, 2, 4).work(),
            "other work under the same name"
        );
    }
}
