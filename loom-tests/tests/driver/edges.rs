//! Events that meet reads: by wait, `try_io`, `poll_io` and `async_io`, and with a budget that
//! denies them.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use framewise_context::coop;
use framewise_io::model::ModelSource;
use framewise_io::{Direction, Interest, Ready};
use framewise_loom_tests::model;
use framewise_sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use framewise_sync::{Arc, thread};

use crate::{block_on, driver, join, reader, source, turn, turn_without_wait};

/// Polls `future` without a unit of budget at every other poll, the first one included.
async fn denied_at_times<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut has_units = true;
    poll_fn(|cx| {
        has_units = !has_units;
        coop::with_budget(|| {
            while !has_units && coop::has_budget_remaining() {
                assert!(coop::poll_spend(&mut Context::from_waker(Waker::noop())).is_ready());
            }
            future.as_mut().poll(cx)
        })
    })
    .await
}

/// Race: an edge against a read that the budget denies after it saw the readiness, in the list and
/// in the slot. The denied read has no entry any more and must not lose the event. Failure: the
/// reader sleeps forever.
fn event_against_denied_read(in_list: bool) {
    let (mut driver, handle, _) = driver();
    let (source, pipe) = source(&handle, Ready::EMPTY);
    pipe.arrive();
    let (reader_pipe, reader_handle) = (Arc::clone(&pipe), handle.clone());
    let done = Arc::new(AtomicBool::new(false));
    let reader_done = Arc::clone(&done);
    let reader = thread::spawn(move || {
        let receive = || reader_pipe.receive();
        let count = match in_list {
            true => block_on(denied_at_times(source.async_io(Direction::Read, receive))),
            false => block_on(denied_at_times(poll_fn(|cx| {
                source.poll_io(cx, Direction::Read, receive)
            }))),
        };
        assert_eq!(count.unwrap(), 1);
        reader_done.store(true, Ordering::Relaxed);
        reader_handle.unpark();
    });
    while !done.load(Ordering::Relaxed) {
        turn(&mut driver, None);
    }
    join(reader);
    assert_eq!(pipe.pending(), 0);
}

#[test]
fn a_read_that_the_budget_denies_in_the_list_loses_no_event() {
    model("event × read that is denied, list", || {
        event_against_denied_read(true)
    });
}

#[test]
fn a_read_that_the_budget_denies_in_the_slot_loses_no_event() {
    model("event × read that is denied, slot", || {
        event_against_denied_read(false)
    });
}

/// Race: edges against a reader that reads, clears, and waits in between. Failure: the reader or
/// the driver sleeps forever. (Only the unpark makes the flag visible.)
fn event_wait_clear(short: bool) {
    let (mut driver, handle, _) = driver();
    let (source, pipe) = source(&handle, Ready::EMPTY);
    let done = Arc::new(AtomicBool::new(false));
    pipe.arrive();
    let reader = reader(&handle, &done, source, Arc::clone(&pipe), short);
    let peer = thread::spawn(move || pipe.arrive());
    while !done.load(Ordering::Relaxed) {
        turn(&mut driver, None);
    }
    join(reader);
    join(peer);
}

#[test]
fn an_event_meets_a_reader_that_reads_short() {
    model("event × wait × clear", || event_wait_clear(true));
}

#[test]
fn an_event_meets_a_reader_that_would_block() {
    model("event × wait × clear_if_would_block, slot", || {
        event_wait_clear(false)
    });
}

/// A point at which loom considers switching threads: `loom-tests/README.md`, "What "exhausted"
/// means", explains why a load before an exchange needs one.
#[derive(Default)]
struct Point(AtomicUsize);

impl Point {
    fn pass(&self) {
        // Relaxed: it publishes nothing to the other threads.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// How a reader tries to read.
type Read = fn(&ModelSource, &dyn Fn() -> io::Result<usize>) -> io::Result<usize>;

/// Race: an event arrives between a read that would block and the clear of the readiness, in the
/// shipped callers of the word. Failure: a byte is left in a source that is not readable. The peer
/// and the driver are one thread, so few preemptions suffice.
fn an_event_after_a_read(read: Read) {
    let (mut driver, handle, _) = driver();
    let (source, pipe) = source(&handle, Ready::READABLE);
    let point = Arc::new(Point::default());
    let driving = thread::spawn({
        let (pipe, point) = (Arc::clone(&pipe), Arc::clone(&point));
        move || {
            pipe.arrive();
            turn_without_wait(&mut driver);
            point.pass();
        }
    });
    let receive = || {
        let received = pipe.receive();
        point.pass();
        received
    };
    let received = read(&source, &receive);
    join(driving);
    let received = received.or_else(|_| source.try_io(Direction::Read, || pipe.receive()));
    assert_eq!(received.ok(), Some(1), "a newer event was erased");
}

#[test]
fn an_event_after_a_read_that_would_block_is_kept_by_try_io() {
    model("try_io × event", || {
        an_event_after_a_read(|source, receive| source.try_io(Direction::Read, receive));
    });
}

#[test]
fn an_event_after_a_read_that_would_block_is_kept_by_poll_io() {
    model("poll_io × event", || {
        an_event_after_a_read(|source, receive| {
            let mut cx = Context::from_waker(Waker::noop());
            match source.poll_io(&mut cx, Direction::Read, receive) {
                Poll::Ready(result) => result,
                Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            }
        });
    });
}

#[test]
fn an_event_after_a_read_that_would_block_is_kept_by_async_io() {
    model("async_io × event", || {
        an_event_after_a_read(|source, receive| {
            let mut cx = Context::from_waker(Waker::noop());
            match pin!(source.transfer(Direction::Read, 8, receive)).poll(&mut cx) {
                Poll::Ready(result) => result,
                Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            }
        });
    });
}

/// Control: a reader that leaves a byte and says that it would block. The kernel does not report an
/// edge twice.
#[test]
#[should_panic(expected = "a byte is left, and no event will come")]
fn control_an_edge_is_reported_once() {
    model("control: a reader that leaves a byte", || {
        let (mut driver, handle, _) = driver();
        let (source, pipe) = source(&handle, Ready::EMPTY);
        let peer = thread::spawn({
            let pipe = Arc::clone(&pipe);
            move || {
                pipe.arrive();
                pipe.arrive();
            }
        });
        turn_without_wait(&mut driver);
        let _ = source.try_io(Direction::Read, || {
            pipe.bytes.fetch_sub(1, Ordering::Relaxed);
            Err::<(), _>(io::ErrorKind::WouldBlock.into())
        });
        join(peer);
        turn_without_wait(&mut driver);
        let ready = source.try_io(Direction::Read, || Ok(())).is_ok();
        assert!(
            ready || pipe.pending() == 0,
            "a byte is left, and no event will come"
        );
    });
}

/// Race: a reader in the list and a writer in the slot, and an event for each direction. Failure: a
/// deadlock of either.
#[test]
fn both_directions_are_reported() {
    model("both directions × wait", || {
        let (mut driver, handle, _) = driver();
        let (source, pipe) = source(&handle, Ready::EMPTY);
        let reader = thread::spawn({
            let source = Arc::clone(&source);
            move || block_on(source.ready(Interest::READABLE)).unwrap()
        });
        let writer = thread::spawn(move || {
            block_on(poll_fn(|cx| source.poll_ready(cx, Direction::Write))).unwrap();
        });
        pipe.peer.raise(Ready::WRITABLE);
        turn(&mut driver, None);
        pipe.peer.raise(Ready::READABLE);
        turn(&mut driver, None);
        assert!(join(reader).is_readable());
        join(writer);
    });
}
