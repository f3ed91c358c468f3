//! An executor for experiments: correct, but for one fault that it can be told to have.
//!
//! It has every ability that a frame can get lost in, each in its simplest form: worker threads with
//! one queue and one lock, a thread for timers, two threads for calls that block. What it does where
//! a fault is chosen stands at the place in question.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};

use framewise_conformance::context::{Frame, catch_unwind};
use framewise_conformance::{
    Blocking, BoxFuture, Ended, Executor, JoinHandle, Joining, Local, LocalBoxFuture, Output,
    PanicHook, Shutdown, Timers, UnhandledPanics,
};

use crate::fault::Fault;
use crate::join::{Completion, Joined};
use crate::local::LocalTask;
use crate::pool::Pool;
use crate::timer::TimerThread;

const WORKERS: usize = 2;

/// The executor.
pub(crate) struct Lab {
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
    hook: Mutex<Option<PanicHook>>,
}

#[derive(Default)]
struct Work {
    queue: VecDeque<Arc<Task>>,
    tasks: Vec<Weak<Task>>,
    is_closed: bool,
}

thread_local! {
    /// What [`Fault::SpawnTrustsItsOwnRecord`] believes to be current.
    pub(crate) static BELIEVED: RefCell<Option<Frame>> = const { RefCell::new(None) };
    /// The frame of the task that was polled before on this thread.
    static LAST: RefCell<Frame> = const { RefCell::new(Frame::root()) };
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lab {
    pub(crate) fn new(fault: Fault) -> Self {
        let core = Arc::new(Core {
            fault,
            work: Mutex::default(),
            changed: Condvar::new(),
            hook: Mutex::default(),
        });
        let worker = |_| {
            let core = Arc::clone(&core);
            thread::spawn(move || core.work())
        };
        Self {
            threads: Mutex::new((0..WORKERS).map(worker).collect()),
            timers: TimerThread::start(fault),
            pool: Pool::start(fault),
            core,
        }
    }

    fn close(&self) {
        // The queue may have a task's last reference: it is kept until the tasks have ended.
        let (tasks, queue) = {
            let mut work = lock(&self.core.work);
            work.is_closed = true;
            let queue = std::mem::take(&mut work.queue);
            (std::mem::take(&mut work.tasks), queue)
        };
        self.core.changed.notify_all();
        for thread in lock(&self.threads).drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
        for task in tasks.iter().filter_map(Weak::upgrade) {
            task.end(Ending::Shutdown);
        }
        drop(queue);
    }
}

impl Drop for Lab {
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
            if task.run() && self.fault == Fault::StaysInThePanickedFrame {
                // The worker goes on within the frame of the task that panicked.
                let frame = LAST.with(|last| last.borrow().clone());
                return frame.run(|| self.work());
            }
        }
    }

    fn push(&self, task: Arc<Task>) {
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
        let task = Arc::new(Task {
            core: Arc::clone(self),
            frame: Mutex::new(Some(frame)),
            future: Mutex::new(Some(future)),
            spawner: thread::current().id(),
            is_queued: AtomicBool::new(true),
            is_aborted: AtomicBool::new(false),
            was_polled: AtomicBool::new(false),
            first_thread: Mutex::new(None),
            done,
        });
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

    /// The frame that a task gets which is spawned here.
    fn captured(&self) -> Frame {
        let current = Frame::current();
        match self.fault {
            Fault::NotInheritedIsInherited => current,
            Fault::CarriesNothing => Frame::root(),
            Fault::SpawnTrustsItsOwnRecord => {
                let believed = BELIEVED.with(|believed| believed.borrow().clone());
                believed.unwrap_or(current).inherited()
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

/// Why a task is taken down.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Ready,
    Panicked,
    Aborted,
    Shutdown,
}

/// A task. Whoever has the lock of `future` polls or drops it.
pub(crate) struct Task {
    core: Arc<Core>,
    frame: Mutex<Option<Frame>>,
    future: Mutex<Option<BoxFuture<'static, ()>>>,
    spawner: ThreadId,
    is_queued: AtomicBool,
    is_aborted: AtomicBool,
    was_polled: AtomicBool,
    first_thread: Mutex<Option<ThreadId>>,
    done: Completion,
}

impl Task {
    fn fault(&self) -> Fault {
        self.core.fault
    }

    /// The frame for the next poll.
    fn frame_to_poll_in(&self) -> Frame {
        let own = lock(&self.frame).clone().unwrap_or_default();
        let was_polled = self.was_polled.swap(true, Ordering::Relaxed);
        let here = thread::current().id();
        let first = *lock(&self.first_thread).get_or_insert(here);
        match self.fault() {
            Fault::CapturesAtFirstPoll if !was_polled => {
                let first = Frame::current();
                *lock(&self.frame) = Some(first.clone());
                first
            }
            Fault::FramesTheFirstPollOnly if was_polled => Frame::root(),
            Fault::LosesTheFrameOnMigration if first != here => Frame::root(),
            Fault::PollsInTheFrameBefore if was_polled => LAST.with(|last| last.borrow().clone()),
            // "At the root there is nothing to swap": true only if nothing is left behind.
            Fault::StaysInThePanickedFrame if own.is_root() => Frame::current(),
            _ => own,
        }
    }

    /// Polls once. Says whether that panicked.
    fn run(self: &Arc<Self>) -> bool {
        self.is_queued.store(false, Ordering::SeqCst);
        if self.is_aborted.load(Ordering::SeqCst) {
            self.end(Ending::Aborted);
            return false;
        }
        let frame = self.frame_to_poll_in();
        self.run_in(&frame)
    }

    fn run_in(self: &Arc<Self>, frame: &Frame) -> bool {
        let Ok(mut slot) = self.future.try_lock() else {
            // Somebody polls it: once more afterwards.
            self.clone().wake();
            return false;
        };
        let Some(future) = slot.as_mut() else {
            return false;
        };
        let waker = match self.fault() {
            Fault::WakersKeepTheFrame => Waker::from(Arc::new(HoldingWaker {
                task: Arc::clone(self),
                _frame: frame.clone(),
            })),
            _ => Waker::from(Arc::clone(self)),
        };
        BELIEVED.with(|believed| believed.replace(Some(frame.clone())));
        let polled = frame.run(|| {
            catch_unwind(AssertUnwindSafe(|| {
                future.as_mut().poll(&mut Context::from_waker(&waker))
            }))
        });
        BELIEVED.with(|believed| believed.replace(None));
        if self.fault() != Fault::None {
            LAST.with(|last| last.replace(frame.clone()));
        }
        drop(slot);
        match polled {
            Ok(Poll::Pending) => false,
            Ok(Poll::Ready(())) => {
                self.end(Ending::Ready);
                false
            }
            Err(caught) => {
                let (payload, began_in) = caught.into_parts();
                let told = match self.fault() {
                    Fault::PanicsNameTheTasksFrame => frame.clone(),
                    _ => began_in,
                };
                let hook = lock(&self.core.hook).clone();
                let unhandled = self.done.fail(Ended {
                    panic: Some(payload),
                    frame: Some(told.clone()),
                });
                if unhandled && let Some(hook) = hook {
                    hook(Some(told));
                }
                self.end(Ending::Panicked);
                true
            }
        }
    }

    /// Drops the future where it has lived, then lets go of the frame, then tells who joins.
    fn end(&self, ending: Ending) {
        let Some(future) = lock(&self.future).take() else {
            return;
        };
        let frame = lock(&self.frame).clone().unwrap_or_default();
        let outside = match self.fault() {
            Fault::DropsAtCompletionOutside => ending == Ending::Ready,
            Fault::DropsAtPanicOutside => ending == Ending::Panicked,
            Fault::DropsAtAbortOutside => ending == Ending::Aborted,
            Fault::DropsAtShutdownOutside => ending == Ending::Shutdown,
            _ => false,
        };
        let place = if outside {
            Frame::root()
        } else {
            frame.clone()
        };
        let dropped = place.run(|| std::panic::catch_unwind(AssertUnwindSafe(|| drop(future))));
        if let Err(payload) = dropped {
            std::mem::forget(payload);
            if self.fault() == Fault::StaysInAPanickedDrop {
                // What is to be done afterwards is done in there.
                frame.run(|| self.let_go(&Frame::root()));
                return;
            }
        }
        self.let_go(&frame);
    }

    fn let_go(&self, frame: &Frame) {
        if self.fault() != Fault::HandlesKeepTheFrame {
            drop(lock(&self.frame).take());
        }
        let place = match self.fault() {
            Fault::DropsDetachedOutputsOutside => Frame::root(),
            _ => frame.clone(),
        };
        self.done.settle(place);
    }

    fn abort(self: &Arc<Self>) {
        self.is_aborted.store(true, Ordering::SeqCst);
        self.clone().wake();
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if self.fault() == Fault::RunsInlineWithoutASwap && self.spawner == thread::current().id() {
            // "The thread is ours, so why queue?"
            self.run_in(&Frame::current());
            return;
        }
        if !self.is_queued.swap(true, Ordering::SeqCst) {
            let core = Arc::clone(&self.core);
            core.push(self);
        }
    }
}

struct HoldingWaker {
    task: Arc<Task>,
    _frame: Frame,
}

impl Wake for HoldingWaker {
    fn wake(self: Arc<Self>) {
        self.task.clone().wake();
    }
}

impl Executor for Lab {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let frame = self.core.captured();
        self.core.spawn(task, frame, Completion::nobody());
    }

    fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
        crate::local::block_on(self.core.fault, future);
    }

    fn spawn_root(&self, task: BoxFuture<'static, ()>) {
        let frame = match self.core.fault {
            Fault::RootInherits => Frame::current().inherited(),
            _ => Frame::root(),
        };
        self.core.spawn(task, frame, Completion::nobody());
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
        Some(&self.pool)
    }

    fn panic_hook(&self) -> Option<&dyn UnhandledPanics> {
        Some(self)
    }

    fn shutdown(&self) -> Option<&dyn Shutdown> {
        Some(self)
    }
}

impl Joining for Lab {
    fn spawn_joinable(&self, task: BoxFuture<'static, Output>) -> Box<dyn JoinHandle> {
        let frame = self.core.captured();
        let done = Completion::new();
        let output = done.clone();
        let future = Box::pin(async move { output.succeed(task.await) });
        let task = self.core.spawn(future, frame, done.clone());
        Box::new(Joined::new(done, move || task.abort()))
    }
}

impl Local for Lab {
    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>) {
        LocalTask::spawn(self.core.fault, task);
    }
}

impl UnhandledPanics for Lab {
    fn set_hook(&self, hook: PanicHook) {
        *lock(&self.core.hook) = Some(hook);
    }
}

impl Shutdown for Lab {
    fn shut_down(&self) {
        self.close();
        self.pool.close();
        self.timers.close();
    }
}
