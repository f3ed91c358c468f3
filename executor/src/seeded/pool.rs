//! The blocking pool of a seeded run: it starts no thread, and the run takes its jobs out.

use std::collections::VecDeque;
use std::time::Duration;

use crate::blocking::{BlockingPool, Host, Job};
use crate::panics::PanicHook;
use crate::runtime::ThreadSettings;
use crate::task::header::TaskRef;

impl<H: Host> BlockingPool<H> {
    /// Creates a pool that starts no thread: its creator takes the jobs out and runs them.
    pub(crate) fn without_threads(unhandled_panic: Option<PanicHook>) -> Self {
        Self::new(
            0,
            Duration::ZERO,
            ThreadSettings::default(),
            unhandled_panic,
        )
    }

    /// Takes every job that waits.
    pub(crate) fn take_queue(&self) -> VecDeque<Job<H>> {
        let mut state = self.lock();
        std::iter::from_fn(|| state.pop()).collect()
    }
}

impl<H: Host> Job<H> {
    /// Returns the task, if the job is one.
    pub(crate) fn task(&self) -> Option<TaskRef> {
        match self {
            Self::Task(task) => Some(*task),
            Self::Core(_) => None,
        }
    }
}
