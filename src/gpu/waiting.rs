//! Waiting for a device.

use std::hint::spin_loop;
use std::thread;
use std::time::{Duration, Instant};

use super::device::{Device, Waiting};
use crate::adapter::Kind;
use crate::error::{Error, Result};

/// The longest that a device may take to answer. One that runs shaders on the processor gets longer: its driver compiles
/// a kernel when the kernel first runs, and a large kernel can take a minute on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const PATIENCE_WITH_SOFTWARE: Duration = Duration::from_secs(300);

/// The shortest and the longest pause between two polls of a device.
const PAUSES: (Duration, Duration) = (Duration::from_micros(20), Duration::from_millis(1));

/// Empty submits whose waits are timed.
const EMPTY_SUBMITS: usize = 5;

/// A thread spins for so many times as long as it usually waits for an empty submit: for the time of a small network too.
const SPINS: u32 = 8;

/// The shortest and the longest time for which a thread spins.
const SPIN: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(2));

impl Device {
    /// How to wait for this device. Times some empty submits where that was left open.
    pub(super) fn measured_waiting(&self) -> Waiting {
        if self.waiting != Waiting::Measured {
            return self.waiting;
        }
        if matches!(self.info().kind, Kind::Software | Kind::Cpu) {
            return Waiting::Spinning(Duration::ZERO);
        }
        let wait = |_| {
            let start = Instant::now();
            self.queue.submit([]);
            // A device that fails here fails at its first use too, where the error is reported.
            let _ = self.block(Duration::from_secs(1));
            start.elapsed()
        };
        let mut waits: Vec<Duration> = (0..EMPTY_SUBMITS).map(wait).collect();
        waits.sort_unstable();
        let usual = waits[EMPTY_SUBMITS / 2];
        Waiting::Spinning((SPINS * usual).clamp(SPIN.0, SPIN.1))
    }

    /// Waits until everything submitted so far is done.
    ///
    /// # Errors
    /// `Error::DeviceLost` where the device is lost, `Error::NoAnswer` where it does not answer in time.
    pub(super) fn wait(&self, during: &str) -> Result<()> {
        let patience = match self.info().kind {
            Kind::Software => PATIENCE_WITH_SOFTWARE,
            _ => PATIENCE,
        };
        let (device, queue) = (&self.device, &self.queue);
        let patience = self.injector.at_wait(device, queue, self.info(), patience);
        let patience = patience.map_err(|waited| self.no_answer(during, waited))?;
        let polled = match self.waiting {
            Waiting::Sleeping => self.look_until_done(patience),
            Waiting::Spinning(time) => match self.spin_until_done(time) {
                Ok(false) => self.block(patience).map(|_| ()),
                done => done.map(|_| ()),
            },
            Waiting::Measured => self.block(patience).map(|_| ()),
        };
        self.check(during)?;
        match polled {
            Ok(()) => Ok(()),
            Err(wgpu::PollError::Timeout) => Err(self.no_answer(during, patience)),
            Err(error) => Err(Error::CommandRejected {
                during: during.to_owned(),
                adapter: self.info().to_string(),
                reason: error.to_string(),
            }),
        }
    }

    /// Waits as the driver does.
    fn block(&self, patience: Duration) -> Result<wgpu::PollStatus, wgpu::PollError> {
        self.device.poll(wgpu::PollType::Wait {
            submission_index: None,
            timeout: Some(patience),
        })
    }

    /// Polls the device without a pause, for `time` at most. Whether all is done.
    fn spin_until_done(&self, time: Duration) -> Result<bool, wgpu::PollError> {
        if time.is_zero() {
            return Ok(false);
        }
        let start = Instant::now();
        while start.elapsed() < time {
            if self.device.poll(wgpu::PollType::Poll)?.is_queue_empty() {
                return Ok(true);
            }
            spin_loop();
        }
        Ok(false)
    }

    /// Polls the device, with longer and longer sleeps in between.
    fn look_until_done(&self, patience: Duration) -> Result<(), wgpu::PollError> {
        let start = Instant::now();
        let mut pause = PAUSES.0;
        loop {
            if self.device.poll(wgpu::PollType::Poll)?.is_queue_empty() {
                return Ok(());
            }
            if start.elapsed() >= patience {
                return Err(wgpu::PollError::Timeout);
            }
            thread::sleep(pause);
            pause = PAUSES.1.min(pause * 2);
        }
    }

    /// The error of a device that does not answer. It leaks the device's handles: when the last of them is dropped, wgpu
    /// waits for ever for what still runs.
    fn no_answer(&self, during: &str, waited: Duration) -> Error {
        std::mem::forget((self.device.clone(), self.queue.clone()));
        let error = Error::NoAnswer {
            adapter: self.info().to_string(),
            during: during.to_owned(),
            waited,
        };
        if let Some(hear) = self.on_silence {
            hear(&error);
        }
        error
    }
}
