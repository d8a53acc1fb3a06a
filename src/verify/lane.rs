//! Lanes, on each of which one check is made after another. Most of a check's time on a software adapter is its
//! driver's compiler, which works for one device on one thread: several devices keep all processor cores busy.

use std::collections::VecDeque;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::task::{self, Task};
use super::{Row, Scope, cpu};
use crate::error::{Error, Result};
use crate::gpu::Device;

/// Where checks are made, one after another.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The adapter; none for the CPU path.
    pub device: Option<Arc<Device>>,
    /// The same adapter on a device with its matrix units, on which their kernels are checked; or why there is none.
    pub matrix_units: Result<Arc<Device>, String>,
}

/// Checks that are still to be made, each with its place among all.
type Todo = Mutex<VecDeque<(usize, Task)>>;

/// What a lane tells.
enum Told {
    /// It begins something.
    Begins(String),
    /// It made the check in this place, and has the hash of int8 sums where it was of these.
    Made(usize, Row, Option<String>),
    /// It ends before all is checked.
    Ends(Error),
}

/// Makes the checks that `scope` asks for, on all lanes.
pub(super) fn check(lanes: &[Lane], scope: Scope<'_>) -> Result<()> {
    let Some(first) = lanes.first() else {
        return Err(Error::Usage("nothing to check on".into()));
    };
    let mut tasks = match &first.device {
        Some(device) => task::on_adapter(device, first.matrix_units.as_ref())?,
        None => cpu::tasks()?,
    };
    if let Some(only) = &scope.only {
        tasks.retain(|task| {
            let Row {
                group, name, mode, ..
            } = task.row();
            format!("{group}/{name} {mode}").contains(only)
        });
        if tasks.is_empty() {
            return Err(Error::Usage(format!(
                "no check is called '{only}': 'verify --format json' without --only names them all"
            )));
        }
    }
    let total = tasks.len();
    let todo: Todo = Mutex::new(tasks.into_iter().enumerate().collect());
    let (tell, told) = channel();
    thread::scope(|threads| {
        for lane in lanes {
            let (todo, tell) = (&todo, tell.clone());
            threads.spawn(move || lane.work(todo, &tell));
        }
        drop(tell);
        let (mut done, mut ended) = (0, Ok(()));
        for told in told {
            match told {
                Told::Begins(what) => (scope.progress)(&what, done, total),
                Told::Made(place, row, sums) => {
                    done += 1;
                    let text = format!("{}/{} {}: {:?}", row.group, row.name, row.mode, row.status);
                    (scope.found)(place, row, sums);
                    // What the log says was checked is kept, whatever comes next.
                    log::info!("{text}");
                }
                // The first is the cause.
                Told::Ends(error) => ended = ended.and(Err(error)),
            }
        }
        ended
    })
}

impl Lane {
    /// Makes one check after another, until there are none left. With an error that ends everything none are.
    fn work(&self, todo: &Todo, tell: &Sender<Told>) {
        let left = || todo.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let next = left().pop_front();
            let Some((place, task)) = next else {
                return;
            };
            let row = task.row();
            // Who is told is there until every lane has ended.
            let _ = tell.send(Told::Begins(format!("{} {}", row.group, row.precision)));
            let made = task.make(self.device.as_ref(), &self.matrix_units, row.clone());
            let made = pollster::block_on(made);
            let made = made.or_else(|error| Ok((row.ended_by(error)?, None)));
            let _ = tell.send(match made {
                Ok((row, sums)) => Told::Made(place, row, sums),
                Err(error) => {
                    left().clear();
                    Told::Ends(error)
                }
            });
        }
    }
}
