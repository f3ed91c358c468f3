//! The layer for clients: writes the caller's remaining time into each request.

use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::header;
use crate::deadline;

/// A layer for clients: each request says how much time its caller has left.
///
/// It goes around the service that sends the requests: hyper-util's pooled `Client`, a gRPC
/// channel. A call under no deadline is left as it is. What is written is the time that remains at
/// the call, less a [margin](Self::with_margin): it is relative, so clocks need not agree. A header
/// that the request has already stays if it gives less time, and is replaced otherwise.
///
/// The layer limits the callee, and not the wait for it: a client of another crate waits on. Put
/// the call into [`deadline::enforce`], which drops the wait, upon which a pooled client closes the
/// connection instead of using it again.
///
/// # Frame
///
/// The deadline is that of the frame that is current at the call.
///
/// # Examples
///
/// ```
/// use framewise::deadline;
/// use framewise::tower::ClientDeadlineLayer;
/// use http::{Request, Response};
/// use std::convert::Infallible;
/// use std::time::Duration;
/// use tower::{Service, ServiceBuilder, service_fn};
///
/// /// Stands for a client: it returns the header that the server would see.
/// async fn send(request: Request<()>) -> Result<Response<Option<u64>>, Infallible> {
///     let millis = request.headers().get("x-timeout-ms");
///     Ok(Response::new(millis.and_then(|millis| millis.to_str().ok()?.parse().ok())))
/// }
///
/// framewise::block_on(async {
///     let layer = ClientDeadlineLayer::millis().with_margin(Duration::from_secs(1));
///     let mut client = ServiceBuilder::new().layer(layer).service(service_fn(send));
///     let call = deadline::within(Duration::from_secs(60), async {
///         client.call(Request::new(())).await
///     });
///     let millis = call.await.expect("it is infallible").into_body();
///     assert!(millis.is_some_and(|millis| millis <= 59_000));
/// });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ClientDeadlineLayer {
    header: TimeoutHeader,
    margin: Duration,
}

/// Which header is written.
#[derive(Clone, Copy, Debug)]
enum TimeoutHeader {
    Grpc,
    Millis,
}

impl ClientDeadlineLayer {
    /// Makes a layer that writes gRPC's header, `grpc-timeout`.
    pub const fn grpc() -> Self {
        Self {
            header: TimeoutHeader::Grpc,
            margin: Duration::ZERO,
        }
    }

    /// Makes a layer that writes `x-timeout-ms`, a number of milliseconds.
    pub const fn millis() -> Self {
        Self {
            header: TimeoutHeader::Millis,
            margin: Duration::ZERO,
        }
    }

    /// Sets how much earlier the callee's time ends than the caller's: the time to receive its
    /// error and to reply. A callee gets at least the header's smallest time.
    #[must_use]
    pub const fn with_margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }
}

impl<S> Layer<S> for ClientDeadlineLayer {
    type Service = ClientDeadlineService<S>;

    fn layer(&self, inner: S) -> ClientDeadlineService<S> {
        ClientDeadlineService {
            inner,
            layer: *self,
        }
    }
}

/// A client whose requests say how much time they have. Made by [`ClientDeadlineLayer`].
#[derive(Clone, Copy, Debug)]
pub struct ClientDeadlineService<S> {
    inner: S,
    layer: ClientDeadlineLayer,
}

impl<S> ClientDeadlineService<S> {
    fn write<B>(&self, request: &mut Request<B>, time: Duration) {
        let (name, value) = match self.layer.header {
            TimeoutHeader::Grpc => (header::GRPC_TIMEOUT, header::grpc_value(time)),
            TimeoutHeader::Millis => (header::X_TIMEOUT_MS, header::millis_value(time)),
        };
        let given = header::time_of(request.headers(), &name);
        if given.is_some_and(|given| given <= time) {
            return;
        }
        request.headers_mut().insert(name, value);
    }
}

impl<S, B> Service<Request<B>> for ClientDeadlineService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if let Some(remaining) = deadline::remaining() {
            let time = remaining.saturating_sub(self.layer.margin);
            self.write(&mut request, time);
        }
        self.inner.call(request)
    }
}
