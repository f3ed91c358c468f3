//! tower layers that carry a request's frame into its bodies (feature `tower`).
//!
//! An HTTP body is often produced while it is sent: a streamed file, server-sent events, the
//! messages of a gRPC call. The connection's task polls it then, after the handler has returned,
//! and that task belongs to no request or to many. So a scope around the handler, `VAR.scope(id,
//! next.run(request))`, ends too early for the body:
//! | what runs | polled by | in the request's frame by |
//! | --- | --- | --- |
//! | a server's handler; the request's body, which it reads | the task of the request | any scope |
//! | a server's response body and trailers | the connection's driver | [`FrameLayer`] |
//! | a client's request body and trailers | the connection's driver | [`ClientFrameLayer`] |
//! | a client's response body | its caller | any scope |
//! | an upgraded connection (WebSocket) | the task that the handler spawns | the spawn, where the runtime carries frames; elsewhere [`Frame::wrap_async`] or [`Frame::scope`] |
//!
//! The layers know tower's traits and the types of `http`, but no server, client or runtime. They
//! work on any executor, for HTTP/1, HTTP/2 and gRPC.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::Frame;
use crate::bind::{BindingList, Bindings};
use crate::frame_stats::BindLocation;
use crate::scope::{FrameScope, Scope};

/// A layer for servers: a response's body is polled and dropped in the frame of its request.
///
/// [`bind`](Self::bind) makes a layer that also binds the request's values; most servers need only
/// this. A layer made by [`new`](Self::new) binds nothing: it uses the frame that other middleware
/// bound.
///
/// # Frame
///
/// The body's frame is the one that is current when the response future completes, which is the
/// frame of the code directly around the layer. So a layer made by `new` belongs *inside* the
/// middleware that binds (in axum, where later layers are outer ones, it is added before).
///
/// Variables that are declared [`not_inherited`](crate::ContextVar::not_inherited) are absent in
/// the body, like in a spawned task: the owner of such a value may have ended with the handler.
///
/// The layer allocates nothing. The frame is held until the body is dropped.
///
/// # Examples
///
/// The middleware binds, and the layer is inside it:
///
/// ```
/// use bytes::Bytes;
/// use framewise_context::ContextVar;
/// use framewise_context::tower::FrameLayer;
/// use futures::{StreamExt, stream};
/// use http::{Request, Response};
/// use http_body_util::{BodyExt, StreamBody};
/// use std::convert::Infallible;
/// use tower::{Layer, Service, service_fn};
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// /// The body produces its text while it is sent.
/// async fn handler(_: Request<()>) -> Result<Response<impl http_body::Body>, Infallible> {
///     let text = stream::iter(0..2).map(|_| format!("{:?} ", REQUEST_ID.get()));
///     let frames = text.map(|text| Ok::<_, Infallible>(http_body::Frame::data(Bytes::from(text))));
///     Ok(Response::new(StreamBody::new(frames)))
/// }
///
/// futures::executor::block_on(async {
///     let mut service = FrameLayer::new().layer(service_fn(handler));
///     let response = REQUEST_ID.scope(7, service.call(Request::new(()))).await.unwrap();
///     // Outside the scope, like the connection's task.
///     let body = response.into_body().collect().await.ok().unwrap();
///     assert_eq!(body.to_bytes(), "Some(7) Some(7) ");
/// });
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameLayer(());

impl FrameLayer {
    /// Makes a layer that binds nothing: it belongs inside the middleware that binds.
    pub const fn new() -> Self {
        Self(())
    }

    /// Makes a layer that binds values of each request, for its handler and for the body of its
    /// response.
    ///
    /// # Frame
    ///
    /// `bindings` is called once per request, in the caller's frame. The inner service is called,
    /// and its future is polled and dropped, under these bindings on top of the poller's frame,
    /// like in a [`Scope`]. The cost is one allocation per request: the frame.
    ///
    /// # Examples
    ///
    /// With axum: `Router::new().route(..).layer(FrameLayer::bind(identify))`.
    ///
    /// ```
    /// use framewise_context::tower::FrameLayer;
    /// use framewise_context::{BindingList, Bindings, ContextVar, bind};
    /// use http::request::Parts;
    /// use http_body_util::{BodyExt, Empty};
    /// use std::convert::Infallible;
    /// use tower::{Layer, Service, service_fn};
    /// static METHOD: ContextVar<http::Method> = ContextVar::new("method");
    /// static PATH: ContextVar<String> = ContextVar::new("path");
    ///
    /// fn identify(request: &Parts) -> Bindings<impl BindingList + use<>> {
    ///     bind(&METHOD, request.method.clone()).and(&PATH, request.uri.path().to_owned())
    /// }
    ///
    /// async fn handler(_: http::Request<()>) -> Result<http::Response<Empty<&'static [u8]>>, Infallible> {
    ///     assert_eq!(METHOD.get(), Some(http::Method::GET));
    ///     assert_eq!(PATH.get().as_deref(), Some("/orders"));
    ///     Ok(http::Response::new(Empty::new()))
    /// }
    ///
    /// futures::executor::block_on(async {
    ///     let mut service = FrameLayer::bind(identify).layer(service_fn(handler));
    ///     let request = http::Request::get("/orders").body(()).unwrap();
    ///     let response = service.call(request).await.unwrap();
    ///     // The body is polled and dropped in the frame that has the method and the path.
    ///     let path = response.body().frame().run(|| PATH.get());
    ///     assert_eq!(path.as_deref(), Some("/orders"));
    /// });
    /// ```
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn bind<F, L>(bindings: F) -> BindLayer<F>
    where
        F: Fn(&Parts) -> Bindings<L>,
        L: BindingList,
    {
        BindLayer {
            bindings,
            bind_location: BindLocation::here(),
        }
    }
}

impl<S> Layer<S> for FrameLayer {
    type Service = FrameService<S>;

    fn layer(&self, inner: S) -> FrameService<S> {
        FrameService { inner }
    }
}

/// A service that puts its responses' bodies into the frames of their requests. Made by
/// [`FrameLayer`].
#[derive(Clone, Copy, Debug)]
pub struct FrameService<S> {
    inner: S,
}

impl<S, R, B> Service<R> for FrameService<S>
where
    S: Service<R, Response = Response<B>>,
    B: Body,
{
    type Response = Response<FrameScope<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        ResponseFuture {
            inner: self.inner.call(request),
        }
    }
}

/// A layer for servers that binds values of each request. Made by [`FrameLayer::bind`].
#[derive(Clone, Copy)]
pub struct BindLayer<F> {
    bindings: F,
    /// The caller of [`FrameLayer::bind`], to which the frames are counted.
    bind_location: BindLocation,
}

impl<S, F: Clone> Layer<S> for BindLayer<F> {
    type Service = BindService<S, F>;

    fn layer(&self, inner: S) -> BindService<S, F> {
        BindService {
            inner: FrameService { inner },
            bindings: self.bindings.clone(),
            bind_location: self.bind_location,
        }
    }
}

impl<F> fmt::Debug for BindLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BindLayer").finish_non_exhaustive()
    }
}

/// A service that binds values of each request around its handler and the body of its response.
/// Made by [`FrameLayer::bind`].
#[derive(Clone, Copy)]
pub struct BindService<S, F> {
    inner: FrameService<S>,
    bindings: F,
    bind_location: BindLocation,
}

impl<S, F, L, A, B> Service<Request<A>> for BindService<S, F>
where
    S: Service<Request<A>, Response = Response<B>>,
    F: Fn(&Parts) -> Bindings<L>,
    L: BindingList,
    B: Body,
{
    type Response = Response<FrameScope<B>>;
    type Error = S::Error;
    type Future = Scope<ResponseFuture<S::Future>, L>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let bindings = (self.bindings)(&parts);
        let call = || self.inner.call(Request::from_parts(parts, body));
        Scope::made_within(bindings.list, call, self.bind_location)
    }
}

impl<S: fmt::Debug, F> fmt::Debug for BindService<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BindService")
            .field("inner", &self.inner.inner)
            .finish_non_exhaustive()
    }
}

/// The response future of [`FrameService`]: puts the body into the frame in which it completes.
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct ResponseFuture<F> {
    inner: F,
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<FrameScope<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: `inner` is pinned with `self`: it is not moved, there is no `Drop`, and the type
        // is `Unpin` only if `F` is.
        let inner = unsafe { self.map_unchecked_mut(|this| &mut this.inner) };
        inner
            .poll(cx)
            .map_ok(|response| response.map(|body| sent_elsewhere().scope_body(body)))
    }
}

/// A layer for clients: a request's body is polled and dropped in the caller's frame.
///
/// It goes around the service that sends the requests: hyper's `SendRequest`, hyper-util's pooled
/// `Client`, a gRPC channel. It wraps the body of the request for the inner service, so that body's
/// type is `FrameScope<B>`. If the inner service accepts only one body type, box the body in
/// between:
/// with tonic by `.map_request(|request: Request<_>| request.map(tonic::body::Body::new))`.
///
/// # Frame
///
/// The body's frame is the one that is current at the *call*, like with a spawn, without the
/// variables that are declared [`not_inherited`](crate::ContextVar::not_inherited): the
/// connection's task polls the body while the caller goes on. The response future and the
/// response's body are not wrapped, because the caller polls them.
///
/// The layer allocates nothing. The frame is held until the body is dropped, which clients do when
/// it is sent.
///
/// A pool's connections outlive the request that opens them: spawn their driver tasks at the root.
///
/// # Examples
///
/// ```
/// use framewise_context::tower::ClientFrameLayer;
/// use framewise_context::{ContextVar, FrameScope};
/// use http::{Request, Response};
/// use http_body_util::Empty;
/// use std::convert::Infallible;
/// use tower::{Service, ServiceBuilder, service_fn};
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// /// Stands for a client: it returns what the connection's task sees.
/// async fn send(request: Request<FrameScope<Empty<&[u8]>>>) -> Result<Response<Option<u64>>, Infallible> {
///     Ok(Response::new(request.body().frame().run(|| REQUEST_ID.get())))
/// }
/// let mut client = ServiceBuilder::new().layer(ClientFrameLayer::new()).service(service_fn(send));
///
/// let request = Request::new(Empty::<&[u8]>::new());
/// let response = REQUEST_ID.run(7, || client.call(request));
/// let response = futures::executor::block_on(response).unwrap();
/// assert_eq!(response.into_body(), Some(7));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientFrameLayer(());

impl ClientFrameLayer {
    /// Makes the layer.
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for ClientFrameLayer {
    type Service = ClientFrameService<S>;

    fn layer(&self, inner: S) -> ClientFrameService<S> {
        ClientFrameService { inner }
    }
}

/// A client that puts its requests' bodies into their callers' frames. Made by
/// [`ClientFrameLayer`].
#[derive(Clone, Copy, Debug)]
pub struct ClientFrameService<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for ClientFrameService<S>
where
    S: Service<Request<FrameScope<B>>>,
    B: Body,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> S::Future {
        self.inner
            .call(request.map(|body| sent_elsewhere().scope_body(body)))
    }
}

/// Returns the frame of a body that another task sends: the frame that a task spawned here would
/// get.
#[inline]
fn sent_elsewhere() -> Frame {
    Frame::current().inherited()
}
