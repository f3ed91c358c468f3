//! Whole runtimes: the shipped start, workers' loop, spawn, hand-over and shutdown, over the deque's
//! stand-in and a kernel of plain data.
//!
//! A task that is lost shows as a deadlock: somebody waits for its end. One that ends twice, or not at
//! all, is seen by its `EndWatched`.
#![cfg(framewise_loom)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::poll_fn;
use std::task::{Poll, Wake, Waker};

use framewise::runtime::{Builder, Runtime};
use framewise::task::block_in_place;
use framewise::{ContextVar, JoinError, JoinHandle};
use framewise_loom_tests::{Bell, EndWatched, model};
use framewise_sync::{Arc, Mutex, thread};

static REQUEST: ContextVar<u8> = ContextVar::new("request");

fn runtime(workers: usize) -> Runtime {
    Builder::new().worker_threads(workers).build().unwrap()
}

fn join<T>(handle: &mut JoinHandle<T>) -> Result<T, JoinError> {
    Bell::new().block_on(handle)
}

/// Where a task leaves its waker.
#[derive(Clone, Default)]
struct Hook(Arc<Mutex<Option<Waker>>>);

impl Hook {
    fn take(&self) -> Option<Waker> {
        self.0.lock().take()
    }
}

/// Race: a push from outside against a worker that starts, looks, and goes to sleep in the driver; then
/// the closing against the same.
#[test]
fn a_spawned_task_runs() {
    model("spawn × worker × shutdown, joined first", || {
        let runtime = runtime(1);
        let (value, end) = EndWatched::new();
        let mut handle = runtime.spawn(async move { value.touch() });
        join(&mut handle).unwrap();
        assert!(end.has_ended());
        drop(runtime);
    });
}

/// Race: a spawn against the whole of a shutdown: the task runs or is cancelled, and the joiner hears
/// which.
#[test]
fn a_spawn_meets_a_shutdown() {
    model("spawn × shutdown", || {
        let runtime = runtime(1);
        let handle = runtime.handle().clone();
        let (value, end) = EndWatched::new();
        let spawner = thread::spawn(move || {
            let mut task = handle.spawn(async move { value.touch() });
            join(&mut task).is_ok()
        });
        drop(runtime);
        spawner.join().unwrap();
        assert!(end.has_ended());
    });
}

/// Race: a wake from a foreign thread, and an abort, against the whole of a shutdown: the future ends
/// once, on the worker, in its frame, and the joiner hears that it was cancelled, if it did not complete.
#[test]
fn an_abort_meets_a_wake_and_a_shutdown() {
    model("abort × wake × shutdown", || {
        let runtime = runtime(1);
        let hook = Hook::default();
        let (value, end) = EndWatched::new();
        let mut task = REQUEST.run(1, || {
            let hook = hook.clone();
            runtime.spawn(poll_fn(move |cx| {
                value.touch();
                assert_eq!(REQUEST.get(), Some(1));
                *hook.0.lock() = Some(cx.waker().clone());
                Poll::<()>::Pending
            }))
        });
        let abort = task.abort_handle();
        let waker = thread::spawn(move || {
            if let Some(waker) = hook.take() {
                waker.wake();
            }
            abort.abort();
        });
        drop(runtime);
        assert!(join(&mut task).unwrap_err().is_cancelled());
        waker.join().unwrap();
        drop(task);
        assert!(end.has_ended());
    });
}

/// Race: a task that blocks in place against the thread that goes on with its worker's core, and
/// against the end of the runtime, which does not wait for what the blocked task waits for. The task's
/// frame stays, and what was queued behind it is run.
#[test]
fn a_blocked_tasks_core_goes_on() {
    model("block_in_place × core", || {
        let runtime = runtime(1);
        let bell = Bell::new();
        let mut blocks = REQUEST.run(1, || {
            let bell = bell.clone();
            runtime.spawn(async move {
                let mut behind = framewise::spawn_root(async move {
                    assert_eq!(REQUEST.get(), None);
                    Wake::wake_by_ref(&bell);
                });
                block_in_place(|| join(&mut behind).unwrap());
                REQUEST.get()
            })
        });
        bell.wait();
        assert_eq!(join(&mut blocks).unwrap(), Some(1));
        drop(runtime);
    });
}

/// Race: the same against the end of the runtime: what the blocked task waits for is ended without it,
/// and then it can end.
#[test]
fn a_blocked_task_meets_a_shutdown() {
    model("block_in_place × shutdown", || {
        let runtime = runtime(1);
        let (value, end) = EndWatched::new();
        let mut blocks = runtime.spawn(async move {
            let mut behind = framewise::spawn(async move { value.touch() });
            block_in_place(|| drop(join(&mut behind)));
        });
        drop(runtime);
        drop(join(&mut blocks));
        drop(blocks);
        assert!(end.has_ended());
    });
}
