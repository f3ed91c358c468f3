//! The operations that consume a unit of the budget.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use framewise::net::{Interest, TcpListener, TcpStream, lookup_host};
use framewise::runtime::Runtime;
use framewise::task::{consume_budget, coop, has_budget_remaining, yield_now};
use framewise::time::{Instant, sleep, sleep_until, timeout};
use framewise::{JoinHandle, spawn};
use framewise_test_support::{on_workers, runtime};
use futures::FutureExt;

use crate::{UNITS, count_operation, counted, hour_behind, readable_stream};

/// Repeats an operation that is always ready at once, and checks that it yields after 128
/// operations.
fn yields_after_128<F, O>(name: &str, runtime: &Runtime, make: impl FnOnce() -> F)
where
    F: FnMut() -> O + Send + 'static,
    O: Future + Send,
{
    let mut operation = make();
    let most = runtime.block_on(async {
        let task = counted(async move {
            // The first poll may have started with other operations.
            yield_now().await;
            for _ in 0..3 * UNITS {
                operation().await;
                count_operation();
            }
        });
        spawn(task).await.unwrap()
    });
    assert_eq!(most, UNITS, "{name}");
}

/// Returns an empty file without a name.
fn tempfile(runtime: &Runtime) -> Arc<tokio::sync::Mutex<framewise::fs::File>> {
    use framewise::fs::{File, remove_file};
    let name = format!("framewise-budget-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let file = runtime.block_on(File::create_new(&path)).unwrap();
    runtime.block_on(remove_file(&path)).unwrap();
    Arc::new(tokio::sync::Mutex::new(file))
}

/// Covers every awaitable operation of the runtime that can be ready repeatedly.
#[test]
fn every_operation_that_is_ready_at_once_yields_after_128() {
    on_workers(|runtime| {
        let _entered = runtime.enter();
        yields_after_128("sleep", runtime, || || sleep(Duration::ZERO));
        let past = Instant::now();
        yields_after_128("sleep_until", runtime, || move || sleep_until(past));
        yields_after_128("timeout", runtime, || {
            || timeout(Duration::ZERO, pending::<()>())
        });
        yields_after_128("interval", runtime, || {
            let ticks = Arc::new(tokio::sync::Mutex::new(hour_behind()));
            move || {
                let ticks = Arc::clone(&ticks);
                async move { ticks.lock().await.tick().await }
            }
        });

        yields_after_128("consume_budget", runtime, || consume_budget);
        yields_after_128("coop", runtime, || || coop(std::future::ready(())));
        yields_after_128("JoinHandle", runtime, || {
            let handles: Vec<_> = (0..3 * UNITS).map(|_| runtime.spawn(async {})).collect();
            let handles = finished(handles);
            move || handles.lock().unwrap().pop().unwrap()
        });
        yields_after_128("JoinHandle of a blocking call", runtime, || {
            let handles: Vec<_> = (0..3 * UNITS)
                .map(|_| runtime.spawn_blocking(|| ()))
                .collect();
            let handles = finished(handles);
            move || handles.lock().unwrap().pop().unwrap()
        });
        yields_after_128("lookup_host", runtime, || {
            || async { lookup_host("127.0.0.1:80").await.map(|_| ()) }
        });
        #[cfg(unix)]
        yields_after_128("Signal", runtime, || {
            use framewise::signal::unix::{SignalKind, signal};
            let changes = Arc::new(tokio::sync::Mutex::new(
                signal(SignalKind::window_change()).unwrap(),
            ));
            move || {
                let changes = Arc::clone(&changes);
                // SAFETY: the signal has a handler, which is async-signal-safe.
                assert_eq!(unsafe { libc::raise(libc::SIGWINCH) }, 0);
                async move { changes.lock().await.recv().await }
            }
        });

        #[cfg(unix)]
        yields_after_128("Child::wait", runtime, || {
            let child = framewise::process::Command::new("true").spawn().unwrap();
            let child = Arc::new(tokio::sync::Mutex::new(child));
            runtime.block_on(async { child.lock().await.wait().await.unwrap() });
            move || {
                let child = Arc::clone(&child);
                async move { child.lock().await.wait().await.unwrap() }
            }
        });

        let file = tempfile(runtime);
        macro_rules! on_file {
            ($name:literal, $file:ident => $operation:expr) => {
                yields_after_128($name, runtime, || {
                    let file = Arc::clone(&file);
                    move || {
                        let file = Arc::clone(&file);
                        async move {
                            let $file = &mut *file.lock().await;
                            $operation.unwrap()
                        }
                    }
                });
            };
        }
        yields_after_128("Stdout's flush", runtime, || {
            || async { framewise::io::stdout().flush().await.unwrap() }
        });
        on_file!("File's flush", f => f.flush().await);
        on_file!("File's read of nothing", f => f.read(&mut []).await);
        on_file!("File's write of nothing", f => f.write(&[]).await);
        on_file!("File's poll_complete", f => {
            poll_fn(|cx| tokio::io::AsyncSeek::poll_complete(Pin::new(&mut *f), cx)).await
        });
        yields_after_128("ReadDir's end", runtime, || {
            let mut entries = runtime.block_on(framewise::fs::read_dir(".")).unwrap();
            runtime.block_on(async { while entries.next_entry().await.unwrap().is_some() {} });
            let entries = Arc::new(tokio::sync::Mutex::new(entries));
            move || {
                let entries = Arc::clone(&entries);
                async move { assert!(entries.lock().await.next_entry().await.unwrap().is_none()) }
            }
        });

        let (stream, peer) = runtime.block_on(readable_stream());
        let stream = Arc::new(stream);
        macro_rules! on_stream {
            ($name:literal, $stream:ident => $operation:expr) => {
                yields_after_128($name, runtime, || {
                    let stream = Arc::clone(&stream);
                    move || {
                        let $stream = Arc::clone(&stream);
                        async move { $operation.unwrap() }
                    }
                });
            };
        }
        on_stream!("peek", s => s.peek(&mut [0]).await);
        on_stream!("poll_peek", s => poll_fn(|cx| s.poll_peek(cx, &mut [0])).await);
        on_stream!("ready", s => s.ready(Interest::READABLE).await.map(|_| ()));
        on_stream!("readable", s => s.readable().await);
        on_stream!("writable", s => s.writable().await);
        on_stream!("poll_read_ready", s => poll_fn(|cx| s.poll_read_ready(cx)).await);
        on_stream!("poll_write_ready", s => poll_fn(|cx| s.poll_write_ready(cx)).await);
        on_stream!("read of nothing", s => s.read(&mut []).await);
        on_stream!("write of nothing", s => s.write(&[]).await);
        on_stream!("write", s => s.write(b"a").await);
        on_stream!("write_vectored", s => {
            s.write_vectored(&[std::io::IoSlice::new(b"a")]).await
        });

        // Once the stream has reached its end, reading it is always ready.
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        let (mut left, mut bytes) = (11, [0; 16]);
        while left > 0 {
            left -= runtime.block_on(stream.read(&mut bytes)).unwrap();
        }
        runtime.block_on(async { assert_eq!(stream.read(&mut bytes).await.unwrap(), 0) });
        on_stream!("read", s => s.read(&mut [0]).await);
        on_stream!("read_vectored", s => {
            s.read_vectored(&mut [std::io::IoSliceMut::new(&mut [0])]).await
        });
        on_stream!("tokio's read", s => poll_fn(|cx| {
            let mut bytes = [0];
            let mut bytes = tokio::io::ReadBuf::new(&mut bytes);
            tokio::io::AsyncRead::poll_read(Pin::new(&mut &*s), cx, &mut bytes)
        }).await);
        on_stream!("futures-io's read", s => poll_fn(|cx| {
            futures::AsyncRead::poll_read(Pin::new(&mut &*s), cx, &mut [0])
        }).await);
        on_stream!("hyper's read", s => poll_fn(|cx| {
            let mut bytes = [0];
            let mut bytes = hyper::rt::ReadBuf::new(&mut bytes);
            hyper::rt::Read::poll_read(Pin::new(&mut &*s), cx, bytes.unfilled())
        }).await);
        macro_rules! write_half {
            ($family:literal, $write:path, $close:ident) => {
                on_stream!($family, s => poll_fn(|cx| {
                    <&TcpStream as $write>::poll_write(Pin::new(&mut &*s), cx, &[])
                }).await);
                on_stream!($family, s => poll_fn(|cx| {
                    <&TcpStream as $write>::poll_flush(Pin::new(&mut &*s), cx)
                }).await);
                on_stream!($family, s => poll_fn(|cx| {
                    <&TcpStream as $write>::$close(Pin::new(&mut &*s), cx)
                }).await);
            };
        }
        write_half!("tokio's write", tokio::io::AsyncWrite, poll_shutdown);
        write_half!("futures-io's write", futures::AsyncWrite, poll_close);
        write_half!("hyper's write", hyper::rt::Write, poll_shutdown);
    });
}

/// The same for connections that wait to be accepted.
#[test]
fn accepting_yields_after_128_connections() {
    let runtime = runtime(2);
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let _peers: Vec<_> = (0..UNITS + 10)
        .map(|_| std::net::TcpStream::connect(address).unwrap())
        .collect();
    let most = runtime.block_on(async {
        listener.readable().await.unwrap();
        let accepts = counted(async move {
            yield_now().await;
            for _ in 0..UNITS + 10 {
                listener.accept().await.unwrap();
                count_operation();
            }
        });
        spawn(accepts).await.unwrap()
    });
    assert_eq!(most, UNITS);
}

/// An operation that is not ready consumes no unit: a task that waits often in one poll can still
/// complete ready operations.
#[test]
fn operations_that_are_not_ready_take_no_unit() {
    on_workers(|runtime| {
        let (stream, _peer) = runtime.block_on(readable_stream());
        let waits = async move {
            let mut bytes = [0; 32];
            assert!(stream.read(&mut bytes).await.unwrap() > 0);
            yield_now().await;
            for _ in 0..10 * UNITS {
                assert!(stream.read(&mut bytes).now_or_never().is_none());
                assert!(sleep(Duration::from_secs(3600)).now_or_never().is_none());
                assert!(coop(pending::<()>()).now_or_never().is_none());
            }
            for _ in 0..UNITS {
                assert!(consume_budget().now_or_never().is_some());
            }
            assert!(!has_budget_remaining());
        };
        runtime.block_on(async { spawn(waits).await.unwrap() });
    });
}

/// Waits until all tasks are finished, without joining them.
fn finished<T>(handles: Vec<JoinHandle<T>>) -> Mutex<Vec<JoinHandle<T>>> {
    while !handles.iter().all(JoinHandle::is_finished) {
        std::thread::yield_now();
    }
    Mutex::new(handles)
}
