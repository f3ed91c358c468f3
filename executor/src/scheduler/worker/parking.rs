//! A worker that has no task: what it does around its park.
//!
//! Owns the calls of the user's callbacks there, which may give it a task. How it blocks is in
//! `idle/state.rs`.
//!
//! The worker stays idle in these calls, which must not block: if each call made it active, idle
//! workers would wake each other in turn, to have a monitor. A worker that searches passes that
//! duty on before its next poll, so what a callback spawns waits for no push.

use super::WorkerThread;
use crate::account::meter::Meter;
use crate::runtime::ThreadSettings;

impl WorkerThread {
    /// Calls the callback of a worker that is about to park. Returns `true` if the worker has a
    /// task then, or no core.
    fn announce_park(&self, threads: &ThreadSettings) -> bool {
        threads.call(threads.on_park.as_ref());
        let mut core = self.core.borrow_mut();
        let Some(core) = core.as_mut() else {
            return true;
        };
        if let Some(task) = core.queue.pop() {
            // No sibling looks for it here, and none is needed.
            let _ = core.queue.push(task);
            return true;
        }
        core.queue.has_yielded()
    }

    /// Blocks until there is something to do, or to search for.
    pub(super) fn park(&self) {
        let threads = self.shared.blocking.threads();
        if threads.on_park.is_some() && self.announce_park(threads) {
            return threads.call(threads.on_unpark.as_ref());
        }
        self.with_meter(Meter::boundary);
        let mut batch = self.batch.take();
        if let Some(core) = self.core.borrow_mut().as_mut() {
            core.idle_state.park(&*self.shared, core.index, &mut batch);
        }
        self.with_meter(Meter::unpark);
        threads.call(threads.on_unpark.as_ref());
        // Unnoticed: moved behind the next, because events and timers have no promised order.
        self.dispatch_events(batch);
        if self.shared.timers.has_due() {
            self.before_user_code();
            self.fire();
        }
        self.with_meter(Meter::boundary);
    }
}
