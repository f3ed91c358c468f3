//! Children and runtimes: waits that move to another runtime, and places where there is none.

use std::io::ErrorKind;
use std::pin::pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use framewise::process::Command;
use framewise::runtime::{Builder, LocalOptions, Runtime};
use framewise::task::LocalSet;
use framewise_test_support::{poll_once, runtime, while_occupied};

use crate::{both_ways, sh, waiting};

#[test]
fn a_wait_begins_in_another_runtime() {
    both_ways(|runtime| {
        let mut child = runtime.block_on(async { waiting() });
        let input = child.stdin.take().unwrap();
        // Whose workers and driver do not run meanwhile.
        let workers = framewise_test_support::workers_of(runtime);
        let other = framewise_test_support::runtime(1);
        while_occupied(runtime, workers, || {
            let polled = other
                .block_on(async { poll_once(&mut pin!(child.wait()), Waker::noop()).is_pending() });
            assert!(polled);
            drop(input);
            assert!(other.block_on(child.wait()).unwrap().success());
        });
    });
}

#[test]
fn a_wait_goes_on_when_its_runtime_ends() {
    both_ways(|_| {
        let first = runtime(2);
        let mut child = first.block_on(async { waiting() });
        let input = child.stdin.take().unwrap().into_owned_fd().unwrap();
        let mut wait = Box::pin(async move { child.wait().await });
        first.block_on(async { assert!(poll_once(&mut wait, Waker::noop()).is_pending()) });
        drop(first);
        let second = runtime(1);
        second.block_on(async { assert!(poll_once(&mut wait, Waker::noop()).is_pending()) });
        drop(input);
        assert!(second.block_on(wait).unwrap().success());
    });
}

#[test]
fn a_wait_in_an_ending_runtime_fails() {
    both_ways(|_| {
        let ends = runtime(2);
        let mut child = ends.block_on(async { waiting() });
        let _input = child.stdin.take().unwrap().into_owned_fd().unwrap();
        let mut wait = Box::pin(async { child.wait().await });
        ends.block_on(async { assert!(poll_once(&mut wait, Waker::noop()).is_pending()) });
        let handle = ends.handle().clone();
        drop(ends);
        let error = futures::executor::block_on(async {
            let _entered = handle.enter();
            wait.await.unwrap_err()
        });
        assert!(error.to_string().contains("shutting down"), "{error}");
    });
}

/// Their driver runs only while the thread is in `block_on`; so does the collection of a dropped
/// child.
#[test]
fn children_in_a_current_thread_and_in_a_local_runtime() {
    async fn use_children() {
        assert_eq!(sh("exit 3").status().await.unwrap().code(), Some(3));
        assert_eq!(sh("echo 1").output().await.unwrap().stdout, b"1\n");
        let mut child = waiting();
        let (id, input) = (child.id().unwrap(), child.stdin.take());
        drop(child);
        drop(input);
        while crate::exists(id) {
            framewise::task::yield_now().await;
        }
    }
    both_ways(|_| {
        let current = Builder::new_current_thread().build().unwrap();
        current.block_on(use_children());
        let local = Builder::new_current_thread();
        let local = local.build_local(LocalOptions::default()).unwrap();
        local.block_on(use_children());
    });
}

/// Another executor polls the wait; the runtime that started the process drives it.
#[test]
fn a_wait_outside_of_any_runtime() {
    both_ways(|runtime| {
        let mut child = runtime.block_on(async { sh("exit 7").spawn().unwrap() });
        let status = futures::executor::block_on(child.wait()).unwrap();
        assert_eq!(status.code(), Some(7));
    });
}

#[test]
fn a_wait_in_a_local_set_and_in_a_task() {
    both_ways(|runtime| {
        let set = LocalSet::new();
        let local = set.spawn_local(async { sh("exit 8").status().await.unwrap().code() });
        assert_eq!(set.block_on(runtime, local).unwrap(), Some(8));
        let task = runtime.spawn(async { sh("exit 9").status().await.unwrap().code() });
        assert_eq!(runtime.block_on(task).unwrap(), Some(9));
    });
}

#[test]
fn outside_of_a_runtime_nothing_is_started() {
    let mut started = false;
    let error = Command::new("true")
        .spawn_with(|command| {
            started = true;
            command.spawn()
        })
        .unwrap_err();
    assert!(error.to_string().contains("within a runtime"), "{error}");
    assert!(!started);
}

#[test]
fn in_a_seeded_run_nothing_is_started() {
    framewise::test::run(1, || async {
        let error = Command::new("true")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    });
}

/// The children of one runtime do not keep another one from being dropped, nor from waiting.
#[test]
fn runtimes_come_and_go() {
    both_ways(|runtime| {
        let exits = Arc::new(Mutex::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let own = Runtime::new().unwrap();
                    let status = own.block_on(async { sh("exit 1").status().await.unwrap() });
                    *exits.lock().unwrap() += status.code().unwrap();
                });
            }
            runtime.block_on(async { assert!(sh("exit 0").status().await.unwrap().success()) });
        });
        assert_eq!(*exits.lock().unwrap(), 4);
    });
}
