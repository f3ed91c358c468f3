//! The clock of a test: one that can be stopped, moved and started again.
//!
//! Owns the state of such a clock, and the functions by which a test moves it, whose names and
//! meaning are tokio's. It belongs to a runtime: a thread sees the time of the runtime that it has
//! entered. When a stopped clock jumps to the next timer is the executor's decision
//! ([`Timers::jump`](crate::Timers::jump)), and so is what a seeded run chooses.
//!
//! An ordinary build has none of this (feature `test-util`). With the feature, reading the time
//! first loads a static, which is `false` until a clock is stopped.
//!
//! # Exactness
//! A clock that can be stopped counts ticks of one nanosecond, and the wheel has as many levels as
//! it takes. So nothing is rounded: a stopped clock that jumps to a timer shows that timer's
//! deadline.
//!
//! # The park protocol
//! It is unchanged (see [`park_state`](crate::park_state)): a deadline is armed, published and
//! compared as ever, and a stopped clock only makes the driver's wait longer or shorter than the
//! deadline says. A thread that stops, moves or starts the clock wakes the driver, which then looks
//! at the clock again before it waits.
//!
//! The lock and the static are `std`'s, since models have no test clock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::current;
use crate::instant::Instant;
use crate::sleep::Sleep;
use crate::timers::TimerHandle;

/// `true` if any clock of the process was ever stopped.
static ANY_STOPPED: AtomicBool = AtomicBool::new(false);

/// The end of a wait that has none, counted from its beginning, on a paused clock: thirty years, as
/// in tokio, so that a test that has nothing else to wait for ends.
const ENDLESS: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// A clock that can be stopped.
pub(crate) struct TestClock {
    reading: Mutex<Reading>,
    /// Set if a seeded run moves the clock: decides at each poll of a timer's future whether other
    /// tasks run first.
    preempts: OnceLock<fn() -> bool>,
}

/// ```text
///              1 stop                    2 start
///   System ─────────────▶ Stopped ────────────────▶ Moved
///                         │   ▲ ▲                     │
///                         └───┘ └─────────────────────┘
///                     3 move_by, move_to      1 stop
/// ```
#[derive(Clone, Copy)]
enum Reading {
    /// The system's time.
    System,
    /// Always this instant.
    Stopped(Instant),
    /// The instant `shown`, plus the system's time since `since`.
    Moved { shown: Instant, since: Instant },
}

impl TestClock {
    /// Makes a clock that shows the system's time.
    pub(crate) fn new() -> Self {
        Self {
            reading: Mutex::new(Reading::System),
            preempts: OnceLock::new(),
        }
    }

    /// Returns the time; `None` if it is the system's.
    pub(crate) fn now(&self) -> Option<Instant> {
        if !any_stopped() {
            return None;
        }
        self.lock().now()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        any_stopped() && matches!(*self.lock(), Reading::Stopped(_))
    }

    /// Stops the clock at the current time. Returns `false` if it was stopped.
    pub(crate) fn stop(&self) -> bool {
        let mut reading = self.lock();
        if let Reading::Stopped(_) = *reading {
            return false;
        }
        let now = reading.now().unwrap_or_else(system_now);
        *reading = Reading::Stopped(now);
        // Ordering: Relaxed. A thread that knows of the stop sees the store; to the others the
        // clock may be stopped a little later.
        ANY_STOPPED.store(true, Ordering::Relaxed);
        true
    }

    /// Stops the clock for good, for a seeded run.
    pub(crate) fn drive(&self, preempts: fn() -> bool) {
        let _ = self.preempts.set(preempts);
        self.stop();
    }

    /// Lets a stopped clock go on from the time that it shows. Returns `false` if it was not
    /// stopped.
    fn start(&self) -> bool {
        let mut reading = self.lock();
        let Reading::Stopped(shown) = *reading else {
            return false;
        };
        let since = system_now();
        *reading = Reading::Moved { shown, since };
        true
    }

    /// Moves a stopped clock to `instant`, unless that has passed.
    pub(crate) fn move_to(&self, instant: Instant) {
        if let Reading::Stopped(now) = &mut *self.lock() {
            *now = instant.max(*now);
        }
    }

    /// Moves a stopped clock forward; returns the time that it shows then, and `None` if it is not
    /// stopped.
    fn move_by(&self, duration: Duration) -> Option<Instant> {
        match &mut *self.lock() {
            Reading::Stopped(now) => {
                *now = now
                    .checked_add(duration)
                    .expect("the time was advanced beyond what the platform can represent");
                Some(*now)
            }
            _ => None,
        }
    }

    fn is_driven(&self) -> bool {
        self.preempts.get().is_some()
    }

    /// A panic with the lock held leaves the reading whole.
    fn lock(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    fn now(self) -> Option<Instant> {
        match self {
            Self::System => None,
            Self::Stopped(now) => Some(now),
            Self::Moved { shown, since } => Some(shown.saturating_add(system_now() - since)),
        }
    }
}

fn system_now() -> Instant {
    Instant::from_std(std::time::Instant::now())
}

fn any_stopped() -> bool {
    // Ordering: Relaxed, see the store.
    ANY_STOPPED.load(Ordering::Relaxed)
}

/// Calls `f` with the clock of this thread's runtime, if that has one that can be stopped.
fn with_current<R>(f: impl FnOnce(&TestClock) -> Option<R>) -> Option<R> {
    current::with(|handle| f(handle?.clock().test_clock()?))
}

/// Returns this thread's time; `None` if it is the system's.
#[inline]
pub(crate) fn now() -> Option<Instant> {
    if !any_stopped() {
        return None;
    }
    with_current(TestClock::now)
}

/// Returns the instant that stands for one that cannot be represented, on a paused clock.
pub(crate) fn endless(from: Instant) -> Option<Instant> {
    let is_paused = |clock: &TestClock| (clock.is_stopped() && !clock.is_driven()).then_some(());
    with_current(is_paused)?;
    from.checked_add(ENDLESS)
}

/// A point at which a timer's future may let other tasks run first: it then wakes its task and is
/// pending.
#[inline]
pub(crate) fn poll_preempt(cx: &mut Context<'_>) -> Poll<()> {
    if any_stopped()
        && let Some(preempts) = with_current(|clock| clock.preempts.get().copied())
        && preempts()
    {
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    Poll::Ready(())
}

/// Stops the time of the runtime that this thread has entered.
///
/// [`Instant::now`] then returns the same instant until the time is moved: by [`advance`], by
/// [`resume`], or by the runtime itself. When it has nothing else to do, it moves the time to the
/// next timer instead of waiting for it (*auto-advance*), so that hours pass at once. While a call
/// runs on the blocking pool, it waits for that call instead.
///
/// Deadlines are met exactly: a task that slept for 5 ms sees 5 ms passed. (tokio rounds up to
/// milliseconds.) A wait without end, such as a sleep of `Duration::MAX`, ends after thirty years.
/// What other threads will do, those of `Builder::tokio_compat` for example, is not waited for.
///
/// The clock of the system, `std::time::Instant`, goes on.
///
/// # Panics
/// If this thread has not entered a current-thread runtime: where several threads run tasks, there
/// is no moment at which all have nothing to do. If the time is paused already; in a seeded run it
/// always is.
///
/// # Frame
/// What is due when the time moves runs in its own frame, as always.
///
/// # Examples
/// ```
/// # use framewise_timers::{Instant, pause, sleep};
/// use std::time::Duration;
///
/// # async fn example() {
/// pause();
/// let start = Instant::now();
/// sleep(Duration::from_secs(3600)).await; // returns at once
/// assert_eq!(start.elapsed(), Duration::from_secs(3600));
/// # }
/// ```
#[track_caller]
pub fn pause() {
    let handle = pausable();
    let stopped = test_clock_of(&handle).stop();
    assert!(
        stopped,
        "{}",
        refusal(&handle, "the time is already paused")
    );
    handle.wake_driver();
}

/// Lets the time of this thread's runtime go on, after a [`pause`], from the instant that it shows.
///
/// # Panics
/// If the time is not paused; and like [`pause`], also in a seeded run.
///
/// # Examples
/// ```
/// # use framewise_timers::{Instant, advance, pause, resume};
/// use std::time::Duration;
///
/// # async fn example() {
/// pause();
/// let start = Instant::now();
/// advance(Duration::from_secs(10)).await;
/// resume();
/// assert!(start.elapsed() >= Duration::from_secs(10));
/// # }
/// ```
#[track_caller]
pub fn resume() {
    let handle = pausable();
    let clock = test_clock_of(&handle);
    let refused = clock.is_driven() || !clock.start();
    assert!(!refused, "{}", refusal(&handle, NOT_PAUSED));
    handle.wake_driver();
}

/// Moves the paused time of this thread's runtime forward.
///
/// All timers that are due by then fire in the order of their deadlines before the future is ready,
/// and the tasks that they wake have had a turn. (Awaited in a task of a `LocalSet`, it gives a
/// turn to that set's tasks alone.) All of them see the new time. To see each timer at its own
/// deadline, [`sleep`](crate::sleep()) for the duration instead: auto-advance then stops at each.
///
/// In a seeded run the time moves, too. There timers of equal deadlines, and the tasks, run in the
/// order of the seed.
///
/// # Panics
/// The future panics at its first poll if the time is not paused, if this thread has not entered a
/// current-thread runtime, or if the platform cannot represent the new time.
///
/// # Cancel safety
/// The time has moved after the first poll, even if the future is dropped then.
///
/// # Frame
/// Each timer fires in the frame that registered it.
///
/// # Examples
/// ```
/// # use framewise_timers::{Instant, advance, pause};
/// use std::time::Duration;
///
/// # async fn example() {
/// pause();
/// let start = Instant::now();
/// advance(Duration::from_millis(1_500)).await;
/// assert_eq!(start.elapsed(), Duration::from_millis(1_500));
/// # }
/// ```
pub async fn advance(duration: Duration) {
    let handle = pausable();
    let moved = test_clock_of(&handle).move_by(duration);
    let now = moved.unwrap_or_else(|| panic!("{NOT_PAUSED}"));
    handle.wake_driver();
    // A timer that is due now fires after all that were due before.
    Sleep::due_now(handle, now).await;
    // The tasks that were woken before this one have their turn.
    let mut has_yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

const NOT_PAUSED: &str = "the time is not paused: call `time::pause` first";

/// Returns this thread's handle, whose clock can be stopped.
#[track_caller]
fn pausable() -> TimerHandle {
    let Some(handle) = current::current() else {
        panic!(
            "the time is paused in a runtime: use it in a task, in `block_on`, or on a thread \
             that has entered one (`Runtime::enter`)"
        )
    };
    assert!(
        handle.clock().test_clock().is_some(),
        "the time can be paused in a current-thread runtime only \
         (`Builder::new_current_thread`): where several threads run tasks, there is no moment at \
         which all of them have nothing to do"
    );
    handle
}

fn test_clock_of(handle: &TimerHandle) -> &TestClock {
    let clock = handle.clock().test_clock();
    clock.expect("it is checked when the handle is taken")
}

/// Returns the message of a panic: `otherwise`, unless the clock belongs to a seeded run.
fn refusal(handle: &TimerHandle, otherwise: &'static str) -> &'static str {
    if test_clock_of(handle).is_driven() {
        "the time of a seeded run (framewise::test) is virtual from its start to its end"
    } else {
        otherwise
    }
}
