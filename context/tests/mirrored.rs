//! Contract, C-93: mirrored variables, without a runtime.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use framewise_context::{
    ContextVar, DefaultVar, Frame, FramedWaker, WithFrame, announce_current, bind, catch_unwind,
    without,
};
use support::{in_each_start_frame, panics};

thread_local! {
    /// The calls of the callbacks on this thread.
    static CALLS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn log(sign: char, value: &dyn Debug) {
    CALLS.with_borrow_mut(|calls| calls.push(format!("{sign}{value:?}")));
}

/// Takes the calls so far.
fn calls() -> String {
    CALLS.take().join(" ")
}

static NUMBER: ContextVar<u64> =
    ContextVar::new("number").mirrored(|value| log('+', value), |value| log('-', value));
static TEXT: ContextVar<String> =
    ContextVar::new("text").mirrored(|value| log('+', value), |value| log('-', value));
static PLAIN: ContextVar<u64> = ContextVar::new("plain");

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
fn c93_a_run_enters_and_leaves() {
    in_each_start_frame(|| {
        NUMBER.run(1, || {
            assert_eq!(calls(), "+1");
            NUMBER.run(2, || assert_eq!(calls(), "-1 +2"));
            assert_eq!(calls(), "-2 +1");
        });
        assert_eq!(calls(), "-1");
    });
}

#[test]
fn c93_the_same_value_is_neither_left_nor_entered() {
    in_each_start_frame(|| {
        bind(&NUMBER, 1).and(&TEXT, text("a")).run(|| {
            assert_eq!(calls(), "+1 +\"a\"");
            PLAIN.run(3, || assert_eq!(calls(), ""));
            NUMBER.run(1, || assert_eq!(calls(), "", "the same bytes"));
            let frame = Frame::current();
            frame.run(|| assert_eq!(calls(), ""));
            frame.inherited().run(|| assert_eq!(calls(), ""));
            let sibling = PLAIN.run(4, Frame::current);
            assert_eq!(calls(), "");
            PLAIN.run(5, || sibling.run(|| assert_eq!(calls(), "")));
            TEXT.run(text("a"), || {
                assert_eq!(calls(), "-\"a\" +\"a\"", "another binding")
            });
            assert_eq!(calls(), "-\"a\" +\"a\"");
        });
        assert_eq!(calls(), "-\"a\" -1");
    });
}

#[test]
fn c93_frames_without_the_variable_leave_it() {
    in_each_start_frame(|| {
        let plain = PLAIN.run(3, Frame::current);
        NUMBER.run(1, || {
            assert_eq!(calls(), "+1");
            Frame::root().run(|| assert_eq!(calls(), "-1"));
            assert_eq!(calls(), "+1");
            plain.run(|| assert_eq!(calls(), "-1"));
            assert_eq!(calls(), "+1");
            without(&NUMBER).run(|| assert_eq!(calls(), "-1"));
            assert_eq!(calls(), "+1");
        });
        assert_eq!(calls(), "-1");
    });
}

#[test]
fn c93_a_panic_leaves_too() {
    in_each_start_frame(|| {
        assert!(panics(|| NUMBER.run(1, || {
            TEXT.run(text("a"), || {
                assert_eq!(calls(), "+1 +\"a\"");
                panic!("expected")
            })
        })));
        assert_eq!(calls(), "-\"a\" -1");
        let caught = catch_unwind(|| NUMBER.run(2, || panic!("expected"))).unwrap_err();
        assert_eq!(caught.frame().run(|| NUMBER.get()), Some(2));
        assert_eq!(calls(), "+2 -2 +2 -2", "run, and the frame of the panic");
    });
}

#[test]
fn c93_scopes_and_snapshots_on_every_thread_that_polls_them() {
    fn step<F: Future>(future: Pin<&mut F>) -> (Poll<F::Output>, String) {
        let polled = future.poll(&mut Context::from_waker(Waker::noop()));
        (polled, calls())
    }
    async fn twice() -> Option<u64> {
        let mut waited = false;
        std::future::poll_fn(|_| match std::mem::replace(&mut waited, true) {
            false => Poll::Pending,
            true => Poll::Ready(NUMBER.get()),
        })
        .await
    }

    let mut scope = Box::pin(NUMBER.scope(1, twice()));
    assert_eq!(step(scope.as_mut()), (Poll::Pending, text("+1 -1")));
    let there = thread::spawn(move || {
        let polled = step(scope.as_mut());
        drop(scope);
        (polled, calls())
    });
    let ready = (Poll::Ready(Some(1)), text("+1 -1"));
    assert_eq!(
        there.join().unwrap(),
        (ready, text("+1 -1")),
        "and its drop"
    );

    let frame = NUMBER.run(2, Frame::current);
    assert_eq!(calls(), "+2 -2");
    let mut scope = pin!(frame.clone().scope(twice()));
    assert_eq!(step(scope.as_mut()), (Poll::Pending, text("+2 -2")));
    // Under another value of the poller's: out, in, and back.
    NUMBER.run(3, || {
        let polled = step(scope.as_mut());
        assert_eq!(polled, (Poll::Ready(Some(2)), text("+3 -3 +2 -2 +3")));
    });
    assert_eq!(calls(), "-3");
    frame.clone().wrap(|| assert_eq!(calls(), "+2"))();
    let message = NUMBER.run(4, || WithFrame::new(()));
    assert_eq!(calls(), "-2 +2 -2 +4 -4", "the closure's drop, too");
    message.run(|()| assert_eq!(calls(), "+4"));
    assert_eq!(calls(), "-4");
}

#[test]
fn c93_a_waker_of_foreign_code_is_called_in_its_value() {
    struct Foreign;
    impl Wake for Foreign {
        fn wake(self: Arc<Self>) {
            assert_eq!(calls(), "+1");
        }
    }
    let waker = Waker::from(Arc::new(Foreign));
    let framed = NUMBER.run(1, || FramedWaker::new(&waker));
    assert_eq!(calls(), "+1 -1");
    framed.wake_by_ref();
    assert_eq!(calls(), "-1");
    framed.wake();
    assert_eq!(calls(), "-1");
}

#[test]
fn c93_callbacks_run_in_the_frame_that_is_entered_or_left() {
    fn seen(value: &u64) {
        log('=', &(SELF.get() == Some(*value), PLAIN.get()));
    }
    static SELF: ContextVar<u64> = ContextVar::new("self").mirrored(seen, seen);

    bind(&SELF, 1).and(&PLAIN, 10).run(|| {
        assert_eq!(calls(), "=(true, Some(10))");
        bind(&SELF, 2).and(&PLAIN, 20).run(|| {
            assert_eq!(calls(), "=(true, Some(10)) =(true, Some(20))");
            assert_eq!((SELF.get(), PLAIN.get()), (Some(2), Some(20)));
        });
        assert_eq!(calls(), "=(true, Some(20)) =(true, Some(10))");
        assert_eq!((SELF.get(), PLAIN.get()), (Some(1), Some(10)));
    });
    assert_eq!(calls(), "=(true, Some(10))");
}

#[test]
fn c93_values_are_left_in_the_reverse_order() {
    // Binds both for the first time, so that the order of the list is known.
    bind(&NUMBER, 1).and(&TEXT, text("a")).run(calls);
    calls();
    bind(&TEXT, text("b")).and(&NUMBER, 2).run(|| {
        let entered = calls();
        bind(&TEXT, text("c")).and(&NUMBER, 3).run(|| {
            let changed = calls();
            let orders = [
                ("+2 +\"b\"", "-\"b\" -2 +3 +\"c\""),
                ("+\"b\" +2", "-2 -\"b\" +\"c\" +3"),
            ];
            assert!(orders.contains(&(entered.as_str(), changed.as_str())));
        });
    });
    calls();
}

#[test]
fn c93_a_callback_that_panics_loses_nothing_else() {
    static FAULTY: ContextVar<u64> = ContextVar::new("faulty").mirrored(
        |value| {
            log('!', value);
            panic!("expected")
        },
        |value| PLAIN.run(*value, || panic!("expected")),
    );
    in_each_start_frame(|| {
        // One on each side of it in the list, or both on one: all are called.
        bind(&NUMBER, 1)
            .and(&FAULTY, 2)
            .and(&TEXT, text("a"))
            .run(|| {
                let mut entered: Vec<_> = CALLS.take();
                entered.sort();
                assert_eq!(entered, ["!2", "+\"a\"", "+1"]);
                assert_eq!(FAULTY.get(), Some(2));
            });
        let mut left: Vec<_> = CALLS.take();
        left.sort();
        assert_eq!(left, ["-\"a\"", "-1"]);

        // While another panic unwinds, whose frame stays known.
        let caught = catch_unwind(|| FAULTY.run(3, || panic!("the first"))).unwrap_err();
        let (payload, frame) = caught.into_parts();
        assert_eq!(payload.downcast_ref(), Some(&"the first"));
        assert_eq!(frame.run(|| FAULTY.get()), Some(3));
        calls();
    });
}

#[test]
fn c93_what_a_callback_binds_itself_calls_none() {
    thread_local! {
        static WITHIN: Cell<u64> = const { Cell::new(0) };
    }
    static DEEP: ContextVar<u64> = ContextVar::new("deep").mirrored(
        |value| {
            log('+', value);
            NUMBER.run(7, || WITHIN.set(NUMBER.get().unwrap()));
            Frame::root().run(|| DEEP.run(9, || ()));
        },
        |value| log('-', value),
    );
    in_each_start_frame(|| {
        DEEP.run(1, || {
            assert_eq!(calls(), "+1");
            assert_eq!(WITHIN.take(), 7);
            NUMBER.run(2, || assert_eq!(calls(), "+2"));
            assert_eq!(calls(), "-2");
        });
        assert_eq!(calls(), "-1");
    });
}

#[test]
fn c93_a_default_is_not_told() {
    static LEVEL: DefaultVar<u64> =
        DefaultVar::new("level", 5).mirrored(|value| log('+', value), |value| log('-', value));
    assert_eq!((LEVEL.get(), calls()), (5, text("")));
    LEVEL.run(6, || {
        LEVEL.run_unbound(|| assert_eq!((LEVEL.get(), calls()), (5, text("+6 -6"))));
    });
    assert_eq!(calls(), "+6 -6");
}

#[test]
fn c93_two_threads_each_have_their_own_value() {
    let frame = NUMBER.run(1, Frame::current);
    assert_eq!(calls(), "+1 -1");
    thread::scope(|scope| {
        for number in 2..5 {
            let frame = &frame;
            scope.spawn(move || {
                frame.run(|| {
                    assert_eq!(calls(), "+1");
                    NUMBER.run(number, || assert_eq!(calls(), format!("-1 +{number}")));
                });
            });
        }
    });
    assert_eq!(calls(), "");
}

#[test]
fn frames_know_if_they_are_mirrored() {
    assert!(!Frame::root().is_mirrored());
    static TOKEN: ContextVar<u64> = ContextVar::new("token")
        .mirrored(|_| (), |_| ())
        .not_inherited();
    let frame = bind(&PLAIN, 1).and(&TOKEN, 2).frame();
    assert!(frame.is_mirrored() && !frame.inherited().is_mirrored());
    frame.run(|| {
        assert!(PLAIN.run(3, Frame::current).is_mirrored());
        let without = without(&TOKEN).frame();
        assert!(!without.is_mirrored() && !without.is_root());
    });
    // A scope that moves from under a mirrored variable is not mirrored any more.
    let mut scope = pin!(PLAIN.scope(
        1,
        std::future::poll_fn(|_| {
            log('?', &Frame::current().is_mirrored());
            Poll::Ready(())
        })
    ));
    let mut cx = Context::from_waker(Waker::noop());
    TOKEN.run(2, || assert!(scope.as_mut().poll(&mut cx).is_ready()));
    assert!(scope.as_mut().poll(&mut cx).is_ready());
    assert_eq!(calls(), "?true ?false");
}

#[test]
fn an_executor_announces_a_frame_around_a_poll() {
    let frame = NUMBER.run(1, Frame::current);
    calls();
    // SAFETY: the frame is held until the end, and the current one is announced before.
    unsafe { frame.announce() }
    assert_eq!(calls(), "+1");
    frame.run_poll(|| {
        assert_eq!(calls(), "");
        NUMBER.run(2, || assert_eq!(calls(), "-1 +2"));
        assert_eq!(calls(), "-2 +1");
    });
    assert_eq!(calls(), "");
    announce_current();
    announce_current();
    assert_eq!(calls(), "-1");
}
