//! The public behavior of the runtime: settings, entering, worker threads. Blocking on a future is
//! in `block_on.rs`, shutdown in `shutdown/`, the blocking pool in `blocking/`, joining in `join/`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use framewise::net::{TcpListener, lookup_host};
use framewise::runtime::{Builder, Handle, Runtime};
use framewise::task::{LocalSet, block_in_place, spawn_local, yield_now};
use framewise::time::{set_timeout, sleep, timeout};
use framewise::{block_on, spawn, spawn_blocking, spawn_root};
use framewise_test_support::{
    HangWatch, ID, on_workers, one_pool_thread, panic_message, panics, runtime, while_occupied,
    with_workers, workers_of,
};

#[test]
fn the_builder_rejects_invalid_settings_and_says_what_is_wrong() {
    let message = panic_message(|| Builder::new().worker_threads(0));
    assert!(message.contains("at least one worker"), "{message}");
    let message = panic_message(|| Builder::new().max_blocking_threads(0));
    assert!(message.contains("at least one thread"), "{message}");
    let builder = Builder::new()
        .worker_threads(3)
        .thread_name("x")
        .max_blocking_threads(4);
    let shown = format!("{builder:?}");
    assert!(
        shown.contains("worker_threads: Some(3)") && shown.contains("\"x\""),
        "{shown}"
    );
    assert!(format!("{:?}", Builder::default()).contains("max_blocking_threads: 512"));
}

/// Issue 8, A4: the start of a worker panicked after the worker had been counted, and the drop of
/// the runtime waited for it.
#[test]
fn a_thread_name_with_a_zero_byte_is_an_error_and_no_hang() {
    let (built, result) = mpsc::channel();
    thread::spawn(move || {
        let name = || Builder::new().worker_threads(1).thread_name("a\0b");
        let _ = built.send(name().build().map(drop));
    });
    let error = result
        .recv_timeout(Duration::from_secs(30))
        .expect("the build hangs or panics")
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("zero byte"), "{error}");
}

/// The environment is the process's, so each value has a process of its own.
#[test]
fn the_environment_says_how_many_workers_there_are_where_the_builder_does_not() {
    const NAME: &str = "the_environment_says_how_many_workers_there_are_where_the_builder_does_not";
    const VARIABLE: &str = "FRAMEWISE_WORKER_THREADS";
    if std::env::var_os(VARIABLE).is_some() {
        match Builder::new().build() {
            Ok(runtime) => println!("workers: {}", workers_of(&runtime)),
            Err(error) => println!("{:?}: {error}", error.kind()),
        }
        let chosen = Builder::new().worker_threads(2).build().unwrap();
        println!("chosen: {}", workers_of(&chosen));
        return;
    }
    for (value, expected) in [
        ("3", "workers: 3\n"),
        (
            "0",
            "InvalidInput: FRAMEWISE_WORKER_THREADS must be a number of threads above zero",
        ),
        (
            "many",
            "InvalidInput: FRAMEWISE_WORKER_THREADS must be a number of threads above zero",
        ),
    ] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture", "--test-threads", "1"])
            .env(VARIABLE, value)
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && shown.contains(expected),
            "{value}: {shown}"
        );
        assert!(shown.contains("chosen: 2\n"), "{value}: {shown}");
    }
}

#[test]
fn runtimes_handles_and_sockets_are_unwind_safe() {
    fn is_unwind_safe<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    is_unwind_safe::<Runtime>();
    is_unwind_safe::<framewise::runtime::Handle>();
    is_unwind_safe::<framewise::net::TcpStream>();
    is_unwind_safe::<framewise::net::TcpListener>();
    is_unwind_safe::<framewise::net::UdpSocket>();
    #[cfg(unix)]
    is_unwind_safe::<framewise::net::UnixStream>();
}

#[test]
fn there_are_as_many_workers_as_were_asked_for_and_they_have_their_names() {
    for workers in [1, 2, 3, 8] {
        let _watch = HangWatch::new(format!("{workers} workers"));
        let runtime = Builder::new()
            .worker_threads(workers)
            .thread_name("orders")
            .build()
            .unwrap();
        // The tasks wait for each other, so each runs on a different worker.
        let all_run = Arc::new(Barrier::new(workers));
        let tasks: Vec<_> = (0..workers)
            .map(|_| {
                let all_run = Arc::clone(&all_run);
                runtime.spawn(async move {
                    all_run.wait();
                    let thread = thread::current();
                    (thread.id(), thread.name().unwrap().to_owned())
                })
            })
            .collect();
        let seen: HashSet<_> = tasks
            .into_iter()
            .map(|task| runtime.block_on(task).unwrap())
            .collect();
        let names: HashSet<_> = seen.iter().map(|(_, name)| name.clone()).collect();
        assert_eq!(seen.len(), workers);
        let expected = (0..workers)
            .map(|index| format!("orders-worker-{index}"))
            .collect();
        assert_eq!(names, expected);
        let name = runtime.spawn_blocking(|| thread::current().name().unwrap().to_owned());
        assert!(
            runtime
                .block_on(name)
                .unwrap()
                .starts_with("orders-blocking-")
        );
    }
    let runtime = Runtime::new().unwrap();
    let processors = thread::available_parallelism().unwrap().get();
    assert_eq!(workers_of(&runtime), processors);
    let name = runtime.spawn(async { thread::current().name().unwrap().to_owned() });
    assert!(
        runtime
            .block_on(name)
            .unwrap()
            .starts_with("framewise-worker-")
    );
}

#[test]
fn outside_of_a_runtime_everything_says_what_is_missing() {
    assert!(Handle::try_current().is_err());
    for message in [
        panic_message(Handle::current),
        panic_message(|| drop(spawn(async {}))),
        panic_message(|| drop(spawn_root(async {}))),
        panic_message(|| drop(spawn_blocking(|| ()))),
    ] {
        assert!(message.contains("no framewise runtime here"), "{message}");
    }
    let message = panic_message(|| drop(spawn_local(async {})));
    assert!(
        message.contains("called from outside of a `task::LocalSet`"),
        "{message}"
    );
    let message = panic_message(|| set_timeout(Duration::ZERO, || ()));
    assert!(message.contains("needs a framewise runtime"), "{message}");
    let message = panic_message(|| futures::executor::block_on(sleep(Duration::from_secs(600))));
    assert!(message.contains("needs a framewise runtime"), "{message}");
    let error = futures::executor::block_on(TcpListener::bind("127.0.0.1:0")).unwrap_err();
    assert!(error.to_string().contains("within a runtime"), "{error}");
}

#[test]
fn enter_makes_a_thread_part_of_the_runtime_until_its_guard_is_dropped() {
    on_workers(|runtime| {
        {
            let guard = runtime.enter();
            assert!(format!("{guard:?}").contains("EnterGuard"));
            assert!(Handle::try_current().is_ok());
            let task = spawn(async { 7 });
            let slept = timeout(Duration::from_secs(600), sleep(Duration::from_millis(1)));
            assert!(futures::executor::block_on(slept).is_ok());
            assert_eq!(futures::executor::block_on(task).unwrap(), 7);
            futures::executor::block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                listener.accept().await.unwrap();
                drop(peer);
            });
        }
        assert!(Handle::try_current().is_err());
    });
}

/// Returns the name of this thread's current runtime.
fn here() -> String {
    let name = Handle::current().spawn(async { thread::current().name().unwrap().to_owned() });
    let name = futures::executor::block_on(name).unwrap();
    name.split('-').next().unwrap().to_owned()
}

#[test]
fn guards_nest_and_dropped_out_of_order_they_do_no_harm() {
    let _watch = HangWatch::new("guards");
    let named = |name| {
        Builder::new()
            .worker_threads(1)
            .thread_name(name)
            .build()
            .unwrap()
    };
    let (one, two) = (named("one"), named("two"));
    let outer = one.enter();
    assert_eq!(here(), "one");
    let inner = two.enter();
    assert_eq!(here(), "two");
    let again = one.handle().enter();
    assert_eq!(here(), "one");
    drop(again);
    assert_eq!(here(), "two");
    drop(inner);
    assert_eq!(here(), "one");
    let inner = two.enter();
    drop(outer);
    // The guard that is dropped last restores the first runtime.
    drop(inner);
    assert_eq!(here(), "one");
    // `block_on` restores the current runtime.
    assert_eq!(two.block_on(async { here() }), "two");
    assert_eq!(here(), "one");
    assert!(panics(|| two.block_on(async { panic!("expected") })));
    assert_eq!(here(), "one");
}

#[test]
fn block_in_place_lets_the_workers_other_tasks_go_on() {
    on_workers(|runtime| {
        let workers = workers_of(runtime);
        for _ in 0..20 {
            // All workers wait for one more task at the same time.
            let all_in = Arc::new(Barrier::new(workers));
            let tasks: Vec<_> = (0..workers)
                .map(|_| {
                    let all_in = Arc::clone(&all_in);
                    runtime.spawn(async move {
                        block_in_place(|| {
                            all_in.wait();
                            block_on(async { spawn(async { 7 }).await.unwrap() })
                        })
                    })
                })
                .collect();
            for task in tasks {
                assert_eq!(runtime.block_on(task).unwrap(), 7);
            }
        }
        while_occupied(runtime, workers, || ());
    });
}

#[test]
fn block_in_place_in_odd_places_just_calls() {
    on_workers(|runtime| {
        assert_eq!(block_in_place(|| 1), 1);
        assert_eq!(runtime.block_on(async { block_in_place(|| 2) }), 2);
        let call = runtime.spawn_blocking(|| block_in_place(|| block_in_place(|| 3)));
        assert_eq!(runtime.block_on(call).unwrap(), 3);
        let task = runtime.spawn(async { block_in_place(|| block_in_place(|| 4)) });
        assert_eq!(runtime.block_on(task).unwrap(), 4);
        // In a timer callback.
        let (sender, receiver) = mpsc::channel();
        let _entered = runtime.enter();
        set_timeout(Duration::from_millis(1), move || {
            sender.send(block_in_place(|| 5)).unwrap();
        });
        assert_eq!(receiver.recv().unwrap(), 5);
        while_occupied(runtime, workers_of(runtime), || ());
    });
}

/// `block_in_place` while the blocking pool is at its limit must not strand the worker's tasks,
/// even if the pool's only thread waits for one of them.
#[test]
fn block_in_place_with_a_full_pool_strands_nothing() {
    with_workers(|workers| {
        let runtime = one_pool_thread(workers);
        let (started, is_started) = mpsc::channel();
        let (after, is_after) = mpsc::channel();
        let busy = runtime.spawn_blocking(move || {
            started.send(()).unwrap();
            is_after.recv().unwrap()
        });
        is_started.recv().unwrap();
        let tasks: Vec<_> = (0..workers)
            .map(|_| {
                let after = after.clone();
                runtime.spawn(async move {
                    block_in_place(|| ());
                    yield_now().await;
                    let _ = after.send(7);
                })
            })
            .collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(busy.await.unwrap(), 7);
        });
    });
}

#[test]
fn a_local_set_runs_beside_a_runtime_and_is_woken_from_it() {
    on_workers(|runtime| {
        let set = LocalSet::new();
        assert!(format!("{set:?}").contains("LocalSet"));
        let here = thread::current().id();
        let count = set.block_on(runtime, async move {
            let tasks: Vec<_> = (0..50)
                .map(|number| {
                    let shared = std::rc::Rc::new(number);
                    spawn_local(async move {
                        let other = spawn(async {
                            yield_now().await;
                            thread::current().id()
                        });
                        assert_ne!(other.await.unwrap(), here);
                        sleep(Duration::from_millis(1)).await;
                        assert_eq!(thread::current().id(), here);
                        *shared
                    })
                })
                .collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await.unwrap();
            }
            sum
        });
        assert_eq!(count, 50 * 49 / 2);
        // The set as a future runs until its tasks are done.
        let done = std::rc::Rc::new(std::cell::Cell::new(0));
        for _ in 0..10 {
            let done = std::rc::Rc::clone(&done);
            drop(set.spawn_local(async move {
                for _ in 0..100 {
                    yield_now().await;
                }
                done.set(done.get() + 1);
            }));
        }
        runtime.block_on(set);
        assert_eq!(done.get(), 10);
    });
}

#[test]
fn a_local_tasks_wake_and_end_from_other_threads_are_safe() {
    on_workers(|runtime| {
        for _ in 0..50 {
            let set = LocalSet::new();
            let (waker, wakers) = mpsc::channel();
            let task = set.spawn_local(async move {
                let not_send = std::rc::Rc::new(());
                loop {
                    framewise_test_support::pause(|own| drop(waker.send(own.clone()))).await;
                    assert_eq!(std::rc::Rc::strong_count(&not_send), 1);
                }
            });
            let abort = task.abort_handle();
            let waking = thread::spawn(move || {
                let mut last = None;
                for waker in wakers.iter().take(20) {
                    waker.wake_by_ref();
                    last = Some(waker);
                }
                abort.abort();
                last
            });
            let joined: Result<(), _> = set.block_on(runtime, task);
            assert!(joined.unwrap_err().is_cancelled());
            drop(set);
            waking.join().unwrap().unwrap().wake();
        }
    });
}

#[test]
fn name_look_ups_run_beside_the_tasks() {
    on_workers(|runtime| {
        let found = runtime.block_on(async {
            let tasks: Vec<_> = (0..10)
                .map(|number| {
                    ID.run(number, || {
                        spawn(async move {
                            let found = lookup_host("localhost:80").await.unwrap();
                            assert_eq!(ID.get(), Some(number));
                            found.count()
                        })
                    })
                })
                .collect();
            let mut found = 0;
            for task in tasks {
                found += task.await.unwrap();
            }
            found
        });
        assert!(found >= 10);
    });
}

#[test]
fn many_runtimes_live_side_by_side_and_talk() {
    let _watch = HangWatch::new("runtimes");
    let runtimes: Vec<_> = (0..6).map(|_| runtime(2)).collect();
    let total = Arc::new(AtomicUsize::new(0));
    let all: Mutex<Vec<_>> = Mutex::default();
    for (number, one) in runtimes.iter().enumerate() {
        let next = runtimes[(number + 1) % runtimes.len()].handle().clone();
        let total = Arc::clone(&total);
        all.lock().unwrap().push(ID.run(number as u64, || {
            one.spawn(async move {
                for _ in 0..100 {
                    let total = Arc::clone(&total);
                    let there = next.spawn(async move {
                        yield_now().await;
                        total.fetch_add(1, Ordering::Relaxed);
                        ID.get()
                    });
                    assert_eq!(there.await.unwrap(), ID.get());
                }
            })
        }));
    }
    for task in all.into_inner().unwrap() {
        futures::executor::block_on(task).unwrap();
    }
    assert_eq!(total.load(Ordering::Relaxed), 600);
}

#[test]
fn debug_shows_what_a_runtime_is() {
    let runtime = framewise_test_support::runtime(3);
    assert_eq!(format!("{:?}", runtime.handle()), "Handle { workers: 3 }");
    assert!(format!("{runtime:?}").starts_with("Runtime { handle: Handle { workers: 3 }"));
}

#[test]
fn a_runtime_has_the_name_that_it_was_given() {
    let builder = Builder::new().worker_threads(1);
    let unnamed = builder.clone().build().unwrap();
    assert_eq!(unnamed.handle().name(), None);
    let runtime = builder.name("orders").build().unwrap();
    assert_eq!(runtime.handle().name(), Some("orders"));
    let name = runtime.spawn(async { Handle::current().name().map(str::to_owned) });
    assert_eq!(runtime.block_on(name).unwrap().as_deref(), Some("orders"));
}

#[test]
#[should_panic(expected = "a runtime's name must not be empty")]
fn a_blank_name_is_rejected() {
    let _ = Builder::new().name(" ");
}
