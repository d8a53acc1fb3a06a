//! The fused kernels that a kernel variant is tested by.

use super::kernel::{LayerInput, LayerKernel, LayerOutput, NetworkKernel};
use super::limits::Subgroups;
use super::pass::Pass;
use super::tile::{Arithmetic, Tile};
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
                let of_f16 = self.arithmetic == Arithmetic::Matrix;
                let of = |tile: Tile| layer_variants(tile, precision, of_f16, &kernel);
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
