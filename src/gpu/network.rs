//! A model on a device: weights converted once, and plans made ready to run again and again.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use half::f16;

use super::device::{Device, Pipeline};
use super::layout::{pack_blocks, pack_codes, pack_rows, to_f16};
use super::single::bind_group;
use crate::Precision;
use crate::adapter::Feature;
use crate::error::Result;
use crate::model::{Architecture, Layer, Model};
use crate::plan::{OPERATIONS_A_SUBMIT, Operand, Plan, groups};
use crate::quant;

/// The most dispatches that one submit holds, and the most bytes of pixels: together they keep a
/// submit short enough for any driver's watchdog.
const DISPATCHES_A_SUBMIT: usize = 4096;
const PIXELS_A_SUBMIT: u64 = 32 << 20;

/// The outputs of one pass over a batch, and how long the device took.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// `[batch, out]` row-major.
    pub outputs: Vec<f32>,
    /// From the first kernel's start to the last one's end, where the adapter has timestamps.
    pub gpu: Option<Duration>,
}

/// A model's weights on a device, in one precision.
#[derive(Debug)]
pub struct Network {
    device: Arc<Device>,
    model: Architecture,
    precision: Precision,
    layers: Vec<LayerBuffers>,
    table: wgpu::Buffer,
    /// What the last batch size needs; made when a batch of another size comes.
    prepared: Option<Prepared>,
}

#[derive(Debug)]
struct LayerBuffers {
    weights: wgpu::Buffer,
    bias: wgpu::Buffer,
    /// The weights' scale in int8, else 1.
    scale: f32,
}

/// A plan with its buffers, pipelines and bind groups.
#[derive(Debug)]
struct Prepared {
    plan: Plan,
    chunks: Vec<Vec<(Operand, wgpu::Buffer)>>,
    maxima: wgpu::Buffer,
    dispatches: Vec<Dispatch>,
    read_back: wgpu::Buffer,
    timestamps: Option<Timestamps>,
}

#[derive(Debug)]
struct Dispatch {
    pipeline: Arc<Pipeline>,
    bind_group: wgpu::BindGroup,
    uniform: wgpu::Buffer,
    grid: [u32; 3],
}

#[derive(Debug)]
struct Timestamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
}

/// Two timestamps of eight bytes.
const TIMESTAMP_BYTES: u64 = 16;

impl Network {
    /// Converts the weights of `model` to `precision` and puts them on the device.
    ///
    /// # Errors
    /// `Error::File` where the model cannot be run in this precision, `Error::TooLarge` where a
    /// layer exceeds the adapter's largest binding, else those of the device.
    pub async fn new(device: &Arc<Device>, model: &Model, precision: Precision) -> Result<Self> {
        model.check_precision(precision)?;
        let architecture = model.architecture();
        // Planning one row tells whether the weights fit, before anything is allocated.
        Plan::new(&architecture, precision, 1, device.limits())?;
        if precision == Precision::F16 {
            // Found out here, so that no compilation is left for a timed run.
            device.rounds_in_integers().await?;
        }
        let layers = model.layers.iter().map(|layer| match precision {
            Precision::F32 => real_layer(device, layer, |values| values.to_vec(), 0.0_f32),
            Precision::F16 => real_layer(device, layer, to_f16, f16::ZERO),
            Precision::Int8 => int8_layer(device, layer, model.int8_clip),
        });
        let layers = layers.collect();
        let table: Vec<f32> = match precision {
            Precision::F16 => model.normalization.table_f16().map(f32::from).to_vec(),
            Precision::F32 | Precision::Int8 => model.normalization.table_f32().to_vec(),
        };
        let bytes = bytemuck::cast_slice(&table);
        let table = device.filled("table", bytes, wgpu::BufferUsages::STORAGE);
        device.check("uploading the weights")?;
        Ok(Self {
            device: Arc::clone(device),
            model: architecture,
            precision,
            layers,
            table,
            prepared: None,
        })
    }

    /// Makes everything ready for batches of this size: buffers, compiled kernels, bind groups.
    ///
    /// # Errors
    /// `Error::OutOfMemory` and those of the device.
    pub async fn prepare(&mut self, batch: usize) -> Result<()> {
        if self
            .prepared
            .as_ref()
            .is_none_or(|prepared| prepared.plan.batch != batch)
        {
            // The old buffers go first, so that both never stand side by side.
            self.prepared = None;
            let plan = Plan::new(&self.model, self.precision, batch, self.device.limits())?;
            self.prepared = Some(Prepared::new(self, plan).await?);
        }
        Ok(())
    }

    /// The name of the kernel that does the products; none before the first batch is prepared.
    #[must_use]
    pub fn kernel(&self) -> Option<&'static str> {
        self.prepared
            .as_ref()
            .map(|prepared| prepared.plan.kernel())
    }

    /// Puts a batch on the device and waits until it is there. `pixels: [batch, in]` row-major.
    ///
    /// # Errors
    /// Those of [`Network::prepare`].
    pub async fn upload(&mut self, pixels: &[u8], batch: usize) -> Result<()> {
        self.prepare(batch).await?;
        if let Some(prepared) = &self.prepared {
            let pixels = padded(pixels, self.model.inputs());
            let row = 4 * groups(self.model.inputs());
            for (range, buffers) in prepared.plan.chunks.iter().zip(&prepared.chunks) {
                let bytes = &pixels[range.start * row..range.end * row];
                self.device
                    .queue
                    .write_buffer(buffer(buffers, Operand::Pixels), 0, bytes);
            }
        }
        self.device.queue.submit([]);
        self.device.wait("uploading a batch")
    }

    /// Runs the batch uploaded last and reads its outputs back.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn run(&mut self) -> Result<Run> {
        let device = &self.device;
        let Some(prepared) = &self.prepared else {
            let outputs = Vec::new();
            return Ok(Run { outputs, gpu: None });
        };
        let mut encoder = device.device.create_command_encoder(&Default::default());
        for (index, steps) in prepared.plan.submits.iter().enumerate() {
            if index > 0 {
                device.queue.submit([encoder.finish()]);
                device.wait("running a part of a batch")?;
                encoder = device.device.create_command_encoder(&Default::default());
            }
            prepared.record(&mut encoder, steps.clone(), true);
        }
        let mut offset = 0;
        for buffers in &prepared.chunks {
            let outputs = buffer(buffers, Operand::Outputs);
            let read_back = &prepared.read_back;
            encoder.copy_buffer_to_buffer(outputs, 0, read_back, offset, outputs.size());
            offset += outputs.size();
        }
        if let Some(timestamps) = &prepared.timestamps {
            encoder.resolve_query_set(&timestamps.queries, 0..2, &timestamps.resolved, 0);
            let (from, to) = (&timestamps.resolved, &prepared.read_back);
            encoder.copy_buffer_to_buffer(from, 0, to, offset, TIMESTAMP_BYTES);
        }
        device.queue.submit([encoder.finish()]);
        let period = device.queue.get_timestamp_period();
        let timed = prepared.timestamps.is_some();
        let plan = &prepared.plan;
        let bytes = prepared.read_back.size();
        let read = |bytes: &[u8]| {
            let (outputs, times) = bytes.split_at(offset as usize);
            Run {
                outputs: plan.decode(outputs),
                gpu: timed.then(|| elapsed(times, period)),
            }
        };
        device
            .read_mapped(&prepared.read_back, bytes, "running a batch", read)
            .await
    }

    /// The outputs of all of `pixels` (`[images, in]` row-major), run in batches of `batch`, the
    /// last perhaps short: the kernels of a timed run, but many batches in a submit.
    ///
    /// `progress` is called with the number of images done.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn infer(
        &mut self,
        pixels: &[u8],
        batch: usize,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<f32>> {
        let width = self.model.inputs();
        let images = pixels.len() / width;
        let whole = images / batch * batch;
        let mut outputs = Vec::with_capacity(images * self.model.outputs());
        let mut done = 0;
        while done < whole {
            self.prepare(batch).await?;
            let batches = self.batches_a_submit(batch).min((whole - done) / batch);
            let images = batches * batch;
            let pixels = &pixels[done * width..(done + images) * width];
            if batches == 1 {
                self.upload(pixels, batch).await?;
                outputs.extend(self.run().await?.outputs);
            } else {
                outputs.extend(self.run_many(pixels, batches).await?);
            }
            done += images;
            progress(done);
        }
        if done < images {
            self.upload(&pixels[done * width..], images - done).await?;
            outputs.extend(self.run().await?.outputs);
            progress(images);
        }
        Ok(outputs)
    }

    /// Bytes of all buffers that were made for the model and its present batch size.
    #[must_use]
    pub fn allocated_bytes(&self) -> u64 {
        let layers: u64 = self
            .layers
            .iter()
            .map(|l| l.weights.size() + l.bias.size())
            .sum();
        layers + self.table.size() + self.prepared.as_ref().map_or(0, Prepared::bytes)
    }

    /// How many batches one submit may hold; 1 where a batch is cut into chunks.
    fn batches_a_submit(&self, batch: usize) -> usize {
        let Some(prepared) = self.prepared.as_ref().filter(|p| p.chunks.len() == 1) else {
            return 1;
        };
        let by_dispatches = DISPATCHES_A_SUBMIT / prepared.dispatches.len();
        let bytes = 4 * (groups(self.model.inputs()) * batch) as u64;
        let operations = self.model.operations() * batch as u64;
        let by_operations = (OPERATIONS_A_SUBMIT / operations.max(1)) as usize;
        let by_bytes = PIXELS_A_SUBMIT.min(self.device.limits().binding_bytes) / bytes;
        by_dispatches
            .min(by_bytes as usize)
            .min(by_operations)
            .max(1)
    }

    /// Runs `batches` whole batches in one submit; each is copied to where a timed run starts.
    async fn run_many(&mut self, pixels: &[u8], batches: usize) -> Result<Vec<f32>> {
        use wgpu::BufferUsages as Usage;
        let device = &self.device;
        let Some(prepared) = &self.prepared else {
            return Ok(Vec::new());
        };
        let pixels = padded(pixels, self.model.inputs());
        let staged = device.filled("many pixels", &pixels, Usage::COPY_SRC);
        let input = buffer(&prepared.chunks[0], Operand::Pixels);
        let output = buffer(&prepared.chunks[0], Operand::Outputs);
        let bytes = output.size() * batches as u64;
        let target = device.buffer("many outputs", bytes, Usage::COPY_DST | Usage::MAP_READ);
        let mut encoder = device.device.create_command_encoder(&Default::default());
        for batch in 0..batches as u64 {
            let from = batch * input.size();
            encoder.copy_buffer_to_buffer(&staged, from, input, 0, input.size());
            prepared.record(&mut encoder, 0..prepared.dispatches.len(), false);
            let to = batch * output.size();
            encoder.copy_buffer_to_buffer(output, 0, &target, to, output.size());
        }
        device.queue.submit([encoder.finish()]);
        let plan = &prepared.plan;
        device
            .read_mapped(&target, bytes, "running many batches", |bytes| {
                plan.decode(bytes)
            })
            .await
    }
}

impl Prepared {
    async fn new(network: &Network, plan: Plan) -> Result<Self> {
        use wgpu::BufferUsages as Usage;
        let device = &network.device;
        let storage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
        let chunks: Vec<Vec<(Operand, wgpu::Buffer)>> = plan
            .chunks
            .iter()
            .map(|range| {
                let make = |&(operand, bytes): &(Operand, u64)| {
                    let bytes = bytes * range.len() as u64;
                    (
                        operand,
                        device.buffer(&format!("{operand:?}"), bytes, storage),
                    )
                };
                plan.buffers.iter().map(make).collect()
            })
            .collect();
        let maxima = device.buffer("maxima", 4 * u64::from(plan.slots), storage);
        device.check("allocating a batch")?;

        let mut dispatches = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            let mut params = step.params;
            if let Some(layer) = step.layer {
                params.weight_scale = network.layers[layer].scale;
            }
            let find = |operand: &Operand| match *operand {
                Operand::Table => &network.table,
                Operand::Maxima => &maxima,
                Operand::Weights(layer) => &network.layers[layer].weights,
                Operand::Bias(layer) => &network.layers[layer].bias,
                operand => buffer(&chunks[step.chunk], operand),
            };
            let buffers: Vec<&wgpu::Buffer> = step.operands.iter().map(find).collect();
            let uniform = device.filled("params", bytemuck::bytes_of(&params), Usage::UNIFORM);
            let pipeline = device.pipeline(step.pass, step.elements).await?;
            dispatches.push(Dispatch {
                bind_group: bind_group(device, &pipeline, &uniform, &buffers),
                pipeline,
                uniform,
                grid: step.grid,
            });
        }
        let outputs: u64 = chunks
            .iter()
            .map(|b| buffer(b, Operand::Outputs).size())
            .sum();
        let timestamps = device
            .info()
            .has(Feature::TimestampQuery)
            .then(|| Timestamps::new(device));
        let read_back = device.buffer(
            "read-back",
            outputs + timestamps.as_ref().map_or(0, |_| TIMESTAMP_BYTES),
            Usage::COPY_DST | Usage::MAP_READ,
        );
        device.check("preparing a batch")?;
        Ok(Self {
            plan,
            chunks,
            maxima,
            dispatches,
            read_back,
            timestamps,
        })
    }

    /// Records a range of the steps; from the first to the last of them they are a pass over the
    /// batch, whose time is taken where `timed`.
    fn record(&self, encoder: &mut wgpu::CommandEncoder, steps: Range<usize>, timed: bool) {
        let (first, last) = (steps.start == 0, steps.end == self.dispatches.len());
        if first {
            encoder.clear_buffer(&self.maxima, 0, None);
        }
        let timestamps = self
            .timestamps
            .as_ref()
            .filter(|_| timed && (first || last));
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: None,
            timestamp_writes: timestamps.map(|timestamps| wgpu::ComputePassTimestampWrites {
                query_set: &timestamps.queries,
                beginning_of_pass_write_index: first.then_some(0),
                end_of_pass_write_index: last.then_some(1),
            }),
        });
        for dispatch in &self.dispatches[steps] {
            let [x, y, z] = dispatch.grid;
            pass.set_pipeline(&dispatch.pipeline.pipeline);
            pass.set_bind_group(0, &dispatch.bind_group, &[]);
            pass.dispatch_workgroups(x, y, z);
        }
    }

    fn bytes(&self) -> u64 {
        let chunks: u64 = self
            .chunks
            .iter()
            .flatten()
            .map(|(_, buffer)| buffer.size())
            .sum();
        let uniforms: u64 = self.dispatches.iter().map(|d| d.uniform.size()).sum();
        let times = self.timestamps.as_ref().map_or(0, |t| t.resolved.size());
        chunks + uniforms + times + self.maxima.size() + self.read_back.size()
    }
}

impl Timestamps {
    fn new(device: &Device) -> Self {
        Self {
            queries: device.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }),
            resolved: device.buffer(
                "timestamps",
                TIMESTAMP_BYTES,
                wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            ),
        }
    }
}

/// A chunk's buffer for an operand. The plan names every operand that its steps use, so it is there.
fn buffer(buffers: &[(Operand, wgpu::Buffer)], operand: Operand) -> &wgpu::Buffer {
    let found = buffers.iter().find(|(of, _)| *of == operand);
    let Some((_, buffer)) = found else {
        unreachable!("the plan has no buffer for {operand:?}")
    };
    buffer
}

/// Weights `[in, out]` in f32 or f16, blocked as the product reads them.
fn real_layer<T: bytemuck::Pod>(
    device: &Device,
    layer: &Layer,
    convert: impl Fn(&[f32]) -> Vec<T>,
    zero: T,
) -> LayerBuffers {
    let weights = pack_blocks(&convert(&layer.weights), layer.inputs, layer.outputs, zero);
    let bias = pack_rows(&convert(&layer.bias), layer.outputs, zero);
    let storage = wgpu::BufferUsages::STORAGE;
    LayerBuffers {
        weights: device.filled("weights", bytemuck::cast_slice(&weights), storage),
        bias: device.filled("bias", bytemuck::cast_slice(&bias), storage),
        scale: 1.0,
    }
}

/// Weights `[in, out]` quantized with one scale, blocked as the product reads them.
fn int8_layer(device: &Device, layer: &Layer, clip: u8) -> LayerBuffers {
    let scale = quant::scale(quant::max_abs(&layer.weights), clip);
    let quantize = |&weight: &f32| quant::quantize(weight, scale, clip);
    let codes: Vec<i8> = layer.weights.iter().map(quantize).collect();
    let weights = pack_codes(&codes, layer.inputs, layer.outputs);
    let bias = pack_rows(&layer.bias, layer.outputs, 0.0);
    let storage = wgpu::BufferUsages::STORAGE;
    LayerBuffers {
        weights: device.filled("weights", bytemuck::cast_slice(&weights), storage),
        bias: device.filled("bias", bytemuck::cast_slice(&bias), storage),
        scale,
    }
}

/// Pixels with each row padded to whole words; as they are where the rows are whole already.
fn padded(pixels: &[u8], width: usize) -> Cow<'_, [u8]> {
    if width.is_multiple_of(4) {
        Cow::Borrowed(pixels)
    } else {
        Cow::Owned(pack_rows(pixels, width, 0))
    }
}

/// The time between two timestamps, in ticks of `period` nanoseconds.
fn elapsed(bytes: &[u8], period: f32) -> Duration {
    let tick = |bytes: &[u8]| bytemuck::pod_read_unaligned::<u64>(bytes);
    let ticks = tick(&bytes[8..16]).saturating_sub(tick(&bytes[..8]));
    Duration::from_nanos((ticks as f64 * f64::from(period)) as u64)
}

impl Plan {
    /// Outputs `[rows, out]` in f32 from the bytes of the outputs' buffers, one after another.
    fn decode(&self, bytes: &[u8]) -> Vec<f32> {
        let stride = 4 * groups(self.output_cols) * self.output_bytes as usize;
        let kept = self.output_cols * self.output_bytes as usize;
        let rows = bytes.chunks_exact(stride).map(|row| &row[..kept]);
        if self.output_bytes == 2 {
            rows.flat_map(|row| row.chunks_exact(2))
                .map(|bytes| f16::from_le_bytes([bytes[0], bytes[1]]).to_f32())
                .collect()
        } else {
            rows.flat_map(|row| row.chunks_exact(4))
                .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
                .collect()
        }
    }
}
