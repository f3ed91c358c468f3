//! axum's own server with tower-http's layers: both wait with tokio, so `Builder::tokio_compat`.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use framewise::bind;
use framewise::context::{BindingList, Bindings};
use framewise::net::{TcpListener, TcpStream};
use framewise::tower::FrameLayer;
use futures::StreamExt;
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use super::{REQUEST, for_each_request, with_tokio};

const X_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Binds the number that the header `x-number` has.
fn bind_number(request: &Parts) -> Bindings<impl BindingList + use<>> {
    let number = request.headers["x-number"].to_str().unwrap();
    bind(&REQUEST, number.parse().unwrap())
}

async fn streamed() -> Body {
    let pieces = futures::stream::iter(0..50).then(|_| async {
        framewise::task::yield_now().await;
        let number = REQUEST.get().unwrap();
        Ok::<_, std::io::Error>(format!("{number} "))
    });
    Body::from_stream(pieces)
}

async fn spawned() -> Json<Option<u64>> {
    Json(framewise::spawn(async { REQUEST.get() }).await.unwrap())
}

async fn endless() {
    std::future::pending::<()>().await;
}

async fn server() -> String {
    let app = Router::new()
        .route("/streamed", get(streamed))
        .route("/spawned", get(spawned))
        .route("/endless", get(endless))
        .route(
            "/length",
            post(|body: Bytes| async move { body.len().to_string() }),
        )
        .layer(FrameLayer::bind(bind_number))
        .layer(RequestBodyLimitLayer::new(1000))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            Duration::from_millis(500),
        ))
        .layer(CompressionLayer::new())
        .layer(PropagateRequestIdLayer::new(X_ID))
        .layer(TraceLayer::new_for_http())
        .layer(SetRequestIdLayer::new(X_ID, MakeRequestUuid));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(framewise::spawn_root(async {
        axum::serve(listener, app).await
    }));
    base
}

#[test]
fn handlers_bodies_and_spawned_tasks_know_their_request() {
    for workers in [1, 2, 8] {
        with_tokio(workers).block_on(async {
            let (base, client) = (server().await, reqwest::Client::new());
            for_each_request(|number| {
                let get = |path: &str| {
                    let url = format!("{base}/{path}");
                    client.get(url).header("x-number", number).send()
                };
                let (streamed, spawned) = (get("streamed"), get("spawned"));
                async move {
                    let response = streamed.await.unwrap();
                    assert!(response.headers().contains_key(X_ID));
                    let body = response.text().await.unwrap();
                    assert_eq!(body, format!("{number} ").repeat(50));
                    let body = spawned.await.unwrap().text().await.unwrap();
                    assert_eq!(body, number.to_string());
                }
            })
            .await;
        });
    }
}

#[test]
fn limits_and_time_outs_of_tower_http_answer() {
    with_tokio(2).block_on(async {
        let (base, client) = (server().await, reqwest::Client::new());
        let endless = client.get(format!("{base}/endless")).header("x-number", 1);
        assert_eq!(
            endless.send().await.unwrap().status(),
            StatusCode::REQUEST_TIMEOUT
        );
        let upload = |length| {
            let url = format!("{base}/length");
            client
                .post(url)
                .header("x-number", 1)
                .body(vec![0; length])
                .send()
        };
        assert_eq!(upload(1000).await.unwrap().text().await.unwrap(), "1000");
        assert_eq!(
            upload(1001).await.unwrap().status(),
            StatusCode::PAYLOAD_TOO_LARGE
        );
    });
}

/// A compressed body is read from the handler's stream as it goes.
#[test]
fn a_compressed_stream_knows_its_request() {
    with_tokio(2).block_on(async {
        let base = server().await;
        let get = |client: &reqwest::Client| {
            let get = client.get(format!("{base}/streamed"));
            get.header("x-number", 7)
        };
        let raw = reqwest::Client::builder().no_gzip().build().unwrap();
        let response = get(&raw)
            .header("accept-encoding", "gzip")
            .send()
            .await
            .unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip");
        let inflating = reqwest::Client::builder().gzip(true).build().unwrap();
        let text = get(&inflating).send().await.unwrap().text().await.unwrap();
        assert_eq!(text, "7 ".repeat(50));
    });
}

/// axum has that extractor for its own listeners, and for any within `tap_io`.
#[test]
fn connect_info_tells_the_peer_of_a_connection_to_our_listener() {
    for workers in [1, 2] {
        with_tokio(workers).block_on(async {
            let who = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() };
            let app = Router::new().route("/", get(who));
            let app = app.into_make_service_with_connect_info::<SocketAddr>();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
            drop(framewise::spawn_root(async {
                axum::serve(listener, app).await
            }));
            let stream = TcpStream::connect(address).await.unwrap();
            let own = stream.local_addr().unwrap();
            let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut answer = Vec::new();
            while stream.read_buf(&mut answer).await.unwrap() > 0 {}
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.ends_with(&own.to_string()), "{answer}");
        });
    }
}
