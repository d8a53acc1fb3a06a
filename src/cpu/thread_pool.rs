//! A thread pool for batches of a few microseconds.
//!
//! Waking a thread takes longer than such a batch, but a thread that is awake can take a share of it. So after each
//! region the threads spin for a moment in case another one follows, and only then sleep. A region ends when its work is
//! done: it does not wait for a thread that has not begun. The first region with more than one thread starts the
//! threads.
//!
//! rayon's pool is slower here: a batch of 32 images of the default network in f32 took 12.0 to 15.6 µs with it and 9.9 µs
//! with this one (two threads, medians of `cargo run --release --manifest-path benches/libraries/Cargo.toml --bin
//! thread-pools` at real-time priority), while batches of 1,000 and 10,000 took the same time within 3%, except where the
//! caller waits (9% more at 1,000). Its fastest way also binds the calling thread to the pool for good.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::host;

/// How long a thread spins before it sleeps: about as long as waking it takes.
const SPIN: Duration = Duration::from_micros(30);

/// Whether there was a warning of threads that do not start: it is true of the pools that follow too.
static WARNED: Once = Once::new();

/// A fixed number of threads, of which the caller is one.
#[derive(Debug)]
pub struct ThreadPool {
    threads: usize,
    /// Held by the region that is under way.
    workers: Mutex<Workers>,
}

#[derive(Debug, Default)]
struct Workers {
    started: bool,
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
}

/// The state that the caller and the workers share.
#[derive(Debug, Default)]
struct Shared {
    /// From bit 32: the region's number. Bit 31: whether it is open. From bit 16: how many workers may still enter. From
    /// bit 0: how many workers are inside.
    state: AtomicU64,
    job: UnsafeCell<Option<Job>>,
    /// How many workers have started.
    started: AtomicUsize,
    panicked: AtomicBool,
    stopped: AtomicBool,
    /// How many workers sleep, or are about to.
    sleepers: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
}

/// The bit that is set while workers may enter.
const OPEN: u64 = 1 << 31;

fn region(state: u64) -> u64 {
    state >> 32
}

/// One place for a worker.
const PLACE: u64 = 1 << 16;

fn places(state: u64) -> u64 {
    state % OPEN / PLACE
}

fn inside(state: u64) -> u64 {
    state % PLACE
}

/// The work of a region: each thread calls it with its own number.
type PoolWork<'a> = dyn Fn(usize) + Sync + 'a;

#[derive(Debug)]
struct Job {
    work: *const PoolWork<'static>,
    caller: Thread,
}

#[expect(unsafe_code, reason = "a job is handed over through a cell")]
// SAFETY: the cell is written by the caller alone, while the region is closed and no worker is inside,
// and read by workers only while they are. What it points to is `Sync`.
unsafe impl Sync for Shared {}
#[expect(unsafe_code, reason = "a job is handed over through a cell")]
// SAFETY: as above.
unsafe impl Send for Shared {}

impl ThreadPool {
    /// A pool of `threads` threads, which start when they are first needed.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self {
            threads: threads.max(1),
            workers: Mutex::default(),
        }
    }

    /// How many threads there are, the caller included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Calls `work(0)` on this thread, and `work` with other numbers below `threads` on every worker that is there
    /// before this thread is done. Each number occurs once at most, and [`ThreadPool::threads`] limits them. Returns
    /// when all these calls have returned. So `work` must claim piece after piece until none is left.
    ///
    /// # Panics
    /// Where `work` panics.
    pub fn run(&self, threads: usize, work: &PoolWork<'_>) {
        let threads = threads.min(self.threads);
        if threads <= 1 {
            return work(0);
        }
        let mut workers = lock(&self.workers);
        if !workers.started {
            workers.start(self.threads - 1);
        }
        workers.run(threads - 1, work);
    }
}

impl Workers {
    /// Starts `count` workers, or as many as the system allows. Fewer workers do all of the work too, since they claim
    /// it piece by piece.
    fn start(&mut self, count: usize) {
        self.started = true;
        for number in 1..=count {
            let shared = Arc::clone(&self.shared);
            match host::spawn(&format!("cpu-path-{number}"), move || shared.serve()) {
                Ok(handle) => self.handles.push(handle),
                Err(error) => {
                    let wanted = count + 1;
                    WARNED.call_once(|| {
                        log::warn!("the CPU path runs on {number} of {wanted} threads: {error}");
                    });
                    break;
                }
            }
        }
        // A thread allocates when it starts. That must not happen during a later run.
        while self.shared.started.load(Ordering::Acquire) < self.handles.len() {
            thread::yield_now();
        }
    }

    /// Calls `work` here and on up to `others` workers.
    fn run(&mut self, others: usize, work: &PoolWork<'_>) {
        let shared = &*self.shared;
        #[expect(
            unsafe_code,
            reason = "workers outlive the borrow, but do not use it for longer"
        )]
        // SAFETY: only the lifetime changes. The region is closed and empty, so no other thread uses the cell. Only
        // workers inside the region use the pointer, and `Close` waits for them, also where `work` panics here.
        unsafe {
            let work = std::mem::transmute::<*const PoolWork<'_>, *const PoolWork<'static>>(work);
            *shared.job.get() = Some(Job {
                work,
                caller: thread::current(),
            });
        }
        // It may still be set from a region in which the caller panicked too.
        shared.panicked.store(false, Ordering::Relaxed);
        let number = region(shared.state.load(Ordering::Relaxed)) + 1;
        // A worker counts itself as a sleeper and then looks at the state once more. So either it sees this region,
        // or this thread sees the sleeper.
        let open = (number << 32) | OPEN | (others as u64 * PLACE);
        shared.state.store(open, Ordering::SeqCst);
        if shared.sleepers.load(Ordering::SeqCst) > 0 {
            let _sleep = lock(&shared.sleep);
            for _ in 0..others {
                shared.wake.notify_one();
            }
        }
        let close = Close(shared);
        work(0);
        drop(close);
        assert!(
            !shared.panicked.swap(false, Ordering::Relaxed),
            "a thread of the CPU path panicked"
        );
    }
}

/// When dropped, it closes the region and waits until no worker is inside.
struct Close<'a>(&'a Shared);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_and(!OPEN, Ordering::Acquire);
        let empty = || inside(self.0.state.load(Ordering::Acquire)) == 0;
        if !spin_until(empty) {
            while !empty() {
                thread::park();
            }
        }
    }
}

impl Shared {
    /// What a worker does from its start to its end.
    fn serve(&self) {
        self.started.fetch_add(1, Ordering::Release);
        let mut seen = 0;
        loop {
            let fresh = || region(self.state.load(Ordering::SeqCst)) != seen;
            if !spin_until(fresh) {
                let mut sleep = lock(&self.sleep);
                self.sleepers.fetch_add(1, Ordering::SeqCst);
                while !fresh() {
                    let woken = self.wake.wait(sleep);
                    sleep = woken.unwrap_or_else(PoisonError::into_inner);
                }
                self.sleepers.fetch_sub(1, Ordering::SeqCst);
            }
            let enter = |state| {
                let open = state & OPEN != 0 && places(state) > 0;
                open.then(|| state - PLACE + 1)
            };
            let entered = self
                .state
                .fetch_update(Ordering::Acquire, Ordering::Acquire, enter);
            let (Ok(state) | Err(state)) = entered;
            seen = region(state);
            // This is read after the region: the last region of a pool comes with `stopped` set, and no other region
            // would wake this worker.
            if entered.is_err() && self.stopped.load(Ordering::Relaxed) {
                return;
            }
            if entered.is_ok() {
                // The number of places left is different for each worker.
                self.work(places(state) as usize);
            }
        }
    }

    /// Does a worker's part of the region that it has entered, and leaves the region.
    fn work(&self, number: usize) {
        #[expect(unsafe_code, reason = "the caller waits for this worker")]
        // SAFETY: this worker is inside the region, so the caller neither writes the cell nor drops the work.
        let job = unsafe { (*self.job.get()).as_ref() };
        let Some(job) = job else { return };
        let caller = job.caller.clone();
        let work = std::panic::AssertUnwindSafe(|| {
            #[expect(unsafe_code, reason = "the caller waits for this worker")]
            // SAFETY: as above.
            unsafe {
                (*job.work)(number);
            }
        });
        if std::panic::catch_unwind(work).is_err() {
            self.panicked.store(true, Ordering::Relaxed);
        }
        let before = self.state.fetch_sub(1, Ordering::Release);
        if before & OPEN == 0 && inside(before) == 1 {
            caller.unpark();
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.stopped.store(true, Ordering::Relaxed);
        shared.state.fetch_add(1 << 32, Ordering::SeqCst);
        {
            let _sleep = lock(&shared.sleep);
            shared.wake.notify_all();
        }
        for handle in self.handles.drain(..) {
            // `work` has caught every panic.
            let _ = handle.join();
        }
    }
}

/// Spins until `done()` or for a moment. Gives whether it is done.
fn spin_until(done: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    loop {
        for _ in 0..16 {
            if done() {
                return true;
            }
            std::hint::spin_loop();
        }
        if start.elapsed() >= SPIN {
            return false;
        }
    }
}

/// A panic leaves nothing half done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A region that ends when every number was seen, so every thread must come.
    fn region_of_all(pool: &ThreadPool) {
        let counts: Vec<AtomicUsize> = (0..pool.threads()).map(|_| AtomicUsize::new(0)).collect();
        let count = |number: usize| counts[number].load(Ordering::SeqCst);
        pool.run(pool.threads(), &|number| {
            counts[number].fetch_add(1, Ordering::SeqCst);
            for _ in 0..10_000 {
                if (0..pool.threads()).all(|number| count(number) > 0) {
                    return;
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        assert!(
            (0..pool.threads()).all(|number| count(number) == 1),
            "{counts:?}"
        );
    }

    #[test]
    fn every_thread_comes_once_asleep_or_awake() {
        for threads in [1, 2, 5] {
            let pool = ThreadPool::new(threads);
            for region in 0..60 {
                region_of_all(&pool);
                if region % 20 == 0 {
                    // Long enough to fall asleep.
                    thread::sleep(Duration::from_millis(2));
                }
            }
        }
    }

    #[test]
    fn all_pieces_are_done_when_a_region_ends() {
        let pool = ThreadPool::new(3);
        for pieces in 0..400 {
            let (claimed, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
            pool.run(3, &|_| {
                while claimed.fetch_add(1, Ordering::Relaxed) < pieces {
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
            assert_eq!(done.into_inner(), pieces);
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_ends_nothing_else() {
        let pool = ThreadPool::new(3);
        for panicking in 0..3 {
            let came = AtomicUsize::new(0);
            let region = || {
                pool.run(3, &|number| {
                    came.fetch_add(1, Ordering::SeqCst);
                    while came.load(Ordering::SeqCst) < 3 {
                        thread::yield_now();
                    }
                    assert_ne!(number, panicking);
                });
            };
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(region)).is_err());
        }
        region_of_all(&pool);
    }

    #[test]
    fn a_pool_that_is_dropped_right_after_a_region_ends() {
        for round in 0..3_000 {
            let pool = ThreadPool::new(3);
            for _ in 0..round % 40 + 1 {
                pool.run(3, &|_| ());
            }
        }
    }

    #[test]
    fn a_panic_of_all_is_not_reported_twice() {
        let pool = ThreadPool::new(3);
        let came = AtomicUsize::new(0);
        let region = || {
            pool.run(3, &|_| {
                came.fetch_add(1, Ordering::SeqCst);
                while came.load(Ordering::SeqCst) < 3 {
                    thread::yield_now();
                }
                panic!("all of them");
            });
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(region)).is_err());
        pool.run(3, &|_| ());
    }

    #[test]
    fn no_more_come_than_are_wanted() {
        let pool = ThreadPool::new(8);
        for wanted in [1, 2, 3, 8, 20] {
            for _ in 0..100 {
                let seen: Vec<AtomicUsize> = (0..8).map(|_| AtomicUsize::new(0)).collect();
                pool.run(wanted, &|number| {
                    seen[number].fetch_add(1, Ordering::SeqCst);
                    thread::yield_now();
                });
                let seen: Vec<usize> = seen.into_iter().map(AtomicUsize::into_inner).collect();
                let (within, others) = seen.split_at(wanted.min(8));
                assert!(within.iter().all(|&count| count <= 1), "{seen:?}");
                assert!(others.iter().all(|&count| count == 0), "{seen:?}");
            }
        }
    }

    #[test]
    fn no_thread_is_started_before_it_is_needed() {
        let pool = ThreadPool::new(4);
        assert!(!lock(&pool.workers).started);
        pool.run(1, &|_| ());
        assert!(!lock(&pool.workers).started);
        pool.run(2, &|_| ());
        assert_eq!(lock(&pool.workers).handles.len(), 3);
    }
}
