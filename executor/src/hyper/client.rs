//! A connector and a pooled client for hyper-util, over the runtime's sockets.
//!
//! Knows the address and the limit of a connection; requests, pools and protocols are hyper-util's.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::body::Body;
use hyper_util::client::legacy::{Builder, Client};
use tower_service::Service;

use super::{FramewiseExecutor, FramewiseTimer};
use crate::net::TcpStream;
use crate::time;

/// Makes a client that keeps connections in a pool: hyper-util's, with its defaults.
///
/// See [`client_builder`] for other settings.
///
/// A request needs a limit of its own, such as [`time::timeout`]. hyper can lose a request that is
/// sent at the moment at which its connection ends, on any runtime: the request's future then never
/// completes. The message stays in the connection's channel of tokio, which drops what it holds
/// when its receiver is dropped, but not a message whose sending is under way then. A server that
/// shuts down under load makes this likelier.
///
/// # Frame
///
/// A request's future, and the body of its response, run in the task that awaits them. The
/// connections belong to no request: their tasks run at the root and keep no request's frame
/// (C-90). They also send the requests' bodies, so a body that is made while it is sent needs
/// [`ClientFrameLayer`](crate::tower::ClientFrameLayer) around the client.
///
/// # Examples
///
/// ```
/// use framewise::{ContextVar, hyper::client, net::TcpListener, serve};
/// use http_body_util::{BodyExt, Empty, Full};
/// use hyper::{Request, Response, body::{Bytes, Incoming}};
/// use std::convert::Infallible;
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
///     Ok(Response::new(Full::from("hello")))
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// framewise::block_on(REQUEST_ID.scope(7, async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let uri = format!("http://{}/", listener.local_addr()?);
///     drop(framewise::spawn(serve(listener, tower::service_fn(hello)).into_future()));
///
///     let client = client::<Empty<Bytes>>();
///     let response = client.get(uri.parse()?).await?;
///     assert_eq!(response.into_body().collect().await?.to_bytes(), "hello");
///     assert_eq!(REQUEST_ID.get(), Some(7));
///     Ok(())
/// }))
/// # }
/// ```
pub fn client<B>() -> Client<Connector, B>
where
    B: Body + Send,
    B::Data: Send,
{
    client_builder().build(Connector::new())
}

/// Returns hyper-util's builder of pooled clients, set to this runtime: hyper's tasks at the root,
/// and the runtime's timers for the connections that idle.
///
/// # Frame
///
/// See [`client`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use framewise::hyper::{Connector, client_builder};
/// use http_body_util::Empty;
/// use hyper::body::Bytes;
/// use hyper_util::client::legacy::Client;
///
/// let client: Client<_, Empty<Bytes>> = client_builder()
///     .pool_idle_timeout(Duration::from_secs(20))
///     .pool_max_idle_per_host(32)
///     .build(Connector::new().connect_timeout(Duration::from_secs(3)));
/// # drop(client);
/// ```
pub fn client_builder() -> Builder {
    let mut builder = Client::builder(FramewiseExecutor::at_root());
    builder
        .timer(FramewiseTimer::new())
        .pool_timer(FramewiseTimer::new());
    builder
}

/// Opens TCP connections to a URI's host, for hyper-util's clients.
///
/// It connects to the URI's port, or to 80 without one, and sets `TCP_NODELAY`. It is a tower
/// service, so a connector of TLS can wrap it ([`enforce_http(false)`](Self::enforce_http)).
///
/// # Examples
///
/// ```
/// use framewise::{hyper::Connector, net::TcpListener};
/// use tower::ServiceExt;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// framewise::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let address = listener.local_addr()?;
///     let stream = Connector::new().oneshot(format!("http://{address}/").parse()?).await?;
///     assert_eq!(stream.peer_addr()?, address);
///     Ok(())
/// })
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Connector {
    enforce_http: bool,
    connect_timeout: Option<Duration>,
}

impl Connector {
    /// Creates a connector for `http` URIs, without a limit of its own.
    pub const fn new() -> Self {
        Self {
            enforce_http: true,
            connect_timeout: None,
        }
    }

    /// Sets how long a connection may take, with the look-up of its name. After that the request
    /// fails with [`TimedOut`](io::ErrorKind::TimedOut) as its source. Without it the operating
    /// system gives up, after minutes.
    ///
    /// ```
    /// use std::time::Duration;
    /// use framewise::hyper::Connector;
    ///
    /// let connector = Connector::new().connect_timeout(Duration::from_secs(3));
    /// # drop(connector);
    /// ```
    #[must_use]
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = Some(limit);
        self
    }

    /// Rejects URIs of other schemes than `http`, which is the default. A connector of TLS that
    /// wraps this one needs `false`; the port of `https` is then 443.
    ///
    /// ```
    /// use framewise::hyper::Connector;
    ///
    /// let connector = Connector::new().enforce_http(false);
    /// # drop(connector);
    /// ```
    #[must_use]
    pub const fn enforce_http(mut self, enforced: bool) -> Self {
        self.enforce_http = enforced;
        self
    }

    /// Returns the host and the port of a URI.
    fn target<'a>(&self, uri: &'a Uri) -> io::Result<(&'a str, u16)> {
        let wrong = |message| Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        let is_https = uri.scheme_str() == Some("https");
        if self.enforce_http && uri.scheme_str() != Some("http") {
            return wrong("the URI's scheme is not http; https needs a connector of TLS");
        }
        let Some(host) = uri.host() else {
            return wrong("the URI has no host; http://host/path would have one");
        };
        // An address of IPv6 is in brackets there.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        Ok((host, port))
    }
}

impl Default for Connector {
    fn default() -> Self {
        Self::new()
    }
}

impl Service<Uri> for Connector {
    type Response = TcpStream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let connect = TcpStream::connect(connector.target(&uri)?);
            let stream = match connector.connect_timeout {
                None => connect.await?,
                Some(limit) => time::timeout(limit, connect).await??,
            };
            stream.set_nodelay(true)?;
            Ok(stream)
        })
    }
}
