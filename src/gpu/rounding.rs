//! How a driver rounds f32 to f16, which WGSL leaves open: tried once on each device.

use std::sync::Arc;

use super::device::Device;
use super::single::SinglePass;
use crate::Precision;
use crate::error::Result;
use crate::model::Activation;
use crate::plan::{Params, Pass};

impl Device {
    /// Whether this driver's conversion from f32 to f16 is something other than round to nearest,
    /// ties to even. WGSL leaves it open, so it is tried once on values round the midpoints.
    pub async fn rounds_in_integers(self: &Arc<Self>) -> Result<bool> {
        if let Some(&known) = self.round_in_integers.get() {
            return Ok(known);
        }
        let values = rounding_probe();
        let pass = Pass::Activation(Activation::Identity);
        let params = Params {
            rows: 1,
            cols: values.len() as u32,
            groups: values.len() as u32 / 4,
            ..Params::default()
        };
        let operands = [
            bytemuck::cast_slice(&values).to_vec(),
            vec![0; 2 * values.len()],
        ];
        let mut exact = [false; 2];
        for (round_in_integers, exact) in [false, true].into_iter().zip(&mut exact) {
            let pipeline = self.pipeline_with(pass, Precision::F16, round_in_integers)?;
            let single = SinglePass::with_pipeline(self, pipeline, pass, params, &operands)?;
            single.run(1).await?;
            let bytes = single.read(1).await?;
            *exact = bytes
                .chunks_exact(2)
                .zip(&values)
                .all(|(bytes, &value)| bytes == half::f16::from_f32(value).to_le_bytes());
            if *exact {
                break;
            }
        }
        match exact {
            [true, _] => {}
            [false, true] => log::info!(
                "{}: the driver rounds f16 wrongly, so the kernels round it in integer \
                                         arithmetic",
                self.info()
            ),
            [false, false] => log::warn!(
                "{}: the driver does not round f16 to nearest, and integer arithmetic does not correct it",
                self.info()
            ),
        }
        Ok(*self.round_in_integers.get_or_init(|| !exact[0]))
    }
}

/// Values whose conversion shows how a driver rounds: on, just below and just above the midpoints
/// between neighbouring binary16 numbers, normal and subnormal, of both signs.
fn rounding_probe() -> Vec<f32> {
    let halves = [
        0x0001_u16, 0x0002, 0x03ff, 0x0400, 0x0401, 0x3c00, 0x3c01, 0x57fe, 0x7bfe,
    ];
    let mut values = Vec::new();
    for bits in halves {
        let low = half::f16::from_bits(bits).to_f32();
        let high = half::f16::from_bits(bits + 1).to_f32();
        let middle = f32::midpoint(low, high);
        for value in [low, middle.next_down(), middle, middle.next_up()] {
            values.extend([value, -value]);
        }
    }
    values
}
