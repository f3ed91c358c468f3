//! The connector, and the pool's own errors.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use axum::{Extension, Router};
use framewise::hyper::{Connector, client, client_builder};
use framewise::net::TcpListener;
use framewise::serve::serve_each;
use framewise_test_support::on_workers;
use http_body_util::{BodyExt, Empty};
use hyper::Uri;
use hyper::body::Bytes;
use tower::ServiceExt;

use crate::glue::{Server, within};

/// Returns the kind of the I/O error that caused an error.
fn kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    match error.downcast_ref::<io::Error>() {
        Some(error) => Some(error.kind()),
        None => kind(error.source()?),
    }
}

#[test]
fn a_connector_finds_host_and_port_in_every_form() {
    on_workers(|runtime| {
        runtime.block_on(async {
            for (bound, host) in [
                ("127.0.0.1:0", "127.0.0.1"),
                ("[::1]:0", "[::1]"),
                ("127.0.0.1:0", "localhost"),
            ] {
                let Ok(listener) = TcpListener::bind(bound).await else {
                    // A machine without IPv6.
                    assert_eq!(bound, "[::1]:0");
                    continue;
                };
                let port = listener.local_addr().unwrap().port();
                for scheme in ["http", "https"] {
                    let uri: Uri = format!("{scheme}://{host}:{port}/").parse().unwrap();
                    let connector = Connector::new().enforce_http(false);
                    let stream = within(connector.oneshot(uri.clone())).await.unwrap();
                    assert_eq!(stream.peer_addr().unwrap().port(), port);
                    assert!(stream.nodelay().unwrap());
                    let connected = within(Connector::new().oneshot(uri)).await;
                    assert_eq!(connected.is_ok(), scheme == "http");
                }
            }
            for uri in ["/path", "https://localhost/", "ftp://localhost/"] {
                let error = Connector::new().oneshot(uri.parse().unwrap()).await;
                assert_eq!(
                    error.unwrap_err().kind(),
                    io::ErrorKind::InvalidInput,
                    "{uri}"
                );
            }
        });
    });
}

#[test]
fn a_connection_that_fails_or_takes_too_long_is_an_error_with_its_cause() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let uri: Uri = format!("http://{}/", listener.local_addr().unwrap())
                .parse()
                .unwrap();
            drop(listener);
            let error = client::<Empty<Bytes>>().get(uri).await.unwrap_err();
            assert!(error.is_connect());
            assert_eq!(kind(&error), Some(io::ErrorKind::ConnectionRefused));

            // The limit has passed when the attempt begins, whatever the network says.
            let connector = Connector::new().connect_timeout(Duration::ZERO);
            let client = client_builder().build::<_, Empty<Bytes>>(connector);
            let error = client.get(Uri::from_static("http://192.0.2.1/")).await;
            assert_eq!(kind(&error.unwrap_err()), Some(io::ErrorKind::TimedOut));
        });
    });
}

/// Says that it is dropped.
struct Guard(async_channel::Sender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.try_send(()).unwrap();
    }
}

/// An idle connection of the pool is closed after its time, by the runtime's timers.
#[test]
fn the_pool_closes_idle_connections() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let (closed, closes) = async_channel::bounded(1);
            let app: Router = Router::new().route("/", get(|| async { "hello" }));
            let server = Server::start(|listener, signal| {
                let server = serve_each(listener, move |_| {
                    // The service lives as long as its connection.
                    app.clone()
                        .layer(Extension(Arc::new(Guard(closed.clone()))))
                });
                server.with_graceful_shutdown(signal).into_future()
            })
            .await;
            let client = client_builder()
                .pool_idle_timeout(Duration::from_millis(10))
                .build::<_, Empty<Bytes>>(Connector::new());
            let response = client.get(server.uri("/").parse().unwrap()).await.unwrap();
            response.into_body().collect().await.unwrap();
            within(closes.recv()).await.unwrap();
            drop(client);
            server.stop().await.unwrap();
        });
    });
}
