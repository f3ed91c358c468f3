//! How the end of a task or call reaches its join handle.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use framewise_conformance::context::Frame;
use framewise_conformance::{BoxFuture, Ended, JoinHandle, Output, PanicHook};

use crate::executor::lock;
use crate::fault::Fault;

/// The hook for panics that no joiner gets, once it is set.
pub(crate) type HookSlot = Arc<Mutex<Option<PanicHook>>>;

/// Whose panics are reported.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Task,
    Call,
    Callback,
}

/// Reports panics of callbacks, and of tasks and calls that are not joined.
#[derive(Clone)]
pub(crate) struct Reports {
    pub(crate) fault: Fault,
    pub(crate) of: Of,
    pub(crate) hook: HookSlot,
}

impl Reports {
    /// Calls the hook in the frame of the failure. `is_late` is `true` if the handle was dropped
    /// after the end.
    pub(crate) fn report(&self, ended: &Ended, is_late: bool) {
        let Some(hook) = lock(&self.hook).clone() else {
            return;
        };
        let frame = ended.frame.clone();
        let is_outside = match self.fault {
            Fault::HookRunsOutside => self.of == Of::Task && !is_late,
            Fault::LateHookRunsWhereTheHandleIsDropped => is_late,
            Fault::CallsHookRunsOutside => self.of == Of::Call && !is_late,
            Fault::CallbacksHookRunsOutside => self.of == Of::Callback,
            _ => false,
        };
        let place = if is_outside {
            Frame::current()
        } else {
            frame.clone().unwrap_or_default()
        };
        place.run(|| hook(frame));
    }
}

/// Shared by a task and its handle.
#[derive(Clone)]
pub(crate) struct Completion {
    state: Arc<Mutex<State>>,
    reports: Reports,
}

#[derive(Default)]
struct State {
    result: Option<Result<Output, Ended>>,
    is_complete: bool,
    is_joined: bool,
    waker: Option<Waker>,
}

impl Completion {
    pub(crate) fn new(reports: Reports) -> Self {
        let state = State {
            is_joined: true,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            reports,
        }
    }

    /// Makes the completion of a task without a handle.
    pub(crate) fn detached(reports: Reports) -> Self {
        Self {
            state: Arc::default(),
            reports,
        }
    }

    /// Stores the output, which the handle sees after [`complete`](Self::complete).
    pub(crate) fn succeed(&self, output: Output) {
        lock(&self.state).result = Some(Ok(output));
    }

    /// Stores the panic, or reports it if there is no handle.
    pub(crate) fn fail(&self, ended: Ended) {
        {
            let mut state = lock(&self.state);
            if state.is_joined {
                state.result = Some(Err(ended));
                return;
            }
        }
        self.reports.report(&ended, false);
    }

    /// Marks the task as dropped, and wakes the joiner. An output without a handle is dropped in
    /// `frame`.
    pub(crate) fn complete(&self, frame: Frame) {
        // The frame is released before a joiner is notified (C-47). It is needed only without a
        // joiner (C-39).
        let frame = if lock(&self.state).is_joined {
            drop(frame);
            Frame::root()
        } else {
            frame
        };
        let (unwanted, waker) = {
            let mut state = lock(&self.state);
            state.is_complete = true;
            let unwanted = if state.is_joined {
                None
            } else {
                state.result.take()
            };
            (unwanted, state.waker.take())
        };
        if let Some(Err(ended)) = &unwanted {
            self.reports.report(ended, false);
        }
        let dropped = frame.run(|| std::panic::catch_unwind(AssertUnwindSafe(|| drop(unwanted))));
        if let Err(payload) = dropped {
            std::mem::forget(payload);
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, waker: &Waker) -> Poll<Result<Output, Ended>> {
        let mut state = lock(&self.state);
        if !state.is_complete {
            state.waker = Some(waker.clone());
            return Poll::Pending;
        }
        Poll::Ready(state.result.take().unwrap_or_else(|| Err(Ended::default())))
    }

    /// Marks that the handle is gone. A panic that was not joined is reported.
    fn leave(&self) {
        let unwanted = {
            let mut state = lock(&self.state);
            state.is_joined = false;
            if state.is_complete {
                state.result.take()
            } else {
                None
            }
        };
        if let Some(Err(ended)) = &unwanted {
            self.reports.report(ended, true);
        }
    }
}

/// A join handle.
pub(crate) struct Joined {
    done: Completion,
    detaches: bool,
    abort: Box<dyn Fn() + Send + Sync>,
}

impl Joined {
    /// `detaches` is a fault: `join`, which consumes the handle, detaches the task.
    pub(crate) fn new(
        done: Completion,
        detaches: bool,
        abort: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            done,
            detaches,
            abort: Box::new(abort),
        }
    }
}

impl JoinHandle for Joined {
    fn join(self: Box<Self>) -> BoxFuture<'static, Result<Output, Ended>> {
        if self.detaches {
            self.done.leave();
        }
        Box::pin(async move { poll_fn(|cx| self.done.poll(cx.waker())).await })
    }

    fn abort(&mut self) -> bool {
        (self.abort)();
        true
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.done.leave();
    }
}
