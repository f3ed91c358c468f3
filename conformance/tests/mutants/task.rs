//! The tasks of the mutant executor: how they are polled, woken, aborted and dropped.

use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};

use framewise_conformance::context::{Frame, catch_unwind, coop};
use framewise_conformance::{BoxFuture, Ended};

use crate::executor::{Core, lock};
use crate::fault::Fault;
use crate::join::Completion;

thread_local! {
    /// The frame that [`Fault::SpawnTrustsItsOwnRecord`] takes for the current one.
    pub(crate) static RECORDED: RefCell<Option<Frame>> = const { RefCell::new(None) };
    /// The frame of the task that this thread polled last, for the faults that keep it.
    pub(crate) static LAST: RefCell<Frame> = const { RefCell::new(Frame::root()) };
    /// `true` while this thread wakes a joiner, for [`Fault::JoinersArePolledInside`].
    static WAKES_A_JOINER: Cell<bool> = const { Cell::new(false) };
}

/// Returns the frame of the task that this thread polled last.
pub(crate) fn last() -> Frame {
    LAST.with(|last| last.borrow().clone())
}

/// Drops the frame in [`LAST`] when a worker ends: a value in it may panic, which a thread-local's
/// destructor must not.
pub(crate) struct ForgetsLast;

impl Drop for ForgetsLast {
    fn drop(&mut self) {
        let last = LAST.with(|last| last.replace(Frame::root()));
        if let Err(payload) = std::panic::catch_unwind(AssertUnwindSafe(|| drop(last))) {
            std::mem::forget(payload);
        }
    }
}

/// Why a task ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Ready,
    Panicked,
    Aborted,
    Shutdown,
}

/// A task. The thread that holds the lock of `future` polls or drops it.
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
    /// Makes a task that is about to be queued.
    pub(crate) fn new(
        core: &Arc<Core>,
        future: BoxFuture<'static, ()>,
        frame: Frame,
        done: Completion,
    ) -> Arc<Self> {
        Arc::new(Task {
            core: Arc::clone(core),
            frame: Mutex::new(Some(frame)),
            future: Mutex::new(Some(future)),
            spawner: thread::current().id(),
            is_queued: AtomicBool::new(true),
            is_aborted: AtomicBool::new(false),
            was_polled: AtomicBool::new(false),
            first_thread: Mutex::new(None),
            done,
        })
    }

    fn fault(&self) -> Fault {
        self.core.fault
    }

    /// Returns the frame for the next poll.
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
            Fault::InheritsAtFirstPoll if !was_polled => {
                let inherited = own.inherited();
                *lock(&self.frame) = Some(inherited.clone());
                inherited
            }
            Fault::FramesTheFirstPollOnly if was_polled => Frame::root(),
            Fault::LosesTheFrameOnMigration if first != here => Frame::root(),
            Fault::PollsInTheFrameBefore if was_polled => last(),
            // "At the root there is nothing to swap": this is true only if no frame is left behind.
            Fault::StaysInThePanickedFrame if own.is_root() => Frame::current(),
            _ => own,
        }
    }

    /// Polls once. Returns `true` if the poll panicked.
    pub(crate) fn run(self: &Arc<Self>) -> bool {
        self.is_queued.store(false, Ordering::SeqCst);
        if self.is_aborted.load(Ordering::SeqCst) {
            self.end(Ending::Aborted);
            return false;
        }
        self.run_in(None)
    }

    /// Polls once, in the task's own frame, unless a fault chooses another one.
    pub(crate) fn run_in(self: &Arc<Self>, place: Option<Frame>) -> bool {
        let Ok(mut slot) = self.future.try_lock() else {
            // Another thread polls the task: poll once more afterwards.
            self.clone().queue();
            return false;
        };
        let Some(future) = slot.as_mut() else {
            return false;
        };
        let frame = place.unwrap_or_else(|| self.frame_to_poll_in());
        let waker = match self.fault() {
            Fault::WakersKeepTheFrame => Waker::from(Arc::new(HoldingWaker {
                task: Arc::clone(self),
                _frame: frame.clone(),
            })),
            _ => Waker::from(Arc::clone(self)),
        };
        RECORDED.with(|recorded| recorded.replace(Some(frame.clone())));
        let poll = || {
            catch_unwind(AssertUnwindSafe(|| {
                future.as_mut().poll(&mut Context::from_waker(&waker))
            }))
        };
        let polled = match self.fault() {
            // Made current without the callbacks of mirrored variables.
            Fault::PollsUnannounced => {
                coop::with_budget(|| Frame::root().run(|| frame.run_poll(poll)))
            }
            _ => frame.run(poll),
        };
        RECORDED.with(|recorded| recorded.replace(None));
        if self.fault().remembers_the_last_frame() {
            let before = LAST.with(|last| last.replace(frame.clone()));
            drop(before);
        }
        if matches!(polled, Ok(Poll::Pending)) {
            return false;
        }
        // Another thread may have taken the task from the queue, and must not poll it again.
        let future = slot.take();
        drop(slot);
        match polled {
            Ok(_) => {
                drop(frame);
                self.finish(future, Ending::Ready);
                false
            }
            // This path leaks the frame.
            Err(_) if self.fault() == Fault::PanickedTasksLeakTheFrame => {
                std::mem::forget(lock(&self.frame).clone());
                self.done.fail(Ended::default());
                self.finish(future, Ending::Panicked);
                true
            }
            Err(caught) => {
                let (payload, began_in) = caught.into_parts();
                let reported = match self.fault() {
                    Fault::PanicsNameTheTasksFrame => frame.clone(),
                    _ => began_in,
                };
                self.done.fail(Ended {
                    panic: Some(payload),
                    frame: Some(reported),
                });
                drop(frame);
                self.finish(future, Ending::Panicked);
                true
            }
        }
    }

    /// Ends a task that is not ready, unless it has ended.
    pub(crate) fn end(&self, ending: Ending) {
        let future = lock(&self.future).take();
        self.finish(future, ending);
    }

    /// Drops the future in the task's frame, then releases the frame, then notifies the joiner.
    fn finish(&self, future: Option<BoxFuture<'static, ()>>, ending: Ending) {
        let Some(future) = future else {
            return;
        };
        if self.fault() == Fault::DropsOnAnotherThread {
            // The future is dropped before the joiner is notified.
            let reaper = thread::spawn(move || drop(future));
            // The panic hook has printed a destructor's panic.
            let _ = reaper.join();
            let frame = lock(&self.frame).clone().unwrap_or_default();
            self.release_frame(frame);
            return;
        }
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
        drop(place);
        if let Err(payload) = dropped {
            std::mem::forget(payload);
            if self.fault() == Fault::StaysInAPanickedDrop {
                // The rest is done in the frame.
                frame.run(|| self.release_frame(Frame::root()));
                return;
            }
        }
        self.release_frame(frame);
    }

    fn release_frame(&self, frame: Frame) {
        if self.fault() == Fault::NotifiesTheJoinerFirst {
            self.done.complete(Frame::root());
            drop(lock(&self.frame).take());
            return;
        }
        if self.fault() != Fault::HandlesKeepTheFrame {
            drop(lock(&self.frame).take());
        }
        let place = match self.fault() {
            Fault::DropsDetachedOutputsOutside => Frame::root(),
            _ => frame,
        };
        if self.fault() == Fault::JoinersArePolledInside {
            WAKES_A_JOINER.set(true);
            place.run(|| self.done.complete(place.clone()));
            WAKES_A_JOINER.set(false);
            return;
        }
        self.done.complete(place);
    }

    fn queue(self: Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::SeqCst) {
            let core = Arc::clone(&self.core);
            core.push(self);
        }
    }

    pub(crate) fn abort(self: &Arc<Self>) {
        self.is_aborted.store(true, Ordering::SeqCst);
        if self.fault() == Fault::DropsWhereItIsAborted {
            let future = self.future.try_lock().ok().and_then(|mut slot| slot.take());
            if let Some(future) = future {
                drop(future);
                let frame = lock(&self.frame).clone().unwrap_or_default();
                self.release_frame(frame);
                return;
            }
        }
        self.clone().wake();
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        // Unless another thread polls the task now: then it is queued.
        if self.fault() == Fault::RunsInlineWithoutASwap
            && self.spawner == thread::current().id()
            && self.future.try_lock().is_ok()
        {
            // "The thread is ours, so why queue?"
            self.run_in(Some(Frame::current()));
            return;
        }
        if WAKES_A_JOINER.get() {
            // "The joiner is ready, so why queue?"
            WAKES_A_JOINER.set(false);
            self.run_in(Some(Frame::current()));
            return;
        }
        if self.fault() == Fault::WakersCarryAFrame && self.was_polled.load(Ordering::Relaxed) {
            let replaced = lock(&self.frame)
                .as_mut()
                .map(|frame| std::mem::replace(frame, Frame::current()));
            drop(replaced);
        }
        self.queue();
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
