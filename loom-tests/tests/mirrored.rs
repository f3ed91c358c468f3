//! Mirrored variables (C-93): a task that moves leaves its value on one thread before another
//! thread can enter it, or release it.
//!
//! The announcements are in `context/src/mirror.rs`; the order of an executor's steps around them
//! in `executor/src/task/`. A failure is a callback that races with the value's drop, which loom
//! reports. One that finds its thread told otherwise panics, which the announcement catches: its
//! count is then missing.
#![cfg(framewise_loom)]

use std::sync::atomic::{AtomicUsize as StdAtomicUsize, Ordering as StdOrdering};

use framewise::model::ModelScheduler;
use framewise_context::{ContextVar, Frame, announce_current, coop};
use framewise_loom_tests::{CountedValue, DropCount, Listener, Notified, model};
use framewise_sync::cell::Cell;
use framewise_sync::{Arc, Mutex, thread};

framewise_sync::thread_local! {
    /// `true` while the value is entered on this thread.
    static IS_ENTERED: Cell<bool> = const { Cell::new(false) };
}

/// The calls that came to their end. They are `std`'s, so that they order nothing in the model.
#[derive(Default)]
struct Calls {
    enters: StdAtomicUsize,
    leaves: StdAtomicUsize,
}

impl Calls {
    fn count(&self) -> (usize, usize) {
        (
            self.enters.load(StdOrdering::SeqCst),
            self.leaves.load(StdOrdering::SeqCst),
        )
    }
}

struct Value {
    counted: CountedValue,
    calls: std::sync::Arc<Calls>,
}

static MIRRORED: ContextVar<Value> = ContextVar::new("mirrored").mirrored(
    |value| {
        value.counted.read();
        assert!(!IS_ENTERED.with(|entered| entered.replace(true)), "twice");
        value.calls.enters.fetch_add(1, StdOrdering::SeqCst);
    },
    |value| {
        value.counted.read();
        assert!(IS_ENTERED.with(|entered| entered.replace(false)), "twice");
        value.calls.leaves.fetch_add(1, StdOrdering::SeqCst);
    },
);

/// Makes a frame with a mirrored value, and what observes it.
fn mirrored_frame() -> (Frame, DropCount, std::sync::Arc<Calls>) {
    let drops = DropCount::default();
    let calls = std::sync::Arc::new(Calls::default());
    let value = Value {
        counted: CountedValue::new(&drops),
        calls: std::sync::Arc::clone(&calls),
    };
    // Made without being entered: nothing is counted yet.
    let frame = framewise_context::bind(&MIRRORED, value).frame();
    (frame, drops, calls)
}

/// An executor's steps for a poll, against a thread that ends the task: it takes the frame and
/// releases it once the poll is over.
fn poll_against_release(leaves_late: bool) {
    let (frame, drops, calls) = mirrored_frame();
    let task = Arc::new(Mutex::new(Some(frame)));
    let ends = thread::spawn({
        let task = Arc::clone(&task);
        move || drop(task.lock().take())
    });
    let mut polls = 0;
    {
        // The lock stands for the right to run the task.
        let held = task.lock();
        if let Some(frame) = &*held {
            polls = 1;
            // SAFETY: the frame is held until another one is announced (but for the fault).
            unsafe { frame.announce() }
            coop::with_budget(|| {
                frame.run_poll(|| MIRRORED.with(|value| assert!(value.is_some())))
            });
            if !leaves_late {
                announce_current();
            }
        }
    }
    // The fault: another thread may run the task already.
    announce_current();
    ends.join().expect("no panic");
    assert_eq!(calls.count(), (polls, polls), "a callback was cut short");
    assert_eq!(drops.count(), 1);
}

/// Race: a poll of a task against the thread that ends the task and releases its frame. The value
/// is left while the poller still holds it.
#[test]
fn a_value_is_left_before_another_thread_can_release_it() {
    model("mirrored: poll × release", || poll_against_release(false));
}

/// Control: a poller that announces the return to its own frame after it gave up the task reads a
/// value that the other thread drops.
#[test]
#[should_panic(expected = "Causality violation")]
fn control_a_late_leave_is_noticed() {
    model("mirrored: control, late", || poll_against_release(true));
}

/// Race: two threads run a task that is woken meanwhile, which moves between them. Each poll enters
/// the value and leaves it on its own thread, before the task can go on elsewhere or end.
#[test]
fn a_task_that_moves_leaves_here_and_enters_there() {
    model("mirrored: run × run × wake", || {
        let (frame, drops, calls) = mirrored_frame();
        let scheduler = ModelScheduler::new();
        let notified = Notified::default();
        let (listener, watches) = Listener::new(&notified, 1);
        let runnable = scheduler.spawn_detached(listener, frame);
        let waker = runnable.waker();
        let other = thread::spawn({
            let scheduler = scheduler.clone();
            move || {
                notified.notify(1);
                waker.wake();
                scheduler.run_all();
            }
        });
        runnable.run_to_end();
        scheduler.run_all();
        other.join().expect("no panic");
        scheduler.run_all();
        watches.assert_dropped();
        let (enters, leaves) = calls.count();
        assert!(enters > 0, "the task is polled in its frame");
        assert_eq!(enters, leaves, "a callback was cut short");
        assert_eq!(drops.count(), 1);
    });
}
