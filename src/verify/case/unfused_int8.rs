//! The trials of int8 passes.

use super::{Case, KernelTrial, from_bytes, to_bytes, widen_quantized};
use crate::gpu::{pack_int8, pack_rows};
use crate::model::Normalization;
use crate::plan::groups;
use crate::reference;
use crate::verify::compare::{Unit, close_f32, equal, unpadded, widen_f32};
use crate::verify::data::{random_pixels, random_quantized, random_values};

/// Whole numbers as they are compared.
fn whole<T: Into<f64> + Copy>(values: &[T]) -> Vec<f64> {
    values.iter().map(|&value| value.into()).collect()
}

impl Case {
    pub(super) fn pixel_max(&self) -> Vec<KernelTrial> {
        let mut pixels = random_pixels(&mut self.rng(), self.rows() * self.cols());
        let mut of_largest = |largest: u8| {
            pixels
                .iter_mut()
                .for_each(|pixel| *pixel = (*pixel).min(199));
            let at = pixels.len() - 1;
            pixels[at] = largest;
            let operands = vec![pack_rows(&pixels, self.cols(), 0), vec![0; 8]];
            self.trial(self.params(), 1, operands, move |bytes, errors| {
                let words: Vec<u32> = from_bytes(bytes);
                errors.see(&whole(&words[..1]), &[f64::from(largest)], Unit::Whole);
                equal(&words[..1], &[u32::from(largest)])?;
                close_f32(
                    &[f64::from(f32::from_bits(words[1]))],
                    &[f64::from(largest) / 255.0],
                    1,
                )
            })
        };
        [200, 201].map(&mut of_largest).into()
    }

    pub(super) fn quantize_pixels(&self) -> Vec<KernelTrial> {
        let case = *self;
        let of_largest = |largest: u8| {
            let mut pixels = random_pixels(&mut case.rng(), case.rows() * case.cols());
            pixels
                .iter_mut()
                .for_each(|pixel| *pixel = (*pixel).min(largest));
            pixels[0] = largest;
            let clip = i32::from(case.clip);
            let (want, _) = reference::quantize_input(Normalization::Unit, &pixels, clip);
            let packed = pack_rows(&pixels, case.cols(), 0);
            let maxima = to_bytes(&[u32::from(largest), 0]);
            let operands = vec![packed, maxima, case.unwritten(1)];
            let trial = case.trial(case.params(), 2, operands, move |bytes, errors| {
                let got = widen_quantized(&from_bytes::<i8>(bytes));
                // Exact integers: no quantized value may be off.
                let quantized = unpadded(&got, case.rows(), case.cols());
                errors.see(&whole(&quantized), &whole(&want), Unit::Whole);
                equal(&quantized, &want)?;
                case.padding_is_zero(&whole(&got))
            });
            trial.with(&format!("clip {}, up to {largest}", case.clip))
        };
        [0, 1, 170, 254, 255].map(of_largest).into()
    }

    pub(super) fn extreme_quantized(&self) -> KernelTrial {
        let sign = |i: usize| {
            if (i / self.inner()).is_multiple_of(2) {
                127
            } else {
                -127
            }
        };
        let x: Vec<i8> = (0..self.rows() * self.inner()).map(sign).collect();
        let trial = self.int8_product(&x, &vec![-127; self.inner() * self.cols()]);
        trial.with("all ±127")
    }

    pub(super) fn int8_product(&self, x: &[i8], w: &[i8]) -> KernelTrial {
        let x_bytes: Vec<u8> = bytemuck::cast_slice(&pack_rows(x, self.inner(), 0)).to_vec();
        let w_bytes: Vec<u8> =
            bytemuck::cast_slice(&pack_int8(w, self.inner(), self.cols())).to_vec();
        let (x, w): (Vec<i32>, Vec<i32>) = (widen_quantized(x), widen_quantized(w));
        let want = reference::integer_product(&x, &w, self.inner(), self.cols());
        let case = *self;
        let operands = vec![x_bytes, w_bytes, self.unwritten(4)];
        self.trial(self.params(), 2, operands, move |bytes, errors| {
            let got = unpadded(&from_bytes::<i32>(bytes), case.rows(), case.cols());
            errors.see(&whole(&got), &whole(&want), Unit::Whole);
            equal(&got, &want)
        })
    }

    pub(super) fn int8_bias(&self) -> KernelTrial {
        let mut rng = self.rng();
        let quantized = random_quantized(&mut rng, self.rows() * self.cols());
        let sums: Vec<i32> = quantized.iter().map(|&q| i32::from(q) * 12_345).collect();
        let bias = random_values(&mut rng, self.cols());
        let largest = 0.8_f32;
        let operands = vec![
            to_bytes(&pack_rows(&sums, self.cols(), 0)),
            to_bytes(&pack_rows(&bias, self.cols(), 0.0)),
            self.unwritten(4),
            to_bytes(&[largest, 0.0]),
        ];
        let scale = largest / 127.0 * self.params().weight_scale;
        let scaled = sums.iter().zip(bias.iter().cycle());
        let want = scaled.map(|(&sum, bias)| f64::from(sum as f32 * scale + bias));
        self.values(2, operands, want.collect())
    }

    /// A run that writes f32 values, which are exact.
    fn values(&self, written: usize, operands: Vec<Vec<u8>>, want: Vec<f64>) -> KernelTrial {
        let case = *self;
        self.trial(self.params(), written, operands, move |bytes, errors| {
            let got = widen_f32(bytes);
            let values = unpadded(&got, case.rows(), case.cols());
            errors.see(&values, &want, Unit::F32);
            equal(&values, &want)?;
            case.padding_is_zero(&got)
        })
    }

    pub(super) fn absmax(&self) -> Vec<KernelTrial> {
        let mut values = random_values(&mut self.rng(), self.rows() * self.cols());
        let mut trials = Vec::new();
        for at in [0, values.len() / 2, values.len() - 1] {
            values[at] = -1.5 - at as f32;
            let packed = pack_rows(&values, self.cols(), 0.0);
            let operands = vec![to_bytes(&packed), vec![0; 8]];
            trials.push(
                self.trial(self.params(), 1, operands, move |bytes, errors| {
                    let words: Vec<u32> = from_bytes(bytes);
                    let (got, want) = (f32::from_bits(words[1]), 1.5 + at as f32);
                    errors.see(&[got.into()], &[want.into()], Unit::F32);
                    equal(&words[1..], &[want.to_bits()])
                }),
            );
        }
        trials
    }

    pub(super) fn quantize(&self) -> Vec<KernelTrial> {
        let values = random_values(&mut self.rng(), self.rows() * self.cols());
        let (want, _) = reference::quantize(&values, i32::from(self.clip));
        let largest = values
            .iter()
            .fold(0.0, |max: f32, value| value.abs().max(max));
        let operands = vec![
            to_bytes(&pack_rows(&values, self.cols(), 0.0)),
            to_bytes(&[0.0, largest]),
            self.unwritten(1),
        ];
        let case = *self;
        let random = self.trial(self.params(), 2, operands, move |bytes, errors| {
            let got = widen_quantized(&from_bytes::<i8>(bytes));
            let quantized = unpadded(&got, case.rows(), case.cols());
            errors.see(&whole(&quantized), &whole(&want), Unit::Whole);
            equal(&quantized, &want)?;
            case.padding_is_zero(&whole(&got))
        });
        // All zero has scale 1.
        let zeros = vec![0.0_f32; self.rows() * 4 * groups(self.cols())];
        let operands = vec![to_bytes(&zeros), to_bytes(&[0.0, 0.0]), self.unwritten(1)];
        let zero = self.trial(self.params(), 2, operands, |bytes, _| {
            equal(bytes, &vec![0; bytes.len()])
        });
        let clip = self.clip;
        vec![
            random.with(&format!("clip {clip}")),
            zero.with(&format!("clip {clip}, all zero")),
        ]
    }

    pub(super) fn dequantize(&self) -> KernelTrial {
        let quantized = random_quantized(&mut self.rng(), self.rows() * self.cols());
        let largest = 0.7_f32;
        let packed = pack_rows(&quantized, self.cols(), 0);
        let operands = vec![
            bytemuck::cast_slice(&packed).to_vec(),
            to_bytes(&[largest, 0.0]),
            self.unwritten(4),
        ];
        let scale = largest / 127.0;
        let want = quantized.iter().map(|&q| f64::from(f32::from(q) * scale));
        let want: Vec<f64> = want.collect();
        self.values(2, operands, want)
    }
}
