//! The exact sums of int8 products, as one hash that is the same everywhere.

use std::fmt::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::compare::{Check, Errors};
use super::data::{random_quantized, seeded};
use super::problem::as_problem;
use super::row::CheckRow;
use crate::Precision;
use crate::cpu::{IntegerWeights, Processor};
use crate::error::Result;
use crate::gpu::{Device, SinglePass, pack_int8, pack_rows};
use crate::plan::{Params, Pass, Tiling, groups};
use crate::reference;

/// Rows, inner dimension and columns: awkward, deep, and of the default model.
const SHAPES: [[usize; 3]; 8] = [
    [1, 1, 1],
    [3, 31, 33],
    [7, 5, 3],
    [65, 784, 64],
    [257, 64, 10],
    [9, 1041, 10],
    [3, 4097, 7],
    [66, 16, 65],
];

/// Quantized values of a product's two matrices: random, and as large as they get.
struct SumsProduct {
    shape: [usize; 3],
    x: Vec<i8>,
    w: Vec<i8>,
}

fn products() -> impl Iterator<Item = SumsProduct> {
    SHAPES.into_iter().flat_map(|shape| {
        let [rows, inner, cols] = shape;
        let mut rng = seeded(&format!("int8 sums {rows}×{inner}×{cols}"));
        let random = SumsProduct {
            shape,
            x: random_quantized(&mut rng, rows * inner),
            w: random_quantized(&mut rng, inner * cols),
        };
        let largest = SumsProduct {
            shape,
            x: vec![127; rows * inner],
            w: vec![-127; inner * cols],
        };
        [random, largest]
    })
}

/// SHA-256 of the sums `[rows, cols]` of every product, as little-endian int32.
struct Hash(Sha256);

impl Hash {
    fn new() -> Self {
        Self(Sha256::new())
    }

    fn add(&mut self, sums: &[i32]) {
        for sum in sums {
            self.0.update(sum.to_le_bytes());
        }
    }

    fn hex(self) -> String {
        let mut hex = String::new();
        for byte in self.0.finalize() {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }
}

/// What the reference says.
fn expected() -> String {
    let mut hash = Hash::new();
    for SumsProduct {
        shape: [_, inner, cols],
        x,
        w,
    } in products()
    {
        let wide = |quantized: &[i8]| quantized.iter().map(|&c| i32::from(c)).collect::<Vec<_>>();
        hash.add(&reference::integer_product(
            &wide(&x),
            &wide(&w),
            inner,
            cols,
        ));
    }
    hash.hex()
}

fn verdict(row: CheckRow, found: &[(String, String)]) -> (CheckRow, Option<String>) {
    let want = expected();
    let wrong: Vec<String> = found
        .iter()
        .filter(|(_, hash)| *hash != want)
        .map(|(by, hash)| format!("{by}: SHA-256 {hash}, not {want}"))
        .collect();
    let check: Check = if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    };
    let row = CheckRow {
        trials: found.len() * 2 * SHAPES.len(),
        ..row.found(check, Errors::default())
    };
    // What differs from the reference is what the adapter has.
    let hash = found.iter().find(|(_, hash)| *hash != want);
    let hash = hash.or(found.first()).map(|(_, hash)| hash.clone());
    (row, hash)
}

/// Of an adapter, with each product.
pub(super) async fn check(
    device: &Arc<Device>,
    row: CheckRow,
) -> Result<(CheckRow, Option<String>)> {
    let mut found = Vec::new();
    for tiling in Tiling::ALL {
        match as_problem(on_device(device, tiling).await)? {
            Ok(hash) => found.push((tiling.name.to_owned(), hash)),
            Err(problem) => return Ok((row.found(Err(problem), Errors::default()), None)),
        }
    }
    Ok(verdict(row, &found))
}

async fn on_device(device: &Arc<Device>, tiling: Tiling) -> Result<String> {
    let mut hash = Hash::new();
    for SumsProduct { shape, x, w } in products() {
        let [rows, inner, cols] = shape;
        let params = Params {
            rows: rows as u32,
            inner: groups(inner) as u32,
            cols: cols as u32,
            groups: groups(cols) as u32,
            ..Params::default()
        };
        let operands = [
            bytemuck::cast_slice(&pack_rows(&x, inner, 0)).to_vec(),
            bytemuck::cast_slice(&pack_int8(&w, inner, cols)).to_vec(),
            vec![0xff; 16 * rows * groups(cols)],
        ];
        let pass = Pass::Matmul(tiling);
        let single = SinglePass::new(device, pass, Precision::Int8, params, &operands).await?;
        single.run(1).await?;
        let padded: Vec<i32> = bytemuck::pod_collect_to_vec(&single.read(2).await?);
        for row in padded.chunks(4 * groups(cols)) {
            hash.add(&row[..cols]);
        }
    }
    Ok(hash.hex())
}

/// Of a processor.
pub(super) fn on_processor(processor: &Processor, row: CheckRow) -> (CheckRow, Option<String>) {
    let mut hash = Hash::new();
    for SumsProduct {
        shape: [_, inner, cols],
        x,
        w,
    } in products()
    {
        hash.add(&IntegerWeights::new(&w, inner, cols, processor).sums(&x));
    }
    let by = processor.info().instruction_set.to_owned();
    verdict(row, &[(by, hash.hex())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::ProcessorOptions;
    use crate::verify::{CheckStatus, tolerance};

    fn row() -> CheckRow {
        CheckRow::new(
            "sums",
            "one".into(),
            &Precision::Int8.into(),
            tolerance::SUMS,
        )
    }

    #[test]
    fn the_hash_is_the_processors_and_notices_one_sum() {
        let processor = Processor::new(ProcessorOptions::default()).unwrap();
        let (row_found, hash) = on_processor(&processor, row());
        assert_eq!(row_found.status, CheckStatus::Passed, "{row_found:?}");
        assert_eq!(hash, Some(expected()));
        let mut other = Hash::new();
        other.add(&[1, 2]);
        let mut another = Hash::new();
        another.add(&[1, 3]);
        let (other, another) = (other.hex(), another.hex());
        assert_ne!(other, another);
        let (failed, hash) = verdict(row(), &[("one".into(), other.clone())]);
        assert_eq!((failed.status, hash), (CheckStatus::Failed, Some(other)));
    }
}
