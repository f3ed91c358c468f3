//! The size of the stacks of workers and of the threads of the pool.

use std::env;
use std::hint::black_box;
use std::io::ErrorKind;
use std::time::Duration;

use framewise::runtime::Builder;
use framewise::task::block_in_place;
use framewise::time::sleep;
use framewise::{spawn, spawn_blocking};

use crate::{IN_CHILD, MIB, runtime, succeeds_in_child};

/// Uses three MiB of stack.
#[inline(never)]
fn uses_three_mib() -> u8 {
    let array = black_box([3_u8; 3 * MIB]);
    array[black_box(MIB)]
}

#[test]
fn workers_and_pool_threads_have_the_stack_that_was_asked_for() {
    let name = "stacks::workers_and_pool_threads_have_the_stack_that_was_asked_for";
    let succeeded = succeeds_in_child(name, || {
        let builder = Builder::new().worker_threads(2).thread_stack_size(8 * MIB);
        let runtime = builder.build().unwrap();
        let task = runtime.spawn(async { uses_three_mib() });
        assert_eq!(runtime.block_on(task).unwrap(), 3);
        let call = runtime.spawn_blocking(uses_three_mib);
        assert_eq!(runtime.block_on(call).unwrap(), 3);
        // Once a worker's core has moved to a thread of the pool, its tasks run there.
        let tasks = runtime.spawn(async {
            block_in_place(|| ());
            spawn(async { uses_three_mib() }).await.unwrap()
        });
        assert_eq!(runtime.block_on(tasks).unwrap(), 3);
    });
    assert!(succeeded);
}

#[test]
fn the_default_stack_has_two_mib() {
    let overflows = |name, body| {
        let succeeded = succeeds_in_child(name, body);
        assert!(
            env::var_os(IN_CHILD).is_some() || !succeeded,
            "so the test above tests nothing"
        );
    };
    overflows("stacks::the_default_stack_has_two_mib", || {
        let runtime = runtime();
        let task = runtime.spawn(async { uses_three_mib() });
        let _ = runtime.block_on(task);
    });
}

#[test]
fn the_smallest_stack_runs_tasks_timers_and_calls() {
    let name = "stacks::the_smallest_stack_runs_tasks_timers_and_calls";
    let succeeded = succeeds_in_child(name, || {
        let builder = Builder::new()
            .worker_threads(2)
            .thread_stack_size(64 * 1024);
        let runtime = builder.build().unwrap();
        let task = runtime.spawn(async {
            sleep(Duration::from_millis(1)).await;
            let panicked = spawn(async { panic!("on a small stack") }).await;
            let call = spawn_blocking(|| 1).await.unwrap();
            let address = framewise::net::lookup_host("localhost:1").await;
            assert!(address.unwrap().next().is_some());
            block_in_place(|| call + u32::from(panicked.is_err()))
        });
        assert_eq!(runtime.block_on(task).unwrap(), 2);
    });
    assert!(succeeded);
}

#[test]
fn a_stack_size_out_of_range_is_an_error_and_no_abort() {
    for size in [0, 1, 64 * 1024 - 1, usize::MAX, usize::MAX / 2 + 1] {
        let error = Builder::new().thread_stack_size(size).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{size}: {error}");
        assert!(error.to_string().contains("stack must have"), "{error}");
    }
    // In range, but larger than the address space, so the system returns an error.
    let error = Builder::new().thread_stack_size(usize::MAX / 2).build();
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("could not be started")
    );
}
