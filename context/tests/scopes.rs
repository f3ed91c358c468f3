//! Contract, "Composition": C-66 to C-75, polled by hand and by executors that know nothing of
//! frames.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::cell::{Cell, RefCell};
use std::future::{self, Future};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use framewise_context::{ContextVar, Frame, Scope, bind};
use futures::executor::block_on;
use futures::stream::StreamExt;
use futures::{FutureExt, Stream, join, select_biased};
use support::{DropCall, Drops, OnDrop, Tracked, in_each_start_frame, on_drop, panics};

static A: ContextVar<u64> = ContextVar::new("a");
static B: ContextVar<u64> = ContextVar::new("b");
static C: ContextVar<String> = ContextVar::new("c");
static TRACKED: ContextVar<Tracked> = ContextVar::new("tracked");

/// Polls once with a waker that does nothing.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Is pending once, then ready.
async fn turn() {
    let mut turned = false;
    future::poll_fn(|cx| {
        if turned {
            return Poll::Ready(());
        }
        turned = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Makes a future that stays pending and records what it sees at each poll and when it is dropped.
fn watcher<'a>(
    polls: &'a RefCell<Vec<Seen>>,
    drops: &'a RefCell<Vec<Seen>>,
) -> impl Future<Output = ()> + 'a {
    let on_drop = OnDrop(|| drops.borrow_mut().push(seen()));
    future::poll_fn(move |_| {
        let _ = &on_drop;
        polls.borrow_mut().push(seen());
        Poll::Pending
    })
}

type Seen = (Option<u64>, Option<u64>);

fn seen() -> Seen {
    (A.get(), B.get())
}

#[test]
fn c66_a_plain_future_sees_the_frame_of_its_poll_not_of_its_making() {
    in_each_start_frame(|| {
        let future = A.run(1, || async { A.get() });
        assert_eq!(A.run(2, || block_on(future)), Some(2));
    });
}

#[test]
fn c67_nested_scopes_see_both_bindings_in_either_order() {
    in_each_start_frame(|| {
        let read = || async { seen() };
        assert_eq!(block_on(A.scope(1, B.scope(2, read()))), (Some(1), Some(2)));
        assert_eq!(block_on(B.scope(2, A.scope(1, read()))), (Some(1), Some(2)));
        assert_eq!(
            block_on(A.scope(1, A.scope(2, read()))),
            (Some(2), None),
            "the inner shadows"
        );
        assert_eq!(
            block_on(bind(&A, 1).and(&B, 2).scope(read())),
            (Some(1), Some(2))
        );
    });
}

#[test]
fn c67_a_scope_keeps_its_frame_while_its_poller_keeps_its_own() {
    in_each_start_frame(|| {
        let ids = RefCell::new(Vec::new());
        let mut scope = pin!(A.scope(
            1,
            future::poll_fn(|_| {
                ids.borrow_mut().push(Frame::current().id());
                Poll::<()>::Pending
            })
        ));
        B.run(1, || {
            let _ = poll(scope.as_mut());
            let _ = poll(scope.as_mut());
        });
        B.run(1, || {
            // The same value, perhaps at the same address, but another frame.
            let _ = poll(scope.as_mut());
        });
        let ids = ids.borrow();
        assert_eq!(ids[0], ids[1], "derived once");
        assert_ne!(ids[1], ids[2], "compared by id, not by address");
    });
}

#[test]
fn c68_scoped_branches_of_join_and_select_never_bleed_into_each_other() {
    in_each_start_frame(|| {
        async fn branch(value: u64) -> u64 {
            for _ in 0..10 {
                assert_eq!(A.get(), Some(value));
                turn().await;
            }
            A.get().unwrap()
        }
        let outside = async {
            for _ in 0..12 {
                assert_eq!(A.get(), None);
                turn().await;
            }
        };
        block_on(async {
            let (one, two, ()) = join!(A.scope(1, branch(1)), A.scope(2, branch(2)), outside);
            assert_eq!((one, two), (1, 2));
            let mut one = pin!(A.scope(1, branch(1)).fuse());
            let mut two = pin!(A.scope(2, branch(2)).fuse());
            for _ in 0..2 {
                select_biased! {
                    value = one => assert_eq!(value, 1),
                    value = two => assert_eq!(value, 2),
                }
                assert_eq!(A.get(), None);
            }
        });
    });
}

#[test]
fn c71_a_started_scope_keeps_its_variable_and_follows_its_poller_in_the_others() {
    in_each_start_frame(|| {
        let (polls, dropped) = (RefCell::default(), RefCell::default());
        let mut scope = Box::pin(A.scope(1, watcher(&polls, &dropped)));
        let _ = bind(&A, 8).and(&B, 9).run(|| poll(scope.as_mut()));
        let _ = poll(scope.as_mut());
        let _ = B.run(10, || poll(scope.as_mut()));
        B.run(11, || drop(scope));
        assert_eq!(
            polls.into_inner(),
            [(Some(1), Some(9)), (Some(1), None), (Some(1), Some(10))]
        );
        assert_eq!(dropped.into_inner(), [(Some(1), Some(11))]);
    });
}

#[test]
fn c71_moving_a_scope_neither_drops_nor_keeps_values() {
    in_each_start_frame(|| {
        let (own, others) = (Drops::default(), Drops::default());
        static OTHER: ContextVar<Tracked> = ContextVar::new("other");
        let at = Cell::new(std::ptr::null());
        let mut scope = Box::pin(TRACKED.scope(
            own.tracked(),
            future::poll_fn(|_| {
                at.set(TRACKED.with(|value| std::ptr::from_ref(value.unwrap())));
                Poll::<()>::Pending
            }),
        ));
        OTHER.run(others.tracked(), || {
            let _ = poll(scope.as_mut());
        });
        let first = at.get();
        assert_eq!(
            others.count(),
            0,
            "held by the scope until it is polled under another frame"
        );
        for _ in 0..10 {
            C.run("x".into(), || {
                let _ = poll(scope.as_mut());
            });
            assert_eq!((others.count(), own.count()), (1, 0));
            assert_eq!(at.get(), first, "the value stays where it is");
        }
        drop(scope);
        assert_eq!(own.count(), 1);
    });
}

/// The wrapped value was pinned by the scope's polls, so it must not be leaked: other values may
/// point to it.
#[test]
fn c71_the_wrapped_value_is_dropped_even_if_a_value_of_the_previous_frame_panics() {
    in_each_start_frame(|| {
        static BOMB: ContextVar<DropCall> = ContextVar::new("bomb");
        let bomb = || on_drop(|| panic!("expected"));
        let (polls, dropped) = (RefCell::default(), RefCell::default());
        let mut scope = Box::pin(A.scope(1, watcher(&polls, &dropped)));
        let _ = BOMB.run(bomb(), || poll(scope.as_mut()));
        assert!(panics(|| B.run(2, || drop(scope))));
        assert_eq!(dropped.take(), [(Some(1), Some(2))]);
        // The same in a poll, after which the scope can still be used.
        let mut scope = Box::pin(A.scope(1, watcher(&polls, &dropped)));
        let _ = BOMB.run(bomb(), || poll(scope.as_mut()));
        polls.take();
        assert!(panics(|| _ = poll(scope.as_mut())));
        let _ = poll(scope.as_mut());
        assert_eq!(polls.take(), [(Some(1), None)]);
        drop(scope);
        assert_eq!(dropped.take(), [(Some(1), None)]);
        // A value that another one in the same list replaces.
        let twice = || bind(&A, 3).and(&BOMB, bomb()).and(&BOMB, on_drop(|| ()));
        assert!(panics(|| drop(twice().scope(watcher(&polls, &dropped)))));
        assert_eq!(dropped.take(), [(Some(3), None)]);
        let mut scope = Box::pin(twice().scope(watcher(&polls, &dropped)));
        assert!(panics(|| _ = poll(scope.as_mut())));
        let _ = poll(scope.as_mut());
        assert_eq!(polls.take(), [(Some(3), None)]);
        drop(scope);
        assert_eq!(dropped.take(), [(Some(3), None)]);
    });
}

#[test]
fn c72_a_scoped_stream_is_scoped_in_poll_and_drop_and_its_consumer_is_not() {
    in_each_start_frame(|| {
        struct Numbers<'a>(u64, &'a RefCell<Vec<Seen>>);
        impl Stream for Numbers<'_> {
            type Item = u64;
            fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u64>> {
                self.0 += 1;
                if self.0.is_multiple_of(2) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(A.get().filter(|_| self.0 < 10))
            }
            fn size_hint(&self) -> (usize, Option<usize>) {
                (0, Some(7))
            }
        }
        impl Drop for Numbers<'_> {
            fn drop(&mut self) {
                self.1.borrow_mut().push(seen());
            }
        }
        let dropped = RefCell::default();
        block_on(B.scope(5, async {
            let mut stream = pin!(A.scope_stream(1, Numbers(0, &dropped)));
            assert_eq!(stream.size_hint(), (0, Some(7)));
            let mut items = 0;
            while let Some(item) = stream.next().await {
                assert_eq!((item, A.get()), (1, None));
                items += 1;
            }
            assert_eq!(items, 5);
            let frame = bind(&A, 3).frame();
            let mut stream = frame.scope_stream(Numbers(0, &dropped));
            assert_eq!(stream.next().await, Some(3));
            assert_eq!(seen(), (None, Some(5)));
            drop(
                bind(&A, 4)
                    .and(&C, String::new())
                    .scope_stream(Numbers(0, &dropped)),
            );
        }));
        let expected = [(Some(3), Some(5)), (Some(4), Some(5)), (Some(1), Some(5))];
        let dropped = dropped.into_inner();
        assert_eq!(dropped.len(), 3);
        for seen in expected {
            assert!(dropped.contains(&seen), "{dropped:?}");
        }
    });
}

#[test]
fn c73_a_shared_future_sees_its_pollers_frame_unless_it_is_wrapped() {
    in_each_start_frame(|| {
        let read = || async {
            turn().await;
            A.get()
        };
        let shared = read().shared();
        let other = shared.clone();
        let mut first = pin!(A.scope(1, shared));
        assert!(poll(first.as_mut()).is_pending());
        assert_eq!(
            block_on(A.scope(2, other)),
            Some(2),
            "the frame of the final poll"
        );
        assert_eq!(poll(first.as_mut()), Poll::Ready(Some(2)));
        let wrapped = A.run(3, Frame::current).scope(read()).shared();
        let other = wrapped.clone();
        let mut first = pin!(A.scope(1, wrapped));
        assert!(poll(first.as_mut()).is_pending());
        assert_eq!(block_on(A.scope(2, other)), Some(3));
    });
}

#[test]
fn c74_pending_ready_and_panic_all_restore() {
    in_each_start_frame(|| {
        A.run(7, || {
            let before = Frame::current().id();
            let check = || assert_eq!((Frame::current().id(), A.get()), (before, Some(7)));
            let mut scope = pin!(A.scope(1, async {
                turn().await;
                assert_eq!(A.get(), Some(1));
            }));
            assert!(poll(scope.as_mut()).is_pending());
            check();
            assert!(poll(scope.as_mut()).is_ready());
            check();
            let mut scope = Box::pin(A.scope(1, async {
                assert_eq!(A.get(), Some(1));
                panic!("expected");
            }));
            assert!(panics(|| _ = poll(scope.as_mut())));
            check();
            drop(scope);
            check();
            let held = bind(&A, 2).frame();
            let mut scope = Box::pin(held.scope(async { panic!("expected") }));
            assert!(panics(|| _ = poll(scope.as_mut())));
            check();
            drop(scope);
            let scope = A.scope(3, OnDropFuture(OnDrop(|| panic!("expected"))));
            assert!(panics(|| drop(scope)), "a destructor that panics");
            check();
        });
    });
}

/// Ready at once; has a destructor.
struct OnDropFuture<F: FnMut()>(OnDrop<F>);

impl<F: FnMut()> Future for OnDropFuture<F> {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

#[test]
fn c75_a_scope_dropped_without_being_polled_is_dropped_in_its_scope() {
    in_each_start_frame(|| {
        let (polls, dropped) = (RefCell::default(), RefCell::default());
        let values = Drops::default();
        B.run(2, || drop(A.scope(1, watcher(&polls, &dropped))));
        bind(&A, 5).run(|| drop(TRACKED.scope(values.tracked(), watcher(&polls, &dropped))));
        let held = A.run(3, Frame::current);
        B.run(4, || drop(held.scope(watcher(&polls, &dropped))));
        assert_eq!(polls.into_inner(), []);
        assert_eq!(
            dropped.into_inner(),
            [(Some(1), Some(2)), (Some(5), None), (Some(3), None)]
        );
        assert_eq!(values.count(), 1);
        drop(TRACKED.scope(values.tracked(), future::ready(())));
        drop(bind(&TRACKED, values.tracked()).and(&A, 1));
        assert_eq!(values.count(), 3);
    });
}

#[test]
fn scopes_are_as_movable_and_sendable_as_what_they_wrap() {
    fn assert_send<T: Send>(_: &T) {}
    fn assert_unpin<T: Unpin>(_: &T) {}
    let scope = bind(&A, 1).and(&C, String::new()).scope(future::ready(()));
    assert_send(&scope);
    assert_unpin(&scope);
    assert_eq!(format!("{scope:?}"), "Scope { inner: Ready(Some(())), .. }");
    let scope: Scope<_, _> = TRACKED.scope(Drops::default().tracked(), async {});
    assert_send(&scope);
    let held = Frame::root().scope(future::ready(1));
    assert_send(&held);
    assert_unpin(&held);
    assert!(format!("{held:?}").contains("bindings: []"));
}
