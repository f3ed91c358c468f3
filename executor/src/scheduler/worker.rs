//! The loop of one worker: take a task and poll it; if there is none, search; if that fails, park.
//!
//! Owns the worker's core (its queue and counters) and the thread-local by which a waker finds it.
//! The current frame is the root here, between polls and on the driver; `task/cell.rs` swaps the
//! task's in. A polled task goes on in `task/cell.rs`, an idle worker in `idle/state.rs`.
//!
//! `worker/dispatch.rs` has the turn of the driver and the clock, `worker/parking.rs` what
//! surrounds a park, `worker/handoff.rs` how a core moves to another thread.
//!
//! The loop is tokio's: a LIFO slot before the deque, and every 61 polls (`ticks.rs`) a look at the
//! injector, the driver and the clock.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::Arc;

use framewise_io::Batch;

use super::idle::search;
use super::idle::stall::StallDetector;
use super::idle::state::{IdleState, SchedulerOps};
use super::queue::{LocalQueue, Push};
use super::shared::Shared;
use super::spawner::Spawner;
use super::ticks::{Due, Intervals, Ticks};
use crate::account::meter::{self, Meter};
use crate::runtime::enter;
use crate::task::header::{RunResult, TaskRef};

mod dispatch;
pub(crate) mod driving;
mod handoff;
mod parking;

use self::dispatch::Dispatch;
pub(crate) use self::dispatch::is_dispatching;
pub(crate) use self::handoff::{CoreHandoff, hand_off_core};

/// Rounds through the yield queue between two ticks.
const YIELD_ROUNDS_PER_TICK: u32 = 8;

/// The state that makes a thread a worker. It can move to another thread (`block_in_place`).
pub(crate) struct Core {
    index: usize,
    queue: LocalQueue,
    ticks: Ticks,
    yield_rounds: u32,
    idle_state: IdleState,
    random: Random,
    stall_detector: StallDetector,
}

impl Core {
    pub(crate) fn new(queue: LocalQueue, intervals: Intervals) -> Box<Self> {
        let index = queue.index();
        Box::new(Self {
            index,
            queue,
            ticks: Ticks::new(intervals),
            yield_rounds: 0,
            idle_state: IdleState::new(),
            random: Random(0x9E37_79B9 ^ (index as u32).wrapping_mul(0x85EB_CA6B)),
            stall_detector: StallDetector::new(),
        })
    }
}

/// Chooses victims, by Marsaglia's xorshift (2003).
struct Random(u32);

impl Random {
    /// Returns a number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 as usize) % limit
    }
}

/// A thread that works for a runtime.
pub(crate) struct WorkerThread {
    shared: Arc<Shared>,
    /// The spawner of the tasks that are spawned here. A thread that takes the core over gets it,
    /// too.
    spawner: Arc<Spawner>,
    /// Empty while the core is with another thread.
    core: RefCell<Option<Box<Core>>>,
    /// What the driver found, between the wait and the dispatch. Kept for its buffers.
    batch: Cell<Batch>,
    dispatch: Cell<Dispatch>,
    /// What this thread was before, further down on its stack: a worker without a core.
    outer: *const WorkerThread,
}

framewise_sync::thread_local! {
    /// The worker that this thread is, on the stack of `run` or `drive`.
    static WORKER: Cell<*const WorkerThread> = const { Cell::new(ptr::null()) };
}

fn with_worker<R>(f: impl FnOnce(Option<&WorkerThread>) -> R) -> R {
    WORKER.with(|worker| {
        // SAFETY: `run` and `drive` set the pointer to a value on their stack and put the previous
        // one back before they return.
        f(unsafe { worker.get().as_ref() })
    })
}

/// Pushes a task to the calling worker's queue. Gives the task back if the thread does not work for
/// `shared`, or has no core.
#[inline]
pub(crate) fn push_local(shared: &Shared, task: TaskRef) -> Result<Push, TaskRef> {
    with_worker(|worker| {
        let Some(worker) = worker.filter(|worker| ptr::eq(&*worker.shared, shared)) else {
            return Err(task);
        };
        let core = worker.core.borrow();
        let Some(core) = core.as_ref() else {
            return Err(task);
        };
        let push = core.queue.push(task);
        Ok(match (push, worker.dispatch.get()) {
            // A dispatch notifies once at its first push, because a callback that follows may take
            // long, and once at its end.
            (Push::Notify, Dispatch::Notified) => Push::NotifyLater,
            (Push::Notify, Dispatch::NotNotified) => {
                worker.dispatch.set(Dispatch::Notified);
                push
            }
            _ => push,
        })
    })
}

/// Returns `true` on a worker, which must not block.
pub(crate) fn is_on_worker() -> bool {
    with_worker(|worker| worker.is_some_and(|worker| worker.core.borrow().is_some()))
}

/// Returns `true` on a thread that works for that runtime, also if it drives another one within
/// `block_in_place`.
pub(crate) fn is_worker_of(shared: &Shared) -> bool {
    let mut next = WORKER.with(Cell::get);
    // SAFETY: like in `with_worker`, and the outer worker is further down on the stack.
    while let Some(worker) = unsafe { next.as_ref() } {
        if ptr::eq(&*worker.shared, shared) {
            return true;
        }
        next = worker.outer;
    }
    false
}

/// Like [`run`], on a thread that was started for it: calls the user's callbacks around.
pub(crate) fn run_thread(shared: Arc<Shared>, core: Box<Core>) {
    let spawner = Spawner::new(Arc::clone(&shared), core.index);
    let _entered = enter::enter(&spawner, core.index);
    let _started = spawner.shared.blocking.threads().started();
    run(shared, core);
}

/// Returns the number of the worker that this thread is, if it is one.
pub(crate) fn index() -> Option<usize> {
    with_worker(|worker| Some(worker?.core.borrow().as_ref()?.index))
}

/// Works until the runtime closes, or until the core has been handed off. The caller has called
/// `register_worker`, or `register_replacement`.
pub(crate) fn run(shared: Arc<Shared>, core: Box<Core>) {
    struct Leave {
        shared: Arc<Shared>,
        has_core: bool,
        /// Dropped after the runtime's end, which the destructor below may run.
        entered: Option<enter::Entered>,
    }
    impl Drop for Leave {
        fn drop(&mut self) {
            self.shared.deregister_worker(self.has_core);
        }
    }

    // First of all: the thread was counted, and must be counted out whatever happens from here.
    let mut leave = Leave {
        shared: Arc::clone(&shared),
        has_core: true,
        entered: None,
    };
    let spawner = Spawner::new(shared, core.index);
    leave.entered = Some(enter::enter(&spawner, core.index));
    let worker = WorkerThread::new(spawner, core, Batch::default());
    WORKER.with(|current| current.set(&worker));
    let meter = worker.new_meter();
    let _metered = meter.as_ref().map(Meter::enter);
    worker.shared.tokio.run(|| worker.work());
    leave.has_core = worker.core.borrow().is_some();
}

impl Drop for WorkerThread {
    /// Moves the worker's own tasks to where the runtime's end finds them: also if a bug of ours,
    /// or a driver that fails, unwinds the worker, so that a shutdown does not wait forever.
    fn drop(&mut self) {
        // Unnoticed: moved behind the next, because draining the queue runs no user code.
        WORKER.with(|worker| worker.set(self.outer));
        if let Some(mut core) = self.core.get_mut().take() {
            core.queue.drain();
        }
    }
}

impl WorkerThread {
    fn new(spawner: Arc<Spawner>, core: Box<Core>, batch: Batch) -> Self {
        Self {
            shared: Arc::clone(&spawner.shared),
            spawner,
            core: RefCell::new(Some(core)),
            batch: Cell::new(batch),
            dispatch: Cell::new(Dispatch::None),
            outer: WORKER.with(Cell::get),
        }
    }

    /// Makes the meter of a thread that has this core, if the runtime has an account.
    fn new_meter(&self) -> Option<Meter> {
        let account = self.shared.account()?;
        let index = self.core.borrow().as_ref()?.index;
        Some(Meter::of_worker(Arc::clone(account), index))
    }

    /// Calls `f` with this thread's meter, if the runtime has an account.
    #[inline]
    fn with_meter(&self, f: impl FnOnce(&Meter)) {
        if let Some(account) = self.shared.account() {
            meter::with_here(account, f);
        }
    }

    fn work(&self) {
        while !self.shared.is_closing() {
            let Some(task) = self.next_task() else {
                // Unnoticed: moved behind the next, because `park` does nothing without a core.
                if self.core.borrow().is_none() {
                    return;
                }
                self.park();
                continue;
            };
            self.run(task);
        }
    }

    #[inline(always)]
    fn run(&self, task: TaskRef) {
        self.before_user_code();
        // SAFETY: a task that comes out of a queue is runnable, and the tasks of this scheduler may
        // run on any thread; or this is the thread of a local runtime, which alone drives it.
        match self.shared.tokio.poll(|| unsafe { task.run() }) {
            RunResult::Done => {}
            RunResult::Reschedule(task) => self.reschedule(task),
        }
    }

    /// Puts a task that was woken while it ran behind all others.
    fn reschedule(&self, task: TaskRef) {
        match self.core.borrow_mut().as_mut() {
            Some(core) => core.queue.push_yielded(task),
            None => {
                self.shared.queues.injector.push(task);
                self.shared.notify_one();
            }
        }
    }

    /// Returns the next task, from any queue. Returns `None` if there is none, or if this thread
    /// has no core.
    // Inlined into both loops: a call costs each poll twenty instructions.
    #[inline(always)]
    fn next_task(&self) -> Option<TaskRef> {
        let due = {
            let mut core = self.core.borrow_mut();
            let core = core.as_mut()?;
            let due = core.ticks.count();
            if due.is_none()
                && let Some(task) = core.queue.pop()
            {
                return Some(task);
            }
            due
        };
        if let Some(due) = due
            && let Some(task) = self.next_when_due(due)
        {
            return Some(task);
        }
        let mut core = self.core.borrow_mut();
        let core = core.as_mut()?;
        if let Some(task) = self.pop_injector(core) {
            return Some(task);
        }
        if core.queue.has_yielded() {
            return self.next_yielded(core);
        }
        self.search(core)
    }

    /// Gives what is due its turn, and returns the next task of the worker's own queues and the
    /// injector.
    #[inline(never)]
    fn next_when_due(&self, due: Due) -> Option<TaskRef> {
        if due.events {
            self.before_user_code();
            self.tick();
            if self.shared.flavor.is_current_thread() {
                self.keep_order();
            }
        }
        let mut core = self.core.borrow_mut();
        let core = core.as_mut()?;
        if due.events {
            // Unnoticed: moved behind the next, because only siblings read the count.
            core.queue.drain_yield_queue();
            // Unnoticed: moved behind the next, because a worker does not check its own count.
            self.shared.queues.ticks(core.index).count();
            if let Some(task) = core.stall_detector.check(&core.queue) {
                self.notify_of_backlog(core);
                return Some(task);
            }
        }
        if due.injector
            && let Some(task) = self.pop_injector(core)
        {
            return Some(task);
        }
        core.queue.pop()
    }

    /// Takes a share of the injector, and returns one of its tasks.
    fn pop_injector(&self, core: &Core) -> Option<TaskRef> {
        let task = core.queue.pop_injector()?;
        self.notify_of_backlog(core);
        Some(task)
    }

    /// Notifies a sibling if it could steal: what was taken together with the next task was in no
    /// queue for a moment, and a searcher may have parked over that.
    fn notify_of_backlog(&self, core: &Core) {
        if core.queue.has_backlog() {
            self.shared.notify_one();
        }
    }

    /// Returns the next task if only the yield queue has any. Every few rounds the driver has its
    /// turn first.
    #[inline(always)]
    fn next_yielded(&self, core: &mut Core) -> Option<TaskRef> {
        core.yield_rounds = core.yield_rounds.wrapping_add(1);
        // Unnoticed: moved behind the next, because the two have nothing in common.
        if core.yield_rounds.is_multiple_of(YIELD_ROUNDS_PER_TICK) {
            // The next call of next_task is a tick.
            core.ticks.hurry();
        }
        // Unnoticed: left out `self.shared.idle.would_notify()`, because notify_one finds out the
        // same, at the price of a fence.
        if core.queue.drain_yield_queue() && self.shared.idle.would_notify() {
            self.shared.notify_one();
        }
        core.queue.pop()
    }

    /// Searches the siblings' queues.
    fn search(&self, core: &mut Core) -> Option<TaskRef> {
        let workers = self.shared.workers();
        // Unnoticed: left out, because the limits only save a search that finds nothing, or what
        // others find: no push relies on a search that is not counted.
        if workers == 1 || !core.idle_state.start_searching(&*self.shared) {
            return None;
        }
        let random = &mut core.random;
        search::steal_work(&core.queue, || random.below(workers))
    }

    /// Makes the worker active: it is about to run user code, which may block.
    #[inline]
    fn before_user_code(&self) {
        if let Some(core) = self.core.borrow_mut().as_mut()
            // Unnoticed: left out, because an active worker has nothing to leave.
            && !core.idle_state.is_active()
        {
            let has_backlog = || core.queue.has_backlog();
            core.idle_state
                .leave_idle(&*self.shared, core.index, has_backlog);
            // What it took to become active, which may wake a sibling, is no part of the poll.
            self.with_meter(Meter::boundary);
        }
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
