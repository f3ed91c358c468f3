//! Blocking in the code that a current-thread runtime runs: it panics, whichever thread drives.

use std::sync::mpsc;
use std::thread;

use framewise::runtime::{Handle, LocalRuntime, Runtime};
use framewise::task::{LocalSet, block_in_place, spawn_local};
use framewise::{block_on, spawn, spawn_blocking};
use framewise_test_support::{HangWatch, panic_message};
use tokio::sync::oneshot;

use crate::runtime;

/// Blocks in every way; returns the messages of the panics.
fn blocks(own: &Runtime, others: &[Runtime]) -> Vec<String> {
    let mut messages = vec![
        panic_message(|| own.block_on(async {})),
        panic_message(|| LocalSet::new().block_on(own, async {})),
        panic_message(|| block_in_place(|| ())),
        panic_message(|| LocalRuntime::new().unwrap().block_on(async {})),
    ];
    messages.extend(blocks_by_handles());
    for other in others {
        messages.push(panic_message(|| other.block_on(async {})));
        messages.push(panic_message(|| other.handle().block_on(async {})));
    }
    messages
}

/// What a task can call, which has no `Runtime`.
fn blocks_by_handles() -> Vec<String> {
    vec![
        panic_message(|| Handle::current().block_on(async {})),
        panic_message(|| block_on(async {})),
        panic_message(|| block_in_place(|| block_on(async {}))),
    ]
}

fn assert_rejected(messages: Vec<String>) {
    for message in messages {
        assert!(message.contains("current-thread runtime"), "{message}");
        assert!(message.contains("spawn_blocking"), "{message}");
    }
}

/// The runtimes that a nested call may be of.
fn others() -> [Runtime; 2] {
    [runtime(), framewise_test_support::runtime(1)]
}

#[test]
fn code_on_the_driving_thread_cannot_block() {
    let (own, others) = (runtime(), others());
    own.block_on(async {
        assert_rejected(blocks(&own, &others));
        let task = spawn(async { blocks_by_handles() });
        assert_rejected(task.await.unwrap());
        let set = LocalSet::new();
        let in_set = set.run_until(async { spawn_local(async { blocks_by_handles() }).await });
        assert_rejected(in_set.await.unwrap());
    });
    let local = LocalRuntime::new().unwrap();
    local.block_on(async {
        assert_rejected(blocks_by_handles());
        let task = spawn_local(async { blocks_by_handles() });
        assert_rejected(task.await.unwrap());
    });
    // Nothing is left behind.
    for runtime in [&own, &others[0], &others[1]] {
        let answer = runtime.block_on(async { spawn(async { 7 }).await.unwrap() });
        assert_eq!(answer, 7);
    }
}

/// A waiting thread may be the next that drives, and then could not: it is rejected the same.
#[test]
fn code_on_a_thread_that_waits_for_the_core_cannot_block() {
    let _watch = HangWatch::new("a thread that waits for the core");
    let (own, others) = (runtime(), others());
    let (stop, stopped) = oneshot::channel::<()>();
    let (drives, is_driving) = mpsc::channel();
    let on = &own;
    thread::scope(|scope| {
        scope.spawn(move || {
            on.block_on(async {
                drives.send(()).unwrap();
                stopped.await.unwrap();
            });
        });
        is_driving.recv().unwrap();
        own.block_on(async {
            assert_rejected(blocks(&own, &others));
            let set = LocalSet::new();
            let in_set = set.run_until(async { spawn_local(async { blocks_by_handles() }).await });
            assert_rejected(in_set.await.unwrap());
        });
        // It is over with the poll.
        assert_eq!(block_in_place(|| others[1].block_on(async { 7 })), 7);
        stop.send(()).unwrap();
    });
}

#[test]
fn code_that_the_runtime_does_not_poll_can_block() {
    let own = runtime();
    let handle = own.handle().clone();
    let nested = move || handle.block_on(async { block_in_place(|| block_on(async { 7 })) });
    assert_eq!(nested(), 7);
    let call = own.spawn_blocking(nested);
    assert_eq!(own.block_on(call).unwrap(), 7);
    let outer = framewise_test_support::runtime(1);
    assert_eq!(outer.block_on(async { own.block_on(async { 8 }) }), 8);
    let on_the_pool = own.block_on(async {
        let call = spawn_blocking(|| block_on(async { spawn(async { 9 }).await.unwrap() }));
        call.await.unwrap()
    });
    assert_eq!(on_the_pool, 9);
}
