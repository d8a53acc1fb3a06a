//! Early ends: Ctrl-C, with exit code 130, and a device that does not answer, with 6. The last work of a command
//! before either takes bounded time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fmnist_gpu::{Error, host};

use super::terminal;

/// The exit code of a program that was interrupted: 128 and the number of the signal.
pub const INTERRUPTED: u8 = 130;

/// The process ends at the latest so long after an interrupt or a device's silence, even if a driver, a disk or the
/// reader of a pipe hangs.
const GRACE: Duration = Duration::from_secs(10);

/// How long a command may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// The number of interrupts so far.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Held while the last work runs: a second end waits for it.
static ENDING: Mutex<()> = Mutex::new(());

/// The work before an early end.
static LAST_WORK: Mutex<Option<LastWork>> = Mutex::new(None);

type LastWork = Box<dyn FnOnce(&Early) + Send>;

/// An early end.
pub struct Early {
    /// The reason, in words.
    pub why: String,
    /// How long the command may still take to end by itself.
    pub patience: Duration,
}

/// An interrupted run, as an error of the command.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Handles interrupts from here on.
pub fn listen() {
    if let Err(error) = ctrlc::set_handler(handle) {
        let reason = match error {
            ctrlc::Error::System(reason) => reason.to_string(),
            other => other.to_string(),
        };
        log::warn!("Ctrl-C will end the program without printing the results so far: {reason}");
    }
}

/// Sets the work before an early end, which may run on any thread. Without it the process ends at once.
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

/// Ends the process although a device does not answer. The error usually does that, but it drops handles on its way, and
/// some drivers then wait for the device. Where no thread can wait for that, the process ends at once.
pub fn give_up(error: &Error) {
    let (message, code) = (error.to_string(), error.exit_code());
    let end = move || {
        last_work(&Early {
            why: message.clone(),
            patience: Duration::ZERO,
        });
        terminal::fail(&message);
        end_now(code);
    };
    end_after_grace(code);
    let later = end.clone();
    let waits = host::spawn("end", move || {
        thread::sleep(PATIENCE);
        later();
    });
    if waits.is_err() {
        end();
    }
}

/// Ends the process after [`GRACE`], if a thread starts that waits for it. Without one, the last work takes as long as
/// disks and readers of pipes do.
fn end_after_grace(code: u8) {
    let started = host::spawn("grace", move || {
        thread::sleep(GRACE);
        end_now(code);
    });
    if let Err(error) = started {
        log::debug!("nothing limits the time of the last work: {error}");
    }
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
    let end = || {
        terminal::note("interrupted");
        last_work(&Early {
            why: Interrupted.to_string(),
            patience: PATIENCE,
        });
        end_now(INTERRUPTED);
    };
    end_after_grace(INTERRUPTED);
    // On this thread a second interrupt would not be noticed.
    if host::spawn("interrupted", end).is_err() {
        end();
    }
}

/// Ends the process with an exit code. Nothing printed is lost: every result is flushed as it is printed.
///
/// On Unix the C library's exit handlers do not run: those of a driver may crash while its threads still work, or wait
/// for a lost device.
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
