//! The blocking pool: its limit, the lifetime of its threads, aborts in its queue, and a thread
//! that cannot be started ("blocking pool": tokio 8056, 8406).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use framewise::runtime::Builder;
use framewise::spawn_blocking;
use framewise_test_support::{
    DropCall, HangWatch, ID, KEPT, Log, at_once, on_drop, runtime, with_workers,
};

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

#[test]
fn an_abort_reaches_a_call_only_in_the_queue() {
    let _watch = HangWatch::new("an abort");
    let runtime = Builder::new()
        .worker_threads(1)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (started, is_started) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let running = runtime.spawn_blocking(move || {
        started.send(()).unwrap();
        released.recv().unwrap();
        7
    });
    is_started.recv().unwrap();
    let queued: Vec<_> = (0..10)
        .map(|number| runtime.spawn_blocking(move || number))
        .collect();
    running.abort();
    for call in queued.iter().step_by(2) {
        call.abort();
        call.abort_handle().abort();
    }
    assert!(!running.is_finished());
    release.send(()).unwrap();
    assert_eq!(runtime.block_on(running).unwrap(), 7);
    for (call, number) in queued.into_iter().zip(0..) {
        match runtime.block_on(call) {
            Ok(output) => assert!(output == number && number % 2 == 1),
            Err(error) => assert!(error.is_cancelled() && number % 2 == 0),
        }
    }
}

/// Issue 8, B7: an aborted call stayed in the queue until a thread took it.
#[test]
fn c62_an_abort_takes_a_queued_call_out_and_joins_it_at_once() {
    let _watch = HangWatch::new("an abort in the queue");
    let (runtime, busy) = one_busy_thread();
    let kept = Arc::new(());
    let log = Log::default();
    let calls: Vec<_> = (0..5)
        .map(|number| {
            let tracker = log.tracker("call");
            KEPT.run(Arc::clone(&kept), || {
                ID.run(number, || runtime.spawn_blocking(move || drop(tracker)))
            })
        })
        .collect();
    // Abort the first call, the last, one in the middle, and the rest.
    for (done, number) in [0, 4, 2, 1, 3].into_iter().enumerate() {
        ID.run(99, || calls[number].abort());
        assert!(calls[number].is_finished());
        assert_eq!(log.entries()[done], ("call", Some(number as u64)));
        assert_eq!(Arc::strong_count(&kept), 5 - done);
        calls[number].abort();
    }
    for call in calls {
        assert!(at_once(call).unwrap_err().is_cancelled());
    }
    drop(busy);
    let after = runtime.spawn_blocking(|| 7);
    assert_eq!(runtime.block_on(after).unwrap(), 7);
}

/// The closure's destructor may use the pool, because it runs with no lock held.
#[test]
fn a_closure_that_an_abort_drops_may_call_back_into_the_pool() {
    let _watch = HangWatch::new("a destructor in an abort");
    let (runtime, busy) = one_busy_thread();
    let other = Arc::new(Mutex::new(None));
    let fresh = Arc::new(Mutex::new(None));
    let callback = on_drop({
        let (other, fresh) = (Arc::clone(&other), Arc::clone(&fresh));
        let handle = runtime.handle().clone();
        move || {
            let aborted: framewise::JoinHandle<()> = other.lock().unwrap().take().unwrap();
            aborted.abort();
            assert!(aborted.is_finished());
            *fresh.lock().unwrap() = Some(handle.spawn_blocking(|| 8));
        }
    });
    let call = runtime.spawn_blocking(move || drop(callback));
    *other.lock().unwrap() = Some(runtime.spawn_blocking(|| ()));
    call.abort();
    assert!(at_once(call).unwrap_err().is_cancelled());
    drop(busy);
    let fresh = fresh.lock().unwrap().take().unwrap();
    assert_eq!(runtime.block_on(fresh).unwrap(), 8);
}

/// The cost of an abort does not depend on the length of the queue: otherwise this test would take
/// minutes. It measures no time.
#[test]
fn many_queued_calls_are_aborted_in_any_order() {
    const CALLS: usize = 100_000;
    let _watch = HangWatch::new("many aborts");
    let (runtime, busy) = one_busy_thread();
    let calls: Vec<_> = (0..CALLS).map(|_| runtime.spawn_blocking(|| ())).collect();
    let (front, back) = calls.split_at(CALLS / 2);
    for (one, other) in front.iter().rev().zip(back) {
        one.abort();
        other.abort();
    }
    assert!(calls.iter().all(framewise::JoinHandle::is_finished));
    drop(busy);
}

/// Returns a runtime with a pool of one thread, which is busy until the sender is dropped.
fn one_busy_thread() -> (framewise::runtime::Runtime, mpsc::Sender<()>) {
    let runtime = Builder::new()
        .worker_threads(1)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (started, is_started) = mpsc::channel();
    let (busy, released) = mpsc::channel::<()>();
    drop(runtime.spawn_blocking(move || {
        started.send(()).unwrap();
        let _ = released.recv();
    }));
    is_started.recv().unwrap();
    (runtime, busy)
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

#[test]
fn a_panic_in_a_call_goes_to_its_joiner_and_costs_no_thread() {
    let _watch = HangWatch::new("a panic");
    let runtime = Builder::new()
        .worker_threads(1)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let id = || {
        runtime
            .block_on(runtime.spawn_blocking(|| thread::current().id()))
            .unwrap()
    };
    let before = id();
    for number in 0..20 {
        let call = ID.run(number, || {
            runtime.spawn_blocking(|| ID.run(ID.get().unwrap() + 1, || panic!("expected")))
        });
        let error: Result<(), _> = runtime.block_on(call);
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "the task panicked: expected");
        assert_eq!(error.frame().unwrap().run(|| ID.get()), Some(number + 1));
        drop(runtime.spawn_blocking(|| panic!("expected: detached")));
    }
    assert_eq!(id(), before);
}

#[test]
fn calls_may_make_calls_and_spawn_tasks() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let nested = runtime.spawn_blocking(|| {
            let inner: Vec<_> = (0..10)
                .map(|number| {
                    spawn_blocking(move || {
                        framewise::block_on(framewise::spawn(async move { number })).unwrap()
                    })
                })
                .collect();
            framewise::block_on(async {
                let mut sum = 0;
                for call in inner {
                    sum += call.await.unwrap();
                }
                sum
            })
        });
        assert_eq!(runtime.block_on(nested).unwrap(), 45);
    });
}

/// A worker that has entered another runtime hands its core to a thread of its own runtime's pool.
/// That thread's current runtime does not change, so later calls and the tasks that they spawn use
/// the right runtime.
#[test]
fn a_core_that_is_handed_over_within_another_runtime_leaves_its_thread_where_it_was() {
    let _watch = HangWatch::new("two runtimes");
    let build = |name| {
        let builder = Builder::new().worker_threads(1).max_blocking_threads(1);
        builder.thread_name(name).build().unwrap()
    };
    let (ours, other) = (build("ours"), build("other"));
    let entered = other.handle().clone();
    let task = ours.spawn(async move {
        let _other = entered.enter();
        // The second `block_in_place` takes the core back from the first one's thread, which is
        // then free for calls.
        framewise::task::block_in_place(|| ());
    });
    ours.block_on(task).unwrap();
    let second = ours.spawn(async { framewise::task::block_in_place(|| ()) });
    ours.block_on(second).unwrap();
    for _ in 0..3 {
        let call = ours.spawn_blocking(|| {
            let spawned = framewise::spawn(async { thread::current().name().map(str::to_owned) });
            framewise::block_on(spawned).unwrap().unwrap()
        });
        let name = ours.block_on(call).unwrap();
        assert!(name.starts_with("ours"), "it ran on {name}");
    }
}

#[test]
fn calls_from_many_threads_at_once_are_all_made() {
    with_workers(|workers| {
        let runtime = Builder::new()
            .worker_threads(workers)
            .max_blocking_threads(3)
            .thread_keep_alive(Duration::from_micros(10))
            .build()
            .unwrap();
        let made = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..300_usize {
                        let call = runtime.spawn_blocking(move || number);
                        made.fetch_add(1, Ordering::Relaxed);
                        assert_eq!(futures::executor::block_on(call).unwrap(), number);
                    }
                });
            }
        });
        assert_eq!(made.into_inner(), 4 * 300);
    });
}

/// The behavior when the system cannot start threads: in a child process whose address space is
/// limited, so that no stack can be allocated.
#[cfg(target_os = "linux")]
mod no_thread {
    use std::env;
    use std::fs;
    use std::process::Command;
    use std::sync::mpsc;

    use framewise::runtime::{Builder, Runtime};
    use framewise::task::block_in_place;

    use framewise_test_support::{HangWatch, ID, Log};

    const CHILD: &str = "FRAMEWISE_TEST_CHILD";
    const RLIMIT_AS: i32 = 9;

    #[repr(C)]
    struct Limit {
        now: u64,
        most: u64,
    }

    unsafe extern "C" {
        safe fn setrlimit(resource: i32, limit: &Limit) -> i32;
        safe fn getrlimit(resource: i32, limit: &mut Limit) -> i32;
    }

    /// Runs `body` while no new stack can be allocated.
    fn without_threads<R>(body: impl FnOnce() -> R) -> R {
        let mut before = Limit { now: 0, most: 0 };
        assert_eq!(getrlimit(RLIMIT_AS, &mut before), 0);
        let pages = fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
        // A stack takes 64 MiB there; all other allocations are small.
        let now = pages * 4096 + (32 << 20);
        let most = before.most;
        assert_eq!(setrlimit(RLIMIT_AS, &Limit { now, most }), 0);
        let result = body();
        assert_eq!(setrlimit(RLIMIT_AS, &before), 0);
        result
    }

    /// Runs the test of that name again, in a child process.
    fn in_a_child(name: &str, test: impl FnOnce()) {
        if env::var_os(CHILD).is_some() {
            let _watch = HangWatch::new("a child");
            return test();
        }
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(CHILD, "1")
            .env("RUST_MIN_STACK", (64 << 20).to_string())
            .env("MALLOC_ARENA_MAX", "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", output.status);
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
    }

    fn runtime() -> Runtime {
        Builder::new().worker_threads(1).build().unwrap()
    }

    #[test]
    fn a_call_is_refused_and_its_closure_dropped_in_its_frame() {
        in_a_child(
            "no_thread::a_call_is_refused_and_its_closure_dropped_in_its_frame",
            || {
                let runtime = runtime();
                let log = Log::default();
                let tracker = log.tracker("refused");
                let call =
                    without_threads(|| ID.run(5, || runtime.spawn_blocking(|| drop(tracker))));
                let error = runtime.block_on(call).unwrap_err();
                assert!(error.is_rejected() && !error.is_cancelled() && !error.is_panic());
                assert!(
                    error.to_string().contains("no thread could be started"),
                    "{error}"
                );
                assert!(std::error::Error::source(&error).is_some());
                assert_eq!(log.entries(), [("refused", Some(5))]);
                // Afterwards threads can be started again.
                assert_eq!(runtime.block_on(runtime.spawn_blocking(|| 7)).unwrap(), 7);
            },
        );
    }

    #[test]
    fn a_call_waits_for_the_threads_that_there_are() {
        in_a_child(
            "no_thread::a_call_waits_for_the_threads_that_there_are",
            || {
                let runtime = runtime();
                let (started, is_started) = mpsc::channel();
                let (release, released) = mpsc::channel::<()>();
                let busy = runtime.spawn_blocking(move || {
                    started.send(()).unwrap();
                    released.recv().unwrap();
                });
                is_started.recv().unwrap();
                let calls: Vec<_> = without_threads(|| {
                    (0..5)
                        .map(|number| runtime.spawn_blocking(move || number))
                        .collect()
                });
                assert!(calls.iter().all(|call| !call.is_finished()));
                release.send(()).unwrap();
                runtime.block_on(busy).unwrap();
                for (call, number) in calls.into_iter().zip(0..) {
                    assert_eq!(runtime.block_on(call).unwrap(), number);
                }
            },
        );
    }

    #[test]
    fn many_calls_at_once_are_all_rejected_and_none_waits_forever() {
        in_a_child(
            "no_thread::many_calls_at_once_are_all_rejected_and_none_waits_forever",
            || {
                let runtime = runtime();
                // Existing threads make the calls at the same time.
                let gate = std::sync::Barrier::new(5);
                std::thread::scope(|scope| {
                    let callers: Vec<_> = (0..4)
                        .map(|_| {
                            scope.spawn(|| {
                                gate.wait();
                                let calls: Vec<_> =
                                    (0..50).map(|_| runtime.spawn_blocking(|| 7)).collect();
                                gate.wait();
                                calls
                            })
                        })
                        .collect();
                    without_threads(|| {
                        gate.wait();
                        gate.wait();
                    });
                    for call in callers
                        .into_iter()
                        .flat_map(|caller| caller.join().unwrap())
                    {
                        match futures::executor::block_on(call) {
                            Ok(output) => assert_eq!(output, 7),
                            Err(error) => assert!(error.is_rejected(), "{error}"),
                        }
                    }
                });
            },
        );
    }

    #[test]
    fn block_in_place_calls_where_it_is_and_look_ups_fail() {
        in_a_child(
            "no_thread::block_in_place_calls_where_it_is_and_look_ups_fail",
            || {
                let runtime = runtime();
                let (in_place, look_up) = without_threads(|| {
                    runtime.block_on(async {
                        let in_place = framewise::spawn(async { block_in_place(|| 7) });
                        let look_up = framewise::net::lookup_host("localhost:80").await;
                        (in_place.await.unwrap(), look_up.map(Iterator::count))
                    })
                });
                assert_eq!(in_place, 7);
                assert!(look_up.is_err(), "{look_up:?}");
                // The worker still runs.
                assert_eq!(runtime.block_on(runtime.spawn(async { 8 })).unwrap(), 8);
            },
        );
    }

    #[test]
    fn a_runtime_that_gets_no_thread_is_an_error_and_leaves_none_behind() {
        in_a_child(
            "no_thread::a_runtime_that_gets_no_thread_is_an_error_and_leaves_none_behind",
            || {
                let threads = || fs::read_dir("/proc/self/task").unwrap().count();
                let before = threads();
                let build = || Builder::new().worker_threads(4).build();
                let error = without_threads(build).map(drop).unwrap_err();
                assert!(
                    error.to_string().contains("could not be started"),
                    "{error}"
                );
                while threads() > before {
                    std::thread::yield_now();
                }
                let runtime = build().unwrap();
                assert_eq!(runtime.block_on(runtime.spawn(async { 7 })).unwrap(), 7);
            },
        );
    }
}
