//! Context: a request sees or keeps alive another request's values.

use std::sync::{Arc, Mutex};

use framewise::runtime::Builder;
use framewise::task::yield_now;
use framewise::{ContextVar, Frame, bind, spawn};

use crate::{Bug, Class, Here};
use framewise_test_support::{DropCall, ID, on_drop, on_workers, with_workers};

pub(crate) const CLASS: Class = Class {
    name: "context",
    bugs: &[
        Bug {
            id: "otel-rust 2871",
            story: "A guard's drop kept the thread's stack of contexts borrowed while it dropped a \
                    context. A span in that context ended, read the current context, and panicked.",
            here: Here::Tests(&[
                (
                    "conformance/src/checks/values.rs",
                    "c76_a_values_drop_may_use_frames_and_spawn",
                ),
                (
                    "executor/tests/bugs/context.rs",
                    "a_values_destructor_may_ask_for_the_current_frame_wherever_it_ends",
                ),
            ]),
        },
        Bug {
            id: "otel-rust 3738",
            story: "The same on another path: a value read the current context in its destructor \
                    when the guard's copy was the last reference.",
            here: Here::Tests(&[
                (
                    "conformance/src/checks/values.rs",
                    "c76_a_values_drop_may_use_frames_and_spawn",
                ),
                (
                    "executor/tests/bugs/context.rs",
                    "a_values_destructor_may_ask_for_the_current_frame_wherever_it_ends",
                ),
            ]),
        },
        Bug {
            id: "node 46262",
            story: "The handler for unhandled rejections is called in a context that is neither \
                    the context of the error nor that of the promise's creation, depending on how \
                    the rejection came about.",
            here: Here::Tests(&[
                (
                    "conformance/src/checks/errors.rs",
                    "c83_the_hook_for_unhandled_panics_has_the_frame_in_which_it_began",
                ),
                (
                    "executor/tests/bugs/context.rs",
                    "the_hook_for_panics_tells_each_ones_request_whoever_wakes_the_task",
                ),
                (
                    "context/tests/executors.rs",
                    "c83_a_caught_panic_has_the_innermost_frame_in_which_it_began",
                ),
            ]),
        },
        Bug {
            id: "dotnet/runtime 80232",
            story: "A connection's background tasks kept the context of the request that had \
                    opened it, with all its values, for the lifetime of the connection.",
            here: Here::Tests(&[
                (
                    "conformance/src/checks/pools.rs",
                    "c57_a_driver_task_put_at_the_root_frees_the_first_requests_values",
                ),
                (
                    "integrations/http-tests/tests/http/pool.rs",
                    "c90_a_pooled_connection_shows_each_request_itself_and_keeps_none",
                ),
                (
                    "io/tests/frames/wakers.rs",
                    "c56_an_idle_connection_keeps_no_frame",
                ),
            ]),
        },
        Bug {
            id: "npgsql 6105",
            story: "The first request created the timer of a connection pool, and the timer kept \
                    that request's values forever.",
            here: Here::Tests(&[
                (
                    "conformance/src/checks/timer_callbacks.rs",
                    "c53_the_frame_is_released_on_cancel",
                ),
                (
                    "conformance/src/checks/pools.rs",
                    "c60_an_initializer_goes_on_for_its_second_user_when_the_first_is_aborted",
                ),
                (
                    "executor/tests/stress/races.rs",
                    "requests_over_sockets_never_mix",
                ),
            ]),
        },
        Bug {
            id: "kotlinx.coroutines 4121",
            story: "A coroutine that was resumed directly in its waker, without going through a \
                    queue, left its thread-local value behind in the waking code.",
            here: Here::Tests(&[
                (
                    "conformance/src/checks/tasks/switching.rs",
                    "c31_a_task_run_right_after_its_spawner_sees_its_own_frame",
                ),
                (
                    "conformance/src/checks/tasks/switching.rs",
                    "c31_a_task_run_inside_its_own_wake_sees_its_own_frame",
                ),
                (
                    "conformance/src/checks/tasks/switching.rs",
                    "c32_threads_are_at_the_root_between_polls",
                ),
            ]),
        },
        Bug {
            id: "kotlinx.coroutines 4755",
            story: "An inner scope that suspended was left only when it was resumed. The outer \
                    scope was left first, and the thread kept the inner scope's value.",
            here: Here::Tests(&[
                (
                    "conformance/src/checks/composition.rs",
                    "c67_nested_scopes_are_both_seen",
                ),
                (
                    "conformance/src/checks/composition.rs",
                    "c74_pending_ready_and_panic_restore",
                ),
                (
                    "context/tests/scopes.rs",
                    "c68_scoped_branches_of_join_and_select_never_bleed_into_each_other",
                ),
            ]),
        },
    ],
};

static ASKS: ContextVar<Arc<DropCall>> = ContextVar::new("asks");

/// otel-rust 2871, 3738: the last owner of a value is, in turn, a run, a frame, a scope, a task and
/// a waker; its destructor reads, binds, spawns and keeps the current frame.
#[test]
fn a_values_destructor_may_ask_for_the_current_frame_wherever_it_ends() {
    on_workers(|runtime| {
        let _entered = runtime.enter();
        let count = Arc::new(Mutex::new(0));
        let asks = || {
            let count = Arc::clone(&count);
            Arc::new(on_drop(move || {
                let seen = Frame::current();
                let _ = ASKS.get();
                ID.run(1, || assert_eq!(ID.get(), Some(1)));
                drop(seen.run(Frame::current));
                *count.lock().unwrap() += 1;
            }))
        };
        ASKS.run(asks(), || ());
        drop(ASKS.run(asks(), Frame::current));
        runtime.block_on(ASKS.scope(asks(), yield_now()));
        // Two levels, the inner of which is dropped with the outer one.
        ASKS.run(asks(), || drop(ASKS.run(asks(), Frame::current)));
        runtime
            .block_on(ASKS.run(asks(), || spawn(yield_now())))
            .unwrap();
        drop(bind(&ASKS, asks()).and(&ID, 2).frame());
        assert_eq!(*count.lock().unwrap(), 7);
    });
}

/// node 46262: detached tasks of many requests, woken by other requests, panic; the hook gets the
/// request of each task.
#[test]
fn the_hook_for_panics_tells_each_ones_request_whoever_wakes_the_task() {
    const REQUESTS: u64 = 40;

    with_workers(|workers| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let sender = Mutex::new(sender);
        let runtime = Builder::new()
            .worker_threads(workers)
            .on_unhandled_panic(move |error| {
                let at = error.frame().map(|frame| frame.run(|| ID.get()));
                sender.lock().unwrap().send(at).unwrap();
            })
            .build()
            .unwrap();
        let (wake, woken) = async_channel::bounded::<()>(1);
        for request in 0..REQUESTS {
            let woken = woken.clone();
            drop(ID.run(request, || {
                runtime.spawn(async move {
                    // Woken by another request's task, or by this thread.
                    let _ = woken.recv().await;
                    std::panic::resume_unwind(Box::new("a detached task"));
                })
            }));
        }
        ID.run(1_000, || wake.close());
        let mut seen: Vec<_> = receiver.iter().take(REQUESTS as usize).collect();
        seen.sort_unstable();
        let expected: Vec<_> = (0..REQUESTS).map(|request| Some(Some(request))).collect();
        assert_eq!(seen, expected);
    });
}
