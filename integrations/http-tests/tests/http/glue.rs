//! `framewise::serve`, and hyper's clients on framewise as tower services.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use framewise::hyper::FramewiseExecutor;
use framewise::net::{TcpListener, TcpStream};
use framewise::task::JoinHandle;
use framewise::{spawn_root, tower as layers};
use hyper::body::{Body, Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::{Request, Response, client};
use tower::{BoxError, Layer, Service};

/// h2 accounts 256 bytes for each small unread message, and limits the total to half of the window.
const WINDOW: u32 = 8 << 20;

/// The header with the number of a request.
pub(crate) const X_ID: &str = "x-id";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// A server. Dropping it closes its listener; its connections end when they are idle.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    serving: JoinHandle<io::Result<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Serves on a free port, in the root frame.
pub(crate) async fn serve<S, B>(service: S) -> Server
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = framewise::serve(listener, service).configure(|http| {
        http.http2().initial_connection_window_size(WINDOW);
    });
    let serving = spawn_root(server.into_future());
    Server { address, serving }
}

/// A client's connection.
pub(crate) enum Connection<B> {
    Http1(client::conn::http1::SendRequest<B>),
    Http2(client::conn::http2::SendRequest<B>),
}

/// Opens a connection, whose driver task is in the root frame.
pub(crate) async fn connect<B>(protocol: Protocol, address: SocketAddr) -> Connection<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    match protocol {
        Protocol::Http1 => {
            let (sender, driver) = client::conn::http1::handshake(stream).await.unwrap();
            drop(spawn_root(driver.with_upgrades()));
            Connection::Http1(sender)
        }
        Protocol::Http2 => {
            let (sender, driver) = client::conn::http2::Builder::new(FramewiseExecutor::new())
                .initial_connection_window_size(WINDOW)
                .handshake(stream)
                .await
                .unwrap();
            drop(spawn_root(driver));
            Connection::Http2(sender)
        }
    }
}

impl<B> Connection<B> {
    pub(crate) fn share(&self) -> Connection<B> {
        match self {
            Connection::Http1(_) => panic!("HTTP/1 serves one request at a time"),
            Connection::Http2(sender) => Connection::Http2(sender.clone()),
        }
    }
}

impl<B: Body + Send + 'static> Service<Request<B>> for Connection<B>
where
    B::Data: Send,
{
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        match self {
            Connection::Http1(sender) => sender.poll_ready(cx),
            Connection::Http2(sender) => sender.poll_ready(cx),
        }
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self {
            Connection::Http1(sender) => Box::pin(sender.send_request(request)),
            Connection::Http2(sender) => Box::pin(sender.send_request(request)),
        }
    }
}

/// Returns the number in a request's header.
pub(crate) fn id_in(request: &Parts) -> u64 {
    let value = request.headers.get(X_ID).expect("the request has a number");
    value.to_str().unwrap().parse().unwrap()
}

/// Wraps a client so that its requests' bodies run in the callers' frames.
pub(crate) fn in_frames<S>(connection: S) -> layers::ClientFrameService<S> {
    layers::ClientFrameLayer::new().layer(connection)
}
