//! How the end of a task or call reaches whoever holds its handle.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use framewise_conformance::context::Frame;
use framewise_conformance::{BoxFuture, Ended, JoinHandle, Output};

use crate::lab::lock;

/// Shared by a task and its handle.
#[derive(Clone)]
pub(crate) struct Completion(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    result: Option<Result<Output, Ended>>,
    is_settled: bool,
    is_joined: bool,
    waker: Option<Waker>,
}

impl Completion {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            is_joined: true,
            ..State::default()
        })))
    }

    /// For a task without a handle.
    pub(crate) fn nobody() -> Self {
        Self(Arc::default())
    }

    /// The output, which the handle sees after [`settle`](Self::settle).
    pub(crate) fn succeed(&self, output: Output) {
        lock(&self.0).result = Some(Ok(output));
    }

    /// The panic. Says whether there is nobody to be told.
    pub(crate) fn fail(&self, ended: Ended) -> bool {
        let mut state = lock(&self.0);
        if state.is_joined {
            state.result = Some(Err(ended));
        }
        !state.is_joined
    }

    /// The task is gone. An output that nobody waits for is dropped in `frame`.
    pub(crate) fn settle(&self, frame: Frame) {
        // Released before a joiner is notified (C-47); needed only where there is no joiner (C-39).
        let frame = if lock(&self.0).is_joined {
            drop(frame);
            Frame::root()
        } else {
            frame
        };
        let (unwanted, waker) = {
            let mut state = lock(&self.0);
            state.is_settled = true;
            let unwanted = if state.is_joined {
                None
            } else {
                state.result.take()
            };
            (unwanted, state.waker.take())
        };
        let dropped = frame.run(|| std::panic::catch_unwind(AssertUnwindSafe(|| drop(unwanted))));
        if let Err(payload) = dropped {
            std::mem::forget(payload);
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, waker: &Waker) -> Poll<Result<Output, Ended>> {
        let mut state = lock(&self.0);
        if !state.is_settled {
            state.waker = Some(waker.clone());
            return Poll::Pending;
        }
        Poll::Ready(state.result.take().unwrap_or_else(|| Err(Ended::default())))
    }

    fn leave(&self) {
        lock(&self.0).is_joined = false;
    }
}

/// A handle.
pub(crate) struct Joined {
    done: Completion,
    detaches: bool,
    abort: Box<dyn Fn() + Send + Sync>,
}

impl Joined {
    /// `detaches` is a fault: a handle that is consumed by its join is let go at once.
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
