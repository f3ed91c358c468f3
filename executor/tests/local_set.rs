//! `LocalSet` with several pollers, the state that it keeps for them, and destructors that run in
//! its drop. (`fairness.rs` tests its order and its turns, `local_frames.rs` its frames.)
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::time::Duration;

use framewise::context::bind;
use framewise::runtime::{Builder, Runtime};
use framewise::task::{JoinHandle, LocalSet, spawn_local, yield_now};
use framewise::time::sleep;
use framewise_test_support::{
    HangWatch, KEPT, OnDrop, bound_here, call_waker, on_workers, panic_message,
};
use futures::StreamExt;
use futures::channel::oneshot;
use futures::stream::FuturesUnordered;

/// Returns a waker that counts its wakes. In a foreign combinator each child has such a waker.
fn counting() -> (Waker, Arc<AtomicUsize>) {
    let wakes = Arc::<AtomicUsize>::default();
    let waker = call_waker({
        let wakes = Arc::clone(&wakes);
        move || {
            wakes.fetch_add(1, Ordering::SeqCst);
        }
    });
    (waker, wakes)
}

fn poll_with<F: Future>(future: std::pin::Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Spawns a local task that stores its waker here and ends when the waker is called.
fn task_with_waker(set: &LocalSet) -> (JoinHandle<u64>, Rc<RefCell<Option<Waker>>>) {
    let left: Rc<RefCell<Option<Waker>>> = Rc::default();
    let task = set.spawn_local({
        let left = Rc::clone(&left);
        async move {
            framewise_test_support::pause(|waker| *left.borrow_mut() = Some(waker.clone())).await;
            7
        }
    });
    (task, left)
}

#[test]
fn a_poller_is_woken_after_another_poller_was_dropped() {
    let set = LocalSet::new();
    let (task, left) = task_with_waker(&set);
    let ((one, _), (two, of_two)) = (counting(), counting());
    let mut waits = pin!(set.run_until(task));
    {
        let mut dropped = pin!(set.run_until(pending::<()>()));
        assert!(poll_with(waits.as_mut(), &two).is_pending());
        // This poller polls last, so its waker is the newest.
        assert!(poll_with(dropped.as_mut(), &one).is_pending());
    }
    left.take().unwrap().wake();
    assert_eq!(of_two.load(Ordering::SeqCst), 1, "the poller that is left");
    // This poller runs the task, and joins it when the task is done.
    while poll_with(waits.as_mut(), &two).is_pending() {
        assert!(of_two.load(Ordering::SeqCst) > 1, "its task is done");
    }
}

#[test]
fn a_poller_is_woken_after_another_poller_was_ready() {
    let set = LocalSet::new();
    let (task, left) = task_with_waker(&set);
    let ((one, _), (two, of_two)) = (counting(), counting());
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
    assert_eq!(of_two.load(Ordering::SeqCst), 1, "the poller that is left");
}

#[test]
fn a_poller_is_woken_where_another_was_dropped_in_the_middle_of_its_turns() {
    let set = LocalSet::new();
    let ((one, _), (two, of_two)) = (counting(), counting());
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
        assert_eq!(of_two.swap(0, Ordering::SeqCst), 1);
        let mut dropped = pin!(set.run_until(yields));
        assert!(poll_with(dropped.as_mut(), &one).is_pending());
    }
    // ... and would wait forever if it were not woken for the task that the second one left in the
    // queue.
    for _ in 0..100 {
        assert!(poll_with(waits.as_mut(), &two).is_pending());
        if of_two.swap(0, Ordering::SeqCst) == 0 {
            break;
        }
    }
    left.take().unwrap().wake();
    assert_eq!(of_two.load(Ordering::SeqCst), 1);
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
fn c48_a_set_keeps_nothing_of_a_run_that_ended() {
    on_workers(|runtime| {
        let set = LocalSet::new();
        let kept = Arc::new(());
        let (frame, site) = bound_here(bind(&KEPT, Arc::clone(&kept)));
        // Woken once through a foreign waker, which needs the frame, and once through the runtime's
        // own waker.
        frame.run(|| {
            let mut foreign = FuturesUnordered::from_iter([set.run_until(async {
                yield_now().await;
                spawn_local(sleep(Duration::from_millis(1))).await.unwrap();
            })]);
            runtime.block_on(foreign.next()).unwrap();
        });
        frame.run(|| set.block_on(runtime, sleep(Duration::from_millis(1))));
        drop(frame);
        assert_eq!(Arc::strong_count(&kept), 1);
        site.assert_live(0);
        drop(set);
    });
}

#[test]
fn c48_a_set_keeps_nothing_of_a_run_that_was_dropped() {
    let set = LocalSet::new();
    let kept = Arc::new(());
    let (frame, site) = bound_here(bind(&KEPT, Arc::clone(&kept)));
    frame.run(|| {
        let mut waits = pin!(set.run_until(pending::<()>()));
        // The second waker replaces the first.
        for (waker, _) in [counting(), counting()] {
            assert!(poll_with(waits.as_mut(), &waker).is_pending());
        }
        assert!(Arc::strong_count(&kept) > 1);
    });
    drop(frame);
    assert_eq!(Arc::strong_count(&kept), 1, "the set is still there");
    site.assert_live(0);
    drop(set);
}

#[test]
fn c48_a_set_that_was_awaited_itself_keeps_nothing() {
    let kept = Arc::new(());
    let (waker, _) = counting();
    let mut set = LocalSet::new();
    let (task, left) = task_with_waker(&set);
    let (frame, site) = bound_here(bind(&KEPT, Arc::clone(&kept)));
    frame.run(|| {
        assert!(poll_with(pin!(&mut set), &waker).is_pending());
        left.take().unwrap().wake();
        assert!(poll_with(pin!(&mut set), &waker).is_ready());
    });
    drop(frame);
    assert_eq!(Arc::strong_count(&kept), 1, "awaited to its end");
    site.assert_live(0);

    let (second, _left) = task_with_waker(&set);
    let (frame, site) = bound_here(bind(&KEPT, Arc::clone(&kept)));
    frame.run(|| assert!(poll_with(pin!(&mut set), &waker).is_pending()));
    drop(frame);
    // The set learns only at its next use that the wait for it was dropped.
    drop(set.run_until(pending::<()>()));
    assert!(poll_with(pin!(set.run_until(pending::<()>())), &waker).is_pending());
    assert_eq!(Arc::strong_count(&kept), 1, "used again");
    site.assert_live(0);
    drop((task, second));
}

#[test]
fn spawning_in_a_destructor_while_the_set_is_dropped_gives_a_cancelled_task() {
    for outer_is_current in [false, true] {
        let set = LocalSet::new();
        let spawned: Rc<RefCell<Vec<JoinHandle<()>>>> = Rc::default();
        let dropped = Rc::new(RefCell::new(0));
        for _ in 0..3 {
            let (spawned, dropped) = (Rc::clone(&spawned), Rc::clone(&dropped));
            let on_drop = OnDrop(move || {
                *dropped.borrow_mut() += 1;
                // The rejected future's destructor spawns, too.
                let again = Rc::clone(&spawned);
                let in_refused = OnDrop(move || {
                    let handle = spawn_local(async {});
                    again.borrow_mut().push(handle);
                });
                let handle = spawn_local(async move {
                    let _in_refused = in_refused;
                });
                spawned.borrow_mut().push(handle);
            });
            drop(set.spawn_local(async move {
                let _on_drop = on_drop;
                pending::<()>().await;
            }));
        }
        if outer_is_current {
            // Another set is being polled further up on the stack.
            let outer = LocalSet::new();
            framewise_test_support::at_once(outer.run_until(async { drop(set) }));
        } else {
            framewise_test_support::at_once(set.run_until(async {}));
            drop(set);
        }
        assert_eq!(*dropped.borrow(), 3);
        let handles = spawned.take();
        assert_eq!(handles.len(), 6);
        for handle in handles {
            assert!(
                framewise_test_support::at_once(handle)
                    .unwrap_err()
                    .is_cancelled()
            );
        }
    }
}

#[test]
fn a_set_is_not_current_any_more_after_a_panic_in_run_until() {
    let set = LocalSet::new();
    let message = panic_message(|| {
        framewise_test_support::at_once(set.run_until(async { panic!("of the future beside") }));
    });
    assert_eq!(message, "of the future beside");
    // The set is alive here, so that a spawn does no harm if the set is wrongly current.
    let message = panic_message(|| drop(spawn_local(async {})));
    assert!(
        message.contains("outside of a running LocalSet"),
        "{message}"
    );
    drop(set);

    // The same for an inner set: the outer one is current again.
    let (outer, inner) = (LocalSet::new(), LocalSet::new());
    framewise_test_support::at_once(outer.run_until(async {
        let message = panic_message(|| {
            framewise_test_support::at_once(inner.run_until(async { panic!("of the inner one") }));
        });
        assert_eq!(message, "of the inner one");
        drop(spawn_local(async {}));
    }));
    assert!(
        poll_with(pin!(inner), Waker::noop()).is_ready(),
        "it has no task"
    );
    assert!(poll_with(pin!(outer), Waker::noop()).is_ready());
}

#[test]
fn a_set_is_not_current_any_more_after_an_external_waker_panicked_in_its_poll() {
    let mut set = LocalSet::new();
    // The set runs for longer than a turn, and wakes its poller.
    let task = set.spawn_local(async {
        for _ in 0..1_000 {
            yield_now().await;
        }
    });
    let waker = call_waker(|| panic!("of the waker"));
    let message = panic_message(|| poll_with(pin!(&mut set), &waker).is_pending());
    assert_eq!(message, "of the waker");
    let message = panic_message(|| drop(spawn_local(async {})));
    assert!(
        message.contains("outside of a running LocalSet"),
        "{message}"
    );
    drop(task);
}

#[test]
fn a_waker_that_panics_keeps_no_other_poller_from_being_woken() {
    // At each position of the list.
    for place in 0..3 {
        let set = LocalSet::new();
        let (counts, wakes) = counting();
        let panics = call_waker(|| panic!("of the waker"));
        let mut pollers = [(); 3].map(|()| Box::pin(set.run_until(pending::<()>())));
        for (number, poller) in pollers.iter_mut().enumerate() {
            let waker = if number == place { &panics } else { &counts };
            assert!(poll_with(poller.as_mut(), waker).is_pending());
        }
        let message = panic_message(|| drop(set.spawn_local(async {})));
        assert_eq!(message, "of the waker");
        assert_eq!(wakes.load(Ordering::SeqCst), 2);
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
    let (counts, wakes) = counting();
    assert!(poll_with(waits.as_mut(), &counts).is_pending());
    assert_eq!(wakes.load(Ordering::SeqCst), 1, "for the task that came");
    assert!(poll_with(waits.as_mut(), &counts).is_pending());
    assert_eq!(finished(), 4);
}

/// Each of two tasks waits for the other one in its destructor, which the set's drop runs.
#[test]
fn destructors_that_wait_for_siblings_do_not_keep_the_drop_of_a_set() {
    let _watch = HangWatch::new("two destructors of one set");
    let set = LocalSet::new();
    let siblings: Rc<RefCell<Vec<JoinHandle<()>>>> = Rc::default();
    let ended = Rc::new(Cell::new(0));
    for is_polled in [false, true] {
        let (others, ended) = (Rc::clone(&siblings), Rc::clone(&ended));
        let waits = OnDrop(move || {
            let sibling = others.borrow_mut().pop().unwrap();
            // The handle is the sibling's or this task's own; neither task is finished.
            let joined = futures::executor::block_on(sibling);
            assert!(joined.unwrap_err().is_cancelled());
            ended.set(ended.get() + 1);
        });
        let mut task = set.spawn_local(async move {
            let _waits = waits;
            pending::<()>().await;
        });
        if is_polled {
            // Woken by the waker of this thread's executor, which the destructor uses again.
            futures::executor::block_on(poll_fn(|cx| {
                assert!(pin!(&mut task).poll(cx).is_pending());
                Poll::Ready(())
            }));
        }
        siblings.borrow_mut().push(task);
    }
    drop(set);
    assert_eq!(ended.get(), 2);
}

/// The drop of the set does not affect a running runtime.
#[test]
fn a_destructor_at_the_end_of_a_set_waits_for_a_task_of_a_runtime() {
    let _watch = HangWatch::new("a destructor that waits");
    let runtime = framewise_test_support::runtime(1);
    let (release, released) = oneshot::channel::<()>();
    let task = runtime.spawn(async move {
        released.await.unwrap();
        7
    });
    let set = LocalSet::new();
    let output = Rc::new(Cell::new(None));
    let seen = Rc::clone(&output);
    let mut waited_for = Some((release, task));
    let waits = OnDrop(move || {
        let (release, mut task) = waited_for.take().unwrap();
        assert!(poll_with(pin!(&mut task), Waker::noop()).is_pending());
        release.send(()).unwrap();
        seen.set(futures::executor::block_on(task).ok());
    });
    drop(set.spawn_local(async move {
        let _waits = waits;
        pending::<()>().await;
    }));
    drop(set);
    assert_eq!(output.get(), Some(7));
}

/// Returns a runtime, and the number of calls of its hook for unhandled panics.
fn hooked() -> (Runtime, Arc<AtomicUsize>) {
    let calls = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&calls);
    let runtime = Builder::new()
        .worker_threads(1)
        .on_unhandled_panic(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        })
        .build();
    (runtime.unwrap(), calls)
}

#[test]
fn a_panic_is_reported_to_the_runtime_that_ran_the_set_last() {
    let ((first, of_first), (second, of_second)) = (hooked(), hooked());
    let calls = || {
        let calls = [&of_first, &of_second];
        calls.map(|calls| calls.load(Ordering::SeqCst))
    };
    let mut set = LocalSet::new();
    let panics = || async { panic!("expected") };

    // In an array, because an async block that returns a handle looks like a missing await.
    let [joined] = set.block_on(&first, async {
        let task: JoinHandle<()> = spawn_local(panics());
        yield_now().await;
        [task]
    });
    assert!(joined.is_finished());
    assert_eq!(calls(), [0, 0]);
    // Outside of any runtime.
    drop(joined);
    assert_eq!(calls(), [1, 0]);

    let detached: JoinHandle<()> = set.spawn_local(panics());
    drop(detached);
    let joined: JoinHandle<()> = set.spawn_local(panics());
    second.block_on(&mut set);
    assert_eq!(calls(), [1, 1]);
    drop(joined);
    assert_eq!(calls(), [1, 2]);
}
