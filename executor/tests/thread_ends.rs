//! Destructors of thread-locals, and `atexit` handlers, may use everything that other code may use.
//! std aborts the process if such a destructor panics, so each case runs in its own process. (Issue
//! 8, B9.)

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::env;
use std::process::Command;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use framewise::net::{TcpListener, TcpStream, lookup_host};
use framewise::runtime::{Handle, Runtime};
use framewise::task::{LocalSet, block_in_place, spawn_local};
use framewise::time::{interval, set_timeout, sleep, timeout};
use framewise::{Frame, block_on, spawn, spawn_blocking};
use framewise_test_support::{
    DropCall, HangWatch, ID, at_once, on_drop, runtime, with_workers_in_frames,
};

const CHILD: &str = "FRAMEWISE_TEST_THREAD_END";

/// Runs the test of that name again in a child process, and checks the output of the case there.
fn in_a_child(name: &str, test: impl FnOnce()) {
    if env::var_os(CHILD).is_some() {
        return test();
    }
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{}: {out}{err}", output.status);
    assert!(err.contains("everything ran"), "{out}{err}");
}

thread_local! {
    /// Initialized before the thread uses any of the runtime's thread-locals, so that it is
    /// destroyed after them.
    static LAST: RefCell<Option<DropCall>> = const { RefCell::new(None) };
}

/// Calls `at_end` on a thread that has used the runtime, after the runtime's thread-locals are
/// destroyed.
fn at_the_end_of_a_thread(runtime: &Runtime, at_end: impl FnMut() + Send + Sync + 'static) {
    let handle = runtime.handle().clone();
    thread::spawn(move || {
        LAST.with(|last| *last.borrow_mut() = Some(on_drop(at_end)));
        handle.block_on(everything());
        drop(framewise::context::catch_unwind(|| ()));
    })
    .join()
    .unwrap();
}

/// Uses each primitive that reads a thread-local.
async fn everything() {
    sleep(Duration::from_millis(1)).await;
    assert!(
        timeout(Duration::from_millis(1), std::future::pending::<()>())
            .await
            .is_err()
    );
    interval(Duration::from_millis(1)).tick().await;
    let (called, is_called) = futures::channel::oneshot::channel();
    let _callback = set_timeout(Duration::ZERO, move || called.send(()).unwrap());
    is_called.await.unwrap();
    assert_eq!(
        ID.scope(1, async { spawn(async { ID.get() }).await.unwrap() })
            .await,
        Some(1)
    );
    assert_eq!(spawn_blocking(|| 2).await.unwrap(), 2);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = futures::join!(TcpStream::connect(address), listener.accept());
    let (client, server) = (client.unwrap(), server.unwrap().0);
    // More ready operations than the budget.
    for _ in 0..100 {
        client.writable().await.unwrap();
        assert_eq!(client.try_write(b"x").unwrap(), 1);
        server.readable().await.unwrap();
        assert_eq!(server.read(&mut [0]).await.unwrap(), 1);
    }
    assert!(lookup_host("127.0.0.1:80").await.unwrap().next().is_some());
}

fn everything_at_an_end(handle: &Handle) {
    let _watch = HangWatch::new("code at the end of a thread");
    assert!(Frame::current().is_root());
    handle.block_on(everything());
    ID.run(3, || {
        handle.block_on(async { assert_eq!(ID.get(), Some(3)) })
    });
    {
        let _entered = handle.enter();
        assert!(Handle::try_current().is_ok());
        block_on(sleep(Duration::from_millis(1)));
    }
    assert!(Handle::try_current().is_err());
    block_in_place(|| ());
    drop(handle.spawn(async {}));
    // A new runtime, built here.
    let own = runtime(1);
    own.block_on(everything());
    let set = LocalSet::new();
    let local = set.block_on(&own, async { spawn_local(async { 4 }).await.unwrap() });
    assert_eq!(local, 4);
    drop(own);
    block_on(everything());
    assert!(framewise::context::catch_unwind(|| panic!("expected")).is_err());
    eprintln!("everything ran");
}

#[test]
fn everything_runs_in_the_destructor_of_a_thread_local() {
    in_a_child(
        "everything_runs_in_the_destructor_of_a_thread_local",
        || {
            let runtime = runtime(2);
            let handle = runtime.handle().clone();
            at_the_end_of_a_thread(&runtime, move || everything_at_an_end(&handle));
        },
    );
}

#[cfg(unix)]
#[test]
fn everything_runs_in_atexit() {
    use std::sync::OnceLock;

    static RUNTIME: OnceLock<Runtime> = OnceLock::new();

    unsafe extern "C" {
        safe fn atexit(call: extern "C" fn()) -> i32;
        safe fn exit(code: i32) -> !;
    }

    extern "C" fn at_exit() {
        everything_at_an_end(RUNTIME.get().unwrap().handle());
    }

    in_a_child("everything_runs_in_atexit", || {
        let runtime = RUNTIME.get_or_init(|| runtime(2));
        runtime.block_on(everything());
        assert_eq!(atexit(at_exit), 0);
        exit(0);
    });
}

/// A guard that is forgotten or dropped out of order does not keep a runtime's memory alive after
/// its thread has exited.
#[test]
fn a_thread_that_ends_lets_go_of_the_runtime_that_it_was_in() {
    let kept = std::sync::Arc::new(());
    let hook = std::sync::Arc::clone(&kept);
    let runtime = framewise::runtime::Builder::new()
        .worker_threads(1)
        .on_unhandled_panic(move |_| drop(std::sync::Arc::clone(&hook)))
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    thread::spawn(move || std::mem::forget(handle.enter()))
        .join()
        .unwrap();
    drop(runtime);
    // The runtime's memory holds the hook.
    assert_eq!(std::sync::Arc::strong_count(&kept), 1);
}

/// A worker's thread-locals end during the runtime's shutdown, at the root.
#[test]
fn c81_in_the_destructor_of_a_workers_thread_local_a_spawned_task_is_cancelled() {
    thread_local! {
        static AT_THE_END: RefCell<Option<DropCall>> = const { RefCell::new(None) };
    }
    with_workers_in_frames(|workers, _| {
        let runtime = runtime(workers);
        let (sender, receiver) = mpsc::channel();
        let handle = runtime.handle().clone();
        let task = ID.run(1, || {
            runtime.spawn(async move {
                let sender = Mutex::new(sender);
                let at_end = on_drop(move || {
                    let in_run = ID.run(2, || ID.get());
                    let spawned = ID.run(3, || handle.spawn(std::future::pending::<()>()));
                    let entered = Handle::try_current().is_ok();
                    let seen = (ID.get(), in_run, entered);
                    sender.lock().unwrap().send((seen, spawned)).unwrap();
                });
                AT_THE_END.with(|slot| *slot.borrow_mut() = Some(at_end));
            })
        });
        runtime.block_on(task).unwrap();
        drop(runtime);
        let (seen, spawned) = receiver.recv().unwrap();
        assert_eq!(seen, (None, Some(2), false));
        assert!(at_once(spawned).unwrap_err().is_cancelled());
    });
}
