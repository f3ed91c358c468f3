//! `JoinSet`: tasks that are joined in the order in which they end.
//!
//! Owns the join handles, and the queue of the **members** (tasks in the set) that have ended. Each
//! member's join handle has a waker that puts the member into that queue, so a join looks at no
//! member that runs. The set's joiner has one waker in the set, however many members there are.
//!
//! `futures_util`'s `FuturesUnordered` would do the same, but it keeps its poller's waker until the
//! next poll, with whatever an external waker holds (C-48), and its queue may look empty while
//! another thread is about to push.

mod builder;
mod ended;
mod spawn;

pub use self::builder::Builder;

use std::fmt;
use std::future::poll_fn;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use framewise_context::control::{ControlWait, Ended};
use framewise_context::coop;
use slab::Slab;

use self::ended::{EndWaker, EndedMembers};
use super::catch::catch_and_discard;
use super::{AbortHandle, Id, JoinError, JoinHandle};
use crate::scheduler::ending;
use crate::seeded::hooks;

/// A set of tasks, which are joined in the order in which they end.
///
/// All tasks have outputs of the same type `T`. Dropping the set aborts them.
///
/// # Frame
///
/// A task of the set gets the frame that is current where it is spawned, like any other (see
/// [`framewise::spawn`](crate::spawn)). Joining leaves the joiner's frame as it is, and when a wait
/// is over or dropped, the set keeps nothing of it.
///
/// # Examples
///
/// ```
/// use framewise::ContextVar;
/// use framewise::task::JoinSet;
///
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// framewise::block_on(async {
///     let mut set = JoinSet::new();
///     for shard in 0..10 {
///         REQUEST_ID.run(shard, || set.spawn(async move { (shard, REQUEST_ID.get()) }));
///     }
///     let mut shards = 0;
///     while let Some(joined) = set.join_next().await {
///         let (shard, request) = joined.expect("it neither panics nor is aborted");
///         assert_eq!(request, Some(shard));
///         shards += 1;
///     }
///     assert_eq!(shards, 10);
/// });
/// ```
pub struct JoinSet<T> {
    members: Slab<JoinHandle<T>>,
    ended: Arc<EndedMembers>,
    /// The registration of a wait with the control of the joiner's frame.
    wait: ControlWait,
    /// The end of the joiner's work that a wait has reported.
    reported: Option<Ended>,
}

impl<T> JoinSet<T> {
    /// Creates an empty set.
    pub fn new() -> Self {
        Self {
            members: Slab::new(),
            ended: Arc::new(EndedMembers::new()),
            wait: ControlWait::new(),
            reported: None,
        }
    }

    /// Returns the number of tasks in the set: those that were not joined yet.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns `true` if there is no task in the set.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Adds a task that was not polled yet.
    pub(crate) fn insert(&mut self, mut member: JoinHandle<T>) -> AbortHandle {
        let abort = member.abort_handle();
        let place = self.members.vacant_entry();
        let key = place.key();
        let waker = Waker::from(Arc::new(EndWaker::new(key, &self.ended)));
        let waits = member.leave_first_waker(waker);
        place.insert(member);
        if !waits {
            self.ended.push(key);
        }
        abort
    }

    /// Waits until a task of the set ends, and takes it out.
    ///
    /// Returns `None` if the set is empty. The order is that in which the tasks end.
    ///
    /// # Errors
    ///
    /// The error of the task: see [`JoinError`]. When the work of the joiner's frame ends and no
    /// task has ended, one wait returns an error without a task: see [`JoinError::ended`]. The
    /// tasks stay in the set, and the next wait waits for them without a limit: they fail by the
    /// same deadline if they were spawned under it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the wait is dropped, no task has left the set.
    ///
    /// # Frame
    ///
    /// The joiner's frame stays. The output is dropped wherever the joiner drops it.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::task::JoinSet;
    ///
    /// framewise::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(async { 6 * 7 });
    ///     let answer = set.join_next().await.expect("there is a task");
    ///     assert_eq!(answer.ok(), Some(42));
    ///     assert!(set.join_next().await.is_none());
    /// });
    /// ```
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        let waiting = Waiting(self);
        poll_fn(|cx| waiting.0.poll_join_next(cx)).await
    }

    /// Like [`join_next`](Self::join_next), with the task's id; that of a task that failed is
    /// [`JoinError::id`].
    ///
    /// # Errors
    ///
    /// Like [`join_next`](Self::join_next).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, like [`join_next`](Self::join_next).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use framewise::task::JoinSet;
    ///
    /// framewise::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     let names = HashMap::from([
    ///         (set.spawn(async { 1 }).id(), "one"),
    ///         (set.spawn(async { 2 }).id(), "two"),
    ///     ]);
    ///     while let Some(joined) = set.join_next_with_id().await {
    ///         let (id, number) = joined.expect("it neither panics nor is aborted");
    ///         assert_eq!(names[&id], ["one", "two"][number - 1]);
    ///     }
    /// });
    /// ```
    pub async fn join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        let waiting = Waiting(self);
        poll_fn(|cx| waiting.0.poll_join_next_with_id(cx)).await
    }

    /// Like [`join_next`](Self::join_next), also after the end of the frame's work, and without
    /// taking the output: dropping the handle drops it like that of a task without a joiner.
    pub(crate) async fn next_member(&mut self) -> Option<JoinHandle<T>> {
        let waiting = Waiting(self);
        let member = poll_fn(|cx| waiting.0.poll_ended(cx, false)).await;
        member.map(|member| member.expect("this wait does not obey, so it has no error"))
    }

    /// Takes a task out that has ended, without a wait.
    ///
    /// Returns `None` if no task has ended, or the set is empty. A task that ends on another thread
    /// meanwhile may be missed, also if an [`is_finished`](AbortHandle::is_finished) has already
    /// returned `true` for it: it reaches the set right after. No wait misses it.
    ///
    /// It is not part of the [budget](crate::task#the-cooperative-budget), so a loop over it ends
    /// when no task is left that has ended.
    ///
    /// # Errors
    ///
    /// Like [`join_next`](Self::join_next).
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::task::JoinSet;
    ///
    /// framewise::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(std::future::pending::<()>());
    ///     assert!(set.try_join_next().is_none());
    ///     assert_eq!(set.len(), 1);
    /// });
    /// ```
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        Some(output_of(self.take_ended()?))
    }

    /// Like [`try_join_next`](Self::try_join_next), with the task's id; that of a task that failed
    /// is [`JoinError::id`].
    ///
    /// # Errors
    ///
    /// Like [`join_next`](Self::join_next).
    pub fn try_join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        Some(output_with_id(self.take_ended()?))
    }

    /// Waits for all tasks, and returns their outputs in the order in which they ended.
    ///
    /// # Panics
    ///
    /// Passes the panic of a task on, and panics if a task was cancelled or rejected. The tasks
    /// that are left are aborted.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if the wait is dropped, the set is, and with it the outputs.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::task::JoinSet;
    ///
    /// framewise::block_on(async {
    ///     let set: JoinSet<_> = (1..=3).map(|n| async move { n * n }).collect();
    ///     assert_eq!(set.join_all().await.iter().sum::<i32>(), 14);
    /// });
    /// ```
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(joined) = self.join_next_regardless().await {
            match joined.map_err(JoinError::try_into_panic) {
                Ok(output) => outputs.push(output),
                Err(Ok(payload)) => resume_unwind(payload),
                Err(Err(error)) => {
                    panic!("join_all of a set with a task that has no output: {error}")
                }
            }
        }
        outputs
    }

    /// Aborts all tasks and waits for their ends. Their outputs and errors are dropped.
    ///
    /// # Cancel safety
    ///
    /// If the wait is dropped, the tasks that have not ended are in the set, aborted.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::task::JoinSet;
    ///
    /// framewise::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(std::future::pending::<()>());
    ///     set.shutdown().await;
    ///     assert!(set.is_empty());
    /// });
    /// ```
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next_regardless().await.is_some() {}
    }

    /// Like [`join_next`](Self::join_next), also if the work of the joiner's frame has ended.
    async fn join_next_regardless(&mut self) -> Option<Result<T, JoinError>> {
        self.next_member().await.map(output_of)
    }

    /// Aborts all tasks; see [`JoinHandle::abort`]. They stay in the set until they are joined.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::task::JoinSet;
    ///
    /// framewise::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(std::future::pending::<()>());
    ///     set.abort_all();
    ///     let joined = set.join_next().await.expect("it is still in the set");
    ///     assert!(joined.expect_err("it was aborted").is_cancelled());
    /// });
    /// ```
    pub fn abort_all(&self) {
        /// Aborts the rest, too, if an abort panics: that of a local set's task wakes the set,
        /// which may run the code of an external waker.
        struct Rest<'a, T>(slab::Iter<'a, JoinHandle<T>>);
        impl<T> Drop for Rest<'_, T> {
            fn drop(&mut self) {
                for (_, member) in self.0.by_ref() {
                    catch_and_discard(|| member.abort());
                }
            }
        }

        let mut rest = Rest(self.members.iter());
        for (_, member) in rest.0.by_ref() {
            member.abort();
        }
    }

    /// Takes all tasks out of the set without aborting them. They run on, and their outputs are
    /// dropped, as if their handles had been [dropped](JoinHandle).
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::task::JoinSet;
    ///
    /// framewise::block_on(async {
    ///     let (done, is_done) = futures::channel::oneshot::channel();
    ///     let mut set = JoinSet::new();
    ///     set.spawn(async { done.send(7) });
    ///     set.detach_all();
    ///     drop(set);
    ///     assert_eq!(is_done.await, Ok(7));
    /// });
    /// ```
    pub fn detach_all(&mut self) {
        self.members.clear();
    }

    /// Takes a task out that has ended, or leaves the waker for the next end.
    ///
    /// `Ready(None)`: the set is empty. `Pending`: no task has ended, or the poll's
    /// [budget](crate::task#the-cooperative-budget) is spent. Only the waker of the last poll is
    /// woken.
    ///
    /// # Frame
    ///
    /// This is no future, so a dropped wait is not noticed: the waker of the last poll stays in the
    /// set until a task ends, the next poll, or the set's end.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use framewise::task::JoinSet;
    ///
    /// framewise::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(async { 6 * 7 });
    ///     let joined = poll_fn(|cx| set.poll_join_next(cx)).await.expect("there is a task");
    ///     assert_eq!(joined.ok(), Some(42));
    /// });
    /// ```
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        let ended = ready!(self.poll_ended(cx, true));
        Poll::Ready(ended.map(|member| output_of(member?)))
    }

    /// Like [`poll_join_next`](Self::poll_join_next), with the task's id; that of a task that
    /// failed is [`JoinError::id`].
    pub fn poll_join_next_with_id(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(Id, T), JoinError>>> {
        let ended = ready!(self.poll_ended(cx, true));
        Poll::Ready(ended.map(|member| output_with_id(member?)))
    }

    /// Takes a member out that has ended. An error is the end of the joiner's work, if the wait
    /// `obeys` it.
    fn poll_ended(
        &mut self,
        cx: &mut Context<'_>,
        obeys: bool,
    ) -> Poll<Option<Result<JoinHandle<T>, JoinError>>> {
        ready!(hooks::poll(cx));
        let unit = ready!(coop::poll_proceed(cx));
        loop {
            let ended = self.take_ended();
            if ended.is_some() || self.members.is_empty() {
                unit.made_progress();
                self.wait.clear();
                return Poll::Ready(ended.map(Ok));
            }
            if ending::is_ending_any()
                && let Some(cancelled) = self.take_cancelled_here()
            {
                return Poll::Ready(Some(Ok(cancelled)));
            }
            if self.ended.leave_waker(cx.waker()) {
                if obeys
                    && let Err(ended) = self.wait.register(cx.waker())
                    && self.reported.as_ref() != Some(&ended)
                {
                    self.ended.forget_waker();
                    self.reported = Some(ended.clone());
                    return Poll::Ready(Some(Err(JoinError::frame_ended(None, ended))));
                }
                return Poll::Pending;
            }
        }
    }

    /// Takes a member out that this thread must not wait for, since it is ending the member's
    /// runtime: joining it gives a cancelled error. (Like in `JoinHandle::poll`.)
    #[cold]
    fn take_cancelled_here(&mut self) -> Option<JoinHandle<T>> {
        let mut members = self.members.iter();
        let (key, _) = members.find(|(_, member)| member.is_ending_here())?;
        self.ended.forget_waker();
        Some(self.members.remove(key))
    }

    /// Takes the member out that has ended first.
    fn take_ended(&mut self) -> Option<JoinHandle<T>> {
        while let Some(key) = self.ended.pop() {
            // The key of a member that was detached may be that of another member by now.
            if self.members.get(key).is_some_and(JoinHandle::is_finished) {
                return Some(self.members.remove(key));
            }
        }
        None
    }
}

/// Takes the output of a member that the set has returned.
pub(crate) fn output_of<T>(mut member: JoinHandle<T>) -> Result<T, JoinError> {
    if member.is_finished() {
        member.take_output()
    } else {
        Err(JoinError::cancelled(member.id()))
    }
}

fn output_with_id<T>(member: JoinHandle<T>) -> Result<(Id, T), JoinError> {
    let id = member.id();
    output_of(member).map(|output| (id, output))
}

/// A wait of [`JoinSet::join_next`]. Its end releases the joiner's waker (C-48).
struct Waiting<'a, T>(&'a mut JoinSet<T>);

impl<T> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        self.0.ended.forget_waker();
        self.0.wait.clear();
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}
