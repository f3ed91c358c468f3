//! Aborts, joins, panics and the drop of a set.

use std::cell::Cell;
use std::rc::Rc;

use framewise::JoinHandle;
use framewise::model::ModelRuntime;
use framewise::task::spawn_local;
use framewise_loom_tests::{TestWaker, model, model_with_panics};
use framewise_sync::{Arc, Mutex, thread};

use crate::{Listener, PLANNED, REQUEST, finished, set, spawn, spawn_panicking};

/// Race: one thread aborts the task and another one wakes it, while the set runs. Failure: the
/// abort is lost and the set waits forever, or the aborting thread drops the future.
#[test]
fn an_abort_meets_a_wake_and_the_run() {
    model("local set: abort × wake × run", || {
        let mut set = set();
        let (handle, remote) = spawn(&set, 2);
        let test_waker = TestWaker::new();
        assert!(test_waker.poll(&mut set).is_pending());
        let waker = remote.waker();
        let aborting = thread::spawn({
            let abort = handle.abort_handle();
            move || abort.abort()
        });
        let waking = thread::spawn({
            let notified = remote.notified.clone();
            move || {
                notified.notify();
                waker.wake();
            }
        });
        test_waker.block_on(&mut set);
        aborting.join().unwrap();
        waking.join().unwrap();
        assert!(!finished(handle), "it was notified only once");
        assert!(remote.end.is_dropped());
    });
}

/// Race: another thread aborts the task while the set is dropped. Failure: the drop does not wait
/// for the aborter, which is the task's holder, or the future is dropped on another thread.
#[test]
fn an_abort_meets_the_drop_of_the_set() {
    model("local set: abort × drop of the set", || {
        let mut set = set();
        let (handle, remote) = spawn(&set, 1);
        assert!(TestWaker::new().poll(&mut set).is_pending());
        let aborting = thread::spawn({
            let abort = handle.abort_handle();
            move || abort.abort()
        });
        drop(set);
        assert!(remote.end.is_dropped(), "the set's drop leaves a future");
        assert!(!finished(handle));
        aborting.join().unwrap();
    });
}

/// Race: another thread wakes the task, and a third drops its waker, while the set is dropped.
/// Failure: like above, or the task is pushed to a set that is gone.
#[test]
fn a_wake_meets_the_drop_of_the_set() {
    model(
        "local set: wake × waker dropped × drop of the set",
        || {
            let mut set = set();
            let (handle, remote) = spawn(&set, 1);
            assert!(TestWaker::new().poll(&mut set).is_pending());
            let waker = remote.waker();
            let dropping = thread::spawn({
                let waker = waker.clone();
                move || drop(waker)
            });
            let waking = thread::spawn(move || waker.wake());
            drop(set);
            assert!(remote.end.is_dropped(), "the set's drop leaves a future");
            assert!(!finished(handle));
            dropping.join().unwrap();
            waking.join().unwrap();
        },
    );
}

/// Race: a task spawns another one onto its set, and another thread awaits its handle while the set
/// runs it. Failure: the joiner's waker is lost, or the set ends without the task.
#[test]
fn a_task_spawns_another_that_is_joined_elsewhere() {
    model("local set: spawn_local in a task × join elsewhere", || {
        let set = set();
        let handed: Arc<Mutex<Option<JoinHandle<usize>>>> = Arc::default();
        let (listener, remote) = Listener::new(0);
        let outer = REQUEST.run(7, || {
            let handed = Arc::clone(&handed);
            set.spawn_local(async move {
                *handed.lock() = Some(spawn_local(listener));
            })
        });
        let mut set = set;
        let joining = thread::spawn({
            let handed = Arc::clone(&handed);
            move || {
                let handle = handed.lock().take();
                // If it is too late, it joins nothing.
                handle.map(|mut handle| TestWaker::new().block_on(&mut handle))
            }
        });
        TestWaker::new().block_on(&mut set);
        if let Some(joined) = joining.join().unwrap() {
            assert_eq!(joined.ok(), Some(1));
        }
        assert!(finished(outer));
        assert!(remote.end.is_dropped());
    });
}

/// Race: another thread awaits a task while it completes in the set. Failure: it waits forever.
#[test]
fn a_joiner_elsewhere_meets_the_run() {
    model("local set: join elsewhere × run", || {
        let mut set = set();
        let (mut handle, remote) = spawn(&set, 0);
        let joining = thread::spawn(move || TestWaker::new().block_on(&mut handle));
        assert!(TestWaker::new().poll(&mut set).is_ready());
        assert!(remote.end.is_dropped());
        assert_eq!(joining.join().unwrap().ok(), Some(1));
    });
}

/// Race: another thread awaits a task, in its frame, while its set is dropped. Failure: it waits
/// forever, or gets another outcome.
#[test]
fn a_joiner_elsewhere_meets_the_drop() {
    model("local set: join elsewhere × drop of the set", || {
        let set = set();
        let (mut handle, remote) = spawn(&set, 1);
        let joining = thread::spawn(move || TestWaker::new().block_on(&mut handle));
        drop(set);
        assert!(remote.end.is_dropped());
        let joined = joining.join().unwrap();
        assert!(joined.is_err_and(|error| error.is_cancelled()));
    });
}

/// Race: another thread aborts a task while the set is dropped, in which another task's destructor
/// spawns. Failure: the spawned task, which is rejected, removes the aborted one from the list, and
/// the drop does not wait for the aborter.
#[test]
fn an_abort_meets_the_drop_in_which_a_destructor_spawns() {
    /// Spawns when it is dropped.
    struct Spawns(Arc<Mutex<Option<JoinHandle<()>>>>);

    impl Drop for Spawns {
        fn drop(&mut self) {
            *self.0.lock() = Some(spawn_local(async {}));
        }
    }

    model("local set: abort × drop × spawn in a destructor", || {
        let mut set = set();
        let spawned: Arc<Mutex<Option<JoinHandle<()>>>> = Arc::default();
        let spawns = Spawns(Arc::clone(&spawned));
        drop(set.spawn_local(async move {
            let _spawns = spawns;
            std::future::pending::<()>().await;
        }));
        // The newer one is in front in the list.
        let (handle, remote) = spawn(&set, 1);
        assert!(TestWaker::new().poll(&mut set).is_pending());
        let aborting = thread::spawn({
            let abort = handle.abort_handle();
            move || abort.abort()
        });
        drop(set);
        assert!(remote.end.is_dropped(), "the set's drop leaves a future");
        assert!(!finished(handle));
        aborting.join().unwrap();
        let spawned = spawned.lock().take().expect("the destructor has spawned");
        assert!(!finished(spawned), "it was rejected");
    });
}

/// Race: a task panics while another thread, which is in no runtime, drops its handle. The set ran
/// in the runtime before, and is polled outside of it now, so only the set leads to the hook.
/// Failure: neither side reports the panic, or both do.
#[test]
fn a_panic_meets_the_drop_of_its_handle() {
    model_with_panics("local set: panic × handle dropped", &[PLANNED], || {
        let runtime = ModelRuntime::new();
        let mut set = set();
        let (handle, remote) = spawn_panicking(&set, 1);
        runtime.run(|| assert!(TestWaker::new().poll(&mut set).is_pending()));
        let (notified, waker) = (remote.notified.clone(), remote.waker());
        let dropping = thread::spawn(move || {
            notified.notify();
            waker.wake();
            drop(handle);
        });
        TestWaker::new().block_on(&mut set);
        dropping.join().unwrap();
        assert!(remote.end.is_dropped());
        assert_eq!(runtime.reports(), 1, "reports of one panic");
    });
}

/// Race: one thread wakes the task, another one aborts it and drops its handle. Failure: a panic
/// before the abort is not reported, or a cancelled task is.
#[test]
fn a_panic_meets_an_abort_and_the_drop_of_its_handle() {
    model_with_panics(
        "local set: panic × abort, handle dropped",
        &[PLANNED],
        || {
            let runtime = ModelRuntime::new();
            let mut set = set();
            let (listener, remote) = Listener::new(1);
            let panicked = Rc::new(Cell::new(0));
            let handle = REQUEST.run(7, || {
                let panicked = Rc::clone(&panicked);
                set.spawn_local(async move {
                    listener.await;
                    panicked.set(1);
                    panic!("{PLANNED}");
                })
            });
            runtime.run(|| assert!(TestWaker::new().poll(&mut set).is_pending()));
            let (notified, waker) = (remote.notified.clone(), remote.waker());
            let waking = thread::spawn(move || {
                notified.notify();
                waker.wake();
            });
            let aborting = thread::spawn(move || {
                handle.abort();
                drop::<JoinHandle<()>>(handle);
            });
            TestWaker::new().block_on(&mut set);
            waking.join().unwrap();
            aborting.join().unwrap();
            assert!(remote.end.is_dropped());
            assert_eq!(runtime.reports(), panicked.get(), "reports of the panics");
        },
    );
}

/// Race: a set that has run in one runtime is polled in another, for a task that a third thread
/// wakes, while that thread drops the handle of a task that has panicked. Failure: the panic is
/// reported to neither runtime or to both, or a later one to the earlier runtime.
#[test]
fn a_panic_without_a_handle_meets_a_set_that_changes_runtimes() {
    model_with_panics(
        "local set: handle dropped × another runtime",
        &[PLANNED],
        || {
            let runtimes = [ModelRuntime::new(), ModelRuntime::new()];
            let mut set = set();
            let (early, of_early) = spawn_panicking(&set, 0);
            let (late, of_late) = spawn_panicking(&set, 1);
            runtimes[0].run(|| assert!(TestWaker::new().poll(&mut set).is_pending()));
            let (notified, waker) = (of_late.notified.clone(), of_late.waker());
            let dropping = thread::spawn(move || {
                notified.notify();
                waker.wake();
                drop(early);
            });
            runtimes[1].run(|| TestWaker::new().block_on(&mut set));
            dropping.join().unwrap();
            let of_last = runtimes[1].reports();
            assert_eq!(runtimes[0].reports() + of_last, 1, "reports of one panic");
            thread::spawn(move || drop(late)).join().unwrap();
            assert_eq!(
                runtimes[1].reports(),
                of_last + 1,
                "the later panic is reported to the runtime that ran the set last"
            );
            assert!(of_early.end.is_dropped() && of_late.end.is_dropped());
        },
    );
}

/// Control: a future that is dropped on a thread that is not the set's.
#[test]
#[should_panic(expected = "on another thread")]
fn control_a_future_that_is_dropped_elsewhere_is_noticed() {
    /// Moves a task's future to another thread.
    struct Smuggled(Listener);
    // SAFETY: none: the control is about this, and loom runs all threads on one.
    unsafe impl Send for Smuggled {}

    model("local set: control, dropped on another thread", || {
        let _set = set();
        let smuggled = Smuggled(Listener::new(1).0);
        let thread = thread::spawn(move || {
            let Smuggled(listener) = { smuggled };
            REQUEST.run(7, || drop(listener));
        });
        thread.join().unwrap();
    });
}
