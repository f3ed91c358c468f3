//! Tasks with an extension: the order of their hooks, the record of wakes, and who frees it all.

use std::future::poll_fn;
use std::task::Poll;

use framewise::model::ModelScheduler;
use framewise::task::last_wake;
use framewise::{ContextVar, Frame};
use framewise_loom_tests::{Listener, Notified, model};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, Mutex};

use crate::{in_thread, run_one};

static WAKER: ContextVar<u64> = ContextVar::new("waker");

/// Race: a wake against the end of a poll, on two runners. The hooks of a task are called one after
/// the other, each after what the one before has done, whichever thread polls.
#[test]
fn c100_hooks_of_one_task_never_overlap() {
    model("hooks: wake × run × run", || {
        let (scheduler, hooks) = ModelScheduler::observed();
        let notified = Notified::default();
        let (listener, watches) = Listener::new(&notified, 1);
        let runnable = scheduler.spawn_detached(listener, Frame::root());
        let waker = runnable.waker();
        runnable.put(&scheduler);
        let runner = in_thread({
            let scheduler = scheduler.clone();
            move || run_one(&scheduler)
        });
        notified.notify(1);
        waker.wake();
        run_one(&scheduler);
        runner.join().expect("no panic");
        scheduler.run_all();
        watches.assert_dropped();
        let calls = hooks.calls();
        let one_poll = ["spawn", "before", "after", "complete", "drop"];
        let two_polls = [
            "spawn", "before", "after", "before", "after", "complete", "drop",
        ];
        assert!(calls == one_poll || calls == two_polls, "{calls:?}");
    });
}

/// Race: the completion, the last waker and the handle. The extension is freed once, with the task,
/// after the last wake has been recorded in it.
#[test]
fn an_extension_is_freed_after_the_last_waker() {
    model("extension: wake × handle dropped × completion", || {
        let (scheduler, hooks) = ModelScheduler::observed();
        let (listener, watches) = Listener::new(&Notified::default(), 0);
        let handle = scheduler.spawn(listener, Frame::root());
        let runnable = scheduler.take().expect("it was just spawned");
        let waker = runnable.waker();
        let waking = in_thread(move || {
            waker.wake();
            drop(handle);
        });
        runnable.run_to_end();
        waking.join().expect("no panic");
        scheduler.run_all();
        watches.assert_dropped();
        assert_eq!(hooks.calls().last(), Some(&"drop"));
    });
}

/// Race: two wakers against the polls. A poll that a wake has caused sees a whole record of a wake.
#[test]
fn c88_a_woken_poll_sees_a_wake() {
    model("last wake: wake × wake × run", || {
        let (scheduler, _) = ModelScheduler::observed();
        let frames = [1, 2].map(|value| WAKER.run(value, Frame::current));
        let ids = frames.each_ref().map(Frame::id);
        let mut polls = 0;
        let future = poll_fn(move |_| {
            let wake = last_wake();
            polls += 1;
            assert!(polls == 1 || wake.is_some(), "the poll saw no wake");
            assert!(wake.is_none_or(|wake| ids.contains(&wake.frame)));
            Poll::<()>::Pending
        });
        let handle = scheduler.spawn(future, Frame::root());
        let runnable = scheduler.take().expect("it was just spawned");
        let [one, two] = frames.map(|frame| {
            let waker = runnable.waker();
            move || frame.run(|| waker.wake())
        });
        runnable.put(&scheduler);
        let waking = in_thread(one);
        let runner = in_thread({
            let scheduler = scheduler.clone();
            move || run_one(&scheduler)
        });
        two();
        waking.join().expect("no panic");
        runner.join().expect("no panic");
        scheduler.run_all();
        handle.abort();
        scheduler.run_all();
    });
}

/// The order of the record and the wake, on a word of its own.
fn record_and_wake(name: &str, wake: fn(&AtomicUsize, &Mutex<Option<u64>>)) {
    model(name, move || {
        let task = Arc::new((AtomicUsize::new(0), Mutex::new(None)));
        let waking = in_thread({
            let task = task.clone();
            move || wake(&task.0, &task.1)
        });
        // The runner, if the wake has made the task runnable by now.
        if task.0.swap(0, Ordering::Acquire) == 1 {
            assert!(task.1.lock().is_some(), "the poll saw no wake");
        }
        waking.join().expect("no panic");
    });
}

#[test]
fn control_the_shape_of_a_recorded_wake_holds() {
    record_and_wake("control: records, then wakes", |word, last| {
        *last.lock() = Some(1);
        word.store(1, Ordering::Release);
    });
}

/// Fault: wakes first, so that the poll may come before the record.
#[test]
#[should_panic(expected = "the poll saw no wake")]
fn control_a_wake_before_its_record_is_noticed() {
    record_and_wake("control: wakes, then records", |word, last| {
        word.store(1, Ordering::Release);
        *last.lock() = Some(1);
    });
}
