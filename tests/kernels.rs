//! Every pass × element type × adapter × awkward shape against the oracle, with checked and with
//! trusted shader modules, and with sentinels behind every buffer that is written.

mod common;

use common::compare::{
    Check, close_codes, close_f16, close_f32, equal, unpadded, widen_f16, widen_f32,
};
use common::{Rig, SIZES, random_codes, random_pixels, random_values, run_on_adapters, seeded};
use fmnist_gpu::Precision;
use fmnist_gpu::gpu::{DeviceOptions, SinglePass, kernel, pack_blocks, pack_codes, pack_rows};
use fmnist_gpu::model::{Activation, Normalization};
use fmnist_gpu::plan::{Params, Pass, groups};
use fmnist_gpu::reference;
use half::f16;
use libtest_mimic::Trial;

fn main() {
    run_on_adapters(Vec::new(), |rigs| {
        let mut trials = Vec::new();
        for rig in rigs {
            trials.extend(variant_trials(rig, &Precision::ALL));
            if !rig.checked {
                // What a driver gets whose own conversion does not round to nearest even.
                let options = DeviceOptions {
                    round_in_integers: true,
                    ..DeviceOptions::default()
                };
                let rounds = Rig::open(&rig.found, "rounds-in-integers", options);
                trials.extend(variant_trials(&rounds, &[Precision::F16]));
            }
        }
        trials
    })
}

/// A trial for each kernel of these element types that the adapter can run.
fn variant_trials(rig: &Rig, elements: &[Precision]) -> Vec<Trial> {
    let mut variants = kernel::variants();
    variants.retain(|(_, e)| elements.contains(e) && rig.device.info().lacks(*e).is_none());
    let trial = |(pass, elements)| {
        let name = format!("{}/{}.{elements}", rig.name, kernel::variant_name(pass));
        let rig = rig.clone();
        Trial::test(name, move || check_variant(&rig, pass, elements))
    };
    variants.into_iter().map(trial).collect()
}

/// Tries a kernel at every shape; all failures are told together.
fn check_variant(rig: &Rig, pass: Pass, elements: Precision) -> Result<(), libtest_mimic::Failed> {
    let mut failures = Vec::new();
    for (rows, inner, cols) in shapes(pass) {
        let mut case = Case {
            rig,
            pass,
            elements,
            rows,
            inner,
            cols,
            clip: 127,
        };
        let mut check = |what: &str, result: Check| {
            if let Err(problem) = result {
                failures.push(format!("{rows}×{inner}×{cols} {what}: {problem}"));
            }
        };
        check("random", case.check());
        if let (Pass::Activation(activation), Precision::F32) = (pass, elements) {
            check("extremes", case.check_extremes(activation));
        }
        if (pass, elements) == (Pass::Softmax, Precision::F32) {
            check("extremes", case.check_extremes(Activation::Softmax));
        }
        if matches!(pass, Pass::Quantize | Pass::QuantizePixels) {
            case.clip = 7;
            check("clip 7", case.check());
        }
        if matches!(pass, Pass::Matmul(_)) && elements == Precision::Int8 {
            check("all ±127", case.check_extreme_codes());
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n").into())
    }
}

/// Each dimension at every size, the others small and odd; products also deep and squarish.
fn shapes(pass: Pass) -> Vec<(usize, usize, usize)> {
    let matmul = matches!(pass, Pass::Matmul(_));
    let mut shapes = Vec::new();
    for size in SIZES {
        shapes.push((size, 31, 33));
        shapes.push((33, 31, size));
        if matmul {
            shapes.push((31, size, 33));
        }
    }
    if matmul {
        shapes.extend([(9, 1041, 10), (3, 4097, 7), (65, 784, 64), (257, 64, 10)]);
        shapes.extend([(8, 5, 8), (7, 4, 9), (63, 8, 31), (64, 9, 32), (66, 16, 65)]);
    } else {
        shapes.extend([(1, 1, 1), (257, 1, 257), (4097, 1, 3)]);
    }
    shapes
}

/// What stands behind each written buffer, and must stand there after.
const SENTINEL: [u8; 64] = [0xa5; 64];

struct Case<'a> {
    rig: &'a Rig,
    pass: Pass,
    elements: Precision,
    rows: usize,
    inner: usize,
    cols: usize,
    clip: u8,
}

impl Case<'_> {
    fn rng(&self) -> rand_chacha::ChaCha8Rng {
        seeded(&format!(
            "{:?}{}{}{}",
            self.pass, self.rows, self.inner, self.cols
        ))
    }

    fn params(&self) -> Params {
        Params {
            rows: self.rows as u32,
            inner: groups(self.inner) as u32,
            cols: self.cols as u32,
            groups: groups(self.cols) as u32,
            slot_in: 0,
            slot_out: 1,
            clip: f32::from(self.clip),
            weight_scale: 0.015,
        }
    }

    /// Bytes of a written matrix of `bytes` a value.
    fn room(&self, bytes: usize) -> Vec<u8> {
        vec![0xff; self.rows * 4 * groups(self.cols) * bytes]
    }

    /// Runs the kernel; gives the bytes of operand `written`, and fails where a sentinel changed.
    fn run(&self, written: usize, operands: &[Vec<u8>]) -> Result<Vec<u8>, String> {
        self.run_with(self.params(), written, operands)
    }

    fn run_with(
        &self,
        params: Params,
        written: usize,
        operands: &[Vec<u8>],
    ) -> Result<Vec<u8>, String> {
        let mut operands = operands.to_vec();
        let length = operands[written].len();
        operands[written].extend(SENTINEL);
        let run = async {
            let device = &self.rig.device;
            let single =
                SinglePass::new(device, self.pass, self.elements, params, &operands).await?;
            single.run(1).await?;
            single.read(written).await
        };
        let mut bytes = pollster::block_on(run).map_err(|error| error.to_string())?;
        let behind = bytes.split_off(length);
        equal(&behind[..SENTINEL.len()], &SENTINEL).map_err(|p| format!("sentinel: {p}"))?;
        Ok(bytes)
    }

    fn check(&self) -> Check {
        match self.pass {
            Pass::Normalize => self.check_normalize(),
            Pass::PixelMax => self.check_pixel_max(),
            Pass::QuantizePixels => self.check_quantize_pixels(),
            Pass::Matmul(_) if self.elements == Precision::Int8 => {
                let mut rng = self.rng();
                let x = random_codes(&mut rng, self.rows * self.inner);
                let w = random_codes(&mut rng, self.inner * self.cols);
                self.check_int8_product(&x, &w)
            }
            Pass::Matmul(_) => self.check_real_product(),
            Pass::Bias if self.elements == Precision::Int8 => self.check_int8_bias(),
            Pass::Bias => self.check_real_bias(),
            Pass::Activation(activation) => self.check_activation(activation),
            Pass::Softmax => self.check_activation(Activation::Softmax),
            Pass::AbsMax => self.check_absmax(),
            Pass::Quantize => self.check_quantize(),
            Pass::Dequantize => self.check_dequantize(),
        }
    }

    fn check_normalize(&self) -> Check {
        let pixels = random_pixels(&mut self.rng(), self.rows * self.cols);
        let packed = pack_rows(&pixels, self.cols, 0);
        let normalization = Normalization::Standard {
            mean: 0.3,
            std: 0.4,
        };
        let half = self.elements == Precision::F16;
        let table: Vec<f32> = if half {
            normalization.table_f16().map(f32::from).to_vec()
        } else {
            normalization.table_f32().to_vec()
        };
        let room = self.room(if half { 2 } else { 4 });
        let bytes = self.run(2, &[packed, to_bytes(&table), room])?;
        let got = if half {
            widen_f16(&bytes)
        } else {
            widen_f32(&bytes)
        };
        let want: Vec<f64> = pixels
            .iter()
            .map(|&p| f64::from(table[usize::from(p)]))
            .collect();
        equal(&unpadded(&got, self.rows, self.cols), &want)?;
        self.padding_is_zero(&got)
    }

    fn check_pixel_max(&self) -> Check {
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

    fn check_quantize_pixels(&self) -> Check {
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

    fn check_real_product(&self) -> Check {
        let mut rng = self.rng();
        let half = self.elements == Precision::F16;
        let stored = |values: Vec<f32>| -> Vec<f32> {
            let round = |value: f32| f16::from_f32(value).to_f32();
            if half {
                values.into_iter().map(round).collect()
            } else {
                values
            }
        };
        let x = stored(random_values(&mut rng, self.rows * self.inner));
        let w = stored(random_values(&mut rng, self.inner * self.cols));
        let bytes = |values: Vec<f32>| {
            if half {
                to_f16_bytes(&values)
            } else {
                to_bytes(&values)
            }
        };
        let operands = [
            bytes(pack_rows(&x, self.inner, 0.0)),
            bytes(pack_blocks(&w, self.inner, self.cols, 0.0)),
            self.room(4),
        ];
        let got = widen_f32(&self.run(2, &operands)?);
        let want = reference::product(&widen(&x), &widen(&w), self.inner, self.cols);
        close_f32(&unpadded(&got, self.rows, self.cols), &want, self.inner)
    }

    fn check_extreme_codes(&self) -> Check {
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

    fn check_int8_product(&self, x: &[i8], w: &[i8]) -> Check {
        let x_bytes: Vec<u8> = bytemuck::cast_slice(&pack_rows(x, self.inner, 0)).to_vec();
        let w_bytes: Vec<u8> = bytemuck::cast_slice(&pack_codes(w, self.inner, self.cols)).to_vec();
        let bytes = self.run(2, &[x_bytes, w_bytes, self.room(4)])?;
        let got: Vec<i32> = bytemuck::pod_collect_to_vec(&bytes);
        let (x, w): (Vec<i32>, Vec<i32>) = (widen_codes(x), widen_codes(w));
        let want = reference::integer_product(&x, &w, self.inner, self.cols);
        equal(&unpadded(&got, self.rows, self.cols), &want)
    }

    fn check_real_bias(&self) -> Check {
        let mut rng = self.rng();
        let sums = random_values(&mut rng, self.rows * self.cols);
        let bias = random_values(&mut rng, self.cols);
        let half = self.elements == Precision::F16;
        let packed = pack_rows(&bias, self.cols, 0.0);
        let bias_bytes = if half {
            to_f16_bytes(&packed)
        } else {
            to_bytes(&packed)
        };
        let operands = [
            to_bytes(&pack_rows(&sums, self.cols, 0.0)),
            bias_bytes,
            self.room(4),
        ];
        let got = widen_f32(&self.run(2, &operands)?);
        let stored = |&value: &f32| {
            if half {
                f16::from_f32(value).to_f32()
            } else {
                value
            }
        };
        let bias: Vec<f64> = bias.iter().map(|value| f64::from(stored(value))).collect();
        let mut want = widen(&sums);
        reference::add_bias(&mut want, &bias);
        close_f32(&unpadded(&got, self.rows, self.cols), &want, 1)?;
        self.padding_is_zero(&got)
    }

    fn check_int8_bias(&self) -> Check {
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

    fn check_activation(&self, activation: Activation) -> Check {
        let mut z = random_values(&mut self.rng(), self.rows * self.cols);
        z.iter_mut().for_each(|z| *z *= 12.0);
        let softmax = activation == Activation::Softmax;
        let half = self.elements == Precision::F16;
        let bytes = if half && !softmax { 2 } else { 4 };
        let operands = [to_bytes(&pack_rows(&z, self.cols, 0.0)), self.room(bytes)];
        let bytes = self.run(1, &operands)?;
        let got = if half && !softmax {
            widen_f16(&bytes)
        } else {
            widen_f32(&bytes)
        };
        let mut want = widen(&z);
        if half && softmax {
            want.iter_mut().for_each(|z| *z = reference::round_f16(*z));
        }
        reference::activate(activation, &mut want, self.cols);
        let values = unpadded(&got, self.rows, self.cols);
        if half && !softmax {
            close_f16(&values, &want)?;
        } else {
            close_f32(&values, &want, 1)?;
        }
        self.padding_is_zero(&got)
    }

    /// The ends of f32's range, where an exponential would overflow: each value for itself, since
    /// beside them a tolerance of their size would hide all others.
    fn check_extremes(&self, activation: Activation) -> Check {
        // Drivers give functions that stay within 1 to an absolute accuracy: tanh of nearly zero is an
        // f32 ULP of 1 off.
        let absolute = match activation {
            Activation::Relu | Activation::Identity => 0.0,
            _ => 2_f64.powi(-23),
        };
        let ends = [
            f32::MAX,
            -f32::MAX,
            -3.3e38,
            3.0e38,
            89.0,
            -89.0,
            1e-30,
            0.0,
            -1.0,
        ];
        for shift in 0..ends.len() {
            let value = |i| ends[(i / self.cols + i + shift) % ends.len()];
            let z: Vec<f32> = (0..self.rows * self.cols).map(value).collect();
            let operands = [to_bytes(&pack_rows(&z, self.cols, 0.0)), self.room(4)];
            let got = widen_f32(&self.run(1, &operands)?);
            let mut want = widen(&z);
            reference::activate(activation, &mut want, self.cols);
            let values = unpadded(&got, self.rows, self.cols);
            for (index, (&got, &want)) in values.iter().zip(&want).enumerate() {
                let fits = (got - want).abs() <= 1e-5 * want.abs() + absolute;
                if !fits {
                    return Err(format!(
                        "value {index} of {:e} is {got:e}, not {want:e}",
                        z[index]
                    ));
                }
            }
        }
        Ok(())
    }

    fn check_absmax(&self) -> Check {
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

    fn check_quantize(&self) -> Check {
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

    fn check_dequantize(&self) -> Check {
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

    /// What stands behind a row's last column is written as zero.
    fn padding_is_zero(&self, values: &[f64]) -> Check {
        for row in values.chunks(4 * groups(self.cols)) {
            equal(&row[self.cols..], &vec![0.0; row.len() - self.cols])?;
        }
        Ok(())
    }
}

fn to_bytes<T: bytemuck::NoUninit>(values: &[T]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}

fn to_f16_bytes(values: &[f32]) -> Vec<u8> {
    let values: Vec<f16> = values.iter().map(|&value| f16::from_f32(value)).collect();
    to_bytes(&values)
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

fn widen_codes(values: &[i8]) -> Vec<i32> {
    values.iter().map(|&value| i32::from(value)).collect()
}
