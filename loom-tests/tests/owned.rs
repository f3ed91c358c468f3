//! The list of owned tasks: shutdown against running, waking, spawning, aborting.
//!
//! The first part of a shutdown (`close_and_abort_all`) on the shipped list with real tasks. A
//! failure is a task that is in no queue and not finished (its joiner would wait forever), a future
//! that is not dropped once, a task that is left in the list, or a leak.
#![cfg(framewise_loom)]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use framewise::model::ModelScheduler;
use framewise::{Frame, JoinHandle};
use framewise_loom_tests::{DropObserver, DropTracker, PoisoningAllocator, TestWaker, model};
use framewise_sync::{Arc, Mutex, thread};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

/// Ready at its `polls`th poll.
struct Countdown {
    polls: usize,
    _future: DropTracker,
}

impl Future for Countdown {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        self.polls -= 1;
        if self.polls == 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

fn spawn(scheduler: &ModelScheduler, polls: usize) -> (JoinHandle<()>, DropObserver) {
    let (future, watch) = DropTracker::new();
    let countdown = Countdown {
        polls,
        _future: future,
    };
    (scheduler.spawn(countdown, Frame::root()), watch)
}

/// Like the end of a runtime: no worker is left, and every runnable task reaches the queue.
#[track_caller]
fn end(scheduler: &ModelScheduler) {
    scheduler.run_all();
    assert!(
        scheduler.is_empty(),
        "a task is in the list and in no queue"
    );
}

/// Returns `true` if the joiner gets an output, and asserts that it is cancelled otherwise.
#[track_caller]
fn resolves(mut handle: JoinHandle<()>) -> bool {
    match TestWaker::new().poll(&mut handle) {
        Poll::Ready(Ok(())) => true,
        Poll::Ready(Err(error)) => {
            assert!(error.is_cancelled());
            false
        }
        Poll::Pending => panic!("the joiner would wait forever"),
    }
}

/// Race: the shutdown's aborts against a task that completes and leaves the list, with another task
/// behind it in the list.
#[test]
fn closing_meets_a_completion() {
    model("close × completion, two tasks in the list", || {
        let scheduler = ModelScheduler::with_list();
        let (first, of_first) = spawn(&scheduler, 1);
        let (second, of_second) = spawn(&scheduler, 2);
        let worker = thread::spawn({
            let scheduler = scheduler.clone();
            move || {
                for _ in 0..2 {
                    if let Some(runnable) = scheduler.take() {
                        runnable.run_to_end();
                    }
                }
            }
        });
        scheduler.close();
        worker.join().expect("no panic");
        end(&scheduler);
        resolves(first);
        assert!(!resolves(second), "it was not woken for its second poll");
        assert!(of_first.is_dropped() && of_second.is_dropped());
    });
}

/// Race: the shutdown against an abort and a wake of one idle task. One of the three puts it into
/// the queue, once.
#[test]
fn closing_meets_an_abort_and_a_wake() {
    model("close × abort × wake", || {
        let scheduler = ModelScheduler::with_list();
        let (handle, future) = spawn(&scheduler, 3);
        let runnable = scheduler.take().expect("it was just spawned");
        let waker = runnable.waker();
        runnable.run_to_end();
        let aborter = thread::spawn({
            let abort = handle.abort_handle();
            move || abort.abort()
        });
        let waking = thread::spawn(move || waker.wake());
        scheduler.close();
        aborter.join().expect("no panic");
        waking.join().expect("no panic");
        end(&scheduler);
        assert!(!resolves(handle), "it was to be polled three times");
        assert!(future.is_dropped());
    });
}

/// Race: a spawn against the closing. The task is rejected, or the closing finds it, and the joiner
/// gets an outcome either way.
#[test]
fn a_spawn_meets_the_closing() {
    model("spawn × close", || {
        let scheduler = ModelScheduler::with_list();
        let (old, of_old) = spawn(&scheduler, 2);
        let spawner = thread::spawn({
            let scheduler = scheduler.clone();
            move || spawn(&scheduler, 2)
        });
        scheduler.close();
        // What the end does while a spawner still holds its task.
        scheduler.run_all();
        let (new, of_new) = spawner.join().expect("no panic");
        end(&scheduler);
        assert!(!resolves(old) && !resolves(new), "neither was woken");
        assert!(of_old.is_dropped() && of_new.is_dropped());
    });
}

/// Race: a spawn against the closing, whose task leaves the list before the end checks the list.
/// Failure: with a rejected task another one leaves the list, whose future is still there.
#[test]
fn a_rejected_spawn_leaves_the_others_in_the_list() {
    model("rejected spawn × close × the end checks", || {
        let scheduler = ModelScheduler::with_list();
        let (old, of_old) = spawn(&scheduler, 2);
        scheduler.take().expect("it was just spawned").run_to_end();
        let closing = thread::spawn({
            let scheduler = scheduler.clone();
            move || scheduler.close()
        });
        let (new, of_new) = spawn(&scheduler, 2);
        let is_over = scheduler.is_empty();
        assert!(!is_over || of_old.is_dropped(), "a future is in no list");
        closing.join().expect("no panic");
        let is_over = scheduler.is_empty();
        assert!(!is_over, "a future is in no list");
        end(&scheduler);
        assert!(!resolves(old) && !resolves(new), "neither was woken");
        assert!(of_old.is_dropped() && of_new.is_dropped());
    });
}

/// Race: two closings, of a handle and of the last worker, and a completion.
#[test]
fn closing_twice() {
    model("close × close × completion", || {
        let scheduler = ModelScheduler::with_list();
        let (handle, future) = spawn(&scheduler, 1);
        let other = thread::spawn({
            let scheduler = scheduler.clone();
            move || scheduler.close()
        });
        let worker = thread::spawn({
            let scheduler = scheduler.clone();
            move || {
                if let Some(runnable) = scheduler.take() {
                    runnable.run_to_end();
                }
            }
        });
        scheduler.close();
        other.join().expect("no panic");
        worker.join().expect("no panic");
        end(&scheduler);
        resolves(handle);
        assert!(future.is_dropped());
    });
}

/// Race: two neighbors in the list are removed.
#[test]
fn neighbors_leave_the_list() {
    model("completion × completion, neighbors in the list", || {
        let scheduler = ModelScheduler::with_list();
        let (one, of_one) = spawn(&scheduler, 1);
        let (two, of_two) = spawn(&scheduler, 1);
        let worker = thread::spawn({
            let scheduler = scheduler.clone();
            move || {
                if let Some(runnable) = scheduler.take() {
                    runnable.run_to_end();
                }
            }
        });
        if let Some(runnable) = scheduler.take() {
            runnable.run_to_end();
        }
        worker.join().expect("no panic");
        end(&scheduler);
        assert!(resolves(one) && resolves(two));
        assert!(of_one.is_dropped() && of_two.is_dropped());
    });
}

/// Control: a list without its `closed`, in the structure of `a_spawn_meets_the_closing`.
#[test]
#[should_panic(expected = "a task is in the list and in no queue")]
fn control_a_list_that_does_not_reject_is_noticed() {
    model("control: spawn × close without rejecting", || {
        // Numbers instead of tasks: in the list, and those that were aborted.
        let list: Arc<Mutex<Vec<usize>>> = Arc::new(Mutex::new(vec![1]));
        let spawner = thread::spawn({
            let list = list.clone();
            move || list.lock().push(2)
        });
        let aborted = list.lock().clone();
        spawner.join().expect("no panic");
        list.lock().retain(|task| !aborted.contains(task));
        assert!(
            list.lock().is_empty(),
            "a task is in the list and in no queue"
        );
    });
}
