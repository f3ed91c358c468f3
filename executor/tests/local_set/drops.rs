//! Destructors that run in the drop of a set.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use framewise::task::{JoinHandle, LocalSet, spawn_local};
use framewise_test_support::{HangWatch, OnDrop};
use futures::channel::oneshot;

use crate::poll_with;

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
