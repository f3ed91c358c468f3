//! Signals: listeners in one runtime and in several, in their frames. Signals are process-wide, so
//! one test runs at a time, and each raises its signals on its own thread: the handler has then run
//! when `raise` returns. (A forked child's signals are in `bugs/fork.rs`, how signals count for the
//! budget is in `budget/`.)
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::Future;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::{Context, Poll, Waker};

use framewise::runtime::Builder;
use framewise::signal::ctrl_c;
use framewise::signal::unix::{Signal, SignalKind, signal};
use framewise::{ContextVar, spawn};
use framewise_test_support::{
    CountingWaker, HangWatch, ID, Log, at_once, call_waker, everywhere, on_workers, poll_once,
    runtime, while_occupied, with_workers,
};

const USR1: SignalKind = SignalKind::user_defined1();
const USR2: SignalKind = SignalKind::user_defined2();

/// Keeps other tests from raising signals, and the test from hanging.
fn alone() -> (MutexGuard<'static, ()>, HangWatch) {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    (alone, HangWatch::new("a signal"))
}

fn raise(kind: SignalKind) {
    // SAFETY: the tests raise only signals with a listener, whose handler is async-signal-safe.
    assert_eq!(unsafe { libc::raise(kind.as_raw_value()) }, 0);
}

fn poll(listener: &mut Signal) -> Poll<Option<()>> {
    listener.poll_recv(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn every_listener_gets_a_signal() {
    let _alone = alone();
    on_workers(|runtime| {
        let listen = || {
            let mut listener = signal(USR1).unwrap();
            spawn(async move { listener.recv().await })
        };
        runtime.block_on(async {
            let mut other = signal(USR2).unwrap();
            let tasks = [listen(), listen(), listen()];
            let mut own = signal(USR1).unwrap();
            // SAFETY: the signal has a listener; the system chooses the thread that it interrupts.
            assert_eq!(unsafe { libc::kill(libc::getpid(), libc::SIGUSR1) }, 0);
            for task in tasks {
                assert_eq!(task.await.unwrap(), Some(()));
            }
            assert_eq!(own.recv().await, Some(()));
            assert!(poll(&mut own).is_pending());
            assert!(poll(&mut other).is_pending());
        });
    });
}

#[test]
fn signals_of_before_the_listener_are_not_received() {
    let _alone = alone();
    let runtime = runtime(2);
    let _entered = runtime.enter();
    let mut early = signal(USR1).unwrap();
    raise(USR1);
    let mut late = signal(USR1).unwrap();
    assert!(poll(&mut late).is_pending());
    assert_eq!(poll(&mut early), Poll::Ready(Some(())));
}

#[test]
fn many_signals_are_received_as_one_and_the_last_one_is() {
    let _alone = alone();
    let runtime = runtime(1);
    let mut listener = runtime.block_on(async { signal(USR1).unwrap() });
    let mut waiting = runtime.block_on(async { signal(USR1).unwrap() });
    let (counter, waker) = CountingWaker::new();
    let mut cx = Context::from_waker(&waker);
    assert!(waiting.poll_recv(&mut cx).is_pending());
    // No worker empties the pipe, which is soon full.
    while_occupied(&runtime, 1, || (0..10_000).for_each(|_| raise(USR1)));
    while counter.wakes() == 0 {
        std::thread::yield_now();
    }
    runtime.block_on(async {
        assert_eq!(listener.recv().await, Some(()));
        assert!(poll(&mut listener).is_pending());
        raise(USR1);
        assert_eq!(listener.recv().await, Some(()));
    });
    assert_eq!(waiting.poll_recv(&mut cx), Poll::Ready(Some(())));
    drop(runtime);
    assert_eq!(counter.wakes(), 1, "one wait is woken once");
}

/// Each signal wakes a listener that waits, whatever the driver is doing.
#[test]
fn a_signal_for_each_wait() {
    let _alone = alone();
    on_workers(|runtime| {
        let mut listener = runtime.block_on(async { signal(USR1).unwrap() });
        let (received, receives) = mpsc::channel();
        let receiver = runtime.spawn(async move {
            for _ in 0..200 {
                listener.recv().await.unwrap();
                received.send(()).unwrap();
            }
        });
        for _ in 0..200 {
            raise(USR1);
            receives.recv().unwrap();
        }
        runtime.block_on(receiver).unwrap();
    });
}

#[test]
fn a_dropped_recv_loses_nothing() {
    let _alone = alone();
    let runtime = runtime(2);
    runtime.block_on(async {
        let mut listener = signal(USR1).unwrap();
        let (counter, waker) = CountingWaker::new();
        assert!(poll_once(&mut pin!(listener.recv()), &waker).is_pending());
        raise(USR1);
        assert_eq!(listener.recv().await, Some(()));
        let mut unpolled = pin!(listener.recv());
        assert!(poll_once(&mut unpolled, Waker::noop()).is_pending());
        assert_eq!(counter.wakes(), 0, "the wait was over");
    });
}

#[test]
fn runtimes_come_and_go() {
    let _alone = alone();
    let one = runtime(2);
    let mut of_one = one.block_on(async { signal(USR1).unwrap() });
    {
        let two = runtime(1);
        let mut of_two = two.block_on(async { signal(USR1).unwrap() });
        let waits = two.spawn(async move { (of_two.recv().await, of_two) });
        raise(USR1);
        let (received, mut of_two) = two.block_on(waits).unwrap();
        assert_eq!(received, Some(()));
        assert_eq!(one.block_on(of_one.recv()), Some(()));
        // One that waits elsewhere, one that waits again after a signal, and one that waits later.
        let elsewhere = two.block_on(async { signal(USR2).unwrap() });
        let mut with_signal = two.block_on(async { signal(USR2).unwrap() });
        let mut elsewhere_waits = one.spawn(async move { { elsewhere }.recv().await });
        assert!(poll_once(&mut elsewhere_waits, Waker::noop()).is_pending());
        raise(USR2);
        assert_eq!(one.block_on(elsewhere_waits).unwrap(), Some(()));
        drop(two);
        assert_eq!(at_once(with_signal.recv()), Some(()));
        assert_eq!(at_once(with_signal.recv()), None);
        assert_eq!(at_once(of_two.recv()), None);
    }
    raise(USR1);
    assert_eq!(one.block_on(of_one.recv()), Some(()));
    let three = runtime(1);
    let mut of_three = three.block_on(async { signal(USR1).unwrap() });
    drop(one);
    raise(USR1);
    assert_eq!(three.block_on(of_three.recv()), Some(()));
    assert_eq!(at_once(of_one.recv()), None);
}

#[test]
fn the_end_of_a_runtime_ends_a_wait() {
    let _alone = alone();
    with_workers(|workers| {
        let ends = runtime(workers);
        let mut listener = ends.block_on(async { signal(USR1).unwrap() });
        let other = runtime(1);
        let (polled, is_polled) = mpsc::channel();
        let wait = other.spawn(async move {
            let mut recv = pin!(listener.recv());
            assert!(poll_once(&mut recv, Waker::noop()).is_pending());
            polled.send(()).unwrap();
            recv.await
        });
        is_polled.recv().unwrap();
        let entered = ends.handle().clone();
        drop(ends);
        assert_eq!(other.block_on(wait).unwrap(), None);
        let _entered = entered.enter();
        let error = signal(USR1).unwrap_err();
        assert!(error.to_string().contains("shutting down"), "{error}");
        let error = signal(SignalKind::hangup()).unwrap_err();
        assert!(error.to_string().contains("shutting down"), "{error}");
    });
}

#[test]
fn ctrl_c_is_sigint_from_the_first_poll_on() {
    let _alone = alone();
    let runtime = runtime(2);
    runtime.block_on(async {
        let mut wait = pin!(ctrl_c());
        assert!(poll_once(&mut wait, Waker::noop()).is_pending());
        raise(SignalKind::interrupt());
        wait.await.unwrap();
    });
    let mut wait = Box::pin(ctrl_c());
    {
        let _entered = runtime.enter();
        assert!(poll_once(&mut wait, Waker::noop()).is_pending());
    }
    drop(runtime);
    at_once(wait).unwrap_err();
}

#[test]
fn what_cannot_be_listened_to_is_an_error() {
    let _alone = alone();
    assert!(signal(USR1).is_err(), "outside of a runtime");
    let runtime = runtime(1);
    let _entered = runtime.enter();
    for forbidden in [
        libc::SIGKILL,
        libc::SIGSTOP,
        libc::SIGILL,
        libc::SIGFPE,
        libc::SIGSEGV,
    ] {
        let error = signal(SignalKind::from_raw(forbidden)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains(&forbidden.to_string()));
    }
    for unknown in [-1, 0, 10_000] {
        let error = signal(SignalKind::from_raw(unknown)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{unknown}");
    }
    // The runtime's pipe still works.
    let mut listener = signal(USR1).unwrap();
    raise(USR1);
    assert_eq!(runtime.block_on(listener.recv()), Some(()));
}

#[test]
fn the_kinds_are_the_systems() {
    let kinds = [
        (SignalKind::alarm(), libc::SIGALRM),
        (SignalKind::child(), libc::SIGCHLD),
        (SignalKind::hangup(), libc::SIGHUP),
        (SignalKind::interrupt(), libc::SIGINT),
        (SignalKind::io(), libc::SIGIO),
        (SignalKind::pipe(), libc::SIGPIPE),
        (SignalKind::quit(), libc::SIGQUIT),
        (SignalKind::terminate(), libc::SIGTERM),
        (SignalKind::user_defined1(), libc::SIGUSR1),
        (SignalKind::user_defined2(), libc::SIGUSR2),
        (SignalKind::window_change(), libc::SIGWINCH),
    ];
    let _alone = alone();
    let runtime = runtime(1);
    for (kind, number) in kinds {
        assert_eq!((kind, i32::from(kind)), (SignalKind::from(number), number));
        let mut listener = runtime.block_on(async { signal(kind).unwrap() });
        raise(kind);
        assert_eq!(runtime.block_on(listener.recv()), Some(()), "{kind:?}");
    }
}

#[test]
fn c59_after_a_signal_the_frame_is_the_awaiting_tasks() {
    let _alone = alone();
    everywhere(|runtime, id| {
        let mut listener = ID.run(90, || {
            let _entered = runtime.enter();
            signal(USR1).unwrap()
        });
        let (polled, is_polled) = mpsc::channel();
        let task = runtime.spawn(async move {
            let outer = ID.get();
            let inner = ID.scope(7, async {
                polled.send(()).unwrap();
                (listener.recv().await, ID.get())
            });
            (outer, inner.await, ID.get())
        });
        is_polled.recv().unwrap();
        raise(USR1);
        let seen = runtime.block_on(task).unwrap();
        assert_eq!(seen, (id, (Some(()), Some(7)), id));
    });
}

/// C-50: a waker of another executor is called in the frame that registered it. C-90: neither the
/// listener nor the runtime keeps a frame of a request whose wait is over.
#[test]
fn c90_a_listener_keeps_nothing_of_a_request() {
    static REQUEST: ContextVar<Arc<u8>> = ContextVar::new("request");
    let _alone = alone();
    everywhere(|runtime, id| {
        let (woken, wakes) = mpsc::channel();
        let waker = call_waker(move || {
            let _ = woken.send((REQUEST.get().is_some(), ID.get()));
        });
        let mut cx = Context::from_waker(&waker);
        let value = Arc::new(7);
        let assert_kept = |count: usize, when: &str| {
            assert_eq!(Arc::strong_count(&value), 1 + count, "{when}");
        };

        // The first listener of the runtime makes the pipe.
        let mut listener = REQUEST.run(Arc::clone(&value), || {
            let _entered = runtime.enter();
            let mut listener = signal(USR1).unwrap();
            assert!(pin!(listener.recv()).poll(&mut cx).is_pending());
            listener
        });
        assert_kept(0, "a dropped wait");

        REQUEST.run(Arc::clone(&value), || {
            assert!(listener.poll_recv(&mut cx).is_pending());
        });
        assert_kept(1, "a poll function's waker stays");
        raise(USR1);
        assert_eq!(wakes.recv().unwrap(), (true, id));
        assert_eq!(poll(&mut listener), Poll::Ready(Some(())));

        REQUEST.run(Arc::clone(&value), || {
            assert!(listener.poll_recv(&mut cx).is_pending());
        });
        drop(listener);
        // The frame of the waker that was called is released after the call.
        while Arc::strong_count(&value) > 1 {
            std::thread::yield_now();
        }
    });
}

/// The dispatch runs at the root, and a waker that panics neither keeps the others from being woken
/// nor ends the delivery.
#[test]
fn a_waker_that_panics_is_reported() {
    let _alone = alone();
    with_workers(|workers| {
        let log = Log::default();
        let runtime = Builder::new()
            .worker_threads(workers)
            .on_unhandled_panic({
                let log = log.clone();
                move |_| log.add("reported")
            })
            .build()
            .unwrap();
        let mut listeners = runtime.block_on(async { [USR1; 3].map(|kind| signal(kind).unwrap()) });
        let panicking = call_waker(|| panic!("a waker that panics, as planned"));
        for round in 1..=2 {
            ID.run(5, || {
                let cx = &mut Context::from_waker(&panicking);
                assert!(listeners[0].poll_recv(cx).is_pending());
                assert!(listeners[1].poll_recv(cx).is_pending());
            });
            let (woken, wakes) = mpsc::channel();
            let waker = call_waker(move || woken.send(ID.get()).unwrap());
            let cx = &mut Context::from_waker(&waker);
            assert!(listeners[2].poll_recv(cx).is_pending());
            raise(USR1);
            assert_eq!(wakes.recv().unwrap(), None);
            assert_eq!(log.wait(2 * round).last(), Some(&("reported", Some(5))));
            for listener in &mut listeners {
                assert_eq!(poll(listener), Poll::Ready(Some(())));
            }
        }
    });
}
