//! A server's settings, and its life: it accepts until its signal, and waits for its connections.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture, Pending, pending, poll_fn};
use std::io;
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use framewise_context::tower::FrameLayer;
use framewise_context::{BindingList, Bindings, Frame, catch_unwind};
use hyper::body::{Body, Incoming};
use hyper::http::request::Parts;
use hyper::{Request, Response};
use hyper_util::server::conn::auto::Builder;
use tokio::sync::{Semaphore, watch};
use tower_service::Service;

use super::accept::accept;
use super::connection::{self, Phase, Report, Settings};
use super::{Bound, Listener, ServeError, Services};
use crate::hyper::{FramewiseExecutor, FramewiseTimer};
use crate::time::timeout;

/// How long a peer may take for the head of a request, if the server does not say.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// A server that is ready to run, when it is awaited. Made by [`serve`](fn@super::serve) and
/// [`serve_each`](super::serve_each).
///
/// # Errors
///
/// The server ends early, with an error, if the [listener](Listener::accept) says that it can
/// accept nothing more. It fails with [`TimedOut`](io::ErrorKind::TimedOut) if it cut connections
/// off ([`with_shutdown_timeout`](Self::with_shutdown_timeout)); the message says how many. In both
/// cases it has stopped like after its signal.
///
/// # Cancel safety
///
/// Dropping the future closes the listener. Connections then stop like after the signal, without
/// a limit: each finishes the requests that are under way.
#[must_use = "a server does nothing unless it is awaited"]
pub struct Serve<L, M, F = Pending<()>> {
    listener: L,
    services: M,
    signal: F,
    builder: Builder<FramewiseExecutor>,
    header_timeout: Duration,
    shutdown_timeout: Option<Duration>,
    connection_limit: Option<usize>,
    report: Option<Report>,
}

impl<L: Listener, M> Serve<L, M> {
    pub(super) fn new(listener: L, services: M) -> Self {
        // A request's own task on HTTP/2 inherits the connection's frame, like a handler on HTTP/1,
        // which the connection's task polls.
        let mut builder = Builder::new(FramewiseExecutor::inheriting());
        builder.http1().timer(FramewiseTimer::new());
        let mut http2 = builder.http2();
        http2.timer(FramewiseTimer::new()).enable_connect_protocol();
        let server = Self {
            listener,
            services,
            signal: pending(),
            builder,
            header_timeout: HEADER_TIMEOUT,
            shutdown_timeout: None,
            connection_limit: None,
            report: None,
        };
        server.with_header_timeout(HEADER_TIMEOUT)
    }
}

impl<L: Listener, M, F> Serve<L, M, F> {
    /// Stops the server when `signal` completes: it closes the listener, lets the requests that are
    /// under way finish, closes each connection after its last one, and idle connections at once,
    /// and then the server's future completes.
    ///
    /// Connections that were upgraded are not waited for: they belong to their handlers.
    ///
    /// # Frame
    ///
    /// `signal` is polled by the task that awaits the server.
    ///
    /// # Examples
    ///
    /// See [`serve`](fn@super::serve).
    pub fn with_graceful_shutdown<G>(self, signal: G) -> Serve<L, M, G>
    where
        G: Future<Output = ()> + Send + 'static,
    {
        Serve {
            listener: self.listener,
            services: self.services,
            signal,
            builder: self.builder,
            header_timeout: self.header_timeout,
            shutdown_timeout: self.shutdown_timeout,
            connection_limit: self.connection_limit,
            report: self.report,
        }
    }

    /// Binds values of each request, for its handler and the body of its response, as
    /// [`FrameLayer::bind`] does.
    ///
    /// # Frame
    ///
    /// `bindings` is called once per request, in the connection's frame.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use framewise::context::{BindingList, Bindings};
    /// use framewise::{ContextVar, bind, hyper::client, net::TcpListener};
    /// use http_body_util::{BodyExt, Empty};
    /// use hyper::{body::Bytes, http::request::Parts};
    ///
    /// static PATH: ContextVar<String> = ContextVar::new("path");
    ///
    /// fn identify(request: &Parts) -> Bindings<impl BindingList + use<>> {
    ///     bind(&PATH, request.uri.path().to_owned())
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// framewise::block_on(async {
    ///     let handler = || async { PATH.get().unwrap_or_default() };
    ///     let app = Router::new().route("/orders/{id}", get(handler));
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let uri = format!("http://{}/orders/7", listener.local_addr()?).parse()?;
    ///     drop(framewise::spawn(framewise::serve(listener, app).bind(identify).into_future()));
    ///
    ///     let response = client::<Empty<Bytes>>().get(uri).await?;
    ///     assert_eq!(response.into_body().collect().await?.to_bytes(), "/orders/7");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn bind<G, N>(self, bindings: G) -> Serve<L, Bound<M, G>, F>
    where
        G: Fn(&Parts) -> Bindings<N> + Clone + Send + 'static,
        N: BindingList,
    {
        Serve {
            listener: self.listener,
            services: Bound {
                inner: self.services,
                layer: FrameLayer::bind(bindings),
            },
            signal: self.signal,
            builder: self.builder,
            header_timeout: self.header_timeout,
            shutdown_timeout: self.shutdown_timeout,
            connection_limit: self.connection_limit,
            report: self.report,
        }
    }

    /// Sets how long a peer may take for the head of a request; 30 seconds without it. A connection
    /// whose peer takes longer is closed, and so is one that idles for that long on HTTP/1. On
    /// HTTP/2 an idle peer is asked after that time whether it is still there, and has the same
    /// time to answer.
    ///
    /// Bodies have no limit here: tower-http and axum have layers for that.
    ///
    /// # Examples
    ///
    /// ```
    /// # use framewise::{net::TcpListener, serve::Serve};
    /// use std::time::Duration;
    /// # async fn run<M>(server: Serve<TcpListener, M>) {
    /// let server = server
    ///     .with_header_timeout(Duration::from_secs(5))
    ///     .with_shutdown_timeout(Duration::from_secs(20))
    ///     .with_connection_limit(10_000)
    ///     .on_error(|error| eprintln!("{error}"));
    /// # drop(server);
    /// # }
    /// ```
    pub fn with_header_timeout(mut self, limit: Duration) -> Self {
        self.header_timeout = limit;
        self.builder.http1().header_read_timeout(limit);
        let mut http2 = self.builder.http2();
        http2.keep_alive_interval(limit).keep_alive_timeout(limit);
        self
    }

    /// Sets how long connections may take to finish after the signal. Those that are still open
    /// then are cut off, and the server's future fails with `TimedOut`. Without it they may take
    /// forever.
    ///
    /// # Examples
    ///
    /// See [`with_header_timeout`](Self::with_header_timeout).
    pub fn with_shutdown_timeout(mut self, limit: Duration) -> Self {
        self.shutdown_timeout = Some(limit);
        self
    }

    /// Sets how many connections may be open at once. More wait in the listener's queue.
    ///
    /// A connection that is upgraded no longer counts.
    ///
    /// # Panics
    ///
    /// Panics if `limit` is zero.
    ///
    /// # Examples
    ///
    /// See [`with_header_timeout`](Self::with_header_timeout).
    pub fn with_connection_limit(mut self, limit: usize) -> Self {
        assert!(
            limit > 0,
            "a server with a limit of 0 connections serves none"
        );
        self.connection_limit = Some(limit.min(Semaphore::MAX_PERMITS));
        self
    }

    /// Sets what is called for each error of the listener and for each connection that failed or
    /// was closed for its slowness. Without it such errors are dropped: most concern a peer that
    /// went away.
    ///
    /// It must not block. If it panics, the panic goes to the runtime's
    /// [hook](crate::runtime::Builder::on_unhandled_panic), and the server goes on.
    ///
    /// # Frame
    ///
    /// It runs in a task of the server, in the frame of the connections.
    ///
    /// # Examples
    ///
    /// See [`with_header_timeout`](Self::with_header_timeout).
    pub fn on_error(mut self, report: impl Fn(&ServeError) + Send + Sync + 'static) -> Self {
        self.report = Some(Arc::new(report));
        self
    }

    /// Changes settings of HTTP itself, in hyper-util's builder.
    ///
    /// # Examples
    ///
    /// ```
    /// # use framewise::{net::TcpListener, serve::Serve};
    /// # async fn run<M>(server: Serve<TcpListener, M>) {
    /// let server = server.configure(|http| {
    ///     http.http1().max_buf_size(64 * 1024);
    ///     http.http2().max_concurrent_streams(100);
    /// });
    /// # drop(server);
    /// # }
    /// ```
    pub fn configure(mut self, change: impl FnOnce(&mut Builder<FramewiseExecutor>)) -> Self {
        change(&mut self.builder);
        self
    }

    /// Returns the address of the listener.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn local_addr(&self) -> io::Result<L::Addr> {
        self.listener.local_addr()
    }
}

impl<L, M, F, S, B> Serve<L, M, F>
where
    L: Listener,
    M: Services<L::Addr, Service = S>,
    F: Future<Output = ()> + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    async fn run(self) -> io::Result<()> {
        // Its receivers are the connections, so their count is that of the open ones.
        let (phase, _) = watch::channel(Phase::Serving);
        let settings = Arc::new(Settings {
            builder: self.builder,
            header_timeout: self.header_timeout,
            report: self.report,
        });
        let limit = self
            .connection_limit
            .map(|limit| Arc::new(Semaphore::new(limit)));
        let (mut listener, mut services) = (self.listener, self.services);
        let accepting = accept(&mut listener, limit, &settings, |io, peer, permit| {
            let service = match catch_unwind(|| services.make(&peer)) {
                Ok(service) => service,
                Err(panic) => return raise(panic.into_parts()),
            };
            let connection =
                connection::run(io, peer, service, settings.clone(), phase.subscribe());
            drop(crate::spawn(async move {
                connection.await;
                drop(permit);
            }));
        });
        let outcome = until(self.signal, accepting).await.map_or(Ok(()), Err);
        drop(listener);
        phase.send_replace(Phase::Stopping);
        let Some(within) = self.shutdown_timeout else {
            phase.closed().await;
            return outcome;
        };
        if timeout(within, phase.closed()).await.is_ok() {
            return outcome;
        }
        let open = phase.receiver_count();
        phase.send_replace(Phase::Cut);
        phase.closed().await;
        outcome.and_then(|()| {
            let message = format!("{open} connections were cut off after {within:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, message))
        })
    }
}

impl<L, M, F, S, B> IntoFuture for Serve<L, M, F>
where
    L: Listener,
    M: Services<L::Addr, Service = S>,
    F: Future<Output = ()> + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = io::Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<L: fmt::Debug, M, F> fmt::Debug for Serve<L, M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("listener", &self.listener)
            .field("header_timeout", &self.header_timeout)
            .field("shutdown_timeout", &self.shutdown_timeout)
            .field("connection_limit", &self.connection_limit)
            .finish_non_exhaustive()
    }
}

/// Lets a task panic for a panic that the server caught, so that the runtime's hook gets it.
fn raise((payload, frame): (Box<dyn Any + Send>, Frame)) {
    drop(crate::spawn(
        async move { frame.run(|| resume_unwind(payload)) },
    ));
}

/// Returns the output of `work`, or `None` if `signal` completes first.
async fn until<T>(signal: impl Future<Output = ()>, work: impl Future<Output = T>) -> Option<T> {
    let (mut signal, mut work) = (pin!(signal), pin!(work));
    poll_fn(|cx| match signal.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => work.as_mut().poll(cx).map(Some),
    })
    .await
}
