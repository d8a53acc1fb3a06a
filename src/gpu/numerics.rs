//! Single operations on an adapter, on values that no compiler knows in advance: what a numerics report is made of.

use std::sync::Arc;

use super::device::Device;
use super::kernel::Binding;
use super::pipeline::Pipeline;
use super::shader::{self, Constants};
use super::single::{bind_group, whole};
use crate::adapter::Feature;
use crate::error::Result;
use crate::plan::{LANES, Params};

/// The shaders: operations of the core language, operations of the f16 type, `quantizeToF16`, and the arithmetic that
/// int8 kernels share.
const FILES: [&str; 4] = [
    "probes/numerics/core",
    "probes/numerics/half",
    "probes/numerics/quantize",
    "probes/numerics/exact",
];

/// The storage buffers of each, from binding 1 on.
pub const NUMERICS_BINDINGS: [&[Binding]; 4] = [
    &[Binding::Read, Binding::Read, Binding::Read, Binding::Write],
    &[Binding::Read, Binding::Read, Binding::Write, Binding::Write],
    &[Binding::Read, Binding::Write],
    &[Binding::Read, Binding::Read, Binding::Read, Binding::Write],
];

/// The texts of the shaders.
#[must_use]
pub fn numerics_sources() -> [String; 4] {
    let mut constants = Constants::default();
    constants.number("LANES", LANES);
    FILES.map(|file| shader::link(file, &constants, &[]))
}

/// One operation on words. Its number is the one that the shaders use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum DeviceOperation {
    /// `pack2x16float(a, b)`
    Pack = 0,
    /// `unpack2x16float(a).x`
    Unpack = 1,
    /// `a * b + c`
    MultiplyAdd = 2,
    /// `fma(a, b, c)`
    Fma = 3,
    /// `a / b`
    Divide = 4,
    /// `exp(a)`
    Exp = 5,
    /// `dot4I8Packed(a, b)`
    Dot = 6,
    /// `a * b`
    Multiply = 7,
    /// `a + b`
    Add = 8,
    /// `max(a, b)`
    Maximum = 9,
    /// `min(a, b)`
    Minimum = 10,
    /// `a == b`, 0 or 1
    Equal = 11,
    /// `f16(a)` times both halves of b
    Convert = 16,
    /// `vec2<f16>(vec2<f32>(a, a))`, stored as f16
    Store = 17,
    /// `f32(f16(a))`
    RoundTrip = 18,
    /// The product of the two halves of b
    MultiplyHalves = 19,
    /// The f32 of the lower half of b
    Widen = 20,
    /// `quantizeToF16(a)`
    Quantize = 32,
    /// The f32 a divided by the whole number b ≤ 255
    Scale = 48,
    /// The f32 a divided by the f32 b, rounded to a whole number
    RoundedQuotient = 49,
    /// The int32 a times the product of the f32 b and c, plus c
    ScaledSum = 50,
}

impl DeviceOperation {
    /// The shader that has it. Each shader has sixteen numbers.
    fn module(self) -> usize {
        self as usize / 16
    }

    /// Whether its results are stored as f16, in the buffer behind that of words.
    fn is_stored(self) -> bool {
        matches!(self, Self::Convert | Self::Store | Self::MultiplyHalves)
    }
}

/// The operations of a device, ready to be run.
#[derive(Debug)]
pub struct Numerics {
    device: Arc<Device>,
    core: Pipeline,
    /// Only where the adapter has the type.
    half: Option<Pipeline>,
    quantize: Pipeline,
    exact: Pipeline,
}

impl Numerics {
    /// Compiles the shaders, the one of the f16 type only where the adapter has it.
    ///
    /// # Errors
    /// Those of the device.
    pub fn new(device: &Arc<Device>) -> Result<Self> {
        let sources = numerics_sources();
        let compile = |at: usize| {
            let source = sources[at].clone();
            device.compile_source("numerics", source, NUMERICS_BINDINGS[at])
        };
        let has_f16 = device.info().has(Feature::ShaderF16);
        Ok(Self {
            core: compile(0)?,
            half: if has_f16 { Some(compile(1)?) } else { None },
            quantize: compile(2)?,
            exact: compile(3)?,
            device: Arc::clone(device),
        })
    }

    /// The results of an operation on each of the operands `[a, b, c]`. `None` where it needs f16 and the adapter lacks it.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn apply(
        &self,
        operation: DeviceOperation,
        operands: &[[u32; 3]],
    ) -> Result<Option<Vec<u32>>> {
        use wgpu::BufferUsages as Usage;
        let (device, label) = (&*self.device, "numerics");
        let module = operation.module();
        let pipeline = match (module, &self.half) {
            (0, _) => &self.core,
            (1, Some(half)) => half,
            (1, None) => return Ok(None),
            (2, _) => &self.quantize,
            _ => &self.exact,
        };
        let (operation_number, count) = (operation as u32, operands.len() as u32);
        let params = Params {
            rows: count,
            slot_in: operation_number,
            ..Params::default()
        };
        let uniform = match module {
            3 => device.filled(label, bytemuck::bytes_of(&params), Usage::UNIFORM),
            _ => {
                let params = [operation_number, count, 0, 0];
                device.filled(label, bytemuck::cast_slice(&params), Usage::UNIFORM)
            }
        };
        let column = |at: usize| {
            let words: Vec<u32> = operands.iter().map(|operand| operand[at]).collect();
            device.filled(label, bytemuck::cast_slice(&words), Usage::STORAGE)
        };
        let bytes = 4 * operands.len() as u64;
        let output = || device.buffer(label, bytes, Usage::STORAGE | Usage::COPY_SRC);
        let (mut buffers, mut outputs) = (Vec::new(), Vec::new());
        for (at, binding) in NUMERICS_BINDINGS[module].iter().enumerate() {
            if *binding == Binding::Read {
                buffers.push(column(at));
            } else {
                outputs.push(buffers.len());
                buffers.push(output());
            }
        }
        let bound: Vec<_> = buffers.iter().map(whole).collect();
        let bound = bind_group(device, pipeline, &uniform, &bound);
        let target = device.buffer(label, bytes, Usage::MAP_READ | Usage::COPY_DST);
        let mut encoder = device.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&pipeline.pipeline);
            pass.set_bind_group(0, &bound, &[]);
            pass.dispatch_workgroups(count.div_ceil(LANES), 1, 1);
        }
        let written = &buffers[outputs[usize::from(operation.is_stored())]];
        encoder.copy_buffer_to_buffer(written, 0, &target, 0, bytes);
        device.queue.submit([encoder.finish()]);
        let words = |bytes: &[u8]| bytemuck::pod_collect_to_vec::<u8, u32>(bytes);
        let words = device.read_mapped(&target, bytes, label, words).await?;
        Ok(Some(words))
    }

    /// The nanoseconds of a tick, and the ticks at the start and the end of some short passes, in their order. `None`
    /// where the adapter has no timestamps.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn ticks(&self, passes: u32) -> Result<Option<(f32, Vec<u64>)>> {
        use wgpu::BufferUsages as Usage;
        let (device, label) = (&*self.device, "timestamps");
        if !device.info().has(Feature::TimestampQuery) {
            return Ok(None);
        }
        let params = [DeviceOperation::Exp as u32, LANES, 0, 0];
        let uniform = device.filled(label, bytemuck::cast_slice(&params), Usage::UNIFORM);
        let output = || device.buffer(label, 4 * u64::from(LANES), Usage::STORAGE);
        let buffers = [output(), output(), output(), output()];
        let buffers: Vec<_> = buffers.iter().map(whole).collect();
        let bound = bind_group(device, &self.core, &uniform, &buffers);
        let count = 2 * passes;
        let bytes = 8 * u64::from(count);
        let queries = device.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count,
        });
        let resolved = device.buffer(label, bytes, Usage::QUERY_RESOLVE | Usage::COPY_SRC);
        let target = device.buffer(label, bytes, Usage::MAP_READ | Usage::COPY_DST);
        let mut encoder = device.device.create_command_encoder(&Default::default());
        for index in 0..passes {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                    query_set: &queries,
                    beginning_of_pass_write_index: Some(2 * index),
                    end_of_pass_write_index: Some(2 * index + 1),
                }),
            });
            pass.set_pipeline(&self.core.pipeline);
            pass.set_bind_group(0, &bound, &[]);
            pass.dispatch_workgroups(1, 1, 1);
        }
        encoder.resolve_query_set(&queries, 0..count, &resolved, 0);
        encoder.copy_buffer_to_buffer(&resolved, 0, &target, 0, bytes);
        device.queue.submit([encoder.finish()]);
        let words = |bytes: &[u8]| bytemuck::pod_collect_to_vec::<u8, u64>(bytes);
        let ticks = device.read_mapped(&target, bytes, label, words).await?;
        Ok(Some((device.queue.get_timestamp_period(), ticks)))
    }
}
