//! The steps by which a worker parks, and by which a parked or searching worker becomes active.
//!
//! Owns their order, on which the proofs in `README.md` rely. The steps are generic over
//! [`SchedulerOps`], so they know neither queue, nor driver, nor clock, and the models run them as
//! they are. From here the worker goes back to its loop in `worker.rs`.
//!
//! ```text
//!   searching ──park──▶ registered as parked ─▶ scan again ─▶ block ─▶ deregistered
//!       ▲                                                                   │
//!       └─────── next_task ◀── leave_idle, before any user code ◀───────────┘
//! ```

use std::mem;
use std::time::Duration;

use super::Idle;
use super::monitor::{MONITOR_INTERVAL, MissingMonitor, Monitor};
use super::parker::Parker;

/// No worker has this number.
const NO_WORKER: usize = usize::MAX;

/// The parts of a runtime that a worker needs to park, and to wake another worker.
pub trait SchedulerOps {
    /// The exclusive right to wait on the driver.
    type Driver<'a>
    where
        Self: 'a;
    /// What a wait on the driver found.
    type Batch;

    /// Returns the counters of idle workers.
    fn idle(&self) -> &Idle;

    /// Returns the monitor.
    fn monitor(&self) -> &Monitor;

    /// Returns the parker of that worker.
    fn parker(&self, worker: usize) -> &Parker;

    /// Returns `true` if the runtime is shutting down.
    fn is_closing(&self) -> bool;

    /// Returns `true` if `thief` could steal a task, or take one from the injector. Called after
    /// [`Idle::register_parked`] or [`Idle::stop_searching`], whose fence orders it.
    fn has_stealable(&self, thief: usize) -> bool;

    /// Takes the driver if it is free.
    fn try_driver(&self) -> Option<Self::Driver<'_>>;

    /// Blocks on the driver until there is an event, a timer is due, or [`wake_driver`] is called;
    /// for `limit` at most. Runs no user code.
    ///
    /// [`wake_driver`]: Self::wake_driver
    fn wait_on_driver(
        &self,
        driver: &mut Self::Driver<'_>,
        limit: Option<Duration>,
        batch: &mut Self::Batch,
    );

    /// Ends the current wait on the driver, or the next one.
    fn wake_driver(&self);

    /// Ends the current wait on the driver, or the next one, after `delay` at the latest.
    fn wake_driver_after(&self, delay: Duration);

    /// Blocks on the condition variable until an unpark, or for [`MONITOR_INTERVAL`].
    fn park_for_interval(&self, worker: usize) {
        self.parker(worker).park(Some(MONITOR_INTERVAL));
    }
}

/// Wakes a worker after a push that any worker may take, unless none is parked or one searches.
pub fn notify_one(ops: &impl SchedulerOps) {
    let last_choice = ops.monitor().driver_owner().unwrap_or(NO_WORKER);
    if let Some(worker) = ops.idle().notify_one(last_choice) {
        unpark(ops, worker);
    }
}

/// Makes that worker return from its current park, or from its next one.
pub fn unpark(ops: &impl SchedulerOps, worker: usize) {
    ops.parker(worker).unpark(|| ops.wake_driver());
}

/// What a worker knows of its own searching and parking.
#[derive(Debug, Default)]
pub struct IdleState {
    searching: bool,
    /// The worker was parked and has run no user code since.
    just_unparked: bool,
    /// `Monitor::unpark_count` when the worker last parked.
    unpark_count: usize,
}

impl IdleState {
    /// Creates the state of an active worker.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a worker that found no task of its own a searching one. Returns `false` if enough
    /// others search.
    #[must_use]
    pub fn start_searching(&mut self, ops: &impl SchedulerOps) -> bool {
        if !self.searching {
            self.searching = ops.idle().start_searching();
        }
        self.searching
    }

    /// Returns `true` if [`leave_idle`](Self::leave_idle) has nothing to do.
    #[inline]
    pub fn is_active(&self) -> bool {
        !self.just_unparked && !self.searching
    }

    /// Makes the worker active, before it runs user code, which may block: it passes on the search
    /// and the monitor's duty that others rely on.
    #[cold]
    pub fn leave_idle(
        &mut self,
        ops: &impl SchedulerOps,
        worker: usize,
        has_backlog: impl FnOnce() -> bool,
    ) {
        // Unnoticed: moved behind the next, because both come before any user code.
        if mem::take(&mut self.just_unparked) {
            ensure_monitor(ops, worker);
        }
        // The last searcher makes sure that another worker looks for more.
        if mem::take(&mut self.searching)
            // Unnoticed: left out, because notify_one wakes no worker while another one searches.
            && ops.idle().stop_searching()
            && (has_backlog() || ops.has_stealable(worker))
        {
            notify_one(ops);
        }
    }

    /// Parks a worker that found no task anywhere, until there is something to do or to search for.
    /// Returns `false` if it did not block, because it found something after it was registered.
    ///
    /// `batch` receives what the driver found. Before the worker dispatches it, it leaves idle.
    pub fn park<O: SchedulerOps>(&mut self, ops: &O, worker: usize, batch: &mut O::Batch) -> bool {
        let unpark_count = ops.monitor().unpark_count();
        let was_quiet = mem::replace(&mut self.unpark_count, unpark_count) == unpark_count;
        ops.idle()
            .register_parked(worker, mem::take(&mut self.searching));
        let found = ops.has_stealable(worker);
        let blocks = !found && !ops.is_closing();
        if blocks {
            match ops.try_driver() {
                Some(mut driver) => park_on_driver(ops, worker, &mut driver, batch),
                None => park_on_condvar(ops, worker, was_quiet),
            }
        }
        self.searching = ops.idle().deregister_parked(worker, found);
        self.just_unparked = true;
        blocks
    }
}

/// Blocks on the driver, as the monitor if another worker is active and there is no monitor.
fn park_on_driver<O: SchedulerOps>(
    ops: &O,
    worker: usize,
    driver: &mut O::Driver<'_>,
    batch: &mut O::Batch,
) {
    let monitors = !ops.idle().are_all_parked() && !ops.monitor().is_running();
    ops.monitor().set_driver_owner(worker, monitors);
    if ops.parker(worker).enter_driver() {
        ops.wait_on_driver(driver, monitors.then_some(MONITOR_INTERVAL), batch);
        ops.parker(worker).leave_driver();
    }
    ops.monitor().clear_driver_owner();
}

/// Blocks on the condition variable, as the monitor if there is none, unless all workers are parked
/// and none was unparked since this one last parked.
fn park_on_condvar(ops: &impl SchedulerOps, worker: usize, was_quiet: bool) {
    if (was_quiet && ops.idle().are_all_parked()) || !ops.monitor().try_start() {
        ops.parker(worker).park(None);
    } else {
        ops.park_for_interval(worker);
        ops.monitor().stop();
    }
}

/// Makes sure that there is a monitor while this worker, which was parked, runs user code (W1).
fn ensure_monitor(ops: &impl SchedulerOps, worker: usize) {
    match ops.monitor().missing() {
        MissingMonitor::Nothing => {}
        MissingMonitor::Timeout => ops.wake_driver_after(MONITOR_INTERVAL),
        MissingMonitor::Worker => {
            if let Some(parked) = ops.idle().any_parked(worker) {
                unpark(ops, parked);
            }
        }
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
