//! axum's streamed responses: `Body::from_stream` and server-sent events, on framewise and on
//! tokio.

use std::convert::Infallible;
use std::io::{Read, Write};

use axum::Router;
use axum::body::Body;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use bytes::Bytes;
use framewise::bind;
use framewise::tower::FrameLayer;
use futures::stream::{self, Stream, StreamExt};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::http::request::Parts;
use tower::{Service, ServiceExt};

use crate::bodies::SERVERS;
use crate::glue::{Protocol, X_ID, connect, id_in, serve};
use crate::messages::seen;
use framewise_test_support::{ID, everywhere};

const REQUESTS: u64 = 10;
const MESSAGES: usize = 1000;

/// Streams the value of [`ID`] at each poll.
fn numbers() -> impl Stream<Item = u64> + Send + 'static {
    stream::iter(0..MESSAGES).map(|_| seen())
}

async fn streamed() -> Body {
    Body::from_stream(numbers().map(|number| Ok::<_, Infallible>(format!("data: {number}\n"))))
}

async fn events() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(numbers().map(|number| Ok(Event::default().data(number.to_string()))))
}

/// Nested routers, so that more than one layer wraps the body.
fn routes() -> Router {
    let nested = Router::new().route("/events", get(events));
    Router::new()
        .route("/streamed", get(streamed))
        .nest("/nested", nested.layer(FrameLayer::new()))
        .layer(FrameLayer::bind(|request: &Parts| {
            bind(&ID, id_in(request) + SERVERS)
        }))
}

/// Returns how many lines are data, and how many of these are `id`.
fn count(text: &str, id: u64) -> (usize, usize) {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let right = data.clone().filter(|data| *data == id.to_string());
    (data.count(), right.count())
}

#[test]
fn c89_ten_thousand_messages_of_axums_streams_and_events_see_their_requests() {
    everywhere(|runtime, _| {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let counted = runtime.block_on(async {
                let server = serve(routes()).await;
                let mut connection = connect::<Empty<Bytes>>(protocol, server.address).await;
                let (mut all, mut right) = (0, 0);
                for id in 1..=REQUESTS {
                    for path in ["/streamed", "/nested/events"] {
                        let request = Request::get(format!("http://localhost{path}"))
                            .header("host", "localhost")
                            .header(X_ID, id)
                            .body(Empty::new())
                            .unwrap();
                        let response = connection
                            .ready()
                            .await
                            .unwrap()
                            .call(request)
                            .await
                            .unwrap();
                        let body = response.into_body().collect().await.unwrap().to_bytes();
                        let text = String::from_utf8(body.to_vec()).unwrap();
                        let counted = count(&text, id + SERVERS);
                        all += counted.0;
                        right += counted.1;
                    }
                }
                (all, right)
            });
            assert_eq!(counted, (20_000, 20_000));
        }
    });
}

/// The layer does not depend on a runtime: `axum::serve` on tokio.
#[test]
fn c89_the_layers_carry_the_frame_on_tokio() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
    let listener = listener.unwrap();
    let address = listener.local_addr().unwrap();
    let client = std::thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let head = "host: localhost\r\nx-id: 5\r\nconnection: close\r\n\r\n";
        write!(stream, "GET /nested/events HTTP/1.1\r\n{head}").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        count(&reply, 5 + SERVERS)
    });
    runtime.block_on(async {
        let (stop, stopped) = futures::channel::oneshot::channel::<()>();
        let client = std::thread::spawn(move || {
            let counted = client.join();
            drop(stop);
            counted.unwrap()
        });
        let stopped = async move {
            // The drop of the sender is the stop signal.
            let _ = stopped.await;
        };
        let serving = axum::serve(listener, routes()).with_graceful_shutdown(stopped);
        serving.await.unwrap();
        assert_eq!(client.join().unwrap(), (MESSAGES, MESSAGES));
    });
}
