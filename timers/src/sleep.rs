//! `sleep` and `sleep_until`: a future that is ready when its time has come.
//!
//! Owns the three states of a sleep and when it is armed. Everything shared is the
//! [queue](crate::queue)'s.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};
use std::{fmt, mem};

use framewise_context::FramedWaker;
use framewise_context::coop;

use crate::ambient;
use crate::clock::{Clock, add_saturating};
use crate::queue::{Found, Rearmed, Refused};
use crate::timers::{TimerEntry, TimerHandle};
use crate::wheel::Key;

/// Waits until `duration` has passed.
///
/// The time counts from this call, not from the first poll. `Duration::MAX` waits for ever.
///
/// # Panics
/// The future panics when it is first polled if neither that thread nor the one that made it has
/// entered a runtime, and when it is polled before its time after its runtime was shut down (but for
/// a task that is cancelled by that shutdown, and dropped when its poll returns).
///
/// # Cancel safety
/// Dropping the future ends the wait, at a cost that depends on nothing else.
///
/// # Frame
/// The task that awaits is in its own frame before and after.
///
/// # Examples
/// ```
/// # async fn example() {
/// use std::time::Duration;
/// framewise_timers::sleep(Duration::from_millis(100)).await;
/// # }
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    // A time that was cached before a long poll would end the sleep early.
    let deadline = add_saturating(Clock::now(), duration);
    Sleep::new(deadline, !duration.is_zero())
}

/// Waits until `deadline`. One that has passed is ready when first polled.
///
/// # Panics
/// As [`sleep`].
///
/// # Cancel safety
/// As [`sleep`].
///
/// # Frame
/// As [`sleep`].
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(deadline, false)
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// It is never ready before its deadline, and most often less than 0.1 ms after it, as far as the
/// timers are concerned. Polled again when it was ready, it is ready again. It is `Unpin`: it
/// need not be pinned to be polled, reset or kept in a struct.
///
/// It belongs to the runtime in which it was made, or, if it was made outside of any, to the one
/// in which it is first polled.
#[must_use = "a sleep does nothing unless it is polled"]
pub struct Sleep {
    deadline: Instant,
    handle: Option<TimerHandle>,
    state: SleepState,
}

/// ```text
///            2 poll                3 poll, once fired
///   Idle ──────────────▶ Armed ──────────────────────▶ Elapsed
///    │ ▲                 │  │ ▲                           │
///    │ │  4 reset, fired │  └─┘ 5 reset                   │
///    │ │  7 disarm       │                                │
///    │ └─────────────────┘                                │
///    └──── 2 poll, of a deadline that has passed ────────▶│
///      ◀──────────────── 6 reset ─────────────────────────┘
/// ```
/// (5 goes to Elapsed and wakes whoever waits where the new deadline has passed.)
#[derive(Clone, Copy, Debug)]
enum SleepState {
    /// In no wheel. `certain`: the deadline was in the future when it was set, so that arming
    /// need not look at the clock.
    Idle { certain: bool },
    /// Put into a wheel. It may have fired since.
    Armed(Key),
    /// The deadline has passed.
    Elapsed,
}

impl Sleep {
    fn new(deadline: Instant, certain: bool) -> Self {
        Self {
            deadline,
            handle: ambient::current(),
            state: SleepState::Idle { certain },
        }
    }

    /// When the sleep ends. Of a sleep of [`Duration::MAX`], the furthest instant that there is.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the deadline has passed. Polling need not have noticed yet.
    pub fn is_elapsed(&self) -> bool {
        matches!(self.state, SleepState::Elapsed) || Clock::now() >= self.deadline
    }

    /// Sets another deadline, earlier or later, whatever has become of the old one.
    ///
    /// A task that waits keeps waiting: it is woken at the new deadline, without polling again.
    /// A sleep that was ready can be awaited anew.
    pub fn reset(&mut self, deadline: Instant) {
        self.restart(deadline, false);
    }

    /// As [`reset`](Self::reset); `certain` says that the deadline is known to be in the future.
    pub(crate) fn restart(&mut self, deadline: Instant, certain: bool) {
        self.deadline = deadline;
        let previous = mem::replace(&mut self.state, SleepState::Idle { certain });
        let (SleepState::Armed(key), Some(handle)) = (previous, &self.handle) else {
            return;
        };
        match handle
            .queue()
            .rearm(key, handle.clock().ticks_reached(deadline))
        {
            Rearmed::Armed(key, published) => {
                self.state = SleepState::Armed(key);
                handle.announce(published);
            }
            Rearmed::Elapsed(entry) => {
                self.state = SleepState::Elapsed;
                if let TimerEntry::Waker(waker) = entry {
                    waker.wake();
                }
            }
            // It fired, so that whoever waited polls again and arms it; or the timers are closed.
            Rearmed::Gone => {}
        }
    }

    /// Takes the waker out of the wheel. The next poll arms the sleep again.
    pub(crate) fn disarm(&mut self) {
        if let (SleepState::Armed(key), Some(handle)) = (self.state, &self.handle) {
            self.state = SleepState::Idle { certain: false };
            // The lock is free again when the waker is dropped.
            drop(handle.queue().cancel(key));
        }
    }

    fn poll_armed(&mut self, key: Key, waker: &Waker) -> Poll<()> {
        let queue = self
            .handle
            .as_ref()
            .expect("what is armed has a handle")
            .queue();
        let same = |entry: &TimerEntry| matches!(entry, TimerEntry::Waker(w) if w.will_wake(waker));
        let found = match queue.look(key, same) {
            Found::Armed(true) => return Poll::Pending,
            // Cloning a waker is user code, and so is dropping one: neither under the lock.
            Found::Armed(false) => queue.swap(key, &mut TimerEntry::Waker(FramedWaker::new(waker))),
            Found::Fired => Found::Fired,
            Found::Closed => Found::Closed,
        };
        match found {
            Found::Armed(()) => Poll::Pending,
            Found::Fired => self.elapse(),
            Found::Closed => self.poll_closed(waker),
        }
    }

    fn poll_idle(&mut self, certain: bool, waker: &Waker) -> Poll<()> {
        if !certain && Clock::now() >= self.deadline {
            return self.elapse();
        }
        ambient::localise(&mut self.handle);
        let handle = self.handle.as_ref().expect(NO_RUNTIME);
        let when = handle.clock().ticks_reached(self.deadline);
        match handle
            .queue()
            .arm(when, TimerEntry::Waker(FramedWaker::new(waker)))
        {
            Ok((key, published)) => {
                self.state = SleepState::Armed(key);
                handle.announce(published);
                Poll::Pending
            }
            Err(Refused::Elapsed(_)) => self.elapse(),
            Err(Refused::Closed(_)) => self.poll_closed(waker),
        }
    }

    fn elapse(&mut self) -> Poll<()> {
        self.state = SleepState::Elapsed;
        Poll::Ready(())
    }

    #[cold]
    fn poll_closed(&mut self, waker: &Waker) -> Poll<()> {
        let common = self.handle.as_ref().map(TimerHandle::common);
        if !self.is_elapsed() && common.is_some_and(|common| common.is_ending(waker)) {
            return Poll::Pending;
        }
        assert!(
            self.is_elapsed(),
            "the runtime of this timer was shut down before the timer's deadline: \
             await timers on a runtime that is running"
        );
        self.elapse()
    }
}

/// What is said where a timer finds no runtime.
pub(crate) const NO_RUNTIME: &str = "a timer needs a framewise runtime: use it in a task, in \
     `block_on`, or on a thread that has entered a runtime (`Runtime::enter`)";

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
        ready!(crate::virtual_time::poll_preempt(cx));
        let this = self.get_mut();
        ready!(match this.state {
            SleepState::Idle { certain } => this.poll_idle(certain, cx.waker()),
            SleepState::Armed(key) => this.poll_armed(key, cx.waker()),
            SleepState::Elapsed => Poll::Ready(()),
        });
        // A sleep that is denied stays elapsed.
        coop::poll_spend(cx)
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.disarm();
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
