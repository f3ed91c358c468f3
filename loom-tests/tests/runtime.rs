//! Whole runtimes: the shipped start, worker's loop, spawn, core handoff and shutdown, over the
//! model deque and a kernel of plain data.
//!
//! The runtimes have one worker, and the threads that take its core over, because loom does not
//! exhaust two workers within a minute. `idle.rs`, `monitor.rs` and `deque/` have two workers,
//! and `shuttle_runtime.rs` has whole runtimes with several.
//!
//! A lost task is a deadlock, since a thread waits for its end. `DropTracker` detects a task that
//! is dropped twice or never.
#![cfg(framewise_loom)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::poll_fn;
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use framewise::runtime::{Builder, Runtime};
use framewise::task::{block_in_place, yield_now};
use framewise::{ContextVar, JoinError, JoinHandle, time};
use framewise_loom_tests::{DropTracker, TestWaker, model, model_with_panics};
use framewise_sync::{Arc, Mutex, thread};
use framewise_timers::model_clock::ModelClock;

static REQUEST: ContextVar<u8> = ContextVar::new("request");

fn runtime(workers: usize) -> Runtime {
    Builder::new().worker_threads(workers).build().unwrap()
}

fn join<T>(handle: &mut JoinHandle<T>) -> Result<T, JoinError> {
    TestWaker::new().block_on(handle)
}

/// Where a task stores its waker.
#[derive(Clone, Default)]
struct Hook(Arc<Mutex<Option<Waker>>>);

impl Hook {
    fn take(&self) -> Option<Waker> {
        self.0.lock().take()
    }
}

/// Race: a push from outside against a worker that starts, scans, and parks on the driver; then the
/// closing against the same.
#[test]
fn a_spawned_task_runs() {
    model("spawn × worker × shutdown, joined first", || {
        let runtime = runtime(1);
        let (value, end) = DropTracker::new();
        let mut handle = runtime.spawn(async move { value.touch() });
        join(&mut handle).unwrap();
        assert!(end.is_dropped());
        drop(runtime);
    });
}

/// Race: a spawn against a whole shutdown: the task runs or is cancelled, and the joiner gets the
/// outcome.
#[test]
fn a_spawn_meets_a_shutdown() {
    model("spawn × shutdown", || {
        let runtime = runtime(1);
        let handle = runtime.handle().clone();
        let (value, end) = DropTracker::new();
        let spawner = thread::spawn(move || {
            let mut task = handle.spawn(async move { value.touch() });
            join(&mut task).is_ok()
        });
        drop(runtime);
        spawner.join().unwrap();
        assert!(end.is_dropped());
    });
}

/// Race: a wake from another thread, and an abort, against a whole shutdown: the future is dropped
/// once, on the worker, in its frame, and the joiner gets a cancelled error if the task did not
/// complete.
#[test]
fn an_abort_meets_a_wake_and_a_shutdown() {
    model("abort × wake × shutdown", || {
        let runtime = runtime(1);
        let hook = Hook::default();
        let (value, end) = DropTracker::new();
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
        assert!(end.is_dropped());
    });
}

/// Race: a task that blocks in place against the thread that takes its worker's core over, and
/// against the end of the runtime, which does not wait for what the blocked task waits for. The
/// task keeps its frame, and the tasks queued behind it run.
#[test]
fn a_blocked_tasks_core_goes_on() {
    model("block_in_place × core", || {
        let runtime = runtime(1);
        let test_waker = TestWaker::new();
        let mut blocks = REQUEST.run(1, || {
            let test_waker = test_waker.clone();
            runtime.spawn(async move {
                let mut behind = framewise::spawn_root(async move {
                    assert_eq!(REQUEST.get(), None);
                    Wake::wake_by_ref(&test_waker);
                });
                block_in_place(|| join(&mut behind).unwrap());
                REQUEST.get()
            })
        });
        test_waker.wait();
        assert_eq!(join(&mut blocks).unwrap(), Some(1));
        drop(runtime);
    });
}

/// Race: the same against the end of the runtime: what the blocked task waits for is ended without
/// it, and then the task ends.
#[test]
fn a_blocked_task_meets_a_shutdown() {
    model("block_in_place × shutdown", || {
        let runtime = runtime(1);
        let (value, end) = DropTracker::new();
        let mut blocks = runtime.spawn(async move {
            let mut behind = framewise::spawn(async move { value.touch() });
            block_in_place(|| drop(join(&mut behind)));
        });
        drop(runtime);
        drop(join(&mut blocks));
        drop(blocks);
        assert!(end.is_dropped());
    });
}

/// Race: a poll that blocks, in an executor of its own, on a task that it spawned, against the end
/// of the runtime: another thread ends what the poll waits for.
#[test]
fn a_poll_that_blocks_meets_a_shutdown() {
    model("a poll that blocks × shutdown", || {
        let _grace = framewise::model::end_grace();
        let runtime = runtime(1);
        let (value, end) = DropTracker::new();
        let mut blocks = runtime.spawn(async move {
            let mut behind = framewise::spawn(async move { value.touch() });
            join(&mut behind).unwrap_err().is_cancelled()
        });
        drop(runtime);
        let joined = join(&mut blocks);
        assert!(joined.unwrap_or_else(|error| error.is_cancelled()));
        drop(blocks);
        assert!(end.is_dropped());
    });
}

/// Race: the same with a poll that blocks on a timer: the wait ends with a panic.
#[test]
fn a_poll_that_blocks_on_a_timer_meets_a_shutdown() {
    let planned = &["the runtime of this timer was shut down"];
    model_with_panics("a poll that blocks on a timer × shutdown", planned, || {
        let _grace = framewise::model::end_grace();
        let runtime = runtime(1);
        let mut blocks = runtime.spawn(async {
            TestWaker::new().block_on(&mut Box::pin(time::sleep(Duration::from_millis(1))));
        });
        drop(runtime);
        let error = join(&mut blocks).unwrap_err();
        assert!(error.is_cancelled() || error.is_panic());
    });
}

/// Race: a poll that drops its own runtime, which does not wait, and then blocks on a task of it,
/// against the thread that ends that task.
#[test]
fn a_poll_that_blocks_after_it_dropped_its_runtime_ends() {
    model("a runtime dropped by a poll that blocks", || {
        let _grace = framewise::model::end_grace();
        let own = Arc::new(Mutex::new(None));
        let runtime = runtime(1);
        let handle = runtime.handle().clone();
        *own.lock() = Some(runtime);
        let (value, end) = DropTracker::new();
        let mut blocks = handle.spawn(async move {
            let mut behind = framewise::spawn(async move { value.touch() });
            let runtime = own.lock().take();
            drop(runtime);
            join(&mut behind).unwrap_err().is_cancelled()
        });
        assert!(join(&mut blocks).unwrap());
        assert!(end.is_dropped());
    });
}

// ---- other ways in and out ----

/// Race: a task that yields, and a task that it spawned, against the shutdown: what is in the
/// worker's yield queue, LIFO slot or deque is drained and dropped.
#[test]
fn a_workers_own_queue_meets_a_shutdown() {
    model("yield, slot × shutdown", || {
        let runtime = runtime(1);
        let (value, end) = DropTracker::new();
        let mut parent = runtime.spawn(async move {
            let child = framewise::spawn(async move { value.touch() });
            yield_now().await;
            drop(child.await);
        });
        drop(runtime);
        drop(join(&mut parent));
        drop(parent);
        assert!(end.is_dropped());
    });
}

/// Race: a shutdown with a timeout, which does not elapse, against a task.
#[test]
fn a_shutdown_with_a_limit_meets_a_task() {
    model("shutdown_timeout × spawn_blocking", || {
        let builder = Builder::new().worker_threads(1);
        // The runtime's idle threads wait without a timeout.
        let runtime = builder.thread_keep_alive(Duration::MAX).build().unwrap();
        let (value, end) = DropTracker::new();
        let mut job = runtime.spawn_blocking(move || value.touch());
        assert!(runtime.shutdown_timeout(Duration::from_secs(3600)));
        if let Err(error) = join(&mut job) {
            assert!(error.is_cancelled());
        }
        drop(job);
        assert!(end.is_dropped());
    });
}

/// Race: a runtime that its own task drops, which does not wait, against the task's joiner.
#[test]
fn a_task_drops_its_runtime() {
    model("a runtime dropped by its task × join", || {
        let own = Arc::new(Mutex::new(None));
        let runtime = runtime(1);
        let handle = runtime.handle().clone();
        *own.lock() = Some(runtime);
        let (value, end) = DropTracker::new();
        let mut task = handle.spawn(async move {
            let runtime = own.lock().take();
            drop(runtime);
            value.touch();
        });
        join(&mut task).unwrap();
        assert!(end.is_dropped());
    });
}

/// Race: a waker that outlives the runtime, called while the runtime ends and once more after it.
#[test]
fn a_waker_outlives_its_runtime() {
    model("wake × shutdown × wake", || {
        let runtime = runtime(1);
        let hook = Hook::default();
        let (value, end) = DropTracker::new();
        let task = runtime.spawn({
            let hook = hook.clone();
            poll_fn(move |cx| {
                value.touch();
                *hook.0.lock() = Some(cx.waker().clone());
                Poll::<()>::Pending
            })
        });
        drop(task);
        let thread = thread::spawn(move || {
            if let Some(waker) = hook.take() {
                waker.wake_by_ref();
                *hook.0.lock() = Some(waker);
            }
            hook
        });
        drop(runtime);
        let hook = thread.join().unwrap();
        assert!(end.is_dropped());
        if let Some(waker) = hook.take() {
            waker.wake();
        }
    });
}

/// Race: a worker that cannot be started against one that was started: the latter is stopped again,
/// and the error is returned.
#[test]
fn a_worker_that_cannot_be_started_meets_the_first() {
    model("start × start fails", || {
        let fails = thread::fail_start(1);
        let failed = Builder::new().worker_threads(2).build();
        let error = failed.unwrap_err().to_string();
        assert!(
            error.contains("worker 1 of 2 could not be started"),
            "{error}"
        );
        drop(fails);
        let _fails = thread::fail_start(0);
        assert!(Builder::new().worker_threads(1).build().is_err());
    });
}

/// Race: a core whose next thread cannot be started returns, and the task blocks its own worker,
/// while the runtime ends.
#[test]
fn a_blocked_tasks_core_comes_back() {
    model("block_in_place, start fails × shutdown", || {
        let runtime = runtime(1);
        let _fails = thread::fail_start(0);
        let mut task = runtime.spawn(async { block_in_place(|| 7) });
        drop(runtime);
        match join(&mut task) {
            Ok(answer) => assert_eq!(answer, 7),
            Err(error) => assert!(error.is_cancelled()),
        }
    });
}

// ---- timers ----

/// Race: a task sleeps while the worker is about to park on the driver, and the time passes at some
/// moment: the driver does not stay parked past it.
#[test]
fn a_sleep_meets_the_driver() {
    model("sleep × driver × the clock", || {
        let clock = ModelClock::new();
        let runtime = runtime(1);
        let kernel = runtime.block_on(async { framewise::model::kernel() });
        let mut task = runtime.spawn(time::sleep(Duration::from_millis(1)));
        clock.advance(Duration::from_secs(1));
        kernel.let_time_pass();
        join(&mut task).unwrap();
        drop(runtime);
        drop(clock);
    });
}

/// Race: a task that sleeps against the shutdown.
#[test]
fn a_sleep_meets_a_shutdown() {
    model("sleep × shutdown", || {
        let runtime = runtime(1);
        let (value, end) = DropTracker::new();
        let mut task = runtime.spawn(async move {
            time::sleep(Duration::from_millis(1)).await;
            value.touch();
        });
        drop(runtime);
        assert!(join(&mut task).unwrap_err().is_cancelled());
        drop(task);
        assert!(end.is_dropped());
    });
}

/// Race: a task that blocks in place, and awaits a timer afterwards, against the shutdown: it is
/// cancelled, and does not panic because the timers are closed.
#[test]
fn a_blocked_task_that_goes_on_to_sleep_meets_a_shutdown() {
    model("block_in_place, sleep × shutdown", || {
        let runtime = runtime(1);
        let mut task = runtime.spawn(async {
            block_in_place(|| ());
            time::sleep(Duration::from_millis(1)).await;
        });
        drop(runtime);
        assert!(join(&mut task).unwrap_err().is_cancelled());
    });
}

// ---- controls ----

/// Control: a task that never drops its value.
#[test]
#[should_panic(expected = "end.is_dropped()")]
fn control_a_value_that_never_ends_is_noticed() {
    model("control: a task forgets its value", || {
        let runtime = runtime(1);
        let (value, end) = DropTracker::new();
        let mut task = runtime.spawn(async move { std::mem::forget(value) });
        join(&mut task).unwrap();
        assert!(end.is_dropped());
    });
}

/// Control: a panic of a task fails the model, even if the task catches it.
#[test]
#[should_panic(expected = "something caught it")]
fn control_a_panic_of_a_task_is_noticed() {
    model_with_panics("control: a task panics", &["planned"], || {
        let runtime = runtime(1);
        let mut planned = runtime.spawn(async { panic!("planned, and no failure") });
        assert!(join(&mut planned).unwrap_err().is_panic());
        let mut task = runtime.spawn(async { panic!("another") });
        assert!(join(&mut task).unwrap_err().is_panic());
    });
}
