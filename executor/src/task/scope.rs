//! `task::scope`: tasks that end before the scope does.
//!
//! Owns the order of a scope's end, however the body ends. The tasks are the members of a
//! `JoinSet`, in `scope/children.rs`; the policies are in `scope/policies.rs`.

mod child_error;
mod children;
mod policies;
mod spawn;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use framewise_context::cancel::{self, CancelHandle};
use framewise_context::{CaughtPanic, catch_unwind};

pub use self::child_error::ChildError;
use self::children::{Children, Lent, Owner, pass_on};
use super::JoinError;
use super::catch::catch_and_discard;

/// Runs `body`, which spawns tasks, the **children**, into its [`TaskScope`]; waits for all of
/// them, and returns the body's output.
///
/// No child outlives the wait: when the `.await` has returned, each child has returned, was
/// dropped, or has panicked; its future is dropped and its frame released (C-103). What remains to
/// be said is how the scope ends:
///
/// | what happens | then |
/// | --- | --- |
/// | the body returns | the children that are left run to their ends; their outputs are dropped |
/// | a policy of the body is decided: [`try_join_all`](TaskScope::try_join_all), [`select_ok`](TaskScope::select_ok) | the rest is cancelled and aborted; the policy returns when it has ended |
/// | the body panics | the children are cancelled and aborted; the panic is passed on when they have ended |
/// | a child panics | its joiner gets the error: `join_next`, `results`, or a policy. If there is none, its panic is reported like that of any task without a joiner: to a [panic handler](crate::panics) or the runtime's hook. The other children run on |
/// | the frame around is cancelled, or its [deadline](crate::deadline) passes | operations in body and children fail (see [`cancel`](crate::cancel)), and all run to their ends |
/// | the future of the scope is dropped | the children are cancelled and aborted, and the drop does not wait: a child's future is dropped in its frame by its own thread, maybe later |
/// | the runtime ends | it drops the task that waits for the scope, so the same |
///
/// The children are in a [cancel scope](crate::cancel): [`cancel`](TaskScope::cancel) lets
/// operations fail in them and in all work that they have started, blocking calls and tasks of
/// tasks included; not in the body. An abort drops the children themselves. A blocking call that
/// runs cannot be dropped, so the scope waits for it; it can ask
/// [`cancel::is_cancelled`](crate::cancel::is_cancelled). A child that waits for something that
/// knows no frames, such as a channel, does not notice a cancel: see
/// [`cancel::enforce`](crate::cancel::enforce).
///
/// A child owns what it works on, and gives it back by its output. It cannot borrow from the body,
/// as a thread of [`std::thread::scope`] can: the future of a scope can be forgotten
/// (`mem::forget`) between two polls, and then nothing would keep the body's locals for children
/// that still run.
///
/// In a current-thread runtime and for [`spawn_local`](TaskScope::spawn_local) all of this holds;
/// the children run while the scope waits.
///
/// # Panics
///
/// Passes a panic of `body` on, after the children have ended.
///
/// # Cancel safety
///
/// Not cancel safe: dropping the future aborts the children, without a wait.
///
/// # Frame
///
/// The body runs in the frame of the code that polls the scope. A child gets the frame that is
/// current where it is spawned, like any task, with the scope's cancellation on top: this is one
/// frame for each child, and so an allocation more than a task's.
///
/// # Examples
///
/// ```
/// use framewise::{ContextVar, task};
///
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// framewise::block_on(REQUEST_ID.scope(7, async {
///     let mut buffers = vec![vec![3, 1, 2], vec![9, 8]];
///     // Each child takes a buffer and gives it back.
///     let sorted = task::scope(async |mut children| {
///         for mut buffer in buffers.drain(..) {
///             children.spawn(async move {
///                 assert_eq!(REQUEST_ID.get(), Some(7));
///                 buffer.sort();
///                 buffer
///             });
///         }
///         children.results().await // in the order of spawning
///     })
///     .await;
///     buffers.extend(sorted.into_iter().flatten());
///     assert_eq!(buffers, [vec![1, 2, 3], vec![8, 9]]);
/// }));
/// ```
///
/// Outputs of different types: an `enum`, a scope within the scope, or a task each whose handle
/// [aborts it when dropped](super::JoinHandle::abort_on_drop).
///
/// The body must not let its [`TaskScope`] go: neither return it nor send it elsewhere. A scope
/// panics if it has gone when the body has returned; its children are then cancelled and aborted
/// where it is dropped.
#[track_caller]
pub fn scope<T, B, F>(body: B) -> impl Future<Output = F::Output> + use<T, B, F>
where
    T: 'static,
    B: FnOnce(TaskScope<T>) -> F,
    F: Future,
{
    let (cancel, children_run_in) = cancel::scope_labeled("task::scope");
    async move {
        let owner = Owner::new(Children::new(cancel, children_run_in));
        let children = TaskScope(owner.lend());
        // The call is in the catch, too: it runs code of the body where that is no `async` closure.
        let output = catch(async { body(children).await }).await;
        let Some(mut children) = owner.take_back() else {
            panic!("the `TaskScope` of a scope must not leave its body");
        };
        let cause = output.is_err().then_some("the body of the scope panicked");
        let ended = children.end(cause).await;
        match (output, ended) {
            (Ok(output), Ok(())) => output,
            (Ok(_), Err(panic)) => pass_on(panic),
            (Err(panic), ended) => {
                catch_and_discard(|| drop(ended));
                pass_on(panic)
            }
        }
    }
}

/// Awaits a future, and catches its panic.
async fn catch<F: Future>(future: F) -> Result<F::Output, CaughtPanic> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match catch_unwind(|| future.as_mut().poll(cx)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// The children of a [`scope`](fn@scope). Its body has it.
///
/// All children have outputs of the same type `T`. An output is for the first that asks: one of the
/// functions here that wait, called by the body. What no call has taken is dropped when the scope
/// ends, in the frame of the code that awaits the scope.
pub struct TaskScope<T>(Lent<T>);

impl<T> TaskScope<T> {
    /// Returns the number of children that were not joined yet.
    pub fn len(&self) -> usize {
        self.children().set.len()
    }

    /// Returns `true` if all children were joined.
    pub fn is_empty(&self) -> bool {
        self.children().set.is_empty()
    }

    /// Waits until a child ends, and takes its output; returns `None` if none is left. The order is
    /// that of the ends.
    ///
    /// # Errors
    ///
    /// The error of the child: see [`JoinError`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the wait is dropped, no child has left the scope.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::task;
    ///
    /// framewise::block_on(async {
    ///     let sum = task::scope(async |mut children| {
    ///         for number in 1..=3 {
    ///             children.spawn(async move { number });
    ///         }
    ///         let mut sum = 0;
    ///         while let Some(joined) = children.join_next().await {
    ///             sum += joined.expect("it neither panics nor is aborted");
    ///         }
    ///         sum
    ///     });
    ///     assert_eq!(sum.await, 6);
    /// });
    /// ```
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        let (_, output) = self.children_mut().next_place().await?;
        Some(output)
    }

    /// Ends the work of the children, if it has not ended yet: in them and in whatever they have
    /// started, operations fail from now on, so that the code can clean up.
    ///
    /// It neither drops nor waits, and concerns children that are spawned afterwards, too. See
    /// [`CancelHandle::cancel`].
    ///
    /// # Panics
    ///
    /// See [`CancelHandle::cancel`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use framewise::{cancel, net::UdpSocket, task};
    ///
    /// framewise::block_on(async {
    ///     task::scope(async |mut children| {
    ///         children.spawn(async {
    ///             let socket = UdpSocket::bind(("127.0.0.1", 0)).await?;
    ///             socket.recv(&mut [0; 16]).await
    ///         });
    ///         children.cancel();
    ///         let received = children.join_next().await.expect("there is a child");
    ///         let error = received.expect("it is not aborted").expect_err("nothing was sent");
    ///         assert!(cancel::is(&error));
    ///     })
    ///     .await;
    /// });
    /// ```
    pub fn cancel(&self) {
        self.children().cancel.cancel();
    }

    /// Like [`cancel`](Self::cancel), with a cause, which errors show and have as their source.
    ///
    /// # Panics
    ///
    /// See [`CancelHandle::cancel`].
    pub fn cancel_with(&self, cause: impl Into<Box<dyn Error + Send + Sync>>) {
        self.children().cancel.cancel_with(cause);
    }

    /// Returns a handle by which other code can [`cancel`](Self::cancel) the scope.
    pub fn cancel_handle(&self) -> CancelHandle {
        self.children().cancel.clone()
    }

    /// Aborts all children; see [`JoinHandle::abort`](super::JoinHandle::abort). They stay in the
    /// scope until they are joined.
    pub fn abort_all(&self) {
        self.children().set.abort_all();
    }

    fn children(&self) -> &Children<T> {
        self.0.get()
    }

    fn children_mut(&mut self) -> &mut Children<T> {
        self.0.get_mut()
    }
}

impl<T> fmt::Debug for TaskScope<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskScope")
            .field("len", &self.len())
            .field("is_cancelled", &self.children().cancel.is_cancelled())
            .finish_non_exhaustive()
    }
}
