//! Each place where a panic has no joiner.

use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::mpsc::channel;
use std::task::Waker;
use std::thread;
use std::time::Duration;

use framewise::io::Interest;
use framewise::net::{TcpListener, TcpStream};
use framewise::panics::Handled;
use framewise::runtime::{Builder, Runtime};
use framewise::task::{JoinHandle, JoinSet, LocalSet, spawn_local, yield_now};
use framewise::time::{self, set_timeout};
use framewise::{spawn, spawn_blocking, spawn_root};
use framewise_test_support::{ID, call_waker, everywhere, on_drop, poll_once, with_workers};

use super::{Recorder, asked};

const SOON: Duration = Duration::from_millis(1);

/// Fails under 12.
fn fail() {
    ID.run(12, || panic!("expected"))
}

fn wait_until_finished<T>(task: JoinHandle<T>) -> JoinHandle<T> {
    while !task.is_finished() {
        thread::yield_now();
    }
    task
}

/// Runs `start` in `runtime`, within a handler, and expects that its failure under 12 reaches the
/// handler in that frame, and nothing else does.
#[track_caller]
fn reaches_the_handler(runtime: &Runtime, start: impl FnOnce()) {
    let (recorder, reports) = Recorder::new();
    let _entered = runtime.enter();
    recorder.handler("handler", Handled::Yes).run(start);
    assert_eq!(reports.recv(), Ok(asked("handler", 12, "expected")));
    assert!(reports.try_recv().is_err(), "asked twice");
}

#[test]
fn c91_the_handler_gets_the_panic_of_a_task_whenever_its_handle_is_dropped() {
    everywhere(|runtime, _| {
        reaches_the_handler(runtime, || drop(spawn(async { fail() })));
        reaches_the_handler(runtime, || {
            let task = wait_until_finished(spawn(async { fail() }));
            ID.run(21, || drop(task));
        });
        reaches_the_handler(runtime, || {
            let mut set = JoinSet::new();
            let task = set.spawn(async { fail() });
            while !task.is_finished() {
                thread::yield_now();
            }
            ID.run(21, || drop(set));
        });
        // In its destructor, by an abort.
        reaches_the_handler(runtime, || {
            let part = on_drop(fail);
            let task = spawn(async move {
                let _part = part;
                pending::<()>().await;
            });
            ID.run(21, || task.abort());
        });
        // A grandchild, whose parent has ended.
        reaches_the_handler(runtime, || {
            drop(spawn(async {
                drop(spawn(async {
                    yield_now().await;
                    fail();
                }));
            }));
        });
    });
}

#[test]
fn c91_the_handler_gets_the_panic_of_a_blocking_call() {
    everywhere(|runtime, _| {
        reaches_the_handler(runtime, || drop(spawn_blocking(fail)));
        reaches_the_handler(runtime, || {
            let call = wait_until_finished(spawn_blocking(fail));
            ID.run(21, || drop(call));
        });
    });
}

#[test]
fn c91_the_handler_gets_the_panic_of_a_local_task() {
    everywhere(|runtime, _| {
        reaches_the_handler(runtime, || {
            let set = LocalSet::new();
            set.block_on(runtime, async {
                let task = spawn_local(async { fail() });
                let ended = task.abort_handle();
                drop(task);
                while !ended.is_finished() {
                    yield_now().await;
                }
            });
        });
    });
    // Outside of any runtime.
    let (recorder, reports) = Recorder::new();
    let set = LocalSet::new();
    let task = recorder
        .handler("handler", Handled::Yes)
        .run(|| set.spawn_local(async { fail() }));
    let mut running = pin!(set.run_until(pending::<()>()));
    while !task.is_finished() {
        assert!(poll_once(&mut running, Waker::noop()).is_pending());
    }
    drop(task);
    assert_eq!(reports.recv(), Ok(asked("handler", 12, "expected")));
}

#[test]
fn c91_the_handler_gets_the_panic_of_a_timer_s_callback_and_of_an_external_waker() {
    everywhere(|runtime, _| {
        reaches_the_handler(runtime, || drop(set_timeout(SOON, fail)));
        // A function that panics when it is dropped, uncalled.
        reaches_the_handler(runtime, || {
            let part = on_drop(fail);
            set_timeout(SOON * 100_000, move || drop(part)).cancel();
        });
        let mut sleep = Box::pin(time::sleep(SOON));
        reaches_the_handler(runtime, || {
            let waker = call_waker(fail);
            assert!(poll_once(&mut sleep, &waker).is_pending());
        });
    });
}

#[test]
fn c91_the_handler_gets_the_panic_of_a_socket_s_callback() {
    everywhere(|runtime, _| {
        let _entered = runtime.enter();
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let address = runtime.block_on(listener).unwrap();
        let address = address.local_addr().unwrap();
        let stream = runtime.block_on(TcpStream::connect(address)).unwrap();
        reaches_the_handler(runtime, || {
            drop(stream.on_ready(Interest::WRITABLE, |_| fail()));
        });
    });
}

#[test]
fn c91_handlers_are_asked_without_a_hook_and_before_it() {
    with_workers(|workers| {
        let (recorder, reports) = Recorder::new();
        let runtime = recorder.hooked(workers);
        let plain = Builder::new().worker_threads(workers).build().unwrap();
        for (runtime, answer) in [
            (&plain, Handled::Yes),
            (&plain, Handled::No),
            (&runtime, Handled::Yes),
            (&runtime, Handled::No),
        ] {
            let handler = recorder.handler("handler", answer);
            handler.run(|| drop(runtime.spawn(async { fail() })));
            assert_eq!(reports.recv(), Ok(asked("handler", 12, "expected")));
        }
        drop((plain, runtime));
        assert_eq!(reports.recv(), Ok(asked("hook", 12, "expected")));
        assert!(reports.try_recv().is_err(), "a handled panic, too");
    });
}

#[test]
fn c91_a_joiner_gets_the_error_alone_and_roots_have_no_handler() {
    everywhere(|runtime, _| {
        let (recorder, reports) = Recorder::new();
        let handler = recorder.handler("handler", Handled::Yes);
        runtime.block_on(handler.scope(async {
            let error = spawn(async { fail() }).await.unwrap_err();
            assert!(error.is_panic());
            let error = spawn_blocking(fail).await.unwrap_err();
            assert!(error.is_panic());
            // An abort is no panic, and its error has no frame.
            let aborted = spawn(pending::<()>());
            aborted.abort();
            drop(wait_until_aborted(aborted).await);
            let (sender, ended) = channel();
            let end = on_drop(move || sender.send(()).unwrap());
            drop(spawn_root(async move {
                let _end = end;
                fail();
            }));
            while ended.try_recv().is_err() {
                yield_now().await;
            }
        }));
        assert!(reports.try_recv().is_err());
    });
}

async fn wait_until_aborted(task: JoinHandle<()>) -> Option<JoinHandle<()>> {
    while !task.is_finished() {
        yield_now().await;
    }
    Some(task)
}
