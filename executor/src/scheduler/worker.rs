//! The loop of one worker: take a task, run it, and where there is none, search, then sleep.
//!
//! Owns the worker's core (its queue and counters) and the thread-local by which a wake finds it.
//! The current frame is the root here, between polls and in the driver (`task/cell.rs` swaps the
//! task's in).

use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::Arc;

use framewise_context::{Frame, coop};
use framewise_io::Batch;

use super::queue::{LocalQueue, Pushed};
use super::relief::Relief;
use super::search;
use super::shared::{Shared, Spawner};
use super::sleep::{Wakefulness, Workplace};
use crate::runtime::enter;
use crate::task::header::{Ran, TaskRef};

/// Polls between two looks at the injector, the driver and the clock by a worker that is busy.
const POLLS_PER_TICK: u32 = 61;

/// Rounds of yields between two looks at the driver and the clock.
const YIELD_ROUNDS_PER_TICK: u32 = 8;

/// What makes a thread a worker. It can pass to another thread (`block_in_place`).
pub(crate) struct Core {
    index: usize,
    queue: LocalQueue,
    polls_to_tick: u32,
    yield_rounds: u32,
    wakefulness: Wakefulness,
    random: Random,
    relief: Relief,
}

impl Core {
    pub(crate) fn new(index: usize, queue: LocalQueue) -> Box<Self> {
        Box::new(Self {
            index,
            queue,
            polls_to_tick: POLLS_PER_TICK,
            yield_rounds: 0,
            wakefulness: Wakefulness::new(),
            random: Random(0x9E37_79B9 ^ (index as u32).wrapping_mul(0x85EB_CA6B)),
            relief: Relief::new(),
        })
    }
}

/// Chooses victims. Marsaglia's xorshift (2003), which is plenty for that.
struct Random(u32);

impl Random {
    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 as usize) % limit
    }
}

/// Whether the worker calls the wakers of events or timers, and a sibling was told of them.
#[derive(Clone, Copy)]
enum Dispatch {
    None,
    Untold,
    Told,
}

/// A thread that works.
pub(crate) struct WorkerThread {
    shared: Arc<Shared>,
    /// The way into the runtime that its tasks have; whoever takes the core over gets it.
    spawner: Arc<Spawner>,
    /// Empty while the core is with another thread.
    core: RefCell<Option<Box<Core>>>,
    /// What the driver found, between the wait and the calls. Kept for its buffers.
    batch: Cell<Batch>,
    dispatch: Cell<Dispatch>,
}

framewise_sync::thread_local! {
    /// The worker that this thread is, on the stack of `run`.
    static WORKER: Cell<*const WorkerThread> = const { Cell::new(ptr::null()) };
}

fn with_worker<R>(f: impl FnOnce(Option<&WorkerThread>) -> R) -> R {
    WORKER.with(|worker| {
        // SAFETY: `run` sets the pointer to a value on its stack and clears it before it returns.
        f(unsafe { worker.get().as_ref() })
    })
}

/// Pushes a task to the queue of the worker that this thread is, if it works for `shared`.
#[inline]
pub(crate) fn push_local(shared: &Shared, task: TaskRef) -> Result<Pushed, TaskRef> {
    with_worker(|worker| {
        let Some(worker) = worker.filter(|worker| ptr::eq(&*worker.shared, shared)) else {
            return Err(task);
        };
        let core = worker.core.borrow();
        let Some(core) = core.as_ref() else {
            return Err(task);
        };
        let face = &shared.workers[core.index].queue;
        let pushed = core.queue.push(task, face, &shared.injector);
        Ok(match (pushed, worker.dispatch.get()) {
            // What a dispatch wakes is told once at its beginning, since a callback that follows may
            // take long, and once at its end.
            (Pushed::Shared, Dispatch::Told) => Pushed::Slot,
            (Pushed::Shared, Dispatch::Untold) => {
                worker.dispatch.set(Dispatch::Told);
                pushed
            }
            _ => pushed,
        })
    })
}

/// Whether this thread is a worker that must not block.
pub(crate) fn is_on_worker() -> bool {
    with_worker(|worker| worker.is_some_and(|worker| worker.core.borrow().is_some()))
}

/// Whether this thread works for that very runtime.
pub(crate) fn is_worker_of(shared: &Shared) -> bool {
    with_worker(|worker| worker.is_some_and(|worker| ptr::eq(&*worker.shared, shared)))
}

/// A worker's core on its way to another thread.
pub(crate) struct CoreJob {
    shared: Arc<Shared>,
    core: Option<Box<Core>>,
}

impl CoreJob {
    /// Works with the core, on the thread that took the job.
    pub(crate) fn run(mut self) {
        if let Some(core) = self.core.take() {
            run(Arc::clone(&self.shared), core);
        }
    }
}

impl Drop for CoreJob {
    /// No thread took the core: its tasks go where the others, or the runtime's end, find them.
    fn drop(&mut self) {
        if let Some(mut core) = self.core.take() {
            let face = &self.shared.workers[core.index].queue;
            core.queue.drain(face, &self.shared.injector);
            self.shared.worker_leaves(true);
        }
    }
}

/// Gives this worker's core to another thread, which `start` finds; `start` gives it back where it
/// can't. In a runtime that is closing the core then ends. Does nothing on a thread that has no core.
pub(crate) fn hand_over(start: impl FnOnce(&Arc<Spawner>, CoreJob) -> Result<(), CoreJob>) {
    with_worker(|worker| {
        let Some(worker) = worker else { return };
        let Some(core) = worker.core.borrow_mut().take() else {
            return;
        };
        let shared = &worker.shared;
        shared.worker_replaces();
        let job = CoreJob {
            shared: Arc::clone(shared),
            core: Some(core),
        };
        let Err(mut job) = start(&worker.spawner, job) else {
            return;
        };
        if shared.is_closing() {
            // Nobody needs the core any more, and who has one is waited for before the end of what this
            // thread is about to wait for. What ends here is none of the task's own affair.
            Frame::root().run(|| drop(job));
        } else {
            *worker.core.borrow_mut() = job.core.take();
            shared.worker_leaves(false);
        }
    });
}

/// Works until the runtime closes, or until the core has gone to another thread. The caller has
/// called `worker_enters`, or `worker_replaces`.
pub(crate) fn run(shared: Arc<Shared>, core: Box<Core>) {
    struct Leave {
        shared: Arc<Shared>,
        has_core: bool,
        /// Left after the runtime's end, which the destructor below may run.
        entered: Option<enter::Entered>,
    }
    impl Drop for Leave {
        fn drop(&mut self) {
            self.shared.worker_leaves(self.has_core);
        }
    }

    // First of all: the thread was counted, and leaves whatever happens from here.
    let mut leave = Leave {
        shared: Arc::clone(&shared),
        has_core: true,
        entered: None,
    };
    let spawner = Spawner::new(Arc::clone(&shared), core.index);
    leave.entered = Some(enter::enter(&spawner, core.index));
    let worker = WorkerThread {
        shared,
        spawner,
        core: RefCell::new(Some(core)),
        batch: Cell::default(),
        dispatch: Cell::new(Dispatch::None),
    };
    WORKER.with(|current| current.set(&worker));
    worker.work();
    leave.has_core = worker.core.borrow().is_some();
}

impl Drop for WorkerThread {
    /// The worker's own tasks go where the runtime's end finds them, and then it leaves: even where
    /// a bug of ours, or a driver that fails, unwinds it, so that a shutdown does not wait for ever.
    fn drop(&mut self) {
        WORKER.with(|worker| worker.set(ptr::null()));
        if let Some(mut core) = self.core.get_mut().take() {
            let face = &self.shared.workers[core.index].queue;
            core.queue.drain(face, &self.shared.injector);
        }
    }
}

impl WorkerThread {
    fn work(&self) {
        while !self.shared.is_closing() {
            let Some(task) = self.next_task() else {
                if self.core.borrow().is_none() {
                    return;
                }
                self.park();
                continue;
            };
            self.before_user_code();
            // SAFETY: what comes out of a queue is a claim, and the tasks of this scheduler may run
            // on any thread.
            match unsafe { task.run() } {
                Ran::Done => {}
                Ran::Again(task) => self.run_again_later(task),
            }
        }
    }

    /// A task that ran wants to run again: behind all others.
    fn run_again_later(&self, task: TaskRef) {
        match self.core.borrow_mut().as_mut() {
            Some(core) => core.queue.push_yielded(task),
            None => {
                self.shared.injector.push(task);
                self.shared.notify_one();
            }
        }
    }

    /// The next task, from wherever there is one. None: there is none, or the core is gone.
    fn next_task(&self) -> Option<TaskRef> {
        let tick = {
            let mut core = self.core.borrow_mut();
            let core = core.as_mut()?;
            core.polls_to_tick -= 1;
            let tick = core.polls_to_tick == 0;
            if tick {
                core.polls_to_tick = POLLS_PER_TICK;
            }
            if !tick && let Some(task) = self.pop_own(core) {
                return Some(task);
            }
            tick
        };
        if tick {
            self.before_user_code();
            self.tick();
        }
        let mut core = self.core.borrow_mut();
        let core = core.as_mut()?;
        let shared = &*self.shared;
        let mut brought = None;
        if tick {
            core.queue.admit_yielded(&shared.injector);
            shared.workers[core.index].queue.ticks.count();
            brought = core.relief.look(core.index, &core.queue, &shared.workers);
        }
        if brought.is_none() {
            brought = core
                .queue
                .pop_injector(&shared.injector, shared.workers.len());
        }
        if brought.is_some() {
            // The rest of the batch was in nobody's sight for a moment, and a searcher may have
            // gone to sleep over it.
            if core.queue.has_backlog() {
                shared.notify_one();
            }
            return brought;
        }
        if tick && let Some(task) = self.pop_own(core) {
            return Some(task);
        }
        if core.queue.has_yielded() {
            return self.next_yielded(core);
        }
        self.search(core)
    }

    fn pop_own(&self, core: &mut Core) -> Option<TaskRef> {
        let face = &self.shared.workers[core.index].queue;
        core.queue.pop(face, &self.shared.injector)
    }

    /// Nothing but yielded tasks is left: they have their turn, and every few turns the driver has
    /// its own first.
    fn next_yielded(&self, core: &mut Core) -> Option<TaskRef> {
        core.yield_rounds = core.yield_rounds.wrapping_add(1);
        if core.yield_rounds.is_multiple_of(YIELD_ROUNDS_PER_TICK) {
            // The next call of next_task is a tick.
            core.polls_to_tick = 1;
        }
        if core.queue.admit_yielded(&self.shared.injector) && self.shared.idle.would_notify() {
            self.shared.notify_one();
        }
        self.pop_own(core)
    }

    /// Looks into the siblings' queues.
    fn search(&self, core: &mut Core) -> Option<TaskRef> {
        let shared = &*self.shared;
        let workers = shared.workers.len();
        if workers == 1 {
            return None;
        }
        if !core.wakefulness.start_searching(shared) {
            return None;
        }
        let (index, queue) = (core.index, &core.queue);
        let random = &mut core.random;
        search::look_everywhere(index, queue, &shared.workers, &shared.injector, || {
            random.below(workers)
        })
    }

    /// The worker is about to run user code, which may block.
    #[inline]
    fn before_user_code(&self) {
        if let Some(core) = self.core.borrow_mut().as_mut()
            && !core.wakefulness.is_settled()
        {
            let has_backlog = || core.queue.has_backlog();
            core.wakefulness
                .settle(&*self.shared, core.index, has_backlog);
        }
    }

    fn has_backlog(&self) -> bool {
        self.core
            .borrow()
            .as_ref()
            .is_some_and(|core| core.queue.has_backlog())
    }

    /// A look at the driver and the clock between polls.
    fn tick(&self) {
        let mut batch = self.batch.take();
        self.shared.look_into_driver(&mut batch);
        self.dispatch_events(batch);
        if self.shared.timers.has_due() {
            self.fire();
        }
    }

    /// Wakes and calls whom the driver found. The driver is free for others by now.
    fn dispatch_events(&self, mut batch: Batch) {
        if !batch.is_empty() {
            self.before_user_code();
        }
        self.dispatch(|| {
            self.shared.unhandled_panics(batch.dispatch().panics);
        });
        self.batch.set(batch);
    }

    fn fire(&self) {
        let Some(index) = self.core.borrow().as_ref().map(|core| core.index) else {
            return;
        };
        self.dispatch(|| {
            self.shared.timers.fire(index);
        });
    }

    /// Runs code that wakes tasks, and looks at the end whether siblings should help.
    fn dispatch(&self, f: impl FnOnce()) {
        self.dispatch.set(Dispatch::Untold);
        // Callbacks are not a task's: what the last poll has left of its budget is not theirs.
        coop::with_unconstrained(f);
        self.dispatch.set(Dispatch::None);
        if self.has_backlog() && self.shared.idle.would_notify() {
            self.shared.notify_one();
        }
    }

    /// Sleeps until there is something to do, or to look for.
    fn park(&self) {
        let mut batch = self.batch.take();
        if let Some(core) = self.core.borrow_mut().as_mut() {
            core.wakefulness
                .fall_asleep(&*self.shared, core.index, &mut batch);
        }
        self.dispatch_events(batch);
        if self.shared.timers.has_due() {
            self.before_user_code();
            self.fire();
        }
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
