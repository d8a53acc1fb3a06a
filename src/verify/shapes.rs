//! The shapes that a kernel is tried at: round the edges of its tile, and deep.

use crate::model::Activation;
use crate::plan::{Arithmetic, LayerKernel, LayerOutput, Pass};

/// The sizes that every dimension is tried at: one, odd, round the tiles' edges, and large.
pub const SIZES: [usize; 7] = [1, 3, 31, 33, 257, 784, 1024];

/// The shape at which a fused layer is also tried in ways that no shape changes.
pub(super) const SMALL: [usize; 3] = [7, 5, 3];

/// Rows, inner dimension and columns. Each dimension at every size, the others small and odd; products also
/// deep and squarish. None of whole networks.
#[must_use]
pub fn shapes(pass: Pass) -> Vec<[usize; 3]> {
    match pass {
        Pass::Layer(layer) => return layer_shapes(layer),
        Pass::Network(_) => return Vec::new(),
        _ => {}
    }
    let matmul = matches!(pass, Pass::Matmul(_));
    let mut shapes = Vec::new();
    for size in SIZES {
        shapes.push([size, 31, 33]);
        shapes.push([33, 31, size]);
        if matmul {
            shapes.push([31, size, 33]);
        }
    }
    if matmul {
        shapes.extend([[9, 1041, 10], [3, 4097, 7], [65, 784, 64], [257, 64, 10]]);
        shapes.extend([[8, 5, 8], [7, 4, 9], [63, 8, 31], [64, 9, 32], [66, 16, 65]]);
    } else {
        shapes.extend([[1, 1, 1], [257, 1, 257], [4097, 1, 3]]);
    }
    shapes
}

/// Round the edges of a fused layer's tile in each dimension, and deep; where a tile ends in softmax or
/// in quantized values by row only rows that it holds.
fn layer_shapes(layer: LayerKernel) -> Vec<[usize; 3]> {
    let (rows, groups) = layer.tile.workgroup();
    let (rows, mut cols) = (rows as usize, 4 * groups as usize);
    if layer.arithmetic == Arithmetic::Matrix {
        let holds =
            (layer.activation == Activation::Softmax).then_some(4 * layer.tile.groups as usize);
        let mut shapes = matrix_shapes(rows, cols, holds);
        shapes.extend(part_shapes(layer));
        return shapes;
    }
    let mut shapes = vec![[1, 1, 1], SMALL, [1, 784, 4], [rows, 31, 2], [3, 1040, 1]];
    if layer.activation == Activation::Softmax || layer.output == LayerOutput::QuantizedRows {
        cols = 4 * layer.tile.groups as usize;
        shapes.retain(|&[.., of_shape]| of_shape <= cols);
    } else {
        shapes.extend([
            [rows + 1, 3, cols + 1],
            [2 * rows + 1, 33, 2 * cols + 1],
            [9, 784, 10],
        ]);
    }
    shapes.extend([
        [(rows - 1).max(1), 1, cols],
        [rows, 4, cols - 1],
        [rows + 1, 33, cols],
    ]);
    shapes.extend(part_shapes(layer));
    if layer.arithmetic != Arithmetic::F32 {
        // Sums of quantized values beyond 2²⁴, which f32 does not hold.
        shapes.push([3, 4097, cols.min(7)]);
    }
    shapes
}

/// Where workgroups share the inner dimension: round the edges of a part, with fewer steps in the last parts, or none.
fn part_shapes(layer: LayerKernel) -> Vec<[usize; 3]> {
    let LayerOutput::PartialSums(parts) = layer.output else {
        return Vec::new();
    };
    let step = 4 * layer.tile.family.k_step() as usize;
    let whole = step * parts as usize;
    let depths = [step + 1, whole - 1, whole, whole + 1, 2 * whole + 5];
    depths.map(|inner| [5, inner, 7]).to_vec()
}

/// For matrix units: each dimension round the edges of matrices of either size, and round those of the
/// workgroup's tile; with softmax no more columns than the tile holds.
fn matrix_shapes(rows: usize, cols: usize, holds: Option<usize>) -> Vec<[usize; 3]> {
    let mut shapes = vec![SMALL, [9, 4097, 7]];
    for size in [1, 7, 8, 9, 15, 16, 17, 64, 784, 1000] {
        shapes.extend([[size, 31, 33], [33, size, 17], [15, 33, size]]);
    }
    for (rows, cols) in [
        (rows - 1, cols + 1),
        (rows, cols),
        (rows + 1, cols - 1),
        (2 * rows + 1, 2 * cols + 1),
    ] {
        shapes.push([rows, 65, cols]);
    }
    if let Some(most) = holds {
        for shape in &mut shapes {
            shape[2] = shape[2].min(most);
        }
    }
    shapes
}
