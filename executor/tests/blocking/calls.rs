//! Calls from every place, and their panics.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use framewise::runtime::Builder;
use framewise::spawn_blocking;
use framewise_test_support::{HangWatch, ID, one_pool_thread, runtime, with_workers};

#[test]
fn a_panic_in_a_call_goes_to_its_joiner_and_costs_no_thread() {
    let _watch = HangWatch::new("a panic");
    let runtime = one_pool_thread(1);
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
