//! Contract, "Wakes, time, I/O": C-50 to C-54, C-56, C-57 and C-59.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::TcpStream as StdStream;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use framewise::net::{Interest, TcpListener, TcpStream};
use framewise::task::yield_now;
use framewise::time::{
    TimerCallback, interval, set_interval, set_timeout, sleep, sleep_until, timeout, timeout_at,
};
use framewise::{ContextVar, Frame, bind, spawn, spawn_root};
use futures::StreamExt;
use futures::channel::{mpsc as channel, oneshot};
use support::{DropCall, ID, KEPT, Log, bound_here, call_waker, everywhere, on_drop, poll_once};

const TICK: Duration = Duration::from_millis(1);

static CALL: ContextVar<DropCall> = ContextVar::new("call");

/// Returns a stream on the runtime, and its blocking peer.
async fn connection() -> (TcpStream, StdStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().await.unwrap().0, peer)
}

/// Returns a waker that sends the value of [`ID`] in the frame of its call.
fn recording_waker() -> (std::task::Waker, mpsc::Receiver<Option<u64>>) {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let waker = call_waker(move || sender.lock().unwrap().send(ID.get()).unwrap());
    (waker, receiver)
}

#[test]
fn c50_a_foreign_waker_runs_in_its_callers_frame() {
    everywhere(|runtime, id| {
        // A task calls the waker in its own frame, and a worker that completes a task calls it in
        // the root frame.
        let (waker, woken) = recording_waker();
        drop(runtime.spawn(async move {
            waker.wake_by_ref();
            ID.run(10, || waker.wake());
        }));
        assert_eq!(
            (woken.recv().unwrap(), woken.recv().unwrap()),
            (id, Some(10))
        );
        let (waker, woken) = recording_waker();
        let (release, released) = oneshot::channel::<()>();
        let mut task = runtime.spawn(async { released.await.unwrap() });
        assert!(ID.run(11, || poll_once(&mut task, &waker)).is_pending());
        ID.run(12, || release.send(()).unwrap());
        assert_eq!(woken.recv().unwrap(), None);
        assert!(poll_once(&mut task, &waker).is_ready());
    });
}

#[test]
fn c50_a_foreign_waker_in_a_timer_or_a_socket_is_called_in_the_frame_that_registered_it() {
    everywhere(|runtime, id| {
        let _entered = runtime.enter();
        let (waker, woken) = recording_waker();
        let hour = Duration::from_secs(3_600);
        let (mut here, mut bound, mut moved) = (sleep(hour), sleep(hour), sleep(hour));
        assert!(poll_once(&mut here, &waker).is_pending());
        here.reset(Instant::now() + TICK);
        assert_eq!(woken.recv().unwrap(), id);
        assert!(ID.run(10, || poll_once(&mut bound, &waker)).is_pending());
        bound.reset(Instant::now() + TICK);
        assert_eq!(woken.recv().unwrap(), Some(10));
        // Registered again in another frame, with the same waker.
        assert!(ID.run(11, || poll_once(&mut moved, &waker)).is_pending());
        assert!(ID.run(12, || poll_once(&mut moved, &waker)).is_pending());
        moved.reset(Instant::now() + TICK);
        assert_eq!(woken.recv().unwrap(), Some(12));

        let (stream, mut peer) = runtime.block_on(connection());
        let ready = |frame| {
            let mut cx = std::task::Context::from_waker(&waker);
            ID.run(frame, || stream.poll_read_ready(&mut cx).is_pending())
        };
        assert!(ready(20) && ready(21));
        peer.write_all(b"a").unwrap();
        assert_eq!(woken.recv().unwrap(), Some(21));
        assert!(woken.try_recv().is_err(), "one event woke it twice");
    });
}

#[test]
fn c50_a_registered_wakers_frame_is_let_go_when_it_is_called_and_by_the_driver_at_the_root() {
    everywhere(|runtime, _| {
        let _entered = runtime.enter();
        let (sender, receiver) = mpsc::channel();
        let value = |what| {
            let sender = Mutex::new(sender.clone());
            on_drop(move || {
                let seen = (what, ID.get(), Frame::current().is_root());
                sender.lock().unwrap().send(seen).unwrap();
            })
        };
        let waker = call_waker(|| ());
        let mut timer = sleep(Duration::from_secs(3_600));
        let frame = bind(&CALL, value("timer")).and(&ID, 1).frame();
        assert!(frame.run(|| poll_once(&mut timer, &waker)).is_pending());
        drop(frame);
        timer.reset(Instant::now() + TICK);
        assert_eq!(receiver.recv().unwrap(), ("timer", None, true));

        let (stream, mut peer) = runtime.block_on(connection());
        let frame = bind(&CALL, value("socket")).and(&ID, 2).frame();
        frame.run(|| {
            let mut cx = std::task::Context::from_waker(&waker);
            assert!(stream.poll_read_ready(&mut cx).is_pending());
        });
        drop(frame);
        assert!(receiver.try_recv().is_err());
        peer.write_all(b"a").unwrap();
        assert_eq!(receiver.recv().unwrap(), ("socket", None, true));
        drop((timer, stream));
    });
}

#[test]
fn c51_after_a_sleep_or_a_timeout_the_task_is_in_its_frame() {
    everywhere(|runtime, id| {
        let check = move || async move {
            sleep(TICK).await;
            assert_eq!(ID.get(), id);
            sleep_until(Instant::now() + TICK).await;
            assert_eq!(ID.get(), id);
            let inside = timeout(Duration::from_secs(600), async {
                sleep(TICK).await;
                ID.get()
            });
            assert_eq!(inside.await, Ok(id));
            assert!(timeout(TICK, std::future::pending::<()>()).await.is_err());
            assert_eq!(ID.get(), id);
            let late = Instant::now() + TICK;
            assert!(
                timeout_at(late, std::future::pending::<()>())
                    .await
                    .is_err()
            );
            assert_eq!(ID.get(), id);
            let scoped = ID.scope(10, async {
                sleep(TICK).await;
                let limited = timeout(TICK, std::future::pending::<()>()).await;
                (limited.is_err(), ID.get())
            });
            assert_eq!(scoped.await, (true, Some(10)));
            assert_eq!(ID.get(), id);
        };
        runtime.block_on(runtime.spawn(check())).unwrap();
        runtime.block_on(check());
    });
}

#[test]
fn c51_what_a_timeout_gives_up_is_dropped_in_the_tasks_frame() {
    everywhere(|runtime, id| {
        let log = Log::default();
        let (plain, scoped) = (log.tracker("plain"), log.tracker("scoped"));
        let task = runtime.spawn(async move {
            let never = async move {
                let _plain = plain;
                std::future::pending::<()>().await;
            };
            let never_scoped = ID.scope(10, async move {
                let _scoped = scoped;
                std::future::pending::<()>().await;
            });
            assert!(timeout(TICK, never).await.is_err());
            assert!(timeout(TICK, never_scoped).await.is_err());
        });
        runtime.block_on(task).unwrap();
        assert_eq!(log.entries(), [("plain", id), ("scoped", Some(10))]);
    });
}

#[test]
fn c52_every_tick_of_an_interval_is_in_the_tasks_frame() {
    everywhere(|runtime, id| {
        let task = runtime.spawn(async move {
            let mut ticks = interval(TICK);
            for _ in 0..5 {
                ticks.tick().await;
                assert_eq!(ID.get(), id);
            }
            // Moved to another task, in another frame.
            let other = ID.run(10, || {
                spawn(async move {
                    for _ in 0..5 {
                        ticks.next().await.unwrap();
                        assert_eq!(ID.get(), Some(10));
                    }
                })
            });
            other.await.unwrap();
        });
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn c53_a_timer_callback_runs_in_the_registering_frame_at_every_firing() {
    everywhere(|runtime, id| {
        let _entered = runtime.enter();
        let (sender, receiver) = mpsc::channel();
        let kept = Arc::new(());
        let (frame, site) = bound_here(bind(&KEPT, Arc::clone(&kept)));
        let once = frame.run(|| {
            let sender = sender.clone();
            set_timeout(TICK, move || {
                sender.send((ID.get(), KEPT.is_bound())).unwrap()
            })
        });
        drop(frame);
        assert_eq!(receiver.recv().unwrap(), (id, true));
        // Registered by a task that has finished when the timer fires.
        let from_a_task = {
            let sender = sender.clone();
            runtime.spawn(ID.scope(10, async {
                set_timeout(TICK, move || {
                    sender.send((ID.get(), KEPT.is_bound())).unwrap()
                })
            }))
        };
        let from_a_task = runtime.block_on(from_a_task).unwrap();
        assert_eq!(receiver.recv().unwrap(), (Some(10), false));
        let bindings = bind(&KEPT, Arc::clone(&kept)).and(&ID, 11);
        let (frame, manys) = bound_here(bindings);
        let many = frame.run(|| {
            set_interval(TICK, move || {
                sender.send((ID.get(), KEPT.is_bound())).unwrap()
            })
        });
        drop(frame);
        for _ in 0..5 {
            assert_eq!(receiver.recv().unwrap(), (Some(11), true));
            manys.assert_live(1);
        }
        assert!(many.cancel());
        // The channel closes when the last call has returned and the callback is dropped.
        while receiver.recv().is_ok() {}
        // The worker releases the callbacks' frames right after them, while the handles are still
        // held.
        site.wait_until_none_is_live();
        manys.wait_until_none_is_live();
        assert!(!once.is_active() && !from_a_task.is_active() && !many.is_active());
    });
}

#[test]
fn c53_a_callbacks_frame_is_released_at_the_last_firing_and_on_cancel() {
    everywhere(|runtime, _| {
        let _entered = runtime.enter();
        let (sender, receiver) = mpsc::channel();
        // Creates a value that sends the frame in which it is dropped, while the handle is still
        // held.
        let value = |what| {
            let sender = Mutex::new(sender.clone());
            on_drop(move || sender.lock().unwrap().send((what, ID.get())).unwrap())
        };
        let fired = CALL.run(value("fired"), || {
            set_timeout(TICK, || assert!(CALL.is_bound()))
        });
        assert_eq!(receiver.recv().unwrap(), ("fired", None));
        let never = CALL.run(value("cancelled"), || {
            set_timeout(Duration::MAX, || unreachable!())
        });
        assert!(receiver.try_recv().is_err());
        ID.run(20, || assert!(never.cancel()));
        assert_eq!(receiver.try_recv().unwrap().0, "cancelled");
        let (tick, ticked) = mpsc::channel();
        let repeated = CALL.run(value("interval"), || {
            set_interval(TICK, move || {
                let _ = tick.send(());
            })
        });
        ticked.recv().unwrap();
        ticked.recv().unwrap();
        assert!(receiver.try_recv().is_err());
        repeated.cancel();
        assert_eq!(receiver.recv().unwrap().0, "interval");
        // The callback's captures are dropped in the registering frame.
        let log = Log::default();
        let (a, b) = (log.tracker("fired"), log.tracker("cancelled"));
        let one = ID.run(30, || set_timeout(TICK, move || drop(a)));
        assert_eq!(log.wait(1), [("fired", Some(30))]);
        let two = ID.run(31, || set_timeout(Duration::MAX, move || drop(b)));
        ID.run(32, || two.cancel());
        assert_eq!(log.wait(2)[1], ("cancelled", Some(31)));
        drop((fired, never, repeated, one, two));
    });
}

#[test]
fn c53_a_callback_may_cancel_its_own_handle_even_when_its_frame_holds_it() {
    type Slot = Arc<Mutex<Option<TimerCallback>>>;
    static OWN: ContextVar<Slot> = ContextVar::new("own");

    everywhere(|runtime, _| {
        for repeated in [false, true] {
            let _entered = runtime.enter();
            let slot = Slot::default();
            let kept = Arc::new(());
            let (sender, receiver) = mpsc::channel();
            let callback = move || {
                assert!(KEPT.is_bound());
                let own = OWN.with(|slot| slot.unwrap().lock().unwrap().take());
                // The slot is filled a moment after the registration.
                if let Some(own) = own {
                    sender.send(own.cancel()).unwrap();
                }
            };
            let guard = slot.lock().unwrap();
            let bindings = bind(&OWN, Arc::clone(&slot)).and(&KEPT, Arc::clone(&kept));
            let (frame, site) = bound_here(bindings);
            let handle = frame.run(|| {
                if repeated {
                    set_interval(TICK, callback)
                } else {
                    set_timeout(TICK, callback)
                }
            });
            drop(frame);
            let mut guard = guard;
            *guard = Some(handle);
            drop(guard);
            // `true` for an interval, because it would have fired again.
            assert_eq!(receiver.recv().unwrap(), repeated);
            // The callback and its sender are dropped after the last call.
            assert!(receiver.recv().is_err());
            // The worker releases the callback's frame right after it.
            site.wait_until_none_is_live();
            while Arc::strong_count(&kept) > 1 {
                std::thread::yield_now();
            }
            drop(slot);
        }
    });
}

#[test]
fn c54_a_channels_receiver_sees_its_own_frame() {
    everywhere(|runtime, _| {
        let (sender, mut receiver) = channel::channel(1);
        let task = ID.run(1, || {
            runtime.spawn(async move {
                let mut count = 0;
                while let Some(from) = receiver.next().await {
                    assert_eq!((from, ID.get()), (Some(2), Some(1)));
                    count += 1;
                }
                count
            })
        });
        let sending = ID.run(2, || {
            runtime.spawn(async move {
                let mut sender = sender;
                for _ in 0..100 {
                    poll_fn(|cx| sender.poll_ready(cx)).await.unwrap();
                    sender.start_send(ID.get()).unwrap();
                    yield_now().await;
                }
            })
        });
        runtime.block_on(sending).unwrap();
        assert_eq!(runtime.block_on(task).unwrap(), 100);
    });
}

/// Replies to each byte with its successor, on a thread outside the runtime.
fn answer(mut peer: StdStream) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut byte = [0];
        while peer.read_exact(&mut byte).is_ok() {
            byte[0] += 1;
            peer.write_all(&byte).unwrap();
        }
    })
}

#[test]
fn c56_a_pooled_connection_used_by_a_second_request_sees_the_second_request() {
    everywhere(|runtime, _| {
        let (stream, peer) = runtime.block_on(connection());
        let server = answer(peer);
        let pool = Arc::new(Mutex::new(Some(stream)));
        let request = |number: u64, kept: &Arc<()>| {
            let pool = Arc::clone(&pool);
            bind(&ID, number)
                .and(&KEPT, Arc::clone(kept))
                .frame()
                .scope(async move {
                    let stream = pool.lock().unwrap().take().unwrap();
                    let mut reply = [0];
                    for byte in 0..5 {
                        stream.write_all(&[byte]).await.unwrap();
                        assert_eq!(ID.get(), Some(number));
                        // Waits with a waker that the stream keeps between waits.
                        stream.readable().await.unwrap();
                        assert_eq!(ID.get(), Some(number));
                        assert_eq!(stream.read(&mut reply).await.unwrap(), 1);
                        assert_eq!((ID.get(), reply[0]), (Some(number), byte + 1));
                    }
                    *pool.lock().unwrap() = Some(stream);
                })
        };
        for number in 0..4 {
            let kept = Arc::new(());
            let request = request(number, &kept);
            // Alternate between a task and a foreign executor's waker, which the stream keeps
            // together with the frame.
            if number % 2 == 0 {
                runtime.block_on(runtime.spawn_root(request)).unwrap();
            } else {
                runtime.block_on(request);
                // The worker that called the waker is about to drop it.
                while Arc::strong_count(&kept) > 1 {
                    std::thread::yield_now();
                }
            }
            assert_eq!(
                Arc::strong_count(&kept),
                1,
                "the pool keeps request {number}'s value"
            );
        }
        drop(pool.lock().unwrap().take());
        server.join().unwrap();
    });
}

/// A client with one connection. The first call starts the task that drives the connection.
#[derive(Clone, Default)]
struct Client(Arc<Mutex<Option<channel::UnboundedSender<Call>>>>);

type Call = (u64, oneshot::Sender<(u64, Option<u64>)>);

impl Client {
    async fn call(&self, number: u64) -> (u64, Option<u64>) {
        let (reply, replied) = oneshot::channel();
        {
            let mut driver = self.0.lock().unwrap();
            let driver = driver.get_or_insert_with(|| {
                let (sender, mut calls) = channel::unbounded::<Call>();
                drop(spawn_root(async move {
                    while let Some((number, reply)) = calls.next().await {
                        sleep(TICK).await;
                        reply.send((number + 1, ID.get())).unwrap();
                    }
                }));
                sender
            });
            driver.unbounded_send((number, reply)).unwrap();
        }
        replied.await.unwrap()
    }
}

#[test]
fn c57_a_driver_task_started_by_the_first_request_at_the_root_frees_its_values() {
    everywhere(|runtime, _| {
        let client = Client::default();
        for number in 0..3 {
            let kept = Arc::new(());
            let bindings = bind(&ID, number).and(&KEPT, Arc::clone(&kept));
            let (frame, site) = bound_here(bindings);
            let request = {
                let client = client.clone();
                frame.run(|| {
                    runtime.spawn(async move {
                        let reply = client.call(number).await;
                        assert_eq!(ID.get(), Some(number));
                        reply
                    })
                })
            };
            drop(frame);
            assert_eq!(runtime.block_on(request).unwrap(), (number + 1, None));
            assert_eq!(
                Arc::strong_count(&kept),
                1,
                "the driver keeps request {number}'s value"
            );
            site.assert_live(0);
        }
    });
}

#[test]
fn c57_hypers_connection_task_is_put_at_the_root() {
    use framewise::hyper::FramewiseExecutor;
    use http_body_util::Empty;
    use hyper::body::Bytes;
    use hyper::rt::Executor;

    everywhere(|runtime, _| {
        let (stream, mut peer) = runtime.block_on(connection());
        let server = std::thread::spawn(move || {
            let mut seen = Vec::new();
            for _ in 0..2 {
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") {
                    peer.read_exact(&mut byte).unwrap();
                    request.push(byte[0]);
                }
                peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .unwrap();
                seen.push(request);
            }
            seen.len()
        });
        let sender = Arc::new(Mutex::new(None));
        let stream = Arc::new(Mutex::new(Some(stream)));
        for number in 0..2 {
            let kept = Arc::new(());
            let bindings = bind(&ID, number).and(&KEPT, Arc::clone(&kept));
            let (frame, site) = bound_here(bindings);
            let request = {
                let (sender, stream) = (Arc::clone(&sender), Arc::clone(&stream));
                frame.run(|| {
                    runtime.spawn(async move {
                        let fresh = stream.lock().unwrap().take();
                        if let Some(fresh) = fresh {
                            let (send, connection) =
                                hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(fresh)
                                    .await
                                    .unwrap();
                            FramewiseExecutor::at_root().execute(async move {
                                assert!(Frame::current().is_root());
                                let _ = connection.await;
                                assert!(Frame::current().is_root());
                            });
                            *sender.lock().unwrap() = Some(send);
                        }
                        let mut send = sender.lock().unwrap().take().unwrap();
                        send.ready().await.unwrap();
                        let request = hyper::Request::get("/")
                            .header("host", "localhost")
                            .body(Empty::new())
                            .unwrap();
                        let status = send.send_request(request).await.unwrap().status();
                        *sender.lock().unwrap() = Some(send);
                        (status.as_u16(), ID.get())
                    })
                })
            };
            drop(frame);
            assert_eq!(runtime.block_on(request).unwrap(), (200, Some(number)));
            assert_eq!(
                Arc::strong_count(&kept),
                1,
                "request {number}'s value is kept"
            );
            site.assert_live(0);
        }
        drop(sender.lock().unwrap().take());
        assert_eq!(server.join().unwrap(), 2);
    });
}

#[test]
fn c59_an_io_callback_runs_in_the_registering_frame() {
    everywhere(|runtime, id| {
        let (stream, mut peer) = runtime.block_on(connection());
        let stream = Arc::new(stream);
        let (sender, receiver) = mpsc::channel();
        let log = Log::default();
        let callback = {
            let (stream, owned) = (Arc::downgrade(&stream), log.tracker("callback"));
            stream
                .upgrade()
                .unwrap()
                .on_ready(Interest::READABLE, move |_| {
                    let _owned = &owned;
                    let mut byte = [0];
                    // Calls may be spurious, so only received data is reported.
                    while let Some(stream) = stream.upgrade()
                        && let Ok(1) = stream.try_read(&mut byte)
                    {
                        sender.send((byte[0], ID.get())).unwrap();
                    }
                })
        }
        .unwrap();
        for byte in 0..3 {
            ID.run(90, || peer.write_all(&[byte]).unwrap());
            assert_eq!(receiver.recv().unwrap(), (byte, id));
        }
        ID.run(91, || callback.cancel());
        assert_eq!(log.wait(1), [("callback", id)]);
        assert!(callback.is_cancelled());
        drop(stream);
    });
}

#[test]
fn c59_an_accept_loop_is_in_the_frame_of_the_task_that_awaits() {
    everywhere(|runtime, id| {
        let (listening, address) = mpsc::channel();
        let server = runtime.spawn(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            assert_eq!(ID.get(), id);
            listening.send(listener.local_addr().unwrap()).unwrap();
            for connection in 0..3 {
                let (stream, _) = listener.accept().await.unwrap();
                assert_eq!(ID.get(), id);
                // Each connection is in its own frame, bound at the spawn.
                let served = ID.run(100 + connection, || {
                    spawn(async move {
                        let mut byte = [0];
                        stream.read(&mut byte).await.unwrap();
                        let seen = ID.get();
                        stream.write_all(&[seen.unwrap() as u8]).await.unwrap();
                        assert_eq!(ID.get(), seen);
                    })
                });
                served.await.unwrap();
                assert_eq!(ID.get(), id);
            }
        });
        let address = address.recv().unwrap();
        for connection in 0..3 {
            let client = ID.run(50, || {
                runtime.spawn(async move {
                    let stream = TcpStream::connect(address).await.unwrap();
                    assert_eq!(ID.get(), Some(50));
                    stream.write_all(&[1]).await.unwrap();
                    let mut byte = [0];
                    assert_eq!(stream.read(&mut byte).await.unwrap(), 1);
                    (byte[0], ID.get())
                })
            });
            assert_eq!(
                runtime.block_on(client).unwrap(),
                (100 + connection, Some(50))
            );
        }
        runtime.block_on(server).unwrap();
    });
}

#[test]
fn c59_a_name_look_up_leaves_the_awaiters_frame_as_it_was() {
    everywhere(|runtime, id| {
        runtime.block_on(async {
            let found = framewise::net::lookup_host("localhost:80").await.unwrap();
            assert!(found.count() > 0);
            assert_eq!(ID.get(), id);
        });
    });
}
