//! Virtual time: a thread whose clock stands still until it is set.
//!
//! Owns one thread-local. It is for runs on a single thread that a test tool drives: every timer
//! that such a run arms, it arms on this thread, and so the time may belong to the thread. Knows no
//! wheel. Whoever sets the time fires what has become due.
//!
//! The ordinary build has none of this (feature `test-util`); with it, reading the clock reads a
//! thread-local first.

use std::marker::PhantomData;
use std::task::{Context, Poll};
use std::time::Instant;

use framewise_sync::cell::Cell;

#[derive(Clone, Copy)]
struct Virtual {
    now: Instant,
    preempts: fn() -> bool,
}

framewise_sync::thread_local! {
    static VIRTUAL: Cell<Option<Virtual>> = const { Cell::new(None) };
}

/// The thread's virtual time, if it has one.
#[inline]
pub(crate) fn now() -> Option<Instant> {
    VIRTUAL.with(Cell::get).map(|state| state.now)
}

/// A point at which a future of the timers may let others run first: it is then woken at once.
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

/// Keeps this thread's time virtual; what it was before it is again afterwards.
pub struct VirtualTime {
    previous: Option<Virtual>,
    /// It belongs to its thread.
    not_send: PhantomData<*const ()>,
}

impl VirtualTime {
    /// Stops this thread's clock, now. `preempts` decides at each poll of a timer's future whether
    /// others run first.
    pub fn start(preempts: fn() -> bool) -> Self {
        let now = Instant::now();
        Self {
            previous: VIRTUAL.with(|time| time.replace(Some(Virtual { now, preempts }))),
            not_send: PhantomData,
        }
    }

    /// Sets the clock forward. An instant that has passed changes nothing.
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
