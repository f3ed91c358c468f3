//! The end of a server: after its signal, at the limit, and when its future is dropped.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use axum::Router;
use axum::routing::{get, post};
use framewise_test_support::on_workers;
use h2::client::SendRequest;
use hyper::Request;
use hyper::body::Bytes;

use crate::glue::{self, PROTOCOLS, Protocol, Server, raw, read_to_end, try_get, within};

/// A route whose handler says that it has begun, and answers when `open` is closed.
fn gated() -> (Router, Receiver<()>, Sender<()>) {
    let (begun, begins) = async_channel::unbounded();
    let (open, gate) = async_channel::bounded::<()>(1);
    let handler = || async move {
        begun.send(()).await.unwrap();
        let _ = gate.recv().await;
        "done"
    };
    (Router::new().route("/", get(handler)), begins, open)
}

#[test]
fn what_is_under_way_at_the_signal_is_finished() {
    on_workers(|runtime| {
        for protocol in PROTOCOLS {
            runtime.block_on(async {
                let (app, begins, open) = gated();
                let server = Server::of(app).await;
                let (client, uri) = (protocol.client(), server.uri("/"));
                let request = framewise::spawn(async move { glue::get(&client, &uri, 1).await });
                within(begins.recv()).await.unwrap();
                let address = server.address;
                let mut ends = server.signal();
                // The listener is closed, so the signal has come.
                while framewise::net::TcpStream::connect(address).await.is_ok() {
                    framewise::task::yield_now().await;
                }
                assert!(
                    !ends.is_finished(),
                    "{protocol:?}: the request is under way"
                );
                drop(open);
                assert_eq!(request.await.unwrap(), "done");
                within(&mut ends).await.unwrap().unwrap();
            });
        }
    });
}

/// Connections without a request: one that has said nothing, one that idles after a request, one of
/// HTTP/2.
#[test]
fn idle_connections_are_closed_at_the_signal() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let app = Router::new().route("/", get(|| async { "hello" }));
            let server = Server::of(app).await;
            let silent = raw(server.address, "").await;
            let idle = raw(server.address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
            let mut reply = Vec::new();
            while !reply.ends_with(b"hello") {
                let mut buffer = [0; 256];
                let count = within(idle.read(&mut buffer)).await.unwrap();
                assert_ne!(count, 0);
                reply.extend_from_slice(&buffer[..count]);
            }
            let http2 = Protocol::Http2.client();
            assert_eq!(glue::get(&http2, &server.uri("/"), 1).await, "hello");
            server.stop().await.unwrap();
            assert_eq!(read_to_end(&silent).await, "");
            assert_eq!(read_to_end(&idle).await, "");
        });
    });
}

/// Sends one request after another on a connection of its own until that ends, and reports each
/// whole response.
async fn ask_on_one_connection(address: SocketAddr, answered: &Sender<()>) {
    let stream = raw(address, "").await;
    let mut buffer = [0; 1024];
    loop {
        let request = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        if stream.write_all(request.as_bytes()).await.is_err() {
            return;
        }
        let mut response = Vec::new();
        while !response.ends_with(b"done") {
            match within(stream.read(&mut buffer)).await {
                Ok(0) | Err(_) => return,
                Ok(count) => response.extend_from_slice(&buffer[..count]),
            }
        }
        answered.try_send(()).unwrap();
    }
}

/// Opens a connection of HTTP/2. It is h2's: hyper's can lose a request that is sent while the
/// connection ends (see [`framewise::hyper::client`]).
async fn http2(address: SocketAddr) -> SendRequest<Bytes> {
    let (requests, connection) = h2::client::handshake(raw(address, "").await).await.unwrap();
    drop(framewise::spawn(connection));
    requests
}

/// Sends one request after another on a connection that others use, too, until that ends, and
/// reports each whole response.
async fn ask_on_streams(mut requests: SendRequest<Bytes>, answered: &Sender<()>) {
    loop {
        let exchange = async {
            requests = requests.clone().ready().await?;
            let request = Request::get("http://x/").body(()).unwrap();
            let mut body = requests.send_request(request, true)?.0.await?.into_body();
            let mut text = Vec::new();
            while let Some(data) = body.data().await {
                text.extend_from_slice(&data?);
            }
            Ok::<_, h2::Error>(text)
        };
        match within(exchange).await {
            Ok(text) => assert_eq!(text, b"done"),
            Err(_) => return,
        }
        answered.try_send(()).unwrap();
    }
}

/// Every request whose handler has run gets its response.
#[test]
fn the_signal_under_load_loses_no_response() {
    const CLIENTS: usize = 20;
    on_workers(|runtime| {
        for protocol in PROTOCOLS {
            runtime.block_on(async {
                let handled = Arc::new(AtomicUsize::new(0));
                let count = handled.clone();
                let handler = move || async move {
                    framewise::task::yield_now().await;
                    count.fetch_add(1, Ordering::SeqCst);
                    "done"
                };
                let server = Server::of(Router::new().route("/", get(handler))).await;
                let shared = match protocol {
                    Protocol::Http1 => None,
                    Protocol::Http2 => Some(http2(server.address).await),
                };
                let (sent, answered) = async_channel::unbounded();
                let clients: Vec<_> = (0..CLIENTS)
                    .map(|_| {
                        let (address, shared, sent) =
                            (server.address, shared.clone(), sent.clone());
                        framewise::spawn(async move {
                            match shared {
                                None => ask_on_one_connection(address, &sent).await,
                                Some(requests) => ask_on_streams(requests, &sent).await,
                            }
                        })
                    })
                    .collect();
                drop(sent);
                let mut answers = 0;
                while answers < 200 {
                    within(answered.recv()).await.unwrap();
                    answers += 1;
                }
                server.stop().await.unwrap();
                while within(answered.recv()).await.is_ok() {
                    answers += 1;
                }
                for client in clients {
                    client
                        .await
                        .unwrap_or_else(|error| panic!("{protocol:?}: {error}"));
                }
                assert_eq!(answers, handled.load(Ordering::SeqCst), "{protocol:?}");
            });
        }
    });
}

/// A socket that is closed with unread bytes resets its connection, and the peer might not read the
/// response.
#[test]
fn a_peer_that_sends_more_than_is_read_reads_its_response_and_a_clean_end() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let server = Server::of(Router::new().route("/", post(async || "read none"))).await;
            let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
            let stream = raw(server.address, head).await;
            let (mut response, mut buffer) = (Vec::new(), [0; 1024]);
            while !response.ends_with(b"read none") {
                let count = within(stream.read(&mut buffer)).await.unwrap();
                assert_ne!(count, 0);
                response.extend_from_slice(&buffer[..count]);
            }
            // The server has seen all that it wants to.
            stream.write_all(&[0; 16 * 1024]).await.unwrap();
            assert_eq!(within(stream.read(&mut buffer)).await.unwrap(), 0);
            stream.write_all(&[0; 16 * 1024]).await.unwrap();
            drop(stream);
            server.stop().await.unwrap();
        });
    });
}

#[test]
fn what_does_not_finish_is_cut_off_at_the_limit() {
    on_workers(|runtime| {
        for protocol in PROTOCOLS {
            runtime.block_on(async {
                let (app, begins, _open) = gated();
                let server = Server::start(|listener, signal| {
                    framewise::serve(listener, app)
                        .with_shutdown_timeout(Duration::from_millis(20))
                        .with_graceful_shutdown(signal)
                        .into_future()
                })
                .await;
                let (client, uri) = (protocol.client(), server.uri("/"));
                let request = framewise::spawn(async move { try_get(&client, &uri, 1).await });
                within(begins.recv()).await.unwrap();
                let error = server.stop().await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                let message = "1 connections were cut off after 20ms";
                assert_eq!(error.to_string(), message);
                request.await.unwrap().unwrap_err();
            });
        }
    });
}

/// `# Cancel safety` of `Serve`.
#[test]
fn a_dropped_server_closes_its_listener_and_lets_requests_finish() {
    on_workers(|runtime| {
        for protocol in PROTOCOLS {
            runtime.block_on(async {
                let (app, begins, open) = gated();
                let server = Server::of(app).await;
                let (client, uri) = (protocol.client(), server.uri("/"));
                let idle = raw(server.address, "").await;
                let request = framewise::spawn(async move { glue::get(&client, &uri, 1).await });
                within(begins.recv()).await.unwrap();
                server.task.abort();
                assert_eq!(read_to_end(&idle).await, "");
                assert!(
                    framewise::net::TcpStream::connect(server.address)
                        .await
                        .is_err()
                );
                drop(open);
                assert_eq!(request.await.unwrap(), "done");
            });
        }
    });
}
