//! Bodies under a request's deadline: what is read, and what is made while it is sent.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::rejection::StringRejection;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use framewise::hyper::{Connector, client_builder};
use framewise::tower::{self, DeadlineLayer};
use framewise::{bind, cancel, deadline, task};
use framewise_test_support::{ID, KEPT, everywhere};
use futures::StreamExt;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use hyper_util::client::legacy;

use crate::glue::{LONG, PROTOCOLS, Protocol, Server, within};

/// A deadline that passes during each request that waits for it.
const SHORT: Duration = Duration::from_millis(20);

type Part = Result<Frame<Bytes>, Infallible>;
type UploadBody = BoxBody<Bytes, Infallible>;

/// What the handlers share with a test.
#[derive(Clone)]
struct Shared {
    /// What bodies and handlers saw, in text.
    seen: Sender<String>,
    /// Lets go on what waits for something that obeys no deadline.
    gate: Receiver<()>,
    /// One value for each request that was served.
    kept: Arc<Mutex<Vec<Weak<()>>>>,
}

/// A server of [`Shared::app`], a client, and the test's ends.
struct Setup {
    server: Server,
    client: legacy::Client<Connector, UploadBody>,
    seen: Receiver<String>,
    open: Sender<()>,
    kept: Arc<Mutex<Vec<Weak<()>>>>,
}

impl Shared {
    fn app(&self) -> Router {
        let (streams, outlasts, reads, continues) =
            (self.clone(), self.clone(), self.clone(), self.clone());
        let subscribes = self.clone();
        let extracts = |text: Result<String, StringRejection>| async {
            match text {
                Ok(text) => text.into_response(),
                Err(error) => {
                    let status = tower::gateway_timeout(&error);
                    (status.unwrap_or(error.status()), error.to_string()).into_response()
                }
            }
        };
        Router::new()
            .route("/remaining", get(async || remaining()))
            .route("/streams", get(move || streams.clone().streams()))
            .route("/outlasts", get(move || outlasts.clone().outlasts()))
            .route("/subscribes", get(move || subscribes.clone().subscribes()))
            .route("/reads", post(move |request| reads.clone().reads(request)))
            .route(
                "/continues",
                post(move |request| continues.clone().continues(request)),
            )
            .route("/extracts", post(extracts))
            .layer(DeadlineLayer::new())
    }

    /// Sends a part, and then waits for what never comes.
    async fn streams(self) -> Body {
        let waits = futures::stream::once(async move {
            let ended = deadline::enforce(std::future::pending::<()>()).await;
            let error = ended.unwrap_err();
            let text = format!("{:?} {:?} {error}", ID.get(), error.label());
            self.seen.send(text).await.unwrap();
            Err(error)
        });
        let first = futures::stream::once(async { Ok(format!("{:?}", ID.get())) });
        Body::from_stream(first.chain(waits))
    }

    /// Waits past the deadline for something that does not obey it.
    async fn outlasts(self) -> Body {
        Body::from_stream(futures::stream::once(async move {
            deadline::enforce(std::future::pending::<()>())
                .await
                .unwrap_err();
            self.seen.send("passed".to_owned()).await.unwrap();
            let _ = self.gate.recv().await;
            Ok::<_, Infallible>("after the deadline")
        }))
    }

    /// Like `streams`, with a body that is not under the deadline of its request.
    async fn subscribes(self) -> Body {
        cancel::cancelled().await;
        let events = futures::stream::once(async move {
            let ended = deadline::enforce(self.gate.recv()).await;
            assert!(ended.is_ok_and(|gate| gate.is_err()));
            Ok::<_, Infallible>(format!("{:?} {:?}", ID.get(), deadline::remaining()))
        });
        let body = Body::from_stream(events);
        Body::new(deadline::run_shielded(|| {
            framewise::Frame::current().scope_body(body)
        }))
    }

    /// Reads the whole body.
    async fn reads(self, request: Request) -> Response {
        match request.into_body().collect().await {
            Ok(body) => body.to_bytes().into_response(),
            Err(error) => {
                self.seen
                    .send(format!("{:?} {error}", ID.get()))
                    .await
                    .unwrap();
                let status = tower::gateway_timeout(&error).expect("a deadline");
                (status, "late").into_response()
            }
        }
    }

    /// Reads on in a shield when the deadline has passed.
    async fn continues(self, request: Request) -> Response {
        let mut body = request.into_body();
        let first = deadline::shield(body.frame()).await.unwrap().unwrap();
        let error = body.frame().await.unwrap().unwrap_err();
        assert!(deadline::is(&error));
        assert!(body.frame().await.is_none(), "it was reported");
        self.seen.send("passed".to_owned()).await.unwrap();
        let rest = deadline::shield(body.collect()).await.unwrap();
        let text = [first.into_data().unwrap(), rest.to_bytes()].concat();
        text.into_response()
    }
}

/// The time that the request has, and its number.
fn remaining() -> String {
    let is_limited = deadline::remaining().is_some_and(|remaining| remaining <= SHORT);
    format!("{:?} {is_limited}", ID.get())
}

impl Setup {
    async fn new(protocol: Protocol) -> Self {
        let (seen, receive_seen) = async_channel::unbounded();
        let (open, gate) = async_channel::bounded(1);
        let shared = Shared {
            seen,
            gate,
            kept: Arc::default(),
        };
        let (app, kept) = (shared.app(), Arc::clone(&shared.kept));
        let identify = move |request: &Parts| {
            let id = request.headers["x-id"].to_str().unwrap();
            let value = Arc::new(());
            shared.kept.lock().unwrap().push(Arc::downgrade(&value));
            bind(&ID, id.parse().unwrap()).and(&KEPT, value)
        };
        let server = Server::start(|listener, signal| {
            let server = framewise::serve(listener, app).bind(identify);
            server.with_graceful_shutdown(signal).into_future()
        });
        Self {
            server: server.await,
            client: client_builder()
                .http2_only(protocol == Protocol::Http2)
                .build(Connector::new()),
            seen: receive_seen,
            open,
            kept,
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        (id, limit): (u64, Duration),
        body: UploadBody,
    ) -> legacy::ResponseFuture {
        let request = hyper::Request::builder()
            .method(method)
            .uri(self.server.uri(path))
            .header("x-id", id)
            .header("x-timeout-ms", limit.as_millis() as u64)
            .body(body);
        self.client.request(request.unwrap())
    }

    /// Sends a request under a short deadline.
    async fn get(&self, path: &str, id: u64) -> hyper::Response<Incoming> {
        let body = UploadBody::default();
        let response = self.request(Method::GET, path, (id, SHORT), body);
        within(response).await.unwrap()
    }

    /// Sends a request whose body is "up", and then what the returned sender sends.
    async fn post(
        &self,
        path: &str,
        limits: (u64, Duration),
    ) -> (Sender<Part>, legacy::ResponseFuture) {
        let (sender, parts) = async_channel::unbounded();
        send(&sender, "up").await;
        let body = BodyExt::boxed(StreamBody::new(parts));
        (sender, self.request(Method::POST, path, limits, body))
    }

    /// Checks that no request's value is alive, and that the server still serves.
    async fn end(self, requests: usize) {
        let ended = async {
            loop {
                let kept = self.kept.lock().unwrap().clone();
                if kept.iter().all(|value| value.strong_count() == 0) {
                    break kept.len();
                }
                task::yield_now().await;
            }
        };
        assert_eq!(within(ended).await, requests);
        let response = self.get("/remaining", 9).await;
        assert_eq!(text(response).await.unwrap(), "Some(9) true");
        drop(self.client);
        self.server.stop().await.unwrap();
    }
}

async fn send(parts: &Sender<Part>, text: &'static str) {
    let frame = Frame::data(Bytes::from_static(text.as_bytes()));
    parts.send(Ok(frame)).await.unwrap();
}

/// Returns the text of a response's body, or the error that cuts it off.
async fn text(response: hyper::Response<Incoming>) -> Result<String, hyper::Error> {
    let body = within(response.into_body().collect()).await?;
    Ok(String::from_utf8(body.to_bytes().to_vec()).unwrap())
}

/// Runs a test over both protocols, and then checks that nothing is left of its requests.
fn everyhow<F: Future<Output = ()>>(requests: usize, test: impl Fn(Arc<Setup>) -> F) {
    everywhere(|runtime, _| {
        for protocol in PROTOCOLS {
            runtime.block_on(async {
                let setup = Arc::new(Setup::new(protocol).await);
                test(Arc::clone(&setup)).await;
                Arc::into_inner(setup).unwrap().end(requests).await;
            });
        }
    });
}

#[test]
fn c89_a_response_s_body_is_under_its_requests_deadline() {
    everyhow(1, |setup| async move {
        let mut body = setup.get("/streams", 7).await.into_body();
        let first = within(body.frame()).await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "Some(7)");
        // Its error cuts the body off: the client does not take it for a whole one.
        within(body.frame()).await.unwrap().unwrap_err();
        let seen = within(setup.seen.recv()).await.unwrap();
        let whose = "Some(7) Some(\"x-timeout-ms\") the deadline `x-timeout-ms` (";
        assert!(seen.starts_with(whose), "{seen}");
    });
}

#[test]
fn c110_a_response_s_body_is_not_dropped_by_its_deadline() {
    everyhow(1, |setup| async move {
        let response = setup.get("/outlasts", 7).await;
        assert_eq!(within(setup.seen.recv()).await.unwrap(), "passed");
        setup.open.close();
        assert_eq!(text(response).await.unwrap(), "after the deadline");
    });
}

#[test]
fn c97_a_response_s_body_with_a_shielded_frame_outlasts_its_requests_deadline() {
    everyhow(1, |setup| async move {
        let response = setup.get("/subscribes", 7).await;
        setup.open.close();
        assert_eq!(text(response).await.unwrap(), "Some(7) None");
    });
}

#[test]
fn c99_a_request_s_body_that_does_not_arrive_in_time_is_an_error() {
    everyhow(1, |setup| async move {
        let (parts, response) = setup.post("/reads", (7, SHORT)).await;
        let response = within(response).await.unwrap();
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(text(response).await.unwrap(), "late");
        let seen = within(setup.seen.recv()).await.unwrap();
        assert!(seen.starts_with("Some(7) "), "{seen}");
        assert!(seen.contains("the deadline `x-timeout-ms` ("), "{seen}");
        drop(parts);
    });
}

#[test]
fn a_request_s_body_that_arrives_in_time_is_read() {
    everyhow(1, |setup| async move {
        let (parts, response) = setup.post("/reads", (7, LONG)).await;
        send(&parts, "load").await;
        drop(parts);
        let response = within(response).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(text(response).await.unwrap(), "upload");
    });
}

#[test]
fn c99_a_request_s_body_is_read_on_in_a_shield_and_nothing_is_lost() {
    everyhow(1, |setup| async move {
        let (parts, response) = setup.post("/continues", (7, SHORT)).await;
        let late = async {
            assert_eq!(within(setup.seen.recv()).await.unwrap(), "passed");
            send(&parts, "load").await;
            parts.close();
        };
        let (response, ()) = futures::join!(within(response), late);
        assert_eq!(text(response.unwrap()).await.unwrap(), "upload");
    });
}

#[test]
fn an_extractor_of_axum_fails_with_the_deadline() {
    everyhow(2, |setup| async move {
        let (parts, response) = setup.post("/extracts", (7, SHORT)).await;
        let response = within(response).await.unwrap();
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        drop(parts);
        let (parts, response) = setup.post("/extracts", (8, LONG)).await;
        drop(parts);
        assert_eq!(text(within(response).await.unwrap()).await.unwrap(), "up");
    });
}
