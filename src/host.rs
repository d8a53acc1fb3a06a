//! What this machine gives the program: threads and memory, of which there may be fewer than a program asks for.
//!
//! A limit on processes, such as `ulimit -u` or that of a container, lets no thread start. Work then runs on the threads
//! that there are, the calling one at least. A limit on memory, such as `ulimit -v`, lets an allocation fail, which ends a
//! Rust program at once. So what grows with a file, a network or a batch is asked for with [`need`] before it is
//! allocated.

use std::hint::black_box;
use std::io;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rayon::{ThreadBuilder, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// Memory that must be left beside what [`need`] is asked for: the many small allocations of a command.
const SLACK: u64 = 12 << 20;

/// The part of the free memory that [`need_free`] leaves.
const RESERVE: u64 = 10;

/// The stack of a thread, as the standard library makes it.
const STACK: u64 = 2 << 20;

/// Fails if the machine does not give `bytes` of memory and some more, before they are allocated.
///
/// # Errors
/// `Error::HostMemory`, which names `what` needs them.
pub fn need(what: &str, bytes: u64) -> Result<()> {
    let needed = bytes.saturating_add(SLACK);
    let refused = || Error::HostMemory {
        what: what.to_owned(),
        needed,
    };
    let with_slack = usize::try_from(needed).map_err(|_| refused())?;
    let mut memory: Vec<u8> = Vec::new();
    memory
        .try_reserve_exact(with_slack)
        .map_err(|_| refused())?;
    // A compiler may leave out memory that nobody looks at.
    black_box(&memory);
    Ok(())
}

/// As [`need`], and fails too if the machine would have to take the memory from other programs, or nearly all that is free.
/// A system may promise more than it has, and end a program that then uses it.
///
/// # Errors
/// Those of [`need`].
pub fn need_free(what: &str, bytes: u64) -> Result<()> {
    need(what, bytes)?;
    let needed = bytes.saturating_add(SLACK);
    match free() {
        Some(free) if free - free / RESERVE < needed => Err(Error::HostMemory {
            what: what.to_owned(),
            needed,
        }),
        _ => Ok(()),
    }
}

/// Bytes that this machine can give without taking them from other programs, where the system says so.
fn free() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let kibibytes = entry(&read("/proc/meminfo")?, "MemAvailable:")?;
    let of_machine = kibibytes << 10;
    // The limit of a container, if there is one. The cached files in it give way.
    let of_container = || {
        let of = |file: &str| read(&format!("/sys/fs/cgroup/memory.{file}"));
        let number = |file: &str| of(file)?.trim().parse::<u64>().ok();
        let cached = entry(&of("stat")?, "inactive_file")?;
        let free = number("max")?.saturating_sub(number("current")?);
        Some(free.saturating_add(cached))
    };
    Some(of_container().map_or(of_machine, |free| free.min(of_machine)))
}

/// The number behind a word at the start of a line.
fn entry(text: &str, word: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Whether the address space is limited. Then threads that are not needed do not start: what a driver's threads allocate
/// meanwhile may take the memory that was just there for one.
pub fn is_memory_limited() -> bool {
    #[cfg(target_os = "linux")]
    {
        #[expect(unsafe_code, reason = "a call of the C library")]
        // SAFETY: `limit` is a plain value that the call fills.
        unsafe {
            let mut limit: libc::rlimit = std::mem::zeroed();
            libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) == 0
                && limit.rlim_cur != libc::RLIM_INFINITY
        }
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// Makes threads share one heap where the address space is limited. Each heap of glibc's reserves 64 MiB of it.
pub fn share_heap_within_a_limit() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if is_memory_limited() {
        #[expect(unsafe_code, reason = "a call of the C library")]
        // SAFETY: the call takes two numbers.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, 1);
        }
    }
}

/// Fails if no thread can start: where memory for it is missing too, whose lack would end the program in the new thread.
fn room_for_a_thread() -> io::Result<()> {
    need("a thread", STACK).map_err(|_| io::ErrorKind::OutOfMemory.into())
}

/// Starts a thread.
///
/// # Errors
/// The system's reason why it starts none.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    room_for_a_thread()?;
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Starts a thread within a scope.
///
/// # Errors
/// As [`spawn`].
pub fn spawn_scoped<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    work: impl FnOnce() + Send + 'scope,
) -> io::Result<()> {
    room_for_a_thread()?;
    thread::Builder::new().spawn_scoped(scope, work).map(|_| ())
}

/// Fails if `count` threads cannot run at the same time; `what` needs them.
///
/// # Errors
/// `Error::HostMemory` where memory for them is missing, else `Error::HostThreads` with the system's reason.
pub fn need_threads(what: &str, count: usize) -> Result<()> {
    // Each waits for the end of the channel.
    let (end, wait) = channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let start = |_| {
        let wait = Arc::clone(&wait);
        spawn("probe", move || {
            let _ = wait.lock().unwrap_or_else(PoisonError::into_inner).recv();
        })
    };
    let mut started = Vec::new();
    let mut refused = Ok(());
    for thread in (0..count).map(start) {
        match thread {
            Ok(thread) => started.push(thread),
            Err(error) => {
                refused = Err(error);
                break;
            }
        }
    }
    drop(end);
    for thread in started {
        let _ = thread.join();
    }
    // A thread that was joined counts for the system's limit for some microseconds more.
    thread::sleep(Duration::from_millis(1));
    let what = what.to_owned();
    refused.map_err(|error| match error.kind() {
        io::ErrorKind::OutOfMemory => Error::HostMemory {
            what,
            needed: STACK * count as u64 + SLACK,
        },
        _ => Error::HostThreads {
            what,
            needed: count,
            reason: error.to_string(),
        },
    })
}

/// The processors that threads may run on, whatever share of their time a container gets: drivers count these.
pub fn processors() -> usize {
    let available = thread::available_parallelism().map_or(1, usize::from);
    #[cfg(target_os = "linux")]
    {
        #[expect(unsafe_code, reason = "a call of the C library")]
        // SAFETY: `set` is a plain value of the size that is given, which the call fills.
        let allowed = unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            match libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) {
                0 => libc::CPU_COUNT(&set),
                _ => 0,
            }
        };
        available.max(usize::try_from(allowed).unwrap_or(0))
    }
    #[cfg(not(target_os = "linux"))]
    available
}

/// How many threads [`map`] and [`for_each`] share their work among, and rayon too: as many as the system starts when
/// this is first asked. With fewer than two, rayon must not be used.
pub fn workers() -> usize {
    static WORKERS: OnceLock<usize> = OnceLock::new();
    *WORKERS.get_or_init(start_workers)
}

/// Rayon gives up where one of its threads cannot start. So the threads start first, and then become rayon's.
fn start_workers() -> usize {
    let wanted = thread::available_parallelism().map_or(1, usize::from);
    let (hand_over, jobs) = channel::<ThreadBuilder>();
    let jobs = Arc::new(Mutex::new(jobs));
    let start = |number| {
        let jobs = Arc::clone(&jobs);
        spawn(&format!("worker-{number}"), move || {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            // None where rayon has threads already, which a program that uses this library may have started.
            if let Ok(worker) = job {
                worker.run();
            }
        })
    };
    let started = (0..wanted).map(start).take_while(io::Result::is_ok).count();
    if started < wanted {
        log::warn!("{started} of {wanted} threads started, so some work takes longer");
    }
    if started < 2 {
        return started;
    }
    let built = ThreadPoolBuilder::new()
        .num_threads(started)
        .spawn_handler(|worker| {
            hand_over
                .send(worker)
                .map_err(|_| io::ErrorKind::BrokenPipe.into())
        })
        .build_global();
    match built {
        Ok(()) => started,
        Err(_) => rayon::current_num_threads(),
    }
}

/// What `work` gives for each item, in their order, on all [`workers`].
pub fn map<T: Send, R: Send>(
    items: impl Iterator<Item = T>,
    work: impl Fn(T) -> R + Send + Sync,
) -> Vec<R> {
    let items: Vec<T> = items.collect();
    if items.len() < 2 || workers() < 2 {
        return items.into_iter().map(work).collect();
    }
    items.into_par_iter().map(work).collect()
}

/// Calls `work` with each item, on all [`workers`].
pub fn for_each<T: Send>(items: impl Iterator<Item = T>, work: impl Fn(T) + Send + Sync) {
    let items: Vec<T> = items.collect();
    if items.len() < 2 || workers() < 2 {
        return items.into_iter().for_each(work);
    }
    items.into_par_iter().for_each(work);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_has_is_refused() {
        need("a test", 1 << 20).unwrap();
        for bytes in [1 << 62, u64::MAX] {
            let error = need("a test", bytes).unwrap_err();
            assert_eq!(error.exit_code(), 6);
            assert!(error.to_string().contains("a test"), "{error}");
        }
    }

    #[test]
    fn work_is_done_in_order_whoever_does_it() {
        let squares = map(0..1000_u64, |number| number * number);
        assert!(
            squares
                .iter()
                .enumerate()
                .all(|(at, &square)| square == (at * at) as u64)
        );
        let mut values = vec![0; 1000];
        for_each(values.iter_mut().enumerate(), |(at, value)| *value = at);
        assert!(values.iter().enumerate().all(|(at, &value)| value == at));
    }

    #[test]
    fn a_share_of_the_processors_is_no_more_than_all() {
        let available = thread::available_parallelism().unwrap().get();
        assert!(processors() >= available);
    }

    #[test]
    fn threads_that_can_run_together_are_enough() {
        need_threads("a test", 3).unwrap();
        spawn("test", || ()).unwrap().join().unwrap();
    }
}
