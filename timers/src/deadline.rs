//! Deadlines that a frame carries.
//!
//! A deadline belongs to the work: to a future and all work that it starts, tasks, blocking calls,
//! callbacks and streams included. When it passes, each operation of the runtime that starts or
//! waits there fails, with an error that says whose deadline it was. *Futures are not dropped*: the
//! code gets the error, and can roll back, reply and close.
//!
//! ```
//! # async fn load(id: u64) -> std::io::Result<String> { Ok(id.to_string()) }
//! # async fn roll_back() {}
//! use std::time::Duration;
//! use framewise_timers::deadline;
//!
//! async fn order(id: u64) -> std::io::Result<String> {
//!     let loaded = deadline::within(Duration::from_millis(80), load(id)).label("load").await;
//!     if let Err(error) = &loaded && deadline::is(error) {
//!         // Here nothing is left to wait with, so this is shielded.
//!         deadline::shield(roll_back()).await;
//!     }
//!     loaded
//! }
//! # fn example() {
//! let reply = deadline::within(Duration::from_millis(250), order(7));
//! # drop(reply);
//! # }
//! ```
//!
//! That is the difference from [`timeout`](crate::timeout()), which drops its future wherever that
//! waits, and limits neither the tasks that it has spawned nor their tasks.
//!
//! A child can only shorten: the deadline is the earlier of a future's own and that around it. A
//! deadline is one timer, however many operations it ends, and none if it is not earlier than that
//! around it. What obeys is listed in the runtime's guide; for other waits there is [`enforce`].
//! The module `cancel` ends work without a clock.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use framewise_context::control::{self, Control, ControlPlan, ControlScope, Controlled, Origin};
use pin_project_lite::pin_project;

pub use framewise_context::cancel::{Ended, Enforce, Shield, enforce, run_shielded, shield};

use crate::clock::Clock;
use crate::current;
use crate::instant::Instant;
use crate::queue::ArmError;
use crate::sleep::NO_RUNTIME;
use crate::timers::{TimerEntry, TimerHandle};
use crate::wheel::Key;

/// Runs `future` under a deadline, `duration` from this call. The output is the future's own.
///
/// The deadline is in force from the first poll, and for all work that the future starts, as long
/// as that runs. If the frame in which it is first polled has an earlier deadline, it has no
/// effect. With a duration of zero each operation fails at once.
///
/// # Panics
///
/// At the first poll, if neither the polling thread nor the thread that called this has entered a
/// runtime.
///
/// # Cancel safety
///
/// Like `future` itself, which is dropped with the result.
///
/// # Frame
///
/// The poller's frame, with the deadline.
///
/// # Examples
///
/// ```
/// # async fn example() {
/// use std::time::Duration;
/// use framewise_timers::deadline;
///
/// let reply = deadline::within(Duration::from_millis(250), async {
///     assert!(deadline::remaining().unwrap() <= Duration::from_millis(250));
///     "done"
/// });
/// assert_eq!(reply.await, "done");
/// # }
/// ```
#[track_caller]
pub fn within<F: IntoFuture>(duration: Duration, future: F) -> Within<F::IntoFuture> {
    Within::new(Instant::now().saturating_add(duration), future)
}

/// Runs `future` under the deadline `deadline`, like [`within`].
///
/// # Panics
///
/// See [`within`].
///
/// # Cancel safety
///
/// See [`within`].
///
/// # Frame
///
/// See [`within`].
#[track_caller]
pub fn at<F: IntoFuture>(deadline: Instant, future: F) -> Within<F::IntoFuture> {
    Within::new(deadline, future)
}

/// Calls `body` under a deadline, `duration` from now: [`within`] for a closure.
///
/// # Panics
///
/// If this thread has not entered a runtime.
///
/// # Frame
///
/// The current frame, with the deadline.
///
/// # Examples
///
/// ```
/// # fn example() {
/// use std::time::Duration;
/// use framewise_timers::deadline;
///
/// deadline::run(Duration::from_millis(250), || {
///     // Tasks and blocking calls that are started here are under the deadline.
///     assert!(deadline::current().is_some());
/// });
/// # }
/// ```
#[track_caller]
pub fn run<R>(duration: Duration, body: impl FnOnce() -> R) -> R {
    run_at(Instant::now().saturating_add(duration), body)
}

/// Calls `body` under the deadline `deadline`, like [`run`].
///
/// # Panics
///
/// See [`run`].
///
/// # Frame
///
/// See [`run`].
#[track_caller]
pub fn run_at<R>(deadline: Instant, body: impl FnOnce() -> R) -> R {
    DeadlinePlan::new(deadline).make().run(body)
}

/// Returns the time until the current frame's deadline: zero if it has passed, and `None` without a
/// deadline.
pub fn remaining() -> Option<Duration> {
    current().map(|deadline| deadline.duration_since(Instant::now()))
}

/// Returns the current frame's deadline.
pub fn current() -> Option<Instant> {
    control::deadline().map(Instant::from_std)
}

/// Returns an error if the work of the current frame has ended. Unlike an operation it also reads
/// the clock. It is for loops that compute.
///
/// # Errors
///
/// Returns the reason: the deadline has passed, or the scope was cancelled.
///
/// # Examples
///
/// ```
/// use framewise_timers::deadline::{self, Ended};
///
/// fn sum(numbers: &[u64]) -> Result<u64, Ended> {
///     let mut sum = 0;
///     for part in numbers.chunks(1 << 16) {
///         deadline::check()?;
///         sum += part.iter().sum::<u64>();
///     }
///     Ok(sum)
/// }
/// assert_eq!(sum(&[1, 2, 3]), Ok(6));
/// ```
pub fn check() -> Result<(), Ended> {
    control::check()?;
    match current() {
        None => Ok(()),
        Some(_) => {
            control::end_if_passed(Instant::now().into_std());
            control::check()
        }
    }
}

/// Returns `true` if `error`, or one of its sources, says that a deadline has passed. For a
/// cancelled scope it is `cancel::is`.
///
/// It looks into each [`io::Error`](std::io::Error). An error of the kind
/// [`TimedOut`](std::io::ErrorKind::TimedOut) that has another reason is none of a deadline.
pub fn is(error: &(dyn Error + 'static)) -> bool {
    Ended::find(error).is_some_and(Ended::is_deadline)
}

pin_project! {
    /// A future under a deadline: the future of [`within`] and [`at`].
    ///
    /// It is ready when the future is, with its output.
    #[must_use = "futures do nothing unless polled"]
    pub struct Within<F> {
        #[pin]
        scope: ControlScope<F, DeadlinePlan>,
    }
}

impl<F: Future> Within<F> {
    #[track_caller]
    fn new(deadline: Instant, future: impl IntoFuture<IntoFuture = F>) -> Self {
        Self {
            scope: ControlScope::new(future.into_future(), DeadlinePlan::new(deadline)),
        }
    }

    /// Gives the deadline a label, which errors show beside the place of the call.
    ///
    /// # Panics
    ///
    /// If it was polled before.
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn quote() -> std::io::Result<u64> { Ok(7) }
    /// # async fn example() {
    /// use std::time::Duration;
    /// use framewise_timers::deadline;
    ///
    /// let quote = deadline::within(Duration::from_millis(80), quote()).label("quote").await;
    /// // "the deadline `quote` (src/orders.rs:14:17) has passed"
    /// # let _ = quote;
    /// # }
    /// ```
    pub fn label(mut self, label: &'static str) -> Self {
        let plan = self.scope.plan_mut();
        plan.expect("a deadline is labeled before it is polled")
            .origin
            .label = Some(label);
        self
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    // A panic is reported at the `.await`.
    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().scope.poll(cx)
    }
}

impl<F> fmt::Debug for Within<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Within").finish_non_exhaustive()
    }
}

/// A deadline whose control is made later.
struct DeadlinePlan {
    deadline: Instant,
    origin: Origin,
    /// Of the thread that made the plan.
    handle: Option<TimerHandle>,
}

impl DeadlinePlan {
    #[track_caller]
    fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            origin: Origin::caller(None),
            handle: current::current(),
        }
    }
}

impl ControlPlan for DeadlinePlan {
    /// Makes the control and arms its timer, unless the frame's own deadline is not later.
    #[track_caller]
    fn make(mut self) -> Controlled {
        let around = Controlled::current();
        let deadline = self.deadline.into_std();
        match Control::with_deadline(around.control(), deadline, self.origin) {
            Ok(control) => {
                current::use_local_wheel(&mut self.handle);
                arm(&control, self.deadline, self.handle);
                control.into()
            }
            Err(earlier) => earlier.into(),
        }
    }
}

/// Arms the timer that ends `control`. If its deadline has passed, ends it at once.
#[track_caller]
fn arm(control: &Control, deadline: Instant, handle: Option<TimerHandle>) {
    // No waker and no callback is registered with a control that is new, so nothing is reported.
    let report = &mut |_| ();
    let now = handle.as_ref().map(TimerHandle::clock).map(Clock::now);
    if now.unwrap_or_else(Instant::now) >= deadline {
        control.target().pass(report);
        return;
    }
    let handle = handle.expect(NO_RUNTIME);
    let when = handle.clock().ticks_reached(deadline);
    let entry = TimerEntry::Control(control.target());
    match handle.queue().arm(when, entry) {
        Ok((key, published)) => {
            handle.notify_driver(published);
            control.arm(Box::new(ArmedDeadline { handle, key }));
        }
        Err(ArmError::Elapsed(_)) => _ = control.target().pass(report),
        Err(ArmError::Closed(_)) => _ = control.target().shut_down(report),
    }
}

/// The guard of a deadline's timer.
struct ArmedDeadline {
    handle: TimerHandle,
    key: Key,
}

impl Drop for ArmedDeadline {
    fn drop(&mut self) {
        // The lock is released before the entry is dropped.
        drop(self.handle.queue().cancel(self.key));
    }
}
