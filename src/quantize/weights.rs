//! The weights of a layer in each format: all that the rest of `quantize` needs to know of a format.

use half::{bf16, f16};
use safetensors::Dtype;

use super::input::{Affine, InputQuantization};
use crate::Precision;
use crate::model::{Element, Layer};
use crate::precision::INT4_GROUP;
use crate::scheme::{self, WeightScales};

/// The largest int4 value.
pub const INT4_LARGEST: i8 = 7;

/// The largest magnitude of a static bias in units of its scale; what remains of int32 is for the sums.
const LARGEST_BIAS: f32 = (1 << 30) as f32;

/// The magnitude of a static bias in units of its scale where nothing but the bias decides the scale: f32 holds
/// every whole number up to it, so the bias is as exact as in f32.
const EXACT_BIAS: f32 = (1 << 24) as f32;

/// A layer's weights, `[inputs, outputs]` row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// binary32.
    F32(Vec<f32>),
    /// binary16.
    F16(Vec<f16>),
    /// bfloat16.
    Bf16(Vec<bf16>),
    /// int8 quantized values.
    Int8 {
        /// −c to c.
        quantized: Vec<i8>,
        /// One, or one for each output.
        scales: Vec<f32>,
    },
    /// int4 quantized values.
    Int4 {
        /// −7 to 7, a byte each.
        quantized: Vec<i8>,
        /// `[ceil(inputs / 32), outputs]`
        scales: Vec<f16>,
    },
}

/// A part of a layer in a quantized file: its name behind `layers.N.`, type, shape and bytes.
pub(super) type StoredTensor = (&'static str, Dtype, Vec<usize>, Vec<u8>);

/// Where the tensors of a layer are read from.
pub(super) trait ReadTensor {
    /// The error of a tensor that is missing or does not fit.
    type Error;

    /// The tensor of this name behind `layers.N.`, which must have this type and shape.
    fn read<T: Element>(&mut self, part: &str, shape: &[usize]) -> Result<Vec<T>, Self::Error>;

    /// What is wrong with the layer, to stand behind its name.
    fn fail(&self, problem: String) -> Self::Error;
}

impl Weights {
    /// The weights of `layer` rounded to nearest. `scales` and `clip` are for int8, whose columns without weights
    /// also take the scale of their static bias.
    #[must_use]
    pub fn round(
        layer: &Layer,
        precision: Precision,
        input: InputQuantization,
        scales: WeightScales,
        clip: u8,
    ) -> Self {
        let weights = layer.weights.iter();
        match precision {
            Precision::F32 | Precision::Mixed => Self::F32(layer.weights.clone()),
            Precision::F16 => Self::F16(weights.map(|&w| f16::from_f32(w)).collect()),
            Precision::Bf16 => Self::Bf16(weights.map(|&w| bf16::from_f32(w)).collect()),
            Precision::Int8 => int8(layer, input, scales, clip),
            Precision::Int4 => int4(layer),
        }
    }

    /// The precision of a layer with these weights.
    #[must_use]
    pub fn precision(&self) -> Precision {
        match self {
            Self::F32(_) => Precision::F32,
            Self::F16(_) => Precision::F16,
            Self::Bf16(_) => Precision::Bf16,
            Self::Int8 { .. } => Precision::Int8,
            Self::Int4 { .. } => Precision::Int4,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F16(values) => values.len(),
            Self::Bf16(values) => values.len(),
            Self::Int8 { quantized, .. } | Self::Int4 { quantized, .. } => quantized.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the weights and their scales, as files and devices hold them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let scales = match self {
            Self::F32(_) | Self::F16(_) | Self::Bf16(_) => 0,
            Self::Int8 { scales, .. } => 4 * scales.len(),
            Self::Int4 { scales, .. } => 2 * scales.len(),
        };
        let bits = u64::from(self.precision().weight_bits());
        (self.len() as u64 * bits).div_ceil(8) + scales as u64
    }

    /// The values that they stand for, in f32: a quantized value times its scale. `outputs` is the length of a row.
    #[must_use]
    pub fn values(&self, outputs: usize) -> Vec<f32> {
        match self {
            Self::F32(values) => values.clone(),
            Self::F16(values) => values.iter().map(|w| w.to_f32()).collect(),
            Self::Bf16(values) => values.iter().map(|w| w.to_f32()).collect(),
            Self::Int8 { quantized, scales } => {
                let scale = |index: usize| scales[index % outputs % scales.len()];
                let quantized = quantized.iter().enumerate();
                quantized
                    .map(|(index, &q)| f32::from(q) * scale(index))
                    .collect()
            }
            Self::Int4 { quantized, scales } => {
                let scale = |index: usize| {
                    let (row, column) = (index / outputs, index % outputs);
                    scales[row / INT4_GROUP * outputs + column].to_f32()
                };
                let quantized = quantized.iter().enumerate();
                quantized
                    .map(|(index, &q)| f32::from(q) * scale(index))
                    .collect()
            }
        }
    }

    /// The exact scale of the group of a column that loses most by the type of its scales, where the column, `floats` of which
    /// they were made, loses more than twice what rounding to quantized values costs, and more than 3% of its norm. None for
    /// formats whose scales are f32.
    pub(super) fn lost_scale(&self, floats: &[f32], outputs: usize) -> Option<f64> {
        let Self::Int4 { scales, .. } = self else {
            return None;
        };
        let exact = int4_scales(floats, outputs);
        let spoiled = |column: &usize| {
            let mut of_column = exact.iter().skip(*column).step_by(outputs);
            of_column.any(|&scale| !holds(scale))
        };
        let lost = |column| lost_int4_scale(floats, (&exact, scales), [column, outputs]);
        (0..outputs).filter(spoiled).find_map(lost)
    }

    /// Whether something is so of a weight that is a number by itself, no quantized value.
    pub(super) fn any(&self, is: impl Fn(f32) -> bool) -> bool {
        match self {
            Self::F32(values) => values.iter().any(|&value| is(value)),
            Self::F16(values) => values.iter().any(|value| is(value.to_f32())),
            Self::Bf16(values) => values.iter().any(|value| is(value.to_f32())),
            Self::Int8 { .. } | Self::Int4 { .. } => false,
        }
    }

    /// Scales are as many as there must be and positive; quantized values are within their range. The error stands
    /// behind the layer's name.
    pub(super) fn check(&self, [inputs, outputs]: [usize; 2], clip: u8) -> Result<(), String> {
        let (quantized, largest, what, scales, counts): (_, u8, _, Vec<f32>, Vec<usize>) =
            match self {
                Self::F32(_) | Self::F16(_) | Self::Bf16(_) => return Ok(()),
                Self::Int8 { quantized, scales } => (
                    quantized,
                    clip,
                    "int8_clip",
                    scales.clone(),
                    vec![1, outputs],
                ),
                Self::Int4 { quantized, scales } => (
                    quantized,
                    INT4_LARGEST.unsigned_abs(),
                    "int4's largest value",
                    scales.iter().map(|scale| scale.to_f32()).collect(),
                    vec![inputs.div_ceil(INT4_GROUP) * outputs],
                ),
            };
        if !counts.contains(&scales.len()) {
            let counts: Vec<String> = counts.iter().map(ToString::to_string).collect();
            return Err(format!(
                ".weight_scale has {} values, not {}",
                scales.len(),
                counts.join(" or ")
            ));
        }
        if let Some(scale) = scales.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
            return Err(format!(
                ".weight_scale has the value {scale}, which is not a positive number"
            ));
        }
        if let Some(q) = quantized.iter().find(|q| q.unsigned_abs() > largest) {
            return Err(format!(
                ".weight has the value {q}, more than {what} {largest}"
            ));
        }
        Ok(())
    }

    /// The tensors of a quantized file that hold them.
    pub(super) fn tensors(&self, [inputs, outputs]: [usize; 2]) -> Vec<StoredTensor> {
        let shape = vec![inputs, outputs];
        let halves = |bits: Vec<u16>| bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
        match self {
            Self::F32(values) => vec![("weight", Dtype::F32, shape, float_bytes(values))],
            Self::F16(values) => {
                let bits = values.iter().map(|value| value.to_bits()).collect();
                vec![("weight", Dtype::F16, shape, halves(bits))]
            }
            Self::Bf16(values) => {
                let bits = values.iter().map(|value| value.to_bits()).collect();
                vec![("weight", Dtype::BF16, shape, halves(bits))]
            }
            Self::Int8 { quantized, scales } => {
                let bytes = quantized.iter().map(|&q| q as u8).collect();
                let of_scales = vec![scales.len()];
                vec![
                    ("weight", Dtype::I8, shape, bytes),
                    ("weight_scale", Dtype::F32, of_scales, float_bytes(scales)),
                ]
            }
            Self::Int4 { quantized, scales } => {
                let packed = pack(quantized, outputs);
                let bits = scales.iter().map(|value| value.to_bits()).collect();
                let rows = |bytes: usize| vec![bytes / outputs, outputs];
                vec![
                    ("weight", Dtype::U8, rows(packed.len()), packed),
                    ("weight_scale", Dtype::F16, rows(scales.len()), halves(bits)),
                ]
            }
        }
    }

    /// Reads them from a quantized file.
    pub(super) fn read<R: ReadTensor>(
        reader: &mut R,
        precision: Precision,
        [inputs, outputs]: [usize; 2],
        scales: Option<WeightScales>,
    ) -> Result<Self, R::Error> {
        let shape = [inputs, outputs];
        Ok(match precision {
            Precision::F32 => Self::F32(reader.read("weight", &shape)?),
            Precision::F16 => Self::F16(reader.read("weight", &shape)?),
            Precision::Bf16 => Self::Bf16(reader.read("weight", &shape)?),
            Precision::Int8 => {
                let scales = match scales {
                    Some(WeightScales::Tensor) => 1,
                    _ => outputs,
                };
                Self::Int8 {
                    scales: reader.read("weight_scale", &[scales])?,
                    quantized: reader.read("weight", &shape)?,
                }
            }
            Precision::Int4 => {
                let packed = reader.read("weight", &[inputs.div_ceil(2), outputs])?;
                let (quantized, clean) = unpack(packed, inputs, outputs);
                if !clean {
                    let problem = format!(".weight has more values than its {inputs} rows");
                    return Err(reader.fail(problem));
                }
                let shape = [inputs.div_ceil(INT4_GROUP), outputs];
                let scales = reader.read("weight_scale", &shape)?;
                Self::Int4 { quantized, scales }
            }
            Precision::Mixed => return Err(reader.fail(" has no precision".into())),
        })
    }
}

/// Numbers as a file holds them.
pub(super) fn float_bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// Symmetric quantized values, with a scale for each column or one for all.
fn int8(layer: &Layer, input: InputQuantization, scales: WeightScales, clip: u8) -> Weights {
    let largest = match scales {
        WeightScales::Tensor => vec![scheme::max_abs(&layer.weights)],
        WeightScales::Channel => {
            let mut largest = vec![0.0_f32; layer.outputs];
            for row in layer.weights.chunks_exact(layer.outputs) {
                for (largest, weight) in largest.iter_mut().zip(row) {
                    *largest = largest.max(weight.abs());
                }
            }
            largest
        }
    };
    let scale = |&largest: &f32| scheme::scale(largest, clip);
    let mut scales: Vec<f32> = largest.iter().map(scale).collect();
    // Columns whose quantized values are all zero, since their scale would be too small.
    let mut zeros = vec![false; scales.len()];
    if let InputQuantization::Static(affine) = input {
        // The sums are multiplied by the product of both scales, which f32 is to hold as well.
        let too_small = |&largest: &f32| {
            let scale = largest / f32::from(clip);
            scale.min(scale * affine.scale) < scheme::SMALLEST_SCALE
        };
        zeros = largest.iter().map(too_small).collect();
        for (scale, _) in scales.iter_mut().zip(&zeros).filter(|(_, zeros)| **zeros) {
            *scale = 1.0;
        }
        fit_bias(&mut scales, &zeros, &layer.bias, affine);
    }
    let count = scales.len();
    let q = |(index, &weight): (usize, &f32)| match index % layer.outputs % count {
        column if zeros[column] => 0,
        column => scheme::quantize(weight, scales[column], clip),
    };
    let quantized = layer.weights.iter().enumerate().map(q).collect();
    Weights::Int8 { quantized, scales }
}

/// Makes scales such that a static bias, which is held in units of s·s_w, keeps its value. `zeros` marks the
/// scales whose quantized values are all zero.
fn fit_bias(scales: &mut [f32], zeros: &[bool], bias: &[f32], input: Affine) {
    let mut largest = vec![0.0_f32; scales.len()];
    for (column, bias) in bias.iter().enumerate() {
        let largest = &mut largest[column % scales.len()];
        *largest = largest.max(bias.abs());
    }
    for ((scale, &zeros), bias) in scales.iter_mut().zip(zeros).zip(largest) {
        // Quantized values of nothing but zeros are right in every scale, so the bias has its own: in units of s · 1 it would
        // be rounded as coarsely as the layer's input.
        let unit = bias / EXACT_BIAS;
        let own = unit / input.scale;
        if zeros && unit.is_normal() && own.is_normal() {
            *scale = own;
        }
        // A bias that is huge beside its column's weights would leave int32 in units of their scale: then
        // the column gets coarser quantized values, which make no difference beside such a bias.
        *scale = scale.max(bias / input.scale / LARGEST_BIAS);
    }
}

/// The scale of a group of int4 quantized values whose largest magnitude is `largest`: that / 7, to binary16.
#[must_use]
pub(super) fn int4_scale(largest: f32) -> f16 {
    let scale = f16::from_f32(largest / f32::from(INT4_LARGEST));
    if scale.is_finite() && scale.to_f32() > 0.0 {
        scale
    } else if largest > 1.0 {
        f16::MAX
    } else {
        f16::ONE
    }
}

/// The int4 quantized value of a weight.
#[must_use]
pub(super) fn quantize_int4(weight: f32, scale: f16) -> i8 {
    scheme::quantize(weight, scale.to_f32(), INT4_LARGEST.unsigned_abs())
}

/// The exact scale of each group of int4 weights, before it is rounded to binary16: `[groups, outputs]`.
pub(super) fn int4_scales(floats: &[f32], outputs: usize) -> Vec<f64> {
    let mut scales = Vec::new();
    for group in floats.chunks(INT4_GROUP * outputs) {
        let mut largest = vec![0.0_f32; outputs];
        for row in group.chunks_exact(outputs) {
            for (largest, weight) in largest.iter_mut().zip(row) {
                *largest = largest.max(weight.abs());
            }
        }
        let scale = |largest: f32| f64::from(largest) / f64::from(INT4_LARGEST);
        scales.extend(largest.into_iter().map(scale));
    }
    scales
}

/// Whether binary16 holds a scale with all of its bits; zeros need none.
pub(super) fn holds(scale: f64) -> bool {
    scale == 0.0 || (f64::from(f16::MIN_POSITIVE)..=f16::MAX.to_f64()).contains(&scale)
}

/// As [`Weights::lost_scale`], of a column with these `exact` scales. Normal scales lose next to nothing; compensation chooses
/// others.
fn lost_int4_scale(
    floats: &[f32],
    (exact, stored): (&[f64], &[f16]),
    [column, outputs]: [usize; 2],
) -> Option<f64> {
    let (mut norm, mut best, mut found) = (0.0, 0.0, 0.0);
    let mut most = (0.0, 0.0);
    let groups = floats.chunks(INT4_GROUP * outputs);
    let scales = exact.chunks(outputs).zip(stored.chunks(outputs));
    for (weights, (exact, stored)) in groups.zip(scales) {
        let of_column = || {
            let weights = weights.iter().skip(column).step_by(outputs);
            weights.map(|&weight| f64::from(weight))
        };
        let error = |scale: f64| {
            let limit = f64::from(INT4_LARGEST);
            let lost = |w: f64| w - (w / scale).round_ties_even().clamp(-limit, limit) * scale;
            of_column().map(|w| lost(w).powi(2)).sum::<f64>()
        };
        if !holds(exact[column]) {
            let errors = [exact[column], stored[column].to_f64()].map(error);
            best += errors[0];
            found += errors[1];
            if errors[1] > most.0 {
                most = (errors[1], exact[column]);
            }
        }
        norm += of_column().map(|w| w * w).sum::<f64>();
    }
    let loses = found > 4.0 * best && found > norm / 1024.0;
    loses.then_some(most.1)
}

/// Quantized values rounded to nearest, with a scale for each group of a column.
fn int4(layer: &Layer) -> Weights {
    let outputs = layer.outputs;
    let mut quantized = vec![0; layer.weights.len()];
    let mut scales = Vec::new();
    let groups = layer.weights.chunks(INT4_GROUP * outputs);
    for (weights, quantized) in groups.zip(quantized.chunks_mut(INT4_GROUP * outputs)) {
        for column in 0..outputs {
            let of_column = || weights.iter().skip(column).step_by(outputs);
            let largest = of_column().fold(0.0, |max: f32, w| w.abs().max(max));
            let scale = int4_scale(largest);
            let targets = quantized.iter_mut().skip(column).step_by(outputs);
            for (q, &weight) in targets.zip(of_column()) {
                *q = quantize_int4(weight, scale);
            }
            scales.push(scale);
        }
    }
    Weights::Int4 { quantized, scales }
}

/// int4 quantized values `[in, out]`, two rows to one of bytes.
fn pack(quantized: &[i8], outputs: usize) -> Vec<u8> {
    let mut packed = Vec::with_capacity(quantized.len().div_ceil(2));
    for rows in quantized.chunks(2 * outputs) {
        let (low, high) = rows.split_at(outputs);
        for (column, &q) in low.iter().enumerate() {
            let high = high.get(column).copied().unwrap_or(0);
            packed.push((q as u8 & 0xf) | (high as u8) << 4);
        }
    }
    packed
}

/// The quantized values of `rows` rows, and whether the half bytes of a row that is not there are zero. They are put where
/// the bytes were, where memory is left behind those.
fn unpack(packed: Vec<u8>, rows: usize, outputs: usize) -> (Vec<i8>, bool) {
    let pairs = packed.len() / outputs;
    let mut quantized: Vec<i8> = bytemuck::cast_vec(packed);
    quantized.resize(2 * pairs * outputs, 0);
    let mut bytes = vec![0_i8; outputs];
    // The last first: two rows of quantized values end behind the bytes that they come from and all before those.
    for pair in (0..pairs).rev() {
        bytes.copy_from_slice(&quantized[pair * outputs..][..outputs]);
        let (low, high) = quantized[2 * pair * outputs..][..2 * outputs].split_at_mut(outputs);
        for ((&byte, low), high) in bytes.iter().zip(low).zip(high) {
            // Shifted through the sign's place.
            (*low, *high) = ((byte << 4) >> 4, byte >> 4);
        }
    }
    let clean = quantized[rows * outputs..].iter().all(|&q| q == 0);
    quantized.truncate(rows * outputs);
    (quantized, clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn int4_values_pack_and_unpack() {
        let quantized: Vec<i8> = (-8..7).collect();
        for outputs in [1, 3, 5, 15] {
            let packed = pack(&quantized, outputs);
            assert_eq!(packed.len(), (15_usize / outputs).div_ceil(2) * outputs);
            let rows = 15 / outputs;
            assert_eq!(unpack(packed, rows, outputs), (quantized.clone(), true));
        }
        assert!(!unpack(vec![0x10], 1, 1).1);
    }
}
