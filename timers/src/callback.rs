//! `set_timeout` and `set_interval`: functions that are called when their time has come.
//!
//! Owns a callback's life: who may take its function to run it, to arm it again or to drop it. The
//! wheel's entry and the user's handles share one [`CallbackState`]; its lock is never held while
//! the function runs or is dropped.
//!
//! Lock order: a callback's lock, then its wheel's (when arming). A wheel's lock is never held
//! while a callback's is taken: the wheel gives its entries out first.

use std::fmt;
use std::time::{Duration, Instant};

use framewise_context::Frame;
use framewise_sync::{Arc, Mutex};

use crate::ambient;
use crate::clock::{Clock, add_saturating, multiple_after};
use crate::sleep::NO_RUNTIME;
use crate::timers::{TimerEntry, TimerHandle};
use crate::wheel::Key;

/// Calls `callback` once, `delay` from now.
///
/// It runs on the thread that fires timers, most often a worker of the runtime: it must not
/// block. For work that takes long, or that waits, spawn a task in it. A panic in it goes to the
/// runtime's hook and does no harm to others. When the runtime shuts down before its time, it is
/// dropped without being called.
///
/// Dropping the handle changes nothing: the callback will be called. To prevent that,
/// [`cancel`](TimerCallback::cancel) it.
///
/// # Panics
/// If this thread has not entered a runtime.
///
/// # Frame
/// The callback runs in the frame in which `set_timeout` was called, and is dropped in it. The
/// frame is let go when the callback has run or was cancelled.
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
/// Its pace does not drift: it is called at multiples of the period. Those that it is too slow
/// for, or that the runtime is too busy for, are left out. It is never called twice at the same
/// time, but it may be called on different threads. If it panics, it is not called again; with
/// [`set_interval_with`] it can be.
///
/// Everything else is as with [`set_timeout`].
///
/// # Panics
/// If `period` is zero, or this thread has not entered a runtime.
///
/// # Frame
/// As [`set_timeout`].
#[track_caller]
pub fn set_interval(period: Duration, callback: impl FnMut() + Send + 'static) -> TimerCallback {
    set_interval_with(period, PanicPolicy::Stop, callback)
}

/// Calls `callback` every `period`, as [`set_interval`] does, also after a panic if `on_panic` is
/// [`PanicPolicy::Continue`].
///
/// The runtime's hook gets each of its panics. The calls after a panic keep to the schedule: they
/// are at multiples of the period since the registration. A `cancel` during a call that panics ends
/// the interval.
///
/// # Panics
/// If `period` is zero, or this thread has not entered a runtime.
///
/// # Frame
/// Every call, after a panic too, is in the frame in which `set_interval_with` was called. The
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
///     // A sweep that panics is reported, and the next one comes a minute later.
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

/// What an interval does after a panic of its callback: see [`set_interval_with`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PanicPolicy {
    /// The interval ends: the callback is dropped. The default.
    #[default]
    Stop,
    /// The callback is called again at the next multiple of the period.
    ///
    /// It is the same closure, with what it owns as the panic left it. Locks of `std` that it held
    /// are poisoned.
    Continue,
}

/// A callback that was registered by [`set_timeout`], [`set_interval`] or [`set_interval_with`].
/// Clones name the same.
///
/// Dropping it leaves the callback as it is.
#[derive(Clone)]
pub struct TimerCallback {
    state: Arc<CallbackState>,
}

impl TimerCallback {
    /// Prevents every later call of the callback. Says whether there would have been one.
    ///
    /// When this returns, the callback will not begin to run any more. If it is running at that
    /// moment on another thread, or this was called from within it, that run is its last. Its
    /// function and its frame are let go before this returns, or when that run ends.
    ///
    /// It costs no system call and no search.
    pub fn cancel(&self) -> bool {
        self.state.cancel()
    }

    /// Whether the callback will be called, or called again.
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

/// What the wheel's entry and the handles of one callback share.
pub(crate) struct CallbackState {
    handle: TimerHandle,
    /// `None`: it is called once.
    period: Option<Duration>,
    on_panic: PanicPolicy,
    slot: Mutex<CallbackSlot>,
}

/// ```text
///             1 arm              2 fire               3 fire ends: once, or a panic that stops it
///    Taken ──────────▶ Waiting ─────────▶ Taken ────────────────────────────────────▶ Done
///                       ▲   │             │   │                                        ▲ ▲
///                       │   │ 5 cancel,   │   │ 6 cancel              7 fire ends      │ │
///                       │   │   abandon   │   └───────────▶ Cancelled ─────────────────┘ │
///                       │   └─────────────┼──────────────────────────────────────────────┘
///                       └─────────────────┘ 4 fire ends: arm again
/// ```
/// Who moves the slot away from `Waiting` owns the function and the frame from then on. In 1 and
/// 4 arming may be refused, because the timers are closed: then it is 3.
enum CallbackSlot {
    /// In the wheel, or just taken out of it by a thread that is about to look here.
    Waiting(WaitingCallback),
    /// A thread has the function: to arm it for the first time, or to run it.
    Taken,
    /// A thread runs the function, for the last time.
    Cancelled,
    /// The function and the frame are gone.
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
    let Some(handle) = ambient::current() else {
        panic!("{NO_RUNTIME}")
    };
    let due = add_saturating(Clock::now(), after);
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
    /// Puts the callback, which the caller has taken, into its wheel. Lets it go instead if it
    /// was cancelled meanwhile or the timers are closed.
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
                return this.handle.announce(published);
            }
        }
        *slot = CallbackSlot::Done;
        drop(slot);
        this.release(body, frame);
    }

    /// Runs the callback, which its wheel has given out.
    pub(crate) fn fire(this: &Arc<Self>) {
        let Some(waiting) = this.take_waiting(CallbackSlot::Taken) else {
            return;
        };
        let WaitingCallback {
            body, frame, due, ..
        } = waiting;
        match body {
            CallbackBody::Once(callback) => {
                this.handle.common().shield(|| frame.run(callback));
                *this.slot.lock() = CallbackSlot::Done;
                this.handle.common().shield(|| drop(frame));
            }
            CallbackBody::Repeat(mut callback) => {
                let returned = this.handle.common().shield(|| frame.run(&mut callback));
                let body = CallbackBody::Repeat(callback);
                match this.period {
                    Some(period) if returned || this.on_panic == PanicPolicy::Continue => {
                        let next = multiple_after(due, period, Clock::now());
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

    /// Lets the callback go without running it: the timers are closed.
    pub(crate) fn abandon(&self) {
        if let Some(waiting) = self.take_waiting(CallbackSlot::Done) {
            self.release(waiting.body, waiting.frame);
        }
    }

    fn cancel(&self) -> bool {
        // One look decides: between two, a run could end and arm the callback again.
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
        // It may have come out already, on a thread that is about to find the slot empty.
        drop(self.handle.queue().cancel(waiting.key));
        self.release(waiting.body, waiting.frame);
        true
    }

    /// Moves the slot from `Waiting` to `to`; else leaves it.
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
        self.handle.common().shield(|| frame.run(|| drop(body)));
        self.handle.common().shield(|| drop(frame));
    }
}
