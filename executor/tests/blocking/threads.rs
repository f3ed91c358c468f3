//! The threads of the pool: their number and their lifetime.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use framewise::runtime::Builder;
use framewise_test_support::{DropCall, HangWatch, at_once, on_drop, runtime};

#[test]
fn no_more_threads_are_started_than_the_limit_says_and_every_call_is_made() {
    for limit in [1, 2, 5] {
        let _watch = HangWatch::new(format!("{limit} threads"));
        let runtime = Builder::new()
            .worker_threads(1)
            .max_blocking_threads(limit)
            .build()
            .unwrap();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // The calls wait for each other in groups as large as the limit, so that many must run at
        // the same time.
        let group = Arc::new(Barrier::new(limit));
        let calls: Vec<_> = (0..limit * 20)
            .map(|number| {
                let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                let group = Arc::clone(&group);
                runtime.spawn_blocking(move || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    group.wait();
                    now.fetch_sub(1, Ordering::SeqCst);
                    number
                })
            })
            .collect();
        for (call, number) in calls.into_iter().zip(0..) {
            assert_eq!(runtime.block_on(call).unwrap(), number);
        }
        assert_eq!(most.load(Ordering::SeqCst), limit);
    }
}

/// Calls that race with the exit of idle threads: none is lost.
#[test]
fn a_call_that_races_the_end_of_an_idle_thread_is_made() {
    for (keep_alive, calls) in [(0, 3_000), (1, 3_000), (50, 3_000), (1_000, 1_000)] {
        for threads in [1, 2] {
            let _watch = HangWatch::new(format!("{keep_alive} µs, {threads} threads"));
            let runtime = Builder::new()
                .worker_threads(1)
                .max_blocking_threads(threads)
                .thread_keep_alive(Duration::from_micros(keep_alive))
                .build()
                .unwrap();
            for number in 0..calls / threads {
                let one = runtime.spawn_blocking(move || number);
                let two = runtime.spawn_blocking(move || number + 1);
                assert_eq!(futures::executor::block_on(two).unwrap(), number + 1);
                assert_eq!(futures::executor::block_on(one).unwrap(), number);
            }
        }
    }
}

#[test]
fn an_idle_thread_ends_after_its_keep_alive_and_serves_until_then() {
    thread_local! {
        static AT_THE_END: RefCell<Option<DropCall>> = const { RefCell::new(None) };
    }
    let _watch = HangWatch::new("an idle thread");
    let (sender, receiver) = mpsc::channel();
    let runtime = Builder::new()
        .worker_threads(1)
        .thread_keep_alive(Duration::from_millis(5))
        .build()
        .unwrap();
    let call = runtime.spawn_blocking(move || {
        let sender = Mutex::new(sender);
        let end = on_drop(move || sender.lock().unwrap().send(()).unwrap());
        AT_THE_END.with(|slot| *slot.borrow_mut() = Some(end));
    });
    runtime.block_on(call).unwrap();
    // The runtime still exists, but the thread has exited.
    receiver.recv().unwrap();
    assert_eq!(runtime.block_on(runtime.spawn_blocking(|| 7)).unwrap(), 7);
    drop(runtime);
    // With a long keep-alive the thread is reused.
    let runtime = Builder::new()
        .worker_threads(1)
        .max_blocking_threads(1)
        .thread_keep_alive(Duration::MAX)
        .build()
        .unwrap();
    let id = || {
        runtime
            .block_on(runtime.spawn_blocking(|| thread::current().id()))
            .unwrap()
    };
    let first = id();
    for _ in 0..100 {
        assert_eq!(id(), first);
    }
}

/// Issue 8, B17: calls whose thread had been started or woken were often cancelled.
#[test]
fn a_call_for_which_a_thread_was_started_or_woken_runs_though_the_runtime_is_dropped_at_once() {
    let _watch = HangWatch::new("calls before the drop");
    let ran = Arc::new(AtomicUsize::new(0));
    let count = || {
        let ran = Arc::clone(&ran);
        move || {
            ran.fetch_add(1, Ordering::SeqCst);
        }
    };
    for round in 0..300 {
        let runtime = runtime(1);
        let mut calls = Vec::new();
        if round % 2 == 1 {
            // The thread that ran this call is idle, or about to be.
            runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
        }
        for _ in 0..3 {
            calls.push(runtime.spawn_blocking(count()));
        }
        if round % 3 == 0 {
            runtime.shutdown_background();
            for call in calls {
                futures::executor::block_on(call).unwrap();
            }
        } else {
            drop(runtime);
            for call in calls {
                at_once(call).unwrap();
            }
        }
    }
    assert_eq!(ran.load(Ordering::SeqCst), 900);
}
