//! The contract of frames when I/O calls user code: C-50, C-51, C-56 and C-59.

#![allow(clippy::unwrap_used)]

mod common;

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Waker};
use std::time::Duration;

use common::{Reactor, pair, spawner};
use framewise_context::{ContextVar, Frame};
use framewise_io::net::{TcpListener, TcpStream};
use framewise_io::{Batch, Interest, IoDriver, Ready, ReadyCallback};
use framewise_test_support::{DropCall, call_waker, in_each_start_frame, on_drop};

static REQUEST: ContextVar<u32> = ContextVar::new("request");

/// A user-supplied waker that reports the frame in which it runs.
fn reporter() -> (Waker, Receiver<Option<u32>>) {
    let (sender, receiver) = channel();
    let waker = call_waker(move || sender.send(REQUEST.get()).unwrap());
    (waker, receiver)
}

/// A value that reports the frame in which it is dropped.
fn reports_drop(sender: Sender<Option<u32>>) -> DropCall {
    on_drop(move || {
        let _ = sender.send(REQUEST.get());
    })
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

/// A value whose references are counted.
#[derive(Clone, Debug)]
struct Held(Arc<()>);

static HELD: ContextVar<Held> = ContextVar::new("held");

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

/// Registers a callback that reports each call: the frame and the readiness.
fn record_calls(
    stream: &TcpStream,
    interest: Interest,
) -> (ReadyCallback, Receiver<(Option<u32>, Ready)>) {
    let (sender, receiver) = channel();
    let callback = stream
        .on_ready(interest, move |ready| {
            sender.send((REQUEST.get(), ready)).unwrap()
        })
        .unwrap();
    (callback, receiver)
}

#[test]
fn c59_a_callback_runs_in_the_registering_frame_at_every_event() {
    in_each_start_frame(|| {
        let reactor = Reactor::new();
        reactor.run(async {
            let (client, server) = pair().await;
            let (_first, first_called) =
                REQUEST.run(1, || record_calls(&server, Interest::READABLE));
            let (_second, second_called) =
                REQUEST.run(2, || record_calls(&server, Interest::READABLE));
            for _ in 0..3 {
                REQUEST.scope(9, client.write_all(b"x")).await.unwrap();
                for (called, request) in [(&first_called, 1), (&second_called, 2)] {
                    let (seen, ready) = called.recv().unwrap();
                    assert_eq!(seen, Some(request));
                    assert!(ready.is_readable());
                }
                REQUEST.scope(9, server.read(&mut [0; 4])).await.unwrap();
            }
        });
    });
}

#[test]
fn c59_an_accept_loop_runs_in_the_frame_of_the_task_that_awaits() {
    in_each_start_frame(|| {
        let reactor = Reactor::new();
        reactor.run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let accept = REQUEST.scope(1, async {
                for _ in 0..3 {
                    listener.accept().await.unwrap();
                    assert_eq!(REQUEST.get(), Some(1));
                }
            });
            let connect = REQUEST.scope(2, async {
                for _ in 0..3 {
                    TcpStream::connect(address).await.unwrap();
                    assert_eq!(REQUEST.get(), Some(2));
                }
            });
            futures::join!(accept, connect);
        });
    });
}

#[test]
fn c59_a_callback_on_a_source_that_is_already_ready_is_called_once() {
    in_each_start_frame(|| {
        let reactor = Reactor::new();
        reactor.run(async {
            let (client, server) = pair().await;
            client.write_all(b"x").await.unwrap();
            server.readable().await.unwrap();
            // The earlier readiness is reported although no edge follows.
            let (_callback, called) = REQUEST.run(5, || record_calls(&server, Interest::READABLE));
            let (seen, ready) = called.recv().unwrap();
            assert_eq!((seen, ready.is_readable()), (Some(5), true));
            // Only the readiness of its interest.
            let (_callback, called) = record_calls(&server, Interest::WRITABLE);
            let (_, ready) = called.recv().unwrap();
            assert!(ready.is_writable() && !ready.is_readable());
        });
    });
}

#[test]
fn c59_a_cancelled_callback_is_dropped_in_its_frame_and_not_called_again() {
    in_each_start_frame(|| {
        let reactor = Reactor::new();
        reactor.run(async {
            let (client, server) = pair().await;
            let register = |stream: &TcpStream| {
                let (sender, receiver) = channel();
                let owned = reports_drop(sender);
                let callback = stream.on_ready(Interest::READABLE, move |_| {
                    let _ = &owned;
                });
                (callback.unwrap(), receiver)
            };
            // Canceled in another frame.
            let (callback, dropped) = REQUEST.run(1, || register(&server));
            REQUEST.run(2, || callback.cancel());
            assert_eq!(dropped.try_recv().unwrap(), Some(1));
            assert!(callback.is_cancelled());
            callback.cancel();
            // Dropped with its source.
            let (callback, dropped) = REQUEST.run(3, || register(&server));
            REQUEST.run(4, || drop(server));
            assert_eq!(dropped.try_recv().unwrap(), Some(3));
            assert!(callback.is_cancelled());
            // Dropping its handle has no effect.
            let (callback, dropped) = REQUEST.run(5, || register(&client));
            drop(callback);
            assert!(dropped.try_recv().is_err());
        });
    });
}

#[test]
fn c59_shutdown_drops_callbacks_in_their_frames() {
    in_each_start_frame(|| {
        let mut reactor = Reactor::new();
        let (sender, dropped) = channel();
        let (_client, server) = reactor.run(pair());
        // The callback owns its stream, a cycle that only shutdown or `cancel` breaks.
        let server = Arc::new(server);
        let owned = (reports_drop(sender), Arc::clone(&server));
        REQUEST.run(1, || {
            server
                .on_ready(Interest::READABLE, move |_| {
                    let _ = &owned;
                })
                .unwrap();
        });
        reactor.stop();
        assert_eq!(dropped.try_recv().unwrap(), Some(1));
        assert_eq!(Arc::strong_count(&server), 1);
    });
}

#[test]
fn c59_a_callback_may_cancel_itself_and_register_another() {
    in_each_start_frame(|| {
        let reactor = Reactor::new();
        reactor.run(async {
            let (client, server) = pair().await;
            let server = Arc::new(server);
            let own = Arc::new(OnceLock::<ReadyCallback>::new());
            let (sender, receiver) = channel();
            let callback = REQUEST.run(1, || {
                let (own, watched) = (Arc::clone(&own), Arc::downgrade(&server));
                server.on_ready(Interest::READABLE, move |_| {
                    own.wait().cancel();
                    let sender = sender.clone();
                    let registered = REQUEST.run(2, || {
                        watched
                            .upgrade()
                            .unwrap()
                            .on_ready(Interest::READABLE, move |_| {
                                let _ = sender.send(REQUEST.get());
                            })
                    });
                    registered.unwrap();
                })
            });
            own.set(callback.unwrap()).unwrap();
            client.write_all(b"x").await.unwrap();
            // The second is called for the bytes that are still there, in its own frame.
            assert_eq!(receiver.recv().unwrap(), Some(2));
            assert!(own.wait().is_cancelled());
            assert_eq!(server.read(&mut [0; 4]).await.unwrap(), 1);
            client.write_all(b"y").await.unwrap();
            assert_eq!(receiver.recv().unwrap(), Some(2));
        });
    });
}

#[test]
fn c59_a_callback_may_drop_its_source() {
    in_each_start_frame(|| {
        let reactor = Reactor::new();
        reactor.run(async {
            let (client, server) = pair().await;
            let slot = Arc::new(Mutex::new(None));
            let (sender, done) = channel();
            let callback = {
                let slot = Arc::clone(&slot);
                server.on_ready(Interest::READABLE, move |_| {
                    let server: Option<TcpStream> = slot.lock().unwrap().take();
                    drop(server);
                    sender.send(()).unwrap();
                })
            };
            *slot.lock().unwrap() = Some(server);
            client.write_all(b"x").await.unwrap();
            done.recv().unwrap();
            // The peer reads the end.
            while client.read(&mut [0; 4]).await.is_ok_and(|count| count > 0) {}
            // The closure, with its end of the channel, is dropped when its call returns.
            assert!(done.recv().is_err());
            assert!(callback.unwrap().is_cancelled());
        });
    });
}

/// A panic of a destructor propagates from the drop of the stream. The other callbacks are dropped,
/// too.
#[test]
fn c59_a_callback_whose_destructor_panics_keeps_no_other_alive() {
    in_each_start_frame(|| {
        struct Panics;
        impl Drop for Panics {
            fn drop(&mut self) {
                panic!("in a destructor");
            }
        }
        Reactor::new().run(async {
            let (_client, server) = pair().await;
            let callbacks: Vec<ReadyCallback> = (0..3)
                .map(|_| {
                    let owned = Panics;
                    let call = move |_| {
                        let _ = &owned;
                    };
                    server.on_ready(Interest::READABLE, call).unwrap()
                })
                .collect();
            let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(server)));
            let payload = dropped.unwrap_err();
            assert_eq!(payload.downcast_ref(), Some(&"in a destructor"));
            assert!(callbacks.iter().all(ReadyCallback::is_cancelled));
        });
    });
}

/// A destructor that panics when a callback's frame is dropped does not keep other callbacks alive.
#[test]
fn c59_a_frame_whose_values_panic_keeps_no_other_callback_alive() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("at an end");
        }
    }
    static BOUND: ContextVar<Panics> = ContextVar::new("bound");
    in_each_start_frame(|| {
        Reactor::new().run(async {
            let (_client, server) = pair().await;
            let callbacks: Vec<ReadyCallback> = (0..3)
                .map(|_| {
                    let owned = Panics;
                    let call = move |_| {
                        let _ = &owned;
                    };
                    BOUND.run(Panics, || {
                        server.on_ready(Interest::READABLE, call).unwrap()
                    })
                })
                .collect();
            let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(server)));
            let payload = dropped.unwrap_err();
            assert_eq!(payload.downcast_ref(), Some(&"at an end"));
            assert!(callbacks.iter().all(ReadyCallback::is_cancelled));
        });
    });
}

#[test]
fn c59_a_callback_that_panics_is_reported_and_ended_and_the_driver_goes_on() {
    in_each_start_frame(|| {
        let reactor = Reactor::new();
        reactor.run(async {
            let (client, server) = pair().await;
            let callback = REQUEST.run(1, || {
                server.on_ready(Interest::READABLE, |_| {
                    REQUEST.run(2, || panic!("in a callback"))
                })
            });
            let (_other, called) = record_calls(&server, Interest::READABLE);
            client.write_all(b"x").await.unwrap();
            called.recv().unwrap();
            let report = reactor.panics.recv().unwrap();
            let [panic] = <[_; 1]>::try_from(report.panics).unwrap();
            assert_eq!(panic.frame().run(|| REQUEST.get()), Some(2));
            let (payload, _) = panic.into_parts();
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"in a callback"));
            assert!(callback.unwrap().is_cancelled());
            server.read(&mut [0; 4]).await.unwrap();
            client.write_all(b"y").await.unwrap();
            called.recv().unwrap();
        });
    });
}

/// Each call of a listener's callback accepts all connections that have arrived.
#[test]
fn c59_a_listeners_callback_accepts() {
    in_each_start_frame(|| {
        let reactor = Reactor::new();
        let listener = Arc::new(reactor.run(TcpListener::bind("127.0.0.1:0")).unwrap());
        let address = listener.local_addr().unwrap();
        let (sender, accepted) = channel();
        let callback = REQUEST.run(1, || {
            let (handle, watched) = (reactor.handle.clone(), Arc::downgrade(&listener));
            listener.on_ready(Interest::READABLE, move |_| {
                let _guard = handle.enter();
                while let Some(Ok((_, peer))) = watched.upgrade().map(|socket| socket.try_accept())
                {
                    sender.send((REQUEST.get(), peer)).unwrap();
                }
            })
        });
        for _ in 0..5 {
            let client = std::net::TcpStream::connect(address).unwrap();
            let (request, peer) = accepted.recv_timeout(Duration::from_secs(60)).unwrap();
            assert_eq!((request, peer), (Some(1), client.local_addr().unwrap()));
        }
        callback.unwrap().cancel();
        assert!(accepted.recv().is_err());
    });
}

/// A canceled callback keeps no frame.
#[test]
fn c59_a_cancelled_callback_releases_its_frame() {
    in_each_start_frame(|| {
        let reactor = Reactor::new();
        reactor.run(async {
            let (_client, server) = pair().await;
            let held = Held(Arc::new(()));
            let callback = HELD.run(held.clone(), || {
                assert!(!Frame::current().is_root());
                server.on_ready(Interest::READABLE, |_| {}).unwrap()
            });
            assert_eq!(Arc::strong_count(&held.0), 2);
            callback.cancel();
            assert_eq!(Arc::strong_count(&held.0), 1);
        });
    });
}

/// Two threads dispatch a batch each. The second does not call a callback that runs on the first.
/// The first calls it again for the second's event when it returns.
#[test]
fn c59_a_callback_is_not_called_by_two_threads_at_once_and_misses_nothing() {
    in_each_start_frame(|| {
        let (mut driver, handle) = IoDriver::new(spawner()).unwrap();
        let _guard = handle.enter();
        let listener = futures::executor::block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, called) = channel();
        let (go_on, may_go_on) = channel::<()>();
        let callback = REQUEST.run(1, || {
            listener.on_ready(Interest::READABLE, move |_| {
                sender
                    .send((REQUEST.get(), std::thread::current().id()))
                    .unwrap();
                may_go_on.recv().unwrap();
            })
        });
        let mut event = || {
            let mut batch = Batch::default();
            let client = std::net::TcpStream::connect(address).unwrap();
            while batch.is_empty() {
                driver.wait(None, &mut batch).unwrap();
            }
            (client, batch)
        };
        let (_first, mut batch) = event();
        let thread = std::thread::spawn(move || batch.dispatch());
        let (request, by) = called.recv().unwrap();
        assert_eq!((request, by), (Some(1), thread.thread().id()));

        // The second event: the dispatch returns although the callback is blocked.
        let (_second, mut batch) = event();
        batch.dispatch();
        assert!(called.try_recv().is_err());
        go_on.send(()).unwrap();
        assert_eq!(called.recv().unwrap(), (Some(1), by));
        go_on.send(()).unwrap();
        thread.join().unwrap();
        callback.unwrap().cancel();
    });
}
