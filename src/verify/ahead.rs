//! Compiling what is checked next while something else is checked: most of a check's time on a software adapter
//! is its driver's compiler.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use super::kernels::Variant;
use crate::gpu::Device;

/// How many compiled kernels may wait to be checked.
const MOST_WAITING: usize = 8;

/// A thread that compiles kernels in the order in which they are checked.
pub(super) struct Ahead {
    /// A word for each kernel that was compiled, or could not be. None once it is dropped.
    compiled: Option<Receiver<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Begins to compile.
    pub(super) fn new(device: &Arc<Device>, variants: Vec<Variant>) -> Self {
        let (tell, compiled) = sync_channel(MOST_WAITING);
        let device = Arc::clone(device);
        let compile = move || {
            for Variant { pass, elements } in variants {
                device.compile_ahead(pass, elements);
                if tell.send(()).is_err() {
                    return; // Nobody checks any more.
                }
            }
        };
        Self {
            compiled: Some(compiled),
            // Without a thread each is compiled when it is checked.
            thread: std::thread::Builder::new().spawn(compile).ok(),
        }
    }

    /// Waits until the next kernel is compiled, or until nothing is compiled any more.
    pub(super) fn wait(&self) {
        if let Some(compiled) = &self.compiled {
            // An error is the thread's end, and who checks compiles for itself.
            let _ = compiled.recv();
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.compiled = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
