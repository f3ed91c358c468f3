//! The timers of one runtime: several wheels, one clock, one park state.
//!
//! Owns the wheels and their firing: [`Timers::fire`] takes due entries out in batches and wakes
//! them with no lock held. It must not know threads or drivers: the executor passes in the function
//! that wakes a parked driver, and calls [`Timers::before_park`], [`Timers::after_park`] and
//! [`Timers::fire`].

#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
mod due;

use std::any::Any;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::OnceLock;
use std::task::Waker;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use framewise_context::control::ControlTarget;
use framewise_context::{CaughtPanic, FramedWaker, catch_unwind};
use framewise_sync::{Arc, Mutex};

use crate::callback::CallbackState;
use crate::clock::Clock;
use crate::park_state::{DriverParkState, NEVER, Published};
use crate::queue::TimerQueue;

#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
pub use due::DueTimer;

/// The timers of one runtime.
///
/// Timers live in several wheels, each behind its own lock: one for each worker thread, and one for
/// all other threads. A thread arms its timers in the wheel that it has [entered](crate::enter).
/// Any thread may [`fire`](Self::fire) all wheels.
///
/// # Driving
/// One thread at a time drives: between [`before_park`](Self::before_park) and
/// [`after_park`](Self::after_park) it parks, in any way from which it can be woken, and then it
/// fires. Busy threads fire from time to time, when [`has_due`](Self::has_due) returns `true`.
///
/// # Examples
/// ```
/// use std::task::{Context, Poll, Waker};
/// use std::time::Duration;
/// use framewise_timers::{Timers, enter, sleep};
///
/// let driver = std::thread::current();
/// let timers = Timers::new(1, move || driver.unpark());
/// let _entered = enter(&timers.handle(0));
///
/// let mut sleep = sleep(Duration::from_millis(2));
/// let mut cx = Context::from_waker(Waker::noop());
/// while Future::poll(std::pin::Pin::new(&mut sleep), &mut cx).is_pending() {
///     match timers.before_park() {
///         Some(limit) => std::thread::park_timeout(limit),
///         None => std::thread::park(),
///     }
///     timers.after_park();
///     timers.fire(0);
/// }
/// ```
pub struct Timers {
    shards: Box<[Arc<TimerShard>]>,
    common: Arc<TimerCommon>,
}

/// One wheel, and a reference to the state that all wheels of the runtime share.
pub(crate) struct TimerShard {
    queue: TimerQueue<TimerEntry>,
    common: Arc<TimerCommon>,
}

/// The payload of a wheel's entry.
pub(crate) enum TimerEntry {
    /// A waiting future's waker, and the frame in which the future was polled.
    Waker(FramedWaker),
    /// A function to call. It keeps its own frame.
    Callback(Arc<CallbackState>),
    /// The work of a frame, whose deadline this is.
    Control(ControlTarget),
}

/// The state that all wheels of a runtime share.
pub(crate) struct TimerCommon {
    clock: Clock,
    park_state: CachePadded<DriverParkState>,
    unpark: Box<dyn Fn() + Send + Sync>,
    panic_hook: Mutex<Option<PanicHook>>,
    /// `std`'s: it is set once, at the start, and read only during shutdown.
    is_ending: OnceLock<fn(&Waker) -> bool>,
}

/// The outcome of a call of user code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    Returned,
    /// It panicked, and the hook did not handle that.
    Panicked,
    /// It panicked, and the hook handled that.
    Handled,
}

/// In a box, because loom's `Arc` cannot hold a trait object. The thread that reports a panic holds
/// a reference while the hook runs, so a hook that is replaced meanwhile is dropped after its last
/// call.
type PanicHook = Arc<Box<dyn Fn(Box<dyn Any + Send>) -> bool + Send + Sync>>;

/// A handle to one wheel of a runtime's timers.
///
/// A thread that has [entered](crate::enter) it arms its timers there. Clones refer to the same
/// wheel.
#[derive(Clone)]
pub struct TimerHandle {
    shard: Arc<TimerShard>,
}

impl Timers {
    /// Makes `wheels` empty wheels.
    ///
    /// A thread that arms a timer calls `unpark`, with no lock held, if a parked driver would sleep
    /// past that timer. `unpark` must make that driver's current or next park return.
    ///
    /// # Panics
    /// If `wheels` is 0.
    pub fn new(wheels: usize, unpark: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Self::with_clock(wheels, Clock::start(), unpark)
    }

    fn with_clock(
        wheels: usize,
        clock: Clock,
        unpark: impl Fn() + Send + Sync + 'static,
    ) -> Arc<Self> {
        assert!(wheels > 0, "timers need at least one wheel");
        let common = Arc::new(TimerCommon {
            clock,
            park_state: CachePadded::new(DriverParkState::new()),
            unpark: Box::new(unpark),
            panic_hook: Mutex::new(None),
            is_ending: OnceLock::new(),
        });
        let shard = || TimerShard {
            queue: TimerQueue::new(),
            common: Arc::clone(&common),
        };
        let shards = (0..wheels).map(|_| Arc::new(shard())).collect();
        Arc::new(Self { shards, common })
    }

    /// Returns a handle to one wheel.
    ///
    /// # Panics
    /// If there is no wheel with that number.
    pub fn handle(&self, wheel: usize) -> TimerHandle {
        TimerHandle {
            shard: Arc::clone(&self.shards[wheel]),
        }
    }

    /// Publishes that the driver is about to park; returns how long it may park.
    ///
    /// `None` means until it is woken, and zero that something is due. After this, a thread that
    /// arms an earlier timer calls `unpark`.
    #[must_use = "the driver must not park for longer than this"]
    pub fn before_park(&self) -> Option<Duration> {
        let until = self.park_until();
        (until != NEVER).then(|| self.common.clock.until(until))
    }

    /// Publishes that the driver is awake: arming no longer calls `unpark`.
    pub fn after_park(&self) {
        self.common.park_state.unparked();
    }

    /// Returns `true` if something is due, as far as this can be seen without taking a lock.
    ///
    /// Reads the clock only if there are timers. It may return `true` for a canceled timer.
    pub fn has_due(&self) -> bool {
        let earliest = self.earliest();
        earliest != NEVER && earliest <= self.common.clock.now_ticks()
    }

    /// Fires the due timers of every wheel, starting with wheel `first_wheel`; returns their
    /// number.
    ///
    /// The clock is read once. Wakers and callbacks run on this thread with no lock held. A panic
    /// in one of them does not prevent the others from running (see
    /// [`on_callback_panic`](Self::on_callback_panic)). In each batch the wakers are called first,
    /// so that a slow callback does not delay them. Other threads may fire the timers that are
    /// still in a wheel.
    ///
    /// # Frame
    /// Each waker and callback runs in the frame that registered it.
    pub fn fire(&self, first_wheel: usize) -> usize {
        if self.earliest() == NEVER {
            return 0;
        }
        self.fire_at(first_wheel, self.common.clock.now_ticks())
    }

    /// Sets the hook for the panic of a callback, or of a waker that a timer called. By default the
    /// panic is dropped: the process's panic hook has already printed it.
    ///
    /// The hook returns `true` if the panic was handled, so that an interval of
    /// [`PanicPolicy::ContinueIfHandled`](crate::PanicPolicy::ContinueIfHandled) goes on.
    ///
    /// # Frame
    /// The hook runs in the frame in which the panic began.
    pub fn on_callback_panic(
        &self,
        hook: impl Fn(Box<dyn Any + Send>) -> bool + Send + Sync + 'static,
    ) {
        let previous = self
            .common
            .panic_hook
            .lock()
            .replace(Arc::new(Box::new(hook)));
        drop(previous);
    }

    /// Sets the function that recognizes the wakers of tasks that are being canceled: such a task
    /// is dropped as soon as its running poll returns, with or without a wake-up. In such a task a
    /// future that has lost its timer returns `Pending` instead of panicking. Only the first call
    /// has an effect.
    pub fn on_poll_when_closed(&self, is_ending: fn(&Waker) -> bool) {
        let _ = self.common.is_ending.set(is_ending);
    }

    /// Shuts the timers down.
    ///
    /// Every waiting future is woken. From then on, polling a future of this runtime panics if its
    /// deadline has not passed: it could never become ready, and a panic is noticed where a hang is
    /// not. (See [`on_poll_when_closed`](Self::on_poll_when_closed) for an exception.) Callbacks
    /// that have not run are dropped, each in its frame. Callbacks that are registered later are
    /// dropped at once.
    ///
    /// Dropping `Timers` does the same.
    pub fn close(&self) {
        self.begin_close().finish();
    }

    /// Performs the part of [`close`](Self::close) that runs no user code. From here on every wait
    /// for a timer ends; waits that have begun end when the result is
    /// [finished](ClosedTimers::finish).
    pub fn begin_close(&self) -> ClosedTimers {
        ClosedTimers {
            entries: self
                .shards
                .iter()
                .flat_map(|shard| shard.queue.close())
                .collect(),
            common: Arc::clone(&self.common),
        }
    }

    /// Like [`before_park`](Self::before_park), in ticks: for models, which have no clock.
    #[doc(hidden)]
    pub fn park_until(&self) -> u64 {
        self.common.park_state.park(|| self.earliest())
    }

    /// Like [`fire`](Self::fire), at tick `now`: for models, which have no clock.
    #[doc(hidden)]
    pub fn fire_at(&self, first_wheel: usize, now: u64) -> usize {
        let (before, from) = self.shards.split_at(first_wheel % self.shards.len());
        from.iter().chain(before).map(|shard| shard.fire(now)).sum()
    }

    /// Returns the number of armed timers. Takes every lock: for tests and statistics.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.queue.len()).sum()
    }

    /// Returns `true` if no timer is armed. Takes every lock: for tests and statistics.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the earliest deadline that any wheel has published.
    fn earliest(&self) -> u64 {
        self.shards
            .iter()
            .map(|shard| shard.queue.next())
            .min()
            .unwrap_or(NEVER)
    }
}

/// The timers that a close took out and that are not notified yet; made by [`Timers::begin_close`].
/// Dropping it notifies no waiter.
#[must_use = "the waiters wait until `finish`"]
pub struct ClosedTimers {
    entries: Vec<TimerEntry>,
    common: Arc<TimerCommon>,
}

impl ClosedTimers {
    /// Wakes every waiting future, ends the work of every frame whose deadline is in a wheel, and
    /// drops every callback.
    ///
    /// # Frame
    /// Each waker is called, and each callback dropped, in the frame that registered it.
    pub fn finish(self) {
        for entry in self.entries {
            match entry {
                TimerEntry::Waker(waker) => {
                    self.common.catch_and_report(|| waker.wake());
                }
                TimerEntry::Callback(state) => state.discard(),
                TimerEntry::Control(target) => {
                    target.shut_down(&mut |caught| _ = self.common.report(caught));
                }
            }
        }
    }
}

impl fmt::Debug for ClosedTimers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClosedTimers")
            .field("timers", &self.entries.len())
            .finish_non_exhaustive()
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        self.close();
    }
}

impl TimerShard {
    /// Fires the entries that are due at tick `now`.
    fn fire(&self, now: u64) -> usize {
        let mut fired = 0;
        // Entries that another thread publishes meanwhile are fired by that thread or by a later
        // call.
        while self.queue.next() <= now {
            let mut batch = self.queue.take_due(now);
            let last = !batch.is_full();
            fired += batch.len();
            // No other thread can wake the tasks of this batch, so they do not wait for callbacks,
            // which are user code.
            let wakers = batch.take_matching(|entry| matches!(entry, TimerEntry::Waker(_)));
            wakers.for_each(|entry| self.fire_one(entry));
            batch.into_iter().for_each(|entry| self.fire_one(entry));
            if last {
                break;
            }
        }
        fired
    }

    /// Wakes or calls, with no lock held.
    fn fire_one(&self, entry: TimerEntry) {
        match entry {
            TimerEntry::Waker(waker) => {
                self.common.catch_and_report(|| waker.wake());
            }
            TimerEntry::Callback(state) => CallbackState::fire(&state),
            TimerEntry::Control(target) => {
                target.pass(&mut |caught| _ = self.common.report(caught));
            }
        }
    }
}

impl TimerCommon {
    /// Returns `true` if the task of that waker ends without a wake-up.
    #[cold]
    pub(crate) fn is_ending(&self, waker: &Waker) -> bool {
        let is_ending = self.is_ending.get();
        is_ending.is_some_and(|is_ending| is_ending(waker))
    }

    /// Runs user code, and passes its panic to the hook instead of unwinding.
    pub(crate) fn catch_and_report(&self, run: impl FnOnce()) -> CallOutcome {
        match catch_unwind(run) {
            Ok(()) => CallOutcome::Returned,
            Err(caught) => self.report(caught),
        }
    }

    #[cold]
    pub(crate) fn report(&self, caught: CaughtPanic) -> CallOutcome {
        let (payload, frame) = caught.into_parts();
        let hook = self.panic_hook.lock().clone();
        let reported = catch_unwind(|| match hook {
            Some(hook) => frame.run(|| hook(payload)),
            None => {
                drop(payload);
                false
            }
        });
        let outcome = match reported {
            Ok(true) => CallOutcome::Handled,
            _ => CallOutcome::Panicked,
        };
        // A value that is dropped with the frame may panic, too.
        let ended = catch_unwind(|| drop(frame));
        for again in [reported.err(), ended.err()].into_iter().flatten() {
            // The second panic ends here, and its frame is released. A payload that panics when it
            // is dropped is leaked, because dropping the new payload could repeat this forever.
            if let Err(last) = panic::catch_unwind(AssertUnwindSafe(|| drop(again))) {
                std::mem::forget(last);
            }
        }
        outcome
    }
}

impl TimerHandle {
    pub(crate) fn clock(&self) -> &Clock {
        &self.shard.common.clock
    }

    pub(crate) fn queue(&self) -> &TimerQueue<TimerEntry> {
        &self.shard.queue
    }

    pub(crate) fn common(&self) -> &TimerCommon {
        &self.shard.common
    }

    /// Wakes the driver if it is parked past the published deadline. The caller holds no lock.
    pub(crate) fn notify_driver(&self, published: Published) {
        let common = &*self.shard.common;
        common.park_state.armed(published, || (common.unpark)());
    }

    /// Wakes the driver, whose wait the clock has made wrong.
    #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
    pub(crate) fn wake_driver(&self) {
        (self.shard.common.unpark)();
    }

    pub(crate) fn is_same_wheel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shard, &other.shard)
    }

    pub(crate) fn is_same_runtime(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shard.common, &other.shard.common)
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers")
            .field("wheels", &self.shards.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerHandle").finish_non_exhaustive()
    }
}
