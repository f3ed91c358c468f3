//! A server with its signal, clients of both protocols, and raw connections.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use async_channel::Sender;
use axum::Router;
use framewise::hyper::{Connector, client_builder};
use framewise::net::{TcpListener, TcpStream};
use framewise::task::JoinHandle;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy;

/// A limit that only a broken server reaches.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) type Client = legacy::Client<Connector, Empty<Bytes>>;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

pub(crate) const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

impl Protocol {
    pub(crate) fn client(self) -> Client {
        client_builder()
            .http2_only(self == Protocol::Http2)
            .build(Connector::new())
    }
}

/// What gives a server its signal.
pub(crate) type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;
type Serving = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// A server that runs in a task of its own.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Dropping it is the signal.
    stop: Sender<()>,
    pub(crate) task: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Serves on a free port what `make` returns.
    pub(crate) async fn start(make: impl FnOnce(TcpListener, Signal) -> Serving) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, signal) = signal();
        let task = framewise::spawn(make(listener, signal));
        Server {
            address,
            stop,
            task,
        }
    }

    /// Serves `app`, until the signal.
    pub(crate) async fn of(app: Router) -> Server {
        Server::start(|listener, signal| {
            let server = framewise::serve(listener, app).with_graceful_shutdown(signal);
            server.into_future()
        })
        .await
    }

    pub(crate) fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Gives the signal; the returned task ends with the server.
    pub(crate) fn signal(self) -> JoinHandle<io::Result<()>> {
        drop(self.stop);
        self.task
    }

    /// Gives the signal, and waits for the server's end.
    pub(crate) async fn stop(self) -> io::Result<()> {
        within(self.signal()).await.unwrap()
    }
}

/// Makes a signal, which is given when the sender is dropped.
pub(crate) fn signal() -> (Sender<()>, Signal) {
    let (sender, receiver) = async_channel::bounded::<()>(1);
    let signal = async move {
        // Nothing is sent.
        let _ = receiver.recv().await;
    };
    (sender, Box::pin(signal))
}

/// Waits with a limit, so that a broken server fails its test.
pub(crate) async fn within<T>(wait: impl Future<Output = T>) -> T {
    framewise::time::timeout(LONG, wait)
        .await
        .expect("it hangs")
}

/// Sends a request with the header `x-id`; returns the status and the text of its response.
///
/// # Errors
/// If there is no whole response.
pub(crate) async fn try_get(
    client: &Client,
    uri: &str,
    id: u64,
) -> Result<(StatusCode, String), String> {
    let request = Request::get(uri).header("x-id", id);
    let exchange = async {
        let request = request.body(Empty::new()).unwrap();
        let response = client
            .request(request)
            .await
            .map_err(|error| format!("{error:?}"))?;
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| error.to_string())?;
        Ok((status, String::from_utf8(body.to_bytes().to_vec()).unwrap()))
    };
    within(exchange).await
}

/// Like [`try_get`], for a response that must come, with status 200.
pub(crate) async fn get(client: &Client, uri: &str, id: u64) -> String {
    let (status, text) = try_get(client, uri, id).await.unwrap();
    assert_eq!(status, StatusCode::OK, "{text}");
    text
}

/// Opens a connection and writes bytes to it.
pub(crate) async fn raw(address: SocketAddr, bytes: &str) -> TcpStream {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

/// Reads up to the end of a connection.
pub(crate) async fn read_to_end(stream: &TcpStream) -> String {
    let (mut all, mut buffer) = (Vec::new(), [0; 1024]);
    loop {
        match within(stream.read(&mut buffer)).await {
            Ok(0) => break,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            // The server may close it with unread bytes of ours.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error}"),
        }
    }
    String::from_utf8(all).unwrap()
}
