//! The turn of the driver and the clock: a worker calls the wakers and callbacks of events and of
//! timers that are due.
//!
//! Owns the mark of a worker that does so. When it is their turn is decided in `worker.rs`, between
//! polls, and in `parking.rs`, after a park.

use framewise_context::coop;
use framewise_io::Batch;

use super::{WorkerThread, with_worker};
use crate::account::meter::Meter;

/// Says if the worker is calling the wakers of events or timers, and if it has notified a sibling
/// meanwhile.
#[derive(Clone, Copy)]
pub(super) enum Dispatch {
    None,
    NotNotified,
    Notified,
}

/// Returns `true` if this thread is a worker that calls wakers and callbacks of events or timers.
pub(crate) fn is_dispatching() -> bool {
    with_worker(|worker| {
        worker.is_some_and(|worker| !matches!(worker.dispatch.get(), Dispatch::None))
    })
}

impl WorkerThread {
    /// Gives the driver and the clock their turn between polls.
    pub(super) fn tick(&self) {
        let mut batch = self.batch.take();
        self.shared.poll_driver(&mut batch);
        // Unnoticed: moved behind the next, because events and timers have no promised order.
        self.dispatch_events(batch);
        // Unnoticed: always, because no timer is fired unless one is due.
        if self.shared.timers.has_due() {
            self.fire();
        }
        self.with_meter(Meter::boundary);
    }

    /// Calls the wakers and callbacks of the events. Other workers can take the driver meanwhile.
    pub(super) fn dispatch_events(&self, mut batch: Batch) {
        if !batch.is_empty() {
            self.before_user_code();
        }
        self.dispatch(|| {
            self.shared.unhandled_panics(batch.dispatch().panics);
        });
        // Unnoticed: skipped, because the next wait then allocates its buffers.
        self.batch.set(batch);
    }

    pub(super) fn fire(&self) {
        let Some(index) = self.core.borrow().as_ref().map(|core| core.index) else {
            return;
        };
        self.dispatch(|| {
            self.shared.timers.fire(index);
        });
    }

    /// Runs code that wakes tasks, and notifies a sibling at its end if there is enough for two.
    fn dispatch(&self, f: impl FnOnce()) {
        self.dispatch.set(Dispatch::NotNotified);
        // Callbacks belong to no task, so the rest of the last poll's budget does not limit them.
        coop::with_unconstrained(f);
        // Unnoticed: moved behind the next, because notify_one pushes nothing.
        self.dispatch.set(Dispatch::None);
        // Unnoticed: left out `self.shared.idle.would_notify()`, because notify_one finds out the
        // same, at the price of a fence.
        if self.has_backlog() && self.shared.idle.would_notify() {
            self.shared.notify_one();
        }
    }

    fn has_backlog(&self) -> bool {
        self.core
            .borrow()
            .as_ref()
            .is_some_and(|core| core.queue.has_backlog())
    }
}
