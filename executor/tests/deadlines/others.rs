//! The rows of connects, look-ups, processes and signals; and what waits on.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::pin::pin;
use std::process::Stdio;
use std::sync::mpsc;
use std::task::{Context, Waker};
use std::time::Duration;

use framewise::deadline::Ended;
use framewise::io::Interest;
use framewise::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use framewise::process::Command;
use framewise::runtime::Builder;
use framewise::signal::ctrl_c;
use framewise::signal::unix::{SignalKind, signal};
use framewise::tower::{DeadlineBody, DeadlineLayer};
use framewise::{cancel, deadline};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Body, Bytes, Frame};
use hyper::{Request, Response};
use tokio::io::AsyncWriteExt;
use tower::{Layer, ServiceExt, service_fn};

use crate::obeys::Row;
use crate::{HOUR, MS, paused};

#[test]
fn c99_connects() {
    paused().block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        // Until the queue is full: the system does not answer then.
        let mut queued = Vec::new();
        while let Ok(stream) = deadline::within(HOUR, TcpStream::connect(address)).await {
            queued.push(stream);
        }
        let accept = async || {
            for _ in 0..queued.len() {
                drop(listener.accept().await.unwrap());
            }
        };
        let connect = async || TcpStream::connect(&[address, address][..]).await.map(drop);
        let several = Row {
            name: "TcpStream::connect",
            wait: connect,
            allow: accept,
            // The first attempt runs, and the second; each has 30 s.
            limit: 1000 * MS,
        };
        several.check().await;
    });
}

#[test]
fn c99_look_ups() {
    let builder = Builder::new_multi_thread().worker_threads(1);
    let runtime = builder.max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (release, released) = mpsc::channel::<()>();
        let occupied = framewise::spawn_blocking(move || released.recv());
        let row = Row {
            name: "lookup_host",
            wait: async || lookup_host("localhost:80").await.map(drop),
            allow: async || {
                drop(release);
                occupied.await.unwrap().unwrap_err();
            },
            limit: 5 * MS,
        };
        row.check().await;
    });
}

#[test]
#[expect(clippy::await_holding_refcell_ref, reason = "there is one task")]
fn c99_processes() {
    paused().block_on(async {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let child = RefCell::new(child);
        let row = Row {
            name: "Child::wait",
            wait: async || child.borrow_mut().wait().await.map(drop),
            allow: async || child.borrow_mut().start_kill().unwrap(),
            limit: HOUR,
        };
        row.check().await;

        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let row = Row {
            name: "ChildStdout::read",
            wait: async || stdout.read(&mut [0]).await.map(drop),
            allow: async || stdin.write_all(b"x").await.unwrap(),
            limit: HOUR,
        };
        row.check().await;
        drop(stdin);

        // The signal is sent in any case.
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let killed = deadline::within(Duration::ZERO, child.kill()).await;
        assert!(deadline::is(&killed.unwrap_err()));
        assert!(!child.wait().await.unwrap().success());

        let child = Command::new("sleep")
            .arg("1000")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = deadline::within(HOUR, child.wait_with_output()).await;
        assert!(deadline::is(&output.unwrap_err()));
    });
}

#[test]
#[expect(clippy::await_holding_refcell_ref, reason = "there is one task")]
fn c99_the_body_of_a_request() {
    paused().block_on(async {
        let (sender, parts) = async_channel::unbounded::<Result<_, io::Error>>();
        let body = behind_the_layer(StreamBody::new(Box::pin(parts))).await;
        let body = RefCell::new(body);
        let row = Row {
            name: "DeadlineBody",
            wait: async || {
                let read = body.borrow_mut().frame().await.unwrap();
                let error = match read {
                    Ok(_) => return Ok(()),
                    Err(error) => error,
                };
                Err(error
                    .downcast::<Ended>()
                    .map(|ended| (*ended).into())
                    .unwrap())
            },
            allow: async || {
                sender.send(Ok(part())).await.unwrap();
            },
            limit: HOUR,
        };
        row.check().await;
    });
}

/// Gives `body` to a handler behind the layer, and returns what the handler has of it.
async fn behind_the_layer<B: Body>(body: B) -> DeadlineBody<B> {
    let (read, reads) = async_channel::bounded(1);
    let service = service_fn(async |request: Request<DeadlineBody<B>>| {
        read.try_send(request.into_body()).ok().unwrap();
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let response = DeadlineLayer::new().layer(service);
    drop(response.oneshot(Request::new(body)).await.unwrap());
    reads.recv().await.unwrap()
}

fn part() -> Frame<Bytes> {
    Frame::data(Bytes::from_static(b"x"))
}

#[test]
fn c99_a_body_reports_an_end_once_until_it_is_read_on() {
    paused().block_on(async {
        let (sender, parts) = async_channel::unbounded::<Result<_, Infallible>>();
        let mut body = behind_the_layer(StreamBody::new(Box::pin(parts))).await;
        let late = deadline::within(HOUR, async {
            let mut failures = 0;
            // A loop that does not look at the error comes to an end.
            while let Some(read) = body.frame().await {
                assert!(deadline::is(&*read.unwrap_err()));
                failures += 1;
                assert_eq!(failures, 1);
            }
            sender.send(Ok(part())).await.unwrap();
            assert!(body.frame().await.is_none(), "it is not read");
            deadline::shield(body.frame()).await.unwrap().unwrap();
            // What may follow is not lost without an error.
            body.frame().await.unwrap().unwrap_err();
            assert!(body.frame().await.is_none());
        });
        late.await;
        // Another end is another error.
        let (handle, scope) = cancel::scope();
        handle.cancel();
        let error = scope.scope(body.frame()).await.unwrap().unwrap_err();
        assert!(cancel::is(&*error));
    });
}

#[test]
fn c99_a_body_that_has_arrived_is_not_late() {
    paused().block_on(async {
        let mut empty = behind_the_layer(Empty::<Bytes>::new()).await;
        let mut full = behind_the_layer(Full::new(Bytes::from_static(b"x"))).await;
        full.frame().await.unwrap().unwrap();
        // It does not know its end before it has read it.
        let (sender, parts) = async_channel::unbounded::<Result<_, Infallible>>();
        let mut stream = behind_the_layer(StreamBody::new(Box::pin(parts))).await;
        sender.send(Ok(part())).await.unwrap();
        sender.close();
        stream.frame().await.unwrap().unwrap();
        assert!(stream.frame().await.is_none());
        let late = deadline::within(Duration::ZERO, async {
            assert!(empty.frame().await.is_none());
            assert!(full.frame().await.is_none());
            assert!(stream.frame().await.is_none());
        });
        late.await;
    });
}

#[test]
pub(crate) fn signals_end_a_result_and_wait_on_without_one() {
    paused().block_on(async {
        let error = deadline::within(HOUR, ctrl_c()).await.unwrap_err();
        assert!(deadline::is(&error));
        let (handle, scope) = cancel::scope();
        handle.cancel();
        assert!(cancel::is(&scope.scope(ctrl_c()).await.unwrap_err()));

        let mut signals = signal(SignalKind::user_defined2()).unwrap();
        let waiting = deadline::within(Duration::ZERO, signals.recv());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(waiting).poll(&mut cx).is_pending());
        let enforced = cancel::enforce(signals.recv());
        assert!(deadline::within(HOUR, enforced).await.is_err());
    });
}

#[test]
pub(crate) fn what_does_not_wait_does_not_fail() {
    paused().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        peer.write_all(b"x").unwrap();
        deadline::within(Duration::ZERO, async {
            assert!(deadline::is(&stream.readable().await.unwrap_err()));
            assert_eq!(stream.try_read(&mut [0; 2]).unwrap(), 1);
            assert_eq!(stream.try_write(b"y").unwrap(), 1);
            AsyncWriteExt::flush(&mut stream).await.unwrap();
            AsyncWriteExt::shutdown(&mut stream).await.unwrap();
            // Neither its registration fails, nor its call.
            let (called, calls) = async_channel::unbounded();
            let callback = stream.on_ready(Interest::WRITABLE, move |_| {
                called.try_send(deadline::check().is_err()).unwrap();
            });
            assert!(calls.recv().await.unwrap(), "it is called in its frame");
            callback.unwrap().cancel();
        })
        .await;
        let mut all = Vec::new();
        assert_eq!(peer.read_to_end(&mut all).unwrap(), 1);
    });
}
