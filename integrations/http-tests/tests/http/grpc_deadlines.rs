//! gRPC's deadlines over two servers: `grpc-timeout` in and out, and what a call that has no time
//! left ends with. tonic's client and server, on hyper's HTTP/2 and framewise.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use framewise::runtime::Runtime;
use framewise::tower::{
    ClientDeadlineLayer, ClientDeadlineService, ClientFrameService, DeadlineBody, DeadlineLayer,
    FrameLayer,
};
use framewise::{bind, deadline};
use framewise_context::FrameScope;
use framewise_test_support::{ID, KEPT, everywhere};
use futures::stream::{self, BoxStream, StreamExt};
use hyper::body::Incoming;
use hyper::{Request, Response};
use tonic::{Code, Status, Streaming};
use tower::{Layer, service_fn};

use crate::bodies::{Bound, SERVERS};
use crate::glue::{Connection, Protocol, Server, X_ID, connect, id_in, in_frames, serve};
use crate::grpc::Numbers;

const SECOND: Duration = Duration::from_secs(1);
/// A deadline that passes in each test which waits for it.
const SHORT: Duration = Duration::from_millis(20);
/// How much earlier than its caller's time that of a call ends.
const MARGIN: Duration = Duration::from_secs(600);

type Transport = Connection<FrameScope<tonic::body::Body>>;
type Client = tonic::client::Grpc<ClientDeadlineService<ClientFrameService<Transport>>>;
type Replies = BoxStream<'static, Result<u64, Status>>;

/// A client whose calls say how much time they have, less a margin.
fn client(connection: Transport, margin: Duration) -> Client {
    let layer = ClientDeadlineLayer::grpc().with_margin(margin);
    let origin = "http://localhost".parse().unwrap();
    tonic::client::Grpc::with_origin(layer.layer(in_frames(connection)), origin)
}

fn request<M>(message: M) -> tonic::Request<M> {
    let mut request = tonic::Request::new(message);
    request
        .metadata_mut()
        .insert(X_ID, ID.get().unwrap_or(7).into());
    request
}

async fn unary(client: Client, path: &'static str) -> Result<u64, Status> {
    unary_within(client, path, None).await
}

/// Waits for what never comes.
async fn late() -> Status {
    let ended = deadline::enforce(pending::<()>()).await.unwrap_err();
    Status::deadline_exceeded(format!("request {:?}: {ended}", ID.get()))
}

/// The handlers of a server, which may have another one behind it.
#[derive(Clone)]
struct Handlers {
    back: Option<(Arc<Transport>, Duration)>,
}

impl Handlers {
    fn back(&self) -> Client {
        let (back, margin) = self.back.as_ref().expect("another server");
        client(back.share(), *margin)
    }

    async fn unary(self, path: String) -> Result<tonic::Response<u64>, Status> {
        let reply = match &*path {
            // The time that is left, in seconds, and whether there is any limit.
            "/remaining" => Ok(deadline::remaining().map_or(u64::MAX, |time| time.as_secs())),
            "/late" => Err(late().await),
            // Fails after its deadline, for a reason of its own.
            "/disk" => {
                late().await;
                Err(Status::unknown("disk"))
            }
            // Obeys nothing.
            "/stubborn" => pending().await,
            "/forward/remaining" => unary(self.back(), "/remaining").await,
            "/forward/late" => unary(self.back(), "/late").await,
            other => panic!("there is no {other}"),
        };
        reply.map(tonic::Response::new)
    }
}

/// Sends a message, and has not the second one in time.
async fn down(_: tonic::Request<u64>) -> Result<tonic::Response<Replies>, Status> {
    let first = stream::once(async { Ok(ID.get().unwrap_or(0)) });
    let second = stream::once(async { Err(late().await) });
    Ok(tonic::Response::new(first.chain(second).boxed()))
}

/// Reads a stream whose peer stalls.
async fn up(request: tonic::Request<Streaming<u64>>) -> Result<tonic::Response<u64>, Status> {
    let mut messages = request.into_inner();
    let mut count = 0;
    loop {
        match messages.message().await {
            Ok(None) => return Ok(tonic::Response::new(count)),
            Ok(Some(_)) => count += 1,
            Err(error) => {
                assert!(deadline::is(&error), "{error:?}");
                // As tonic makes it: its code is `UNKNOWN`.
                return Err(error);
            }
        }
    }
}

async fn route(
    request: Request<DeadlineBody<Incoming>>,
    handlers: Handlers,
) -> Result<Response<tonic::body::Body>, Infallible> {
    let mut grpc = tonic::server::Grpc::new(Numbers);
    let path = request.uri().path().to_owned();
    Ok(match &*path {
        "/down" => grpc.server_streaming(service_fn(down), request).await,
        "/up" => grpc.client_streaming(service_fn(up), request).await,
        _ => {
            let unary = |_: tonic::Request<u64>| handlers.clone().unary(path.clone());
            grpc.unary(service_fn(unary), request).await
        }
    })
}

/// A server, with a cap on its requests' time, and another one behind it.
async fn server(cap: Option<Duration>, bound: &Bound, back: Option<(&Server, Duration)>) -> Server {
    let back = match back {
        None => None,
        Some((server, margin)) => {
            let connection = connect(Protocol::Http2, server.address).await;
            Some((Arc::new(connection), margin))
        }
    };
    let handlers = Handlers { back };
    let bound = bound.clone();
    let layer = DeadlineLayer::new();
    let layer = cap.map_or(layer, |cap| layer.with_cap(cap));
    let service = layer.layer(service_fn(move |request| route(request, handlers.clone())));
    let bindings = move |request: &_| bind(&ID, id_in(request) + SERVERS).and(&KEPT, bound.value());
    serve(FrameLayer::bind(bindings).layer(service)).await
}

/// Runs a test with one server's cap, and a client's margin. No value of its requests is alive at
/// its end.
fn with_server<F: Future<Output = ()>>(
    runtime: &Runtime,
    cap: Option<Duration>,
    margin: Duration,
    test: impl FnOnce(Client) -> F,
) {
    let bound = Bound::default();
    // The connection and the server are open when the requests' values are freed.
    let _open = runtime.block_on(async {
        let server = server(cap, &bound, None).await;
        let connection = connect(Protocol::Http2, server.address).await;
        test(client(connection.share(), margin)).await;
        (server, connection)
    });
    // A call may have ended before it was sent.
    assert!(bound.wait_until_freed() <= 1);
}

/// Makes a call with this header, whatever time its caller has.
async fn unary_within(
    mut client: Client,
    path: &'static str,
    header: Option<&str>,
) -> Result<u64, Status> {
    let mut request = request(0);
    if let Some(header) = header {
        request
            .metadata_mut()
            .insert("grpc-timeout", header.parse().unwrap());
    }
    client.ready().await.unwrap();
    let reply = client.unary(request, path.parse().unwrap(), Numbers).await;
    reply.map(tonic::Response::into_inner)
}

/// Returns the seconds that the server says are left to a call with this header.
fn left(runtime: &Runtime, cap: Option<u64>, header: Option<&'static str>) -> Option<u64> {
    let mut left = 0;
    let answer = &mut left;
    let cap = cap.map(Duration::from_secs);
    with_server(runtime, cap, Duration::ZERO, |client| async move {
        *answer = unary_within(client, "/remaining", header).await.unwrap();
    });
    (left < u64::MAX).then_some(left)
}

#[test]
fn a_server_takes_the_header_and_the_cap_whichever_is_shorter() {
    everywhere(|runtime, _| {
        assert_eq!(left(runtime, None, None), None);
        for (cap, header, most) in [
            (None, Some("2H"), 7200),
            (Some(3600), None, 3600),
            (Some(3600), Some("2H"), 3600),
            (Some(7200), Some("60M"), 3600),
            // Malformed, so it counts as missing.
            (Some(3600), Some("2h"), 3600),
        ] {
            let left = left(runtime, cap, header).expect("a limit");
            assert!((most - 600..=most).contains(&left), "{left} of {most}");
        }
    });
}

#[test]
fn a_call_sends_its_callers_time_less_the_margin_over_two_hops() {
    everywhere(|runtime, _| {
        let bound = Bound::default();
        let _open = runtime.block_on(async {
            let back = server(None, &bound, None).await;
            let front = server(None, &bound, Some((&back, MARGIN))).await;
            let connection: Transport = connect(Protocol::Http2, front.address).await;
            for (path, margins) in [("/remaining", 1), ("/forward/remaining", 2)] {
                let call = unary(client(connection.share(), MARGIN), path);
                let left = deadline::within(3600 * SECOND, call).await.unwrap();
                let most = 3600 - margins * MARGIN.as_secs();
                assert!((most - 300..=most).contains(&left), "{left} of {most}");
            }
            // Without a deadline, nothing is sent.
            let call = unary(client(connection.share(), MARGIN), "/forward/remaining");
            assert_eq!(call.await.unwrap(), u64::MAX);
            (back, front, connection)
        });
        assert_eq!(bound.wait_until_freed(), 5);
    });
}

#[test]
fn a_deadline_that_passes_two_hops_away_is_the_callers_status() {
    everywhere(|runtime, _| {
        let bound = Bound::default();
        let _open = runtime.block_on(async {
            let back = server(None, &bound, None).await;
            let front = server(None, &bound, Some((&back, SHORT / 4))).await;
            let connection: Transport = connect(Protocol::Http2, front.address).await;
            let last = ID.get().unwrap_or(7) + 2 * SERVERS;
            let whose = format!("request Some({last}): the deadline `grpc-timeout` (");
            let mut limit = SHORT;
            loop {
                let call = unary(client(connection.share(), Duration::ZERO), "/forward/late");
                // The caller waits until a server replies.
                let status = deadline::within(limit, call).await.unwrap_err();
                assert_eq!(status.code(), Code::DeadlineExceeded);
                if status.message().starts_with(&whose) {
                    break;
                }
                // On a slow machine the time may be over before the last handler is called.
                assert!(status.message().contains("the deadline `grpc-timeout` ("));
                limit *= 2;
            }
            (back, front, connection)
        });
        assert!(bound.wait_until_freed() >= 2);
    });
}

#[test]
fn a_call_without_time_is_exceeded_before_its_handler_is_called() {
    everywhere(|runtime, _| {
        with_server(runtime, None, Duration::ZERO, |client| async {
            let status = unary_within(client, "/remaining", Some("0n")).await;
            let status = status.unwrap_err();
            assert_eq!(status.code(), Code::DeadlineExceeded);
            assert!(status.message().contains("the deadline `grpc-timeout` ("));
        });
    });
}

#[test]
fn a_cap_that_passes_is_the_callers_status() {
    everywhere(|runtime, _| {
        with_server(runtime, Some(SHORT), MARGIN, |client| async {
            let call = deadline::within(3600 * SECOND, unary(client, "/late"));
            let status = call.await.unwrap_err();
            assert_eq!(status.code(), Code::DeadlineExceeded);
            assert!(status.message().contains("the deadline `cap` ("));
        });
    });
}

#[test]
fn a_status_that_the_handler_chose_is_the_callers_also_after_the_deadline() {
    everywhere(|runtime, _| {
        with_server(runtime, Some(SHORT), MARGIN, |client| async {
            let status = unary(client, "/disk").await.unwrap_err();
            // Unless the time was over before the handler was called.
            let was_called = !status.message().contains("the deadline");
            let code = [Code::DeadlineExceeded, Code::Unknown][usize::from(was_called)];
            assert_eq!(status.code(), code, "{status:?}");
        });
    });
}

#[test]
fn c89_a_stream_of_replies_ends_with_its_deadline() {
    everywhere(|runtime, _| {
        let mut cap = SHORT;
        while !down_within(runtime, cap) {
            cap *= 2;
        }
    });
}

/// Returns `false` if the time was over before the handler was called.
fn down_within(runtime: &Runtime, cap: Duration) -> bool {
    let mut is_called = true;
    let called = &mut is_called;
    with_server(runtime, Some(cap), MARGIN, |mut client| async move {
        client.ready().await.unwrap();
        let path = "/down".parse().unwrap();
        let replies = client.server_streaming(request(0), path, Numbers).await;
        let status = match replies {
            Ok(replies) => {
                let mut replies = replies.into_inner();
                assert!(replies.message().await.unwrap() > Some(SERVERS));
                replies.message().await.unwrap_err()
            }
            Err(status) => {
                *called = false;
                status
            }
        };
        assert_eq!(status.code(), Code::DeadlineExceeded);
    });
    is_called
}

#[test]
fn c99_a_stream_of_requests_that_stalls_ends_with_its_deadline() {
    everywhere(|runtime, _| {
        with_server(runtime, Some(SHORT), MARGIN, |mut client| async move {
            client.ready().await.unwrap();
            let path = "/up".parse().unwrap();
            let messages = stream::iter([1, 2]).chain(stream::pending());
            let call = client.client_streaming(request(messages), path, Numbers);
            let reply: Result<tonic::Response<u64>, _> = call.await;
            assert_eq!(reply.unwrap_err().code(), Code::DeadlineExceeded);
        });
    });
}

#[test]
fn a_call_to_a_server_that_does_not_obey_is_ended_by_enforce() {
    everywhere(|runtime, _| {
        with_server(runtime, None, Duration::ZERO, |client| async {
            let call = deadline::enforce(unary(client, "/stubborn"));
            let ended = deadline::within(SHORT, call).label("call").await;
            assert_eq!(ended.unwrap_err().label(), Some("call"));
        });
    });
}
