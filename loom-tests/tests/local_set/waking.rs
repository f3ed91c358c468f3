//! Wakes beside the pollers of a set.

use std::pin::pin;

use framewise::Frame;
use framewise_loom_tests::{TestWaker, model};
use framewise_sync::thread;

use crate::{Countdown, Listener, REQUEST, finished, set, spawn};

/// Race: two threads wake the set's task while the set is polled, first with a new waker. Failure:
/// one takes the waker that is just being replaced, and the new one is not woken.
#[test]
fn wakes_meet_polls_of_the_set() {
    model("local set: wake × wake × poll, new waker", || {
        let mut set = set();
        let (handle, remote) = spawn(&set, 2);
        assert!(TestWaker::new().poll(&mut set).is_pending());
        let waker = remote.waker();
        let waking = [waker.clone(), waker].map(|waker| {
            let notified = remote.notified.clone();
            thread::spawn(move || {
                notified.notify();
                waker.wake();
            })
        });
        TestWaker::new().block_on(&mut set);
        for waking in waking {
            waking.join().unwrap();
        }
        assert!(finished(handle));
        assert!(remote.end.is_dropped());
    });
}

/// Race: a thread wakes the set's task while the set is polled with the same waker. Failure: the
/// set relies on a waker that the wake took.
#[test]
fn a_wake_meets_polls_with_the_same_waker() {
    model("local set: wake, wake × poll, same waker", || {
        let mut set = set();
        let (handle, remote) = spawn(&set, 2);
        let test_waker = TestWaker::new();
        assert!(test_waker.poll(&mut set).is_pending());
        let waker = remote.waker();
        let waking = thread::spawn({
            let notified = remote.notified.clone();
            move || {
                notified.notify();
                waker.wake_by_ref();
                notified.notify();
                waker.wake();
            }
        });
        // It is woken once for each waker that it stored, and polled again.
        test_waker.block_on(&mut set);
        waking.join().unwrap();
        assert!(finished(handle));
        assert!(remote.end.is_dropped());
    });
}

/// Race: two threads wake one task each. Failure: the second one relies on a waker that the first
/// one took for a poll that has returned by then.
#[test]
fn wakes_of_two_tasks_meet_polls_of_the_set() {
    model("local set: wake × wake × poll, two tasks", || {
        let mut set = set();
        let tasks = [spawn(&set, 1), spawn(&set, 1)];
        let test_waker = TestWaker::new();
        assert!(test_waker.poll(&mut set).is_pending());
        let waking = tasks.each_ref().map(|(_, remote)| {
            let (notified, waker) = (remote.notified.clone(), remote.waker());
            thread::spawn(move || {
                notified.notify();
                waker.wake();
            })
        });
        test_waker.block_on(&mut set);
        for waking in waking {
            waking.join().unwrap();
        }
        for (handle, remote) in tasks {
            assert!(finished(handle));
            assert!(remote.end.is_dropped());
        }
    });
}

/// Race: one thread wakes the future beside the set's tasks and another one a task, while
/// `run_until` is polled. Failure: one of the two wakes goes to the waker of an earlier poll.
#[test]
fn wakes_meet_run_until() {
    model("local set: run_until × wake × wake", || {
        let set = set();
        let (handle, remote) = spawn(&set, 1);
        let (beside, of_beside) = Listener::new(1);
        let frame = REQUEST.run(7, Frame::current);
        frame.run(|| {
            let mut beside = pin!(beside);
            let mut both = pin!(set.run_until(async {
                beside.as_mut().await;
                handle.await
            }));
            let test_waker = TestWaker::new();
            assert!(test_waker.poll(&mut both).is_pending());
            let waking = [&remote, &of_beside].map(|remote| {
                let (notified, waker) = (remote.notified.clone(), remote.waker());
                thread::spawn(move || {
                    notified.notify();
                    waker.wake();
                })
            });
            assert_eq!(test_waker.block_on(&mut both).ok(), Some(2));
            for waking in waking {
                waking.join().unwrap();
            }
        });
        drop((set, frame));
        assert!(remote.end.is_dropped() && of_beside.end.is_dropped());
    });
}

/// Race: two threads wake a task each while the set has two pollers with a waker each, one of which
/// is dropped. Failure: the other poller relies on a waker that was dropped.
#[test]
fn wakes_meet_two_pollers_of_which_one_is_dropped() {
    model("local set: wake × two run_until × one dropped", || {
        let set = set();
        let (handle, remote) = spawn(&set, 1);
        let waits_test_waker = TestWaker::new();
        let mut waits = pin!(set.run_until(handle));
        assert!(waits_test_waker.poll(&mut waits).is_pending());
        let (notified, waker) = (remote.notified.clone(), remote.waker());
        let waking = thread::spawn(move || {
            notified.notify();
            waker.wake();
        });
        {
            let mut dropped = pin!(set.run_until(std::future::pending::<()>()));
            // It may run the task, or find none yet and store its waker as the newest.
            assert!(TestWaker::new().poll(&mut dropped).is_pending());
        }
        // It is not polled again before it is woken.
        waits_test_waker.wait();
        assert_eq!(waits_test_waker.block_on(&mut waits).ok(), Some(2));
        waking.join().unwrap();
        assert!(remote.end.is_dropped());
    });
}

/// Race: a task is woken while two pollers are polled in turn, each when its own waker is woken.
/// Failure: the wake goes to one of them only, and that one ends without using it.
#[test]
fn a_wake_meets_two_pollers_of_which_one_ends() {
    model("local set: wake × two run_until × one ends", || {
        let set = set();
        let (handle, remote) = spawn(&set, 1);
        let test_wakers = [TestWaker::new(), TestWaker::new()];
        let mut ends = pin!(set.run_until(Countdown(2)));
        let mut waits = pin!(set.run_until(handle));
        assert!(test_wakers[0].poll(&mut waits).is_pending());
        let (notified, waker) = (remote.notified.clone(), remote.waker());
        let waking = thread::spawn(move || {
            notified.notify();
            waker.wake();
        });
        assert!(test_wakers[1].poll(&mut ends).is_pending());
        assert!(test_wakers[1].poll(&mut ends).is_ready());
        test_wakers[0].wait();
        assert_eq!(test_wakers[0].block_on(&mut waits).ok(), Some(2));
        waking.join().unwrap();
        assert!(remote.end.is_dropped());
    });
}

/// Control: a set that is polled by one wake less than its task needs.
#[test]
#[should_panic(expected = "the joiner would wait forever")]
fn control_a_task_that_is_not_woken_is_noticed() {
    model("local set: control, no wake", || {
        let mut set = set();
        let (handle, remote) = spawn(&set, 1);
        assert!(TestWaker::new().poll(&mut set).is_pending());
        remote.notified.notify();
        assert!(TestWaker::new().poll(&mut set).is_pending());
        finished(handle);
    });
}
