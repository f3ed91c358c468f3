//! The current frame on the driving thread.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use framewise::context::Frame;
use framewise::task::yield_now;
use framewise::time::{set_timeout, sleep};
use framewise::{spawn, spawn_blocking, spawn_root};
use framewise_test_support::{ID, KEPT, Log, call_waker, in_frames, poll_once};

use crate::runtime;

#[test]
fn c32_the_main_future_runs_in_the_callers_frame_and_tasks_in_theirs() {
    in_frames(|id| {
        let runtime = runtime();
        let seen = runtime.block_on(async {
            let task = ID.run(10, || {
                spawn(async {
                    let mut seen = Vec::new();
                    for _ in 0..3 {
                        seen.push(ID.get());
                        yield_now().await;
                    }
                    seen
                })
            });
            let root = spawn_root(async { ID.get() });
            for _ in 0..10 {
                assert_eq!(ID.get(), id);
                yield_now().await;
            }
            sleep(Duration::from_millis(1)).await;
            assert_eq!(ID.get(), id);
            let inherited = spawn(async { ID.get() });
            let call = spawn_blocking(|| ID.get());
            (
                task.await.unwrap(),
                root.await.unwrap(),
                inherited.await.unwrap(),
                call.await.unwrap(),
            )
        });
        assert_eq!(seen, (vec![Some(10); 3], None, id, id));
        assert_eq!(ID.get(), id);
    });
}

/// What runs between two polls runs at the root, whatever frame `block_on` was called in: here the
/// wakers that the dispatch of timers calls, outside of a frame of their own.
#[test]
fn c32_the_driving_thread_is_at_the_root_between_polls() {
    in_frames(|_| {
        let runtime = runtime();
        let (seen, sees) = mpsc::channel();
        let mut timer = {
            let _entered = runtime.enter();
            // Registered at the root, so the waker has no frame but that of its caller.
            Frame::root().run(|| {
                let mut timer = Box::pin(sleep(Duration::from_millis(1)));
                let seen = std::sync::Mutex::new(seen);
                let waker = call_waker(move || seen.lock().unwrap().send(ID.get()).unwrap());
                assert!(poll_once(&mut timer, &waker).is_pending());
                timer
            })
        };
        ID.run(30, || runtime.block_on(sleep(Duration::from_millis(5))));
        assert_eq!(sees.recv().unwrap(), None);
        assert!(poll_once(&mut timer, std::task::Waker::noop()).is_ready());
    });
}

#[test]
fn c33_a_frame_stays_with_its_task_when_another_thread_takes_over() {
    let runtime = runtime();
    let (send, receive) = tokio::sync::oneshot::channel();
    let task = ID.run(7, || {
        runtime.spawn(async move {
            let before = ID.get();
            receive.await.unwrap();
            (before, ID.get())
        })
    });
    ID.run(8, || runtime.block_on(yield_now()));
    thread::scope(|scope| {
        scope.spawn(|| {
            send.send(()).unwrap();
            let seen = ID.run(9, || runtime.block_on(task)).unwrap();
            assert_eq!(seen, (Some(7), Some(7)));
        });
    });
}

#[test]
fn c41_a_future_is_dropped_in_its_tasks_frame() {
    let runtime = runtime();
    let log = Log::default();
    let tracker = log.tracker("aborted");
    let task = ID.run(3, || {
        runtime.spawn(async move {
            let _tracker = tracker;
            std::future::pending::<()>().await;
        })
    });
    ID.run(4, || {
        runtime.block_on(async {
            yield_now().await;
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        });
    });
    assert_eq!(log.entries(), [("aborted", Some(3))]);
}

/// The runtime keeps nothing of the frame of a `block_on` that has returned or panicked.
#[test]
fn c48_block_on_keeps_nothing_of_its_callers_frame() {
    let runtime = runtime();
    let kept = Arc::new(());
    for panics in [false, true] {
        let ended = framewise_test_support::panics(|| {
            KEPT.run(Arc::clone(&kept), || {
                runtime.block_on(async {
                    sleep(Duration::from_millis(1)).await;
                    spawn(yield_now()).await.unwrap();
                    assert!(!panics, "planned");
                });
            });
        });
        assert_eq!(ended, panics);
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}

#[test]
fn c51_callbacks_run_in_their_own_frames() {
    let runtime = runtime();
    let (seen, sees) = mpsc::channel();
    let _entered = runtime.enter();
    ID.run(5, || {
        drop(set_timeout(Duration::ZERO, move || {
            seen.send(ID.get()).unwrap();
        }));
    });
    ID.run(6, || runtime.block_on(sleep(Duration::from_millis(2))));
    assert_eq!(sees.recv().unwrap(), Some(5));
}
