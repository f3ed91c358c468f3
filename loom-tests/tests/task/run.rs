//! Wakes, aborts and the one poller of a task; the LIFO slot that it may wait in.

use std::task::Poll;

use framewise::Frame;
use framewise::model::{ModelLifoSlot, ModelScheduler, Runnable};
use framewise_loom_tests::{Listener, Notified, TestWaker, model};

use crate::{bound_frame, in_thread, run_one, spawn_ready};

// ---- schedule × run × wake ----
/// Race: two wakers against the run that makes the task idle. Each wake leads to a poll that sees
/// what the waker wrote before it, even if the task was runnable already.
#[test]
fn a_wake_leads_to_a_poll_that_sees_what_the_waker_wrote() {
    model("wake × wake × run", || {
        let scheduler = ModelScheduler::new();
        let notified = Notified::default();
        let (listener, watches) = Listener::new(&notified, 3);
        let runnable = scheduler.spawn_detached(listener, Frame::root());
        let wakers = [(1, runnable.waker()), (2, runnable.waker())];
        runnable.put(&scheduler);
        let threads = wakers.map(|(bit, waker)| {
            let notified = notified.clone();
            in_thread(move || {
                notified.notify(bit);
                waker.wake();
            })
        });
        // The runner. It does not join the wakers first: joining would order their writes.
        let runner = in_thread({
            let scheduler = scheduler.clone();
            move || {
                run_one(&scheduler);
                run_one(&scheduler);
                run_one(&scheduler);
            }
        });
        for thread in threads {
            thread.join().expect("no panic");
        }
        runner.join().expect("no panic");
        // Runs what the runner left. If it left nothing, the listener must have received both bits.
        scheduler.run_all();
        watches.assert_dropped();
    });
}

/// Race: a wake against the poll itself. A wake while the task runs leads to another poll.
#[test]
fn a_wake_during_a_poll_means_another_poll() {
    model("wake × poll, by reference and by value", || {
        let scheduler = ModelScheduler::new();
        let notified = Notified::default();
        let (listener, watches) = Listener::new(&notified, 1);
        let runnable = scheduler.spawn_detached(listener, Frame::root());
        let waker = runnable.waker();
        let thread = in_thread({
            let notified = notified.clone();
            move || {
                waker.wake_by_ref();
                notified.notify(1);
                waker.wake();
            }
        });
        runnable.run_to_end();
        run_one(&scheduler);
        // The wakers were not joined: the runs above have seen everything, or left the task
        // runnable.
        thread.join().expect("no panic");
        scheduler.run_all();
        watches.assert_dropped();
    });
}

/// Race: two runners and a waker. The task has one holder at a time, and each poll sees the one
/// before (`Listener::polls`).
#[test]
fn a_task_has_one_poller_at_a_time() {
    model("run × run × wake", || {
        let scheduler = ModelScheduler::new();
        let notified = Notified::default();
        let (listener, watches) = Listener::new(&notified, 1);
        let runnable = scheduler.spawn_detached(listener, Frame::root());
        let waker = runnable.waker();
        runnable.put(&scheduler);
        let runners: Vec<_> = (0..2)
            .map(|_| {
                let scheduler = scheduler.clone();
                in_thread(move || run_one(&scheduler))
            })
            .collect();
        waker.wake_by_ref();
        notified.notify(1);
        waker.wake();
        for runner in runners {
            runner.join().expect("no panic");
        }
        scheduler.run_all();
        watches.assert_dropped();
    });
}

// ---- abort ----
/// Race: an abort, a wake and a run. The future is dropped once, the joiner gets the outcome, and
/// the abort is not lost: no poll leaves the task waiting after it.
#[test]
fn an_abort_is_not_lost() {
    model("abort × wake × run", || {
        let scheduler = ModelScheduler::new();
        let notified = Notified::default();
        // It never receives enough to be ready, so only the abort can end it.
        let (listener, watches) = Listener::new(&notified, 3);
        let mut handle = scheduler.spawn(listener, Frame::root());
        let aborter = in_thread({
            let abort = handle.abort_handle();
            move || abort.abort()
        });
        let runnable = scheduler.take().expect("it was just spawned");
        let waker = runnable.waker();
        let waking = in_thread({
            let notified = notified.clone();
            move || {
                notified.notify(1);
                waker.wake();
            }
        });
        runnable.run_to_end();
        run_one(&scheduler);
        aborter.join().expect("no panic");
        waking.join().expect("no panic");
        scheduler.run_all();
        match TestWaker::new().poll(&mut handle) {
            Poll::Ready(Err(error)) => assert!(error.is_cancelled()),
            Poll::Ready(Ok(_)) => panic!("it did not receive enough to be ready"),
            Poll::Pending => panic!("the abort was lost"),
        }
        drop(handle);
        watches.assert_dropped();
    });
}

/// Race: an abort against the run. What the aborter did before happens before the drop of the
/// future.
#[test]
fn a_dropped_future_sees_what_the_aborter_did() {
    model("abort × run", || {
        let scheduler = ModelScheduler::new();
        let (listener, watches) = Listener::new(&Notified::default(), 1);
        let handle = scheduler.spawn(listener, Frame::root());
        let runner = in_thread({
            let scheduler = scheduler.clone();
            move || scheduler.run_all()
        });
        // A check that does not happen before the drop is a race.
        assert!(!watches.future.is_dropped(), "only an abort ends it");
        handle.abort();
        runner.join().expect("no panic");
        scheduler.run_all();
        watches.assert_dropped();
        drop(handle);
    });
}

/// Race: an abort against the completion. The joiner gets the output or the error. The output and
/// the frame's value are dropped once either way.
#[test]
fn an_abort_meets_the_completion() {
    model("abort × completion × join, bound frame", || {
        let scheduler = ModelScheduler::new();
        let (frame, value) = bound_frame();
        let (mut handle, watches) = spawn_ready(&scheduler, frame);
        let aborter = in_thread({
            let abort = handle.abort_handle();
            move || abort.abort()
        });
        let runner = in_thread({
            let scheduler = scheduler.clone();
            move || run_one(&scheduler)
        });
        match TestWaker::new().block_on(&mut handle) {
            Ok(output) => output.touch(),
            Err(error) => assert!(error.is_cancelled()),
        }
        aborter.join().expect("no panic");
        runner.join().expect("no panic");
        assert!(scheduler.take().is_none(), "a finished task is not queued");
        drop(handle);
        watches.assert_dropped();
        assert!(value.is_dropped());
    });
}

// ---- the LIFO slot ----
/// Race: the owner replaces and takes while thieves check the slot. Each task goes to one of them.
/// Only the slot orders what was done to the task before, since the thief's thread started first.
#[test]
fn a_runnable_leaves_the_lifo_slot_once() {
    model("LIFO slot: replace × take × three passes", || {
        let slot = ModelLifoSlot::new();
        let thief = in_thread({
            let slot = slot.clone();
            move || {
                for _ in 0..3 {
                    if let Some(runnable) = slot.steal_marked() {
                        runnable.run_to_end();
                    }
                }
            }
        });
        let scheduler = ModelScheduler::new();
        let (one, of_one) = Listener::new(&Notified::default(), 0);
        assert!(
            slot.replace(scheduler.spawn_detached(one, Frame::root()))
                .is_none()
        );
        let (two, of_two) = Listener::new(&Notified::default(), 0);
        if let Some(runnable) = slot.replace(scheduler.spawn_detached(two, Frame::root())) {
            runnable.run_to_end();
        }
        if let Some(runnable) = slot.take() {
            runnable.run_to_end();
        }
        thief.join().expect("no panic");
        assert!(slot.take().is_none(), "the owner has taken it, or a thief");
        of_one.assert_dropped();
        of_two.assert_dropped();
    });
}

/// A thief's second pass takes a task that stayed since any thief's first pass, and none that was
/// put in since then.
#[test]
fn a_runnable_is_stolen_at_the_second_pass() {
    model("LIFO slot: pass × pass", || {
        let scheduler = ModelScheduler::new();
        let (one, of_one) = Listener::new(&Notified::default(), 0);
        let (two, of_two) = Listener::new(&Notified::default(), 0);
        let one = scheduler.spawn_detached(one, Frame::root());
        let two = scheduler.spawn_detached(two, Frame::root());
        let slot = ModelLifoSlot::new();
        assert!(slot.steal_marked().is_none());
        assert!(slot.replace(one).is_none());
        let thief = in_thread({
            let slot = slot.clone();
            move || slot.steal_marked().map(Runnable::run_to_end).is_some()
        });
        let by_this = slot.steal_marked().map(Runnable::run_to_end).is_some();
        let by_thief = thief.join().expect("no panic");
        assert!(!(by_this && by_thief), "a task was taken twice");
        if !by_this && !by_thief {
            slot.steal_marked().expect("both have passed").run_to_end();
        }
        of_one.assert_dropped();
        assert!(slot.replace(two).is_none());
        assert!(slot.steal_marked().is_none(), "not marked before");
        slot.steal_marked().expect("marked before").run_to_end();
        of_two.assert_dropped();
    });
}
