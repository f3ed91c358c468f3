//! `JoinError`, the hook for unhandled panics, and panics of destructors.

use std::cell::Cell;
use std::error::Error;
use std::future::{Future, pending};
use std::panic::panic_any;
use std::ptr;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{RawWaker, RawWakerVTable, Wake, Waker};
use std::time::Duration;
use std::{io, thread};

use framewise::net::Interest;
use framewise::runtime::{Builder, Runtime};
use framewise::task::yield_now;
use framewise::time::set_timeout;
use framewise::{JoinError, JoinHandle, spawn};
use framewise_test_support::{
    HangWatch, ID, on_drop, on_workers, panic_message, pause, poll_once, while_occupied,
    with_workers,
};
use futures::channel::oneshot;

use crate::wait_until_finished;

fn error_of<T: std::fmt::Debug + Send + 'static>(
    runtime: &Runtime,
    future: impl Future<Output = T> + Send + 'static,
) -> JoinError {
    runtime.block_on(runtime.spawn(future)).unwrap_err()
}

#[test]
fn a_join_error_exposes_a_panic_with_its_message_payload_and_frame() {
    on_workers(|runtime| {
        let error = error_of(
            runtime,
            ID.scope(5, async { panic!("expected: {}", 1 + 1) }),
        );
        assert!(error.is_panic() && !error.is_cancelled() && !error.is_rejected());
        assert_eq!(error.to_string(), "the task panicked: expected: 2");
        assert!(error.source().is_none());
        assert_eq!(error.frame().unwrap().run(|| ID.get()), Some(5));
        let shown = format!("{error:?}");
        assert!(
            shown.contains("expected: 2") && shown.contains("\"id\""),
            "{shown}"
        );
        assert_eq!(
            *error.into_panic().downcast::<String>().unwrap(),
            "expected: 2"
        );

        let error = error_of(runtime, async { panic!("expected") });
        assert_eq!(error.to_string(), "the task panicked: expected");
        assert!(error.frame().unwrap().is_root());
        assert_eq!(
            *error.try_into_panic().unwrap().downcast::<&str>().unwrap(),
            "expected"
        );

        let error = error_of(runtime, async { panic_any(7_u64) });
        assert_eq!(error.to_string(), "the task panicked");
        assert_eq!(*error.into_panic().downcast::<u64>().unwrap(), 7);

        let error = io::Error::from(error_of(runtime, async { panic!("expected") }));
        assert!(error.to_string().contains("the task panicked: expected"));
    });
}

#[test]
fn a_join_error_reports_a_cancellation() {
    let runtime = framewise_test_support::runtime(1);
    let task = runtime.spawn(pending::<()>());
    task.abort();
    let error = runtime.block_on(task).unwrap_err();
    assert!(error.is_cancelled() && !error.is_panic() && !error.is_rejected());
    assert_eq!(error.to_string(), "the task was cancelled");
    assert!(error.frame().is_none());
    let error = error.try_into_panic().unwrap_err();
    assert!(error.is_cancelled());
    let message = panic_message(|| error.into_panic());
    assert!(
        message.contains("not a panic") && message.contains("was cancelled"),
        "{message}"
    );
}

type HookCall = (String, Option<u64>);

/// Returns a runtime whose hook sends the message, and [`ID`] in the frame of the panic.
fn hooked(workers: usize) -> (Runtime, mpsc::Receiver<HookCall>) {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let runtime = Builder::new()
        .worker_threads(workers)
        .on_unhandled_panic(move |error| {
            assert!(error.is_panic());
            let id = error.frame().unwrap().run(|| ID.get());
            sender
                .lock()
                .unwrap()
                .send((error.to_string(), id))
                .unwrap();
            panic!("expected: the hook");
        })
        .build()
        .unwrap();
    (runtime, receiver)
}

#[test]
fn the_hook_is_called_for_panics_of_unjoined_tasks_only() {
    with_workers(|workers| {
        let (runtime, calls) = hooked(workers);
        let of = |what: &str, id| (format!("the task panicked: {what}"), id);
        // A joined task.
        assert!(error_of(&runtime, async { panic!("joined") }).is_panic());
        // A task that is detached before, during and after its run.
        while_occupied(&runtime, workers, || {
            drop(ID.run(1, || runtime.spawn(async { panic!("fresh") })));
        });
        assert_eq!(calls.recv().unwrap(), of("fresh", Some(1)));
        let (release, released) = oneshot::channel::<()>();
        drop(runtime.spawn(ID.scope(2, async {
            released.await.unwrap();
            ID.run(3, || panic!("parked"));
        })));
        release.send(()).unwrap();
        assert_eq!(calls.recv().unwrap(), of("parked", Some(3)));
        let over = ID.run(4, || runtime.spawn(async { panic!("over") }));
        wait_until_finished(&over);
        assert!(calls.try_recv().is_err());
        drop::<JoinHandle<()>>(over);
        assert_eq!(calls.recv().unwrap(), of("over", Some(4)));
        // Blocking calls.
        let (release, released) = mpsc::channel::<()>();
        drop(ID.run(5, || {
            runtime.spawn_blocking(move || {
                released.recv().unwrap();
                panic!("blocking");
            })
        }));
        release.send(()).unwrap();
        assert_eq!(calls.recv().unwrap(), of("blocking", Some(5)));
        // A cancellation is not a panic, but a destructor's panic during a cancellation is.
        let aborted = runtime.spawn(pending::<()>());
        aborted.abort();
        drop(aborted);
        let bomb = on_drop(|| panic!("destructor"));
        let (parked, is_parked) = mpsc::channel();
        let aborted = ID.run(6, || {
            runtime.spawn(async move {
                let _bomb = bomb;
                pause(move |_| parked.send(()).unwrap()).await;
            })
        });
        is_parked.recv().unwrap();
        let abort = aborted.abort_handle();
        drop(aborted);
        abort.abort();
        assert_eq!(calls.recv().unwrap(), of("destructor", Some(6)));
        assert_eq!(runtime.block_on(runtime.spawn(async { 1 })).unwrap(), 1);
        drop(runtime);
        assert!(
            calls.try_recv().is_err(),
            "the hook was called twice for one panic"
        );
    });
}

#[test]
fn the_hook_is_called_for_panics_of_timer_callbacks() {
    with_workers(|workers| {
        let (runtime, calls) = hooked(workers);
        let _entered = runtime.enter();
        ID.run(1, || {
            set_timeout(Duration::from_millis(1), || ID.run(2, || panic!("timer")))
        });
        assert_eq!(
            calls.recv().unwrap(),
            ("the task panicked: timer".to_owned(), Some(2))
        );
    });
}

#[test]
fn the_hook_is_called_for_panics_of_io_callbacks() {
    with_workers(|workers| {
        let (runtime, calls) = hooked(workers);
        let (stream, peer) = runtime.block_on(async {
            let listener = framewise::net::TcpListener::bind("127.0.0.1:0")
                .await
                .unwrap();
            let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (listener.accept().await.unwrap().0, peer)
        });
        let callback = ID
            .run(1, || {
                stream.on_ready(Interest::READABLE, |_| ID.run(2, || panic!("socket")))
            })
            .unwrap();
        io::Write::write_all(&mut &peer, b"a").unwrap();
        assert_eq!(
            calls.recv().unwrap(),
            ("the task panicked: socket".to_owned(), Some(2))
        );
        assert!(callback.is_cancelled());
        // I/O still works.
        let mut byte = [0];
        assert_eq!(runtime.block_on(stream.read(&mut byte)).unwrap(), 1);
    });
}

/// The task ends before or after its handle is dropped, often by chance: in neither case the panic
/// reaches the code that drops the handle.
#[test]
fn an_output_whose_destructor_panics_panics_nowhere_else() {
    let runtime = framewise_test_support::runtime(1);
    let _watch = HangWatch::new("an output");
    for is_finished_first in [true, false] {
        let dropped = Arc::new(());
        let held = Arc::clone(&dropped);
        let (release, released) = oneshot::channel::<()>();
        let task = runtime.spawn(async move {
            released.await.unwrap();
            on_drop(move || {
                let _held = &held;
                panic!("expected: an output");
            })
        });
        if is_finished_first {
            release.send(()).unwrap();
            wait_until_finished(&task);
            assert_eq!(Arc::strong_count(&dropped), 2);
            drop(task);
        } else {
            drop(task);
            release.send(()).unwrap();
        }
        while Arc::strong_count(&dropped) > 1 {
            thread::yield_now();
        }
        assert_eq!(runtime.block_on(runtime.spawn(async { 1 })).unwrap(), 1);
    }
}

/// A waker that drops the handle during its own call is dropped by the runtime.
#[test]
fn a_waker_whose_destructor_panics_costs_no_worker() {
    struct DropsHandle(Mutex<Option<JoinHandle<()>>>);
    impl Wake for DropsHandle {
        fn wake(self: Arc<Self>) {
            drop(self.0.lock().unwrap().take());
        }
    }
    impl Drop for DropsHandle {
        fn drop(&mut self) {
            panic!("expected: a waker's destructor");
        }
    }

    let runtime = framewise_test_support::runtime(1);
    let _watch = HangWatch::new("a waker's destructor");
    let (release, released) = oneshot::channel::<()>();
    let mut task = runtime.spawn(async move { released.await.unwrap() });
    let ends = task.abort_handle();
    let drops_handle = Arc::new(DropsHandle(Mutex::new(None)));
    let waker = Waker::from(Arc::clone(&drops_handle));
    assert!(poll_once(&mut task, &waker).is_pending());
    *drops_handle.0.lock().unwrap() = Some(task);
    let ended = Arc::downgrade(&drops_handle);
    drop((waker, drops_handle));
    assert_eq!(ended.strong_count(), 1, "the one in the task");
    release.send(()).unwrap();
    while ended.strong_count() > 0 {
        thread::yield_now();
    }
    assert!(ends.is_finished());
    assert_eq!(runtime.block_on(runtime.spawn(async { 1 })).unwrap(), 1);
}

thread_local! {
    /// How many drops of a [`brittle`] waker are left until one panics; 0 for never.
    static DROPS_LEFT: Cell<u32> = const { Cell::new(0) };
}

/// A waker that does nothing, and one of whose drops panics.
fn brittle() -> Waker {
    const VTABLE: RawWakerVTable = RawWakerVTable::new(
        |_| RawWaker::new(ptr::null(), &VTABLE),
        |_| {},
        |_| {},
        |_| {
            let left = DROPS_LEFT.get();
            DROPS_LEFT.set(left.saturating_sub(1));
            assert_ne!(left, 1, "expected: a waker's destructor");
        },
    );
    // SAFETY: the functions use no data, on whichever thread.
    unsafe { Waker::new(ptr::null(), &VTABLE) }
}

/// The handle has waited under a scope to cancel, so it has two wakers to drop.
#[test]
fn a_waker_whose_destructor_panics_costs_no_task() {
    for (drops, ends_before) in [(1, false), (2, false), (1, true), (2, true)] {
        let runtime = framewise_test_support::runtime(1);
        let output = Arc::new(());
        let (release, released) = oneshot::channel::<()>();
        let kept = Arc::clone(&output);
        let mut task = runtime.spawn(async move {
            let _ended = released.await;
            kept
        });
        let abort = task.abort_handle();
        let (_handle, scope) = framewise::cancel::scope();
        assert!(scope.run(|| poll_once(&mut task, &brittle())).is_pending());
        let case = format!("drop {drops}, ends before: {ends_before}");
        if ends_before {
            release.send(()).unwrap();
            while !abort.is_finished() {
                thread::yield_now();
            }
        }
        DROPS_LEFT.set(drops);
        let message = panic_message(|| drop(task));
        assert!(
            message.contains("expected: a waker's destructor"),
            "{case}: {message}"
        );
        drop((abort, runtime));
        assert_eq!(Arc::strong_count(&output), 1, "{case}");
    }
}

#[test]
fn a_panic_of_block_ons_future_goes_to_its_caller() {
    on_workers(|runtime| {
        let message = panic_message(|| runtime.block_on(async { panic!("expected") }));
        assert_eq!(message, "expected");
        let message = panic_message(|| {
            runtime.block_on(async {
                yield_now().await;
                spawn(async { panic!("a task") }).await.unwrap()
            })
        });
        assert!(message.contains("a task"), "{message}");
        assert_eq!(runtime.block_on(async { 1 }), 1);
    });
}
