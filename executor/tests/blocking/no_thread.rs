//! The behavior when the system cannot start threads: in a child process whose address space is
//! limited, so that no stack can be allocated.
#![cfg(target_os = "linux")]

use std::env;
use std::fs;
use std::hint;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use framewise::runtime::Builder;
use framewise::task::block_in_place;
use framewise_test_support::{HangWatch, ID, Log, runtime};

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

#[test]
fn a_call_is_refused_and_its_closure_dropped_in_its_frame() {
    in_a_child(
        "no_thread::a_call_is_refused_and_its_closure_dropped_in_its_frame",
        || {
            let runtime = runtime(1);
            let log = Log::default();
            let tracker = log.tracker("refused");
            let call = without_threads(|| ID.run(5, || runtime.spawn_blocking(|| drop(tracker))));
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
            let runtime = runtime(1);
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
            let runtime = runtime(1);
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
            let runtime = runtime(1);
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

/// The worker counts for itself again, as soon as it has its core back.
#[cfg(feature = "account")]
#[test]
fn after_a_call_in_place_without_a_thread_the_worker_is_busy() {
    in_a_child(
        "no_thread::after_a_call_in_place_without_a_thread_the_worker_is_busy",
        || {
            let ids = framewise::account::by(&ID);
            let builder = Builder::new().worker_threads(1).account(&ids);
            let runtime = builder.build().unwrap();
            let work = async {
                block_in_place(|| ());
                let began = Instant::now();
                while began.elapsed() < Duration::from_millis(20) {
                    hint::spin_loop();
                }
                began.elapsed()
            };
            let spent = without_threads(|| {
                let task = ID.run(7, || runtime.spawn(work));
                runtime.block_on(task).unwrap()
            });
            drop(runtime);
            let snapshot = ids.snapshot();
            let usage = snapshot.get(&7).unwrap();
            assert_eq!(usage.blocking_calls(), 1);
            // Half is left for what two clocks differ by.
            assert!(2 * usage.busy() > spent, "{usage} of {spent:?}");
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
