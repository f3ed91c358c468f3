//! Scopes that are cancelled.

use std::sync::{Arc, mpsc};
use std::task::Context;

use framewise::time::{Instant, sleep};
use framewise::{ContextVar, cancel, deadline};
use framewise_test_support::{ID, in_frames};

use crate::{HOUR, MS, paused};

#[test]
fn c85_a_cancel_ends_what_is_below_it_and_nothing_else() {
    paused().block_on(async {
        let (outer_handle, outer) = cancel::scope_labeled("outer");
        let (inner_handle, inner) = cancel::scope_labeled("inner");
        let waiting = || framewise::spawn(cancel::cancelled());
        let started = outer.scope(async {
            let beside = waiting();
            let child = inner.scope(async { (waiting(), deadline::run(HOUR, waiting)) });
            (beside, child.await)
        });
        let (beside, (child, limited)) = started.await;
        assert!(inner_handle.cancel());
        for below in [child, limited] {
            assert_eq!(below.await.unwrap().label(), Some("inner"));
        }
        assert!(!beside.is_finished());
        assert!(!outer_handle.is_cancelled());
        assert!(outer_handle.cancel_with("the client has gone"));
        assert!(!outer_handle.cancel());
        let reason = beside.await.unwrap();
        assert_eq!(reason.cause().unwrap().to_string(), "the client has gone");
        assert!(!cancel::is_cancelled());
    });
}

#[test]
fn a_scope_runs_many_and_also_ends_with_what_is_around_each() {
    paused().block_on(async {
        let start = Instant::now();
        let (handle, scope) = cancel::scope();
        let limited = deadline::within(MS, scope.scope(cancel::cancelled()));
        assert!(limited.await.is_deadline());
        assert!(!handle.is_cancelled());
        let other = scope
            .clone()
            .scope(async { framewise::spawn(cancel::cancelled()) });
        let other = other.await;
        assert!(!scope.run(cancel::is_cancelled));
        framewise::time::set_timeout(MS, move || _ = handle.cancel());
        assert!(!other.await.unwrap().is_deadline());
        assert_eq!(start.elapsed(), 2 * MS);
        assert!(scope.run(cancel::is_cancelled));
        assert!(scope.scope(async { cancel::is_cancelled() }).await);
    });
}

#[test]
fn c98_callbacks_run_in_their_frame_when_a_deadline_passes() {
    in_frames(|outer| {
        paused().block_on(async {
            let (sender, calls) = mpsc::channel();
            let registered = deadline::within(2 * MS, async {
                let record = || {
                    let sender = sender.clone();
                    move || sender.send((ID.get(), cancel::is_cancelled())).unwrap()
                };
                let kept = ID.run(7, || cancel::on_cancel(record()));
                drop(ID.run(8, || cancel::on_cancel(record())));
                sleep(3 * MS).await;
                let late = cancel::on_cancel(record());
                (kept, late)
            });
            let _callbacks = registered.await;
            drop(sender);
            let seen: Vec<_> = calls.iter().collect();
            assert_eq!(seen, [(Some(7), true), (outer, true)]);
        });
    });
}

#[test]
fn a_handle_keeps_no_frame() {
    static HELD: ContextVar<Arc<()>> = ContextVar::new("held");
    let value = Arc::new(());
    let held = Arc::clone(&value);
    let (handle, scope) = cancel::scope();
    HELD.run(held, || scope.run(|| assert!(!cancel::is_cancelled())));
    drop(scope);
    assert_eq!(Arc::strong_count(&value), 1);
    assert!(handle.cancel());
}

#[test]
fn c48_a_dropped_wait_for_the_end_leaves_nothing() {
    let (_handle, scope) = cancel::scope();
    let (wakes, waker) = framewise_test_support::CountingWaker::new();
    let mut cx = Context::from_waker(&waker);
    let value = Arc::new(());
    let held = Arc::clone(&value);
    let foreign = async move {
        let _held = held;
        std::future::pending::<()>().await;
    };
    let mut waits = Box::pin(scope.scope(async {
        let ended = cancel::cancelled();
        let enforced = cancel::enforce(foreign);
        futures::future::join(ended, enforced).await
    }));
    assert!(waits.as_mut().poll(&mut cx).is_pending());
    drop(waits);
    assert_eq!(Arc::strong_count(&value), 1);
    drop(waker);
    assert_eq!(Arc::strong_count(&wakes), 1);
}
