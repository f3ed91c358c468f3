//! Slow peers, and the number of connections.

use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use framewise_test_support::on_workers;

use crate::glue::{self, PROTOCOLS, Server, raw, read_to_end, within};

fn app() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

/// A peer that says nothing, and peers that stop in each part of a request's head, on HTTP/1 and in
/// HTTP/2's preface and before its first request.
#[test]
fn a_connection_without_a_whole_head_is_closed_and_reported() {
    const BEGINNINGS: [&str; 5] = [
        "",
        "GET / HT",
        "GET / HTTP/1.1\r\nhost: x\r\n",
        "PRI * HTTP/2.0\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ];
    on_workers(|runtime| {
        runtime.block_on(async {
            let (reports, reported) = mpsc::channel();
            let server = Server::start(|listener, signal| {
                framewise::serve(listener, app())
                    .with_header_timeout(Duration::from_millis(50))
                    .on_error(move |error| {
                        reports
                            .send((error.is_timeout(), error.to_string()))
                            .unwrap();
                    })
                    .with_graceful_shutdown(signal)
                    .into_future()
            })
            .await;
            for beginning in BEGINNINGS {
                let stream = raw(server.address, beginning).await;
                let mut buffer = [0; 1024];
                // Until the server closes it. HTTP/2 says some of its own before.
                while within(stream.read(&mut buffer))
                    .await
                    .is_ok_and(|count| count > 0)
                {}
                let peer = stream.local_addr().unwrap();
                let expected =
                    format!("the connection of {peer} is closed: no whole request within 50ms");
                assert_eq!(reported.recv(), Ok((true, expected)), "{beginning:?}");
            }
            server.stop().await.unwrap();
        });
    });
}

/// More connections than the limit wait in the listener's queue.
#[test]
fn a_connection_above_the_limit_is_served_when_another_one_closes() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let server = Server::start(|listener, signal| {
                framewise::serve(listener, app())
                    .with_connection_limit(2)
                    .with_graceful_shutdown(signal)
                    .into_future()
            })
            .await;
            let request = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
            let mut buffer = [0; 1024];
            let first = raw(server.address, request).await;
            assert!(within(first.read(&mut buffer)).await.unwrap() > 0);
            let second = raw(server.address, request).await;
            assert!(within(second.read(&mut buffer)).await.unwrap() > 0);
            let third = raw(server.address, request).await;
            // The others are served meanwhile, and the third one is not.
            for _ in 0..20 {
                first.write_all(request.as_bytes()).await.unwrap();
                assert!(within(first.read(&mut buffer)).await.unwrap() > 0);
            }
            assert!(third.try_read(&mut buffer).is_err());
            drop(second);
            assert!(within(third.read(&mut buffer)).await.unwrap() > 0);
            // At the limit the signal is seen, too.
            server.stop().await.unwrap();
            assert_eq!(read_to_end(&first).await, "");
        });
    });
}

/// Settings of hyper-util's builder.
#[test]
fn hypers_own_settings_can_be_changed() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let server = Server::start(|listener, signal| {
                framewise::serve(listener, app())
                    .configure(|http| {
                        http.http1().max_headers(1);
                    })
                    .with_graceful_shutdown(signal)
                    .into_future()
            })
            .await;
            let stream = raw(
                server.address,
                "GET / HTTP/1.1\r\nhost: x\r\nmore: x\r\n\r\n",
            )
            .await;
            assert!(read_to_end(&stream).await.starts_with("HTTP/1.1 431 "));
            for protocol in PROTOCOLS {
                let client = protocol.client();
                // hyper's client sends the host and the number.
                let reply = glue::try_get(&client, &server.uri("/"), 1).await.unwrap();
                let is_http2 = protocol == crate::glue::Protocol::Http2;
                assert_eq!(reply.0.is_success(), is_http2);
            }
            server.stop().await.unwrap();
        });
    });
}
