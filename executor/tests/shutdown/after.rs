//! The behavior of wakers, timers, sockets, handles and callers that outlive their runtime.

use std::future::pending;
use std::sync::{Arc, Mutex, mpsc};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use framewise::net::{TcpListener, TcpStream};
use framewise::runtime::Handle;
use framewise::spawn;
use framewise::task::LocalSet;
use framewise::time::{Instant, interval, set_interval, set_timeout, sleep};
use framewise_test_support::{
    ID, KEPT, Log, at_once, call_waker, on_drop, panic_message, pause, poll_once, runtime,
    with_workers,
};

#[test]
fn wakers_timers_and_sockets_that_outlive_the_runtime_are_harmless() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let kept = Arc::new(());
        let (waker, wakers) = mpsc::channel::<Waker>();
        for _ in 0..10 {
            let waker = waker.clone();
            drop(KEPT.run(Arc::clone(&kept), || {
                runtime.spawn(pause(move |own| waker.send(own.clone()).unwrap()))
            }));
        }
        let wakers: Vec<_> = wakers.iter().take(10).collect();
        let (mut asleep, mut fresh, mut ticks, stream, peer) = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            // It is taken to be readable until a read finds nothing, and no event comes meanwhile.
            while futures::FutureExt::now_or_never(stream.readable()).is_some() {
                stream.try_read(&mut [0]).unwrap_err();
            }
            let day = Duration::from_secs(86_400);
            (sleep(day), sleep(day), interval(day), stream, peer)
        });
        assert!(poll_once(&mut asleep, Waker::noop()).is_pending());
        let (woken, is_woken) = mpsc::channel();
        let woken = Mutex::new(woken);
        let telling = call_waker(move || {
            let _ = woken.lock().unwrap().send(());
        });
        let mut cx = std::task::Context::from_waker(&telling);
        assert!(stream.poll_read_ready(&mut cx).is_pending());
        let called = {
            let _entered = runtime.enter();
            let owned = on_drop(|| ());
            KEPT.run(Arc::clone(&kept), || {
                let day = Duration::from_secs(86_400);
                let once = set_timeout(day, move || drop(owned));
                (
                    once,
                    set_interval(day, || unreachable!("a day has not passed")),
                )
            })
        };
        let handle = runtime.handle().clone();
        drop(runtime);
        // All waiters were woken; frames and closures are dropped.
        is_woken.recv().unwrap();
        assert_eq!(Arc::strong_count(&kept), 1);
        assert!(!called.0.is_active() && !called.1.is_active());
        assert!(!called.0.cancel() && !called.1.cancel());
        for waker in wakers {
            waker.wake_by_ref();
            drop(waker.clone());
            waker.wake();
        }
        let message = panic_message(|| poll_once(&mut asleep, Waker::noop()));
        assert!(message.contains("was shut down"), "{message}");
        let message = panic_message(|| poll_once(&mut fresh, Waker::noop()));
        assert!(message.contains("was shut down"), "{message}");
        assert!(at_once(ticks.tick()) <= Instant::now());
        let error = at_once(stream.readable()).unwrap_err();
        assert!(error.to_string().contains("shutting down"), "{error}");
        assert!(at_once(stream.read(&mut [0])).is_err());
        let _entered = handle.enter();
        let error = at_once(TcpListener::bind("127.0.0.1:0")).unwrap_err();
        assert!(error.to_string().contains("shutting down"), "{error}");
        let late = set_timeout(Duration::ZERO, || unreachable!("the runtime is over"));
        assert!(!late.is_active());
        drop((stream, peer));
    });
}

#[test]
fn a_handle_outlives_its_runtime_and_cancels_what_it_is_given() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let handle = runtime.handle().clone();
        let entered = handle.enter();
        drop(runtime);
        let log = Log::default();
        let (a, b, c) = (
            log.tracker("task"),
            log.tracker("call"),
            log.tracker("ambient"),
        );
        let task = ID.run(1, || handle.spawn(async move { drop(a) }));
        let call = ID.run(2, || handle.spawn_blocking(move || drop(b)));
        let ambient = ID.run(3, || spawn(async move { drop(c) }));
        assert_eq!(
            log.entries(),
            [("task", Some(1)), ("call", Some(2)), ("ambient", Some(3))]
        );
        assert!(at_once(task).unwrap_err().is_cancelled());
        assert!(at_once(call).unwrap_err().is_cancelled());
        assert!(at_once(ambient).unwrap_err().is_cancelled());
        // A future that needs no runtime still runs.
        assert_eq!(handle.block_on(async { 7 }), 7);
        assert_eq!(
            LocalSet::new().block_on(&framewise_test_support::runtime(1), async { 8 }),
            8
        );
        drop(entered);
    });
}

#[test]
fn a_block_on_in_another_thread_sees_the_end_of_what_it_waits_for() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let handle: Handle = runtime.handle().clone();
        let (waiting, is_waiting) = mpsc::channel();
        let waiter = thread::spawn(move || {
            handle.block_on(async move {
                let task = spawn(pending::<()>());
                let stream = {
                    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    let address = listener.local_addr().unwrap();
                    let stream = TcpStream::connect(address).await.unwrap();
                    (stream, listener)
                };
                waiting.send(()).unwrap();
                let joined = task.await;
                let read = stream.0.read(&mut [0]).await;
                (joined.unwrap_err().is_cancelled(), read.is_err())
            })
        });
        is_waiting.recv().unwrap();
        drop(runtime);
        assert_eq!(waiter.join().unwrap(), (true, true));
    });
}
