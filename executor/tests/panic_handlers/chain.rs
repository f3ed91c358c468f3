//! The order in which handlers are asked, what they see, and what they keep.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};

use framewise::panics::{self, Handled};
use framewise::task::yield_now;
use framewise::{Frame, spawn};
use framewise_test_support::{
    ID, KEPT, bound_here, everywhere, in_each_start_frame, on_drop, runtime,
};
use futures::{Stream, StreamExt, stream};

use super::{Recorder, asked};

#[test]
fn c91_handlers_are_asked_outward_until_one_handles_then_the_hook() {
    in_each_start_frame(|| {
        let (recorder, reports) = Recorder::new();
        let runtime = recorder.hooked(1);
        let fails_within = |innermost, middle| {
            let outermost = recorder.handler("outermost", Handled::No);
            let middle = recorder.handler("middle", middle);
            let innermost = recorder.handler("innermost", innermost);
            let fail = || {
                drop(runtime.spawn(innermost.scope(async {
                    yield_now().await;
                    ID.run(9, || panic!("expected"))
                })))
            };
            outermost.run(|| middle.run(fail));
        };
        let expect = |names: &[&'static str]| {
            for name in names {
                assert_eq!(reports.recv(), Ok(asked(name, 9, "expected")));
            }
            assert!(reports.try_recv().is_err());
        };
        fails_within(Handled::Yes, Handled::Yes);
        expect(&["innermost"]);
        fails_within(Handled::No, Handled::Yes);
        expect(&["innermost", "middle"]);
        fails_within(Handled::No, Handled::No);
        expect(&["innermost", "middle", "outermost", "hook"]);
    });
}

#[test]
fn c91_a_handler_that_panics_is_reported_outward_once_beside_the_error() {
    in_each_start_frame(|| {
        let (recorder, reports) = Recorder::new();
        let runtime = recorder.hooked(1);
        let outer = recorder.panicking("outer", 31);
        let inner = recorder.panicking("inner", 30);
        outer.run(|| inner.run(|| drop(runtime.spawn(async { ID.run(9, || panic!("first")) }))));
        let expected = [
            asked("inner", 9, "first"),
            asked("outer", 9, "first"),
            asked("hook", 9, "first"),
            // Of the inner handler: `outer` has panicked in this report, and is not asked again.
            asked("hook", 30, "inner"),
            asked("hook", 31, "outer"),
        ];
        let seen: Vec<_> = reports.iter().take(expected.len()).collect();
        assert_eq!(seen, expected);
        drop((runtime, recorder));
        assert!(reports.try_recv().is_err());
    });
}

#[test]
fn c91_a_handler_s_panic_reaches_the_handlers_outside_of_it_and_those_in_it() {
    in_each_start_frame(|| {
        let (recorder, reports) = Recorder::new();
        let runtime = recorder.hooked(1);
        let within = recorder.handler("within", Handled::No);
        let inner = panics::handle(move |_| within.clone().run(|| ID.run(30, || panic!("inner"))));
        recorder
            .handler("outer", Handled::Yes)
            .run(|| inner.run(|| drop(runtime.spawn(async { ID.run(9, || panic!("first")) }))));
        let expected = [
            asked("outer", 9, "first"),
            asked("within", 30, "inner"),
            asked("outer", 30, "inner"),
        ];
        let seen: Vec<_> = reports.iter().take(expected.len()).collect();
        assert_eq!(seen, expected);
        drop((runtime, recorder));
        assert!(reports.try_recv().is_err());
    });
}

#[test]
fn c91_what_a_handler_starts_fails_outward() {
    let (recorder, reports) = Recorder::new();
    let runtime = recorder.hooked(1);
    let _entered = runtime.enter();
    let again = {
        let recorder = recorder.clone();
        panics::handle(move |error| {
            recorder.record("inner", error);
            drop(spawn(async { panic!("second") }));
            Handled::Yes
        })
    };
    ID.run(7, || {
        recorder
            .handler("outer", Handled::Yes)
            .run(|| again.run(|| drop(spawn(async { panic!("first") }))));
    });
    assert_eq!(reports.recv(), Ok(asked("inner", 7, "first")));
    assert_eq!(reports.recv(), Ok(asked("outer", 7, "second")));
}

#[test]
fn c91_a_scope_takes_its_outer_handlers_from_each_poller() {
    in_each_start_frame(|| {
        let (recorder, reports) = Recorder::new();
        let runtime = recorder.hooked(1);
        let fail = || drop(runtime.spawn(async { panic!("expected") }));
        let mut polls = 0;
        let mut scope = Box::pin(recorder.handler("own", Handled::No).scope(poll_fn(|_| {
            fail();
            polls += 1;
            if polls < 4 {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })));
        let one = recorder.handler("one", Handled::Yes).run(Frame::current);
        let other = recorder.handler("other", Handled::Yes).run(Frame::current);
        let names = |count| {
            reports
                .iter()
                .take(count)
                .map(|asked| asked.0)
                .collect::<Vec<_>>()
        };
        let mut poll = |frame: &Frame| {
            let cx = &mut Context::from_waker(Waker::noop());
            frame.run(|| scope.as_mut().poll(cx).is_ready())
        };
        assert!(!poll(&one));
        assert_eq!(names(2), ["own", "one"]);
        assert!(!poll(&other));
        assert_eq!(names(2), ["own", "other"]);
        assert!(!poll(&Frame::root()));
        assert_eq!(names(2), ["own", "hook"]);
        assert!(poll(&one));
        assert_eq!(names(2), ["own", "one"]);
    });
}

#[test]
fn c91_a_scope_is_dropped_under_its_handler() {
    in_each_start_frame(|| {
        for polled in [false, true] {
            let (recorder, reports) = Recorder::new();
            let runtime = recorder.hooked(1);
            let handle = runtime.handle().clone();
            let part = on_drop(move || drop(handle.spawn(async { panic!("expected") })));
            let mut scope = Box::pin(recorder.handler("own", Handled::No).scope(async move {
                let _part = part;
                std::future::pending::<()>().await;
            }));
            if polled {
                let cx = &mut Context::from_waker(Waker::noop());
                assert!(scope.as_mut().poll(cx).is_pending());
            }
            let outer = recorder.handler("outer", Handled::Yes);
            ID.run(7, || outer.run(|| drop(scope)));
            assert_eq!(reports.recv(), Ok(asked("own", 7, "expected")));
            assert_eq!(reports.recv(), Ok(asked("outer", 7, "expected")));
        }
    });
}

#[test]
fn c91_a_stream_s_items_are_made_under_its_handler_and_consumed_outside() {
    everywhere(|runtime, _| {
        let (recorder, reports) = Recorder::new();
        let _entered = runtime.enter();
        let fail = |message| drop(spawn(ID.scope(3, async move { panic!("{message}") })));
        let items = stream::iter(0..2).map(|item| {
            fail("made");
            item
        });
        let items = recorder.handler("own", Handled::Yes).scope_stream(items);
        assert_eq!(items.size_hint(), (2, Some(2)));
        let consume = recorder.handler("consumer", Handled::Yes).scope(async {
            let mut items = items;
            while items.next().await.is_some() {
                assert_eq!(reports.recv(), Ok(asked("own", 3, "made")));
                fail("consumed");
                assert_eq!(reports.recv(), Ok(asked("consumer", 3, "consumed")));
            }
        });
        runtime.block_on(consume);
    });
}

/// Nothing of a zone is held after its work: not the handler, not the frames of failures.
#[test]
fn c91_handlers_and_frames_are_released() {
    let runtime = runtime(2);
    let _entered = runtime.enter();
    let value = Arc::new(());
    let (sender, asked) = channel();
    let held = Arc::clone(&value);
    let handler = panics::handle(move |error| {
        let _held = &held;
        sender.send(error.to_string()).unwrap();
        Handled::Yes
    });
    let (frame, site) = bound_here(framewise::bind(&KEPT, Arc::clone(&value)));
    frame.run(|| {
        runtime.block_on(handler.scope(async {
            drop(spawn(async { panic!("expected") }));
            drop(spawn(async { yield_now().await }));
        }));
    });
    drop(frame);
    asked.recv().unwrap();
    drop(_entered);
    drop(runtime);
    site.assert_live(0);
    assert_eq!(Arc::strong_count(&value), 1);
}

/// A hundred thousand handlers in each other, whose drop does not overflow the stack.
#[test]
fn c91_a_long_chain_of_handlers_is_dropped() {
    let (sender, dropped) = channel();
    let mut frame = Frame::root();
    for _ in 0..100_000 {
        let sender = sender.clone();
        let part = on_drop(move || sender.send(()).unwrap());
        let handler = panics::handle(move |_| {
            let _part = &part;
            Handled::No
        });
        frame = frame.run(|| handler.run(Frame::current));
    }
    drop(frame);
    assert_eq!(dropped.try_iter().count(), 100_000);
}

#[test]
fn types_of_the_api() {
    fn is_usable<T: Send + Sync + Clone + std::fmt::Debug>(_: &T) {}
    fn is_future<T: Send + Unpin + std::fmt::Debug + Future>(_: &T) {}
    let handler = panics::handle(|_| Handled::No);
    is_usable(&handler);
    let mut scope = handler.scope(std::future::ready(()));
    is_future(&scope);
    assert!(
        Pin::new(&mut scope)
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    );
}
