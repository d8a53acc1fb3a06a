//! One layer of a block: its product, and what is done to the sums.
#![expect(unsafe_code, reason = "computed with vectors, through pointers")]

use half::{bf16, f16};

use super::encoding::{Encoding, Levels, hand_on};
use super::scratch::{Scratch, Widths, panel_values};
use crate::cpu::aligned::Aligned;
use crate::cpu::int4::Int4Weights;
use crate::cpu::integer::{IntegerWeights, Sink};
use crate::cpu::panels::PanelShape;
use crate::cpu::processor::{Lanes, Processor};
use crate::cpu::product::{PackedWeights, Task};
use crate::cpu::simd::{Simd, stride};
use crate::model::Activation;
use crate::quantize::{self, QuantizedLayer};

/// A layer, packed.
#[derive(Debug)]
pub(super) struct PackedLayer {
    product: Product,
    pub activation: Activation,
    /// In which form the next one takes what it gives; none of the last one.
    next: Option<Encoding>,
}

#[derive(Debug)]
enum Product {
    F32(PackedWeights<f32>),
    F16(PackedWeights<f16>),
    Bf16(PackedWeights<bf16>),
    Int4(Int4Weights),
    Int8(Int8Weights),
}

/// Quantized weights, and what becomes of the sums T in each column: f32(T) · (row's scale · scale) + bias.
#[derive(Debug)]
struct Int8Weights {
    weights: IntegerWeights,
    scales: Aligned<f32>,
    bias: Aligned<f32>,
}

impl PackedLayer {
    /// Packs the weights of `layer`.
    pub fn new(
        layer: &QuantizedLayer,
        next: Option<Encoding>,
        clip: u8,
        processor: &Processor,
    ) -> Self {
        let Lanes { lanes, panel, .. } = processor.lanes();
        let shape = PanelShape {
            inputs: layer.inputs,
            outputs: layer.outputs,
            lanes,
            vectors: panel,
            group: 1,
        };
        // What fills up a row must not be seen by its softmax.
        let softmax = layer.activation == Activation::Softmax;
        let filler = if softmax { f32::NEG_INFINITY } else { 0.0 };
        let bias = shape.pad_bias(&layer.bias, Some(filler));
        let product = match &layer.weights {
            quantize::Weights::F32(weights) => Product::F32(PackedWeights {
                shape,
                panels: shape.pack(weights, false, |weight| weight),
                bias,
            }),
            quantize::Weights::F16(weights) => Product::F16(PackedWeights {
                shape,
                panels: shape.pack(weights, false, |weight| weight),
                bias,
            }),
            quantize::Weights::Bf16(weights) => Product::Bf16(PackedWeights {
                shape,
                panels: shape.pack(weights, false, |weight| weight),
                bias,
            }),
            quantize::Weights::Int4 { quantized, scales } => {
                Product::Int4(Int4Weights::new(shape, quantized, scales, bias))
            }
            quantize::Weights::Int8 { quantized, .. } => {
                let epilogue = layer.epilogue(clip);
                let all = |of: &dyn Fn(&quantize::Epilogue) -> f32| -> Vec<f32> {
                    epilogue.iter().map(of).collect()
                };
                Product::Int8(Int8Weights {
                    weights: IntegerWeights::with_offsets(
                        quantized,
                        [layer.inputs, layer.outputs],
                        |column| epilogue[column].offset,
                        processor,
                    ),
                    scales: shape.pad_bias(&all(&|column| column.scale), None),
                    bias: shape.pad_bias(&all(&|column| column.bias), Some(filler)),
                })
            }
        };
        Self {
            product,
            activation: layer.activation,
            next,
        }
    }

    pub fn shape(&self) -> PanelShape {
        match &self.product {
            Product::F32(weights) => weights.shape,
            Product::F16(weights) => weights.shape,
            Product::Bf16(weights) => weights.shape,
            Product::Int4(weights) => weights.shape,
            Product::Int8(weights) => weights.weights.shape(),
        }
    }

    pub fn bytes(&self) -> u64 {
        fn of<W: bytemuck::Pod>(weights: &PackedWeights<W>) -> u64 {
            weights.panels.bytes() + weights.bias.bytes()
        }
        match &self.product {
            Product::F32(weights) => of(weights),
            Product::F16(weights) => of(weights),
            Product::Bf16(weights) => of(weights),
            Product::Int4(weights) => weights.bytes(),
            Product::Int8(weights) => {
                weights.weights.bytes() + weights.scales.bytes() + weights.bias.bytes()
            }
        }
    }

    /// Values of a widened panel; 0 where none is needed.
    pub fn widened(&self, lanes: Lanes) -> usize {
        let widens = match self.product {
            Product::F16(_) => !lanes.converts_f16,
            Product::Int4(_) => true,
            Product::F32(_) | Product::Bf16(_) | Product::Int8(_) => false,
        };
        if widens {
            panel_values(lanes, self.shape().inputs)
        } else {
            0
        }
    }

    /// What a row needs of each buffer.
    pub fn widths(&self) -> Widths {
        let shape = self.shape();
        let takes_quantized = matches!(self.product, Product::Int8(_));
        Widths {
            x: if takes_quantized {
                0
            } else {
                stride(shape.inputs)
            },
            y: match self.fused() {
                Some(_) => 0,
                None => stride(shape.outputs),
            },
            quantized: if takes_quantized {
                stride(shape.groups())
            } else {
                0
            },
        }
    }

    /// The quantized values that sums are turned into at once: those of a known scale, where the activation is no
    /// more than a bound.
    fn fused(&self) -> Option<(Levels, f32)> {
        let bound = self.activation.floor().is_some();
        match (&self.product, self.next) {
            (Product::Int8(_), Some(Encoding::Static(levels, inverse))) if bound => {
                Some((levels, inverse))
            }
            _ => None,
        }
    }

    /// Takes the input of `rows` rows, and hands on what the next layer takes; the last one leaves
    /// the outputs in `y`, or the pre-activations of a softmax.
    ///
    /// # Safety
    /// The instructions of `S` are there, and the weights were packed for it.
    #[inline(always)]
    pub unsafe fn run<S: Simd>(&self, rows: usize, scratch: &mut Scratch) {
        // SAFETY: the caller's promises, here and below.
        let handed_on = unsafe { self.multiply::<S>(rows, scratch) };
        if handed_on {
            return;
        }
        let width = self.shape().outputs;
        let softmax = self.activation == Activation::Softmax;
        if self.activation.floor().is_none() && !softmax {
            let y_stride = stride(width);
            for y in scratch.y[..rows * y_stride].chunks_exact_mut(y_stride) {
                self.activation.apply(&mut y[..width], width);
            }
        }
        if let Some(next) = self.next {
            unsafe { hand_on::<S>(next, rows, width, scratch) };
        }
    }

    /// The product with bias and relu, to `y`; true where it was handed on at once.
    #[inline(always)]
    unsafe fn multiply<S: Simd>(&self, rows: usize, scratch: &mut Scratch) -> bool {
        let PanelShape {
            inputs, outputs, ..
        } = self.shape();
        let relu = self.activation.floor() == Some(0.0);
        if let Product::Int8(weights) = &self.product {
            // SAFETY: the caller's promises, here and below.
            return unsafe { weights.multiply::<S>(rows, relu, self.fused(), scratch) };
        }
        let mut task = Task {
            rows,
            x: &scratch.x,
            x_stride: stride(inputs),
            y: &mut scratch.y,
            y_stride: stride(outputs),
            relu,
            widened: &mut scratch.widened,
        };
        unsafe {
            match &self.product {
                Product::F32(weights) => weights.product::<S>(&mut task),
                Product::F16(weights) => weights.product::<S>(&mut task),
                Product::Bf16(weights) => weights.product::<S>(&mut task),
                Product::Int4(weights) => weights.product::<S>(&mut task),
                Product::Int8(_) => {}
            }
        }
        false
    }
}

impl Int8Weights {
    /// The product of quantized values, to values or at once to the quantized values of the next layer; true of those.
    #[inline(always)]
    unsafe fn multiply<S: Simd>(
        &self,
        rows: usize,
        relu: bool,
        fused: Option<(Levels, f32)>,
        scratch: &mut Scratch,
    ) -> bool {
        let shape = self.weights.shape();
        // SAFETY: the caller's promises, here and below.
        let z = unsafe {
            Z::<S> {
                of_rows: &scratch.scales[..rows],
                scales: &self.scales,
                bias: &self.bias,
                floor: S::splat(if relu { 0.0 } else { f32::NEG_INFINITY }),
            }
        };
        let (quantized, groups) = (&scratch.quantized, stride(shape.groups()));
        let Some((levels, inverse)) = fused else {
            let mut sink = ToValues {
                z,
                y: &mut scratch.y,
                stride: stride(shape.outputs),
            };
            unsafe {
                self.weights
                    .product::<S, _>(quantized, groups, rows, &mut sink)
            };
            return false;
        };
        let mut sink = ToQuantized {
            z,
            quantized: bytemuck::cast_slice_mut(&mut scratch.next_quantized),
            stride: 4 * stride(shape.outputs.div_ceil(S::GROUP)),
            levels,
            inverse: unsafe { S::splat(inverse) },
        };
        unsafe {
            self.weights
                .product::<S, _>(quantized, groups, rows, &mut sink)
        };
        scratch.swap_quantized();
        scratch.scales[..rows].fill(1.0);
        true
    }
}

/// What becomes of sums of quantized values: a pre-activation z, or the larger of it and a floor.
struct Z<'a, S: Simd> {
    of_rows: &'a [f32],
    scales: &'a [f32],
    bias: &'a [f32],
    floor: S::F,
}

impl<S: Simd> Z<'_, S> {
    /// A vector of `row`, from `column` on.
    #[inline(always)]
    unsafe fn of(&self, row: usize, column: usize, sums: S::I) -> S::F {
        let scales = &self.scales[column..][..S::LANES];
        let bias = &self.bias[column..][..S::LANES];
        // SAFETY: the caller's promise; both are whole vectors.
        unsafe {
            // A product and a sum, each rounded, as in the scheme. The bias of static scales is 0
            // and changes nothing.
            let scale = S::mul(S::splat(self.of_rows[row]), S::load(scales.as_ptr()));
            let scaled = S::mul(S::to_f32(sums), scale);
            S::max(self.floor, S::add(scaled, S::load(bias.as_ptr())))
        }
    }
}

/// Takes sums and leaves values.
struct ToValues<'a, S: Simd> {
    z: Z<'a, S>,
    y: &'a mut [f32],
    stride: usize,
}

impl<S: Simd> Sink<S> for ToValues<'_, S> {
    #[inline(always)]
    unsafe fn take(&mut self, row: usize, column: usize, sums: S::I) {
        let to = &mut self.y[row * self.stride + column..][..S::LANES];
        // SAFETY: the caller's promise; `to` is a whole vector.
        unsafe { S::store(to.as_mut_ptr(), self.z.of(row, column, sums)) };
    }
}

/// Takes sums and leaves quantized values.
struct ToQuantized<'a, S: Simd> {
    z: Z<'a, S>,
    quantized: &'a mut [u8],
    /// Bytes from row to row.
    stride: usize,
    levels: Levels,
    inverse: S::F,
}

impl<S: Simd> Sink<S> for ToQuantized<'_, S> {
    #[inline(always)]
    unsafe fn take(&mut self, row: usize, column: usize, sums: S::I) {
        let size = 4 / S::GROUP;
        let to = &mut self.quantized[row * self.stride + size * column..][..size * S::LANES];
        // SAFETY: the caller's promise; `to` holds the quantized values of a whole vector.
        unsafe {
            let units = S::mul(self.z.of(row, column, sums), self.inverse);
            self.levels.store::<S>(units, to.as_mut_ptr());
        }
    }
}
