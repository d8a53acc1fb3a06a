//! Whether a model's weights lie on the device as they should: each of its numbers, found by its place in
//! the layout, to the bit. Shares no code with what packs them.

use std::sync::Arc;

use half::{bf16, f16};

use super::compare::{Check, Errors};
use super::networks::NetworkCheck;
use super::problem::as_problem;
use super::row::CheckRow;
use crate::Precision;
use crate::error::Result;
use crate::gpu::{self, Device};
use crate::mode::Mode;
use crate::model::Layer;
use crate::quantize::{QuantizedLayer, Weights};
use crate::reference;

/// A layer's numbers as bits, `[inputs, outputs]` row-major.
struct Expected {
    inputs: usize,
    outputs: usize,
    bits: Vec<u32>,
    layout: BlockLayout,
}

/// How a block of four by four lies in memory.
#[derive(Clone, Copy)]
enum BlockLayout {
    /// Four outputs of each inner value, in so many bytes a value.
    Values(usize),
    /// Four inner values of each output, a byte each.
    Quantized,
    /// Four outputs of each inner value, half a byte each, the first in the lower half.
    Nibbles,
}

impl BlockLayout {
    /// The bits of inner value `k` of output `col`, where a row of blocks has so many groups.
    fn bits(self, bytes: &[u8], [k, col]: [usize; 2], groups: usize) -> Option<u32> {
        let block = k / 4 * groups + col / 4;
        let (row, col) = (k % 4, col % 4);
        match self {
            Self::Values(size) => {
                let at = (16 * block + 4 * row + col) * size;
                let value = bytes.get(at..at + size)?.iter().rev();
                Some(value.fold(0, |bits, &byte| bits << 8 | u32::from(byte)))
            }
            Self::Quantized => bytes.get(16 * block + 4 * col + row).map(|&b| b.into()),
            Self::Nibbles => {
                let at = 16 * block + 4 * row + col;
                let byte = bytes.get(at / 2)?;
                Some(u32::from(byte >> (4 * (at % 2)) & 15))
            }
        }
    }
}

impl Expected {
    /// What the float weights are in a mode whose rounding the reference knows: f32, f16, and int8
    /// `dynamic-tensor`.
    fn of_float(layer: &Layer, mode: &Mode, clip: u8) -> Option<Self> {
        let (bits, layout) = match mode.precision {
            Precision::F16 => {
                let round = |&weight: &f32| reference::round_f16(f64::from(weight));
                let bits = layer.weights.iter().map(round);
                let bits = bits.map(|rounded| u32::from(f16::from_f64(rounded).to_bits()));
                (bits.collect(), BlockLayout::Values(2))
            }
            Precision::Int8 if mode.depends_on_batch() => {
                let (quantized, _) = reference::quantize(&layer.weights, i32::from(clip));
                let bits = quantized.into_iter().map(|q| u32::from(q as u8));
                (bits.collect(), BlockLayout::Quantized)
            }
            Precision::F32 => {
                let bits = layer.weights.iter().map(|weight| weight.to_bits());
                (bits.collect(), BlockLayout::Values(4))
            }
            _ => return None,
        };
        Some(Self {
            inputs: layer.inputs,
            outputs: layer.outputs,
            bits,
            layout,
        })
    }

    fn of_quantized(layer: &QuantizedLayer) -> Self {
        let of_halves = |bits: Vec<u16>| bits.into_iter().map(u32::from).collect();
        let (bits, layout) = match &layer.weights {
            Weights::F32(values) => (
                values.iter().map(|value| value.to_bits()).collect(),
                BlockLayout::Values(4),
            ),
            Weights::F16(values) => (
                of_halves(values.iter().map(|value| f16::to_bits(*value)).collect()),
                BlockLayout::Values(2),
            ),
            Weights::Bf16(values) => (
                of_halves(values.iter().map(|value| bf16::to_bits(*value)).collect()),
                BlockLayout::Values(2),
            ),
            Weights::Int8 { quantized, .. } => (
                quantized.iter().map(|&q| u32::from(q as u8)).collect(),
                BlockLayout::Quantized,
            ),
            Weights::Int4 { quantized, .. } => (
                quantized.iter().map(|&q| u32::from(q as u8 & 15)).collect(),
                BlockLayout::Nibbles,
            ),
        };
        Self {
            inputs: layer.inputs,
            outputs: layer.outputs,
            bits,
            layout,
        }
    }

    fn compare(&self, bytes: &[u8]) -> Check {
        let groups = self.outputs.div_ceil(4);
        let mut wrong = 0;
        let mut first = None;
        for (at, &want) in self.bits.iter().enumerate() {
            let (k, col) = (at / self.outputs, at % self.outputs);
            let got = self.layout.bits(bytes, [k, col], groups);
            if got != Some(want) {
                wrong += 1;
                first.get_or_insert((k, col, got, want));
            }
        }
        let Some((k, col, got, want)) = first else {
            return Ok(());
        };
        let got = got.map_or("missing".to_owned(), |bits| format!("{bits:#x}"));
        Err(format!(
            "{wrong} of {} weights are wrong, first [{k}, {col}]: it is {got} instead of {want:#x}",
            self.inputs * self.outputs
        ))
    }
}

/// Checks every layer's weights on the device.
pub(super) async fn check(
    network: &NetworkCheck,
    device: &Arc<Device>,
    row: CheckRow,
) -> Result<CheckRow> {
    let subject = &network.subject;
    let model = subject.quantized(&network.mode)?;
    let on = match as_problem(gpu::Session::new(device, &model).await)? {
        Ok(on) => on,
        Err(problem) => return Ok(row.found(Err(problem), Errors::default())),
    };
    let of = |(float, layer): (&Layer, &QuantizedLayer)| {
        Expected::of_float(float, &network.mode, model.int8_clip)
            .unwrap_or_else(|| Expected::of_quantized(layer))
    };
    let layers = subject.model.layers.iter().zip(&model.layers);
    let expected: Vec<Expected> = layers.map(of).collect();
    let mut result = Ok(());
    for (index, expected) in expected.iter().enumerate() {
        let bytes = on.read_weights(index).await?;
        let layer = expected.compare(&bytes);
        result = result.and(layer.map_err(|problem| format!("layers.{index}: {problem}")));
    }
    Ok(CheckRow {
        trials: expected.len(),
        ..row.found(result, Errors::default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{pack_blocks, pack_int4, pack_int8};
    use crate::verify::data::{random_quantized, random_values, seeded};

    /// Weights of five inner values by six outputs.
    fn expected(bits: Vec<u32>, layout: BlockLayout) -> Expected {
        Expected {
            inputs: 5,
            outputs: 6,
            bits,
            layout,
        }
    }

    #[test]
    fn packed_weights_are_found_where_they_lie() {
        let values = random_values(&mut seeded("weights"), 30);
        let bits = values.iter().map(|value| value.to_bits()).collect();
        let bytes: Vec<u8> = bytemuck::cast_slice(&pack_blocks(&values, 5, 6, 0.0)).to_vec();
        let of_f32 = expected(bits, BlockLayout::Values(4));
        assert_eq!(of_f32.compare(&bytes), Ok(()));
        for bit in [0, 8 * 4 * 16 + 31, 8 * 4 * 33] {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let problem = of_f32.compare(&flipped).unwrap_err();
            assert!(problem.starts_with("1 of 30 weights"), "{problem}");
        }
        assert!(of_f32.compare(&bytes[..64]).is_err());

        let quantized = random_quantized(&mut seeded("codes"), 30);
        let bits = quantized.iter().map(|&q| u32::from(q as u8)).collect();
        let of_int8 = expected(bits, BlockLayout::Quantized);
        let bytes: Vec<u8> = bytemuck::cast_slice(&pack_int8(&quantized, 5, 6)).to_vec();
        assert_eq!(of_int8.compare(&bytes), Ok(()));
        // The same, but laid out as values are.
        let turned: Vec<u8> = bytemuck::cast_slice(&pack_blocks(&quantized, 5, 6, 0)).to_vec();
        assert!(of_int8.compare(&turned).is_err());

        let small: Vec<i8> = quantized.iter().map(|q| q % 8).collect();
        let bits = small.iter().map(|&q| u32::from(q as u8 & 15));
        let of_int4 = expected(bits.collect(), BlockLayout::Nibbles);
        let scales = [f16::ONE; 6];
        assert_eq!(of_int4.compare(&pack_int4(&small, &scales, 5, 6)), Ok(()));
    }
}
