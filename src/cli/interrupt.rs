//! Ctrl-C: what a command does before the process ends with exit code 130, in bounded time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::terminal;

/// The exit code of a program that was interrupted: 128 and the number of the signal.
pub const INTERRUPTED: u8 = 130;

/// The process ends so long after an interrupt, whatever hangs: a driver, a disk, a reader of a pipe.
const GRACE: Duration = Duration::from_secs(10);

/// How often Ctrl-C came.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// What is done before the end.
static LAST_WORK: Mutex<Option<LastWork>> = Mutex::new(None);

type LastWork = Box<dyn FnOnce() + Send>;

/// An interrupted run, as an error of the command.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Answers interrupts from here on.
pub fn listen() {
    if let Err(error) = ctrlc::set_handler(handle) {
        log::warn!("an interrupt will not be answered with exit code {INTERRUPTED}: {error}");
    }
}

/// Says what an interrupt leaves to be done, on a thread of its own. Without it the process ends at once.
pub fn before_end(work: impl FnOnce() + Send + 'static) {
    if let Ok(mut last) = LAST_WORK.lock() {
        *last = Some(Box::new(work));
    }
}

/// Whether there was an interrupt.
pub fn requested() -> bool {
    COUNT.load(Ordering::SeqCst) > 0
}

/// Waits until `done`, for `patience` at most, and not at all from a second interrupt on.
pub fn wait(patience: Duration, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() && start.elapsed() < patience && COUNT.load(Ordering::SeqCst) < 2 {
        thread::sleep(Duration::from_millis(5));
    }
}

fn handle() {
    if COUNT.fetch_add(1, Ordering::SeqCst) > 0 {
        return;
    }
    thread::spawn(|| {
        thread::sleep(GRACE);
        end_now();
    });
    thread::spawn(|| {
        terminal::tell("interrupted");
        let work = LAST_WORK.lock().ok().and_then(|mut last| last.take());
        if let Some(work) = work {
            work();
        }
        end_now();
    });
}

/// Ends the process. What was printed so far is out: every result is flushed as it is printed.
///
/// The C library's exit handlers are left out where that can be: those of a driver may crash while
/// its threads are still at work.
fn end_now() {
    #[cfg(unix)]
    #[expect(unsafe_code, reason = "the standard library's exit runs the handlers")]
    // SAFETY: `_exit` takes any number and does not return.
    unsafe {
        libc::_exit(i32::from(INTERRUPTED))
    }
    #[cfg(not(unix))]
    std::process::exit(i32::from(INTERRUPTED))
}
