//! Tasks and blocking calls of plain tokio that inherit the frame (feature `tokio`).
//!
//! The whole contract on these functions: the columns of `conformance/TABLE.md`.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::Future;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use framewise_context::tokio::{self as context, JoinSet};
use framewise_context::{ContextVar, Frame, bind};
use framewise_test_support::{ID, KEPT, in_frames, on_drop};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{LocalSet, yield_now};

static LOCK: ContextVar<u64> = ContextVar::new("lock").not_inherited();

/// A runtime of each kind.
fn runtimes() -> [Runtime; 2] {
    [
        Builder::new_current_thread().build().unwrap(),
        Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap(),
    ]
}

/// What a task sees before and after it has waited.
async fn seen() -> (Option<u64>, Option<u64>) {
    let before = ID.get();
    yield_now().await;
    (before, ID.get())
}

/// Runs a test on each kind of runtime, in each starting frame.
fn everywhere<F: Future<Output = ()>>(test: impl Fn(Option<u64>) -> F) {
    for runtime in runtimes() {
        in_frames(|id| runtime.block_on(LocalSet::new().run_until(test(id))));
    }
}

#[test]
fn everything_that_is_spawned_inherits_the_callers_frame() {
    everywhere(|id| async move {
        let handle = tokio::runtime::Handle::current();
        assert_eq!(context::spawn(seen()).await.unwrap(), (id, id));
        let task = context::spawn_on(seen(), &handle);
        assert_eq!(task.await.unwrap(), (id, id));
        let not_send = Rc::new(());
        let local = context::spawn_local(async move {
            let seen = seen().await;
            drop(not_send);
            seen
        });
        assert_eq!(local.await.unwrap(), (id, id));
        assert_eq!(context::spawn_blocking(|| ID.get()).await.unwrap(), id);

        let mut set = JoinSet::new();
        set.spawn(seen());
        set.spawn_on(seen(), &handle);
        set.spawn_local(seen());
        set.spawn_blocking(|| (ID.get(), ID.get()));
        assert_eq!(set.len(), 4);
        while let Some(seen) = set.join_next().await {
            assert_eq!(seen.unwrap(), (id, id));
        }
        assert_eq!(ID.get(), id);
    });
}

#[test]
fn the_frame_is_that_of_the_call_without_what_is_not_inherited() {
    everywhere(|_| async {
        let read = || async { (ID.get(), LOCK.get()) };
        let (task, call, local) = bind(&ID, 7).and(&LOCK, 1).run(|| {
            let call = context::spawn_blocking(|| (ID.get(), LOCK.get()));
            (context::spawn(read()), call, context::spawn_local(read()))
        });
        for handle in [task, call, local] {
            assert_eq!(handle.await.unwrap(), (Some(7), None));
        }
    });
}

#[test]
fn a_task_is_dropped_in_its_frame_and_then_keeps_no_value() {
    everywhere(|_| async {
        let drops = Arc::new(Mutex::new(Vec::new()));
        for abort in [false, true] {
            let (kept, drops) = (Arc::new(()), Arc::clone(&drops));
            let task = bind(&ID, 7).and(&KEPT, Arc::clone(&kept)).run(|| {
                let local = on_drop(move || drops.lock().unwrap().push(ID.get()));
                context::spawn(async move {
                    let _local = local;
                    yield_now().await;
                    if abort {
                        std::future::pending::<()>().await;
                    }
                })
            });
            yield_now().await;
            if abort {
                task.abort();
            }
            assert_eq!(task.await.is_err(), abort);
            assert_eq!(Arc::strong_count(&kept), 1);
        }
        assert_eq!(*drops.lock().unwrap(), [Some(7), Some(7)]);
        drops.lock().unwrap().clear();
    });
}

/// Control: tokio's own are polled in no frame, and on a current-thread runtime in the frame in
/// which `block_on` was called.
#[test]
fn tokios_own_functions_lose_the_frame() {
    for runtime in runtimes() {
        let lost = runtime.block_on(ID.scope(7, async {
            let task = tokio::spawn(seen()).await.unwrap();
            (
                task,
                tokio::task::spawn_blocking(|| ID.get()).await.unwrap(),
            )
        }));
        assert_eq!(lost, ((None, None), None));
    }
}

#[test]
fn a_task_at_the_root_is_possible() {
    everywhere(|_| async {
        let task = Frame::root().run(|| context::spawn(seen()));
        assert_eq!(task.await.unwrap(), (None, None));
    });
}
