//! Host matrices in the order that the kernels read them.

use half::f16;

use crate::plan::groups;

/// Rows of `cols` values, each padded to a multiple of four. `values: [rows, cols]` row-major.
#[must_use]
pub fn pack_rows<T: Copy>(values: &[T], cols: usize, zero: T) -> Vec<T> {
    let stride = 4 * groups(cols);
    let mut packed = Vec::with_capacity(values.len() / cols * stride);
    for row in values.chunks_exact(cols) {
        packed.extend_from_slice(row);
        packed.resize(packed.len().next_multiple_of(stride), zero);
    }
    packed
}

/// Weights `[inner, cols]` row-major as blocks of four inner values by four columns, each block
/// whole before the next: `[inner / 4, cols / 4][4 inner][4 cols]`, padded with zeros.
#[must_use]
pub fn pack_blocks<T: Copy>(weights: &[T], inner: usize, cols: usize, zero: T) -> Vec<T> {
    let mut packed = Vec::with_capacity(16 * groups(inner) * groups(cols));
    for k in (0..inner).step_by(4) {
        for col in (0..cols).step_by(4) {
            for (k, col) in (k..k + 4).flat_map(|k| (col..col + 4).map(move |col| (k, col))) {
                let inside = k < inner && col < cols;
                packed.push(if inside {
                    weights[k * cols + col]
                } else {
                    zero
                });
            }
        }
    }
    packed
}

/// Quantized weights `[inner, cols]` row-major as blocks like [`pack_blocks`], but with the four inner
/// quantized values of a column together, as one word: `[inner / 4, cols / 4][4 cols][4 inner]`.
#[must_use]
pub fn pack_int8(quantized: &[i8], inner: usize, cols: usize) -> Vec<i8> {
    let mut packed = pack_blocks(quantized, inner, cols, 0);
    for block in packed.chunks_exact_mut(16) {
        for row in 0..4 {
            for col in 0..row {
                block.swap(4 * row + col, 4 * col + row);
            }
        }
    }
    packed
}

/// int4 quantized values `[inner, cols]` row-major as blocks like [`pack_blocks`], a nibble each: two inner values of
/// four columns to a word, the lowest first. Behind all blocks lie the scales `[inner / 32, cols]`, each
/// row padded to a multiple of four.
#[must_use]
pub fn pack_int4(quantized: &[i8], scales: &[f16], inner: usize, cols: usize) -> Vec<u8> {
    let blocks = pack_blocks(quantized, inner, cols, 0);
    let nibble = |q: i8| q as u8 & 15;
    let pairs = blocks.chunks_exact(2);
    let mut packed: Vec<u8> = pairs
        .map(|pair| nibble(pair[0]) | nibble(pair[1]) << 4)
        .collect();
    packed.extend_from_slice(bytemuck::cast_slice(&pack_rows(scales, cols, f16::ZERO)));
    packed
}

/// Weights `[inner, cols]` row-major as matrices of `size` inner values by `size` columns, each whole
/// before the next: `[inner / size, cols / size][size inner][size cols]`, padded with zeros.
#[must_use]
pub fn pack_matrices<T: Copy>(
    weights: &[T],
    inner: usize,
    cols: usize,
    size: usize,
    zero: T,
) -> Vec<T> {
    let padded = inner.next_multiple_of(size) * cols.next_multiple_of(size);
    let mut packed = Vec::with_capacity(padded);
    for k in (0..inner).step_by(size) {
        for col in (0..cols).step_by(size) {
            let width = size.min(cols - col);
            for k in k..k + size {
                let row_ends = packed.len() + size;
                if k < inner {
                    packed.extend_from_slice(&weights[k * cols + col..][..width]);
                }
                packed.resize(row_ends, zero);
            }
        }
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_padded_to_fours() {
        let packed = pack_rows(&[1, 2, 3, 4, 5, 6], 3, 0);
        assert_eq!(packed, [1, 2, 3, 0, 4, 5, 6, 0]);
        assert_eq!(pack_rows(&[1, 2, 3, 4], 4, 0), [1, 2, 3, 4]);
    }

    #[test]
    fn matrices_are_whole_and_padded() {
        // weights[k][col] = 10·k + col + 1, three inner values by five columns.
        let weights: Vec<i8> = (0..3)
            .flat_map(|k| (1..6).map(move |col| 10 * k + col))
            .collect();
        let packed = pack_matrices(&weights, 3, 5, 4, 0);
        let left = [1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24, 0, 0, 0, 0];
        let right = [5, 0, 0, 0, 15, 0, 0, 0, 25, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(packed, [left, right].concat());
        assert_eq!(pack_matrices(&[7], 1, 1, 2, 0), [7, 0, 0, 0]);
        assert_eq!(pack_matrices(&weights[..4], 2, 2, 2, 0), weights[..4]);
    }

    #[test]
    fn blocks_hold_four_by_four() {
        // weights[k][col] = 10·k + col, five inner values by six columns.
        let weights: Vec<i8> = (0..5)
            .flat_map(|k| (0..6).map(move |col| 10 * k + col))
            .collect();
        let blocks = pack_blocks(&weights, 5, 6, 0);
        assert_eq!(blocks.len(), 4 * 16);
        assert_eq!(blocks[..8], [0, 1, 2, 3, 10, 11, 12, 13]);
        assert_eq!(blocks[16..24], [4, 5, 0, 0, 14, 15, 0, 0]);
        assert_eq!(blocks[32..40], [40, 41, 42, 43, 0, 0, 0, 0]);
        let small: Vec<i8> = weights.iter().map(|q| q % 8).collect();
        let scales: Vec<f16> = (1..7).map(|s| f16::from_f32(s as f32)).collect();
        let packed = pack_int4(&small, &scales, 5, 6);
        // Inner values 0 and 1 of the columns 0 to 3: 0 1 2 3 and 10 11 12 13 modulo 8.
        assert_eq!(packed[..4], [0x10, 0x32, 0x32, 0x54]);
        let (blocks, scales) = packed.split_at(4 * 8);
        let scales: Vec<f16> = bytemuck::pod_collect_to_vec(scales);
        assert_eq!((blocks.len(), scales.len()), (32, 8));
        assert_eq!(scales[..6].iter().map(|s| s.to_f32()).sum::<f32>(), 21.0);
        let quantized = pack_int8(&weights, 5, 6);
        assert_eq!(quantized[..8], [0, 10, 20, 30, 1, 11, 21, 31]);
        assert_eq!(quantized[48..52], [44, 0, 0, 0]);
    }
}
