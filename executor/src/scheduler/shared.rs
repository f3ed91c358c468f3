//! The state that all workers of a runtime share, and how a runnable task gets into a queue.
//!
//! Owns the queues' common part, the lists of tasks, the driver, the timers, the blocking pool, and
//! the ways to wake a worker. Tasks come here from `spawner.rs` and from wakers; from
//! [`schedule`](Shared::schedule) they go on in `worker.rs`. The end of all this is in
//! `shutdown.rs`.

use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use framewise_io::{Batch, IoDriver, IoHandle};
use framewise_sync::{TryLock, TryLockGuard};
use framewise_timers::Timers;

use super::idle::Idle;
use super::idle::monitor::Monitor;
use super::idle::parker::Parker;
use super::idle::state::{self, SchedulerOps};
use super::queue::{LocalQueue, Push, Queues};
use super::shutdown::Lifecycle;
use super::worker;
use crate::account::runtime::RuntimeAccount;
use crate::blocking::BlockingPool;
use crate::observe::Observer;
use crate::panics::PanicHook;
use crate::runtime::{Flavor, TokioHandle};
use crate::seeded::hooks;
#[cfg(unix)]
use crate::signal::inbox::RuntimeSignals;
use crate::task::header::TaskRef;
use crate::task::owned::OwnedTasks;
use crate::task::waker::is_of_ending_task;

/// The state that the workers of a runtime share.
pub(crate) struct Shared {
    pub(crate) flavor: Flavor,
    pub(crate) queues: Arc<Queues>,
    parkers: Box<[CachePadded<Parker>]>,
    /// A list of tasks for each worker, and one for spawns from other threads.
    pub(super) owned: Box<[CachePadded<OwnedTasks>]>,
    pub(crate) idle: Idle,
    monitor: Monitor,
    pub(super) driver: TryLock<IoDriver>,
    pub(crate) io: IoHandle,
    pub(crate) timers: framewise_sync::Arc<Timers>,
    pub(crate) blocking: BlockingPool,
    pub(crate) tokio: TokioHandle,
    /// The runtime's name. `std`'s, since it is set before a second thread knows of this.
    pub(crate) name: std::sync::OnceLock<Box<str>>,
    /// What observes the tasks. Like the name.
    observer: std::sync::OnceLock<Arc<Observer>>,
    #[cfg(unix)]
    pub(crate) signals: RuntimeSignals,
    pub(super) unhandled_panic: Option<PanicHook>,
    pub(super) lifecycle: Lifecycle,
}

impl Shared {
    /// Creates the shared state of `workers` workers, and their queues.
    pub(crate) fn new(
        workers: usize,
        driver: IoDriver,
        io: IoHandle,
        blocking: BlockingPool,
        unhandled_panic: Option<PanicHook>,
        flavor: Flavor,
    ) -> (Arc<Self>, Vec<LocalQueue>) {
        let (queues, locals) = Queues::new(workers);
        let wake_driver = {
            let io = io.clone();
            move || io.unpark()
        };
        #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
        let timers = super::paused::timers(workers, flavor, wake_driver);
        #[cfg(not(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle)))))]
        let timers = Timers::new(workers + 1, wake_driver);
        timers.on_poll_when_closed(is_of_ending_task);
        let shared = Self {
            flavor,
            queues,
            parkers: (0..workers)
                .map(|_| CachePadded::new(Parker::new()))
                .collect(),
            owned: (0..=workers)
                .map(|_| CachePadded::new(OwnedTasks::new()))
                .collect(),
            idle: Idle::new(workers),
            monitor: Monitor::new(),
            driver: TryLock::new(driver),
            io,
            timers,
            blocking,
            tokio: TokioHandle::default(),
            name: std::sync::OnceLock::new(),
            observer: std::sync::OnceLock::new(),
            #[cfg(unix)]
            signals: RuntimeSignals::default(),
            unhandled_panic,
            lifecycle: Lifecycle::new(),
        };
        (Arc::new(shared), locals)
    }

    /// Makes `observer` observe the tasks and the blocking calls, before there is one.
    pub(crate) fn observe(&self, observer: &Arc<Observer>) {
        let unset = self.observer.set(Arc::clone(observer));
        assert!(unset.is_ok(), "a runtime's observer is set once");
        self.blocking.observe(observer);
    }

    /// Returns what observes the tasks.
    #[inline]
    pub(crate) fn observer(&self) -> Option<&Arc<Observer>> {
        self.observer.get()
    }

    /// Returns the runtime's account, if it has one.
    #[inline]
    pub(crate) fn account(&self) -> Option<&Arc<RuntimeAccount>> {
        self.observer()?.account.as_ref()
    }

    /// Puts a runnable task into the queue of the calling worker, or into the injector.
    pub(crate) fn schedule(&self, task: TaskRef) {
        match worker::push_local(self, task) {
            Ok(Push::LifoSlot | Push::NotifyLater) => {}
            Ok(Push::Notify) => {
                // No fence: this worker is active and comes to the task if no sibling does.
                // Unnoticed: always, because notify_one finds out the same, at the price of a
                // fence.
                if self.idle.would_notify() {
                    self.notify_one();
                }
            }
            Err(task) => {
                hooks::pushed(self);
                self.queues.injector.push(task);
                self.notify_one();
            }
        }
    }

    /// Wakes a worker, unless none is parked or one searches.
    pub(crate) fn notify_one(&self) {
        state::notify_one(self);
    }

    /// Returns the number of workers.
    pub(crate) fn workers(&self) -> usize {
        self.queues.workers()
    }

    /// Counts the tasks that have not ended.
    #[cfg(not(any(framewise_loom, framewise_shuttle)))]
    pub(crate) fn alive_tasks(&self) -> usize {
        self.owned.iter().map(|owned| owned.len()).sum()
    }

    /// Returns the number of the list of tasks, and of the timer wheel, for threads that are no
    /// workers.
    pub(crate) fn outside(&self) -> usize {
        // Unnoticed: returns 0, because the list and the wheel are then those of the first worker.
        self.workers()
    }

    /// Returns the address that identifies this runtime in [`ending`](super::ending).
    pub(crate) fn address(&self) -> *const () {
        ptr::from_ref(self).cast()
    }

    /// Collects what the driver has by now, if the driver is free.
    pub(crate) fn poll_driver(&self, batch: &mut Batch) {
        if let Some(mut driver) = self.driver.try_lock() {
            wait(&mut driver, Some(Duration::ZERO), batch);
        }
    }
}

impl SchedulerOps for Shared {
    type Driver<'a> = TryLockGuard<'a, IoDriver>;
    type Batch = Batch;

    fn idle(&self) -> &Idle {
        &self.idle
    }

    fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    fn parker(&self, worker: usize) -> &Parker {
        &self.parkers[worker]
    }

    fn is_closing(&self) -> bool {
        self.lifecycle.is_closing()
    }

    fn has_stealable(&self, thief: usize) -> bool {
        self.queues.has_stealable(thief)
    }

    fn try_driver(&self) -> Option<TryLockGuard<'_, IoDriver>> {
        self.driver.try_lock()
    }

    fn wait_on_driver(
        &self,
        driver: &mut TryLockGuard<'_, IoDriver>,
        limit: Option<Duration>,
        batch: &mut Batch,
    ) {
        #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
        if self.timers.is_clock_stopped() {
            return super::paused::wait_on_driver(self, driver, limit, batch);
        }
        let until_due = self.timers.before_park();
        let timeout = match (limit, until_due) {
            (Some(limit), Some(until_due)) => Some(limit.min(until_due)),
            (limit, until_due) => limit.or(until_due),
        };
        wait(driver, timeout, batch);
        self.timers.after_park();
    }

    fn wake_driver(&self) {
        self.io.unpark();
    }

    fn wake_driver_after(&self, delay: Duration) {
        self.io.unpark_after(delay);
    }
}

pub(super) fn wait(driver: &mut IoDriver, timeout: Option<Duration>, batch: &mut Batch) {
    if let Err(error) = driver.wait(timeout, batch) {
        // No call of ours makes epoll fail, and without it no I/O event would ever arrive.
        panic!("the I/O driver failed: {error}");
    }
}
