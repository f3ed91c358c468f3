//! Blocking calls that wait for a thread when the work of their frame ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use framewise::{ContextVar, cancel, deadline};
use framewise_test_support::{ID, OnDrop, occupy_pool, one_pool_thread};

use crate::MS;

#[test]
pub(crate) fn c62_a_call_in_the_queue_is_dropped_in_its_frame_when_its_deadline_passes() {
    let runtime = one_pool_thread(1);
    let (release, running) = occupy_pool(&runtime);
    let (sender, dropped) = mpsc::channel();
    runtime.block_on(async {
        let queued = deadline::within(MS, async {
            ID.run(7, || {
                let guard = OnDrop(move || sender.send(ID.get()).unwrap());
                framewise::spawn_blocking(move || {
                    let _guard = guard;
                    unreachable!("there is no thread for it");
                })
            })
        });
        // Joined outside of the deadline.
        let error = queued.await.await.unwrap_err();
        assert!(error.is_timed_out() && deadline::is(&error));
        assert_eq!(dropped.recv().unwrap(), Some(7));
        assert_eq!(
            framewise::runtime::Handle::current()
                .metrics()
                .blocking_queue_depth(),
            0
        );
        drop(release);
        running.await.unwrap();
        assert_eq!(framewise::spawn_blocking(|| 7).await.unwrap(), 7);
    });
}

#[test]
pub(crate) fn a_call_that_runs_is_not_ended_and_one_in_an_ended_frame_is_not_queued() {
    let runtime = one_pool_thread(1);
    let (release, running) = occupy_pool(&runtime);
    drop(release);
    let ran = AtomicBool::new(false);
    runtime.block_on(async {
        running.await.unwrap();
        let (handle, scope) = cancel::scope();
        let (go, wait) = mpsc::channel();
        let call = scope.run(|| {
            framewise::spawn_blocking(move || {
                assert!(!cancel::is_cancelled());
                go.send(()).unwrap();
                while !cancel::is_cancelled() {
                    std::hint::spin_loop();
                }
                "to its end"
            })
        });
        wait.recv().unwrap();
        handle.cancel();
        assert_eq!(call.await.unwrap(), "to its end");

        let late = scope.run(|| framewise::spawn_blocking(|| unreachable!("it was cancelled")));
        assert!(late.is_finished());
        let error: framewise::JoinError = late.await.unwrap_err();
        assert!(cancel::is(&error));
        ran.store(true, Ordering::Relaxed);
    });
    assert!(ran.into_inner());
}

#[test]
fn c48_a_call_keeps_nothing_of_its_scope_when_it_has_run_or_was_aborted() {
    static HELD: ContextVar<Arc<()>> = ContextVar::new("held");
    let runtime = one_pool_thread(1);
    let (release, running) = occupy_pool(&runtime);
    let value = Arc::new(());
    let (handle, scope) = cancel::scope();
    runtime.block_on(async {
        let queue = || {
            HELD.run(Arc::clone(&value), || {
                scope.run(|| framewise::spawn_blocking(|| 7))
            })
        };
        let (kept, aborted) = (queue(), queue());
        aborted.abort();
        assert!(aborted.await.unwrap_err().is_cancelled());
        assert_eq!(Arc::strong_count(&value), 2);
        drop(release);
        running.await.unwrap();
        assert_eq!(kept.await.unwrap(), 7);
        assert_eq!(Arc::strong_count(&value), 1);
    });
    drop(runtime);
    assert!(handle.cancel());
}

#[test]
fn a_scope_that_ends_a_runtimes_last_call_outlives_the_runtime() {
    let runtime = one_pool_thread(1);
    let (release, _running) = occupy_pool(&runtime);
    let (handle, scope) = cancel::scope();
    let queued = scope.run(|| runtime.spawn_blocking(|| unreachable!("it was not run")));
    let dropping = std::thread::spawn(move || drop(runtime));
    let error = futures::executor::block_on(queued).unwrap_err();
    assert!(error.is_cancelled());
    drop(release);
    dropping.join().unwrap();
    assert!(handle.cancel());
}
