//! User code under a lock: a waker or a destructor runs while the runtime holds a lock, and calls
//! back into code that acquires the same lock.

use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use framewise::task::LocalSet;
use framewise::time::{set_interval, set_timeout, sleep};
use framewise::{JoinHandle, spawn};

use crate::{Bug, Class, Here, connection};
use framewise_test_support::{call_waker, on_drop, on_workers, poll_once};

const WAKERS: (&str, &str) = (
    "executor/tests/fairness/reentry.rs",
    "wakers_that_call_back_into_the_runtime_meet_no_lock",
);
const DESTRUCTORS: (&str, &str) = (
    "executor/tests/fairness/reentry.rs",
    "destructors_that_call_back_into_the_runtime_meet_no_lock",
);

pub(crate) const CLASS: Class = Class {
    name: "user code under a lock",
    bugs: &[
        Bug {
            id: "tokio 1886",
            story: crate::UNREAD,
            here: Here::Tests(&[
                WAKERS,
                DESTRUCTORS,
                (
                    "executor/tests/bugs/user_code_under_a_lock.rs",
                    "a_local_sets_tasks_and_waker_may_call_back_as_they_end",
                ),
            ]),
        },
        Bug {
            id: "tokio 8529",
            story: crate::UNREAD,
            here: Here::Tests(&[
                WAKERS,
                ("timers/tests/driving.rs", "wakers_run_with_no_lock_held"),
            ]),
        },
        Bug {
            id: "tokio 8552",
            story: crate::UNREAD,
            here: Here::Tests(&[
                DESTRUCTORS,
                (
                    "timers/tests/driving.rs",
                    "callbacks_and_their_destructors_run_with_no_lock_held",
                ),
            ]),
        },
        Bug {
            id: "tokio 8554",
            story: crate::UNREAD,
            here: Here::Tests(&[
                WAKERS,
                (
                    "executor/tests/bugs/user_code_under_a_lock.rs",
                    "wakers_that_are_replaced_may_call_back_as_they_end",
                ),
            ]),
        },
        Bug {
            id: "tokio 8558",
            story: crate::UNREAD,
            here: Here::Tests(&[
                DESTRUCTORS,
                (
                    "io/tests/frames/callbacks.rs",
                    "c59_a_callback_may_cancel_itself_and_register_another",
                ),
                (
                    "io/tests/frames/callbacks.rs",
                    "c59_a_callback_may_drop_its_source",
                ),
            ]),
        },
        Bug {
            id: "tokio 8562",
            story: crate::UNREAD,
            here: Here::Tests(&[
                (
                    "executor/tests/shutdown/tasks.rs",
                    "destructors_at_shutdown_may_spawn_wake_abort_and_arm",
                ),
                (
                    "executor/tests/bugs/user_code_under_a_lock.rs",
                    "wakers_that_are_replaced_may_call_back_as_they_end",
                ),
            ]),
        },
    ],
};

const HOUR: Duration = Duration::from_secs(3_600);

/// Calls all operations of the runtime that acquire a lock.
fn call_back() {
    drop(spawn(async {}));
    let abort = spawn(sleep(HOUR)).abort_handle();
    abort.abort();
    let mut sleep = sleep(HOUR);
    assert!(poll_once(&mut sleep, std::task::Waker::noop()).is_pending());
    drop(sleep);
    set_timeout(HOUR, || ()).cancel();
    set_interval(HOUR, || ()).cancel();
    drop(framewise::spawn_blocking(|| ()));
}

/// Returns a waker that calls back when it is woken and when its last clone is dropped.
fn calling_back(handle: &framewise::runtime::Handle) -> std::task::Waker {
    let at_end = {
        let handle = handle.clone();
        on_drop(move || {
            let _entered = handle.enter();
            call_back();
        })
    };
    let handle = handle.clone();
    call_waker(move || {
        let _keep = &at_end;
        let _entered = handle.enter();
        call_back();
    })
}

/// Wakers are replaced wherever the runtime stores one. Each is the last clone, so its destructor
/// runs where it is replaced.
#[test]
fn wakers_that_are_replaced_may_call_back_as_they_end() {
    on_workers(|runtime| {
        let _entered = runtime.enter();
        let (stream, _peer) = runtime.block_on(connection());
        let stream = Arc::new(stream);
        for _ in 0..20 {
            let mut timer = sleep(HOUR);
            let mut joined = runtime.spawn(sleep(HOUR));
            let reading = Arc::clone(&stream);
            let mut waits = Box::pin(async move { reading.readable().await });
            for _ in 0..4 {
                let handle = runtime.handle();
                assert!(poll_once(&mut timer, &calling_back(handle)).is_pending());
                assert!(poll_once(&mut joined, &calling_back(handle)).is_pending());
                assert!(poll_once(&mut waits, &calling_back(handle)).is_pending());
                let waker = calling_back(handle);
                let mut cx = std::task::Context::from_waker(&waker);
                assert!(stream.poll_read_ready(&mut cx).is_pending());
            }
            joined.abort();
        }
    });
}

/// One lock protects a local set's queue and its poller's waker: tasks spawn, wake and abort each
/// other while they are dropped, and a poller's waker calls back.
#[test]
fn a_local_sets_tasks_and_waker_may_call_back_as_they_end() {
    on_workers(|runtime| {
        let _entered = runtime.enter();
        for _ in 0..50 {
            let set = Rc::new(LocalSet::new());
            let handles: Rc<std::cell::RefCell<Vec<JoinHandle<()>>>> = Rc::default();
            for _ in 0..3 {
                let at_end = {
                    let (set, handles) = (Rc::downgrade(&set), Rc::clone(&handles));
                    framewise_test_support::OnDrop(move || {
                        call_back();
                        for handle in handles.borrow().iter() {
                            handle.abort();
                        }
                        if let Some(set) = set.upgrade() {
                            drop(set.spawn_local(async {}));
                        }
                    })
                };
                handles.borrow_mut().push(set.spawn_local(async move {
                    let _at_end = at_end;
                    sleep(HOUR).await;
                }));
            }
            let wakers = Mutex::new(Vec::new());
            {
                let mut run = Box::pin(set.run_until(framewise_test_support::pause(|own| {
                    wakers.lock().unwrap().push(own.clone());
                })));
                for _ in 0..3 {
                    let waker = calling_back(runtime.handle());
                    // The first poll passes `pause`; the set itself must be polled repeatedly.
                    if poll_once(&mut run, &waker).is_ready() {
                        break;
                    }
                }
            }
            handles.borrow()[0].abort();
            drop(set);
            for handle in handles.take() {
                assert!(
                    framewise_test_support::at_once(handle)
                        .unwrap_err()
                        .is_cancelled()
                );
            }
        }
    });
}
