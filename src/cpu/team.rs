//! Threads that wait for batches.
//!
//! A region of a few microseconds is too short for a thread to be woken for, but not for one that
//! is awake: after each region the threads look out for the next one for a moment, and only then
//! sleep. Who comes when all is done is not waited for. They are started by the first region that wants
//! them.

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
    /// The region's number from bit 32 on; whether it is open; how many places for workers are left, from
    /// bit 16 on; and how many workers are inside.
    state: AtomicU64,
    job: UnsafeCell<Option<Job>>,
    /// Workers that have started.
    started: AtomicUsize,
    panicked: AtomicBool,
    stopped: AtomicBool,
    /// Workers that sleep, or are about to.
    sleepers: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
}

/// The bit of the state that is set while workers may enter.
const OPEN: u64 = 1 << 31;

fn region(state: u64) -> u64 {
    state >> 32
}

/// One place.
const PLACE: u64 = 1 << 16;

fn places(state: u64) -> u64 {
    state % OPEN / PLACE
}

fn inside(state: u64) -> u64 {
    state % PLACE
}

/// What each thread of a region does with its number.
type Work<'a> = dyn Fn(usize) + Sync + 'a;

#[derive(Debug)]
struct Job {
    work: *const Work<'static>,
    caller: Thread,
}

#[expect(unsafe_code, reason = "a job is handed over through a cell")]
// SAFETY: the cell is written by the caller alone, while the region is closed and no worker is inside,
// and read by workers only while they are. What it points to is `Sync`.
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

    /// Calls `work` with 0 on this thread, and with other numbers below `threads` on those that come
    /// before it is through, each number once at most; and waits for these. So `work` is to claim
    /// piece after piece until none is left. There are no more than [`Team::threads`].
    ///
    /// # Panics
    /// Where `work` does.
    pub fn run(&self, threads: usize, work: &Work<'_>) {
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
    /// Starts so many, or as many as the system lets it: work is claimed piece by piece, so that fewer
    /// do all of it too.
    fn start(&mut self, count: usize) {
        self.started = true;
        for number in 1..=count {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name(format!("cpu-path-{number}"));
            match thread.spawn(move || shared.serve()) {
                Ok(handle) => self.handles.push(handle),
                Err(error) => {
                    let wanted = count + 1;
                    log::warn!("the CPU path runs on {number} threads, not {wanted}: {error}");
                    break;
                }
            }
        }
        // What a thread allocates when it starts is not to fall into a later run.
        while self.shared.started.load(Ordering::Acquire) < self.handles.len() {
            thread::yield_now();
        }
    }

    /// Calls `work` here, and on up to `others` workers.
    fn run(&mut self, others: usize, work: &Work<'_>) {
        let shared = &*self.shared;
        #[expect(
            unsafe_code,
            reason = "workers outlive the borrow, but do not use it for longer"
        )]
        // SAFETY: only the lifetime changes. The region is closed and empty, so that the cell is this
        // thread's; the pointer in it is used by workers that are inside, for which is waited below, also
        // where `work` panics here.
        unsafe {
            let work = std::mem::transmute::<*const Work<'_>, *const Work<'static>>(work);
            *shared.job.get() = Some(Job {
                work,
                caller: thread::current(),
            });
        }
        // Where the caller panicked too, nobody has asked since.
        shared.panicked.store(false, Ordering::Relaxed);
        let number = region(shared.state.load(Ordering::Relaxed)) + 1;
        // Whoever goes to sleep counts itself first and then looks once more; so one of the two sees
        // the other.
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

/// Closes the region, when dropped, and waits until no worker is inside.
struct Close<'a>(&'a Shared);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_and(!OPEN, Ordering::Acquire);
        let empty = || inside(self.0.state.load(Ordering::Acquire)) == 0;
        if !look_out(empty) {
            while !empty() {
                thread::park();
            }
        }
    }
}

impl Shared {
    /// A worker's life.
    fn serve(&self) {
        self.started.fetch_add(1, Ordering::Release);
        let mut seen = 0;
        loop {
            let fresh = || region(self.state.load(Ordering::SeqCst)) != seen;
            if !look_out(fresh) {
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
            // Asked after the region was seen: the one that ends the team comes with this set, and there
            // is none after it to wake for.
            if entered.is_err() && self.stopped.load(Ordering::Relaxed) {
                return;
            }
            if entered.is_ok() {
                // The places are numbered, so that nobody else has this one.
                self.work(places(state) as usize);
            }
        }
    }

    /// A worker's part of the region that it is inside of, which it then leaves.
    fn work(&self, number: usize) {
        #[expect(unsafe_code, reason = "the caller waits for this worker")]
        // SAFETY: this worker is inside, so that the caller neither writes the cell nor lets go of the
        // work.
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

    /// A region that ends when every number was seen, which takes every thread.
    fn region_of_all(team: &Team) {
        let counts: Vec<AtomicUsize> = (0..team.threads()).map(|_| AtomicUsize::new(0)).collect();
        let count = |number: usize| counts[number].load(Ordering::SeqCst);
        team.run(team.threads(), &|number| {
            counts[number].fetch_add(1, Ordering::SeqCst);
            for _ in 0..10_000 {
                if (0..team.threads()).all(|number| count(number) > 0) {
                    return;
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        assert!(
            (0..team.threads()).all(|number| count(number) == 1),
            "{counts:?}"
        );
    }

    #[test]
    fn every_thread_comes_once_asleep_or_awake() {
        for threads in [1, 2, 5] {
            let team = Team::new(threads);
            for region in 0..60 {
                region_of_all(&team);
                if region % 20 == 0 {
                    // Long enough to fall asleep.
                    thread::sleep(Duration::from_millis(2));
                }
            }
        }
    }

    #[test]
    fn all_pieces_are_done_when_a_region_ends() {
        let team = Team::new(3);
        for pieces in 0..400 {
            let (claimed, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
            team.run(3, &|_| {
                while claimed.fetch_add(1, Ordering::Relaxed) < pieces {
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
            assert_eq!(done.into_inner(), pieces);
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_ends_nothing_else() {
        let team = Team::new(3);
        for panicking in 0..3 {
            let came = AtomicUsize::new(0);
            let region = || {
                team.run(3, &|number| {
                    came.fetch_add(1, Ordering::SeqCst);
                    while came.load(Ordering::SeqCst) < 3 {
                        thread::yield_now();
                    }
                    assert_ne!(number, panicking);
                });
            };
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(region)).is_err());
        }
        region_of_all(&team);
    }

    #[test]
    fn a_team_that_is_dropped_right_after_a_region_ends() {
        for round in 0..3_000 {
            let team = Team::new(3);
            for _ in 0..round % 40 + 1 {
                team.run(3, &|_| ());
            }
        }
    }

    #[test]
    fn a_panic_of_all_is_not_told_twice() {
        let team = Team::new(3);
        let came = AtomicUsize::new(0);
        let region = || {
            team.run(3, &|_| {
                came.fetch_add(1, Ordering::SeqCst);
                while came.load(Ordering::SeqCst) < 3 {
                    thread::yield_now();
                }
                panic!("all of them");
            });
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(region)).is_err());
        team.run(3, &|_| ());
    }

    #[test]
    fn no_more_come_than_are_wanted() {
        let team = Team::new(8);
        for wanted in [1, 2, 3, 8, 20] {
            for _ in 0..100 {
                let seen: Vec<AtomicUsize> = (0..8).map(|_| AtomicUsize::new(0)).collect();
                team.run(wanted, &|number| {
                    seen[number].fetch_add(1, Ordering::SeqCst);
                    thread::yield_now();
                });
                let seen: Vec<usize> = seen.into_iter().map(AtomicUsize::into_inner).collect();
                let (within, beyond) = seen.split_at(wanted.min(8));
                assert!(within.iter().all(|&count| count <= 1), "{seen:?}");
                assert!(beyond.iter().all(|&count| count == 0), "{seen:?}");
            }
        }
    }

    #[test]
    fn no_thread_is_started_before_it_is_needed() {
        let team = Team::new(4);
        assert!(!lock(&team.workers).started);
        team.run(1, &|_| ());
        assert!(!lock(&team.workers).started);
        team.run(2, &|_| ());
        assert_eq!(lock(&team.workers).handles.len(), 3);
    }
}
