//! The checks of int8 kernels.

use fmnist_gpu::gpu::{pack_codes, pack_rows};
use fmnist_gpu::model::Normalization;
use fmnist_gpu::plan::groups;
use fmnist_gpu::reference;

use super::case::{Case, to_bytes, widen, widen_codes};
use super::common::compare::{Check, close_codes, close_f32, equal, unpadded, widen_f32};
use super::common::{random_codes, random_pixels, random_values};

impl Case<'_> {
    pub fn check_pixel_max(&self) -> Check {
        let mut pixels = random_pixels(&mut self.rng(), self.rows * self.cols);
        for largest in [200, 201] {
            pixels
                .iter_mut()
                .for_each(|pixel| *pixel = (*pixel).min(199));
            let at = pixels.len() - 1;
            pixels[at] = largest;
            let packed = pack_rows(&pixels, self.cols, 0);
            let bytes = self.run(1, &[packed, vec![0; 8]])?;
            let words: &[u32] = bytemuck::cast_slice(&bytes);
            equal(&words[..1], &[u32::from(largest)])?;
            close_f32(
                &[f64::from(f32::from_bits(words[1]))],
                &[f64::from(largest) / 255.0],
                1,
            )?;
        }
        Ok(())
    }

    pub fn check_quantize_pixels(&self) -> Check {
        for largest in [0, 1, 170, 254, 255] {
            let mut pixels = random_pixels(&mut self.rng(), self.rows * self.cols);
            pixels
                .iter_mut()
                .for_each(|pixel| *pixel = (*pixel).min(largest));
            pixels[0] = largest;
            let clip = i32::from(self.clip);
            let (want, _) = reference::quantize_input(Normalization::Unit, &pixels, clip);
            let packed = pack_rows(&pixels, self.cols, 0);
            let maxima = to_bytes(&[u32::from(largest), 0]);
            let bytes = self.run(2, &[packed, maxima, self.room(1)])?;
            let got: Vec<i32> = bytes.iter().map(|&byte| i32::from(byte as i8)).collect();
            // Exact integers: no code may be off.
            equal(&unpadded(&got, self.rows, self.cols), &want)?;
            self.padding_is_zero(&got.iter().map(|&code| f64::from(code)).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    pub fn check_extreme_codes(&self) -> Check {
        let x: Vec<i8> = (0..self.rows * self.inner)
            .map(|i| {
                if (i / self.inner).is_multiple_of(2) {
                    127
                } else {
                    -127
                }
            })
            .collect();
        self.check_int8_product(&x, &vec![-127; self.inner * self.cols])
    }

    pub fn check_int8_product(&self, x: &[i8], w: &[i8]) -> Check {
        let x_bytes: Vec<u8> = bytemuck::cast_slice(&pack_rows(x, self.inner, 0)).to_vec();
        let w_bytes: Vec<u8> = bytemuck::cast_slice(&pack_codes(w, self.inner, self.cols)).to_vec();
        let bytes = self.run(2, &[x_bytes, w_bytes, self.room(4)])?;
        let got: Vec<i32> = bytemuck::pod_collect_to_vec(&bytes);
        let (x, w): (Vec<i32>, Vec<i32>) = (widen_codes(x), widen_codes(w));
        let want = reference::integer_product(&x, &w, self.inner, self.cols);
        equal(&unpadded(&got, self.rows, self.cols), &want)
    }

    pub fn check_int8_bias(&self) -> Check {
        let mut rng = self.rng();
        let codes = random_codes(&mut rng, self.rows * self.cols);
        let sums: Vec<i32> = codes.iter().map(|&code| i32::from(code) * 12_345).collect();
        let bias = random_values(&mut rng, self.cols);
        let largest = 0.8_f32;
        let operands = [
            to_bytes(&pack_rows(&sums, self.cols, 0)),
            to_bytes(&pack_rows(&bias, self.cols, 0.0)),
            self.room(4),
            to_bytes(&[largest, 0.0]),
        ];
        let got = widen_f32(&self.run(2, &operands)?);
        let scale = f64::from(largest / 127.0 * self.params().weight_scale);
        let mut want: Vec<f64> = sums.iter().map(|&sum| f64::from(sum) * scale).collect();
        reference::add_bias(&mut want, &widen(&bias));
        close_f32(&unpadded(&got, self.rows, self.cols), &want, 1)?;
        self.padding_is_zero(&got)
    }

    pub fn check_absmax(&self) -> Check {
        let mut values = random_values(&mut self.rng(), self.rows * self.cols);
        for at in [0, values.len() / 2, values.len() - 1] {
            values[at] = -1.5 - at as f32;
            let bytes = self.run(
                1,
                &[to_bytes(&pack_rows(&values, self.cols, 0.0)), vec![0; 8]],
            )?;
            let words: &[u32] = bytemuck::cast_slice(&bytes);
            equal(&words[1..], &[(1.5 + at as f32).to_bits()])?;
        }
        Ok(())
    }

    pub fn check_quantize(&self) -> Check {
        let values = random_values(&mut self.rng(), self.rows * self.cols);
        let (want, _) = reference::quantize(&values, i32::from(self.clip));
        let largest = values
            .iter()
            .fold(0.0, |max: f32, value| value.abs().max(max));
        let operands = [
            to_bytes(&pack_rows(&values, self.cols, 0.0)),
            to_bytes(&[0.0, largest]),
            self.room(1),
        ];
        let got: Vec<i8> = bytemuck::pod_collect_to_vec(&self.run(2, &operands)?);
        close_codes(&unpadded(&got, self.rows, self.cols), &want)?;
        self.padding_is_zero(&got.iter().map(|&code| f64::from(code)).collect::<Vec<_>>())?;
        // All zero has scale 1.
        let zeros = vec![0.0_f32; self.rows * 4 * groups(self.cols)];
        let operands = [to_bytes(&zeros), to_bytes(&[0.0, 0.0]), self.room(1)];
        let got = self.run(2, &operands)?;
        equal(&got, &vec![0; got.len()])
    }

    pub fn check_dequantize(&self) -> Check {
        let codes = random_codes(&mut self.rng(), self.rows * self.cols);
        let largest = 0.7_f32;
        let packed = pack_rows(&codes, self.cols, 0);
        let operands = [
            bytemuck::cast_slice(&packed).to_vec(),
            to_bytes(&[largest, 0.0]),
            self.room(4),
        ];
        let got = widen_f32(&self.run(2, &operands)?);
        let scale = f64::from(largest / 127.0);
        let want: Vec<f64> = codes.iter().map(|&code| f64::from(code) * scale).collect();
        close_f32(&unpadded(&got, self.rows, self.cols), &want, 1)?;
        self.padding_is_zero(&got)
    }
}
