//! The contract of frames for `AsyncFd`: C-48, C-50 and C-59.

use std::future::Future;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::Context;

use framewise_context::ContextVar;
use framewise_io::Interest;
use framewise_io::unix::AsyncFd;
use framewise_test_support::{KEPT, call_waker, in_each_start_frame};

use super::common::Reactor;
use super::sockets;

static REQUEST: ContextVar<u32> = ContextVar::new("request");

fn registered(reactor: &Reactor) -> (AsyncFd<UnixStream>, UnixStream) {
    let (one, other) = sockets();
    (reactor.run(async { AsyncFd::new(one).unwrap() }), other)
}

/// The registering frame is not that of the waits: a descriptor may be shared by requests.
#[test]
fn c59_waits_and_operations_run_in_the_frame_of_the_awaiting_task() {
    in_each_start_frame(|| {
        let reactor = Reactor::new();
        let (mut fd, mut peer) = REQUEST.run(1, || registered(&reactor));
        for request in [2, 3] {
            let (started, starts) = channel();
            let waiting = reactor.spawn(REQUEST.scope(request, async move {
                started.send(()).unwrap();
                let mut guard = fd.readable().await.unwrap();
                assert_eq!(REQUEST.get(), Some(request));
                let in_operation = guard.try_io(|_| Ok(REQUEST.get()));
                assert_eq!(in_operation.unwrap().unwrap(), Some(request));
                let mut calls = 0;
                let read = fd.async_io_mut(Interest::READABLE, |end| {
                    calls += 1;
                    assert_eq!(REQUEST.get(), Some(request));
                    end.read(&mut [0; 1])
                });
                assert_eq!(read.await.unwrap(), 1);
                assert_eq!((REQUEST.get(), calls), (Some(request), 1));
                // So that the next request waits.
                let drained = fd.try_io(Interest::READABLE, |mut end| end.read(&mut [0; 1]));
                assert!(drained.is_err());
                fd
            }));
            starts.recv().unwrap();
            peer.write_all(b"x").unwrap();
            fd = waiting.join().unwrap();
        }
    });
}

#[test]
fn c50_a_waker_is_called_in_the_frame_that_polled() {
    in_each_start_frame(|| {
        let reactor = Reactor::new();
        let (fd, mut peer) = registered(&reactor);
        let (sender, woken) = channel();
        let waker = call_waker(move || sender.send(REQUEST.get()).unwrap());
        let mut cx = Context::from_waker(&waker);
        REQUEST.run(1, || assert!(fd.poll_read_ready(&mut cx).is_pending()));
        let mut wait = pin!(fd.readable());
        REQUEST.run(2, || assert!(wait.as_mut().poll(&mut cx).is_pending()));
        REQUEST.run(9, || peer.write_all(b"x").unwrap());
        let mut seen: Vec<_> = woken.iter().take(2).collect();
        seen.sort();
        assert_eq!(seen, [Some(1), Some(2)]);
    });
}

#[test]
fn c48_nothing_is_kept_of_a_wait_that_ended_or_was_dropped() {
    in_each_start_frame(|| {
        let reactor = Reactor::new();
        let (fd, mut peer) = registered(&reactor);
        let kept = Arc::new(());
        let waker = call_waker(|| {});
        let mut cx = Context::from_waker(&waker);
        KEPT.run(Arc::clone(&kept), || {
            let mut dropped = Box::pin(fd.readable());
            assert!(dropped.as_mut().poll(&mut cx).is_pending());
            let mut dropped = Box::pin(fd.async_io(Interest::READABLE, |_| Ok(())));
            assert!(dropped.as_mut().poll(&mut cx).is_pending());
        });
        assert_eq!(Arc::strong_count(&kept), 1, "dropped waits");

        reactor.run(KEPT.scope(Arc::clone(&kept), async {
            let write = async { peer.write_all(b"x").unwrap() };
            let (guard, ()) = futures::join!(fd.readable(), write);
            guard.unwrap().clear_ready();
        }));
        while Arc::strong_count(&kept) > 1 {
            // The driver may be about to drop the waker that it called.
            std::thread::yield_now();
        }

        // A poll function's waker is kept until the next event, or the end of the descriptor.
        KEPT.run(Arc::clone(&kept), || {
            assert!(fd.poll_read_ready(&mut cx).is_pending());
        });
        assert_eq!(Arc::strong_count(&kept), 2, "the waker in the slot");
        drop(fd.into_inner());
        assert_eq!(
            Arc::strong_count(&kept),
            1,
            "the descriptor is deregistered"
        );
    });
}

#[test]
fn the_inner_value_is_dropped_in_the_frame_that_drops_it() {
    struct Reports(UnixStream, std::sync::mpsc::Sender<Option<u32>>);

    impl AsRawFd for Reports {
        fn as_raw_fd(&self) -> RawFd {
            self.0.as_raw_fd()
        }
    }

    impl Drop for Reports {
        fn drop(&mut self) {
            self.1.send(REQUEST.get()).unwrap();
        }
    }

    in_each_start_frame(|| {
        let reactor = Reactor::new();
        let (sender, dropped) = channel();
        let new = || {
            let (one, _) = UnixStream::pair().unwrap();
            let reports = Reports(one, sender.clone());
            REQUEST.run(1, || reactor.run(async { AsyncFd::new(reports).unwrap() }))
        };
        let fd = new();
        REQUEST.run(2, || drop(fd));
        assert_eq!(dropped.recv().unwrap(), Some(2));
        drop(new());
        assert_eq!(dropped.recv().unwrap(), None);
    });
}
