//! An HTTP server over the runtime's listeners (feature `http`): HTTP/1 and HTTP/2 on each
//! connection, by hyper-util.
//!
//! [`serve`](fn@serve) takes a listener and a tower service, such as an axum `Router`, and accepts
//! connections until its signal or forever. What is bound around the server is seen by every
//! request; [`Serve::bind`] binds the values of each request.
//!
//! What may go wrong, and what the server does:
//!
//! | what | then |
//! | --- | --- |
//! | no descriptor or memory is left for a connection | the server pauses, from 20 ms up to 1 s, and tries again; open connections go on |
//! | a peer goes away before it is accepted | the next one is accepted |
//! | a peer sends no whole head of a request in time | its connection is closed ([`Serve::with_header_timeout`]) |
//! | a peer sends no HTTP, or too much of it | hyper answers with 400, 414 or 431, or closes the connection |
//! | a handler panics | on HTTP/1 its connection is closed; on HTTP/2 its stream alone is reset. A [panic handler](crate::panics) of the request gets the panic, or the [hook](crate::runtime::Builder::on_unhandled_panic) of the runtime |
//!
//! The functions are here; a server's life is in `serve/server.rs`, its accept loop in
//! `serve/accept.rs`, a connection's life in `serve/connection.rs`.

mod accept;
mod connection;
mod error;
mod lingering;
mod listener;
mod server;
mod services;

use std::error::Error;

use hyper::body::{Body, Incoming};
use hyper::{Request, Response};
use tower_service::Service;

pub use error::ServeError;
pub use listener::Listener;
pub use server::Serve;
pub use services::{Bound, Cloned, Each, Services};

/// Serves HTTP/1 and HTTP/2 to the peers that connect to `listener`, with a clone of `service` for
/// each connection.
///
/// The service is a tower service, such as an axum `Router`, or `tower::service_fn(handler)`. Await
/// the returned [`Serve`]; without a [signal](Serve::with_graceful_shutdown) it runs forever.
/// WebSockets and other upgrades work, over HTTP/2 too (`CONNECT`). The [module](self) says what
/// happens when something fails.
///
/// # Frame
///
/// Connections and handlers inherit the frame in which the server is awaited, like tasks that it
/// spawns. [`Serve::bind`] binds the values of each request on top.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use framewise::{ContextVar, hyper::client, net::TcpListener};
/// use http_body_util::{BodyExt, Empty};
/// use hyper::body::Bytes;
///
/// static SERVICE: ContextVar<&str> = ContextVar::new("service");
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// framewise::block_on(async {
///     let app = Router::new().route("/", get(|| async { SERVICE.get().unwrap_or("none") }));
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let uri = format!("http://{}/", listener.local_addr()?).parse()?;
///     let (stop, stopped) = async_channel::bounded::<()>(1);
///     let server = framewise::serve(listener, app)
///         .with_graceful_shutdown(async move { drop(stopped.recv().await) });
///     let server = framewise::spawn(SERVICE.scope("orders", server.into_future()));
///
///     let response = client::<Empty<Bytes>>().get(uri).await?;
///     assert_eq!(response.into_body().collect().await?.to_bytes(), "orders");
///     drop(stop);
///     server.await??;
///     Ok(())
/// })
/// # }
/// ```
pub fn serve<L, S, B>(listener: L, service: S) -> Serve<L, Cloned<S>>
where
    L: Listener,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    Serve::new(listener, Cloned(service))
}

/// Like [`serve`](fn@serve), with a service of its own for each connection, which may depend on the
/// peer.
///
/// If `make` panics, the connection is closed, and the panic goes to the runtime's
/// [hook](crate::runtime::Builder::on_unhandled_panic).
///
/// # Examples
///
/// The peer's address for axum's handlers, by an extension (`ConnectInfo(*peer)` for its
/// extractor):
///
/// ```
/// use axum::{Extension, Router, routing::get};
/// use framewise::{hyper::client, net::TcpListener, serve::serve_each};
/// use http_body_util::{BodyExt, Empty};
/// use hyper::body::Bytes;
/// use std::net::SocketAddr;
/// use tower::Layer;
///
/// async fn who(Extension(peer): Extension<SocketAddr>) -> String {
///     peer.ip().to_string()
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// framewise::block_on(async {
///     let app: Router = Router::new().route("/", get(who));
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let uri = format!("http://{}/", listener.local_addr()?).parse()?;
///     let server = serve_each(listener, move |peer: &SocketAddr| {
///         Extension(*peer).layer(app.clone())
///     });
///     drop(framewise::spawn(server.into_future()));
///
///     let response = client::<Empty<Bytes>>().get(uri).await?;
///     assert_eq!(response.into_body().collect().await?.to_bytes(), "127.0.0.1");
///     Ok(())
/// })
/// # }
/// ```
pub fn serve_each<L, F, S, B>(listener: L, make: F) -> Serve<L, Each<F>>
where
    L: Listener,
    F: FnMut(&L::Addr) -> S + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    Serve::new(listener, Each(make))
}
