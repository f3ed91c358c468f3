//! Tasks that stay on one thread: `LocalSet` and `spawn_local`.
//!
//! Owns a queue: any thread may wake a task into it, and only the set's thread takes tasks out.
//! The tasks are those of `task/`, with this set as their scheduler.
//!
//! A set may have several **pollers** at once: the futures of `run_until`, or the set itself. While
//! the queue is empty, each poller that found it empty has its waker in the list. A push takes all
//! wakers out and wakes them. So a queue that is not empty has no waker in the list, and each
//! poller that was in it polls again, whichever other poller ends or is dropped meanwhile. A poller
//! that ends takes its own waker out, and with it the frame that a user-supplied waker needs
//! (C-48).
//!
//! `local/shared.rs` has the queue and the list, `local/current.rs` the set that a thread polls.

pub(crate) mod current;
pub(crate) mod shared;

pub use current::{LocalEnterGuard, spawn_local};

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use framewise_context::{FramedWaker, coop};
use framewise_sync::{Arc, thread};

use self::current::MadeCurrent;
use self::shared::{LocalShared, PollerId, SET_ITSELF, spawn_on};
use super::JoinHandle;
use super::header::{RunResult, TaskRef};
use super::large::{BoxOutput, boxed_if_large, is_large};
use crate::runtime::{Runtime, with_tokio_budget};
use crate::scheduler::ending;
use crate::seeded::hooks;

/// Local tasks that run in a row before the future beside them has its turn.
const POLLS_PER_TURN: usize = 61;

/// Tasks that need not be `Send`, run on the thread that polls the set.
///
/// The set runs its tasks while [`run_until`](Self::run_until) or [`block_on`](Self::block_on) is
/// under way, or while it is awaited itself (until all its tasks are done). Dropping it drops its
/// tasks, each in its own frame, on this thread. While one of its tasks blocks, also in a nested
/// `block_on`, the others wait: code that waits for one of them there never ends, unless it waits
/// in the set's own [`block_on`](Self::block_on) or [`run_until`](Self::run_until).
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use framewise::{runtime::Runtime, task::{LocalSet, spawn_local}};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Runtime::new()?;
/// let set = LocalSet::new();
/// let answer = set.block_on(&runtime, async {
///     let shared = Rc::new(41);
///     spawn_local(async move { *shared + 1 }).await
/// });
/// assert_eq!(answer.ok(), Some(42));
/// # Ok(())
/// # }
/// ```
pub struct LocalSet {
    pub(super) shared: Arc<LocalShared>,
    not_send: PhantomData<Rc<()>>,
}

/// A poller, from its first poll to its end.
struct Poller<'a> {
    set: &'a LocalSet,
    id: PollerId,
}

impl Drop for Poller<'_> {
    fn drop(&mut self) {
        self.set.shared.remove_waker(self.id);
    }
}

impl LocalSet {
    /// Creates an empty set.
    pub fn new() -> Self {
        let shared = Arc::new(LocalShared::new());
        shared.remember_runtime();
        Self {
            shared,
            not_send: PhantomData,
        }
    }

    /// Spawns a task onto the set, also while the set is not running.
    ///
    /// # Frame
    ///
    /// The task gets the frame that is current here, as with [`framewise::spawn`](crate::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use framewise::task::LocalSet;
    ///
    /// let set = LocalSet::new();
    /// let shared = Rc::new(41); // not Send
    /// let task = set.spawn_local(async move { *shared + 1 });
    /// let answer = framewise::block_on(set.run_until(task));
    /// assert_eq!(answer.ok(), Some(42));
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        boxed_if_large!(F, future => spawn_on(&self.shared, future, ()))
    }

    /// Makes the set the one onto which [`spawn_local`] spawns on this thread, until the guard is
    /// dropped. The tasks run when the set does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use framewise::task::{LocalSet, spawn_local};
    ///
    /// let set = LocalSet::new();
    /// let entered = set.enter();
    /// let shared = Rc::new(41); // not Send
    /// let task = spawn_local(async move { *shared + 1 });
    /// drop(entered);
    /// let answer = framewise::block_on(set.run_until(task));
    /// assert_eq!(answer.ok(), Some(42));
    /// ```
    pub fn enter(&self) -> LocalEnterGuard {
        LocalEnterGuard::new(&self.shared)
    }

    /// Runs the set's tasks beside `future`, until that is ready.
    ///
    /// Several such futures may be polled at once: each of them runs the set's tasks, and they run
    /// for as long as one is left.
    ///
    /// # Cancel safety
    ///
    /// The tasks stay in the set when the wait is dropped; `future` is dropped.
    ///
    /// # Frame
    ///
    /// `future` runs in the frame of the poller, and each task in its own. The set keeps nothing of
    /// the poller's frame when the wait is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::task::{LocalSet, spawn_local, yield_now};
    ///
    /// framewise::block_on(async {
    ///     let set = LocalSet::new();
    ///     let one = set.run_until(async {
    ///         yield_now().await;
    ///         spawn_local(async { 1 }).await
    ///     });
    ///     let two = set.run_until(async { spawn_local(async { 2 }).await });
    ///     let (one, two) = futures::join!(one, two);
    ///     assert_eq!((one.ok(), two.ok()), (Some(1), Some(2)));
    /// });
    /// ```
    pub fn run_until<F: Future>(&self, future: F) -> impl Future<Output = F::Output> {
        // Outside the block, which otherwise has the future twice: as it is captured, and pinned.
        // A box for large futures only would not help: the block's type has room for both cases.
        let mut future = Box::pin(future);
        async move {
            let poller = self.new_poller();
            std::future::poll_fn(|cx| {
                let _current = self.make_current();
                if hooks::interrupts() {
                    // The tasks go first; the future has its turn again.
                    cx.waker().wake_by_ref();
                } else if let Poll::Ready(output) = future.as_mut().poll(cx) {
                    return Poll::Ready(output);
                }
                self.run_some(poller.id, cx);
                Poll::Pending
            })
            .await
        }
    }

    fn new_poller(&self) -> Poller<'_> {
        // If the set itself was awaited, that wait has ended: it had borrowed the set mutably.
        // Unnoticed: moved behind the next, because the two change different fields.
        self.shared.remove_waker(SET_ITSELF);
        self.shared.remember_runtime();
        let mut woken = self.shared.woken.lock();
        woken.last_poller += 1;
        let id = PollerId(woken.last_poller);
        drop(woken);
        Poller { set: self, id }
    }

    /// Runs `future` and the set's tasks on this thread, inside of `runtime`.
    ///
    /// # Panics
    ///
    /// See [`Handle::block_on`](crate::runtime::Handle::block_on).
    #[track_caller]
    pub fn block_on<F: Future>(&self, runtime: &Runtime, future: F) -> F::Output {
        boxed_if_large!(F, future => {
            if const { is_large::<F::Output>() } {
                runtime.enter_and_block_on(self.run_until(BoxOutput(future))).into_output()
            } else {
                runtime.enter_and_block_on(self.run_until(future))
            }
        })
    }

    /// Runs tasks until none is woken or a turn is over, and asks to be polled again.
    fn run_some(&self, poller: PollerId, cx: &mut Context<'_>) {
        for _ in 0..POLLS_PER_TURN {
            match self.next_task(poller, cx) {
                Some(task) => self.run(task),
                None => return,
            }
            if hooks::interrupts() {
                break;
            }
        }
        cx.waker().wake_by_ref();
    }

    /// Takes the next woken task. If there is none, leaves the poller's waker for the next wake.
    fn next_task(&self, poller: PollerId, cx: &Context<'_>) -> Option<TaskRef> {
        {
            let mut woken = self.shared.woken.lock();
            if let Some(task) = hooks::take_one(&mut woken.queue) {
                return Some(task);
            }
            // Unnoticed: never, because the waker is then replaced by its equal.
            if woken
                .waker(poller)
                .is_some_and(|waker| waker.will_wake(cx.waker()))
            {
                return None;
            }
        }
        // Cloned and dropped outside of the lock: a user-supplied waker may call back.
        let waker = FramedWaker::new(cx.waker());
        let mut woken = self.shared.woken.lock();
        // Unnoticed: `pop_front` is `pop_back`, because only tasks that came since the look above
        // change places.
        if let Some(task) = woken.queue.pop_front() {
            // It came meanwhile. The waker stays out: the list is empty while the queue is not.
            drop(woken);
            drop(waker);
            return Some(task);
        }
        let old = match woken.waker(poller) {
            Some(place) => Some(mem::replace(place, waker)),
            None => {
                woken.wakers.push((poller, waker));
                None
            }
        };
        drop(woken);
        drop(old);
        None
    }

    fn run(&self, task: TaskRef) {
        // SAFETY: what comes out of the queue is runnable, and this is the set's thread: the set is
        // not Send. The task has a budget of its own; that of the set's poller is restored.
        let run = || coop::with_budget(|| unsafe { task.run_nested() });
        match with_tokio_budget(run) {
            RunResult::Done => {}
            RunResult::Reschedule(task) => self.shared.push(task),
        }
    }

    fn make_current(&self) -> MadeCurrent {
        MadeCurrent::new(Arc::as_ptr(&self.shared))
    }
}

impl Future for LocalSet {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let _current = self.make_current();
        self.shared.remember_runtime();
        self.run_some(SET_ITSELF, cx);
        if self.shared.owned.is_empty() {
            self.shared.remove_waker(SET_ITSELF);
            coop::poll_spend(cx)
        } else {
            Poll::Pending
        }
    }
}

impl Drop for LocalSet {
    fn drop(&mut self) {
        // A destructor that spawns onto the set gets a cancelled task: the list is closed.
        let _current = self.make_current();
        self.shared.owned.close_and_abort_all();
        // The set's own waker leaves the list with the first push. There is one: the waker was left
        // by a poll that found an open task and an empty queue, and that task is pushed to be
        // dropped.
        ending::while_ending(self.shared.address(), || {
            loop {
                // Unnoticed: `pop_front` is `pop_back`, because the tasks are dropped in no order
                // that the docs promise.
                let task = self.shared.woken.lock().queue.pop_front();
                match task {
                    Some(task) => self.run(task),
                    None if self.shared.owned.is_empty() => break,
                    // Another thread holds a runnable task and is about to push it.
                    None => thread::yield_now(),
                }
            }
        });
    }
}

impl Default for LocalSet {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LocalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSet").finish_non_exhaustive()
    }
}
