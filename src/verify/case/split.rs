//! Layers whose inner dimension is divided among workgroups: the sums of its parts.

use super::{Case, KernelTrial, from_bytes, to_bytes};
use crate::Precision;
use crate::plan::{Arithmetic, LayerKernel, groups};
use crate::reference;
use crate::verify::compare::{Unit, equal, unpadded, within_each};

impl Case {
    /// A layer that leaves the sums of `parts` parts of its inner dimension, outside int8 `dynamic-tensor`: added, they are
    /// the sums of the whole.
    pub(super) fn partial_sums(&self, layer: LayerKernel, parts: u32) -> KernelTrial {
        let given = self.layer_operands(layer);
        let operands = vec![
            given.input,
            given.weights,
            given.bias,
            self.room_for(layer.output),
        ];
        let want = self.sums(&given.x, &given.w, &vec![0.0; self.cols()]);
        // Matrix units may cut what they add, rather than round it: twice the error.
        let errors_of_sum = match layer.arithmetic {
            Arithmetic::Matrix => 2.0,
            Arithmetic::F32 | Arithmetic::Dot => 1.0,
        };
        let tolerances: Vec<f64> = want
            .bound
            .iter()
            .map(|bound| errors_of_sum * bound)
            .collect();
        let case = *self;
        self.trial(
            self.quantized_params(),
            3,
            operands,
            move |bytes, errors| {
                let got = case.added_parts(layer.arithmetic, parts, bytes);
                errors.see(&got, &want.z, case.unit());
                if case.elements == Precision::Int8 {
                    return equal(&got, &want.z);
                }
                within_each(&got, &want.z, &tolerances, 1e-10)
            },
        )
    }

    /// What a layer leaves for `kernels/layer/sum`: the sums of `parts` parts of the inner dimension, as bytes
    /// `[rows, parts, groups of columns]`. Padding is not zero: it must not count.
    pub(super) fn sums_of_parts(
        &self,
        arithmetic: Arithmetic,
        x: &[f64],
        w: &[f64],
        parts: u32,
    ) -> Vec<u8> {
        let (inner, cols) = (self.inner(), self.cols());
        let deep = inner.div_ceil(parts as usize);
        let mut sums = Vec::new();
        for row in x.chunks(inner) {
            for part in 0..parts as usize {
                let of_part = (part * deep).min(inner)..((part + 1) * deep).min(inner);
                let w = &w[of_part.start * cols..of_part.end * cols];
                let mut products = match of_part.len() {
                    0 => vec![0.0; cols],
                    depth => reference::product(&row[of_part], w, depth, cols),
                };
                products.resize(4 * groups(cols), 77.0);
                sums.extend(products);
            }
        }
        match arithmetic {
            Arithmetic::Dot => to_bytes(&sums.iter().map(|&sum| sum as i32).collect::<Vec<_>>()),
            Arithmetic::F32 | Arithmetic::Matrix => {
                to_bytes(&sums.iter().map(|&sum| sum as f32).collect::<Vec<_>>())
            }
        }
    }

    /// The sums of the whole inner dimension, `[rows, cols]`, from those of its parts.
    pub(super) fn added_parts(&self, arithmetic: Arithmetic, parts: u32, bytes: &[u8]) -> Vec<f64> {
        let sums: Vec<f64> = match arithmetic {
            Arithmetic::Dot => from_bytes::<i32>(bytes)
                .into_iter()
                .map(f64::from)
                .collect(),
            Arithmetic::F32 | Arithmetic::Matrix => from_bytes::<f32>(bytes)
                .into_iter()
                .map(f64::from)
                .collect(),
        };
        let width = 4 * groups(self.cols());
        let rows = sums.chunks(parts as usize * width).flat_map(|row| {
            (0..width).map(|column| row.iter().skip(column).step_by(width).sum::<f64>())
        });
        let padded: Vec<f64> = rows.collect();
        unpadded(&padded, self.rows(), self.cols())
    }

    /// The unit of such sums.
    pub(super) fn unit_of_sums(&self) -> Unit {
        match self.elements {
            Precision::Int8 => Unit::Whole,
            _ => Unit::F32,
        }
    }
}
