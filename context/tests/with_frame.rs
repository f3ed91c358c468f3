//! Contract, C-55: a message carries the sender's frame, on request.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::future::{self, Future};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;

use framewise_context::{ContextVar, Frame, WithFrame, bind};
use futures::executor::block_on;
use support::{Drops, OnDrop, Tracked, bound_here, in_each_start_frame, panics};

static NUMBER: ContextVar<u64> = ContextVar::new("number");
static TOKEN: ContextVar<u64> = ContextVar::new("token").not_inherited();
static TRACKED: ContextVar<Tracked> = ContextVar::new("tracked");

/// Makes a value that reports the frame in which it is dropped.
fn reporting() -> (OnDrop<impl FnMut()>, mpsc::Receiver<Option<u64>>) {
    let (sender, receiver) = mpsc::channel();
    let value = OnDrop(move || sender.send(NUMBER.get()).unwrap());
    (value, receiver)
}

#[test]
fn c55_a_message_is_opened_in_the_senders_frame_if_the_receiver_asks_for_it() {
    in_each_start_frame(|| {
        let (sender, receiver) = mpsc::channel::<WithFrame<u64>>();
        let receiving = thread::spawn(move || {
            NUMBER.run(100, || {
                let mut seen = Vec::new();
                for message in receiver {
                    // The receiver's own frame, unless it asks for the sender's.
                    assert_eq!(NUMBER.get(), Some(100));
                    seen.push(message.run(|sent| (sent, NUMBER.get())));
                    assert_eq!(NUMBER.get(), Some(100));
                }
                seen
            })
        });
        for number in 0..3 {
            NUMBER.run(number, || sender.send(WithFrame::new(number)).unwrap());
        }
        sender.send(WithFrame::new(3)).unwrap();
        sender.send(WithFrame::in_frame(Frame::root(), 4)).unwrap();
        drop(sender);
        let bound = (0..3).map(|number| (number, Some(number)));
        let expected: Vec<_> = bound.chain([(3, None), (4, None)]).collect();
        assert_eq!(receiving.join().unwrap(), expected);
    });
}

#[test]
fn c55_a_message_becomes_a_future_in_the_senders_frame() {
    in_each_start_frame(|| {
        let (value, dropped) = reporting();
        let message = NUMBER.run(1, || WithFrame::new(value));
        let work = message.scope(|value| {
            let opened_in = NUMBER.get();
            async move {
                let _value = value;
                let mut polls = 0;
                let made_in = opened_in;
                future::poll_fn(|cx| {
                    polls += 1;
                    cx.waker().wake_by_ref();
                    assert_eq!(NUMBER.get(), Some(1));
                    if polls < 3 {
                        Poll::Pending
                    } else {
                        Poll::Ready(())
                    }
                })
                .await;
                (made_in, NUMBER.get())
            }
        });
        let seen = NUMBER.run(2, || block_on(work));
        assert_eq!(seen, (Some(1), Some(1)));
        assert_eq!(dropped.recv(), Ok(Some(1)));
        // Dropped after one poll.
        let (value, dropped) = reporting();
        let message = NUMBER.run(3, || WithFrame::new(value));
        let mut work = Box::pin(message.scope(|value| async move {
            let _value = value;
            future::pending::<()>().await;
        }));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut work).poll(&mut cx).is_pending());
        NUMBER.run(4, || drop(work));
        assert_eq!(dropped.recv(), Ok(Some(3)));
    });
}

#[test]
fn c55_a_message_that_is_never_opened_is_dropped_in_the_senders_frame() {
    in_each_start_frame(|| {
        let (value, dropped) = reporting();
        let (sender, receiver) = mpsc::channel();
        NUMBER.run(1, || sender.send(WithFrame::new(value)).ok().unwrap());
        NUMBER.run(2, || drop(receiver));
        assert_eq!(dropped.try_recv(), Ok(Some(1)));
        assert!(dropped.recv().is_err(), "only once");
        // A message that cannot be sent is returned with its frame.
        let (value, dropped) = reporting();
        let refused = NUMBER.run(3, || sender.send(WithFrame::new(value)).unwrap_err());
        assert!(dropped.try_recv().is_err());
        drop(refused);
        assert_eq!(dropped.recv(), Ok(Some(3)));
        // Once opened, it is dropped in the frame of the code that drops it.
        let (value, dropped) = reporting();
        let (value, frame) = NUMBER.run(4, || WithFrame::new(value)).into_parts();
        NUMBER.run(5, || drop(value));
        assert_eq!(dropped.recv(), Ok(Some(5)));
        assert_eq!(frame.run(|| NUMBER.get()), Some(4));
    });
}

#[test]
fn c55_a_value_with_frame_holds_its_frame_only_until_it_is_opened() {
    in_each_start_frame(|| {
        let drops = Drops::default();
        let paired = || {
            let (frame, site) = bound_here(bind(&TRACKED, drops.tracked()));
            let message = frame.run(|| WithFrame::new(1));
            drop(frame);
            site.assert_live(1);
            (message, site)
        };
        let (message, site) = paired();
        assert_eq!(drops.count(), 0);
        assert_eq!(message.run(|value| value), 1);
        assert_eq!(drops.count(), 1);
        site.assert_live(0);
        drop(paired());
        assert_eq!(drops.count(), 2);
        site.assert_live(0);
        // A clone holds the frame by itself.
        let (message, _) = paired();
        let clone = message.clone();
        drop(message);
        assert_eq!((clone.get_ref(), drops.count()), (&1, 2));
        drop(clone);
        assert_eq!(drops.count(), 3);
        site.assert_live(0);
    });
}

#[test]
fn c55_a_panic_in_a_value_with_frame_restores_and_drops_once() {
    in_each_start_frame(|| {
        let drops = Drops::default();
        NUMBER.run(9, || {
            let message = NUMBER.run(1, || WithFrame::new(drops.tracked()));
            assert!(panics(|| message.run(|_value| panic!("expected"))));
            assert_eq!((drops.count(), NUMBER.get()), (1, Some(9)));
            let message = TRACKED.run(drops.tracked(), || {
                WithFrame::new(OnDrop(|| panic!("expected: a destructor")))
            });
            assert!(panics(|| drop(message)));
            assert_eq!((drops.count(), NUMBER.get()), (2, Some(9)), "the frame too");
        });
    });
}

#[test]
fn c55_a_value_with_frame_carries_variables_that_are_not_inherited_unless_they_are_omitted() {
    in_each_start_frame(|| {
        bind(&NUMBER, 1).and(&TOKEN, 2).run(|| {
            let seen = |()| (NUMBER.get(), TOKEN.get());
            assert_eq!(WithFrame::new(()).run(seen), (Some(1), Some(2)));
            let inherited = Frame::current().inherited();
            let without = WithFrame::in_frame(inherited, ());
            assert_eq!(without.run(seen), (Some(1), None));
        });
    });
}

#[test]
fn a_value_with_frame_is_send_like_its_value_and_shows_no_bound_values() {
    fn assert_send_sync<T: Send + Sync>(_: &T) {}
    let mut message = NUMBER.run(7, || WithFrame::new(String::from("text")));
    assert_send_sync(&message);
    message.get_mut().push('!');
    let shown = format!("{message:?}");
    assert!(shown.contains("bindings: [\"number\"]"), "{shown}");
    assert!(shown.ends_with("value: \"text!\" }"), "{shown}");
    let frame = message.frame().clone();
    assert_eq!(frame.run(|| NUMBER.get()), Some(7));
}
