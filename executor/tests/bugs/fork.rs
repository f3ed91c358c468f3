//! Fork: a child has its parent's memory and descriptors, and one of its threads.
//!
//! The child cannot use a runtime of the parent: its workers do not exist, and its epoll instance
//! belongs to the parent. The docs of `Runtime` say so. Where a check costs nothing extra, the
//! runtime reports the error: `block_on` panics instead of waiting, and the drop of a runtime does
//! not wait for threads that do not exist. Cheap operations (a spawn, a wake, closing a socket) are
//! not checked.

use std::env;
use std::io::Write;
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use framewise::runtime::{Builder, Runtime};
use framewise::signal::unix::{SignalKind, signal};
use framewise::time::sleep;
use framewise::{spawn, spawn_blocking};

use crate::{Bug, Class, Here, connection};
use framewise_test_support::{
    CountingWaker, HangWatch, ID, at_once, panic_message, poll_once, runtime,
};

pub(crate) const CLASS: Class = Class {
    name: "fork",
    bugs: &[
        Bug {
            id: "tokio 4301",
            story: "The docs did not say that a runtime does not survive a fork. In the child, \
                    everything that waited for it hung.",
            here: Here::Tests(&[
                (
                    "executor/tests/bugs/fork.rs",
                    "in_a_child_block_on_says_what_is_wrong_instead_of_waiting_for_ever",
                ),
                (
                    "executor/tests/bugs/fork.rs",
                    "in_a_child_a_runtime_may_be_dropped_and_the_parent_goes_on",
                ),
            ]),
        },
        Bug {
            id: "tokio 8204",
            story: "A new runtime in the child did not work either, because it shared a pipe for \
                    signals with the parent. In framewise nothing belongs to the process: each \
                    runtime has its own driver and its own pipe for signals.",
            here: Here::Tests(&[
                (
                    "executor/tests/bugs/fork.rs",
                    "a_runtime_that_a_child_makes_works_beside_its_parents",
                ),
                (
                    "executor/tests/bugs/fork.rs",
                    "a_childs_signals_are_its_own",
                ),
            ]),
        },
        Bug {
            id: "tokio 3809",
            story: crate::UNREAD,
            here: Here::Tests(&[(
                "executor/tests/bugs/fork.rs",
                "in_a_child_a_runtime_may_be_dropped_and_the_parent_goes_on",
            )]),
        },
    ],
};

const USR1: SignalKind = SignalKind::user_defined1();

const CHILD: &str = "FRAMEWISE_TEST_FORK";

unsafe extern "C" {
    safe fn fork() -> i32;
    safe fn waitpid(process: i32, status: &mut i32, options: i32) -> i32;
    safe fn alarm(seconds: u32) -> u32;
    safe fn _exit(status: i32) -> !;
}

/// Runs the test of that name again in a process without other threads, so that no other test holds
/// a lock at the moment of the fork.
fn alone(name: &str, test: impl FnOnce()) {
    if env::var_os(CHILD).is_some() {
        let _watch = HangWatch::new("a parent");
        return test();
    }
    let name = format!("fork::{name}");
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

/// Forks; the child runs `body` and must exit successfully.
fn in_a_forked_child(body: impl FnOnce()) {
    let process = fork();
    assert!(process >= 0, "no process could be made");
    if process == 0 {
        // This signal kills a child that hangs.
        alarm(60);
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        _exit(i32::from(ended.is_err()));
    }
    let mut status = 0;
    assert_eq!(waitpid(process, &mut status, 0), process);
    assert_eq!(status, 0, "the child hung (14: the alarm) or panicked");
}

fn current_thread_runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// Uses all parts of a runtime once.
fn works(runtime: &Runtime) {
    let seen = runtime.block_on(ID.scope(7, async {
        let (stream, mut peer) = connection().await;
        let stream = Arc::new(stream);
        let reader = {
            let stream = Arc::clone(&stream);
            spawn(async move { stream.read(&mut [0; 8]).await.unwrap() })
        };
        sleep(Duration::from_micros(500)).await;
        peer.write_all(b"bytes").unwrap();
        assert_eq!(reader.await.unwrap(), 5);
        assert_eq!(spawn_blocking(|| ID.get()).await.unwrap(), Some(7));
        spawn(async { ID.get() }).await.unwrap()
    }));
    assert_eq!(seen, Some(7));
}

#[test]
fn a_runtime_that_a_child_makes_works_beside_its_parents() {
    alone(
        "a_runtime_that_a_child_makes_works_beside_its_parents",
        || {
            let parents = runtime(2);
            works(&parents);
            in_a_forked_child(|| {
                let childs = runtime(2);
                works(&childs);
                drop(childs);
            });
            works(&parents);
        },
    );
}

#[test]
fn a_childs_signals_are_its_own() {
    let raise = || {
        // SAFETY: the signal has a listener, whose handler is async-signal-safe.
        assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
    };
    alone("a_childs_signals_are_its_own", || {
        let parents = runtime(2);
        // Its threads have started: one that does may hold a lock of the C library, which the child
        // would find locked.
        works(&parents);
        let mut listener = parents.block_on(async { signal(USR1).unwrap() });
        let mut waits = pin!(listener.recv());
        let (counter, waker) = CountingWaker::new();
        assert!(poll_once(&mut waits, &waker).is_pending());
        in_a_forked_child(|| {
            // More than the pipe takes, which the child shares with its parent.
            (0..10_000).for_each(|_| raise());
            let childs = runtime(2);
            let mut listener = childs.block_on(async { signal(USR1).unwrap() });
            let received = childs.spawn(async move { (listener.recv().await, listener) });
            raise();
            let (received, mut listener) = childs.block_on(received).unwrap();
            assert_eq!(received, Some(()));
            drop(childs);
            assert_eq!(at_once(listener.recv()), None);
        });
        assert!(poll_once(&mut waits, &waker).is_pending());
        assert_eq!(counter.wakes(), 0);
        raise();
        assert_eq!(parents.block_on(waits), Some(()));
        works(&parents);
    });
}

#[test]
fn in_a_child_block_on_says_what_is_wrong_instead_of_waiting_for_ever() {
    alone(
        "in_a_child_block_on_says_what_is_wrong_instead_of_waiting_for_ever",
        || {
            for parents in [runtime(2), current_thread_runtime()] {
                works(&parents);
                in_a_forked_child(|| {
                    // A future that is ready at once needs no worker.
                    assert_eq!(parents.block_on(async { 7 }), 7);
                    let message =
                        panic_message(|| parents.block_on(async { spawn(async {}).await }));
                    assert!(message.contains("fork"), "{message}");
                    let message =
                        panic_message(|| parents.block_on(sleep(Duration::from_millis(1))));
                    assert!(message.contains("fork"), "{message}");
                });
                works(&parents);
            }
        },
    );
}

#[test]
fn in_a_child_a_runtime_may_be_dropped_and_the_parent_goes_on() {
    alone(
        "in_a_child_a_runtime_may_be_dropped_and_the_parent_goes_on",
        || {
            for how in 0..6 {
                let parents = if how < 3 {
                    runtime(2)
                } else {
                    current_thread_runtime()
                };
                works(&parents);
                let (stream, mut peer) = parents.block_on(connection());
                let reader = parents.spawn(async move { stream.read(&mut [0; 8]).await.unwrap() });
                let mut runtime = Some(parents);
                in_a_forked_child(|| {
                    let parents = runtime.take().unwrap();
                    match how % 3 {
                        0 => drop(parents),
                        1 => assert!(!parents.shutdown_timeout(Duration::from_secs(3_600))),
                        _ => parents.shutdown_background(),
                    }
                });
                let parents = runtime.unwrap();
                peer.write_all(b"still").unwrap();
                assert_eq!(parents.block_on(reader).unwrap(), 5);
                works(&parents);
            }
        },
    );
}
