//! Handlers, callbacks and listeners that fail, and peers that send nonsense: the server goes on.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};

use async_channel::Sender;
use axum::Router;
use axum::routing::get;
use framewise::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use framewise::runtime::{Builder, Runtime};
use framewise::serve::{Listener, serve_each};
use framewise_test_support::{ID, on_workers};

use crate::frames::identify;
use crate::glue::{self, PROTOCOLS, Protocol, Server, raw, read_to_end, signal, try_get, within};

fn app() -> Router {
    let panics = || async {
        let id = ID.get();
        panic!("request {id:?} panics");
        #[expect(unreachable_code, reason = "the type of a handler")]
        ""
    };
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/panics", get(panics))
}

/// A runtime that passes unhandled panics on, with the value of [`ID`] in their frame.
fn reporting(workers: usize) -> (Runtime, Receiver<(String, Option<u64>)>) {
    let (reports, reported) = mpsc::channel();
    let runtime = Builder::new()
        .worker_threads(workers)
        .on_unhandled_panic(move |error| {
            reports.send((error.to_string(), ID.get())).unwrap();
        });
    (runtime.build().unwrap(), reported)
}

#[test]
fn a_handlers_panic_ends_its_request_and_is_reported_in_its_frame() {
    for workers in [1, 2, 8] {
        let (runtime, reported) = reporting(workers);
        for protocol in PROTOCOLS {
            runtime.block_on(async {
                let server = Server::start(|listener, signal| {
                    let server = framewise::serve(listener, app()).bind(identify);
                    server.with_graceful_shutdown(signal).into_future()
                })
                .await;
                let client = protocol.client();
                assert_eq!(glue::get(&client, &server.uri("/"), 1).await, "hello");
                try_get(&client, &server.uri("/panics"), 7)
                    .await
                    .unwrap_err();
                assert_eq!(glue::get(&client, &server.uri("/"), 2).await, "hello");
                let message = "the task panicked: request Some(7) panics";
                assert_eq!(reported.recv().unwrap(), (message.to_owned(), Some(7)));
                drop(client);
                server.stop().await.unwrap();
            });
        }
        assert!(reported.try_recv().is_err(), "each panic is reported once");
    }
}

/// On HTTP/2 only the stream of the request is reset: another one on its connection goes on.
#[test]
fn a_handlers_panic_leaves_other_streams_of_http2_alone() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let (begun, begins) = async_channel::bounded(1);
            let (open, gate) = async_channel::bounded::<()>(1);
            let waits = || async move {
                begun.send(()).await.unwrap();
                let _ = gate.recv().await;
                "waited"
            };
            let server = Server::of(app().route("/waits", get(waits))).await;
            let client = Protocol::Http2.client();
            let waiting = {
                let (client, uri) = (client.clone(), server.uri("/waits"));
                framewise::spawn(async move { glue::get(&client, &uri, 1).await })
            };
            within(begins.recv()).await.unwrap();
            try_get(&client, &server.uri("/panics"), 2)
                .await
                .unwrap_err();
            drop(open);
            assert_eq!(waiting.await.unwrap(), "waited");
            drop(client);
            server.stop().await.unwrap();
        });
    });
}

#[test]
fn requests_that_are_no_http_are_rejected() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let server = Server::of(app()).await;
            let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(1 << 20));
            for (bytes, reply) in [
                ("nonsense\r\n\r\n", "HTTP/1.1 400 "),
                ("GET / HTTP/1.1\r\nho st: x\r\n\r\n", "HTTP/1.1 400 "),
                (
                    "GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
                    "HTTP/1.1 400 ",
                ),
                ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense nonsense", ""),
                (&long, "HTTP/1.1 431 "),
            ] {
                let stream = TcpStream::connect(server.address).await.unwrap();
                // The server may close it before it has taken everything.
                let _ = stream.write_all(bytes.as_bytes()).await;
                let mut buffer = [0; 1024];
                let count = within(stream.read(&mut buffer)).await.unwrap_or(0);
                let read = String::from_utf8_lossy(&buffer[..count]);
                assert!(read.starts_with(reply), "{bytes:.40}: {read}");
            }
            let client = Protocol::Http1.client();
            assert_eq!(glue::get(&client, &server.uri("/"), 1).await, "hello");
            drop(client);
            server.stop().await.unwrap();
        });
    });
}

/// A listener that fails in a prescribed way before each connection.
struct Failing {
    inner: TcpListener,
    errors: VecDeque<io::Error>,
}

impl Listener for Failing {
    type Io = TcpStream;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> io::Result<(TcpStream, Self::Addr)> {
        self.inner.readable().await?;
        match self.errors.pop_front() {
            Some(error) => Err(error),
            None => self.inner.accept().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

#[test]
fn a_listener_without_descriptors_is_tried_again_and_open_connections_go_on() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let (reports, reported) = async_channel::unbounded();
            let server = Server::start(|inner, signal| {
                let full = || io::Error::from_raw_os_error(libc::EMFILE);
                let aborted = io::ErrorKind::ConnectionAborted.into();
                let errors = VecDeque::from([aborted, full(), full()]);
                framewise::serve(Failing { inner, errors }, app())
                    .on_error(move |error| {
                        assert!(error.is_accept() && !error.is_timeout());
                        reports.try_send(error.to_string()).unwrap();
                        // It ends its own task alone.
                        panic!("a report panics");
                    })
                    .with_graceful_shutdown(signal)
                    .into_future()
            })
            .await;
            let client = Protocol::Http1.client();
            assert_eq!(glue::get(&client, &server.uri("/"), 1).await, "hello");
            for pause in ["20ms", "40ms"] {
                let message = format!(
                    "cannot accept connections, trying again in {pause}: {}",
                    io::Error::from_raw_os_error(libc::EMFILE)
                );
                assert_eq!(within(reported.recv()).await, Ok(message));
            }
            drop(client);
            server.stop().await.unwrap();
        });
    });
}

/// The server ends, but not before the requests that are under way.
#[test]
fn a_listener_that_is_at_its_end_ends_the_server() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let (begun, begins) = async_channel::bounded(1);
            let (open, gate) = async_channel::bounded::<()>(1);
            let waits = || async move {
                begun.send(()).await.unwrap();
                let _ = gate.recv().await;
                "waited"
            };
            let (streams, handed) = async_channel::bounded(1);
            let server = framewise::serve(Handed(handed), app().route("/waits", get(waits)));
            assert_eq!(server.local_addr().unwrap(), "a channel");
            let server = framewise::spawn(server.into_future());
            let (peer, stream) = UnixStream::pair().unwrap();
            streams.send(stream).await.unwrap();
            let request = "GET /waits HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
            peer.write_all(request.as_bytes()).await.unwrap();
            within(begins.recv()).await.unwrap();
            drop(streams);
            drop(open);
            let mut buffer = [0; 1024];
            let count = within(peer.read(&mut buffer)).await.unwrap();
            let reply = String::from_utf8_lossy(&buffer[..count]);
            assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
            let error = within(server).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Other);
        });
    });
}

/// Takes connections from a channel.
struct Handed(async_channel::Receiver<UnixStream>);

impl Listener for Handed {
    type Io = UnixStream;
    type Addr = &'static str;

    async fn accept(&mut self) -> io::Result<(UnixStream, &'static str)> {
        let stream = self.0.recv().await.map_err(io::Error::other)?;
        Ok((stream, "a peer"))
    }

    fn local_addr(&self) -> io::Result<&'static str> {
        Ok("a channel")
    }
}

#[test]
fn a_panic_of_what_makes_services_closes_one_connection() {
    for workers in [1, 2, 8] {
        let (runtime, reported) = reporting(workers);
        runtime.block_on(async {
            let made = Arc::new(Mutex::new(0));
            let server = Server::start(|listener, signal| {
                let server = serve_each(listener, move |_| {
                    *made.lock().unwrap() += 1;
                    let number = *made.lock().unwrap();
                    ID.run(5, || assert_ne!(number, 1, "the first one panics"));
                    app()
                });
                server.with_graceful_shutdown(signal).into_future()
            })
            .await;
            let first = raw(server.address, "").await;
            assert_eq!(read_to_end(&first).await, "");
            let client = Protocol::Http1.client();
            assert_eq!(glue::get(&client, &server.uri("/"), 1).await, "hello");
            let (message, id) = reported.recv().unwrap();
            assert!(message.contains("the first one panics"), "{message}");
            assert_eq!(id, Some(5));
            drop(client);
            server.stop().await.unwrap();
        });
    }
}

#[test]
fn a_unix_socket_is_served() {
    let path = std::env::temp_dir().join(format!("framewise-serve-{}", std::process::id()));
    on_workers(|runtime| {
        // Left by the runtime before.
        let _ = std::fs::remove_file(&path);
        runtime.block_on(async {
            let listener = UnixListener::bind(&path).unwrap();
            let (stop, signal): (Sender<()>, _) = signal();
            let server = framewise::serve(listener, app()).with_graceful_shutdown(signal);
            assert_eq!(server.local_addr().unwrap().as_pathname(), Some(&*path));
            let server = framewise::spawn(server.into_future());
            let stream = UnixStream::connect(&path).await.unwrap();
            let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut buffer = [0; 1024];
            let count = within(stream.read(&mut buffer)).await.unwrap();
            let reply = String::from_utf8_lossy(&buffer[..count]);
            assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
            drop(stop);
            within(server).await.unwrap().unwrap();
        });
    });
    std::fs::remove_file(&path).unwrap();
}
