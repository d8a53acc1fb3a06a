//! What the CPU path runs on: an instruction set and threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::isa::{Isa, Supported};
use super::simd::{Simd, Work};
use super::thread_pool::ThreadPool;
use crate::adapter::ProcessorInfo;
use crate::error::{Error, Result, UsageError};

/// The most threads that can be requested.
pub const MOST_THREADS: usize = 1024;

/// What the user requests of the processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessorOptions {
    /// The instruction set. `None` means the fastest that the processor has.
    pub isa: Option<Isa>,
    /// The number of threads. `None` means as many as run at the same time.
    pub threads: Option<usize>,
}

/// An instruction set and a thread pool, which networks share.
#[derive(Clone, Debug)]
pub struct Processor {
    supported: Supported,
    pool: Arc<ThreadPool>,
}

impl Default for Processor {
    fn default() -> Self {
        Self {
            supported: Supported::best(),
            pool: Arc::new(ThreadPool::new(default_threads())),
        }
    }
}

impl Processor {
    /// What `options` ask for.
    ///
    /// # Errors
    /// `Error::KernelUnavailable` where the processor lacks the instruction set; `Error::Usage` where
    /// the number of threads is none from 1 to [`MOST_THREADS`].
    pub fn new(options: ProcessorOptions) -> Result<Self> {
        let threads = options.threads.unwrap_or_else(default_threads);
        if !(1..=MOST_THREADS).contains(&threads) {
            return Err(Error::Usage(UsageError::InvalidValue {
                what: "the number of threads".into(),
                given: threads.to_string(),
                expected: format!("a number from 1 to {MOST_THREADS}"),
            }));
        }
        Ok(Self {
            supported: match options.isa {
                Some(isa) => Supported::named(isa)?,
                None => Supported::best(),
            },
            pool: Arc::new(ThreadPool::new(threads)),
        })
    }

    /// Its instruction set and its threads.
    #[must_use]
    pub fn info(&self) -> ProcessorInfo {
        ProcessorInfo {
            instruction_set: self.supported.isa().name(),
            threads: self.pool.threads(),
        }
    }

    /// Its instruction set.
    pub(super) fn isa(&self) -> Supported {
        self.supported
    }

    /// The shape of its vectors.
    pub(super) fn lanes(&self) -> Lanes {
        self.supported.run(LanesOf)
    }

    /// Calls `work` on up to `threads` threads, each with a number below that, as [`ThreadPool::run`] does. A single
    /// thread wakes no other.
    pub(super) fn on_threads(&self, threads: usize, work: &(dyn Fn(Supported, usize) + Sync)) {
        self.pool
            .run(threads, &|thread| work(self.supported, thread));
    }

    /// Waits a moment until this many threads are awake, as they are between two batches. So a timed batch does not pay
    /// for threads that fell asleep during other work before it.
    pub fn rouse(&self, threads: usize) {
        let threads = threads.min(self.pool.threads());
        if threads < 2 {
            return;
        }
        let start = Instant::now();
        let awake = AtomicUsize::new(0);
        self.on_threads(threads, &|_, _| {
            awake.fetch_add(1, Ordering::Relaxed);
            while awake.load(Ordering::Relaxed) < threads && start.elapsed() < ROUSING {
                std::hint::spin_loop();
            }
        });
    }
}

/// The longest that [`Processor::rouse`] waits.
const ROUSING: Duration = Duration::from_micros(200);

/// As many as run at the same time.
fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |threads| threads.get().min(MOST_THREADS))
}

/// The shape of an instruction set's vectors: see [`Simd`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Lanes {
    pub lanes: usize,
    pub panel: usize,
    pub group: usize,
    pub converts_f16: bool,
}

struct LanesOf;

#[expect(unsafe_code, reason = "the trait's, which needs no instruction here")]
impl Work for LanesOf {
    type Output = Lanes;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Lanes {
        Lanes {
            lanes: S::LANES,
            panel: S::PANEL,
            group: S::GROUP,
            converts_f16: S::CONVERTS_F16,
        }
    }
}
