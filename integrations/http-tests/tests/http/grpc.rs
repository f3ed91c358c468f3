//! gRPC by tonic, on hyper's HTTP/2 and framewise: server streams, client streams and bidirectional
//! streams, on connections that calls share. A message is a number, so no code is generated.

use std::convert::Infallible;

use bytes::{Buf, BufMut};
use framewise::context::FrameScope;
use framewise::runtime::Runtime;
use framewise::tower::FrameLayer;
use framewise::{bind, spawn};
use futures::stream::{self, BoxStream, StreamExt};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Request, Response};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Status, Streaming};
use tower::{Layer, service_fn};

use crate::bodies::SERVERS;
use crate::glue::{Connection, Protocol, Server, X_ID, connect, id_in, in_frames, serve};
use crate::messages::seen;
use framewise_test_support::{ID, everywhere};

/// Calls per connection, connections, and messages per call: 10,000 messages for each kind of
/// stream.
const CALLS: u64 = 5;
const CONNECTIONS: u64 = 2;
const MESSAGES: usize = 1000;

/// The codec of messages of eight bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Numbers;

impl Codec for Numbers {
    type Encode = u64;
    type Decode = u64;
    type Encoder = Numbers;
    type Decoder = Numbers;

    fn encoder(&mut self) -> Numbers {
        Numbers
    }

    fn decoder(&mut self) -> Numbers {
        Numbers
    }
}

impl Encoder for Numbers {
    type Item = u64;
    type Error = Status;

    fn encode(&mut self, item: u64, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_u64(item);
        Ok(())
    }
}

impl Decoder for Numbers {
    type Item = u64;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<u64>, Status> {
        Ok(Some(buffer.get_u64()))
    }
}

/// Streams numbers that are made while they are sent: the value of [`ID`] at that time.
fn numbers() -> impl stream::Stream<Item = u64> + Send + 'static {
    stream::iter(0..MESSAGES).then(|n| async move {
        if n.is_multiple_of(7) {
            framewise::task::yield_now().await;
        }
        seen()
    })
}

type Replies = BoxStream<'static, Result<u64, Status>>;

/// Replies with a server stream.
async fn down(_: tonic::Request<u64>) -> Result<tonic::Response<Replies>, Status> {
    Ok(tonic::Response::new(numbers().map(Ok).boxed()))
}

/// Reads a client stream, and replies with the count of correct messages.
async fn up(request: tonic::Request<Streaming<u64>>) -> Result<tonic::Response<u64>, Status> {
    let client = seen() - SERVERS;
    let mut right = 0;
    let mut numbers = request.into_inner();
    while let Some(number) = numbers.message().await? {
        assert_eq!(seen(), client + SERVERS, "the handler's own frame");
        right += u64::from(number == client);
    }
    Ok(tonic::Response::new(right))
}

/// Replies to each message of a bidirectional stream when it arrives: with the handler's number, or
/// with 0 if the message is wrong.
async fn both(request: tonic::Request<Streaming<u64>>) -> Result<tonic::Response<Replies>, Status> {
    let replies = request.into_inner().map(|number| {
        let right = number? + SERVERS == seen();
        Ok(if right { seen() } else { 0 })
    });
    Ok(tonic::Response::new(replies.boxed()))
}

async fn route(request: Request<Incoming>) -> Result<Response<tonic::body::Body>, Infallible> {
    let mut grpc = tonic::server::Grpc::new(Numbers);
    Ok(match request.uri().path() {
        "/numbers/down" => grpc.server_streaming(service_fn(down), request).await,
        "/numbers/up" => grpc.client_streaming(service_fn(up), request).await,
        "/numbers/both" => grpc.streaming(service_fn(both), request).await,
        other => panic!("there is no {other}"),
    })
}

async fn server() -> Server {
    let bindings = |request: &Parts| bind(&ID, id_in(request) + SERVERS);
    let service = FrameLayer::bind(bindings).layer(service_fn(route));
    serve(service).await
}

/// Makes one call in the current frame. Returns how many messages were sent or received, and how
/// many were correct.
async fn call(
    connection: Connection<FrameScope<tonic::body::Body>>,
    path: &'static str,
    id: u64,
) -> (usize, usize) {
    let origin = "http://localhost".parse().unwrap();
    let mut grpc = tonic::client::Grpc::with_origin(in_frames(connection), origin);
    grpc.ready().await.unwrap();
    let mut counted = (0, 0);
    let mut count = |number| {
        counted.0 += 1;
        counted.1 += usize::from(number == id + SERVERS);
    };
    let path_and_query = path.parse().unwrap();
    let mut replies = if path == "/numbers/down" {
        let mut request = tonic::Request::new(id);
        request.metadata_mut().insert(X_ID, id.into());
        grpc.server_streaming(request, path_and_query, Numbers)
            .await
            .unwrap()
            .into_inner()
    } else {
        let mut request = tonic::Request::new(numbers());
        request.metadata_mut().insert(X_ID, id.into());
        if path == "/numbers/up" {
            let right = grpc.client_streaming(request, path_and_query, Numbers);
            return (MESSAGES, right.await.unwrap().into_inner() as usize);
        }
        grpc.streaming(request, path_and_query, Numbers)
            .await
            .unwrap()
            .into_inner()
    };
    while let Some(number) = replies.message().await.unwrap() {
        count(number);
        assert_eq!(seen(), id, "the caller's own frame");
    }
    counted
}

fn ten_thousand_messages(runtime: &Runtime, path: &'static str) {
    let (all, right) = runtime.block_on(async {
        let server = server().await;
        let mut calls = Vec::new();
        for connection in 0..CONNECTIONS {
            let shared = connect(Protocol::Http2, server.address).await;
            for number in 1..=CALLS {
                let (id, connection) = (connection * 100 + number, shared.share());
                calls.push(ID.run(id, || spawn(call(connection, path, id))));
            }
        }
        let (mut all, mut right) = (0, 0);
        for call in calls {
            let counted = call.await.unwrap();
            all += counted.0;
            right += counted.1;
        }
        (all, right)
    });
    assert_eq!((all, right), (10_000, 10_000), "{path}");
}

#[test]
fn c89_ten_thousand_messages_of_grpc_server_streams_see_their_calls() {
    everywhere(|runtime, _| ten_thousand_messages(runtime, "/numbers/down"));
}

#[test]
fn c89_ten_thousand_messages_of_grpc_client_streams_see_their_calls() {
    everywhere(|runtime, _| ten_thousand_messages(runtime, "/numbers/up"));
}

#[test]
fn c89_ten_thousand_messages_of_grpc_streams_both_ways_see_their_calls() {
    everywhere(|runtime, _| ten_thousand_messages(runtime, "/numbers/both"));
}
