//! Deadlines over tonic's own transport, two servers in a row. tonic's server and channel know the
//! header `grpc-timeout` themselves: when its time is over, each of them drops the call, with the
//! status `CANCELLED` and the message "Timeout expired". Our layers set the header, put the work
//! under the deadline, and a cap or a deadline that is shorter than the header is the handler's.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use framewise::tower::{ClientDeadlineLayer, ClientDeadlineService, DeadlineLayer, FrameLayer};
use framewise::{ContextVar, bind, deadline, task};
use tonic::body::Body;
use tonic::codegen::http::{self, request::Parts};
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status};
use tower::{Layer, service_fn};

use super::tonic::Numbers;
use super::with_tokio;

const HOUR: Duration = Duration::from_secs(3600);
const MARGIN: Duration = Duration::from_secs(600);
/// A deadline that passes in each test which waits for it.
const SHORT: Duration = Duration::from_millis(20);

/// Bound for each request.
static KEPT: ContextVar<Arc<()>> = ContextVar::new("kept");

type Kept = Arc<Mutex<Vec<Weak<()>>>>;
type Grpc = tonic::client::Grpc<ClientDeadlineService<Channel>>;

async fn unary(channel: Channel, path: &str) -> Result<u64, Status> {
    let channel = ClientDeadlineLayer::grpc()
        .with_margin(MARGIN)
        .layer(channel);
    let mut grpc: Grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let path = format!("/deadlines{path}").parse().unwrap();
    let reply = grpc.unary(Request::new(0), path, Numbers).await;
    reply.map(Response::into_inner)
}

/// A server's handlers, with the channel to the server behind it.
#[derive(Clone)]
struct Handlers {
    back: Option<Channel>,
}

impl NamedService for Handlers {
    const NAME: &'static str = "deadlines";
}

impl Handlers {
    async fn reply(self, path: String) -> Result<Response<u64>, Status> {
        let reply = match &*path {
            "/deadlines/remaining" => {
                Ok(deadline::remaining().map_or(u64::MAX, |time| time.as_secs()))
            }
            "/deadlines/late" => {
                let ended = deadline::enforce(pending::<()>()).await.unwrap_err();
                Err(Status::deadline_exceeded(ended.to_string()))
            }
            forward => {
                let path = forward.strip_prefix("/deadlines/forward").unwrap();
                unary(self.back.expect("another server"), path).await
            }
        };
        reply.map(Response::new)
    }
}

impl<B> Service<http::Request<B>> for Handlers
where
    B: tonic::codegen::Body + Send + 'static,
    B::Error: Into<tonic::codegen::StdError> + Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<http::Response<Body>, Infallible>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let handlers = self.clone();
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            let unary = service_fn(move |_: Request<u64>| handlers.clone().reply(path.clone()));
            let mut grpc = tonic::server::Grpc::new(Numbers);
            Ok(grpc.unary(unary, request).await)
        })
    }
}

/// Serves with a cap on the requests' time, and returns a channel to the server.
async fn serve(cap: Option<Duration>, kept: &Kept, back: Option<&Channel>) -> Channel {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = futures::stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    let layer = DeadlineLayer::new();
    let layer = cap.map_or(layer, |cap| layer.with_cap(cap));
    let kept = Arc::clone(kept);
    let bindings = move |_: &Parts| {
        let value = Arc::new(());
        kept.lock().unwrap().push(Arc::downgrade(&value));
        bind(&KEPT, value)
    };
    let handlers = Handlers {
        back: back.cloned(),
    };
    let server = Server::builder()
        .layer(FrameLayer::bind(bindings))
        .layer(layer)
        .add_service(handlers)
        .serve_with_incoming(incoming);
    drop(framewise::spawn_root(server));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect().await.unwrap()
}

/// Waits until no value of a request is alive, and returns how many there were.
async fn released(kept: &Kept) -> usize {
    let kept = std::mem::take(&mut *kept.lock().unwrap());
    while kept.iter().any(|value| value.strong_count() > 0) {
        task::yield_now().await;
    }
    kept.len()
}

#[test]
fn a_call_has_its_callers_time_less_the_margins_and_at_most_the_cap() {
    for workers in [1, 2, 8] {
        with_tokio(workers).block_on(async {
            let kept = Kept::default();
            let capped = serve(Some(HOUR / 4), &kept, None).await;
            let back = serve(None, &kept, None).await;
            let front = serve(None, &kept, Some(&back)).await;
            for (channel, path, most) in [
                (&front, "/remaining", HOUR - MARGIN),
                (&front, "/forward/remaining", HOUR - 2 * MARGIN),
                (&capped, "/remaining", HOUR / 4),
            ] {
                let call = deadline::within(HOUR, unary(channel.clone(), path));
                let (left, most) = (call.await.unwrap(), most.as_secs());
                assert!((most - 300..=most).contains(&left), "{left} of {most}");
            }
            let left = unary(front, "/forward/remaining").await.unwrap();
            assert_eq!(left, u64::MAX, "without a deadline nothing is sent");
            assert_eq!(released(&kept).await, 6);
        });
    }
}

#[test]
fn a_cap_that_passes_two_hops_away_is_the_callers_status() {
    for workers in [1, 2, 8] {
        with_tokio(workers).block_on(async {
            let kept = Kept::default();
            let back = serve(Some(SHORT), &kept, None).await;
            let front = serve(None, &kept, Some(&back)).await;
            let call = deadline::within(HOUR, unary(front, "/forward/late"));
            let status = call.await.unwrap_err();
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
            assert!(status.message().starts_with("the deadline `cap` ("));
            assert_eq!(released(&kept).await, 2);
        });
    }
}

/// The header's time is over in our layer, in tonic's server and in tonic's channel at about the
/// same time: which of them replies is open, and nothing is left in any case.
#[test]
fn a_header_whose_time_is_over_ends_the_call_on_both_servers() {
    for workers in [1, 2, 8] {
        with_tokio(workers).block_on(async {
            let kept = Kept::default();
            let back = serve(None, &kept, None).await;
            let front = serve(None, &kept, Some(&back)).await;
            let call = deadline::within(MARGIN + SHORT, unary(front, "/forward/late"));
            let status = call.await.unwrap_err();
            let is_ours = status.code() == Code::DeadlineExceeded;
            let is_tonics =
                status.code() == Code::Cancelled && status.message() == "Timeout expired";
            assert!(is_ours || is_tonics, "{status:?}");
            // A call may have ended before it was sent.
            assert!(released(&kept).await <= 2);
        });
    }
}
