//! Virtual time: a thread whose clock stands still until it is set.
//!
//! Owns one thread-local. It is for runs on a single thread that a test tool drives: such a run
//! arms all its timers on this thread, so the time can belong to the thread. It knows no wheel. The
//! code that sets the time also fires the timers that have become due.
//!
//! An ordinary build has none of this (feature `test-util`); with the feature, reading the clock
//! first reads a thread-local.

use std::marker::PhantomData;
use std::task::{Context, Poll};

use framewise_sync::cell::Cell;

use crate::instant::Instant;

#[derive(Clone, Copy)]
struct Virtual {
    now: Instant,
    preempts: fn() -> bool,
}

framewise_sync::thread_local! {
    static VIRTUAL: Cell<Option<Virtual>> = const { Cell::new(None) };
}

/// Returns the thread's virtual time, if it has one.
#[inline]
pub(crate) fn now() -> Option<Instant> {
    VIRTUAL.with(Cell::get).map(|state| state.now)
}

/// A point at which a timer's future may let other tasks run first: it then wakes its task and is
/// pending.
#[inline]
pub(crate) fn poll_preempt(cx: &mut Context<'_>) -> Poll<()> {
    match VIRTUAL.with(Cell::get) {
        Some(state) if (state.preempts)() => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        _ => Poll::Ready(()),
    }
}

/// Keeps this thread's time virtual; dropping it restores the previous state.
pub struct VirtualTime {
    previous: Option<Virtual>,
    /// The guard must be dropped on its own thread.
    not_send: PhantomData<*const ()>,
}

impl VirtualTime {
    /// Stops this thread's clock at the current time. `preempts` decides at each poll of a timer's
    /// future whether other tasks run first.
    pub fn start(preempts: fn() -> bool) -> Self {
        let now = Instant::from_std(std::time::Instant::now());
        Self {
            previous: VIRTUAL.with(|time| time.replace(Some(Virtual { now, preempts }))),
            not_send: PhantomData,
        }
    }

    /// Advances the clock. An instant that has passed changes nothing.
    pub fn advance_to(&self, instant: Instant) {
        VIRTUAL.with(|time| {
            time.set(time.get().map(|state| Virtual {
                now: state.now.max(instant),
                ..state
            }));
        });
    }
}

impl Drop for VirtualTime {
    fn drop(&mut self) {
        VIRTUAL.with(|time| time.set(self.previous));
    }
}
