//! Many batches, as few submits as can be: what checks and predictions run, not what is timed.

use super::prepared::buffer;
use super::session::{Session, padded};
use crate::error::{Error, Result, UsageError};
use crate::plan::{ExecutionPath, Operand, groups};

/// The most dispatches that one submit of many batches holds, and the most bytes of their pixels or
/// outputs: a submit stays short, and the buffers that serve it small.
const DISPATCHES_A_SUBMIT: usize = 4096;
const BYTES_A_SUBMIT: u64 = 32 << 20;

/// How many rows small batches make together where they run side by side.
const ROWS_SIDE_BY_SIDE: usize = 1000;

impl Session {
    /// The outputs of all of `pixels` (`[images, in]` row-major), run in batches of `batch`, the
    /// last perhaps short: with the kernels of a timed run and to the same bits, but many batches in
    /// a submit: side by side, or one after another in int8 where each has scales of its own. Where workgroups share an inner
    /// dimension, a short batch may be divided into more parts.
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
            let most = (whole - done) / batch;
            let (variant, _) = self.variant(batch)?;
            let side_by_side = variant.rows_are_independent(&self.model);
            let batches = if side_by_side {
                (ROWS_SIDE_BY_SIDE / batch).clamp(1, most)
            } else {
                self.prepare(batch).await?;
                self.batches_a_submit(batch).min(most)
            };
            let images = batches * batch;
            let pixels = &pixels[done * width..(done + images) * width];
            if !side_by_side && batches > 1 {
                outputs.extend(self.run_in_turn(pixels, batches).await?);
            } else {
                self.upload_many(pixels, batch, batches).await?;
                outputs.extend(self.run().await?.outputs);
            }
            done += images;
            progress(done);
        }
        if done < images {
            let short = images - done;
            let follows = self.follow(batch, short)?;
            self.upload(&pixels[done * width..], short).await?;
            outputs.extend(self.run().await?.outputs);
            if follows {
                self.unchoose(short);
            }
            progress(images);
        }
        Ok(outputs)
    }

    /// Lets a short last batch run like the others, where it can, and returns whether it now does: what was
    /// chosen for batches of its size otherwise is left as it is.
    fn follow(&mut self, batch: usize, short: usize) -> Result<bool> {
        let (variant, by) = self.variant(batch)?;
        let limits = self.device.limits();
        let refused = variant.refused(&self.model, short, limits);
        // The unfused passes have a product for few rows, which sums in the same order.
        let follows = variant.path() != ExecutionPath::Unfused
            && refused.is_none()
            && !self.chosen.contains_key(&short);
        if follows {
            self.choose(short, variant, by);
        }
        Ok(follows)
    }

    /// How many batches one submit may hold one after another; 1 where a batch is cut into chunks.
    fn batches_a_submit(&self, batch: usize) -> usize {
        let Some(prepared) = self.prepared.as_ref().filter(|p| p.chunks.len() == 1) else {
            return 1;
        };
        let by_dispatches = DISPATCHES_A_SUBMIT / prepared.dispatches.len();
        let inputs = 4 * (groups(self.model.inputs()) * batch) as u64;
        let outputs = buffer(&prepared.chunks[0], Operand::Outputs).size();
        let operations = self.model.operations() * batch as u64;
        let by_operations =
            (self.device.limits().operations_a_submit() / operations.max(1)) as usize;
        let most = BYTES_A_SUBMIT.min(self.device.limits().binding_bytes);
        let by_bytes = most / inputs.max(outputs);
        by_dispatches
            .min(by_bytes as usize)
            .min(by_operations)
            .max(1)
    }

    /// Runs `batches` whole batches in one submit; each is copied to where a timed run starts.
    async fn run_in_turn(&mut self, pixels: &[u8], batches: usize) -> Result<Vec<f32>> {
        use wgpu::BufferUsages as Usage;
        let device = &self.device;
        let Some(prepared) = &self.prepared else {
            return Err(Error::Usage(UsageError::NoBatch));
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
        let mut outputs = Vec::with_capacity(batches * plan.batch * plan.output_cols);
        let read = |bytes: &[u8]| plan.decode(bytes, &mut outputs);
        device
            .read_mapped(&target, bytes, "running many batches", read)
            .await?;
        Ok(outputs)
    }
}
