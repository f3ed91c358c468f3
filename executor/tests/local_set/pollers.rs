//! A set with several pollers.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};
use std::time::Duration;

use framewise::task::{LocalSet, spawn_local, yield_now};
use framewise::time::sleep;
use framewise_test_support::{CountingWaker, HangWatch, call_waker, on_workers, panic_message};
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::{poll_with, task_with_waker};

#[test]
fn a_poller_is_woken_after_another_poller_was_dropped() {
    let set = LocalSet::new();
    let (task, left) = task_with_waker(&set);
    let ((_, one), (of_two, two)) = (CountingWaker::new(), CountingWaker::new());
    let mut waits = pin!(set.run_until(task));
    {
        let mut dropped = pin!(set.run_until(pending::<()>()));
        assert!(poll_with(waits.as_mut(), &two).is_pending());
        // This poller polls last, so its waker is the newest.
        assert!(poll_with(dropped.as_mut(), &one).is_pending());
    }
    left.take().unwrap().wake();
    assert_eq!(of_two.wakes(), 1, "the poller that is left");
    // This poller runs the task, and joins it when the task is done.
    while poll_with(waits.as_mut(), &two).is_pending() {
        assert!(of_two.wakes() > 1, "its task is done");
    }
}

#[test]
fn a_poller_is_woken_after_another_poller_was_ready() {
    let set = LocalSet::new();
    let (task, left) = task_with_waker(&set);
    let ((_, one), (of_two, two)) = (CountingWaker::new(), CountingWaker::new());
    let mut polls = 0;
    let mut ends = pin!(set.run_until(poll_fn(|_| {
        polls += 1;
        if polls == 2 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })));
    let mut waits = pin!(set.run_until(task));
    assert!(poll_with(waits.as_mut(), &two).is_pending());
    assert!(poll_with(ends.as_mut(), &one).is_pending());
    assert!(poll_with(ends.as_mut(), &one).is_ready());
    left.take().unwrap().wake();
    assert_eq!(of_two.wakes(), 1, "the poller that is left");
}

#[test]
fn a_poller_is_woken_where_another_was_dropped_in_the_middle_of_its_turns() {
    let set = LocalSet::new();
    let ((_, one), (of_two, two)) = (CountingWaker::new(), CountingWaker::new());
    let (task, left) = task_with_waker(&set);
    let mut waits = pin!(set.run_until(pending::<()>()));
    assert!(poll_with(waits.as_mut(), &two).is_pending());
    {
        // The task yields for longer than a turn, so the poller's turn ends with the task in the
        // queue.
        let yields = set.spawn_local(async {
            for _ in 0..1_000 {
                yield_now().await;
            }
        });
        // The spawn has woken the first poller, which finds nothing in the queue ...
        assert_eq!(of_two.wakes(), 1);
        let mut dropped = pin!(set.run_until(yields));
        assert!(poll_with(dropped.as_mut(), &one).is_pending());
    }
    // ... and would wait forever if it were not woken for the task that the second one left in the
    // queue.
    let mut seen = 1;
    for _ in 0..100 {
        assert!(poll_with(waits.as_mut(), &two).is_pending());
        if of_two.wakes() == seen {
            break;
        }
        seen = of_two.wakes();
    }
    left.take().unwrap().wake();
    assert_eq!(of_two.wakes(), seen + 1);
    assert!(!task.is_finished());
    assert!(poll_with(waits.as_mut(), &two).is_pending());
    assert!(task.is_finished());
}

#[test]
fn several_run_until_of_one_set_in_another_crates_combinator_all_end() {
    on_workers(|runtime| {
        let set = LocalSet::new();
        let outputs = runtime.block_on(async {
            let waits: FuturesUnordered<_> = (1..=8)
                .map(|number| {
                    set.run_until(async move {
                        // The other pollers end first, and each of them has polled last by then.
                        let waits = Duration::from_millis(number);
                        let task = spawn_local(async move {
                            sleep(waits).await;
                            number
                        });
                        task.await.unwrap()
                    })
                })
                .collect();
            waits.collect::<Vec<_>>().await
        });
        assert_eq!(outputs.iter().sum::<u64>(), 36);
    });
}

#[test]
fn pollers_nested_in_a_task_of_the_set_all_end() {
    on_workers(|runtime| {
        let set = Rc::new(LocalSet::new());
        let inner = Rc::clone(&set);
        let output = set.block_on(runtime, async move {
            let of_task = Rc::clone(&inner);
            let nested = spawn_local(async move {
                of_task
                    .run_until(async { spawn_local(sleep(Duration::from_millis(1))).await })
                    .await
                    .unwrap();
                5
            });
            sleep(Duration::from_millis(3)).await;
            nested.await.unwrap()
        });
        assert_eq!(output, 5);
    });
}

#[test]
fn a_waker_that_panics_keeps_no_other_poller_from_being_woken() {
    // At each position of the list.
    for place in 0..3 {
        let set = LocalSet::new();
        let (wakes, counts) = CountingWaker::new();
        let panics = call_waker(|| panic!("of the waker"));
        let mut pollers = [(); 3].map(|()| Box::pin(set.run_until(pending::<()>())));
        for (number, poller) in pollers.iter_mut().enumerate() {
            let waker = if number == place { &panics } else { &counts };
            assert!(poll_with(poller.as_mut(), waker).is_pending());
        }
        let message = panic_message(|| drop(set.spawn_local(async {})));
        assert_eq!(message, "of the waker");
        assert_eq!(wakes.wakes(), 2);
    }
}

/// A foreign waker. Each clone, and each drop of a clone, wakes the next of these tasks.
#[derive(Default)]
struct Calling(Mutex<Vec<Waker>>);

impl Calling {
    fn waker(self: &Arc<Self>) -> Waker {
        let data = Arc::into_raw(Arc::clone(self)).cast();
        // SAFETY: the functions of the vtable treat the pointer as the counted reference that it
        // is.
        unsafe { Waker::new(data, &CALLING) }
    }

    fn wake_next(&self) {
        let next = self.0.lock().unwrap().pop();
        if let Some(task) = next {
            task.wake();
        }
    }
}

static CALLING: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: like in `Calling::waker`; the reference moves to the clone.
        let calling = unsafe {
            Arc::increment_strong_count(data.cast::<Calling>());
            &*data.cast::<Calling>()
        };
        calling.wake_next();
        RawWaker::new(data, &CALLING)
    },
    drop_calling,
    |_| {},
    drop_calling,
);

fn drop_calling(data: *const ()) {
    // SAFETY: like in `Calling::waker`; the reference is released here.
    let calling = unsafe { Arc::from_raw(data.cast::<Calling>()) };
    calling.wake_next();
}

/// One lock, which each wake acquires, protects the set's queue and its list of wakers.
#[test]
fn wakers_that_wake_tasks_as_they_are_cloned_and_dropped_meet_no_lock() {
    let _watch = HangWatch::new("a lock that the set holds");
    let set = LocalSet::new();
    let tasks: Vec<_> = (0..4).map(|_| task_with_waker(&set)).collect();
    let mut waits = pin!(set.run_until(pending::<()>()));
    assert!(poll_with(waits.as_mut(), Waker::noop()).is_pending());
    let mut left: Vec<_> = tasks.iter().map(|(_, left)| left.take().unwrap()).collect();
    let last = left.pop().unwrap();
    let calling = Arc::new(Calling(Mutex::new(left)));
    let waker = calling.waker();
    // The poll's clone of the waker wakes the first task. The clone is not needed, and its drop
    // wakes the second task. The next clone wakes the third task.
    assert!(poll_with(waits.as_mut(), &waker).is_pending());
    let finished = || {
        let finished = tasks.iter().filter(|(task, _)| task.is_finished());
        finished.count()
    };
    assert_eq!(finished(), 3);
    // A clone is in the list now. Another waker replaces it, and its drop wakes the last task.
    calling.0.lock().unwrap().push(last);
    let (wakes, counts) = CountingWaker::new();
    assert!(poll_with(waits.as_mut(), &counts).is_pending());
    assert_eq!(wakes.wakes(), 1, "for the task that came");
    assert!(poll_with(waits.as_mut(), &counts).is_pending());
    assert_eq!(finished(), 4);
}
