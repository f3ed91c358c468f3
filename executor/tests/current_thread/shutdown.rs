//! The end of a current-thread runtime: the thread that drops it drops the tasks.

use std::future::pending;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use framewise::runtime::{Handle, LocalRuntime, Runtime};
use framewise::task::yield_now;
use framewise::time::{set_timeout, sleep};
use framewise::{spawn, spawn_blocking};
use framewise_test_support::{Drops, HangWatch, ID, Log, at_once, on_drop, panic_message};

use crate::runtime;

const HOUR: Duration = Duration::from_secs(3600);

/// The ways to end a runtime.
const ENDS: [fn(Runtime); 3] = [
    |runtime| drop(runtime),
    |runtime| assert!(runtime.shutdown_timeout(HOUR)),
    |runtime| runtime.shutdown_background(),
];

#[test]
fn c43_each_task_is_dropped_in_its_own_frame_on_the_dropping_thread() {
    for end in ENDS {
        let runtime = runtime();
        let log = Log::default();
        let (seen, sees) = mpsc::channel();
        for (number, label) in (0..).zip(["never polled", "waiting", "yielding"]) {
            let tracker = log.tracker(label);
            let seen = seen.clone();
            let dropped = on_drop(move || seen.send(thread::current().id()).unwrap());
            let task = ID.run(number, || {
                runtime.spawn(async move {
                    let _values = (tracker, dropped);
                    match label {
                        "waiting" => pending::<()>().await,
                        _ => loop {
                            yield_now().await;
                        },
                    }
                })
            });
            drop(task);
            if label == "waiting" {
                runtime.block_on(yield_now());
            }
        }
        runtime.block_on(yield_now());
        ID.run(99, || end(runtime));
        let mut entries = log.entries();
        entries.sort_unstable();
        assert_eq!(
            entries,
            [
                ("never polled", Some(0)),
                ("waiting", Some(1)),
                ("yielding", Some(2))
            ]
        );
        drop(seen);
        assert!(sees.iter().all(|id| id == thread::current().id()));
        assert!(ID.get().is_none());
    }
}

/// The same on a thread that never drove the runtime.
#[test]
fn a_runtime_may_be_dropped_on_any_thread() {
    for end in ENDS {
        let runtime = runtime();
        let drops = Drops::default();
        let tracked = drops.tracked();
        let task = runtime.spawn(async move {
            let _tracked = tracked;
            pending::<()>().await;
        });
        runtime.block_on(yield_now());
        let count = drops.clone();
        thread::spawn(move || {
            end(runtime);
            assert_eq!(count.count(), 1);
        })
        .join()
        .unwrap();
        assert!(at_once(task).unwrap_err().is_cancelled());
    }
}

/// In a task or a `block_on` of another runtime, in a `block_on` of its own handle, in a callback
/// of another runtime and on a thread of its own pool.
#[test]
fn a_runtime_may_be_dropped_in_other_code_of_a_runtime() {
    let _watch = HangWatch::new("a runtime that is dropped in a runtime");
    for multi_thread in [false, true] {
        for place in 0..5 {
            let outer = if multi_thread {
                framewise_test_support::runtime(2)
            } else {
                runtime()
            };
            let inner = runtime();
            let handle = inner.handle().clone();
            let log = Log::default();
            let tracker = log.tracker("parked");
            let parked = ID.run(place, || {
                inner.spawn(async move {
                    let _tracker = tracker;
                    pending::<()>().await;
                })
            });
            inner.block_on(yield_now());
            let end = move || drop(inner);
            match place {
                0 => outer.block_on(async { spawn(async { end() }).await.unwrap() }),
                1 => outer.block_on(async { end() }),
                2 => handle.block_on(async { end() }),
                3 => {
                    let (ended, has_ended) = tokio::sync::oneshot::channel();
                    let _entered = outer.enter();
                    drop(set_timeout(Duration::ZERO, move || {
                        end();
                        ended.send(()).unwrap();
                    }));
                    outer.block_on(has_ended).unwrap();
                }
                _ => outer.block_on(handle.spawn_blocking(end)).unwrap(),
            }
            assert_eq!(log.entries(), [("parked", Some(place))]);
            assert!(at_once(parked).unwrap_err().is_cancelled());
            assert_eq!(
                outer.block_on(async { spawn(async { 7 }).await.unwrap() }),
                7
            );
        }
    }
}

/// Destructors spawn, wake, abort and use the runtime in other ways, while it ends.
#[test]
fn destructors_may_use_the_runtime() {
    let _watch = HangWatch::new("destructors");
    for end in ENDS {
        let runtime = runtime();
        let handle = runtime.handle().clone();
        let bystander = Arc::new(Mutex::new(Some(runtime.spawn(pending::<()>()))));
        let (seen, sees) = mpsc::channel();
        let dropped = on_drop(move || {
            assert_eq!(
                format!("{:?}", Handle::current()),
                format!("{handle:?}"),
                "the destructor is in the runtime"
            );
            let late = spawn(async {});
            seen.send(at_once(late).unwrap_err().is_cancelled())
                .unwrap();
            // Joining a task of this runtime gives an error at once, in whatever state it is.
            let joined = bystander.lock().unwrap().take().unwrap();
            let joined = handle.block_on(joined);
            seen.send(joined.unwrap_err().is_cancelled()).unwrap();
            // A wait for what no thread would do panics.
            let message = panic_message(|| handle.block_on(pending::<()>()));
            seen.send(message.contains("is ending its runtime"))
                .unwrap();
            let message = panic_message(|| handle.block_on(sleep(HOUR)));
            seen.send(message.contains("shut down")).unwrap();
            // The pool works until the tasks are dropped.
            let (called, is_called) = mpsc::channel();
            drop(spawn_blocking(move || called.send(()).unwrap()));
            seen.send(is_called.recv().is_ok()).unwrap();
        });
        drop(runtime.spawn(async move {
            let _dropped = dropped;
            pending::<()>().await;
        }));
        runtime.block_on(yield_now());
        end(runtime);
        assert_eq!(sees.try_iter().collect::<Vec<_>>(), [true; 5]);
    }
}

/// A shutdown with a limit waits for blocking calls only.
#[test]
fn a_limit_is_for_blocking_calls() {
    let _watch = HangWatch::new("a shutdown with a limit");
    let runtime = runtime();
    let (release, released) = mpsc::channel::<()>();
    let (started, is_started) = mpsc::channel();
    let running = runtime.spawn_blocking(move || {
        started.send(()).unwrap();
        released.recv().unwrap();
        7
    });
    is_started.recv().unwrap();
    let drops = Drops::default();
    let tracked = drops.tracked();
    drop(runtime.spawn(async move {
        let _tracked = tracked;
        pending::<()>().await;
    }));
    assert!(!runtime.shutdown_timeout(Duration::from_millis(5)));
    assert_eq!(drops.count(), 1);
    release.send(()).unwrap();
    assert_eq!(futures::executor::block_on(running).unwrap(), 7);
}

/// A task that another thread wakes and aborts meanwhile is dropped once.
#[test]
fn wakes_and_aborts_meet_the_end() {
    let _watch = HangWatch::new("wakes while the runtime ends");
    for _ in 0..200 {
        let runtime = runtime();
        let drops = Drops::default();
        let tracked = drops.tracked();
        let (send, receive) = tokio::sync::oneshot::channel::<()>();
        let task = runtime.spawn(async move {
            let _tracked = tracked;
            let _ = receive.await;
            pending::<()>().await;
        });
        let abort = task.abort_handle();
        runtime.block_on(yield_now());
        let waking = thread::spawn(move || drop(send));
        let aborting = thread::spawn(move || abort.abort());
        drop(runtime);
        assert_eq!(drops.count(), 1);
        waking.join().unwrap();
        aborting.join().unwrap();
    }
}

/// The runtime is dropped while a panic unwinds.
#[test]
fn a_shutdown_while_a_panic_unwinds_is_a_shutdown() {
    let drops = Drops::default();
    let tracked = drops.tracked();
    let message = panic_message(|| {
        let runtime = runtime();
        drop(runtime.spawn(async move {
            let _tracked = tracked;
            pending::<()>().await;
        }));
        runtime.block_on(async { panic!("expected") })
    });
    assert_eq!(message, "expected");
    assert_eq!(drops.count(), 1);
}

thread_local! {
    static OF_THREAD: (Runtime, LocalRuntime) = (runtime(), LocalRuntime::new().unwrap());
}

/// `process::exit` runs the destructors of this thread's thread-locals, so it drops a runtime that
/// is driven further down on the stack.
#[test]
fn a_task_may_end_the_process_while_a_thread_local_has_the_runtime() {
    const PLACE: &str = "FRAMEWISE_PLACE_OF_EXIT";
    const TEST: &str = "shutdown::a_task_may_end_the_process_while_a_thread_local_has_the_runtime";
    let exit = async || -> () {
        yield_now().await;
        std::process::exit(7)
    };
    match std::env::var(PLACE).as_deref() {
        Ok("main") => OF_THREAD.with(|(runtime, _)| runtime.block_on(exit())),
        Ok("task") => {
            OF_THREAD.with(|(runtime, _)| runtime.block_on(runtime.spawn(exit())).unwrap())
        }
        Ok("local") => {
            OF_THREAD.with(|(_, local)| local.block_on(local.spawn_local(exit())).unwrap())
        }
        _ => {
            for place in ["main", "task", "local"] {
                let output = std::process::Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", TEST, "--nocapture"])
                    .env(PLACE, place)
                    .output()
                    .unwrap();
                assert_eq!(output.status.code(), Some(7), "{place}: {output:?}");
            }
        }
    }
}
