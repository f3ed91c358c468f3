//! Contract, "Bodies and drivers" (C-89), without a runtime: bodies in scopes, and the tower layers
//! (features `http-body` and `tower`).
#![cfg(feature = "tower")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use framewise_context::tower::{ClientFrameLayer, FrameLayer};
use framewise_context::{ContextVar, Frame, FrameScope, bind};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, SizeHint};
use support::{bound_here, in_each_start_frame, panics};
use tower::{Layer, Service, service_fn};

static ID: ContextVar<u64> = ContextVar::new("id");
static TENANT: ContextVar<&str> = ContextVar::new("tenant");
static TOKEN: ContextVar<u64> = ContextVar::new("token").not_inherited();

/// The calls of a body, with the value of [`ID`] in each.
type Calls = Arc<Mutex<Vec<(&'static str, Option<u64>)>>>;

/// A body with one message and a trailer, which records the frame of each call.
struct Noted {
    calls: Calls,
    polls: usize,
    panics: bool,
}

impl Noted {
    fn new(calls: &Calls) -> Noted {
        Noted {
            calls: Arc::clone(calls),
            polls: 0,
            panics: false,
        }
    }

    fn note(&self, call: &'static str) {
        self.calls.lock().unwrap().push((call, ID.get()));
    }
}

impl Body for Noted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        assert!(!self.panics, "expected");
        self.polls += 1;
        let frame = match self.polls {
            1 => return Poll::Pending,
            2 => {
                self.note("data");
                http_body::Frame::data(Bytes::new())
            }
            3 => {
                self.note("trailers");
                let seen = HeaderValue::from(ID.get().unwrap_or(0));
                http_body::Frame::trailers(HeaderMap::from_iter([(http::header::ETAG, seen)]))
            }
            _ => return Poll::Ready(None),
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.note("end");
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.note("size");
        SizeHint::with_exact(7)
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.note("dropped");
    }
}

fn is_ready<B: Body>(body: Pin<&mut B>) -> bool {
    body.poll_frame(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

fn calls_of<B: Body>(calls: &Calls, body: B) -> Vec<(&'static str, Option<u64>)> {
    {
        let mut body = pin!(body);
        let before = Frame::current().id();
        assert_eq!(body.size_hint().exact(), Some(7));
        assert!(!body.is_end_stream());
        assert!(!is_ready(body.as_mut()));
        for _ in 0..3 {
            assert!(is_ready(body.as_mut()));
        }
        assert_eq!(Frame::current().id(), before);
    }
    std::mem::take(&mut calls.lock().unwrap())
}

#[test]
fn c89_a_body_is_polled_asked_and_dropped_in_the_frame_of_its_scope() {
    in_each_start_frame(|| {
        let calls = Calls::default();
        let in_frame = |id| ["size", "end", "data", "trailers", "dropped"].map(|call| (call, id));
        let frame = ID.run(1, Frame::current);
        let body = frame.scope_body(Noted::new(&calls));
        assert_eq!(ID.run(2, || calls_of(&calls, body)), in_frame(Some(1)));
        let body = Frame::root().scope_body(Noted::new(&calls));
        assert_eq!(ID.run(2, || calls_of(&calls, body)), in_frame(None));
        // A scope that binds answers hints in the caller's frame: a hint derives no frame.
        let expected = [
            ("size", None),
            ("end", None),
            ("data", Some(3)),
            ("trailers", Some(3)),
            ("dropped", Some(3)),
        ];
        assert_eq!(
            calls_of(&calls, ID.scope_body(3, Noted::new(&calls))),
            expected
        );
        let body = bind(&TENANT, "ada")
            .and(&ID, 3)
            .scope_body(Noted::new(&calls));
        assert_eq!(calls_of(&calls, body), expected);
        // Dropped without a poll.
        drop(bind(&ID, 4).frame().scope_body(Noted::new(&calls)));
        drop(ID.scope_body(5, Noted::new(&calls)));
        let dropped = calls.lock().unwrap().clone();
        assert_eq!(dropped, [("dropped", Some(4)), ("dropped", Some(5))]);
    });
}

#[test]
fn c89_a_body_that_panics_restores_the_frame_of_the_connections_task() {
    in_each_start_frame(|| {
        let calls = Calls::default();
        let before = Frame::current().id();
        let mut body = Noted::new(&calls);
        body.panics = true;
        let mut body = Box::pin(bind(&ID, 1).frame().scope_body(body));
        assert!(panics(|| assert!(is_ready(body.as_mut()))));
        assert_eq!(Frame::current().id(), before);
        drop(body);
        assert_eq!(*calls.lock().unwrap(), [("dropped", Some(1))]);
    });
}

/// A service whose responses have bodies that record their frames.
fn noting(
    calls: &Calls,
) -> impl Service<Request<()>, Response = Response<Noted>, Error = Infallible> + use<> {
    let calls = Arc::clone(calls);
    service_fn(move |_: Request<()>| {
        calls.lock().unwrap().push(("called", ID.get()));
        let calls = Arc::clone(&calls);
        async move {
            calls.lock().unwrap().push(("polled", ID.get()));
            Ok(Response::new(Noted::new(&calls)))
        }
    })
}

fn completed<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future should be ready at once"),
    }
}

/// Sends the body; returns its calls in one frame, except the hints.
fn sent(calls: &Calls, response: Response<FrameScope<Noted>>) -> Vec<(&'static str, Option<u64>)> {
    let mut calls = calls_of(calls, response.into_body());
    calls.retain(|(call, _)| !["size", "end"].contains(call));
    calls
}

#[test]
fn c89_a_servers_layer_puts_the_reply_into_the_frame_in_which_its_future_completed() {
    in_each_start_frame(|| {
        let calls = Calls::default();
        let mut service = FrameLayer::new().layer(noting(&calls));
        // Called outside the scope in which it is polled, as some middleware does.
        let call = service.call(Request::new(()));
        let response = completed(ID.scope(1, call)).unwrap();
        let seen = ID.run(2, || sent(&calls, response));
        let expected = [
            ("called", None),
            ("polled", Some(1)),
            ("data", Some(1)),
            ("trailers", Some(1)),
            ("dropped", Some(1)),
        ];
        assert_eq!(seen, expected);
    });
}

#[test]
fn c89_a_servers_layer_that_binds_is_in_effect_for_the_call_the_future_and_the_body() {
    in_each_start_frame(|| {
        let calls = Calls::default();
        let identify =
            |request: &http::request::Parts| bind(&ID, request.uri.path()[1..].parse().unwrap());
        let mut service = FrameLayer::bind(identify).layer(noting(&calls));
        for id in [1, 2] {
            let request = Request::get(format!("/{id}")).body(()).unwrap();
            let call = service.call(request);
            // On top of the poller's bindings.
            let response = completed(TENANT.scope("ada", call)).unwrap();
            assert_eq!(response.body().frame().run(|| TENANT.get()), Some("ada"));
            let all = ["called", "polled", "data", "trailers", "dropped"];
            assert_eq!(sent(&calls, response), all.map(|call| (call, Some(id))));
            assert_eq!((ID.get(), TENANT.get()), (None, None));
        }
    });
}

#[test]
fn c89_a_body_lacks_what_is_not_inherited_as_a_spawned_task_does() {
    in_each_start_frame(|| {
        let calls = Calls::default();
        let mut server = FrameLayer::new().layer(noting(&calls));
        let bindings = bind(&ID, 1).and(&TOKEN, 2);
        let response = completed(bindings.scope(server.call(Request::new(())))).unwrap();
        let seen = response.body().frame().run(|| (ID.get(), TOKEN.get()));
        assert_eq!(seen, (Some(1), None));

        let mut client = ClientFrameLayer::new().layer(service_fn(sent_with));
        let request = Request::new(Noted::new(&calls));
        let sent = bind(&ID, 1).and(&TOKEN, 2).run(|| client.call(request));
        assert_eq!(completed(sent).unwrap().into_body(), (Some(1), None));
    });
}

/// The values of [`ID`] and [`TOKEN`].
type Seen = (Option<u64>, Option<u64>);

/// A client that returns what its connection's driver would see.
fn sent_with(request: Request<FrameScope<Noted>>) -> Ready<Result<Response<Seen>, Infallible>> {
    let seen = request.body().frame().run(|| (ID.get(), TOKEN.get()));
    ready(Ok(Response::new(seen)))
}

#[test]
fn c89_the_layers_release_the_frame_with_the_body() {
    in_each_start_frame(|| {
        let calls = Calls::default();
        let (frame, site) = bound_here(bind(&ID, 1));
        let mut server = FrameLayer::new().layer(noting(&calls));
        let response = completed(frame.scope(server.call(Request::new(())))).unwrap();
        site.assert_live(1);
        let (_, body) = response.into_parts();
        drop(body);
        site.assert_live(0);
        let _ = &server;
    });
}
