//! The one seam to the matrix library, which training multiplies with: products of f32 matrices.
//!
//! `gemm` chooses its instruction set at run time and splits rows and columns over threads, never
//! the inner dimension, so that the same shapes give the same bits.

use gemm::Parallelism;

use crate::host;

/// Multiply-adds below which waking the thread pool costs more than it gains.
const THREADED_FROM: usize = 1 << 20;

/// A matrix in a slice, or its transpose.
#[derive(Clone, Copy, Debug)]
pub struct MatrixView<'a> {
    values: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> MatrixView<'a> {
    /// `values: [rows, cols]` row-major.
    ///
    /// # Panics
    /// Where `values` does not hold exactly that many.
    #[must_use]
    pub fn new(values: &'a [f32], rows: usize, cols: usize) -> Self {
        assert_eq!(values.len(), rows * cols, "a {rows}×{cols} matrix");
        Self {
            values,
            rows,
            cols,
            row_stride: cols,
            col_stride: 1,
        }
    }

    /// The same values read as `[cols, rows]`.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }
}

/// `c = a·b`, or `c += a·b` where `accumulate`. `c: [a.rows, b.cols]` row-major.
///
/// # Panics
/// Where the shapes do not fit.
pub fn product(a: MatrixView<'_>, b: MatrixView<'_>, c: &mut [f32], accumulate: bool) {
    let (rows, inner, cols) = (a.rows, a.cols, b.cols);
    assert_eq!(inner, b.rows, "inner dimensions");
    assert_eq!(c.len(), rows * cols, "a {rows}×{cols} product");
    let threads = if rows * inner * cols < THREADED_FROM || host::workers() < 2 {
        Parallelism::None
    } else {
        Parallelism::Rayon(0)
    };
    #[expect(
        unsafe_code,
        reason = "the library takes pointers; every extent is checked above"
    )]
    // SAFETY: a `MatrixView` holds rows·cols values under its strides (checked when it is made), `c` was
    // checked just now, and it is borrowed mutably, so it overlaps neither operand.
    unsafe {
        gemm::gemm(
            rows,
            cols,
            inner,
            c.as_mut_ptr(),
            1,
            cols as isize,
            accumulate,
            a.values.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            threads,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_transposes_are_exact_on_small_integers() {
        let value = |i: usize| ((i * 7 + 3) % 11) as f32 - 5.0;
        for (rows, inner, cols) in [(1, 1, 1), (3, 5, 2), (17, 33, 31), (64, 100, 10)] {
            let a: Vec<f32> = (0..rows * inner).map(value).collect();
            let b: Vec<f32> = (0..inner * cols).map(value).collect();
            let a_t: Vec<f32> = (0..inner * rows)
                .map(|i| a[(i % rows) * inner + i / rows])
                .collect();
            let mut expected = vec![1.0; rows * cols];
            for row in 0..rows {
                for col in 0..cols {
                    for k in 0..inner {
                        expected[row * cols + col] += a[row * inner + k] * b[k * cols + col];
                    }
                }
            }
            let mut c = vec![1.0; rows * cols];
            product(
                MatrixView::new(&a, rows, inner),
                MatrixView::new(&b, inner, cols),
                &mut c,
                true,
            );
            assert_eq!(c, expected);
            let a_t = MatrixView::new(&a_t, inner, rows).transposed();
            c.fill(f32::NAN);
            product(a_t, MatrixView::new(&b, inner, cols), &mut c, false);
            assert!(c.iter().zip(&expected).all(|(c, e)| c + 1.0 == *e));
        }
    }
}
