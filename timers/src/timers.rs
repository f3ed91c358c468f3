//! The timers of one runtime: several wheels, one clock, one gate.
//!
//! Owns the wheels, and what happens when they fire: [`Timers::fire`] takes due entries out in
//! batches and wakes them with no lock held. It must know no thread and no driver: the executor
//! passes in how a parked driver is woken, and calls [`Timers::before_park`],
//! [`Timers::after_park`] and [`Timers::fire`].

#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
mod due;

use std::any::Any;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::OnceLock;
use std::task::Waker;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use framewise_context::{CaughtPanic, FramedWaker, catch_unwind};
use framewise_sync::{Arc, Mutex};

use crate::callback::CallbackState;
use crate::clock::Clock;
use crate::gate::{NEVER, ParkGate, Published};
use crate::queue::TimerQueue;

#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
pub use due::DueTimer;

/// The timers of one runtime.
///
/// Timers live in several wheels, each behind its own lock: one for each worker thread, and one
/// for all other threads. Whoever arms a timer uses the wheel that its thread has
/// [entered](crate::enter). Any thread may [`fire`](Self::fire) all of them.
///
/// # Driving
/// One thread at a time drives: it parks, in whatever way it can be woken from, between
/// [`before_park`](Self::before_park) and [`after_park`](Self::after_park), and then fires. Busy
/// threads fire now and then, where [`has_due`](Self::has_due) says so.
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

/// One wheel, and the way to what all wheels of the runtime share.
pub(crate) struct TimerShard {
    queue: TimerQueue<TimerEntry>,
    common: Arc<TimerCommon>,
}

/// What a wheel carries.
pub(crate) enum TimerEntry {
    /// A future that waits, and the frame in which it was polled.
    Waker(FramedWaker),
    /// A function to be called. It has its frame itself.
    Callback(Arc<CallbackState>),
}

/// What all wheels of a runtime share.
pub(crate) struct TimerCommon {
    clock: Clock,
    gate: CachePadded<ParkGate>,
    unpark: Box<dyn Fn() + Send + Sync>,
    panic_hook: Mutex<Option<PanicHook>>,
    /// Of `std`: it is set once, at the start, and asked only at the end.
    is_ending: OnceLock<fn(&Waker) -> bool>,
}

/// In a box, since loom's `Arc` cannot be made of a trait object. Whoever reports a panic holds it
/// while it runs, so that one that is replaced meanwhile ends after its last call.
type PanicHook = Arc<Box<dyn Fn(Box<dyn Any + Send>) + Send + Sync>>;

/// The way to one wheel of a runtime's timers.
///
/// A thread that has [entered](crate::enter) it arms its timers there. Clones name the same wheel.
#[derive(Clone)]
pub struct TimerHandle {
    shard: Arc<TimerShard>,
}

impl Timers {
    /// Makes `wheels` empty wheels.
    ///
    /// `unpark` is called, with no lock held, by whoever arms a timer past which a parked driver
    /// would sleep. It must make that driver's current or next park return.
    ///
    /// # Panics
    /// If `wheels` is 0.
    pub fn new(wheels: usize, unpark: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        assert!(wheels > 0, "timers need at least one wheel");
        let common = Arc::new(TimerCommon {
            clock: Clock::start(),
            gate: CachePadded::new(ParkGate::new()),
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

    /// The way to one wheel.
    ///
    /// # Panics
    /// If there is no wheel of that number.
    pub fn handle(&self, wheel: usize) -> TimerHandle {
        TimerHandle {
            shard: Arc::clone(&self.shards[wheel]),
        }
    }

    /// Announces that the driver is about to park, and says for how long it may.
    ///
    /// `None` means until it is woken, zero that something is due. After this, whoever arms an
    /// earlier timer calls `unpark`.
    #[must_use = "the driver must not park for longer than this"]
    pub fn before_park(&self) -> Option<Duration> {
        let until = self.park_until();
        (until != NEVER).then(|| self.common.clock.until(until))
    }

    /// Announces that the driver is awake: arming calls `unpark` no more.
    pub fn after_park(&self) {
        self.common.gate.unparked();
    }

    /// Whether something is due, as far as can be seen without taking a lock.
    ///
    /// Reads the clock only if there are timers. It may be true for a timer that was cancelled.
    pub fn has_due(&self) -> bool {
        let earliest = self.earliest();
        earliest != NEVER && earliest <= self.common.clock.now_ticks()
    }

    /// Fires what is due in every wheel, beginning with wheel `first_wheel`, and says how many
    /// timers that were.
    ///
    /// The clock is read once. Wakers and callbacks run on this thread with no lock held; one
    /// that panics keeps none of the others from running (see
    /// [`on_callback_panic`](Self::on_callback_panic)). Of what comes out of a wheel at once,
    /// the wakers are called first, so that a slow callback delays nobody who waits; what has not
    /// come out yet, other threads may fire.
    ///
    /// # Frame
    /// Each runs in the frame that registered it.
    pub fn fire(&self, first_wheel: usize) -> usize {
        if self.earliest() == NEVER {
            return 0;
        }
        self.fire_at(first_wheel, self.common.clock.now_ticks())
    }

    /// Sets what is done with the panic of a callback, or of a waker that a timer called. The
    /// default is to drop it: the process's panic hook has printed it by then.
    ///
    /// # Frame
    /// The hook runs in the frame in which the panic began.
    pub fn on_callback_panic(&self, hook: impl Fn(Box<dyn Any + Send>) + Send + Sync + 'static) {
        let previous = self
            .common
            .panic_hook
            .lock()
            .replace(Arc::new(Box::new(hook)));
        drop(previous);
    }

    /// Sets how to tell the wakers of tasks whose end is decided: they are dropped as soon as the poll
    /// that is under way returns, whether anybody wakes them or not. Polled by such a task, a future
    /// that has lost its timer is pending and does not panic. The first call counts.
    pub fn on_poll_when_closed(&self, is_ending: fn(&Waker) -> bool) {
        let _ = self.common.is_ending.set(is_ending);
    }

    /// Shuts the timers down.
    ///
    /// Every future that waits is woken. From then on, polling one of this runtime's futures
    /// whose deadline has not passed panics: it could not end any more, and a panic is heard
    /// where a hang is not. (See [`on_poll_when_closed`](Self::on_poll_when_closed) for an exception.)
    /// Callbacks that have not run are dropped, each in its frame, and those
    /// that are registered later are dropped at once.
    ///
    /// Dropping `Timers` does the same.
    pub fn close(&self) {
        self.begin_close().finish();
    }

    /// The part of [`close`](Self::close) that runs no user code. From here on every wait for a timer ends,
    /// those that are under way when the result is [finished](EndedTimers::finish).
    pub fn begin_close(&self) -> EndedTimers {
        EndedTimers {
            entries: self
                .shards
                .iter()
                .flat_map(|shard| shard.queue.close())
                .collect(),
            common: Arc::clone(&self.common),
        }
    }

    /// As [`before_park`](Self::before_park), in ticks: for models, which have no clock.
    #[doc(hidden)]
    pub fn park_until(&self) -> u64 {
        self.common.gate.park(|| self.earliest())
    }

    /// As [`fire`](Self::fire) at tick `now`: for models, which have no clock.
    #[doc(hidden)]
    pub fn fire_at(&self, first_wheel: usize, now: u64) -> usize {
        let (before, from) = self.shards.split_at(first_wheel % self.shards.len());
        from.iter().chain(before).map(|shard| shard.fire(now)).sum()
    }

    /// How many timers are armed. Takes every lock: for tests and statistics.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.queue.len()).sum()
    }

    /// Whether no timer is armed. Takes every lock: for tests and statistics.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The earliest deadline that any wheel has published.
    fn earliest(&self) -> u64 {
        self.shards
            .iter()
            .map(|shard| shard.queue.next())
            .min()
            .unwrap_or(NEVER)
    }
}

/// The timers that a close took out, and that are not notified yet; made by [`Timers::begin_close`].
/// Dropping it notifies nothing.
#[must_use = "the waiters wait until `finish`"]
pub struct EndedTimers {
    entries: Vec<TimerEntry>,
    common: Arc<TimerCommon>,
}

impl EndedTimers {
    /// Wakes every future that waits, and drops every callback.
    ///
    /// # Frame
    /// Each waker is called, and each callback dropped, in the frame that registered it.
    pub fn finish(self) {
        for entry in self.entries {
            match entry {
                TimerEntry::Waker(waker) => {
                    self.common.shield(|| waker.wake());
                }
                TimerEntry::Callback(state) => state.abandon(),
            }
        }
    }
}

impl fmt::Debug for EndedTimers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndedTimers")
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
    /// Fires what is due at tick `now`.
    fn fire(&self, now: u64) -> usize {
        let mut fired = 0;
        // What another thread publishes meanwhile it also fires, or a later call does.
        while self.queue.next() <= now {
            let mut batch = self.queue.take_due(now);
            let last = !batch.is_full();
            fired += batch.len();
            // Nobody else can wake those who are in the batch, so they do not wait for callbacks,
            // which are the user's code.
            let wakers = batch.take_those(|entry| matches!(entry, TimerEntry::Waker(_)));
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
                self.common.shield(|| waker.wake());
            }
            TimerEntry::Callback(state) => CallbackState::fire(&state),
        }
    }
}

impl TimerCommon {
    /// Whether the task of that waker needs no wake to come to its end.
    #[cold]
    pub(crate) fn is_ending(&self, waker: &Waker) -> bool {
        let is_ending = self.is_ending.get();
        is_ending.is_some_and(|is_ending| is_ending(waker))
    }

    /// Runs code of the user's: a panic goes to the hook, and not on.
    ///
    /// Says whether there was none.
    pub(crate) fn shield(&self, run: impl FnOnce()) -> bool {
        match catch_unwind(run) {
            Ok(()) => true,
            Err(caught) => {
                self.report(caught);
                false
            }
        }
    }

    #[cold]
    fn report(&self, caught: CaughtPanic) {
        let (payload, frame) = caught.into_parts();
        let hook = self.panic_hook.lock().clone();
        let reported = catch_unwind(|| match hook {
            Some(hook) => frame.run(|| hook(payload)),
            None => drop(payload),
        });
        // A value that ends with the frame may panic, too.
        let ended = catch_unwind(|| drop(frame));
        for again in [reported, ended].into_iter().filter_map(Result::err) {
            // What was thrown ends here, and its frame; what that throws in turn is leaked, as
            // dropping it could go on for ever.
            if let Err(last) = panic::catch_unwind(AssertUnwindSafe(|| drop(again))) {
                std::mem::forget(last);
            }
        }
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

    /// Wakes the driver if it would sleep past what was published. No lock may be held.
    pub(crate) fn announce(&self, published: Published) {
        let common = &*self.shard.common;
        common.gate.armed(published, || (common.unpark)());
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
