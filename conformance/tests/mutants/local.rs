//! `block_on`, and tasks that stay on its thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use framewise_conformance::LocalBoxFuture;
use framewise_conformance::context::Frame;

use crate::fault::Fault;
use crate::task::RECORDED;

thread_local! {
    static TASKS: RefCell<VecDeque<Rc<LocalTask>>> = const { RefCell::new(VecDeque::new()) };
}

/// A task that stays on its thread. Each wake-up of the thread polls all of its local tasks.
pub(crate) struct LocalTask {
    future: RefCell<Option<LocalBoxFuture<'static, ()>>>,
    frame: Frame,
}

impl LocalTask {
    pub(crate) fn spawn(fault: Fault, future: LocalBoxFuture<'static, ()>) {
        let frame = match fault {
            Fault::LocalTasksCarryNothing => Frame::root(),
            _ => Frame::current().inherited(),
        };
        let task = Rc::new(LocalTask {
            future: RefCell::new(Some(future)),
            frame,
        });
        TASKS.with(|tasks| tasks.borrow_mut().push_back(task));
    }
}

struct Unpark {
    thread: Thread,
    is_woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

pub(crate) fn block_on(fault: Fault, mut future: LocalBoxFuture<'_, ()>) {
    let unpark = Arc::new(Unpark {
        thread: thread::current(),
        is_woken: AtomicBool::new(false),
    });
    let waker = Waker::from(Arc::clone(&unpark));
    let mut cx = Context::from_waker(&waker);
    let frame = match fault {
        Fault::BlockOnStartsAtTheRoot => Frame::root(),
        _ => Frame::current(),
    };
    // A nested `block_on` does not restore the record.
    if fault == Fault::SpawnTrustsItsOwnRecord {
        RECORDED.with(|recorded| recorded.replace(None));
    }
    loop {
        let here = match fault {
            Fault::BlockOnStaysInLocalTasks => last(&frame),
            _ => frame.clone(),
        };
        if here.run(|| future.as_mut().poll(&mut cx)).is_ready() {
            break;
        }
        if !run_local_tasks(&mut cx) {
            while !unpark.is_woken.swap(false, Ordering::SeqCst) {
                thread::park();
            }
        }
    }
    if fault == Fault::SpawnTrustsItsOwnRecord {
        RECORDED.with(|recorded| recorded.replace(Some(Frame::root())));
    }
    // The remaining tasks belong to this `block_on`.
    let left = TASKS.with(|tasks| std::mem::take(&mut *tasks.borrow_mut()));
    for task in left {
        let future = task.future.borrow_mut().take();
        task.frame.run(|| drop(future));
    }
}

/// Returns the frame of the local task that was polled last, if there is one.
fn last(own: &Frame) -> Frame {
    TASKS.with(|tasks| {
        let tasks = tasks.borrow();
        tasks
            .back()
            .map_or_else(|| own.clone(), |task| task.frame.clone())
    })
}

/// Polls each task once. Returns `true` if a task ended or was spawned, so that the future is
/// polled before the thread parks.
fn run_local_tasks(cx: &mut Context<'_>) -> bool {
    let tasks = TASKS.with(|tasks| std::mem::take(&mut *tasks.borrow_mut()));
    let mut progress = false;
    let mut left = VecDeque::new();
    for task in tasks {
        let Some(mut future) = task.future.borrow_mut().take() else {
            continue;
        };
        match task.frame.run(|| future.as_mut().poll(cx)) {
            Poll::Pending => {
                task.future.replace(Some(future));
                left.push_back(task);
            }
            Poll::Ready(()) => {
                progress = true;
                task.frame.run(|| drop(future));
            }
        }
    }
    TASKS.with(|tasks| {
        let mut tasks = tasks.borrow_mut();
        progress |= !tasks.is_empty();
        tasks.append(&mut left);
    });
    progress
}
