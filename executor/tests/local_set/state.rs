//! The state that a set keeps for a poller, and the current set after a panic.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use framewise::context::bind;
use framewise::runtime::{Builder, Runtime};
use framewise::task::{JoinHandle, LocalSet, spawn_local, yield_now};
use framewise::time::sleep;
use framewise_test_support::{
    CountingWaker, KEPT, bound_here, call_waker, on_workers, panic_message,
};
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::{poll_with, task_with_waker};

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
        for (_, waker) in [CountingWaker::new(), CountingWaker::new()] {
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
    let (_, waker) = CountingWaker::new();
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
fn a_set_is_not_current_any_more_after_a_panic_in_run_until() {
    let set = LocalSet::new();
    let message = panic_message(|| {
        framewise_test_support::at_once(set.run_until(async { panic!("of the future beside") }));
    });
    assert_eq!(message, "of the future beside");
    // The set is alive here, so that a spawn does no harm if the set is wrongly current.
    let message = panic_message(|| drop(spawn_local(async {})));
    assert!(
        message.contains("called from outside of a `task::LocalSet`"),
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
        message.contains("called from outside of a `task::LocalSet`"),
        "{message}"
    );
    drop(task);
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
