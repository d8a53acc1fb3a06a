//! Threads that wait for batches.
//!
//! A region of a few microseconds is too short for a thread to be woken for, but not for one that
//! is awake: after each region the threads look out for the next one for a moment, and only then
//! sleep. They are started by the first region that wants them.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

/// How long a thread looks out before it sleeps: about as long as waking it takes.
const LOOK_OUT: Duration = Duration::from_micros(30);

/// A fixed number of threads, of which the caller is one.
#[derive(Debug)]
pub struct Team {
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

/// What the caller and the workers see.
#[derive(Debug, Default)]
struct Shared {
    /// Counts the regions: a change is a new one.
    region: AtomicU64,
    job: UnsafeCell<Option<Job>>,
    /// Workers that have not finished the region.
    busy: AtomicUsize,
    panicked: AtomicBool,
    stopped: AtomicBool,
    /// Workers that sleep, or are about to.
    sleepers: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
}

/// What each thread of a region does with its number.
type Work<'a> = dyn Fn(usize) + Sync + 'a;

#[derive(Debug)]
struct Job {
    work: *const Work<'static>,
    caller: Thread,
}

#[expect(unsafe_code, reason = "a job is handed over through a cell")]
// SAFETY: the cell is written by the caller alone, while no worker is busy, and read by workers
// only after they saw the region that it belongs to and before they say that they finished it.
// What it points to is `Sync`.
unsafe impl Sync for Shared {}
#[expect(unsafe_code, reason = "a job is handed over through a cell")]
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Team {
    /// `threads` of them, which start when they are first needed.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self {
            threads: threads.max(1),
            workers: Mutex::default(),
        }
    }

    /// How many there are, the caller included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Calls `work` once on each thread, with the numbers from 0 on, and waits for all of them.
    ///
    /// # Panics
    /// Where `work` does.
    pub fn run(&self, work: &Work<'_>) {
        if self.threads == 1 {
            return work(0);
        }
        let mut workers = lock(&self.workers);
        if !workers.started {
            workers.start(self.threads - 1);
        }
        workers.run(work);
    }
}

impl Workers {
    fn start(&mut self, count: usize) {
        self.started = true;
        for number in 1..=count {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name(format!("cpu-path-{number}"));
            match thread.spawn(move || shared.serve(number)) {
                Ok(handle) => self.handles.push(handle),
                // Work is claimed piece by piece, so that fewer threads do all of it too.
                Err(error) => {
                    log::warn!(
                        "the CPU path runs on {number} threads, not {}: {error}",
                        count + 1
                    );
                    return;
                }
            }
        }
    }

    fn run(&mut self, work: &Work<'_>) {
        let shared = &*self.shared;
        #[expect(
            unsafe_code,
            reason = "workers outlive the borrow, but do not use it for longer"
        )]
        // SAFETY: only the lifetime changes. No worker is busy, so that the cell is this thread's; the
        // pointer in it is used by workers until `busy` is zero, which is waited for below, also
        // where `work` panics here.
        unsafe {
            let work = std::mem::transmute::<*const Work<'_>, *const Work<'static>>(work);
            *shared.job.get() = Some(Job {
                work,
                caller: thread::current(),
            });
        }
        shared.busy.store(self.handles.len(), Ordering::Relaxed);
        // Whoever goes to sleep counts itself first and then looks once more; so one of the two sees
        // the other.
        shared.region.fetch_add(1, Ordering::SeqCst);
        if shared.sleepers.load(Ordering::SeqCst) > 0 {
            let _sleep = lock(&shared.sleep);
            shared.wake.notify_all();
        }
        let finish = Finish(shared);
        work(0);
        drop(finish);
        assert!(
            !shared.panicked.swap(false, Ordering::Relaxed),
            "a thread of the CPU path panicked"
        );
    }
}

/// Waits, when dropped, until no worker is busy.
struct Finish<'a>(&'a Shared);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        let done = || self.0.busy.load(Ordering::Acquire) == 0;
        if !look_out(done) {
            while !done() {
                thread::park();
            }
        }
    }
}

impl Shared {
    /// A worker's life.
    fn serve(&self, number: usize) {
        let mut seen = 0;
        loop {
            let fresh = || self.region.load(Ordering::SeqCst) != seen;
            if !look_out(fresh) {
                let mut sleep = lock(&self.sleep);
                self.sleepers.fetch_add(1, Ordering::SeqCst);
                while !fresh() {
                    sleep = self
                        .wake
                        .wait(sleep)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                self.sleepers.fetch_sub(1, Ordering::SeqCst);
            }
            seen += 1;
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            self.work(number);
        }
    }

    fn work(&self, number: usize) {
        #[expect(unsafe_code, reason = "the caller waits for this worker")]
        // SAFETY: the region was seen and is not finished, so that the caller neither writes the cell
        // nor lets go of the work.
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
        if self.busy.fetch_sub(1, Ordering::Release) == 1 {
            caller.unpark();
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.stopped.store(true, Ordering::Relaxed);
        shared.region.fetch_add(1, Ordering::SeqCst);
        {
            let _sleep = lock(&shared.sleep);
            shared.wake.notify_all();
        }
        for handle in self.handles.drain(..) {
            // Panics were caught where they happened.
            let _ = handle.join();
        }
    }
}

/// Waits for a moment until something is so; false where it is not by then.
fn look_out(so: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    loop {
        for _ in 0..16 {
            if so() {
                return true;
            }
            std::hint::spin_loop();
        }
        if start.elapsed() >= LOOK_OUT {
            return false;
        }
    }
}

/// A panic elsewhere leaves nothing half done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_works_once_in_every_region() {
        for threads in [1, 2, 5] {
            let team = Team::new(threads);
            let counts: Vec<AtomicUsize> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
            for region in 1..=300 {
                team.run(&|number| {
                    counts[number].fetch_add(1, Ordering::Relaxed);
                });
                assert!(
                    counts
                        .iter()
                        .all(|count| count.load(Ordering::Relaxed) == region)
                );
                if region % 100 == 0 {
                    // Long enough to fall asleep.
                    thread::sleep(Duration::from_millis(2));
                }
            }
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_ends_nothing_else() {
        let team = Team::new(3);
        for panicking in 0..3 {
            let region = || team.run(&|number| assert_ne!(number, panicking));
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(region)).is_err());
        }
        let count = AtomicUsize::new(0);
        team.run(&|_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(count.into_inner(), 3);
    }

    #[test]
    fn no_thread_is_started_before_it_is_needed() {
        let team = Team::new(4);
        assert!(!lock(&team.workers).started);
        team.run(&|_| ());
        assert_eq!(lock(&team.workers).handles.len(), 3);
    }
}
