//! `sleep` and `sleep_until`: futures that are ready at a given time.
//!
//! Owns the three states of a sleep and the time of arming. All shared state belongs to the
//! [queue](crate::queue).

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use std::{fmt, mem};

use framewise_context::FramedWaker;
use framewise_context::coop;

use crate::clock::Clock;
use crate::current;
use crate::instant::Instant;
use crate::queue::{ArmError, Found, Rearmed};
use crate::timers::{TimerEntry, TimerHandle};
use crate::wheel::Key;

/// Waits until `duration` has passed.
///
/// The time counts from this call, not from the first poll. `Duration::MAX` waits forever.
///
/// # Panics
/// The future panics at its first poll if neither the polling thread nor the thread that made it
/// has entered a runtime. It panics if it is polled before its deadline after its runtime was shut
/// down, except in a task that this shutdown cancels and drops when its poll returns.
///
/// # Cancel safety
/// Cancel safe: dropping the future ends the wait, in O(1).
///
/// # Frame
/// The task that awaits it is in its own frame before and after.
///
/// # Examples
/// ```
/// # async fn example() {
/// use std::time::Duration;
/// framewise_timers::sleep(Duration::from_millis(100)).await;
/// # }
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    // Read the clock now: a time cached before a long poll would end the sleep early.
    let deadline = Instant::now().saturating_add(duration);
    Sleep::new(deadline, !duration.is_zero())
}

/// Waits until `deadline`. If it has passed, the future is ready at its first poll.
///
/// # Panics
/// See [`sleep`].
///
/// # Cancel safety
/// See [`sleep`].
///
/// # Frame
/// See [`sleep`].
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(deadline, false)
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// It is never ready before its deadline, and the timers usually add less than 0.1 ms. Polled again
/// after it was ready, it is ready again. It is `Unpin`: it can be polled, reset or kept in a
/// struct without pinning.
///
/// It belongs to the runtime in which it was made. If it was made outside any runtime, it belongs
/// to the one in which it is first polled.
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
/// (5 goes to Elapsed and wakes the waiting task if the new deadline has passed.)
#[derive(Clone, Copy, Debug)]
enum SleepState {
    /// In no wheel. `certain`: the deadline was in the future when it was set, so arming need not
    /// read the clock.
    Idle { certain: bool },
    /// Inserted into a wheel. It may have fired since.
    Armed(Key),
    /// The deadline has passed.
    Elapsed,
}

impl Sleep {
    fn new(deadline: Instant, certain: bool) -> Self {
        Self {
            deadline,
            handle: current::current(),
            state: SleepState::Idle { certain },
        }
    }

    /// Makes a sleep that is due at `now` but waits until its timer fires, after those of all
    /// earlier deadlines.
    #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
    pub(crate) fn due_now(handle: TimerHandle, now: Instant) -> Self {
        Self {
            deadline: now,
            handle: Some(handle),
            state: SleepState::Idle { certain: true },
        }
    }

    /// Returns the deadline. For a sleep of [`Duration::MAX`] it is the furthest instant that can
    /// be represented.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns `true` if the wait is over: the timer fired, or a poll found the deadline passed.
    ///
    /// Before the first poll it is `false`, whatever the deadline.
    pub fn is_elapsed(&self) -> bool {
        match (self.state, &self.handle) {
            (SleepState::Elapsed, _) => true,
            (SleepState::Armed(key), Some(handle)) => {
                handle.queue().inspect(key, |_| ()) == Found::Fired
            }
            _ => false,
        }
    }

    /// Returns the time of the runtime that the sleep belongs to.
    pub(crate) fn now(&self) -> Instant {
        let clock = self.handle.as_ref().map(TimerHandle::clock);
        clock.map_or_else(Instant::now, Clock::now)
    }

    /// Sets another deadline, earlier or later, in any state of the sleep.
    ///
    /// A waiting task keeps waiting and is woken at the new deadline, without another poll. A sleep
    /// that was ready can be awaited again.
    pub fn reset(&mut self, deadline: Instant) {
        self.restart(deadline, false);
    }

    /// Like [`reset`](Self::reset); `certain` means that the deadline is known to be in the future.
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
                handle.notify_driver(published);
            }
            Rearmed::Elapsed(entry) => {
                self.state = SleepState::Elapsed;
                if let TimerEntry::Waker(waker) = entry {
                    waker.wake();
                }
            }
            // It fired, so the waiting task polls again and arms it; or the timers are closed.
            Rearmed::Gone => {}
        }
    }

    /// Takes the waker out of the wheel. The next poll arms the sleep again.
    pub(crate) fn disarm(&mut self) {
        if let (SleepState::Armed(key), Some(handle)) = (self.state, &self.handle) {
            self.state = SleepState::Idle { certain: false };
            // The lock is released before the waker is dropped.
            drop(handle.queue().cancel(key));
        }
    }

    #[track_caller]
    fn poll_armed(&mut self, key: Key, waker: &Waker) -> Poll<()> {
        let queue = self
            .handle
            .as_ref()
            .expect("an armed sleep has a handle")
            .queue();
        let same = |entry: &TimerEntry| matches!(entry, TimerEntry::Waker(w) if w.will_wake(waker));
        let found = match queue.inspect(key, same) {
            Found::Armed(true) => return Poll::Pending,
            // Cloning and dropping a waker run user code, so neither happens under the lock.
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

    #[track_caller]
    fn poll_idle(&mut self, certain: bool, waker: &Waker) -> Poll<()> {
        if !certain && self.now() >= self.deadline {
            return self.elapse();
        }
        current::use_local_wheel(&mut self.handle);
        let handle = self.handle.as_ref().expect(NO_RUNTIME);
        let when = handle.clock().ticks_reached(self.deadline);
        match handle
            .queue()
            .arm(when, TimerEntry::Waker(FramedWaker::new(waker)))
        {
            Ok((key, published)) => {
                self.state = SleepState::Armed(key);
                handle.notify_driver(published);
                Poll::Pending
            }
            Err(ArmError::Elapsed(_)) => self.elapse(),
            Err(ArmError::Closed(_)) => self.poll_closed(waker),
        }
    }

    fn elapse(&mut self) -> Poll<()> {
        self.state = SleepState::Elapsed;
        Poll::Ready(())
    }

    #[cold]
    #[track_caller]
    fn poll_closed(&mut self, waker: &Waker) -> Poll<()> {
        let common = self.handle.as_ref().map(TimerHandle::common);
        let has_passed = self.now() >= self.deadline;
        if !has_passed && common.is_some_and(|common| common.is_ending(waker)) {
            return Poll::Pending;
        }
        assert!(
            has_passed,
            "the runtime of this timer was shut down before the timer's deadline: \
             await timers on a runtime that is running"
        );
        self.elapse()
    }
}

/// The panic message of a timer that finds no runtime.
pub(crate) const NO_RUNTIME: &str = "a timer needs a framewise runtime: use it in a task, in \
     `block_on`, or on a thread that has entered a runtime (`Runtime::enter`)";

impl Future for Sleep {
    type Output = ();

    // A panic is reported at the `.await`.
    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
        ready!(crate::test_clock::poll_preempt(cx));
        let this = self.get_mut();
        ready!(match this.state {
            SleepState::Idle { certain } => this.poll_idle(certain, cx.waker()),
            SleepState::Armed(key) => this.poll_armed(key, cx.waker()),
            SleepState::Elapsed => Poll::Ready(()),
        });
        // A sleep that is denied a unit stays elapsed.
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
