//! hyper's bodies, in both directions, over HTTP/1 and HTTP/2.
//!
//! The client binds a number for each request, and the server binds that number plus [`SERVERS`].
//! So the number in a message identifies the frame in which it was made.
//! [`SERVERS`]: so what a message says tells whose frame it was made in.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Weak};

use framewise::runtime::Runtime;
use framewise::tower::FrameLayer;
use framewise::{bind, spawn};
use hyper::body::{Body, Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::{Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::glue::{Connection, Protocol, Server, X_ID, connect, id_in, in_frames, serve};
use crate::messages::{Count, DropTracker, Messages, X_SEEN, count};
use framewise_test_support::{ID, KEPT, everywhere};

/// The server adds this to the number of a request.
pub(crate) const SERVERS: u64 = 1_000_000;
/// Connections, requests per connection, and messages per body: 10,000 in each direction.
const CONNECTIONS: usize = 4;
const REQUESTS: usize = 10;
pub(crate) const MESSAGES: usize = 250;
/// Requests per connection for tests that do not count messages.
const FEW: usize = 2;

const X_COUNT: &str = "x-count";
const X_WRONG: &str = "x-wrong";
const X_TRAILER: &str = "x-trailer";

/// Weak references to the values that a server bound for its requests. A value is alive only while
/// a frame holds it.
#[derive(Clone, Default)]
pub(crate) struct Bound(Arc<Mutex<Vec<Weak<()>>>>);

impl Bound {
    pub(crate) fn value(&self) -> Arc<()> {
        let value = Arc::new(());
        self.0.lock().unwrap().push(Arc::downgrade(&value));
        value
    }

    /// Waits until no value is alive, and returns how many there were.
    pub(crate) fn wait_until_freed(&self) -> usize {
        let bound = self.0.lock().unwrap();
        while bound.iter().any(|value| value.strong_count() > 0) {
            std::thread::yield_now();
        }
        bound.len()
    }
}

/// Reads the request's messages, and responds with the counts and with as many messages of its own.
async fn handler(
    request: Request<Incoming>,
    drops: DropTracker,
) -> Result<Response<Messages>, Infallible> {
    let (parts, body) = request.into_parts();
    let (client, own) = (id_in(&parts), id_in(&parts) + SERVERS);
    let received = count(body, client).await;
    assert_eq!(ID.get(), Some(own), "the handler's own frame");
    let response = Response::builder()
        .header(X_COUNT, received.messages)
        .header(X_WRONG, received.wrong)
        .header(X_TRAILER, received.trailer.unwrap_or(0))
        // HTTP/1 sends trailers only with this header.
        .header("trailer", X_SEEN)
        .body(Messages::new(MESSAGES, own, &drops));
    Ok(response.unwrap())
}

/// Starts a server with one layer, which binds the values.
pub(crate) async fn server_that_binds(drops: &DropTracker, bound: &Bound) -> Server {
    let (drops, bound) = (drops.clone(), bound.clone());
    let handler = service_fn(move |request| handler(request, drops.clone()));
    let bindings =
        move |request: &Parts| bind(&ID, id_in(request) + SERVERS).and(&KEPT, bound.value());
    serve(FrameLayer::bind(bindings).layer(handler)).await
}

/// Starts a server with middleware that binds a value, in the two common forms: around a call that
/// is made inside the scope (like axum's `next.run(request)`), or before it.
async fn server_with_middleware(drops: &DropTracker, lazy: bool) -> Server {
    let drops = drops.clone();
    let handler =
        FrameLayer::new().layer(service_fn(move |request| handler(request, drops.clone())));
    let middleware = service_fn(move |request: Request<Incoming>| {
        let mut handler = handler.clone();
        async move {
            let (parts, body) = request.into_parts();
            let id = id_in(&parts) + SERVERS;
            let request = Request::from_parts(parts, body);
            if lazy {
                ID.scope(id, async { handler.call(request).await }).await
            } else {
                ID.scope(id, handler.call(request)).await
            }
        }
    });
    serve(middleware).await
}

/// Sends one request and reads its response, in the current frame. Returns the server's count and
/// the client's count.
pub(crate) async fn exchange<S, B>(client: &mut S, drops: &DropTracker, id: u64) -> (Count, Count)
where
    S: Service<Request<Messages>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: Body<Data = Bytes, Error = hyper::Error>,
{
    let request = Request::post("http://localhost/")
        .header("host", "localhost")
        .header("te", "trailers")
        .header("trailer", X_SEEN)
        .header(X_ID, id)
        .body(Messages::new(MESSAGES, id, drops))
        .unwrap();
    let response = client.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!(ID.get(), Some(id), "the caller's own frame");
    let header = |name| -> u64 {
        let value = response.headers().get(name).unwrap().to_str().unwrap();
        value.parse().unwrap()
    };
    let sent = Count {
        messages: header(X_COUNT) as usize,
        wrong: header(X_WRONG) as usize,
        trailer: Some(header(X_TRAILER)).filter(|id| *id > 0),
    };
    (sent, count(response.into_body(), id + SERVERS).await)
}

fn check(sent: &mut Count, received: &mut Count, id: u64, outcome: (Count, Count)) {
    let right = |trailer| Count {
        messages: MESSAGES,
        wrong: 0,
        trailer: Some(trailer),
    };
    assert_eq!(outcome, (right(id), right(id + SERVERS)), "request {id}");
    sent.add(outcome.0);
    received.add(outcome.1);
}

/// Sends all requests on a few connections, each in its own frame: one after the other over HTTP/1,
/// and concurrently over HTTP/2.
async fn exchange_all(
    protocol: Protocol,
    address: SocketAddr,
    requests: usize,
    drops: &DropTracker,
) -> (Count, Count) {
    let mut connections = Vec::new();
    for connection in 0..CONNECTIONS {
        let ids = (1..=requests).map(move |request| (connection * 1000 + request) as u64);
        let drops = drops.clone();
        connections.push(spawn(async move {
            let connection = connect(protocol, address).await;
            let (mut sent, mut received) = (Count::default(), Count::default());
            if protocol == Protocol::Http1 {
                let mut client = in_frames(connection);
                for id in ids {
                    let outcome = ID.scope(id, exchange(&mut client, &drops, id)).await;
                    check(&mut sent, &mut received, id, outcome);
                }
            } else {
                let requests: Vec<_> = ids
                    .map(|id| {
                        let (mut client, drops) = (in_frames(connection.share()), drops.clone());
                        let request = async move { exchange(&mut client, &drops, id).await };
                        (id, ID.run(id, || spawn(request)))
                    })
                    .collect();
                for (id, request) in requests {
                    check(&mut sent, &mut received, id, request.await.unwrap());
                }
            }
            (sent, received)
        }));
    }
    let (mut sent, mut received) = (Count::default(), Count::default());
    for connection in connections {
        let counted = connection.await.unwrap();
        sent.add(counted.0);
        received.add(counted.1);
    }
    (sent, received)
}

/// Checks that all messages arrived in both directions, and that each body was dropped in its own
/// frame.
fn check_all((sent, received): (Count, Count), requests: usize, drops: &DropTracker) {
    let all = CONNECTIONS * requests * MESSAGES;
    assert_eq!((sent.messages, received.messages), (all, all));
    assert_eq!((sent.wrong, received.wrong), (0, 0));
    drops.wait(2 * CONNECTIONS * requests);
}

fn ten_thousand_messages_each_way(runtime: &Runtime, protocol: Protocol) {
    let (drops, bound) = (DropTracker::default(), Bound::default());
    let counted = runtime.block_on(async {
        let server = server_that_binds(&drops, &bound).await;
        exchange_all(protocol, server.address, REQUESTS, &drops).await
    });
    assert_eq!((counted.0.messages, counted.1.messages), (10_000, 10_000));
    check_all(counted, REQUESTS, &drops);
    assert_eq!(bound.wait_until_freed(), CONNECTIONS * REQUESTS);
}

#[test]
fn c89_ten_thousand_messages_each_way_over_http1_see_their_requests() {
    everywhere(|runtime, _| ten_thousand_messages_each_way(runtime, Protocol::Http1));
}

#[test]
fn c89_ten_thousand_messages_each_way_over_http2_see_their_requests() {
    everywhere(|runtime, _| ten_thousand_messages_each_way(runtime, Protocol::Http2));
}

#[test]
fn c89_a_layer_within_middleware_takes_what_the_middleware_bound() {
    everywhere(|runtime, _| {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            for lazy in [false, true] {
                let drops = DropTracker::default();
                let counted = runtime.block_on(async {
                    let server = server_with_middleware(&drops, lazy).await;
                    exchange_all(protocol, server.address, FEW, &drops).await
                });
                check_all(counted, FEW, &drops);
            }
        }
    });
}

/// Control: shows the fault that the layers prevent, so that the tests above can fail.
#[test]
fn without_the_layers_every_message_is_at_the_root() {
    everywhere(|runtime, _| {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            // This test expects that bodies are dropped in the root frame, so it does not check
            // `drops`.
            let drops = DropTracker::default();
            let (sent, received) = runtime.block_on(async {
                let handlers = drops.clone();
                let server = service_fn(move |request: Request<Incoming>| {
                    let (parts, body) = request.into_parts();
                    let id = id_in(&parts) + SERVERS;
                    ID.scope(
                        id,
                        handler(Request::from_parts(parts, body), handlers.clone()),
                    )
                });
                let server = serve(server).await;
                let mut client: Connection<Messages> = connect(protocol, server.address).await;
                ID.scope(7, exchange(&mut client, &drops, 7)).await
            });
            for count in [sent, received] {
                assert_eq!((count.messages, count.wrong), (MESSAGES, MESSAGES));
                assert_eq!(count.trailer.unwrap_or(0), 0);
            }
        }
    });
}

#[test]
fn c90_an_open_connection_keeps_no_requests_values() {
    everywhere(|runtime, _| {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let (drops, bound) = (DropTracker::default(), Bound::default());
            let server = runtime.block_on(server_that_binds(&drops, &bound));
            let address = server.address;
            let mut client = None;
            for id in 1..=3 {
                let (kept, drops) = (Arc::new(()), drops.clone());
                let frame = bind(&ID, id).and(&KEPT, Arc::clone(&kept)).frame();
                let opened = client.take();
                let request = async move {
                    let mut client = match opened {
                        // The first request opens the connection, in its own frame.
                        None => in_frames(connect(protocol, address).await),
                        Some(client) => client,
                    };
                    let outcome = exchange(&mut client, &drops, id).await;
                    check(&mut Count::default(), &mut Count::default(), id, outcome);
                    client
                };
                let request = frame.run(|| runtime.spawn(request));
                drop(frame);
                // The handle keeps the connection open.
                client = Some(runtime.block_on(request).unwrap());
                while Arc::strong_count(&kept) > 1 {
                    std::thread::yield_now();
                }
                assert_eq!(bound.wait_until_freed(), id as usize);
            }
        }
    });
}

#[test]
fn c89_a_body_that_is_not_read_is_dropped_in_its_frame() {
    everywhere(|runtime, id| {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let (drops, bound) = (DropTracker::default(), Bound::default());
            runtime.block_on(async {
                let server = server_that_binds(&drops, &bound).await;
                let mut client = in_frames(connect(protocol, server.address).await);
                let request = Request::post("http://localhost/")
                    .header("host", "localhost")
                    .header(X_ID, 5)
                    .body(Messages::new(100_000, 5, &drops))
                    .unwrap();
                // The client disconnects while it sends. The driver drops the client's body, and
                // the server's handler is dropped while it reads, or its body while it is sent.
                let sending = ID.scope(5, async {
                    let response = client.ready().await.unwrap().call(request);
                    let leave = async {
                        for _ in 0..10 {
                            framewise::task::yield_now().await;
                        }
                    };
                    futures::future::select(Box::pin(leave), response).await;
                });
                sending.await;
                drop(client);
                assert_eq!(ID.get(), id);
            });
            drops.wait(1);
            bound.wait_until_freed();
        }
    });
}
