//! `set_timeout` and `set_interval`: functions that are called at a given time.
//!
//! Owns the life cycle of a callback: which thread may take its function to run it, to arm it again
//! or to drop it. The wheel's entry and the user's handles share one [`CallbackState`]. Its lock is
//! never held while the function runs or is dropped.
//!
//! Lock order: a callback's lock, then its wheel's (when arming). No thread takes a callback's lock
//! while it holds a wheel's lock: the wheel returns its due entries first.

use std::fmt;
use std::time::Duration;

use framewise_context::Frame;
use framewise_sync::{Arc, Mutex};

use crate::clock::multiple_after;
use crate::current;
use crate::instant::Instant;
use crate::sleep::NO_RUNTIME;
use crate::timers::{CallOutcome, TimerEntry, TimerHandle};
use crate::wheel::Key;

/// Calls `callback` once, `delay` from now.
///
/// The callback runs on the thread that fires timers, usually a worker of the runtime, so it must
/// not block. For long or waiting work, spawn a task in it. A panic in it is passed to the
/// runtime's hook and affects nothing else. If the runtime shuts down first, the callback is
/// dropped without being called.
///
/// Dropping the handle does not cancel the callback; [`cancel`](TimerCallback::cancel) does.
///
/// # Panics
/// If this thread has not entered a runtime.
///
/// # Frame
/// The callback runs and is dropped in the frame in which `set_timeout` was called. The frame is
/// released when the callback has run or was canceled.
///
/// # Examples
/// ```
/// # fn example() {
/// use std::time::Duration;
///
/// let reminder = framewise_timers::set_timeout(Duration::from_secs(60), || {
///     println!("a minute has passed");
/// });
/// reminder.cancel();
/// # }
/// ```
#[track_caller]
pub fn set_timeout(delay: Duration, callback: impl FnOnce() + Send + 'static) -> TimerCallback {
    let body = CallbackBody::Once(Box::new(callback));
    register(delay, None, PanicPolicy::Stop, body)
}

/// Calls `callback` every `period`, the first time one period from now.
///
/// The schedule does not drift: calls happen at multiples of the period. A call that cannot happen
/// in time, because the callback is too slow or the runtime too busy, is skipped. Calls never
/// overlap, but they may happen on different threads. If the callback panics, it is not called
/// again; [`set_interval_with`] can change that.
///
/// Otherwise like [`set_timeout`].
///
/// # Panics
/// If `period` is zero, or this thread has not entered a runtime.
///
/// # Frame
/// Like [`set_timeout`].
#[track_caller]
pub fn set_interval(period: Duration, callback: impl FnMut() + Send + 'static) -> TimerCallback {
    set_interval_with(period, PanicPolicy::Stop, callback)
}

/// Calls `callback` every `period`, like [`set_interval`], and also after a panic if `on_panic`
/// says so.
///
/// The runtime's hook receives each panic. Calls after a panic keep the schedule: they happen at
/// multiples of the period since the registration. A `cancel` during a call that panics ends the
/// interval.
///
/// # Panics
/// If `period` is zero, or this thread has not entered a runtime.
///
/// # Frame
/// Every call, also after a panic, runs in the frame in which `set_interval_with` was called. The
/// hook runs in the frame in which the panic began. The frame is released when the interval ends.
///
/// # Examples
/// ```
/// # fn example() {
/// use std::time::Duration;
/// use framewise_timers::{PanicPolicy, set_interval_with};
///
/// let minute = Duration::from_secs(60);
/// let sweep = set_interval_with(minute, PanicPolicy::Continue, || {
///     // A sweep that panics is reported; the next one runs a minute later.
/// });
/// sweep.cancel();
/// # }
/// ```
#[track_caller]
pub fn set_interval_with(
    period: Duration,
    on_panic: PanicPolicy,
    callback: impl FnMut() + Send + 'static,
) -> TimerCallback {
    assert!(
        !period.is_zero(),
        "the period of an interval must be longer than zero"
    );
    let body = CallbackBody::Repeat(Box::new(callback));
    register(period, Some(period), on_panic, body)
}

/// The reaction of an interval to a panic of its callback: see [`set_interval_with`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PanicPolicy {
    /// Ends the interval and drops the callback. The default.
    #[default]
    Stop,
    /// Calls the callback again at the next multiple of the period.
    ///
    /// It is the same closure, in the state in which the panic left it. Locks of `std` that it held
    /// are poisoned.
    Continue,
    /// Like [`Continue`](Self::Continue) if the runtime's hook says that the panic was handled, and
    /// like [`Stop`](Self::Stop) otherwise. In framewise a panic is handled if a handler of
    /// `framewise::panics` says so.
    ContinueIfHandled,
}

impl PanicPolicy {
    fn continues_after(self, outcome: CallOutcome) -> bool {
        match outcome {
            CallOutcome::Returned => true,
            CallOutcome::Panicked => self == Self::Continue,
            CallOutcome::Handled => self != Self::Stop,
        }
    }
}

/// A callback registered by [`set_timeout`], [`set_interval`] or [`set_interval_with`]. Clones
/// refer to the same callback.
///
/// Dropping the handle does not cancel the callback.
#[derive(Clone)]
pub struct TimerCallback {
    state: Arc<CallbackState>,
}

impl TimerCallback {
    /// Prevents every later call of the callback; returns `true` if there would have been one.
    ///
    /// After this returns, the callback does not start any more. If it is running at that moment,
    /// on another thread or around this call, that run is its last. The function and the frame are
    /// released before this returns, or when that run ends.
    ///
    /// The cost is O(1), without a system call.
    pub fn cancel(&self) -> bool {
        self.state.cancel()
    }

    /// Returns `true` if the callback will be called, or called again.
    pub fn is_active(&self) -> bool {
        match &*self.state.slot.lock() {
            CallbackSlot::Waiting(_) => true,
            CallbackSlot::Taken => self.state.period.is_some(),
            CallbackSlot::Cancelled | CallbackSlot::Done => false,
        }
    }
}

impl fmt::Debug for TimerCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerCallback")
            .field("period", &self.state.period)
            .field("active", &self.is_active())
            .finish_non_exhaustive()
    }
}

/// The state that the wheel's entry and the handles of one callback share.
pub(crate) struct CallbackState {
    handle: TimerHandle,
    /// `None` for a callback that is called once.
    period: Option<Duration>,
    on_panic: PanicPolicy,
    slot: Mutex<CallbackSlot>,
}

/// ```text
///             1 arm              2 fire               3 fire ends: once, or a panic that stops it
///    Taken ──────────▶ Waiting ─────────▶ Taken ────────────────────────────────────▶ Done
///                       ▲   │             │   │                                        ▲ ▲
///                       │   │ 5 cancel,   │   │ 6 cancel              7 fire ends      │ │
///                       │   │   discard   │   └───────────▶ Cancelled ─────────────────┘ │
///                       │   └─────────────┼──────────────────────────────────────────────┘
///                       └─────────────────┘ 4 fire ends: arm again
/// ```
/// The thread that moves the slot away from `Waiting` owns the function and the frame from then on.
/// In 1 and 4 the wheel may reject the entry because the timers are closed: then the edge is 3.
enum CallbackSlot {
    /// In the wheel, or just taken out by a thread that is about to lock the slot.
    Waiting(WaitingCallback),
    /// A thread has the function, to arm it for the first time or to run it.
    Taken,
    /// A thread runs the function for the last time.
    Cancelled,
    /// The function and the frame were released.
    Done,
}

struct WaitingCallback {
    body: CallbackBody,
    frame: Frame,
    key: Key,
    due: Instant,
}

enum CallbackBody {
    Once(Box<dyn FnOnce() + Send>),
    Repeat(Box<dyn FnMut() + Send>),
}

#[track_caller]
fn register(
    after: Duration,
    period: Option<Duration>,
    on_panic: PanicPolicy,
    body: CallbackBody,
) -> TimerCallback {
    let Some(handle) = current::current() else {
        panic!("{NO_RUNTIME}")
    };
    let due = Instant::now().saturating_add(after);
    let slot = Mutex::new(CallbackSlot::Taken);
    let state = Arc::new(CallbackState {
        handle,
        period,
        on_panic,
        slot,
    });
    CallbackState::arm(&state, body, Frame::current(), due);
    TimerCallback { state }
}

impl CallbackState {
    /// Arms the callback, which the caller has taken. Releases it instead if it was canceled
    /// meanwhile or the timers are closed.
    fn arm(this: &Arc<Self>, body: CallbackBody, frame: Frame, due: Instant) {
        let when = this.handle.clock().ticks_reached(due);
        let mut slot = this.slot.lock();
        if matches!(*slot, CallbackSlot::Taken) {
            let entry = TimerEntry::Callback(Arc::clone(this));
            if let Ok((key, published)) = this.handle.queue().arm_soon(when, entry) {
                *slot = CallbackSlot::Waiting(WaitingCallback {
                    body,
                    frame,
                    key,
                    due,
                });
                drop(slot);
                return this.handle.notify_driver(published);
            }
        }
        *slot = CallbackSlot::Done;
        drop(slot);
        this.release(body, frame);
    }

    /// Runs the callback, after its wheel has returned the entry.
    pub(crate) fn fire(this: &Arc<Self>) {
        let Some(waiting) = this.take_waiting(CallbackSlot::Taken) else {
            return;
        };
        let WaitingCallback {
            body, frame, due, ..
        } = waiting;
        match body {
            CallbackBody::Once(callback) => {
                this.handle
                    .common()
                    .catch_and_report(|| frame.run(callback));
                *this.slot.lock() = CallbackSlot::Done;
                this.handle.common().catch_and_report(|| drop(frame));
            }
            CallbackBody::Repeat(mut callback) => {
                let outcome = this
                    .handle
                    .common()
                    .catch_and_report(|| frame.run(&mut callback));
                let body = CallbackBody::Repeat(callback);
                match this.period {
                    Some(period) if this.on_panic.continues_after(outcome) => {
                        let next = multiple_after(due, period, this.handle.clock().now());
                        Self::arm(this, body, frame, next);
                    }
                    _ => {
                        *this.slot.lock() = CallbackSlot::Done;
                        this.release(body, frame);
                    }
                }
            }
        }
    }

    /// Releases the callback without running it, because the timers are closed.
    pub(crate) fn discard(&self) {
        if let Some(waiting) = self.take_waiting(CallbackSlot::Done) {
            self.release(waiting.body, waiting.frame);
        }
    }

    fn cancel(&self) -> bool {
        // Decide under one lock: if the slot were unlocked in between, a run could end and arm the
        // callback again.
        let mut slot = self.slot.lock();
        let waiting = match std::mem::replace(&mut *slot, CallbackSlot::Done) {
            CallbackSlot::Waiting(waiting) => waiting,
            CallbackSlot::Taken => {
                *slot = CallbackSlot::Cancelled;
                return self.period.is_some();
            }
            over => {
                *slot = over;
                return false;
            }
        };
        drop(slot);
        // The entry may be out already, on a thread that is about to find the slot empty.
        drop(self.handle.queue().cancel(waiting.key));
        self.release(waiting.body, waiting.frame);
        true
    }

    /// Moves the slot from `Waiting` to `to`, and leaves it unchanged if it is in another state.
    fn take_waiting(&self, to: CallbackSlot) -> Option<WaitingCallback> {
        let mut slot = self.slot.lock();
        match std::mem::replace(&mut *slot, to) {
            CallbackSlot::Waiting(waiting) => Some(waiting),
            other => {
                *slot = other;
                None
            }
        }
    }

    /// Drops the function in its frame, and then the frame. No lock is held.
    fn release(&self, body: CallbackBody, frame: Frame) {
        self.handle
            .common()
            .catch_and_report(|| frame.run(|| drop(body)));
        self.handle.common().catch_and_report(|| drop(frame));
    }
}
