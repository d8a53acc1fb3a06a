//! Ends that do not come by themselves: Ctrl-C, with exit code 130, and a device that is silent, with 6. What a
//! command does before either takes bounded time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fmnist_gpu::Error;

use super::terminal;

/// The exit code of a program that was interrupted: 128 and the number of the signal.
pub const INTERRUPTED: u8 = 130;

/// The process ends so long after an interrupt, or a device was given up, whatever hangs: a driver, a disk, a reader of a pipe.
const GRACE: Duration = Duration::from_secs(10);

/// How long a command may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often Ctrl-C came.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Held while the last work is done: who comes second waits for it.
static ENDING: Mutex<()> = Mutex::new(());

/// What is done before the end.
static LAST_WORK: Mutex<Option<LastWork>> = Mutex::new(None);

type LastWork = Box<dyn FnOnce(&Early) + Send>;

/// An early end.
pub struct Early {
    /// Why, in words.
    pub why: String,
    /// How long the command may still take to end by itself.
    pub patience: Duration,
}

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

/// Says what an early end leaves to be done, on any thread. Without it the process ends at once.
pub fn before_end(work: impl FnOnce(&Early) + Send + 'static) {
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

/// Sees to it that the process ends although a device is silent. Usually its error does that; but on its way handles
/// are dropped, which some drivers answer by waiting for the device.
pub fn give_up(error: &Error) {
    let (message, code) = (error.to_string(), error.exit_code());
    thread::spawn(move || {
        thread::sleep(GRACE);
        end_now(code);
    });
    thread::spawn(move || {
        thread::sleep(PATIENCE);
        last_work(&Early {
            why: message.clone(),
            patience: Duration::ZERO,
        });
        terminal::fail(&message);
        end_now(code);
    });
}

fn last_work(early: &Early) {
    let _ending = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
    let work = LAST_WORK.lock().ok().and_then(|mut last| last.take());
    if let Some(work) = work {
        work(early);
    }
}

fn handle() {
    if COUNT.fetch_add(1, Ordering::SeqCst) > 0 {
        return;
    }
    thread::spawn(|| {
        thread::sleep(GRACE);
        end_now(INTERRUPTED);
    });
    thread::spawn(|| {
        terminal::tell("interrupted");
        last_work(&Early {
            why: Interrupted.to_string(),
            patience: PATIENCE,
        });
        end_now(INTERRUPTED);
    });
}

/// Ends the process with an exit code. What was printed so far is out: every result is flushed as it is printed.
///
/// The C library's exit handlers are left out where that can be: those of a driver may crash while
/// its threads are still at work, or wait for a device that is lost.
pub fn end_now(code: u8) -> ! {
    #[cfg(unix)]
    #[expect(unsafe_code, reason = "the standard library's exit runs the handlers")]
    // SAFETY: `_exit` takes any number and does not return.
    unsafe {
        libc::_exit(i32::from(code))
    }
    #[cfg(not(unix))]
    std::process::exit(i32::from(code))
}
