//! Wakers and the driver itself (C-50, C-51), and connections that several requests use (C-56).

use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Context, Waker};

use framewise_io::IoDriver;
use framewise_io::net::{TcpListener, TcpStream};
use framewise_test_support::{call_waker, in_each_start_frame};

use crate::common::{Reactor, pair, spawner};
use crate::{HELD, Held, REQUEST};

/// A user-supplied waker that reports the frame in which it runs.
fn reporter() -> (Waker, Receiver<Option<u32>>) {
    let (sender, receiver) = channel();
    let waker = call_waker(move || sender.send(REQUEST.get()).unwrap());
    (waker, receiver)
}

#[test]
fn c50_a_waker_registered_with_a_source_is_called_in_the_registering_frame() {
    in_each_start_frame(|| {
        let reactor = Reactor::new();
        reactor.run(async {
            let (client, server) = pair().await;
            let (waker, woken) = reporter();
            let mut cx = Context::from_waker(&waker);
            // In the slot of a poll function, in the list, and at the root.
            REQUEST.run(1, || assert!(server.poll_read_ready(&mut cx).is_pending()));
            let mut wait = pin!(server.readable());
            REQUEST.run(2, || assert!(wait.as_mut().poll(&mut cx).is_pending()));
            let mut other = pin!(server.readable());
            assert!(other.as_mut().poll(&mut cx).is_pending());
            // The frame of the last poll counts.
            REQUEST.run(3, || assert!(wait.as_mut().poll(&mut cx).is_pending()));

            REQUEST.scope(9, client.write_all(b"x")).await.unwrap();
            let mut seen: Vec<_> = woken.iter().take(3).collect();
            seen.sort();
            assert_eq!(seen, [None, Some(1), Some(3)]);
        });
    });
}

#[test]
fn c50_a_waker_that_panics_neither_stops_the_driver_nor_the_others() {
    in_each_start_frame(|| {
        let reactor = Reactor::new();
        reactor.run(async {
            let (client, server) = pair().await;
            let panicking = call_waker(|| panic!("expected: a user-supplied waker"));
            let mut wait = pin!(server.readable());
            REQUEST.run(7, || {
                assert!(
                    wait.as_mut()
                        .poll(&mut Context::from_waker(&panicking))
                        .is_pending()
                );
            });
            let (waker, woken) = reporter();
            let mut other = pin!(server.readable());
            assert!(
                other
                    .as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            client.write_all(b"x").await.unwrap();
            assert_eq!(woken.recv().unwrap(), None);
            let report = reactor.panics.recv().unwrap();
            assert_eq!(report.panics.len(), 1);
            assert_eq!(report.panics[0].frame().run(|| REQUEST.get()), Some(7));
            // The driver continues.
            server.read(&mut [0; 4]).await.unwrap();
            client.write_all(b"y").await.unwrap();
            server.read(&mut [0; 4]).await.unwrap();
        });
    });
}

/// A thread turns the driver in a frame, like one that blocks on a future. The code that the driver
/// calls must not run in that frame.
#[test]
fn c51_the_driver_runs_at_the_root() {
    in_each_start_frame(|| {
        let (mut driver, handle) = IoDriver::new(spawner()).unwrap();
        let _guard = handle.enter();
        let listener = futures::executor::block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (waker, woken) = reporter();
        assert!(
            listener
                .poll_accept(&mut Context::from_waker(&waker))
                .is_pending()
        );
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        REQUEST.run(1, || {
            driver.turn(None).unwrap();
            assert_eq!(REQUEST.get(), Some(1));
        });
        assert_eq!(woken.try_recv().unwrap(), None);
    });
}

/// The first request opens a connection and waits on it, the second one uses it: its waits are in
/// the second request's frame, and nothing keeps the first one's.
#[test]
fn c56_a_pooled_connection_used_by_a_second_request_sees_the_second() {
    in_each_start_frame(|| {
        let reactor = Reactor::new();
        reactor.run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let connect = REQUEST.scope(1, TcpStream::connect(address));
            let (pooled, accepted) = futures::join!(connect, listener.accept());
            let (pooled, server) = (pooled.unwrap(), accepted.unwrap().0);
            for request in [1, 2] {
                let (waker, woken) = reporter();
                let mut buffer = [0; 4];
                let mut read = pin!(REQUEST.scope(request, pooled.read(&mut buffer)));
                assert!(
                    read.as_mut()
                        .poll(&mut Context::from_waker(&waker))
                        .is_pending()
                );
                server.write_all(b"x").await.unwrap();
                assert_eq!(woken.recv().unwrap(), Some(request));
                read.await.unwrap();
            }
        });
    });
}

#[test]
fn c56_an_idle_connection_keeps_no_frame() {
    in_each_start_frame(|| {
        let reactor = Reactor::new();
        reactor.run(async {
            let (client, server) = pair().await;
            let held = Held(Arc::new(()));
            let first = HELD.scope(held.clone(), async {
                let mut buffer = [0; 4];
                let (read, written) =
                    futures::join!(server.read(&mut buffer), client.write_all(b"x"));
                read.and(written.map(|()| 1)).unwrap();
            });
            first.await;
            while Arc::strong_count(&held.0) > 1 {
                // The driver may be about to drop the waker that it called.
                std::thread::yield_now();
            }
        });
    });
}
