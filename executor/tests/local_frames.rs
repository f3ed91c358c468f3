//! The frames of local tasks, as far as the handles of a [`LocalSet`] show them. (What every
//! executor can be asked is in the suite `framewise-conformance`.)
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::pending;
use std::sync::{Arc, mpsc};

use framewise::task::{LocalSet, spawn_local, yield_now};
use framewise::{Frame, bind};
use framewise_test_support::{ID, KEPT, Log, at_once, call_waker, everywhere, on_drop, poll_once};
use futures::channel::oneshot;

#[test]
fn c34_a_task_that_is_spawned_before_its_set_runs_has_its_spawners_frame() {
    everywhere(|runtime, id| {
        let set = LocalSet::new();
        let task = ID.run(10, || set.spawn_local(async { ID.get() }));
        let seen = ID.run(50, || set.block_on(runtime, task).unwrap());
        assert_eq!((seen, ID.get()), (Some(10), id));
    });
}

#[test]
fn c34_however_a_local_task_ends_it_is_dropped_in_its_frame() {
    everywhere(|runtime, _| {
        let log = Log::default();
        let set = LocalSet::new();
        ID.run(100, || {
            set.block_on(runtime, async {
                let done = log.tracker("done");
                let task = ID.run(1, || spawn_local(async move { drop(done) }));
                task.await.unwrap();
                let parked = log.tracker("parked");
                let task = ID.run(2, || {
                    spawn_local(async move {
                        let _parked = parked;
                        pending::<()>().await;
                    })
                });
                yield_now().await;
                task.abort();
                assert!(task.await.unwrap_err().is_cancelled());
                let fresh = log.tracker("fresh");
                let task = ID.run(3, || spawn_local(async move { drop(fresh) }));
                task.abort();
                assert!(task.await.unwrap_err().is_cancelled());
                let panicked = log.tracker("panicked");
                let task = ID.run(4, || {
                    spawn_local(async move {
                        let _panicked = panicked;
                        panic!("expected");
                    })
                });
                assert!(task.await.unwrap_err().is_panic());
                let output = log.tracker("output");
                drop(ID.run(5, || spawn_local(async move { output })));
                yield_now().await;
                yield_now().await;
                let left = log.tracker("left");
                drop(ID.run(6, || {
                    spawn_local(async move {
                        let _left = left;
                        pending::<()>().await;
                    })
                }));
            });
        });
        ID.run(101, || drop(set));
        assert_eq!(
            log.entries(),
            [
                ("done", Some(1)),
                ("parked", Some(2)),
                ("fresh", Some(3)),
                ("panicked", Some(4)),
                ("output", Some(5)),
                ("left", Some(6)),
            ]
        );
    });
}

/// How a task ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TaskEnd {
    Finished,
    Panicked,
    Aborted,
    AbortedUnpolled,
    PanicsInItsDestructor,
}

/// Ends a local task. Its joiner's waker counts the references to the value of the task's frame:
/// only the test's is left.
fn ends(runtime: &framewise::runtime::Runtime, end: TaskEnd) {
    let set = LocalSet::new();
    let kept = Arc::new(());
    let (release, released) = oneshot::channel::<()>();
    // A part of the future even before its first poll.
    let part = on_drop(move || {
        if end == TaskEnd::PanicsInItsDestructor {
            // The error exposes the frame of the panic, and holds only that frame.
            Frame::root().run(|| panic!("expected: of the destructor"));
        }
    });
    let future = async move {
        let _part = part;
        let _ = released.await;
        if end == TaskEnd::Panicked {
            Frame::root().run(|| panic!("expected: of the task"));
        }
    };
    let mut task = bind(&KEPT, Arc::clone(&kept)).run(|| set.spawn_local(future));
    if end != TaskEnd::AbortedUnpolled {
        at_once(set.run_until(async {}));
    }
    let (woken, wakes) = mpsc::channel();
    let seen = Arc::downgrade(&kept);
    let waker = call_waker(move || woken.send(seen.strong_count()).unwrap());
    assert!(poll_once(&mut task, &waker).is_pending());
    match end {
        TaskEnd::Finished | TaskEnd::Panicked => release.send(()).unwrap(),
        _ => task.abort(),
    }
    set.block_on(runtime, async {
        while !task.is_finished() {
            yield_now().await;
        }
    });
    assert_eq!(Arc::strong_count(&kept), 1, "{end:?}, is_finished");
    assert_eq!(wakes.recv().unwrap(), 1, "{end:?}, the joiner is woken");
    let joined = runtime.block_on(task);
    assert_eq!(joined.is_ok(), end == TaskEnd::Finished, "{end:?}");
}

#[test]
fn c47_a_local_tasks_frame_is_released_before_the_joiner_is_woken_however_it_ends() {
    everywhere(|runtime, _| {
        for end in [
            TaskEnd::Finished,
            TaskEnd::Panicked,
            TaskEnd::Aborted,
            TaskEnd::AbortedUnpolled,
            TaskEnd::PanicsInItsDestructor,
        ] {
            ends(runtime, end);
        }
    });
}
