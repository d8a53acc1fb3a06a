//! Lanes, on each of which one check is made after another. Most of a check's time on a software adapter is its
//! driver's compiler, which works for one device on one thread: several devices keep all processor cores busy.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::row::CheckRow;
use super::scope::Scope;
use super::task::{self, CheckTask};
use crate::error::{Error, InternalError, Result, UsageError};
use crate::gpu::Device;
use crate::host;

/// Memory of a check, its operands and its reference result.
const BYTES_OF_CHECK: u64 = 32 << 20;

/// Where checks are made, one after another.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The adapter; none for the CPU path.
    pub device: Option<Arc<Device>>,
    /// The same adapter on a device with its matrix units, on which their kernels are checked; or why there is none.
    pub matrix_units: Result<Arc<Device>, String>,
}

/// Checks that are still to be made, each with its place among all.
type Todo = Mutex<VecDeque<(usize, CheckTask)>>;

/// When no check is begun any more.
#[derive(Clone, Copy)]
struct Deadline {
    start: Instant,
    time: Duration,
}

impl Deadline {
    fn after(time: Duration) -> Self {
        let start = Instant::now();
        Self { start, time }
    }

    /// Why a check is not begun.
    fn passed(self) -> Option<String> {
        let passed = self.start.elapsed() >= self.time;
        passed.then(|| {
            let time = humantime::format_duration(self.time);
            format!("no time was left of --max-time {time}")
        })
    }
}

/// A number by which places in their order are thrown about evenly: the fractional parts of their multiples of the
/// golden ratio (Knuth 1998, The Art of Computer Programming 3, 6.4). The first stays the first.
fn spread(place: usize) -> u64 {
    (place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// What a lane reports.
enum Progress {
    /// It begins something.
    Begins(String),
    /// It made the check in this place, and has the hash of int8 sums where it was of these.
    Made(usize, CheckRow, Option<String>),
    /// It ends before all is checked.
    Ends(Error),
}

/// Makes checks on an adapter, or on the CPU path, on all of these lanes at the same time. All are of one adapter.
///
/// # Errors
/// Those of a device that end everything. What a kernel does wrong is a row, and so is a kernel that its driver rejects
/// or a check that needs too much memory. `Error::Usage` where no check has the name that `scope` requests.
pub fn check(lanes: &[Lane], scope: Scope<'_>) -> Result<()> {
    let Some(first) = lanes.first() else {
        return Err(Error::Usage(UsageError::NoDevice));
    };
    let mut tasks = match &first.device {
        Some(device) => task::on_adapter(device, first.matrix_units.as_ref())?,
        None => task::on_processor()?,
    };
    if let Some(only) = &scope.only {
        tasks.retain(|task| {
            let CheckRow {
                group, name, mode, ..
            } = task.row();
            format!("{group}/{name} {mode}").contains(only)
        });
        if tasks.is_empty() {
            let given = only.clone();
            return Err(Error::Usage(UsageError::UnknownCheck { given }));
        }
    }
    let total = tasks.len();
    let mut all: Vec<(usize, CheckTask)> = tasks.into_iter().enumerate().collect();
    let deadline = scope.time.map(|time| {
        all.sort_by_key(|&(place, _)| spread(place));
        Deadline::after(time)
    });
    let todo: Todo = Mutex::new(all.into());
    let (mut done, mut ended) = (0, Ok(()));
    let mut hear = |outcome| match outcome {
        Progress::Begins(what) => (scope.progress)(&what, done, total),
        Progress::Made(place, row, sums) => {
            done += 1;
            let text = format!("{}/{} {}: {:?}", row.group, row.name, row.mode, row.status);
            (scope.found)(place, row, sums);
            // What the log says was checked is kept, whatever comes next.
            log::info!("{text}");
        }
        // The first is the cause.
        Progress::Ends(error) => {
            if ended.is_ok() {
                ended = Err(error);
            }
        }
    };
    let (sender, outcomes) = channel();
    thread::scope(|threads| {
        let mut started = 0;
        for lane in lanes.iter().filter(|_| !host::is_memory_limited()) {
            let (todo, sender) = (&todo, sender.clone());
            let mut tell = move |outcome| {
                // The receiver lives until every lane has ended.
                let _ = sender.send(outcome);
            };
            let work = move || lane.work(todo, deadline, &mut tell);
            match host::spawn_scoped(threads, work) {
                Ok(()) => started += 1,
                Err(error) => log::info!("a lane does not start: {error}"),
            }
        }
        drop(sender);
        if started == 0 {
            first.work(&todo, deadline, &mut hear);
        }
        outcomes.into_iter().for_each(hear);
    });
    ended
}

impl Lane {
    /// Makes one check after another, until there are none left. With an error that ends everything none are.
    fn work(&self, todo: &Todo, deadline: Option<Deadline>, tell: &mut dyn FnMut(Progress)) {
        let left = || todo.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let next = left().pop_front();
            let Some((place, task)) = next else {
                return;
            };
            let row = task.row();
            let late = deadline.and_then(Deadline::passed);
            // What cannot be checked at all takes no time, and has a reason of its own.
            if let Some(reason) = late.filter(|_| !matches!(task, CheckTask::Skipped(_))) {
                tell(Progress::Made(place, row.skipped(reason), None));
                continue;
            }
            tell(Progress::Begins(format!("{} {}", row.group, row.precision)));
            let make = || {
                host::need("a check", BYTES_OF_CHECK)?;
                let made = task.make(self.device.as_ref(), &self.matrix_units, row.clone());
                pollster::block_on(made)
            };
            // What breaks down takes nothing from what was checked. Nothing of it is used after.
            let made = catch_unwind(AssertUnwindSafe(make));
            let broke = |_| {
                let what = format!("{}/{}", row.group, row.name);
                Err(Error::Internal(InternalError::Panicked { what }))
            };
            let made = made.unwrap_or_else(broke);
            let made = made.or_else(|error| Ok((row.ended_by(error)?, None)));
            tell(match made {
                Ok((row, sums)) => Progress::Made(place, row, sums),
                Err(error) => {
                    left().clear();
                    Progress::Ends(error)
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Supported;
    use crate::verify::{CheckStatus, VerifyResult};

    #[test]
    fn what_has_no_time_is_skipped_and_says_so() {
        let lane = Lane {
            device: None,
            matrix_units: Err("none".into()),
        };
        let mut result = VerifyResult::default();
        let scope = Scope {
            only: Some("sums/".into()),
            time: Some(Duration::ZERO),
            progress: &mut |_, _, _| (),
            found: &mut |place, row, sums| result.add(place, row, sums),
        };
        check(&[lane], scope).unwrap();
        assert_eq!(result.count(CheckStatus::Skipped), result.rows.len());
        assert_eq!(result.verdict().unwrap_err().exit_code(), 3);
        // Those of instruction sets that are not here keep their own reason.
        let reasons = result.rows.iter().filter_map(|row| row.detail.as_deref());
        let late = reasons.filter(|reason| reason.ends_with("--max-time 0s"));
        assert_eq!(late.count(), Supported::all().count());
    }

    #[test]
    fn the_first_of_many_are_spread_over_all() {
        let mut places: Vec<usize> = (0..1000).collect();
        places.sort_by_key(|&place| spread(place));
        assert_eq!(places[0], 0);
        let mut first = places[..100].to_vec();
        first.sort_unstable();
        let gaps = first.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.max() <= Some(25), "{first:?}");
    }
}
