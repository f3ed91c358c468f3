//! Tasks that stay on one thread: `LocalSet` and `spawn_local`.
//!
//! Owns a queue that any thread may wake tasks into and only the set's thread takes them out of.
//! The tasks are those of `task/`, with this set as their scheduler.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::task::{Context, Poll};

use framewise_context::{Frame, FramedWaker, coop};
use framewise_sync::{Arc, Mutex, thread};

use super::cell::{self, Schedule};
use super::header::{Ran, TaskRef};
use super::owned::OwnedTasks;
use super::{JoinError, JoinHandle};
use crate::runtime::Runtime;
use crate::scheduler::points;

/// Local tasks that run in a row before the future beside them has its turn.
const POLLS_PER_TURN: usize = 61;

framewise_sync::thread_local! {
    /// The set that is being polled on this thread.
    static CURRENT: Cell<*const LocalShared> = const { Cell::new(ptr::null()) };
}

/// Tasks that need not be `Send`, run on the thread that polls the set.
///
/// The set runs its tasks while [`run_until`](Self::run_until) or [`block_on`](Self::block_on) is
/// under way, or while it is awaited itself (until all its tasks are done). Dropping it drops its
/// tasks, each in its own frame, on this thread.
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
    shared: Arc<LocalShared>,
    not_send: PhantomData<Rc<()>>,
}

struct LocalShared {
    owned: OwnedTasks,
    woken: Mutex<Woken>,
}

struct Woken {
    queue: VecDeque<TaskRef>,
    /// Who polls the set, from the time that it found nothing more to run.
    waker: Option<FramedWaker>,
}

impl LocalSet {
    /// An empty set.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(LocalShared {
                owned: OwnedTasks::new(),
                woken: Mutex::new(Woken {
                    queue: VecDeque::new(),
                    waker: None,
                }),
            }),
            not_send: PhantomData,
        }
    }

    /// Spawns a task onto the set, also while the set is not running.
    ///
    /// # Frame
    ///
    /// The task gets the frame that is current here, as with [`framewise::spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        spawn_on(&self.shared, future)
    }

    /// Runs the set's tasks beside `future`, until that is ready.
    ///
    /// # Cancel safety
    ///
    /// The tasks stay in the set when the wait is dropped; `future` is dropped.
    pub async fn run_until<F: Future>(&self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| {
            let _current = self.make_current();
            if points::interrupts() {
                // The tasks go first; the future has its turn again.
                cx.waker().wake_by_ref();
            } else if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            self.run_some(cx);
            Poll::Pending
        })
        .await
    }

    /// Runs `future` and the set's tasks on this thread, inside of `runtime`.
    ///
    /// # Panics
    ///
    /// As [`Handle::block_on`](crate::runtime::Handle::block_on).
    #[track_caller]
    pub fn block_on<F: Future>(&self, runtime: &Runtime, future: F) -> F::Output {
        runtime.block_on(self.run_until(future))
    }

    /// Runs tasks until none is woken or a turn is over, and asks to be polled again.
    fn run_some(&self, cx: &mut Context<'_>) {
        for _ in 0..POLLS_PER_TURN {
            match self.next_task(cx) {
                Some(task) => self.run(task),
                None => return,
            }
            if points::interrupts() {
                break;
            }
        }
        cx.waker().wake_by_ref();
    }

    /// The next woken task; where there is none, the poller's waker is left for the next wake.
    fn next_task(&self, cx: &Context<'_>) -> Option<TaskRef> {
        {
            let mut woken = self.shared.woken.lock();
            if let Some(task) = points::take_one(&mut woken.queue) {
                return Some(task);
            }
            if woken
                .waker
                .as_ref()
                .is_some_and(|waker| waker.will_wake(cx.waker()))
            {
                return None;
            }
        }
        // Cloned and dropped outside of the lock: a foreign waker may call back.
        let waker = FramedWaker::new(cx.waker());
        let mut woken = self.shared.woken.lock();
        let old = woken.waker.replace(waker);
        let task = woken.queue.pop_front();
        drop(woken);
        drop(old);
        task
    }

    fn run(&self, task: TaskRef) {
        // SAFETY: what comes out of the queue is a claim, and this is the set's thread: the set is
        // not Send.
        // The task has a budget of its own; that of the set's poller is restored.
        match coop::with_budget(|| unsafe { task.run() }) {
            Ran::Done => {}
            Ran::Again(task) => self.shared.woken.lock().queue.push_back(task),
        }
    }

    fn make_current(&self) -> MadeCurrent {
        MadeCurrent(CURRENT.with(|current| current.replace(Arc::as_ptr(&self.shared))))
    }
}

impl Future for LocalSet {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let _current = self.make_current();
        self.run_some(cx);
        if self.shared.owned.is_empty() {
            coop::poll_spend(cx)
        } else {
            Poll::Pending
        }
    }
}

impl Drop for LocalSet {
    fn drop(&mut self) {
        // Not current any more: a destructor that spawns is told so by a cancelled task.
        self.shared.owned.close_and_abort_all();
        loop {
            let task = self.shared.woken.lock().queue.pop_front();
            match task {
                Some(task) => self.run(task),
                None if self.shared.owned.is_empty() => break,
                // Another thread has a claim in hand and is about to push it.
                None => thread::yield_now(),
            }
        }
        let waker = self.shared.woken.lock().waker.take();
        drop(waker);
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

/// No set is current on this thread until the guard is dropped.
#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
pub(crate) fn leave_current_set() -> MadeCurrent {
    MadeCurrent(CURRENT.with(|current| current.replace(ptr::null())))
}

/// `future`, in whose polls the set is current that is so here. It must end before the caller
/// returns: until then the set is being polled, further down on the stack.
///
/// # Safety
///
/// As said: a task that it spawns onto the set finds the set by a pointer.
#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
pub(crate) unsafe fn in_current_set<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let set = CURRENT.with(Cell::get);
    async move {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| {
            let _current = MadeCurrent(CURRENT.with(|current| current.replace(set)));
            future.as_mut().poll(cx)
        })
        .await
    }
}

/// Puts the set back that was polled before, also on unwind.
pub(crate) struct MadeCurrent(*const LocalShared);

impl Drop for MadeCurrent {
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.0));
    }
}

/// Spawns a task onto the [`LocalSet`] that is running on this thread.
///
/// # Panics
///
/// Panics outside of a running set.
///
/// # Frame
///
/// As [`framewise::spawn`](crate::spawn).
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let shared = CURRENT.with(Cell::get);
    assert!(
        !shared.is_null(),
        "spawn_local was called outside of a running LocalSet: use LocalSet::run_until, or \
         framewise::spawn for a future that is Send"
    );
    // SAFETY: the set is being polled further up on this thread's stack, so it is alive; the count
    // is raised for the Arc that is made here.
    let shared = unsafe {
        Arc::increment_strong_count(shared);
        Arc::from_raw(shared)
    };
    spawn_on(&shared, future)
}

#[track_caller]
fn spawn_on<F>(shared: &Arc<LocalShared>, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let task = cell::allocate(
        future,
        Frame::current().inherited(),
        Arc::clone(shared),
        true,
    );
    points::spawned(task);
    // SAFETY: the handle's reference is ours to pass on.
    let handle = unsafe { JoinHandle::new(task) };
    if shared.owned.insert(task) {
        shared.schedule(task);
    } else {
        // SAFETY: the claim of a fresh task is its spawner's, and this is the set's thread.
        unsafe { task.refuse(JoinError::cancelled()) }
    }
    handle
}

impl Schedule for Arc<LocalShared> {
    fn schedule(&self, task: TaskRef) {
        let waker = {
            let mut woken = self.woken.lock();
            woken.queue.push_back(task);
            woken.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn release(&self, task: TaskRef) {
        points::ended(task);
        self.owned.remove(task);
    }

    fn unhandled_panic(&self, error: &JoinError) {
        if let Some(spawner) = crate::runtime::enter::current() {
            spawner.shared.unhandled_panic(error);
        }
    }
}
