//! Upgraded connections: WebSockets on framewise through hyper's upgrade, over HTTP/1 and over
//! HTTP/2's `CONNECT`; and axum's `on_upgrade`, which spawns on tokio.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{self, WebSocketUpgrade};
use axum::routing::any;
use bytes::Bytes;
use framewise::runtime::Runtime;
use framewise::tower::{DeadlineBody, DeadlineLayer, FrameLayer};
use framewise::{Frame, bind, cancel, deadline, spawn};
use futures::channel::mpsc::UnboundedSender;
use futures::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, protocol::Role};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::bodies::SERVERS;
use crate::glue::{Protocol, X_ID, connect, id_in, serve};
use crate::messages::seen;
use framewise_test_support::{ID, everywhere};

/// Sockets, and messages per socket: 10,000 in each direction.
const SOCKETS: u64 = 10;
const MESSAGES: usize = 1000;
/// A deadline that passes in each test which waits for it.
const SHORT: Duration = Duration::from_millis(20);
/// Messages between two flushes.
const BATCH: usize = 100;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

async fn socket(upgraded: Upgraded, role: Role) -> Socket {
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), role, None).await
}

fn message(number: u64) -> Message {
    Message::binary(number.to_be_bytes().to_vec())
}

fn number(message: &[u8]) -> u64 {
    u64::from_be_bytes(message.try_into().unwrap())
}

/// Returns the server's reply to a message: the handler's number, or 0 if the message is wrong.
fn reply_to(received: &[u8]) -> u64 {
    if number(received) + SERVERS == seen() {
        seen()
    } else {
        0
    }
}

/// The server's side of a socket. It drops when the client closes the socket.
async fn chat(mut socket: Socket) {
    let mut replies = 0;
    while let Some(Ok(Message::Binary(received))) = socket.next().await {
        socket.feed(message(reply_to(&received))).await.unwrap();
        replies += 1;
        if replies % BATCH == 0 {
            socket.flush().await.unwrap();
        }
    }
}

/// Upgrades without tokio: the task that owns the connection inherits the handler's frame.
async fn upgrade(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let upgraded = hyper::upgrade::on(&mut request);
    drop(spawn(async move {
        chat(socket(upgraded.await.unwrap(), Role::Server).await).await;
    }));
    Ok(switching(request.version()))
}

/// Returns the response that accepts an upgrade.
fn switching(version: hyper::Version) -> Response<Empty<Bytes>> {
    let response = Response::builder();
    let response = if version == hyper::Version::HTTP_11 {
        response
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
    } else {
        response
    };
    response.body(Empty::new()).unwrap()
}

/// Opens a socket to the server.
async fn open(protocol: Protocol, address: SocketAddr, id: u64) -> Socket {
    let mut connection = connect::<Empty<Bytes>>(protocol, address).await;
    let request = match protocol {
        Protocol::Http1 => Request::get("/")
            .header("host", "localhost")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        Protocol::Http2 => Request::connect("localhost:80"),
    };
    let request = request.header(X_ID, id).body(Empty::new()).unwrap();
    let response = connection
        .ready()
        .await
        .unwrap()
        .call(request)
        .await
        .unwrap();
    let expected = match protocol {
        Protocol::Http1 => StatusCode::SWITCHING_PROTOCOLS,
        Protocol::Http2 => StatusCode::OK,
    };
    assert_eq!(response.status(), expected);
    let upgraded = hyper::upgrade::on(response).await.unwrap();
    socket(upgraded, Role::Client).await
}

/// The client's side of a socket: sends all messages and reads the replies. Returns how many
/// replies were correct.
async fn exchange(protocol: Protocol, address: SocketAddr, id: u64) -> usize {
    let (mut sink, mut replies) = open(protocol, address, id).await.split();
    let sending = spawn(async move {
        for _ in 0..MESSAGES / BATCH {
            for _ in 0..BATCH {
                sink.feed(message(seen())).await.unwrap();
            }
            sink.flush().await.unwrap();
        }
        sink
    });
    let mut right = 0;
    for _ in 0..MESSAGES {
        let reply = replies.next().await.unwrap().unwrap();
        right += usize::from(number(&reply.into_data()) == id + SERVERS);
    }
    drop(sending.await.unwrap());
    right
}

fn exchange_all(runtime: &Runtime, protocol: Protocol, address: SocketAddr) -> usize {
    let sockets: Vec<_> = (1..=SOCKETS)
        .map(|id| ID.run(id, || runtime.spawn(exchange(protocol, address, id))))
        .collect();
    let replies = sockets
        .into_iter()
        .map(|socket| runtime.block_on(socket).unwrap());
    replies.sum()
}

fn bindings(request: &Parts) -> framewise::context::Bindings<framewise::context::Bound<u64>> {
    bind(&ID, id_in(request) + SERVERS)
}

#[test]
fn c89_ten_thousand_messages_of_websockets_by_hypers_upgrade_see_their_requests() {
    everywhere(|runtime, _| {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let service = FrameLayer::bind(bindings).layer(service_fn(upgrade));
            let server = runtime.block_on(serve(service));
            assert_eq!(exchange_all(runtime, protocol, server.address), 10_000);
        }
    });
}

/// A server's end does not wait for sockets that were upgraded, nor close them.
#[test]
fn an_upgraded_connection_goes_on_after_its_server_has_ended() {
    everywhere(|runtime, _| {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            runtime.block_on(async {
                let service = FrameLayer::bind(bindings).layer(service_fn(upgrade));
                let server = serve(service).await;
                let mut socket = open(protocol, server.address, 7).await;
                drop(server);
                for _ in 0..BATCH {
                    socket.feed(message(7)).await.unwrap();
                }
                socket.flush().await.unwrap();
                for _ in 0..BATCH {
                    let reply = socket.next().await.unwrap().unwrap();
                    assert_eq!(number(&reply.into_data()), 7 + SERVERS);
                }
            });
        }
    });
}

/// Upgrades under a deadline. Tells `passed` when it is over, and chats then, in a shield or not.
async fn upgrade_late(
    mut request: Request<DeadlineBody<Incoming>>,
    passed: UnboundedSender<()>,
    is_shielded: bool,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let upgraded = hyper::upgrade::on(&mut request);
    drop(spawn(async move {
        let socket =
            deadline::shield(async { socket(upgraded.await.unwrap(), Role::Server).await });
        let socket = socket.await;
        cancel::cancelled().await;
        passed.unbounded_send(()).unwrap();
        if is_shielded {
            deadline::shield(chat(socket)).await;
        } else {
            chat(socket).await;
        }
    }));
    Ok(switching(request.version()))
}

/// A task that is spawned by a handler inherits the request's deadline. Over HTTP/1 it reads the
/// socket itself, which fails then, unless the task is in a shield. Over HTTP/2 the connection's
/// task reads the socket.
#[test]
fn c97_an_upgraded_connection_in_a_shield_outlasts_its_requests_deadline() {
    let test = async |protocol, is_shielded| {
        let (sender, mut passed) = futures::channel::mpsc::unbounded();
        let handler = service_fn(move |request| upgrade_late(request, sender.clone(), is_shielded));
        let layer = DeadlineLayer::new().with_cap(SHORT);
        let server = serve(FrameLayer::bind(bindings).layer(layer.layer(handler))).await;
        let mut socket = open(protocol, server.address, 7).await;
        passed.next().await.unwrap();
        let goes_on = is_shielded || protocol == Protocol::Http2;
        for _ in 0..BATCH {
            // Fails if the server has closed the connection.
            let _ = socket.feed(message(7)).await;
        }
        let _ = socket.flush().await;
        match socket.next().await {
            Some(Ok(Message::Binary(reply))) => {
                assert!(goes_on);
                assert_eq!(number(&reply), 7 + SERVERS);
            }
            _ => assert!(!goes_on),
        }
    };
    everywhere(|runtime, _| {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            for is_shielded in [true, false] {
                runtime.block_on(test(protocol, is_shielded));
            }
        }
    });
}

/// Like [`chat`], with axum's socket.
async fn chat_with_axum(mut socket: ws::WebSocket) {
    let mut replies = 0;
    while let Some(Ok(ws::Message::Binary(received))) = socket.recv().await {
        let reply = Bytes::copy_from_slice(&reply_to(&received).to_be_bytes());
        socket.feed(ws::Message::Binary(reply)).await.unwrap();
        replies += 1;
        if replies % BATCH == 0 {
            socket.flush().await.unwrap();
        }
    }
}

/// axum spawns the callback of `on_upgrade` with `tokio::spawn`, even on a server that runs on
/// framewise. So it needs a tokio runtime, and its task has no frame unless the callback is
/// wrapped.
#[test]
fn c89_a_wrapped_callback_of_axums_on_upgrade_sees_its_request_in_tokios_task() {
    everywhere(|runtime, _| {
        let mut tokio = tokio::runtime::Builder::new_multi_thread();
        let tokio = tokio.worker_threads(1).build().unwrap();
        for (wrapped, expected) in [(true, 10_000), (false, 0)] {
            let handle = tokio.handle().clone();
            let upgrade = move |upgrade: WebSocketUpgrade| {
                let handle = handle.clone();
                async move {
                    // Enter tokio only for the call, which does not block.
                    let _tokio = handle.enter();
                    if wrapped {
                        upgrade.on_upgrade(Frame::current().wrap_async(chat_with_axum))
                    } else {
                        upgrade.on_upgrade(chat_with_axum)
                    }
                }
            };
            let routes: Router = Router::new().route("/", any(upgrade));
            let routes = routes.layer(FrameLayer::bind(bindings));
            let server = runtime.block_on(serve(routes));
            let right = exchange_all(runtime, Protocol::Http1, server.address);
            assert_eq!(right, expected, "wrapped: {wrapped}");
        }
    });
}
