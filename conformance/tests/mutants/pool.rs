//! Two threads for blocking calls.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use framewise_conformance::context::{Frame, catch_unwind};
use framewise_conformance::{Ended, JoinHandle, Output};

use crate::executor::lock;
use crate::fault::Fault;
use crate::join::{Completion, HookSlot, Joined, Of, Reports};

/// The number of threads.
pub(crate) const THREADS: usize = 2;

/// The threads, and the queue of calls.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

struct Shared {
    fault: Fault,
    hook: HookSlot,
    calls: Mutex<Calls>,
    changed: Condvar,
}

#[derive(Default)]
struct Calls {
    queue: VecDeque<Call>,
    is_closed: bool,
}

struct Call {
    call: Box<dyn FnOnce() -> Output + Send>,
    frame: Frame,
    is_aborted: Arc<AtomicBool>,
    done: Completion,
}

impl Pool {
    pub(crate) fn start(fault: Fault, hook: HookSlot) -> Self {
        let shared = Arc::new(Shared {
            fault,
            hook,
            calls: Mutex::default(),
            changed: Condvar::new(),
        });
        let worker = |_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.work())
        };
        Self {
            threads: Mutex::new((0..THREADS).map(worker).collect()),
            shared,
        }
    }

    pub(crate) fn close(&self) {
        let left = {
            let mut calls = lock(&self.shared.calls);
            calls.is_closed = true;
            std::mem::take(&mut calls.queue)
        };
        left.into_iter()
            .for_each(|call| call.cancel(self.shared.fault));
        self.shared.changed.notify_all();
        for thread in lock(&self.threads).drain(..) {
            // The panic hook has printed a panic.
            let _ = thread.join();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn next(&self) -> Option<Call> {
        let mut calls = lock(&self.calls);
        loop {
            if let Some(call) = calls.queue.pop_front() {
                return Some(call);
            }
            if calls.is_closed {
                return None;
            }
            calls = self
                .changed
                .wait(calls)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn work(&self) {
        while let Some(call) = self.next() {
            let frame = call.frame.clone();
            let is_bound = !frame.is_root();
            call.run(self.fault);
            if self.fault == Fault::PoolThreadsKeepTheFrame && is_bound {
                return frame.run(|| self.work());
            }
        }
    }
}

impl Call {
    fn run(self, fault: Fault) {
        if self.is_aborted.load(Ordering::SeqCst) {
            return self.cancel(fault);
        }
        let frame = match fault {
            Fault::BlockingCapturesWhenItRuns => Frame::current(),
            // "At the root there is nothing to swap."
            Fault::PoolThreadsKeepTheFrame if self.frame.is_root() => Frame::current(),
            _ => self.frame.clone(),
        };
        let ended = frame.run(|| catch_unwind(AssertUnwindSafe(self.call)));
        drop(self.frame);
        match ended {
            Ok(output) => self.done.succeed(output),
            Err(caught) => {
                let (payload, began_in) = caught.into_parts();
                self.done.fail(Ended {
                    panic: Some(payload),
                    frame: Some(began_in),
                });
            }
        }
        self.done.complete(frame);
    }

    fn cancel(self, fault: Fault) {
        let place = match fault {
            Fault::CancelledCallsAreDroppedOutside => Frame::root(),
            _ => self.frame.clone(),
        };
        place.run(|| drop(self.call));
        drop(self.frame);
        self.done.complete(place);
    }
}

impl Pool {
    pub(crate) fn spawn_blocking(
        &self,
        call: Box<dyn FnOnce() -> Output + Send>,
    ) -> Box<dyn JoinHandle> {
        let done = Completion::new(Reports {
            fault: self.shared.fault,
            of: Of::Call,
            hook: Arc::clone(&self.shared.hook),
        });
        let is_aborted = Arc::new(AtomicBool::new(false));
        let call = Call {
            call,
            frame: Frame::current().inherited(),
            is_aborted: Arc::clone(&is_aborted),
            done: done.clone(),
        };
        let mut calls = lock(&self.shared.calls);
        if calls.is_closed {
            drop(calls);
            call.cancel(self.shared.fault);
        } else {
            calls.queue.push_back(call);
        }
        self.shared.changed.notify_one();
        Box::new(Joined::new(done, false, move || {
            is_aborted.store(true, Ordering::SeqCst);
        }))
    }
}
