//! The join side of a task: `JoinHandle` and `AbortHandle`.
//!
//! Owns the join waker's slot while `JOIN_WAKER` is off (rule T4) and the output once the task is
//! complete.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use framewise_context::control::{self, Ended};
use framewise_context::coop;

mod link;

use self::link::JoinLink;
use super::error::JoinError;
use super::header::TaskRef;
use super::id::Id;
use super::large::{LargeOutput, is_large};
use crate::scheduler::ending;
use crate::seeded::hooks;

/// Awaits the output of a spawned task.
///
/// Dropping the handle detaches the task: it runs on, and its output is dropped in its own frame.
///
/// A destructor that runs while the runtime ends may join another task of the runtime. That task
/// may be waiting for the same thread to drop it, so joining it gives a
/// [cancelled](JoinError::is_cancelled) error at once, and its future is dropped before or after.
///
/// # Cancel safety
///
/// Awaiting a `&mut JoinHandle` is cancel safe: nothing is lost when the wait is dropped.
///
/// # Deadlines
///
/// A wait for a task that is not finished ends with an error when the work of the joiner's frame
/// ends: [`JoinError::ended`]. The task runs on, and a `&mut JoinHandle` can be awaited again,
/// under a [shield](crate::deadline::shield). Aborting the task is up to the joiner. A task that
/// was spawned under the same deadline fails by its own operations.
///
/// # Frame
///
/// Awaiting leaves the awaiter's frame as it is. An output that is taken is dropped wherever its
/// taker drops it.
///
/// # Examples
///
/// ```
/// framewise::block_on(async {
///     let answer = framewise::spawn(async { 6 * 7 });
///     assert_eq!(answer.await.expect("the task neither panics nor is aborted"), 42);
/// });
/// ```
pub struct JoinHandle<T> {
    link: JoinLink,
    output: PhantomData<T>,
}

// SAFETY: the handle gives access to the output only, by value, so it may go where a T may go.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: through `&JoinHandle` only the state word is reached.
unsafe impl<T: Send> Sync for JoinHandle<T> {}
impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}
impl<T> Unpin for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    ///
    /// The caller passes the join handle's reference on, of a task whose output is a `T`, or a
    /// [`LargeOutput<T>`] if `T` is large (T1).
    pub(crate) unsafe fn new(task: TaskRef) -> Self {
        Self {
            link: JoinLink::new(task),
            output: PhantomData,
        }
    }

    /// Asks for the task to be dropped at its next scheduling; joining it then gives a
    /// [cancelled](JoinError::is_cancelled) error.
    ///
    /// A task that is complete is left alone. One that is being polled ends when that poll
    /// returns, with its output where it has one.
    ///
    /// # Frame
    ///
    /// The future is dropped on a worker in the task's own frame, not the aborter's. A blocking
    /// call that waits for a thread is dropped before `abort` returns, by the calling thread, in
    /// the call's frame.
    ///
    /// # Examples
    ///
    /// ```
    /// framewise::block_on(async {
    ///     let endless = framewise::spawn(std::future::pending::<()>());
    ///     endless.abort();
    ///     assert!(endless.await.expect_err("it was aborted").is_cancelled());
    /// });
    /// ```
    pub fn abort(&self) {
        self.task().abort();
    }

    /// A handle that can abort the task and does not join it.
    ///
    /// # Examples
    ///
    /// ```
    /// framewise::block_on(async {
    ///     let endless = framewise::spawn(std::future::pending::<()>());
    ///     let abort = endless.abort_handle();
    ///     let joiner = framewise::spawn(async { endless.await.is_err() });
    ///     abort.abort();
    ///     assert_eq!(joiner.await.ok(), Some(true));
    /// });
    /// ```
    pub fn abort_handle(&self) -> AbortHandle {
        self.task().header().state.add_reference();
        AbortHandle { task: *self.task() }
    }

    /// Returns the task's id.
    pub fn id(&self) -> Id {
        self.task().id()
    }

    /// Returns the task's name, if [`task::Builder`](super::Builder) gave it one.
    pub fn name(&self) -> Option<&str> {
        self.task().name().map(|name| &**name)
    }

    /// Returns `true` if the task is over, so that joining it does not wait.
    ///
    /// # Examples
    ///
    /// ```
    /// framewise::block_on(async {
    ///     let task = framewise::spawn(async { 42 });
    ///     while !task.is_finished() {
    ///         framewise::task::yield_now().await;
    ///     }
    ///     assert_eq!(task.await.expect("it does not panic"), 42);
    /// });
    /// ```
    pub fn is_finished(&self) -> bool {
        self.task().header().state.is_finished()
    }

    #[inline]
    pub(crate) fn task(&self) -> &TaskRef {
        self.link.task()
    }

    /// Returns `true` if this thread must not wait for the task; see [`TaskRef::is_ending_here`].
    #[cold]
    pub(crate) fn is_ending_here(&self) -> bool {
        self.task().is_ending_here()
    }

    /// Leaves the waker for the task's end, in a handle that was never polled. Returns `false` if
    /// the task is finished: then the waker is not called.
    #[must_use]
    pub(crate) fn leave_first_waker(&mut self, waker: Waker) -> bool {
        assert!(
            !self.task().header().state.has_join_waker(),
            "the handle was never polled"
        );
        // SAFETY: the bit is off.
        unsafe { leave_waker(*self.task(), waker) }
    }

    /// Takes the output of a task that is finished, without a wait.
    ///
    /// # Panics
    ///
    /// Panics if the output was taken before.
    pub(crate) fn take_output(&mut self) -> Result<T, JoinError> {
        match Self::take_joined(*self.task()) {
            Poll::Ready(output) => output,
            Poll::Pending => unreachable!("the output of a finished task is ready"),
        }
    }

    /// Takes the output of a task that is finished, and returns what `poll` returns for it.
    ///
    /// Each size has a function of its own: without optimization, a function has room in its stack
    /// frame for the copies of every branch.
    ///
    /// # Panics
    ///
    /// Panics if the output was taken before.
    #[inline]
    fn take_joined(task: TaskRef) -> Poll<Result<T, JoinError>> {
        if const { is_large::<T>() } {
            Self::take_large_output(task)
        } else {
            Self::take_small_output(task)
        }
    }

    #[inline]
    fn take_small_output(task: TaskRef) -> Poll<Result<T, JoinError>> {
        // SAFETY: the task's output is a T (see `new`), which is not large (T1).
        Poll::Ready(unsafe { Self::take_stored::<T>(task) })
    }

    fn take_large_output(task: TaskRef) -> Poll<Result<T, JoinError>> {
        // SAFETY: the task's output is a T (see `new`), which is large, so it is in a box (T1).
        match unsafe { Self::take_stored::<LargeOutput<T>>(task) } {
            Ok(output) => output.into_joined(),
            Err(error) => ready_with_error(error),
        }
    }

    /// # Safety
    ///
    /// The task stores its output as an `O`, and is finished.
    #[inline]
    unsafe fn take_stored<O>(task: TaskRef) -> Result<O, JoinError> {
        let mut output: Option<Result<O, JoinError>> = None;
        // SAFETY: by the contract, and we are the task's join handle.
        unsafe {
            (task.header().vtable.take_output)(task.pointer(), (&raw mut output).cast::<()>());
        }
        output.expect("a JoinHandle must not be polled again after it was ready")
    }
}

impl<T> JoinHandle<T> {
    /// Returns what `poll` returns where the runtime's end has aborted the task.
    #[cold]
    fn cancelled_at_end(task: TaskRef) -> Poll<Result<T, JoinError>> {
        let mut error = JoinError::cancelled(task.id());
        error.set_name(task.name());
        ready_with_error(error)
    }
}

/// Leaves the waker for the task's end. Returns `false` if the task is finished. For the handle.
///
/// # Safety
///
/// `JOIN_WAKER` is off.
#[inline]
unsafe fn leave_waker(task: TaskRef, waker: Waker) -> bool {
    let header = task.header();
    // SAFETY: rule T4: the bit is off, so the slot is the handle's.
    let old = header
        .join_waker
        .with_mut(|slot| unsafe { (*slot).replace(waker) });
    let waits = header.state.set_join_waker();
    // Unnoticed: skipped, because it is then dropped after the output was taken.
    drop(old);
    waits
}

/// Takes the join waker out. Returns `false` if the task has finished. For the handle.
fn forget_waker(task: TaskRef) -> bool {
    let header = task.header();
    if header.state.has_join_waker() && !header.state.unset_join_waker() {
        return false;
    }
    // SAFETY: rule T4: the bit is off, so the slot is the handle's.
    let waker = header.join_waker.with_mut(|slot| unsafe { (*slot).take() });
    drop(waker);
    true
}

/// A function of its own, because a result with room for a large output is in its stack frame.
#[cold]
fn ready_with_error<T>(error: JoinError) -> Poll<Result<T, JoinError>> {
    Poll::Ready(Err(error))
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(hooks::poll(cx));
        let task = *self.task();
        if task.header().state.is_finished() {
            // A handle that is denied keeps the output.
            ready!(coop::poll_spend(cx));
            self.link.deregister();
            return Self::take_joined(task);
        }
        if self.link.is_registered() || control::may_be_bound() {
            return self.poll_obeying(task, cx);
        }
        Self::poll_unfinished(task, cx)
    }
}

impl<T> JoinHandle<T> {
    /// Leaves the joiner's waker. If the task has finished meanwhile, returns its output.
    #[inline(always)]
    fn poll_unfinished(task: TaskRef, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        let header = task.header();
        let state = &header.state;
        // Unnoticed: left out `ending::is_ending_any()`, because is_ending_here finds out the same,
        // at a price.
        if ending::is_ending_any() && task.is_ending_here() {
            return Self::cancelled_at_end(task);
        }
        // Unnoticed: always, because the slot is empty and the handle's where the bit is off.
        if state.has_join_waker() {
            // SAFETY: rule T4: the slot is only read while the bit is on.
            let same = header.join_waker.with(|waker| unsafe {
                (*waker)
                    .as_ref()
                    .is_some_and(|waker| waker.will_wake(cx.waker()))
            });
            // Unnoticed: never, because the waker is then replaced by its equal.
            if same {
                return Poll::Pending;
            }
            if !state.unset_join_waker() {
                return Self::take_joined(task);
            }
        }
        // SAFETY: the bit is off.
        if unsafe { leave_waker(task, cx.waker().clone()) } {
            Poll::Pending
        } else {
            Self::take_joined(task)
        }
    }

    /// Like [`poll_unfinished`](Self::poll_unfinished), but fails if the work of the current frame
    /// has ended. It is apart, so that other joiners have no more to keep in registers.
    #[inline(never)]
    fn poll_obeying(&mut self, task: TaskRef, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        let output = ready!(match Self::poll_unfinished(task, cx) {
            Poll::Pending => match self.link.register(cx.waker()) {
                Ok(()) => Poll::Pending,
                Err(ended) => {
                    // A loop that goes on after errors yields. A handle that is denied keeps its
                    // waker.
                    ready!(coop::poll_spend(cx));
                    Self::stop_waiting(task, ended)
                }
            },
            ready => ready,
        });
        self.link.deregister();
        Poll::Ready(output)
    }

    /// Takes the join waker back, and returns the error of a wait that has ended. If the task has
    /// finished meanwhile, returns its output.
    #[cold]
    fn stop_waiting(task: TaskRef, ended: Ended) -> Poll<Result<T, JoinError>> {
        if !forget_waker(task) {
            return Self::take_joined(task);
        }
        let mut error = JoinError::frame_ended(Some(task.id()), ended);
        error.set_name(task.name());
        ready_with_error(error)
    }
}

impl<T> Drop for JoinHandle<T> {
    #[inline]
    fn drop(&mut self) {
        if self.link.is_registered() {
            return self.drop_registered();
        }
        let task = *self.task();
        if !task.header().state.drop_handle_of_fresh_task() {
            drop_handle(task);
        }
    }
}

impl<T> JoinHandle<T> {
    #[cold]
    fn drop_registered(&mut self) {
        // Dropped last: its destructor may panic.
        let _registered = self.link.take_registered();
        drop_handle(*self.task());
    }
}

/// Drops the handle of a task that was polled, woken or joined.
fn drop_handle(task: TaskRef) {
    /// Gives the reference up even where a waker's destructor panics.
    struct Reference(TaskRef);
    impl Drop for Reference {
        fn drop(&mut self) {
            self.0.drop_reference();
        }
    }

    let header = task.header();
    let todo = header.state.drop_handle();
    let _reference = Reference(task);
    // Dropped after the output: its destructor may panic.
    let _waker = todo.drop_waker.then(|| {
        // SAFETY: rule T4: the bit is off and the handle dropped, so no other thread reads it.
        header.join_waker.with_mut(|slot| unsafe { (*slot).take() })
    });
    if todo.drop_output {
        // SAFETY: the task is complete and we were its join handle.
        unsafe { (header.vtable.drop_output)(task.pointer()) }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

/// Aborts a task without joining it; see [`JoinHandle::abort_handle`].
///
/// It keeps the task's memory, but neither its frame nor its output.
pub struct AbortHandle {
    task: TaskRef,
}

impl AbortHandle {
    /// Returns the task's id.
    pub fn id(&self) -> Id {
        self.task.id()
    }

    /// See [`JoinHandle::name`].
    pub fn name(&self) -> Option<&str> {
        self.task.name().map(|name| &**name)
    }

    /// See [`JoinHandle::abort`].
    pub fn abort(&self) {
        self.task.abort();
    }

    /// See [`JoinHandle::is_finished`].
    pub fn is_finished(&self) -> bool {
        self.task.header().state.is_finished()
    }
}

impl Clone for AbortHandle {
    fn clone(&self) -> Self {
        self.task.header().state.add_reference();
        Self { task: self.task }
    }
}

impl Drop for AbortHandle {
    fn drop(&mut self) {
        self.task.drop_reference();
    }
}

impl UnwindSafe for AbortHandle {}
impl RefUnwindSafe for AbortHandle {}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("is_finished", &self.is_finished())
            .finish()
    }
}
