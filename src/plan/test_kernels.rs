//! The fused kernels that a kernel variant is tested by.

use super::kernel::{LayerInput, LayerKernel, LayerOutput, NetworkKernel};
use super::limits::Subgroups;
use super::pass::Pass;
use super::tile::{Arithmetic, KernelFamily, Tile};
use super::variant::{Fusion, KernelVariant};
use crate::Precision;
use crate::model::{Activation, InputFormat};
use crate::precision::Float;

impl KernelVariant {
    /// The fused kernels to test it by in a precision: its tile and narrower ones, in each place of a
    /// network, on an adapter with these subgroups.
    #[must_use]
    pub fn test_kernels(self, precision: Precision, subgroups: Subgroups) -> Vec<Pass> {
        let fits = match self.arithmetic {
            Arithmetic::F32 => true,
            Arithmetic::Matrix => precision == Precision::F16 && subgroups.matrix_units.is_some(),
            Arithmetic::Dot => precision == Precision::Int8,
        };
        if precision == Precision::Mixed {
            return Vec::new();
        }
        match self.fusion {
            Fusion::Layers(tile) if fits => {
                let tile = tile.on(subgroups);
                let mut tiles = vec![tile, tile.narrowed(1), tile.narrowed(2)];
                tiles.dedup();
                let arithmetic = self.arithmetic;
                let kernel = |tile: Tile, input, output, activation| {
                    Pass::Layer(LayerKernel {
                        tile,
                        arithmetic,
                        input,
                        output,
                        activation,
                    })
                };
                if self.split {
                    return split_variants(tile, self.arithmetic, precision);
                }
                let of_f16 = self.arithmetic == Arithmetic::Matrix;
                let of = |tile: Tile| layer_variants(tile, precision, of_f16, &kernel);
                if let KernelFamily::Rows { .. } = tile.family {
                    // Narrower ones have fewer lanes along the columns, wherever they are in a network.
                    let mut all = of(tile);
                    all.extend(tiles[1..].iter().filter_map(|&narrow| of(narrow).pop()));
                    return all;
                }
                tiles.into_iter().flat_map(of).collect()
            }
            // Kernels with tiles do not quantize.
            Fusion::Network { rows, .. } if rows > 1 && precision == Precision::Int8 => Vec::new(),
            Fusion::Network {
                rows,
                lanes,
                k_lanes,
            } if fits => {
                let kernel = |quantized| {
                    Pass::Network(NetworkKernel {
                        rows,
                        lanes,
                        k_lanes,
                        arithmetic: self.arithmetic,
                        widest: NetworkKernel::groups_held(rows, 256),
                        quantized,
                    })
                };
                let mut kernels = vec![kernel(None)];
                if precision == Precision::Int8 {
                    kernels.extend(
                        [InputFormat::Rows, InputFormat::Static].map(|input| kernel(Some(input))),
                    );
                }
                kernels
            }
            _ => Vec::new(),
        }
    }
}

/// Parts of the inner dimension in the kernels that are tested.
pub const TESTED_PARTS: u32 = 4;

/// The halves of a layer whose inner dimension is divided: a tile on each input, and what adds its sums in each
/// place of a network, for narrow layers and wide ones.
fn split_variants(tile: Tile, arithmetic: Arithmetic, precision: Precision) -> Vec<Pass> {
    let inputs: &[LayerInput] = match precision {
        Precision::Int8 => &[
            LayerInput::Pixels,
            LayerInput::Values,
            LayerInput::PreActivation(Activation::Relu),
            LayerInput::QuantizedPixels,
            LayerInput::QuantizedRows,
        ],
        _ => &[LayerInput::Pixels, LayerInput::Values],
    };
    let multiplies = inputs.iter().map(|&input| {
        Pass::Layer(LayerKernel {
            tile,
            arithmetic,
            input,
            output: LayerOutput::PartialSums(TESTED_PARTS),
            activation: Activation::Identity,
        })
    });
    let adds = |tile: Tile, input, output, activation| {
        Pass::Layer(LayerKernel {
            tile,
            arithmetic: arithmetic.of_sums(),
            input,
            output,
            activation,
        })
    };
    let [narrow, wide] = [1, 1024].map(|groups| Tile::sum(TESTED_PARTS, groups));
    let of_f16 = arithmetic == Arithmetic::Matrix;
    let mut all: Vec<Pass> = multiplies.collect();
    all.extend(layer_variants(wide, precision, of_f16, &adds));
    all.extend(layer_variants(narrow, precision, of_f16, &adds).pop());
    all
}

/// A tile as the first layer, as one between and as the last.
fn layer_variants(
    tile: Tile,
    precision: Precision,
    of_f16: bool,
    kernel: &impl Fn(Tile, LayerInput, LayerOutput, Activation) -> Pass,
) -> Vec<Pass> {
    use Activation::{Identity, Relu, Sigmoid, Softmax, Tanh};
    use LayerInput::{Pixels, PreActivation, Quantized, QuantizedPixels, QuantizedRows, Values};
    if precision == Precision::Int8 {
        let inputs = [Pixels, Values, PreActivation(Relu), PreActivation(Tanh)];
        let mut kernels = inputs
            .map(|input| kernel(tile, input, LayerOutput::PreActivation, Identity))
            .to_vec();
        kernels.extend([
            kernel(tile, QuantizedPixels, LayerOutput::Quantized, Relu),
            kernel(tile, Quantized, LayerOutput::Quantized, Tanh),
            kernel(tile, Quantized, LayerOutput::Outputs, Identity),
            kernel(tile, QuantizedRows, LayerOutput::Float(Float::F32), Sigmoid),
        ]);
        if tile.holds_rows(1) {
            kernels.push(kernel(tile, Quantized, LayerOutput::Outputs, Softmax));
            kernels.push(kernel(
                tile,
                QuantizedRows,
                LayerOutput::QuantizedRows,
                Relu,
            ));
        }
        return kernels;
    }
    let own = precision.float();
    let mut kernels = vec![
        kernel(tile, Pixels, LayerOutput::Float(own), Relu),
        kernel(tile, Values, LayerOutput::Float(own), Sigmoid),
        kernel(tile, Values, LayerOutput::Outputs, Identity),
    ];
    if tile.holds_rows(1) {
        kernels.push(kernel(tile, Values, LayerOutput::Outputs, Softmax));
    }
    // What a layer hands to one whose numbers differ: not where only f16 multiplies so.
    if !of_f16 {
        kernels.push(kernel(tile, Values, LayerOutput::Quantized, Relu));
        if tile.holds_rows(1) {
            kernels.push(kernel(tile, Values, LayerOutput::QuantizedRows, Relu));
        }
    }
    kernels
}
