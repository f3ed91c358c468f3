//! The layer for servers: puts each request under the deadline that its client asks for.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::header;
use crate::deadline::{self, Within};

/// A layer for servers: a request that says how much time it has runs under that deadline.
///
/// It reads `grpc-timeout`, gRPC's header, and `x-timeout-ms`, a number of milliseconds, and takes
/// the shorter time. Both are relative: the time begins when the request has arrived here. What is
/// malformed, or given twice, counts as missing. The inner service, and all work that it starts,
/// fails when the time is over, with an error whose label is the header's name: see
/// [`deadline`](crate::deadline). It then replies as it likes: see
/// [`gateway_timeout`](super::gateway_timeout). gRPC's status is `DEADLINE_EXCEEDED`.
///
/// A request without either header, and without a [cap](Self::with_cap), costs no more than the
/// search for them.
///
/// # Frame
///
/// The inner service is called, and its future is polled and dropped, in the poller's frame with
/// the deadline. A body that is sent after the service has returned is under the deadline if a
/// [`FrameLayer`](super::FrameLayer) is *inside* of this one (in axum, where later layers are outer
/// ones, it is added before).
///
/// # Examples
///
/// With axum: `Router::new().route(..).layer(FrameLayer::new()).layer(DeadlineLayer::new())`.
///
/// ```
/// use framewise::deadline;
/// use framewise::tower::DeadlineLayer;
/// use http::{Request, Response};
/// use std::convert::Infallible;
/// use std::time::Duration;
/// use tower::{Layer, Service, service_fn};
///
/// async fn handler(_: Request<()>) -> Result<Response<Option<Duration>>, Infallible> {
///     Ok(Response::new(deadline::remaining()))
/// }
///
/// framewise::block_on(async {
///     let layer = DeadlineLayer::new().with_cap(Duration::from_secs(30));
///     let mut service = layer.layer(service_fn(handler));
///     let request = Request::get("/orders").header("x-timeout-ms", "250").body(()).unwrap();
///     let remaining = service.call(request).await.expect("it is infallible").into_body();
///     assert!(remaining.is_some_and(|remaining| remaining <= Duration::from_millis(250)));
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
            inner,
            cap: self.cap,
        }
    }
}

/// A service that puts each request under its deadline. Made by [`DeadlineLayer`].
#[derive(Clone, Copy, Debug)]
pub struct DeadlineService<S> {
    inner: S,
    cap: Option<Duration>,
}

impl<S, B> Service<Request<B>> for DeadlineService<S>
where
    S: Service<Request<B>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = DeadlineFuture<S, Request<B>>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
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

impl<S: Service<R>, R> Future for Call<S, R> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some((mut service, request)) = this.unsent.take() {
            this.future.set(Some(service.call(request)));
        }
        let future = this.future.as_pin_mut();
        future.expect("it was made before, or now").poll(cx)
    }
}

impl<S: Service<R>, R> Future for DeadlineFuture<S, R> {
    type Output = Result<S::Response, S::Error>;

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
