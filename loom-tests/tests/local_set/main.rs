//! `LocalSet`: tasks that other threads wake, abort and join, and that run on the set's thread
//! only.
//!
//! The shipped set, tasks and list; the set's thread polls the set by hand with a [`TestWaker`]. A
//! wake-up that the set loses leaves its thread waiting for its waker (a deadlock), or a task
//! unfinished. Assertions report a future that is dropped on another thread, in another frame,
//! twice or never. loom reports races and leaks.

#![cfg(framewise_loom)]

mod ending;
mod waking;

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use framewise::task::LocalSet;
use framewise::{ContextVar, JoinHandle};
use framewise_loom_tests::{DropObserver, DropTracker, PoisoningAllocator, TestWaker};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::cell::UnsafeCell;
use framewise_sync::{Arc, Mutex};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;
static REQUEST: ContextVar<u64> = ContextVar::new("request");

framewise_sync::thread_local! {
    /// Set on the set's thread.
    static IS_SET_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// What other threads write for a task. Relaxed on purpose: only the wake makes the poll see it.
#[derive(Clone, Default)]
struct Notified(Arc<AtomicUsize>);

impl Notified {
    fn notify(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Stores its waker at its first poll, and is ready once it was notified often enough. It asserts
/// that it is polled and dropped on its thread and in its frame.
struct Listener {
    notified: Notified,
    wanted: usize,
    waker: Arc<Mutex<Option<std::task::Waker>>>,
    polls: UnsafeCell<usize>,
    /// A task of a set need not be `Send`.
    _not_send: Rc<()>,
    _end: DropTracker,
}

struct Remote {
    notified: Notified,
    waker: Arc<Mutex<Option<std::task::Waker>>>,
    end: DropObserver,
}

impl Listener {
    fn new(wanted: usize) -> (Self, Remote) {
        let (end, watch) = DropTracker::new();
        let listener = Self {
            notified: Notified::default(),
            wanted,
            waker: Arc::default(),
            polls: UnsafeCell::new(0),
            _not_send: Rc::new(()),
            _end: end,
        };
        let remote = Remote {
            notified: listener.notified.clone(),
            waker: Arc::clone(&listener.waker),
            end: watch,
        };
        (listener, remote)
    }
}

/// Asserts that this is the set's thread, in the task's frame.
#[track_caller]
fn assert_at_home() {
    assert!(IS_SET_THREAD.with(Cell::get), "on another thread");
    assert_eq!(REQUEST.get(), Some(7), "in another frame");
}

impl Future for Listener {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        assert_at_home();
        // SAFETY: loom reports a concurrent access.
        let polls = self.polls.with_mut(|polls| unsafe {
            *polls += 1;
            *polls
        });
        if polls == 1 {
            *self.waker.lock() = Some(cx.waker().clone());
        }
        if self.notified.0.load(Ordering::Relaxed) == self.wanted {
            Poll::Ready(polls)
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        assert_at_home();
    }
}

impl Remote {
    /// Returns the waker that the first poll stored.
    fn waker(&self) -> std::task::Waker {
        let waker = self.waker.lock().take();
        waker.expect("the task was polled")
    }
}

/// Creates a set and marks its thread.
fn set() -> LocalSet {
    IS_SET_THREAD.with(|is_set_thread| is_set_thread.set(true));
    LocalSet::new()
}

/// A task in its frame.
fn spawn(set: &LocalSet, wanted: usize) -> (JoinHandle<usize>, Remote) {
    let (listener, remote) = Listener::new(wanted);
    (REQUEST.run(7, || set.spawn_local(listener)), remote)
}

/// Ready at the poll with that number.
struct Countdown(usize);

impl Future for Countdown {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        self.0 -= 1;
        if self.0 == 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// The message of the panics in the models below.
const PLANNED: &str = "a task of the set panics, as planned";

/// Spawns a task that panics once it was notified often enough.
fn spawn_panicking(set: &LocalSet, wanted: usize) -> (JoinHandle<()>, Remote) {
    let (listener, remote) = Listener::new(wanted);
    let handle = REQUEST.run(7, || {
        set.spawn_local(async move {
            listener.await;
            panic!("{PLANNED}");
        })
    });
    (handle, remote)
}

/// Returns `true` if the task has ended with an output.
#[track_caller]
fn finished<T>(mut handle: JoinHandle<T>) -> bool {
    match TestWaker::new().poll(&mut handle) {
        Poll::Ready(Ok(_)) => true,
        Poll::Ready(Err(error)) => {
            assert!(error.is_cancelled());
            false
        }
        Poll::Pending => panic!("the joiner would wait forever"),
    }
}
