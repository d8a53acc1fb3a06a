//! The CPU path's thread pool beside rayon's: how long a batch of the default network takes on two threads.
//!
//! ```sh
//! cargo run --release --locked --manifest-path benches/libraries/Cargo.toml --bin thread-pools
//! ```
//! Each thread has half of a batch, so all pools share out the same work. They take turns, so that a slow moment of the
//! machine hits all of them. rayon offers three ways to a caller with two closures: the caller waits for a pool of two
//! threads; it does its own half and hands the other one to a pool of one thread; or it is one of a pool's two threads,
//! which a thread can only be for good.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fmnist_gpu::cpu::{Session, Processor, ProcessorOptions, ThreadPool};
use fmnist_gpu::model::Network;
use fmnist_gpu::report::{Layout, duration, grid};
use fmnist_gpu::{Precision, dataset};

/// Images in a batch.
const BATCHES: [usize; 3] = [32, 1_000, 10_000];

/// The time that all pools' samples of one batch size take together.
const TIME: Duration = Duration::from_secs(4);

/// Batches that follow each other, of which the first ones wake the threads and are not counted.
const RUNS: usize = 16;
const UNCOUNTED: usize = 4;

/// The two halves of a batch, each ready to run.
type Halves = [Mutex<Session>; 2];

fn run(halves: &Halves, at: usize) {
    let mut network = halves[at].lock().expect("a lock that no panic poisoned");
    std::hint::black_box(network.run());
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let builder = || rayon_core::ThreadPoolBuilder::new().num_threads(2);
    let own = ThreadPool::new(2);
    let two = builder().build()?;
    let one = builder().num_threads(1).build()?;
    // This thread becomes one of the pool's two.
    builder().use_current_thread().build_global()?;
    let mut lines = Vec::new();
    for batch in BATCHES {
        let halves = halves(batch)?;
        let join = || rayon_core::join(|| run(&halves, 0), || run(&halves, 1));
        let pools: [(&str, &dyn Fn()); 5] = [
            ("ours", &|| {
                let claimed = AtomicUsize::new(0);
                own.run(2, &|_| {
                    while let at @ 0..2 = claimed.fetch_add(1, Ordering::Relaxed) {
                        run(&halves, at);
                    }
                });
            }),
            ("rayon, the caller waits", &|| {
                two.install(join);
            }),
            ("rayon, a scope of the caller", &|| {
                one.in_place_scope(|scope| {
                    scope.spawn(|_| run(&halves, 1));
                    run(&halves, 0);
                });
            }),
            ("rayon, the caller is in the pool", &|| {
                join();
            }),
            ("one thread", &|| (0..2).for_each(|at| run(&halves, at))),
        ];
        for (at, (name, median)) in compare(&pools).into_iter().enumerate() {
            if lines.len() <= at {
                lines.push(vec![name.to_owned()]);
            }
            lines[at].push(duration(median));
        }
    }
    let names = BATCHES.map(|batch| format!("batch {batch}"));
    let header = ["pool", &names[0], &names[1], &names[2]];
    println!("{}", Processor::default().info());
    print!("{}", grid(Layout::Markdown, &header, &lines, 1));
    Ok(())
}

/// The default network in f32 with the halves of a batch, each for one thread.
fn halves(batch: usize) -> fmnist_gpu::Result<Halves> {
    let processor = Processor::new(ProcessorOptions {
        isa: None,
        threads: Some(1),
    })?;
    let (model, data) = (Network::default_model()?, dataset::test_split()?);
    let half = |at: usize| -> fmnist_gpu::Result<Mutex<Session>> {
        let mut network = Session::new(&model, Precision::F32, &processor)?;
        let images = data.images.range(at * batch / 2, (at + 1) * batch / 2);
        network.upload(images, batch / 2);
        Ok(Mutex::new(network))
    };
    Ok([half(0)?, half(1)?])
}

/// The medians of all pools, in nanoseconds.
fn compare<'a>(pools: &[(&'a str, &dyn Fn())]) -> Vec<(&'a str, f64)> {
    let mut samples = vec![Vec::new(); pools.len()];
    let start = Instant::now();
    while start.elapsed() < TIME {
        for ((_, pool), samples) in pools.iter().zip(&mut samples) {
            for number in 0..RUNS {
                let start = Instant::now();
                pool();
                if number >= UNCOUNTED {
                    samples.push(start.elapsed());
                }
            }
        }
    }
    let median = |samples: &mut Vec<Duration>| {
        samples.sort_unstable();
        samples[samples.len() / 2].as_nanos() as f64
    };
    let names = pools.iter().map(|(name, _)| *name);
    names.zip(samples.iter_mut().map(median)).collect()
}
