//! The mutant executor: correct except for one fault, which is chosen when it is made.
//!
//! It has every ability that can lose a frame, each in its simplest form: worker threads with one
//! queue and one lock, a thread for timers, two threads for blocking calls. Each fault is
//! implemented at the place that it affects.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use framewise_conformance::context::Frame;
use framewise_conformance::{
    Blocking, BoxFuture, Executor, JoinHandle, Joining, Local, LocalBoxFuture, Output, PanicHook,
    Shutdown, Timers, UnhandledPanics,
};

use crate::fault::Fault;
use crate::join::{Completion, HookSlot, Joined, Of, Reports};
use crate::local::LocalTask;
use crate::pool::{self, Pool};
use crate::task::{Ending, ForgetsLast, RECORDED, Task, last};
use crate::timer::TimerThread;

const WORKERS: usize = 2;

/// An executor with one [`Fault`].
pub(crate) struct MutantExecutor {
    pub(crate) core: Arc<Core>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
    pub(crate) timers: TimerThread,
    pub(crate) pool: Pool,
}

/// What the worker threads share.
pub(crate) struct Core {
    pub(crate) fault: Fault,
    work: Mutex<Work>,
    changed: Condvar,
    hook: HookSlot,
}

#[derive(Default)]
struct Work {
    queue: VecDeque<Arc<Task>>,
    tasks: Vec<Weak<Task>>,
    is_closed: bool,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MutantExecutor {
    pub(crate) fn new(fault: Fault) -> Self {
        let hook = HookSlot::default();
        let core = Arc::new(Core {
            fault,
            work: Mutex::default(),
            changed: Condvar::new(),
            hook: Arc::clone(&hook),
        });
        let worker = |_| {
            let core = Arc::clone(&core);
            thread::spawn(move || {
                let _at_the_end = ForgetsLast;
                core.work();
            })
        };
        Self {
            threads: Mutex::new((0..WORKERS).map(worker).collect()),
            timers: TimerThread::start(fault, Arc::clone(&hook)),
            pool: Pool::start(fault, hook),
            core,
        }
    }

    fn close(&self) {
        // The queue may have a task's last reference, so it is dropped after the tasks have ended.
        let (tasks, queue) = {
            let mut work = lock(&self.core.work);
            work.is_closed = true;
            let queue = std::mem::take(&mut work.queue);
            (std::mem::take(&mut work.tasks), queue)
        };
        self.core.changed.notify_all();
        for thread in lock(&self.threads).drain(..) {
            // The panic hook has printed a panic.
            let _ = thread.join();
        }
        for task in tasks.iter().filter_map(Weak::upgrade) {
            task.end(Ending::Shutdown);
        }
        drop(queue);
    }
}

impl Drop for MutantExecutor {
    fn drop(&mut self) {
        self.close();
    }
}

impl Core {
    fn work(&self) {
        loop {
            let task = {
                let mut work = lock(&self.work);
                loop {
                    if work.is_closed {
                        return;
                    }
                    match work.queue.pop_front() {
                        Some(task) => break task,
                        None => {
                            work = self
                                .changed
                                .wait(work)
                                .unwrap_or_else(PoisonError::into_inner);
                        }
                    }
                }
            };
            let panicked = match self.fault {
                // The worker leaves a frame only when it enters the next.
                Fault::LeavesAtTheNextPoll => last().run(|| task.run()),
                _ => task.run(),
            };
            drop(task);
            if panicked && self.fault == Fault::StaysInThePanickedFrame {
                // The worker goes on in the frame of the task that panicked.
                return last().run(|| self.work());
            }
        }
    }

    /// Returns how panics of tasks are reported.
    fn reports(&self) -> Reports {
        Reports {
            fault: self.fault,
            of: Of::Task,
            hook: Arc::clone(&self.hook),
        }
    }

    pub(crate) fn push(&self, task: Arc<Task>) {
        let mut work = lock(&self.work);
        if !work.is_closed {
            work.queue.push_back(task);
            drop(work);
            self.changed.notify_one();
        }
    }

    fn spawn(
        self: &Arc<Self>,
        future: BoxFuture<'static, ()>,
        frame: Frame,
        done: Completion,
    ) -> Arc<Task> {
        let task = Task::new(self, future, frame, done);
        if self.fault == Fault::FirstPollInSpawn {
            // "Most tasks are ready at once", so why queue?
            task.run_in(Some(Frame::current()));
        }
        let is_closed = {
            let mut work = lock(&self.work);
            work.tasks.retain(|task| task.strong_count() > 0);
            work.tasks.push(Arc::downgrade(&task));
            work.is_closed
        };
        if is_closed {
            task.end(Ending::Shutdown);
        } else {
            self.push(Arc::clone(&task));
        }
        task
    }

    /// Returns the frame of a task that is spawned here.
    fn captured(&self) -> Frame {
        let current = Frame::current();
        match self.fault {
            Fault::NotInheritedIsInherited | Fault::InheritsAtFirstPoll => current,
            Fault::CarriesNothing => Frame::root(),
            Fault::SpawnTrustsItsOwnRecord => {
                let recorded = RECORDED.with(|recorded| recorded.borrow().clone());
                recorded.unwrap_or(current).inherited()
            }
            Fault::RootWhenSpawnedFromElsewhere
                if thread::current().name() == Some("elsewhere") =>
            {
                Frame::root()
            }
            _ => current.inherited(),
        }
    }
}

impl Executor for MutantExecutor {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let frame = self.core.captured();
        self.core
            .spawn(task, frame, Completion::detached(self.core.reports()));
    }

    fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
        crate::local::block_on(self.core.fault, future);
    }

    fn spawn_root(&self, task: BoxFuture<'static, ()>) {
        let frame = match self.core.fault {
            Fault::RootInherits => Frame::current().inherited(),
            _ => Frame::root(),
        };
        self.core
            .spawn(task, frame, Completion::detached(self.core.reports()));
    }

    fn workers(&self) -> usize {
        WORKERS
    }

    fn joining(&self) -> Option<&dyn Joining> {
        Some(self)
    }

    fn local(&self) -> Option<&dyn Local> {
        Some(self)
    }

    fn timers(&self) -> Option<&dyn Timers> {
        Some(&self.timers)
    }

    fn blocking(&self) -> Option<&dyn Blocking> {
        Some(self)
    }

    fn panic_hook(&self) -> Option<&dyn UnhandledPanics> {
        Some(self)
    }

    fn shutdown(&self) -> Option<&dyn Shutdown> {
        Some(self)
    }
}

impl Joining for MutantExecutor {
    fn spawn_joinable(&self, task: BoxFuture<'static, Output>) -> Box<dyn JoinHandle> {
        let frame = self.core.captured();
        let done = Completion::new(self.core.reports());
        let output = done.clone();
        let future = Box::pin(async move { output.succeed(task.await) });
        let task = self.core.spawn(future, frame, done.clone());
        let detaches = self.core.fault == Fault::JoinDetaches;
        Box::new(Joined::new(done, detaches, move || task.abort()))
    }
}

impl Blocking for MutantExecutor {
    fn spawn_blocking(&self, call: Box<dyn FnOnce() -> Output + Send>) -> Box<dyn JoinHandle> {
        self.pool.spawn_blocking(call)
    }

    fn threads_max(&self) -> Option<usize> {
        Some(pool::THREADS)
    }

    /// Another worker takes over, so there is one more worker from then on.
    fn block_in_place(&self, call: &mut dyn FnMut()) -> bool {
        let core = Arc::clone(&self.core);
        let started_in = match self.core.fault {
            Fault::ReplacementsStartInTheFrame => Frame::current(),
            _ => Frame::root(),
        };
        let replacement = thread::spawn(move || {
            let _at_the_end = ForgetsLast;
            started_in.run(|| core.work());
        });
        lock(&self.threads).push(replacement);
        match self.core.fault {
            Fault::BlockInPlaceRunsAtTheRoot => Frame::root().run(call),
            _ => call(),
        }
        true
    }
}

impl Local for MutantExecutor {
    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>) {
        LocalTask::spawn(self.core.fault, task);
    }
}

impl UnhandledPanics for MutantExecutor {
    fn set_hook(&self, hook: PanicHook) {
        *lock(&self.core.hook) = Some(hook);
    }
}

impl Shutdown for MutantExecutor {
    fn shut_down(&self) {
        self.close();
        self.pool.close();
        self.timers.close();
    }
}
