//! Cancel safety: the documented behavior of a future that is dropped before it is ready.
//!
//! [`cancel_sections`](crate::cancel_sections) lists every section `# Cancel safety` of the public
//! docs with its test.

use std::future::{Future, poll_fn};
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use framewise::net::{Interest, TcpListener, TcpStream, lookup_host};
use framewise::task::{LocalSet, consume_budget, coop, unconstrained, yield_now};
use framewise::test::{Preemptible, preempt};
use framewise::time::{Instant, sleep, timeout, timeout_at};
use framewise_test_support::{HangWatch, OnDrop, give_up, on_workers, runtime};

use crate::{Bug, Class, Here, connection};

const HERE: &str = "executor/tests/bugs/cancel_safety.rs";

pub(crate) const CLASS: Class = Class {
    name: "cancel safety",
    bugs: &[Bug {
        id: "tokio 5947",
        story: "(We have not read the report; it is listed for docs on cancel safety.) The docs' \
                statements on dropped futures must be tested; each section here has its test.",
        here: Here::Tests(&[
            (
                "executor/tests/bugs/cancel_sections.rs",
                "index_every_section_on_cancel_safety_has_its_test",
            ),
            (HERE, "a_dropped_read_or_peek_has_read_nothing"),
            (HERE, "a_dropped_read_exact_has_taken_what_was_there"),
            (HERE, "a_dropped_write_has_written_nothing"),
            (HERE, "a_dropped_write_all_has_written_some"),
            (HERE, "a_dropped_wait_for_readiness_consumes_none"),
            (HERE, "a_dropped_accept_has_accepted_nothing"),
            (HERE, "a_dropped_connect_closes_its_socket"),
            (HERE, "a_dropped_bind_leaves_the_address_free"),
            (HERE, "a_dropped_look_up_goes_on_and_others_are_served"),
            (
                HERE,
                "a_dropped_run_until_drops_its_future_and_keeps_the_tasks",
            ),
            (HERE, "a_dropped_yield_leaves_the_task_as_it_was"),
            (HERE, "a_dropped_point_of_a_seeded_run_loses_nothing"),
            (HERE, "a_dropped_wait_for_the_budget_loses_nothing"),
            (HERE, "a_dropped_timeout_drops_its_future"),
        ]),
    }],
};

/// Returns a stream that would block in both directions, and its peer: nothing can be read, and
/// nothing more can be written. Also returns the number of written bytes.
async fn full() -> (TcpStream, std::net::TcpStream, usize) {
    let (stream, peer) = connection().await;
    let piece = [0; 64 << 10];
    let mut written = 0;
    // Write until the system accepts no more, and has not accepted any for a while, because it
    // moves bytes to the peer asynchronously.
    loop {
        match stream.try_write(&piece) {
            Ok(more) => written += more,
            Err(_) => {
                let mut pause = pin!(sleep(Duration::from_millis(20)));
                let still = std::future::poll_fn(|cx| {
                    if stream.poll_write_ready(cx).is_ready() {
                        return Poll::Ready(false);
                    }
                    pause.as_mut().poll(cx).map(|()| true)
                })
                .await;
                if still {
                    return (stream, peer, written);
                }
            }
        }
    }
}

#[test]
fn a_dropped_read_or_peek_has_read_nothing() {
    runtime(1).block_on(async {
        let (mut stream, mut peer) = connection().await;
        let mut buffer = [0; 8];
        give_up(stream.read(&mut buffer));
        give_up(stream.peek(&mut buffer));
        give_up(stream.read_vectored(&mut [IoSliceMut::new(&mut buffer)]));
        {
            let (half, _) = stream.split();
            give_up(half.read(&mut buffer));
            give_up(half.peek(&mut buffer));
            give_up(half.read_vectored(&mut [IoSliceMut::new(&mut buffer)]));
        }
        // Dropped after the bytes have arrived and its waker was called.
        {
            let mut read = pin!(stream.read(&mut buffer));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(read.as_mut().poll(&mut cx).is_pending());
            peer.write_all(b"whole").unwrap();
            stream.readable().await.unwrap();
        }
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 5);
        assert_eq!(&buffer[..5], b"whole");
    });
}

#[test]
fn a_dropped_read_exact_has_taken_what_was_there() {
    runtime(1).block_on(async {
        let (mut stream, mut peer) = connection().await;
        for _ in 0..2 {
            peer.write_all(b"abc").unwrap();
            stream.readable().await.unwrap();
            let mut buffer = [0; 5];
            give_up(stream.read_exact(&mut buffer));
            // The bytes are in the buffer, as documented, and no longer in the stream.
            assert_eq!(&buffer, b"abc\0\0");
            peer.write_all(b"de").unwrap();
            assert_eq!(stream.read(&mut buffer).await.unwrap(), 2);
            assert_eq!(&buffer[..2], b"de");
        }
        let (half, _) = stream.split();
        peer.write_all(b"abc").unwrap();
        half.readable().await.unwrap();
        let mut buffer = [0; 5];
        give_up(half.read_exact(&mut buffer));
        assert_eq!(&buffer, b"abc\0\0");
    });
}

#[test]
fn a_dropped_write_has_written_nothing() {
    runtime(1).block_on(async {
        let (mut stream, mut peer, written) = full().await;
        give_up(stream.write(b"not written"));
        give_up(stream.write_vectored(&[IoSlice::new(b"not"), IoSlice::new(b"written")]));
        {
            let (_, half) = stream.split();
            give_up(half.write(b"not written"));
            give_up(half.write_vectored(&[IoSlice::new(b"not"), IoSlice::new(b"written")]));
        }
        drop(stream);
        let mut got = Vec::new();
        peer.read_to_end(&mut got).unwrap();
        assert_eq!(got.len(), written);
    });
}

#[test]
fn a_dropped_write_all_has_written_some() {
    runtime(1).block_on(async {
        const MUCH: usize = 64 << 20;
        for by_half in [false, true] {
            let (mut stream, mut peer) = connection().await;
            let much = vec![7; MUCH];
            if by_half {
                give_up(stream.split().1.write_all(&much));
            } else {
                give_up(stream.write_all(&much));
            }
            drop(stream);
            let mut got = Vec::new();
            peer.read_to_end(&mut got).unwrap();
            assert!(!got.is_empty() && got.len() < MUCH, "{}", got.len());
        }
    });
}

#[test]
fn a_dropped_wait_for_readiness_consumes_none() {
    runtime(1).block_on(async {
        let (mut stream, mut peer) = connection().await;
        give_up(stream.readable());
        give_up(stream.ready(Interest::READABLE));
        give_up(stream.split().0.readable());
        {
            let mut waits = pin!(stream.readable());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(waits.as_mut().poll(&mut cx).is_pending());
            peer.write_all(b"x").unwrap();
            // Another wait sees the event; the first one was notified, too, and is dropped.
            stream.readable().await.unwrap();
        }
        assert!(
            stream
                .ready(Interest::READABLE)
                .await
                .unwrap()
                .is_readable()
        );
        assert_eq!(stream.try_read(&mut [0; 4]).unwrap(), 1);

        let (mut stream, mut peer, written) = full().await;
        give_up(stream.writable());
        give_up(stream.ready(Interest::WRITABLE));
        give_up(stream.split().1.writable());
        peer.read_exact(&mut vec![0; written]).unwrap();
        stream.writable().await.unwrap();
        assert!(stream.try_write(b"more").unwrap() > 0);
    });
}

#[test]
fn a_dropped_accept_has_accepted_nothing() {
    runtime(1).block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        give_up(listener.accept());
        give_up(listener.readable());
        let mut cx = Context::from_waker(Waker::noop());
        let client = {
            let mut accepts = pin!(listener.accept());
            assert!(accepts.as_mut().poll(&mut cx).is_pending());
            let client = TcpStream::connect(address).await.unwrap();
            // The accept has been notified by now, and is dropped.
            listener.readable().await.unwrap();
            client
        };
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

/// Drops a pending connect, and reads from each connection that arrives before a later one. Returns
/// `false` if the dropped one did not arrive, because the system had not replied before the drop.
async fn a_dropped_connect_is_accepted_and_closed() -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let mut attempts = 1;
    // The driver's event may arrive before the first poll. Such a connection is dropped, too.
    while pin!(TcpStream::connect(address)).poll(&mut cx).is_ready() {
        attempts += 1;
    }
    let last = TcpStream::connect(address).await.unwrap();
    let mut accepted = 0;
    loop {
        let (stream, peer) = listener.accept().await.unwrap();
        if peer == last.local_addr().unwrap() {
            return accepted == attempts;
        }
        // The peer is closed, so nothing can be read.
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
        accepted += 1;
    }
}

#[test]
fn a_dropped_connect_closes_its_socket() {
    let _watch = HangWatch::new("a dropped connect: its socket stays open");
    runtime(1).block_on(async { while !a_dropped_connect_is_accepted_and_closed().await {} });
}

#[test]
fn a_dropped_wait_for_the_budget_loses_nothing() {
    on_workers(|runtime| {
        let task = runtime.spawn(async {
            let (sender, receiver) = async_channel::bounded(1);
            sender.try_send(7).unwrap();
            let (_sender, empty) = async_channel::bounded::<u64>(1);
            poll_fn(|cx| {
                // The last operation is denied, and dropped like the others.
                while pin!(consume_budget()).poll(cx).is_ready() {}
                assert!(pin!(coop(receiver.recv())).poll(cx).is_pending());
                assert!(pin!(unconstrained(empty.recv())).poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            yield_now().await;
            consume_budget().await;
            assert_eq!(coop(receiver.recv()).await, Ok(7));
        });
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn a_dropped_bind_leaves_the_address_free() {
    runtime(1).block_on(async {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        // Use a name, so that `bind` waits for the lookup, which may finish before its first poll.
        let mut cx = Context::from_waker(Waker::noop());
        while pin!(TcpListener::bind(("localhost", address.port())))
            .poll(&mut cx)
            .is_ready()
        {}
        let bound = TcpListener::bind(address).await.unwrap();
        assert_eq!(bound.local_addr().unwrap(), address);
    });
}

#[test]
fn a_dropped_look_up_goes_on_and_others_are_served() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let mut cx = Context::from_waker(Waker::noop());
            let mut given_up = 0;
            // A lookup may finish before its first poll.
            while given_up < 20 {
                given_up +=
                    usize::from(pin!(lookup_host("localhost:80")).poll(&mut cx).is_pending());
            }
            assert!(lookup_host("localhost:80").await.unwrap().count() > 0);
        });
    });
}

#[test]
fn a_dropped_run_until_drops_its_future_and_keeps_the_tasks() {
    on_workers(|runtime| {
        let set = LocalSet::new();
        let (go, gone) = async_channel::bounded::<()>(1);
        let task = set.spawn_local(async move {
            gone.recv().await.unwrap();
            7
        });
        let kept = Rc::new(());
        let held = Rc::clone(&kept);
        runtime.block_on(async {
            give_up(set.run_until(async move {
                let _held = held;
                std::future::pending::<()>().await;
            }));
        });
        assert_eq!(Rc::strong_count(&kept), 1);
        go.try_send(()).unwrap();
        assert_eq!(set.block_on(runtime, task).unwrap(), 7);
    });
}

#[test]
fn a_dropped_yield_leaves_the_task_as_it_was() {
    on_workers(|runtime| {
        let task = runtime.spawn(async {
            for _ in 0..100 {
                // The dropped yield has woken the task, which must not affect the next wait.
                std::future::poll_fn(|cx| {
                    assert!(pin!(yield_now()).poll(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
            }
            sleep(Duration::from_micros(200)).await;
            7
        });
        assert_eq!(runtime.block_on(task).unwrap(), 7);
    });
}

#[test]
fn a_dropped_point_of_a_seeded_run_loses_nothing() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    static WAITED: AtomicUsize = AtomicUsize::new(0);

    for seed in 0..30 {
        framewise::test::run(seed, || async {
            let task = framewise::spawn(async {
                for _ in 0..10 {
                    std::future::poll_fn(|cx| {
                        if pin!(preempt()).poll(cx).is_pending() {
                            WAITED.fetch_add(1, Ordering::Relaxed);
                        }
                        let future = async {
                            let _at_end = OnDrop(|| {
                                DROPPED.fetch_add(1, Ordering::Relaxed);
                            });
                            std::future::pending::<()>().await;
                        };
                        assert!(pin!(future.preemptible()).poll(cx).is_pending());
                        Poll::Ready(())
                    })
                    .await;
                }
                7
            });
            assert_eq!(task.await.unwrap(), 7);
        });
    }
    assert!(
        WAITED.load(Ordering::Relaxed) > 0,
        "no seed waited at a point"
    );
    assert!(
        DROPPED.load(Ordering::Relaxed) > 0,
        "no seed went past a point"
    );
}

#[test]
fn a_dropped_timeout_drops_its_future() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let hour = Duration::from_secs(3_600);
            let kept = Arc::new(());
            let holds = || {
                let held = Arc::clone(&kept);
                async move {
                    let _held = held;
                    std::future::pending::<()>().await;
                }
            };
            give_up(timeout(hour, holds()));
            give_up(timeout_at(Instant::now() + hour, holds()));
            assert_eq!(Arc::strong_count(&kept), 1);
        });
    });
}
