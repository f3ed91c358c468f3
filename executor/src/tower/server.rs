//! The layer for servers: puts each request under the deadline that its client asks for.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use framewise_context::FrameScope;
use framewise_context::control;
use framewise_context::tower::{FrameLayer, FrameService};
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::DeadlineBody;
use super::header;
use crate::deadline::{self, Within};

/// A layer for servers: a request that says how much time it has runs under that deadline.
///
/// It reads `grpc-timeout`, gRPC's header, and `x-timeout-ms`, a number of milliseconds, and takes
/// the shorter time. Both are relative: the time begins when the request has arrived here. What is
/// malformed, or given twice, counts as missing. The inner service, and all work that it starts,
/// fails when the time is over, with an error whose label is the header's name: see
/// [`deadline`](crate::deadline). It then replies as it likes: see
/// [`gateway_timeout`](super::gateway_timeout).
///
/// gRPC's status is `DEADLINE_EXCEEDED` if the handler gives it, and in one case the layer does:
/// tonic makes `UNKNOWN` of an error that it does not know, such as that of a request whose message
/// did not arrive in time, for which no handler is called. So the layer replaces the status of a
/// reply that is nothing but a status, if it is `UNKNOWN` without details and its message is the
/// text of the deadline's error. Each other status is the handler's own, as is that after a stream
/// of replies: there a handler that returns the error as it is ends with `UNKNOWN`.
///
/// A request without either header, and without a [cap](Self::with_cap), costs no more than the
/// search for them, and one reference to its frame for the body of its response. Behind axum both
/// bodies are boxed once more, which axum does for every layer that changes their types.
///
/// **Bodies.** The *request's* body is a [`DeadlineBody`]: reading it fails when the time is over,
/// like reading a socket, so a peer that stalls holds no handler. The *response's* body is polled
/// in the request's frame, as a [`FrameLayer`] does it: what it waits for fails when the time is
/// over, though the service has returned. It is not dropped by that, and may end the response as
/// it likes; an error of it cuts the response off. If it waits for what obeys no deadline, like a
/// channel, it goes on until its client leaves: put that wait into
/// [`enforce`](crate::deadline::enforce). A client that does not *read* is under no deadline,
/// either: sending is the connection's work, and the body is not polled meanwhile.
///
/// **What outlasts the request.** A task that the handler spawns is under the deadline, too. The
/// task of an upgraded connection, such as a WebSocket, has to put its future into a
/// [`shield`](crate::deadline::shield), or over HTTP/1 its reads fail after the deadline. A body
/// that outlasts a cap, such as one of server-sent events, gets a shielded frame:
/// `deadline::run_shielded(|| Frame::current().scope_body(body))`.
///
/// # Frame
///
/// The inner service is called, and its future is polled and dropped, in the poller's frame with
/// the deadline. The body of the response is polled and dropped in the frame that is current inside
/// of the layer when the response future completes, without variables that are not inherited. The
/// order of this layer and a [`FrameLayer::bind`] does not matter to the deadline. What is bound
/// inside of this layer is absent in the body, unless a `FrameLayer` is inside of that, too.
///
/// # Examples
///
/// With axum: `Router::new().route(..).layer(DeadlineLayer::new())`. An ordinary extractor answers
/// 400 if the request's body does not arrive in time. A handler that answers 504 takes the
/// extractor's error, too:
///
/// ```
/// use axum::extract::rejection::StringRejection;
/// use axum::response::{IntoResponse, Response};
/// use framewise::tower::gateway_timeout;
///
/// async fn handler(body: Result<String, StringRejection>) -> Response {
///     match body {
///         Ok(text) => text.into_response(),
///         Err(error) => match gateway_timeout(&error) {
///             Some(status) => status.into_response(),
///             None => error.into_response(),
///         },
///     }
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::post(handler));
/// ```
///
/// With any service:
///
/// ```
/// use axum::body::Body;
/// use framewise::deadline;
/// use framewise::tower::{self, DeadlineBody, DeadlineLayer};
/// use http::{Request, Response, StatusCode};
/// use http_body_util::BodyExt;
/// use std::convert::Infallible;
/// use std::time::Duration;
/// use ::tower::{Layer, Service, service_fn};
///
/// /// Echoes the body, which must arrive in time.
/// async fn handler(request: Request<DeadlineBody<Body>>) -> Result<Response<Body>, Infallible> {
///     let remaining = deadline::remaining().expect("there is a header or the cap");
///     assert!(remaining <= Duration::from_secs(30));
///     let read = request.into_body().collect().await;
///     Ok(read.map_or_else(
///         |error| {
///             let status = tower::gateway_timeout(&*error).unwrap_or(StatusCode::BAD_REQUEST);
///             Response::builder().status(status).body(Body::from(error.to_string())).unwrap()
///         },
///         |body| Response::new(Body::from(body.to_bytes())),
///     ))
/// }
///
/// framewise::block_on(async {
///     let layer = DeadlineLayer::new().with_cap(Duration::from_secs(30));
///     let mut service = layer.layer(service_fn(handler));
///     let request = Request::post("/orders").body(Body::from("three pens")).unwrap();
///     assert_eq!(service.call(request).await.unwrap().status(), StatusCode::OK);
///
///     // A peer that stalls.
///     let stalled = Body::from_stream(futures::stream::pending::<Result<String, Infallible>>());
///     let request = Request::post("/orders").header("x-timeout-ms", "5").body(stalled).unwrap();
///     let response = service.call(request).await.unwrap();
///     assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
/// });
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct DeadlineLayer {
    cap: Option<Duration>,
}

impl DeadlineLayer {
    /// Makes a layer without a cap: a request without a header has no deadline.
    pub const fn new() -> Self {
        Self { cap: None }
    }

    /// Sets the longest time of a request: of those that ask for more, and of those that say
    /// nothing. The label of its deadline is `cap`.
    #[must_use]
    pub const fn with_cap(mut self, cap: Duration) -> Self {
        self.cap = Some(cap);
        self
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = DeadlineService<S>;

    fn layer(&self, inner: S) -> DeadlineService<S> {
        DeadlineService {
            // Within the deadline, so that the response's body has it.
            inner: FrameLayer::new().layer(inner),
            cap: self.cap,
        }
    }
}

/// A service that puts each request under its deadline. Made by [`DeadlineLayer`].
#[derive(Clone, Copy, Debug)]
pub struct DeadlineService<S> {
    inner: FrameService<S>,
    cap: Option<Duration>,
}

impl<S, A, B> Service<Request<A>> for DeadlineService<S>
where
    S: Service<Request<DeadlineBody<A>>, Response = Response<B>> + Clone,
    B: Body,
{
    type Response = Response<FrameScope<B>>;
    type Error = S::Error;
    type Future = DeadlineFuture<FrameService<S>, Request<DeadlineBody<A>>>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let request = request.map(DeadlineBody::new);
        let cap = self.cap.map(|cap| (cap, "cap"));
        let asked = header::shortest(request.headers());
        let state = match asked.into_iter().chain(cap).min() {
            None => FutureState::Unlimited {
                future: self.inner.call(request),
            },
            Some((time, label)) => {
                // The one that was ready is called, in the deadline's frame.
                let other = self.inner.clone();
                let service = mem::replace(&mut self.inner, other);
                let call = Call {
                    unsent: Some((service, request)),
                    future: None,
                };
                FutureState::Limited {
                    within: deadline::within(time, call).label(label),
                }
            }
        };
        DeadlineFuture { state }
    }
}

pin_project! {
    /// The response future of [`DeadlineService`].
    #[must_use = "futures do nothing unless polled"]
    pub struct DeadlineFuture<S, R>
    where
        S: Service<R>,
    {
        #[pin]
        state: FutureState<S, R>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum FutureState<S, R>
    where
        S: Service<R>,
    {
        Limited { #[pin] within: Within<Call<S, R>> },
        Unlimited { #[pin] future: S::Future },
    }
}

pin_project! {
    /// A call that is made when it is first polled, and so in the frame in which it is polled.
    struct Call<S, R>
    where
        S: Service<R>,
    {
        unsent: Option<(S, R)>,
        #[pin]
        future: Option<S::Future>,
    }
}

impl<S, R, B> Future for Call<S, R>
where
    S: Service<R, Response = Response<B>>,
{
    type Output = Result<Response<B>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some((mut service, request)) = this.unsent.take() {
            this.future.set(Some(service.call(request)));
        }
        let future = this.future.as_pin_mut();
        let future = future.expect("it was made before, or now");
        future.poll(cx).map_ok(|mut response| {
            // Here the frame is that of the deadline.
            if let Some(ended) = control::ended()
                && ended.is_deadline()
            {
                header::name_deadline(response.headers_mut(), &ended);
            }
            response
        })
    }
}

impl<S, R, B> Future for DeadlineFuture<S, R>
where
    S: Service<R, Response = Response<B>>,
{
    type Output = Result<Response<B>, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Limited { within } => within.poll(cx),
            StateProjection::Unlimited { future } => future.poll(cx),
        }
    }
}

impl<S: Service<R>, R> fmt::Debug for DeadlineFuture<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineFuture").finish_non_exhaustive()
    }
}
