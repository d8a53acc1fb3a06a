//! What will run: (model, precision, batch, limits) → chunks, buffers and passes, as plain data.
//!
//! A batch that does not fit one binding or one dispatch is cut into chunks of rows. Every pass
//! runs over all chunks before the next one begins, since in int8 a tensor's scale is found over
//! the whole batch.
//!
//! Matrices are row-major, each row padded to a multiple of four values ("groups of four").

use std::ops::Range;

use crate::Precision;
use crate::error::{Error, Result};
use crate::model::{Activation, Architecture, Normalization};

/// Invocations in a workgroup of the passes that go element by element.
pub const LANES: u32 = 64;

/// Groups of four that one invocation of a search for the largest magnitude looks at.
pub const SPAN: u32 = 16;

/// Operations that one submit may hold. A submit that runs for seconds is killed by some drivers'
/// watchdogs; this is a quarter of a second at 80 GFLOP/s, and some seconds on the slowest adapter.
pub const OPERATIONS_A_SUBMIT: u64 = 20_000_000_000;

/// What an adapter takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest storage binding, in bytes.
    pub binding_bytes: u64,
    /// Most workgroups in one dimension of a dispatch.
    pub workgroups: u32,
    /// The adapter's name, for messages.
    pub adapter: String,
}

/// How a product is cut up: see `shaders/passes/matmul.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tiling {
    /// The name in results.
    pub name: &'static str,
    /// Rows that one invocation computes.
    pub tile_rows: u32,
    /// Groups of four columns that one invocation computes.
    pub tile_groups: u32,
    /// Invocations of a workgroup that lie along the rows.
    pub row_lanes: u32,
    /// Invocations of a workgroup.
    pub lanes: u32,
}

impl Tiling {
    /// 8×8 outputs an invocation, neighbouring lanes on neighbouring rows.
    pub const WIDE: Self = Self {
        name: "matmul-8x8",
        tile_rows: 8,
        tile_groups: 2,
        row_lanes: 8,
        lanes: 32,
    };

    /// 1×4 outputs an invocation, all lanes of a workgroup on one row.
    pub const FEW_ROWS: Self = Self {
        name: "matmul-1x4",
        tile_rows: 1,
        tile_groups: 1,
        row_lanes: 1,
        lanes: 32,
    };

    /// All of them.
    pub const ALL: [Self; 2] = [Self::WIDE, Self::FEW_ROWS];

    /// The tiling for a product of this many rows.
    #[must_use]
    pub fn for_rows(rows: usize) -> Self {
        if rows <= Self::WIDE.tile_rows as usize {
            Self::FEW_ROWS
        } else {
            Self::WIDE
        }
    }

    /// Workgroups for an output of `rows` × `groups` groups of four.
    #[must_use]
    pub fn grid(self, rows: u32, groups: u32) -> [u32; 3] {
        [
            groups.div_ceil(self.tile_groups * (self.lanes / self.row_lanes)),
            rows.div_ceil(self.tile_rows * self.row_lanes),
            1,
        ]
    }
}

/// One pass of the story: a shader of `shaders/passes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Pixels to the network's input.
    Normalize,
    /// The largest byte of the batch.
    PixelMax,
    /// Pixels to codes, in exact integers.
    QuantizePixels,
    /// The product with a layer's weights.
    Matmul(Tiling),
    /// The sums scaled (int8) and the bias added.
    Bias,
    /// An activation that goes element by element.
    Activation(Activation),
    /// Softmax along the rows.
    Softmax,
    /// The largest magnitude of a matrix.
    AbsMax,
    /// Values to codes.
    Quantize,
    /// Codes to values.
    Dequantize,
}

/// What a pass reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// The batch as bytes, four a word.
    Pixels,
    /// The input value of each byte, 256 f32.
    Table,
    /// A layer's input as the precision stores it; in int8 its f32 values.
    Values,
    /// A layer's input, or its sums, as int8 codes.
    Codes,
    /// Sums of products: f32, or int32 in int8.
    Sums,
    /// Sums with the bias, f32.
    Z,
    /// The network's outputs.
    Outputs,
    /// The largest magnitude of every int8 tensor.
    Maxima,
    /// A layer's weights.
    Weights(usize),
    /// A layer's bias.
    Bias(usize),
}

/// The uniform that every kernel reads; its twin is `Params` in `shaders/prelude/params.wgsl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Params {
    /// Rows of the matrix.
    pub rows: u32,
    /// Groups of four along the inner dimension of a product.
    pub inner: u32,
    /// Columns of the output, without padding.
    pub cols: u32,
    /// Groups of four in a row of the output.
    pub groups: u32,
    /// Which maximum scales what is read.
    pub slot_in: u32,
    /// Which maximum is found, or scales what is written.
    pub slot_out: u32,
    /// Largest int8 code.
    pub clip: f32,
    /// Scale of the layer's weights in int8; filled in when the weights are quantized.
    pub weight_scale: f32,
}

/// One dispatch.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What it does.
    pub pass: Pass,
    /// Which element types its kernel is for.
    pub elements: Precision,
    /// The layer it belongs to; none before the first.
    pub layer: Option<usize>,
    /// The chunk of rows it works on.
    pub chunk: usize,
    /// What is bound after the uniform, in the order of the shader's bindings.
    pub operands: Vec<Operand>,
    /// Its uniform.
    pub params: Params,
    /// Workgroups in each dimension.
    pub grid: [u32; 3],
}

/// Everything that one pass over one batch does.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The precision it runs in.
    pub precision: Precision,
    /// Rows of the batch.
    pub batch: usize,
    /// The rows of each chunk.
    pub chunks: Vec<Range<usize>>,
    /// The buffers that each chunk has, with their bytes a row.
    pub buffers: Vec<(Operand, u64)>,
    /// How many maxima there are.
    pub slots: u32,
    /// The dispatches, in order.
    pub steps: Vec<Step>,
    /// The ranges of steps that go into a submit each.
    pub submits: Vec<Range<usize>>,
    /// Columns of the output, without padding.
    pub output_cols: usize,
    /// Bytes of one output value: 4 for f32, 2 for f16.
    pub output_bytes: u64,
}

/// Groups of four that a row of `cols` values takes.
#[must_use]
pub fn groups(cols: usize) -> usize {
    cols.div_ceil(4)
}

impl Plan {
    /// Plans the separate passes of `model` in `precision` over a batch of `batch` rows.
    ///
    /// # Errors
    /// `Error::TooLarge` where a layer's weights, or one row, exceed the largest binding.
    pub fn new(
        model: &Architecture,
        precision: Precision,
        batch: usize,
        limits: &Limits,
    ) -> Result<Self> {
        let buffers = buffers(model, precision);
        let chunks = chunks(model, precision, batch, &buffers, limits)?;
        let last = model.layers.last().map(|layer| layer.activation);
        let mut builder = Builder {
            model,
            precision,
            chunks: &chunks,
            limits,
            slots: 0,
            steps: Vec::new(),
        };
        builder.network();
        Ok(Self {
            precision,
            batch,
            slots: builder.slots,
            submits: submits(&builder.steps),
            steps: builder.steps,
            chunks,
            buffers,
            output_cols: model.outputs(),
            output_bytes: output_bytes(precision, last),
        })
    }

    /// The name of the product's kernel, which is what tells one plan from another.
    #[must_use]
    pub fn kernel(&self) -> &'static str {
        self.steps
            .iter()
            .find_map(|step| match step.pass {
                Pass::Matmul(tiling) => Some(tiling.name),
                _ => None,
            })
            .unwrap_or("none")
    }
}

/// Bytes of one output value: in f16 the outputs are stored so, except those of softmax, which is
/// computed in f32 from the rounded sums.
fn output_bytes(precision: Precision, last: Option<Activation>) -> u64 {
    if precision == Precision::F16 && last != Some(Activation::Softmax) {
        2
    } else {
        4
    }
}

/// Cuts the steps into submits that are short enough.
fn submits(steps: &[Step]) -> Vec<Range<usize>> {
    let mut submits = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for (index, step) in steps.iter().enumerate() {
        let operations = step.operations();
        if index > start && sum + operations > OPERATIONS_A_SUBMIT {
            submits.push(start..index);
            (start, sum) = (index, 0);
        }
        sum += operations;
    }
    submits.push(start..steps.len());
    submits
}

impl Step {
    /// Multiplications and additions of a product; the other passes count for nothing beside it.
    fn operations(&self) -> u64 {
        let Params {
            rows,
            inner,
            groups,
            ..
        } = self.params;
        match self.pass {
            Pass::Matmul(_) => 2 * u64::from(rows) * 4 * u64::from(inner) * 4 * u64::from(groups),
            _ => 0,
        }
    }
}

/// The buffers of one chunk, each used again by every layer and so as wide as the widest.
fn buffers(model: &Architecture, precision: Precision) -> Vec<(Operand, u64)> {
    let last = model.layers.last().map(|layer| layer.activation);
    let output_bytes = output_bytes(precision, last);
    let widest = |widths: &[usize]| {
        let widest = widths.iter().copied().max().unwrap_or(0);
        4 * groups(widest) as u64
    };
    let widths = model.widths();
    let (every, outputs) = (widest(&widths), widest(&widths[1..]));
    let inputs = widest(&widths[..widths.len() - 1]);
    let mut buffers = vec![
        (Operand::Pixels, 4 * groups(model.inputs()) as u64),
        (Operand::Sums, 4 * outputs),
        (Operand::Z, 4 * outputs),
        (
            Operand::Outputs,
            4 * output_bytes * groups(model.outputs()) as u64,
        ),
    ];
    if precision == Precision::Int8 {
        buffers.push((Operand::Codes, every));
        buffers.push((Operand::Values, 4 * inputs));
    } else {
        buffers.push((Operand::Values, precision.bytes() * inputs));
    }
    buffers
}

/// Cuts the batch so that each chunk fits every binding and every dispatch.
fn chunks(
    model: &Architecture,
    precision: Precision,
    batch: usize,
    buffers: &[(Operand, u64)],
    limits: &Limits,
) -> Result<Vec<Range<usize>>> {
    let too_large = |what: String, needed| {
        Err(Error::TooLarge {
            what,
            needed,
            limit: limits.binding_bytes,
            adapter: limits.adapter.clone(),
            hint: "; run it with --adapter cpu".into(),
        })
    };
    for (index, layer) in model.layers.iter().enumerate() {
        let values = 16 * groups(layer.inputs) as u64 * groups(layer.outputs) as u64;
        if values * precision.bytes() > limits.binding_bytes {
            return too_large(format!("layers.{index}.weight"), values * precision.bytes());
        }
    }
    let row_bytes = buffers.iter().map(|&(_, bytes)| bytes).max().unwrap_or(1);
    let by_binding = limits.binding_bytes / row_bytes;
    // The narrowest tiling covers one row a workgroup; indices of groups stay inside u32.
    let by_dispatch = u64::from(limits.workgroups).min(u64::from(u32::MAX) / row_bytes);
    let products = model
        .layers
        .iter()
        .map(|layer| 2 * layer.inputs as u64 * layer.outputs as u64);
    let by_submit = (OPERATIONS_A_SUBMIT / products.max().unwrap_or(1).max(1)).max(1);
    let rows = by_binding.min(by_dispatch).min(by_submit);
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    if rows == 0 {
        return too_large("one row of the network".into(), row_bytes);
    }
    let starts = (0..batch).step_by(rows);
    Ok(starts.map(|start| start..batch.min(start + rows)).collect())
}

/// Collects the steps of a plan.
struct Builder<'a> {
    model: &'a Architecture,
    precision: Precision,
    chunks: &'a [Range<usize>],
    limits: &'a Limits,
    slots: u32,
    steps: Vec<Step>,
}

impl Builder<'_> {
    fn network(&mut self) {
        match self.precision {
            Precision::F32 | Precision::F16 => self.real_network(),
            Precision::Int8 => self.int8_network(),
        }
    }

    fn real_network(&mut self) {
        use Operand::{Pixels, Sums, Table, Values, Weights, Z};
        let elements = self.precision;
        let model = self.model;
        let input = self.shape(model.inputs());
        self.push(
            Pass::Normalize,
            elements,
            None,
            input,
            &[Pixels, Table, Values],
        );
        for (index, layer) in model.layers.iter().enumerate() {
            let at = Some(index);
            let shape = Params {
                inner: groups(layer.inputs) as u32,
                ..self.shape(layer.outputs)
            };
            self.matmul(elements, index, shape, &[Values, Weights(index), Sums]);
            self.push(
                Pass::Bias,
                elements,
                at,
                shape,
                &[Sums, Operand::Bias(index), Z],
            );
            self.activation(elements, index, Z);
        }
    }

    fn int8_network(&mut self) {
        use Operand::{Bias, Codes, Maxima, Pixels, Sums, Table, Values, Weights, Z};
        // Between quantizations int8 computes in f32.
        let real = Precision::F32;
        let int8 = Precision::Int8;
        let model = self.model;
        let mut scale = self.slot();
        let input = Params {
            slot_out: scale,
            ..self.shape(model.inputs())
        };
        if model.normalization == Normalization::Unit {
            let input = Params {
                slot_in: self.slot(),
                ..input
            };
            self.push(Pass::PixelMax, int8, None, input, &[Pixels, Maxima]);
            self.push(
                Pass::QuantizePixels,
                int8,
                None,
                input,
                &[Pixels, Maxima, Codes],
            );
        } else {
            self.push(Pass::Normalize, real, None, input, &[Pixels, Table, Values]);
            self.push(Pass::AbsMax, int8, None, input, &[Values, Maxima]);
            self.push(Pass::Quantize, int8, None, input, &[Values, Maxima, Codes]);
        }
        for (index, layer) in model.layers.iter().enumerate() {
            let at = Some(index);
            let sum_scale = self.slot();
            let sums = Params {
                inner: groups(layer.inputs) as u32,
                slot_in: scale,
                slot_out: sum_scale,
                ..self.shape(layer.outputs)
            };
            self.matmul(int8, index, sums, &[Codes, Weights(index), Sums]);
            self.push(Pass::Bias, int8, at, sums, &[Sums, Bias(index), Z, Maxima]);
            self.push(Pass::AbsMax, int8, at, sums, &[Z, Maxima]);
            self.push(Pass::Quantize, int8, at, sums, &[Z, Maxima, Codes]);
            let back = Params {
                slot_in: sum_scale,
                ..sums
            };
            self.push(Pass::Dequantize, int8, at, back, &[Codes, Maxima, Z]);
            self.activation(real, index, Z);
            if index + 1 < model.layers.len() {
                scale = self.slot();
                let next = Params {
                    slot_out: scale,
                    ..sums
                };
                self.push(Pass::AbsMax, int8, at, next, &[Values, Maxima]);
                self.push(Pass::Quantize, int8, at, next, &[Values, Maxima, Codes]);
            }
        }
    }

    /// The activation of layer `index`, into the next layer's input or the outputs.
    fn activation(&mut self, elements: Precision, index: usize, z: Operand) {
        let layer = &self.model.layers[index];
        let last = index + 1 == self.model.layers.len();
        let target = if last {
            Operand::Outputs
        } else {
            Operand::Values
        };
        let pass = match layer.activation {
            Activation::Softmax => Pass::Softmax,
            other => Pass::Activation(other),
        };
        let shape = self.shape(layer.outputs);
        self.push(pass, elements, Some(index), shape, &[z, target]);
    }

    fn matmul(&mut self, elements: Precision, layer: usize, params: Params, operands: &[Operand]) {
        // One tiling for all chunks, so that a short last chunk sums in the same order.
        let rows = self.chunks.iter().map(Range::len).max().unwrap_or(0);
        let pass = Pass::Matmul(Tiling::for_rows(rows));
        self.push(pass, elements, Some(layer), params, operands);
    }

    /// A new maximum.
    fn slot(&mut self) -> u32 {
        self.slots += 1;
        self.slots - 1
    }

    /// The uniform of a matrix of `cols` columns; each chunk puts in its own rows.
    fn shape(&self, cols: usize) -> Params {
        Params {
            cols: cols as u32,
            groups: groups(cols) as u32,
            clip: f32::from(self.model.int8_clip),
            weight_scale: 1.0,
            ..Params::default()
        }
    }

    /// Adds a pass over every chunk.
    fn push(
        &mut self,
        pass: Pass,
        elements: Precision,
        layer: Option<usize>,
        params: Params,
        operands: &[Operand],
    ) {
        for (chunk, range) in self.chunks.iter().enumerate() {
            let rows = range.len() as u32;
            let params = Params { rows, ..params };
            self.steps.push(Step {
                pass,
                elements,
                layer,
                chunk,
                operands: operands.to_vec(),
                params,
                grid: grid(pass, params, self.limits.workgroups),
            });
        }
    }
}

/// Workgroups of a pass over `params.rows` rows.
#[must_use]
pub fn grid(pass: Pass, params: Params, most: u32) -> [u32; 3] {
    let groups = params.rows * params.groups;
    let workgroups = match pass {
        Pass::Matmul(tiling) => return tiling.grid(params.rows, params.groups),
        Pass::Softmax => params.rows.div_ceil(LANES),
        Pass::AbsMax | Pass::PixelMax => groups.div_ceil(LANES * SPAN),
        _ => groups.div_ceil(LANES),
    };
    // More than one dimension holds are laid out in rows of the most that it does.
    let width = workgroups.clamp(1, most);
    [width, workgroups.div_ceil(width), 1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LayerShape;

    fn model(widths: &[usize]) -> Architecture {
        let layers = widths.windows(2).map(|pair| LayerShape {
            inputs: pair[0],
            outputs: pair[1],
            activation: Activation::Relu,
        });
        Architecture {
            layers: layers.collect(),
            normalization: Normalization::Unit,
            int8_clip: 127,
        }
    }

    fn limits(binding_bytes: u64, workgroups: u32) -> Limits {
        Limits {
            binding_bytes,
            workgroups,
            adapter: "test".into(),
        }
    }

    #[test]
    fn int8_tells_all_eight_steps_of_each_layer() {
        let plan = Plan::new(
            &model(&[784, 64, 10]),
            Precision::Int8,
            32,
            &limits(1 << 27, 65535),
        );
        let names: Vec<String> = plan
            .unwrap()
            .steps
            .iter()
            .map(|s| format!("{:?}", s.pass))
            .collect();
        let starts = |index: usize, name: &str| names[index].starts_with(name);
        assert_eq!(names.len(), 16);
        let layer = [
            "Matmul",
            "Bias",
            "AbsMax",
            "Quantize",
            "Dequantize",
            "Activation",
        ];
        for (index, name) in ["PixelMax", "QuantizePixels"]
            .iter()
            .chain(&layer)
            .enumerate()
        {
            assert!(starts(index, name), "{index}: {}", names[index]);
        }
        for (index, name) in ["AbsMax", "Quantize"].iter().chain(&layer).enumerate() {
            assert!(starts(index + 8, name), "{index}: {}", names[index + 8]);
        }
    }

    #[test]
    fn chunks_fit_every_limit_and_cover_the_batch() {
        for (binding, workgroups) in [(1 << 16, 65535), (1 << 20, 7), (14_000, 3)] {
            for precision in Precision::ALL {
                let limits = limits(binding, workgroups);
                let model = model(&[50, 64, 10]);
                let plan = Plan::new(&model, precision, 1_000, &limits).unwrap();
                assert_eq!(plan.chunks.first().unwrap().start, 0);
                assert_eq!(plan.chunks.last().unwrap().end, 1_000);
                assert!(
                    plan.chunks
                        .windows(2)
                        .all(|pair| pair[0].end == pair[1].start)
                );
                for range in &plan.chunks {
                    for (operand, bytes) in &plan.buffers {
                        assert!(bytes * range.len() as u64 <= binding, "{operand:?}");
                    }
                }
                for step in &plan.steps {
                    assert!(
                        step.grid.iter().all(|&n| (1..=workgroups).contains(&n)),
                        "{step:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_large_batch_is_cut_into_short_submits() {
        let model = model(&[4096, 4096, 10]);
        for (batch, submits) in [(100, 1), (5_000, 9)] {
            let plan = Plan::new(&model, Precision::F32, batch, &limits(1 << 27, 65535)).unwrap();
            assert_eq!(plan.submits.first().unwrap().start, 0);
            assert_eq!(plan.submits.last().unwrap().end, plan.steps.len());
            assert!(
                plan.submits
                    .windows(2)
                    .all(|pair| pair[0].end == pair[1].start)
            );
            assert_eq!(plan.submits.len(), submits);
            for range in &plan.submits {
                let sum: u64 = plan.steps[range.clone()].iter().map(Step::operations).sum();
                assert!(sum <= OPERATIONS_A_SUBMIT);
            }
        }
    }

    #[test]
    fn weights_beyond_a_binding_are_refused() {
        let error =
            Plan::new(&model(&[100, 100]), Precision::F32, 1, &limits(39_999, 9)).unwrap_err();
        assert_eq!(error.exit_code(), 6);
        assert!(error.to_string().contains("layers.0.weight"));
        assert!(Plan::new(&model(&[100, 100]), Precision::F32, 1, &limits(40_000, 9)).is_ok());
    }
}
