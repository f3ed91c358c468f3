//! Readiness callbacks (C-59).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use framewise_context::{ContextVar, Frame};
use framewise_io::net::{TcpListener, TcpStream};
use framewise_io::{Batch, Interest, IoDriver, Ready, ReadyCallback};
use framewise_test_support::in_each_start_frame;

use crate::common::{Reactor, pair, spawner};
use crate::{HELD, Held, REQUEST, reports_drop};

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

/// A value whose destructor panics.
struct Panics;

impl Drop for Panics {
    fn drop(&mut self) {
        panic!("in a destructor");
    }
}

/// Registers a callback that owns a value whose destructor panics.
fn register_panicking(stream: &TcpStream) -> ReadyCallback {
    let owned = Panics;
    let callback = stream.on_ready(Interest::READABLE, move |_| {
        let _ = &owned;
    });
    callback.unwrap()
}

/// Drops a stream with three callbacks of `register`, each of which panics as it is dropped. A
/// panic propagates from the drop of the stream. The other callbacks are dropped, too.
fn check_panicking_drop(register: fn(&TcpStream) -> ReadyCallback) {
    in_each_start_frame(|| {
        Reactor::new().run(async {
            let (_client, server) = pair().await;
            let callbacks = [(); 3].map(|()| register(&server));
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(server)));
            let payload = dropped.unwrap_err();
            assert_eq!(payload.downcast_ref(), Some(&"in a destructor"));
            assert!(callbacks.iter().all(ReadyCallback::is_cancelled));
        });
    });
}

#[test]
fn c59_a_callback_whose_destructor_panics_keeps_no_other_alive() {
    check_panicking_drop(register_panicking);
}

#[test]
fn c59_a_frame_whose_values_panic_keeps_no_other_callback_alive() {
    static BOUND: ContextVar<Panics> = ContextVar::new("bound");
    check_panicking_drop(|stream| BOUND.run(Panics, || register_panicking(stream)));
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
