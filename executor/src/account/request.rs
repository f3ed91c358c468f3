//! [`measure`]: what one request costs, its children included.
//!
//! Owns the counts of a request, which its frame carries in an internal variable, so that tasks and
//! blocking calls that the request starts have them, too. Who adds to them is in `meter.rs`.

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use framewise_context::{ContextVar, Frame};
use framewise_sync::statics::{AtomicU64, Ordering};

use super::clock::{AccountClock, AccountTicks};
use super::meter;
use super::runtime::RuntimeAccount;

/// The request to which the current frame belongs.
static REQUEST: ContextVar<Arc<MeasuredRequest>> = ContextVar::new("framewise.request");

/// The counts of one request. Any thread adds to them.
pub(crate) struct MeasuredRequest {
    /// The request within which this one is measured: it gets the same counts.
    outer: Option<Arc<MeasuredRequest>>,
    busy: AtomicU64,
    blocking: AtomicU64,
    queued: AtomicU64,
    polls: AtomicU64,
    calls: AtomicU64,
    tasks: AtomicU64,
}

/// What can be counted for a request.
#[derive(Clone, Copy)]
pub(crate) enum RequestCount {
    Busy,
    Blocking,
    Queued,
    Polls,
    Calls,
    Tasks,
}

impl MeasuredRequest {
    fn new(outer: Option<Arc<MeasuredRequest>>) -> Self {
        let [busy, blocking, queued, polls, calls, tasks] = Default::default();
        Self {
            outer,
            busy,
            blocking,
            queued,
            polls,
            calls,
            tasks,
        }
    }

    /// Returns the request of a frame, which keeps it alive; null if there is none.
    pub(crate) fn of(frame: &Frame) -> *const Self {
        REQUEST.with_in(frame, |request| {
            request.map_or(std::ptr::null(), Arc::as_ptr)
        })
    }

    fn counter(&self, count: RequestCount) -> &AtomicU64 {
        match count {
            RequestCount::Busy => &self.busy,
            RequestCount::Blocking => &self.blocking,
            RequestCount::Queued => &self.queued,
            RequestCount::Polls => &self.polls,
            RequestCount::Calls => &self.calls,
            RequestCount::Tasks => &self.tasks,
        }
    }

    /// Adds to a count, here and in the requests around this one.
    pub(crate) fn add(&self, count: RequestCount, n: u64) {
        let mut next = Some(self);
        while let Some(request) = next {
            // Ordering: Relaxed. A count publishes nothing.
            request.counter(count).fetch_add(n, Ordering::Relaxed);
            next = request.outer.as_deref();
        }
    }

    fn usage(&self, clock: &AccountClock, elapsed: Duration) -> RequestUsage {
        // Ordering: Relaxed. The request's own counts come from this thread, or from threads that
        // ran its task before; those of children that still run are not complete anyway.
        let read = |count| self.counter(count).load(Ordering::Relaxed);
        RequestUsage {
            elapsed,
            busy: clock.duration(read(RequestCount::Busy)),
            blocking: clock.duration(read(RequestCount::Blocking)),
            queued: clock.duration(read(RequestCount::Queued)),
            polls: read(RequestCount::Polls),
            calls: read(RequestCount::Calls),
            tasks: read(RequestCount::Tasks),
        }
    }
}

/// Measures one request: returns the output of `future`, and what it cost together with what it
/// started: tasks that were spawned within, theirs in turn, and blocking calls.
///
/// It counts up to the moment at which `future` is ready. A child that still runs then is counted
/// up to its last poll. A measurement within another one counts for both.
///
/// # Frame
///
/// The future is polled and dropped in a frame of its own, on top of the poller's, which makes one
/// allocation, and so are its children. That is how they are found.
///
/// # Without accounting
///
/// In a runtime without [`Builder::account`](crate::runtime::Builder::account) only
/// [`elapsed`](RequestUsage::elapsed) is measured, and nothing is counted.
///
/// # Cancel safety
///
/// As cancel safe as `future`, which is dropped with this.
///
/// # Examples
///
/// ```
/// use framewise::{ContextVar, account, runtime::Builder};
///
/// static TENANT: ContextVar<&'static str> = ContextVar::new("tenant");
///
/// async fn handle() -> u64 {
///     let child = framewise::spawn(async { (0..1000).sum::<u64>() });
///     let call = framewise::spawn_blocking(|| (0..1000).sum::<u64>());
///     child.await.unwrap_or(0) + call.await.unwrap_or(0)
/// }
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Builder::new().account(&account::by(&TENANT)).build()?;
/// let (sum, usage) = runtime
///     .block_on(async { framewise::spawn(account::measure(handle())).await })
///     .expect("it neither panics nor is aborted");
/// assert_eq!(sum, 2 * 499_500);
/// assert_eq!((usage.tasks(), usage.blocking_calls()), (1, 1));
/// assert!(usage.to_string().starts_with("total;dur="));
/// # Ok(())
/// # }
/// ```
pub async fn measure<F: Future>(future: F) -> (F::Output, RequestUsage) {
    let began = Instant::now();
    let outer = REQUEST.with(|outer| outer.map(Arc::clone));
    let request = Arc::new(MeasuredRequest::new(outer));
    let mut measured = pin!(REQUEST.scope(Arc::clone(&request), future));
    let mut is_first = true;
    let output = poll_fn(|cx| {
        request.add(RequestCount::Polls, 1);
        let queued = meter::begin_measured_poll();
        if !mem::replace(&mut is_first, false) {
            request.add(RequestCount::Queued, queued);
        }
        measured.as_mut().poll(cx)
    })
    .await;
    let elapsed = began.elapsed();
    let usage = match RuntimeAccount::clock_here() {
        Some(clock) => request.usage(&clock, elapsed),
        None => RequestUsage {
            elapsed,
            ..RequestUsage::default()
        },
    };
    (output, usage)
}

/// What one request cost: the result of [`measure`].
///
/// Its [`Display`](fmt::Display) form is the value of a `Server-Timing` header, in milliseconds:
/// `total;dur=4.103, busy;dur=1.250, blocking;dur=2.000, queued;dur=0.031`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestUsage {
    elapsed: Duration,
    busy: Duration,
    blocking: Duration,
    queued: Duration,
    polls: u64,
    calls: u64,
    tasks: u64,
}

impl RequestUsage {
    /// Returns the time from the first poll of the future to its end, waits included.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Returns the time for which workers polled the request and its children.
    pub fn busy(&self) -> Duration {
        self.busy
    }

    /// Returns the time that its blocking calls took, in `spawn_blocking` and `block_in_place`.
    pub fn blocking(&self) -> Duration {
        self.blocking
    }

    /// Returns how long its tasks were runnable and waited for a worker, summed up: from the first
    /// poll of the future on.
    pub fn queued(&self) -> Duration {
        self.queued
    }

    /// Returns the number of polls: of the future, and of the tasks that it started.
    pub fn polls(&self) -> u64 {
        self.polls
    }

    /// Returns the number of blocking calls.
    pub fn blocking_calls(&self) -> u64 {
        self.calls
    }

    /// Returns the number of tasks that were spawned.
    pub fn tasks(&self) -> u64 {
        self.tasks
    }
}

impl fmt::Display for RequestUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("total", self.elapsed),
            ("busy", self.busy),
            ("blocking", self.blocking),
            ("queued", self.queued),
        ];
        for (index, (name, time)) in parts.into_iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{name};dur={:.3}", time.as_secs_f64() * 1e3)?;
        }
        Ok(())
    }
}

/// Adds ticks to a request that may be null.
///
/// # Safety
///
/// `request` is null, or that of a frame that is alive.
#[inline(always)]
pub(crate) unsafe fn add_to(request: *const MeasuredRequest, count: RequestCount, n: AccountTicks) {
    // SAFETY: the caller's promise: the frame's binding keeps the request alive.
    if let Some(request) = unsafe { request.as_ref() } {
        request.add(count, n);
    }
}
