//! The size of the subgroups that kernels for matrix units really get.
//!
//! An adapter may have subgroups of several sizes, and its driver chooses one for each kernel. wgpu reports the smallest
//! and the largest, on some backends as numbers that no device has. Workgroups of the largest size are right whatever
//! the driver chooses, but then several smaller subgroups compute the same values. So a kernel like those for matrix
//! units reads the size once.

use super::device::Device;
use super::kernel::Binding;
use super::shader::{self, Constants, choices};
use super::single::{bind_group, whole};
use crate::adapter::MatrixUnits;
use crate::error::{CheckError, Error, Result};

/// The text of the kernel that reads the size, in workgroups of `units.lanes`.
#[must_use]
pub fn lanes_source(units: MatrixUnits) -> String {
    let mut constants = Constants::default();
    constants.number("LANES", units.lanes);
    let matrices = choices::matrices(units.size);
    shader::link("probes/lanes", &constants, &[("matrices", matrices)])
}

/// The storage buffers of that kernel.
pub const LANES_BINDINGS: &[Binding] = &[Binding::Write];

impl Device {
    /// `units` with the number of lanes that subgroups really have, if workgroups of that number get whole subgroups.
    /// Otherwise `units` unchanged.
    ///
    /// # Errors
    /// Those of the device; `Error::CheckFailed` where a product of ones is wrong.
    pub async fn with_lanes_in_use(&self, units: MatrixUnits) -> Result<MatrixUnits> {
        let lanes = self.lanes_in_use(units).await?;
        let smaller = MatrixUnits { lanes, ..units };
        let fits = lanes > 0 && lanes < units.lanes && units.lanes.is_multiple_of(lanes);
        if fits && self.lanes_in_use(smaller).await? == lanes {
            return Ok(smaller);
        }
        Ok(units)
    }

    /// The lanes of a subgroup in a workgroup of `units.lanes`.
    async fn lanes_in_use(&self, units: MatrixUnits) -> Result<u32> {
        use wgpu::BufferUsages as Usage;
        let during = "finding the subgroup size";
        let pipeline = self.compile_source(during, lanes_source(units), LANES_BINDINGS)?;
        let bytes = 12;
        let uniform = self.buffer(during, bytes, Usage::UNIFORM);
        let found = self.buffer(during, bytes, Usage::STORAGE | Usage::COPY_SRC);
        let target = self.buffer(during, bytes, Usage::MAP_READ | Usage::COPY_DST);
        let bound = bind_group(self, &pipeline, &uniform, &[whole(&found)]);
        let mut encoder = self.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&pipeline.pipeline);
            pass.set_bind_group(0, &bound, &[]);
            pass.dispatch_workgroups(1, 1, 1);
        }
        encoder.copy_buffer_to_buffer(&found, 0, &target, 0, bytes);
        self.queue.submit([encoder.finish()]);
        let words = |bytes: &[u8]| bytemuck::pod_collect_to_vec::<u8, u32>(bytes);
        let words = self.read_mapped(&target, bytes, during, words).await?;
        match words[..] {
            [lanes, _, product] if product == units.size => Ok(lanes),
            _ => Err(Error::CheckFailed(CheckError::WrongResult {
                what: "a product of matrices of ones".into(),
                device: self.info().to_string(),
                problem: format!("it has {words:?}, not {}", units.size),
            })),
        }
    }
}
