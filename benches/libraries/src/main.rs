//! Matrix libraries beside the CPU path's own kernels, on the shapes of its networks: what each is the
//! fastest at, and whether a kernel of our own pays.
//!
//! ```sh
//! cargo run --release --locked --manifest-path benches/libraries/Cargo.toml
//! ```
//! Libraries multiply two matrices of floats (or quantized values) that lie ready; weights are packed before where
//! the library can. Ours is a network of one layer: from bytes to floats, with normalization, bias,
//! and in int8 the search for scales, quantization and dequantization. That is in the libraries'
//! favour. All take turns, so that a slow spell of the machine hits all of them.

use std::time::{Duration, Instant};

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use fmnist_gpu::Precision;
use fmnist_gpu::cpu::{Session, Processor};
use fmnist_gpu::model::{Activation, Layer, Network};
use fmnist_gpu::report::{Layout, Table, duration};
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB};
use rten_tensor::NdTensorView;

/// Rows, inner dimension and columns.
const SHAPES: [[usize; 3]; 5] = [
    [10_000, 784, 64],
    [32, 784, 64],
    [1, 784, 64],
    [1024, 784, 1024],
    [1024, 1024, 1024],
];

/// The time that one contestant's samples of one shape take together.
const TIME: Duration = Duration::from_millis(700);

type Sample<'a> = (&'static str, Box<dyn FnMut() -> f64 + 'a>);

fn main() {
    let header = [
        "what",
        "10,000×784×64",
        "32×784×64",
        "1×784×64",
        "1024×784×1024",
        "1024×1024×1024",
    ];
    let mut lines: Vec<Vec<String>> = Vec::new();
    for shape in SHAPES {
        for (at, (name, median)) in compare(shape).into_iter().enumerate() {
            if lines.len() <= at {
                lines.push(vec![name.to_owned()]);
            }
            lines[at].push(duration(median));
        }
    }
    println!("{}", Processor::default().info());
    print!("{}", Table::of(&header, 1, lines).render(Layout::Markdown));
}

/// The medians of all contestants on one shape.
fn compare([rows, inner, cols]: [usize; 3]) -> Vec<(&'static str, f64)> {
    let bytes: Vec<u8> = (0..rows * inner).map(|i| (i * 37 % 256) as u8).collect();
    let a: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    let quantized: Vec<i8> = (0..inner * cols).map(|i| (i * 53 % 255) as i8).collect();
    let b: Vec<f32> = quantized.iter().map(|&q| f32::from(q) / 1000.0).collect();

    let f32s: GemmExecutor<f32, f32, f32> = GemmExecutor::new();
    let bytes_by_quantized: GemmExecutor<u8, i8, i32> = GemmExecutor::new();
    assert!(!bytes_by_quantized.may_saturate(), "sums would not be exact");
    let a_view = NdTensorView::from_data([rows, inner], &a[..]);
    let b_view = NdTensorView::from_data([inner, cols], &b[..]);
    let packed = f32s.prepack_b(b_view);
    let bytes_view = NdTensorView::from_data([rows, inner], &bytes[..]);
    let packed_quantized = bytes_by_quantized.prepack_b(NdTensorView::from_data([inner, cols], &quantized[..]));
    let mut sums = vec![0; rows * cols];
    let [mut c0, mut c1, mut c2, mut c3, mut c4, mut c5] = [(); 6].map(|()| vec![0.0_f32; rows * cols]);

    let mut samples: Vec<Sample<'_>> = vec![
        (
            "gemm",
            Box::new(|| gemm_product(&a, &b, &mut c0, [rows, inner, cols], true)),
        ),
        (
            "gemm, one thread",
            Box::new(|| gemm_product(&a, &b, &mut c4, [rows, inner, cols], false)),
        ),
        (
            "matrixmultiply",
            Box::new(|| matrixmultiply_product(&a, &b, &mut c1, [rows, inner, cols])),
        ),
        (
            "faer",
            Box::new(|| faer_product(&a, &b, &mut c2, [rows, inner, cols], true)),
        ),
        (
            "faer, one thread",
            Box::new(|| faer_product(&a, &b, &mut c5, [rows, inner, cols], false)),
        ),
        (
            "rten-gemm f32, packed",
            Box::new(|| {
                let (a, b) = (GemmInputA::Unpacked(a_view), GemmInputB::Packed(&packed));
                f32s.gemm(&mut c3, a, b, Default::default())
                    .expect("shapes that fit");
                f64::from(c3[c3.len() - 1])
            }),
        ),
        (
            "rten-gemm u8 × i8, packed",
            Box::new(|| {
                let a = GemmInputA::Unpacked(bytes_view);
                let b = GemmInputB::Packed(&packed_quantized);
                bytes_by_quantized
                    .gemm(&mut sums, a, b, Default::default())
                    .expect("shapes that fit");
                f64::from(sums[sums.len() - 1]) / 255_000.0
            }),
        ),
    ];
    let layer = Layer {
        inputs: inner,
        outputs: cols,
        weights: b.clone(),
        bias: vec![0.0; cols],
        activation: Activation::Identity,
    };
    let model = Network::new(vec![layer]).expect("a model");
    let names = [
        "this, f32, from bytes",
        "this, f16, from bytes",
        "this, int8, from bytes",
    ];
    for (name, precision) in names.into_iter().zip(Precision::ALL) {
        let mut network =
            Session::new(&model, precision, &Processor::default()).expect("a network");
        network.upload(&bytes, rows);
        let run = move || f64::from(network.run().last().copied().unwrap_or(f32::NAN));
        samples.push((name, Box::new(run)));
    }
    take_turns(samples)
}

/// Times everyone in turn; all must give the same last value.
fn take_turns(mut samples: Vec<Sample<'_>>) -> Vec<(&'static str, f64)> {
    let want = samples[0].1();
    for (name, sample) in &mut samples {
        let got = sample();
        let tolerance = 0.02 * want.abs() + 1e-3;
        assert!(
            (got - want).abs() <= tolerance,
            "{name} gives {got}, not {want}"
        );
    }
    let mut times = vec![Vec::new(); samples.len()];
    let start = Instant::now();
    let patience = TIME * samples.len() as u32;
    while start.elapsed() < patience || times[0].len() < 5 {
        for ((_, sample), times) in samples.iter_mut().zip(&mut times) {
            // The first run of a turn gets its caches back.
            sample();
            let start = Instant::now();
            sample();
            times.push(start.elapsed().as_nanos() as f64);
        }
    }
    let median = |mut times: Vec<f64>| {
        times.sort_unstable_by(f64::total_cmp);
        times[times.len() / 2]
    };
    samples
        .iter()
        .map(|(name, _)| *name)
        .zip(times.into_iter().map(median))
        .collect()
}

fn gemm_product(a: &[f32], b: &[f32], c: &mut [f32], shape: [usize; 3], threaded: bool) -> f64 {
    let [rows, inner, cols] = shape;
    let threads = if threaded {
        gemm::Parallelism::Rayon(0)
    } else {
        gemm::Parallelism::None
    };
    // SAFETY: the slices are matrices of these shapes, row-major.
    unsafe {
        gemm::gemm(
            rows,
            cols,
            inner,
            c.as_mut_ptr(),
            1,
            cols as isize,
            false,
            a.as_ptr(),
            1,
            inner as isize,
            b.as_ptr(),
            1,
            cols as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            threads,
        );
    }
    f64::from(c[c.len() - 1])
}

fn matrixmultiply_product(
    a: &[f32],
    b: &[f32],
    c: &mut [f32],
    [rows, inner, cols]: [usize; 3],
) -> f64 {
    // SAFETY: the slices are matrices of these shapes, row-major.
    unsafe {
        matrixmultiply::sgemm(
            rows,
            inner,
            cols,
            1.0,
            a.as_ptr(),
            inner as isize,
            1,
            b.as_ptr(),
            cols as isize,
            1,
            0.0,
            c.as_mut_ptr(),
            cols as isize,
            1,
        );
    }
    f64::from(c[c.len() - 1])
}

fn faer_product(a: &[f32], b: &[f32], c: &mut [f32], shape: [usize; 3], threaded: bool) -> f64 {
    let [rows, inner, cols] = shape;
    let a = MatRef::from_row_major_slice(a, rows, inner);
    let b = MatRef::from_row_major_slice(b, inner, cols);
    let to = MatMut::from_row_major_slice_mut(c, rows, cols);
    let threads = if threaded { Par::rayon(0) } else { Par::Seq };
    matmul(to, Accum::Replace, a, b, 1.0, threads);
    f64::from(c[c.len() - 1])
}
