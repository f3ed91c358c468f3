//! Gates, for which threads and futures wait.

use std::future::{Future, poll_fn};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Poll, Waker};

use crate::wait::WaitLimit;

/// A gate, which opens once. Threads and futures can wait for it.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    opened: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    is_open: bool,
    wakers: Vec<Waker>,
}

impl Gate {
    /// Makes a closed gate.
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Opens the gate, and calls the wakers of its waiters in the caller's frame.
    pub(crate) fn open(&self) {
        let wakers = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.is_open = true;
            std::mem::take(&mut state.wakers)
        };
        self.opened.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Returns `true` if the gate is open.
    pub(crate) fn is_open(&self) -> bool {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_open
    }

    /// Blocks this thread until the gate is open. Returns `false` after the time limit.
    pub(crate) fn wait(&self) -> bool {
        WaitLimit::begin().block_until(|turn| {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let (state, _) = self
                .opened
                .wait_timeout_while(state, turn, |state| !state.is_open)
                .unwrap_or_else(PoisonError::into_inner);
            state.is_open
        })
    }

    /// Returns a future that is ready when the gate is open.
    pub(crate) fn passed(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        let gate = Arc::clone(self);
        poll_fn(move |cx| {
            let mut state = gate.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.is_open {
                return Poll::Ready(());
            }
            if !state.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.wakers.push(cx.waker().clone());
            }
            Poll::Pending
        })
    }
}
