//! Cancelling the work of a frame.
//!
//! A **scope** is a closure or a future and all work that it starts: tasks, blocking calls,
//! callbacks, streams. Its **handle** ends this work, from anywhere. So does a deadline (the module
//! `deadline` of the runtime), which is a cancel by the clock; the functions here notice both.
//!
//! *Operations fail, and futures are not dropped*. After the end, each operation of the runtime
//! that starts or waits in the scope returns an error, and so the code runs to its own end: it can
//! roll back, reply, close. It does that under a [`shield`], in which operations work again. What
//! obeys is listed in the runtime's guide. A future of another crate knows nothing of this, and
//! waits on; [`enforce`] drops it at the end.
//!
//! An end flows down only. Scopes nest, and a child can only shorten: work is ended by the first of
//! its own scope, those around, and their deadlines.
//!
//! ```
//! use framewise_context::cancel;
//!
//! let (handle, scope) = cancel::scope();
//! scope.run(|| {
//!     assert!(!cancel::is_cancelled());
//!     handle.cancel_with("the client has gone");
//!     let reason = cancel::cause().expect("it was cancelled");
//!     assert!(reason.to_string().ends_with("was cancelled: the client has gone"));
//! });
//! assert!(!cancel::is_cancelled(), "not in the scope");
//! ```
//!
//! # Costs
//!
//! A scope is one allocation, or two within another scope or a deadline. A waiting operation keeps
//! one entry in it. Where there is neither scope nor deadline, an operation pays one test of a
//! pointer. The memory of a scope lives as long as work below it.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::control::{
    self, Cause, Control, ControlPlan, ControlScope, ControlTarget, ControlWait, Controlled, Origin,
};

pub use crate::control::{Ended, Enforce, OnCancel};

/// Makes a scope that can be cancelled, and its handle.
///
/// # Examples
///
/// ```
/// use framewise_context::cancel;
///
/// let (handle, scope) = cancel::scope();
/// let work = scope.scope(async {
///     let reason = cancel::cancelled().await;
///     reason.is_deadline()
/// });
/// handle.cancel();
/// assert!(!futures::executor::block_on(work));
/// ```
#[track_caller]
pub fn scope() -> (CancelHandle, CancelScope) {
    new_scope(None)
}

/// Like [`scope`], with a label, which errors show.
///
/// # Examples
///
/// ```
/// use framewise_context::cancel;
///
/// let (handle, scope) = cancel::scope_labeled("upload");
/// handle.cancel();
/// let reason = scope.run(cancel::cause).expect("it was cancelled");
/// assert_eq!(reason.label(), Some("upload"));
/// ```
#[track_caller]
pub fn scope_labeled(label: &'static str) -> (CancelHandle, CancelScope) {
    new_scope(Some(label))
}

#[track_caller]
fn new_scope(label: Option<&'static str>) -> (CancelHandle, CancelScope) {
    let control = Control::new_scope(Origin::caller(label));
    let handle = CancelHandle {
        target: control.target(),
    };
    (handle, CancelScope { control })
}

/// Cancels a [scope](scope()). Clones cancel the same scope.
///
/// Dropping it cancels nothing. It keeps neither frames nor the work alive.
#[derive(Clone)]
pub struct CancelHandle {
    target: ControlTarget,
}

impl CancelHandle {
    /// Ends the work in the scope; returns `false` if it has ended already.
    ///
    /// It returns when all waits were woken and all [callbacks](on_cancel) have run, on this
    /// thread.
    ///
    /// # Panics
    ///
    /// If a callback or the waker of another executor panics, when all others were called.
    ///
    /// # Frame
    ///
    /// Each callback runs in the frame that registered it.
    pub fn cancel(&self) -> bool {
        self.target.cancel(None)
    }

    /// Like [`cancel`](Self::cancel), with a cause, which errors show and have as their source.
    ///
    /// # Panics
    ///
    /// See [`cancel`](Self::cancel).
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::cancel;
    ///
    /// let (handle, scope) = cancel::scope();
    /// handle.cancel_with(std::io::Error::other("the disk is full"));
    /// let reason = scope.run(cancel::cause).expect("it was cancelled");
    /// assert_eq!(reason.cause().expect("it has one").to_string(), "the disk is full");
    /// ```
    pub fn cancel_with(&self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> bool {
        self.target.cancel(Some(Cause::from(cause.into())))
    }

    /// Returns `true` if the scope was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.target.ended().is_some()
    }
}

impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelHandle")
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// A scope that a [`CancelHandle`] cancels. Made by [`scope`](scope()).
///
/// It can run any number of closures and futures, and can be cloned: all of it is cancelled at
/// once. What runs in it ends also with the work of the frame in which it runs.
///
/// Each run has a node below that of the scope around it, and keeps that one. So a chain of tasks,
/// each of which makes a scope and spawns the next one in it, keeps some 600 bytes for each task
/// that it had. Make the next scope in a [`shield`], if it need not end with the others.
#[derive(Clone, Debug)]
pub struct CancelScope {
    control: Control,
}

impl CancelScope {
    fn controlled(&self) -> Controlled {
        let around = Controlled::current();
        Controlled::from(self.control.below(around.control()))
    }

    /// Runs `body` in this scope.
    ///
    /// # Frame
    ///
    /// The current frame, with the scope.
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn run<R>(&self, body: impl FnOnce() -> R) -> R {
        self.controlled().run(body)
    }

    /// Wraps a future so that it runs in this scope: with its tasks, and their tasks.
    ///
    /// # Frame
    ///
    /// The poller's frame, with the scope. It is below the scopes and deadlines of the frame in
    /// which it is first polled.
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn scope<F: IntoFuture>(&self, future: F) -> Cancellable<F::IntoFuture> {
        Cancellable {
            scope: ControlScope::new(future.into_future(), CancelPlan(self.clone())),
        }
    }
}

struct CancelPlan(CancelScope);

impl ControlPlan for CancelPlan {
    fn make(self) -> Controlled {
        self.0.controlled()
    }
}

pin_project! {
    /// A future in a scope that can be cancelled: the future of [`CancelScope::scope`].
    ///
    /// It is ready when the future is, with its output. A cancel does not drop the future.
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct Cancellable<F> {
        #[pin]
        scope: ControlScope<F, CancelPlan>,
    }
}

impl<F: Future> Future for Cancellable<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().scope.poll(cx)
    }
}

/// Returns `true` if the work of the current frame has ended: by a cancel or a deadline, its own or
/// of a scope around.
///
/// It does not read the clock, unlike `deadline::check`.
pub fn is_cancelled() -> bool {
    control::check().is_err()
}

/// Returns the reason for which the work of the current frame has ended, if it has.
pub fn cause() -> Option<Ended> {
    control::ended()
}

/// Returns `true` if `error`, or one of its sources, says that a scope was cancelled. For a
/// deadline it is `deadline::is`.
///
/// # Examples
///
/// ```
/// use framewise_context::cancel;
///
/// let (handle, scope) = cancel::scope();
/// handle.cancel();
/// let reason = scope.run(cancel::cause).expect("it was cancelled");
/// assert!(cancel::is(&std::io::Error::from(reason)));
/// assert!(!cancel::is(&std::io::Error::other("a disk")));
/// ```
pub fn is(error: &(dyn Error + 'static)) -> bool {
    Ended::find(error).is_some_and(|ended| !ended.is_deadline())
}

/// Calls `callback` once when the work of the current frame ends, by a cancel or a deadline. If it
/// has ended already, calls it at once.
///
/// It is for work that no operation of the runtime waits for: a query of a database in a thread of
/// its own, a child process, a computation with a flag. The callback runs on the thread that ends
/// the work, a worker if it is a deadline, so it must not block. Without a scope or a deadline it
/// is dropped at once.
///
/// Dropping the result withdraws the callback.
///
/// # Panics
///
/// If the work has ended already and `callback` panics. Later a panic resumes in
/// [`cancel`](CancelHandle::cancel), or is passed to the runtime's hook if it is a deadline.
///
/// # Frame
///
/// The callback runs and is dropped in the current frame, in which each operation fails by then:
/// see [`shield`].
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use framewise_context::cancel;
///
/// let (handle, scope) = cancel::scope();
/// scope.run(|| {
///     let stop = Arc::new(AtomicBool::new(false));
///     let callback = {
///         let stop = Arc::clone(&stop);
///         cancel::on_cancel(move || stop.store(true, Ordering::Relaxed))
///     };
///     handle.cancel();
///     assert!(stop.load(Ordering::Relaxed));
///     drop(callback);
/// });
/// ```
pub fn on_cancel(callback: impl FnOnce() + Send + 'static) -> OnCancel {
    OnCancel::register(callback)
}

/// Waits until the work of the current frame ends; returns the reason. Without a scope or a
/// deadline it waits forever.
///
/// # Cancel safety
///
/// Cancel safe: a wait that is dropped leaves nothing behind.
///
/// # Examples
///
/// See [`scope`](scope()).
pub fn cancelled() -> Cancelled {
    Cancelled {
        wait: ControlWait::new(),
    }
}

/// The future of [`cancelled`].
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Cancelled {
    wait: ControlWait,
}

impl Future for Cancelled {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        match self.wait.register(cx.waker()) {
            Ok(()) => Poll::Pending,
            Err(ended) => Poll::Ready(ended),
        }
    }
}

/// Runs a future of another crate until the work of the current frame ends. Then the future is
/// dropped.
///
/// It is for waits that know no frames: channels, locks, pools. A future that is ready after the
/// end is not polled.
///
/// # Errors
///
/// Returns the reason if the work has ended, before or while the future is pending.
///
/// # Cancel safety
///
/// Like the future: the end drops it as a `select!` would.
///
/// # Frame
///
/// The future is polled and dropped in the frame of the code that polls or drops the result.
///
/// # Examples
///
/// ```
/// use framewise_context::cancel;
///
/// let (handle, scope) = cancel::scope();
/// handle.cancel();
/// let waiting = scope.scope(cancel::enforce(std::future::pending::<()>()));
/// assert!(cancel::is(&futures::executor::block_on(waiting).unwrap_err()));
/// ```
pub fn enforce<F: IntoFuture>(future: F) -> Enforce<F::IntoFuture> {
    Enforce::new(future.into_future())
}

/// Runs a future without the deadlines and scopes around it, under all other variables of its
/// frame.
///
/// It is for what must be done after the end: to roll back, to say goodbye, to write the log. The
/// tasks that it starts are shielded, too; code beside and after it is not. A shield may have a
/// deadline of its own inside.
///
/// # Frame
///
/// The poller's frame, without deadline and scope.
///
/// # Examples
///
/// ```
/// use framewise_context::{ContextVar, cancel};
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// let (handle, scope) = cancel::scope();
/// handle.cancel();
/// let work = scope.scope(async {
///     assert!(cancel::is_cancelled());
///     cancel::shield(async {
///         assert!(!cancel::is_cancelled());
///         assert_eq!(REQUEST_ID.get(), Some(7));
///     })
///     .await;
/// });
/// futures::executor::block_on(REQUEST_ID.scope(7, work));
/// ```
#[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
pub fn shield<F: IntoFuture>(future: F) -> Shield<F::IntoFuture> {
    Shield {
        scope: ControlScope::new(future.into_future(), Controlled::shielded()),
    }
}

/// Like [`shield`], for a closure.
///
/// # Examples
///
/// ```
/// use framewise_context::cancel;
///
/// let (handle, scope) = cancel::scope();
/// handle.cancel();
/// assert!(!scope.run(|| cancel::run_shielded(cancel::is_cancelled)));
/// ```
#[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
pub fn run_shielded<R>(body: impl FnOnce() -> R) -> R {
    Controlled::shielded().run(body)
}

pin_project! {
    /// The future of [`shield`].
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct Shield<F> {
        #[pin]
        scope: ControlScope<F, Controlled>,
    }
}

impl<F: Future> Future for Shield<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().scope.poll(cx)
    }
}
