//! A request's panic handler (C-91): it gets what fails of its own request, wherever that was
//! started, and of no other request.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, Weak};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::routing::get;
use framewise::panics::{self, Handled, PanicHandler};
use framewise::runtime::{Builder, Runtime};
use framewise::tower::FrameLayer;
use framewise::{JoinError, task};
use framewise_test_support::ID;
use futures::StreamExt;

use crate::frames::identify;
use crate::glue::{self, PROTOCOLS, Protocol, Server};

/// Requests in flight at once. The handlers of those with an odd number handle nothing.
const REQUESTS: u64 = 20;

/// What a handler or the hook was given: the request whose handler it is (`None` for the hook),
/// [`ID`] where it ran, [`ID`] in the error's frame, and the error's message.
type Asked = (Option<u64>, Option<u64>, Option<u64>, String);

/// What the handlers of requests share with the test.
#[derive(Clone)]
struct Requests {
    asked: Sender<Asked>,
    /// The tasks of all requests fail when it is closed, and their responses have been read by
    /// then.
    gate: async_channel::Receiver<()>,
    /// One for each handler: alive while the handler is.
    handlers: Arc<Mutex<Vec<Weak<()>>>>,
}

fn record(asked: &Sender<Asked>, whose: Option<u64>, error: &JoinError) {
    let of_error = error.frame().and_then(|frame| frame.run(|| ID.get()));
    asked
        .send((whose, ID.get(), of_error, error.to_string()))
        .unwrap();
}

impl Requests {
    /// Makes the handler of the current request.
    fn handler(&self) -> PanicHandler {
        let (asked, id) = (self.asked.clone(), ID.get().unwrap());
        let alive = Arc::new(());
        self.handlers.lock().unwrap().push(Arc::downgrade(&alive));
        panics::handle(move |error| {
            let _alive = &alive;
            record(&asked, Some(id), error);
            if id.is_multiple_of(2) {
                Handled::Yes
            } else {
                Handled::No
            }
        })
    }

    /// Spawns a task that fails when the gate is closed. No code joins it.
    fn fail_later(&self, of: &'static str) {
        let gate = self.gate.clone();
        drop(framewise::spawn(async move {
            gate.recv().await.unwrap_err();
            panic!("{of} of request {}", ID.get().unwrap());
        }));
    }

    /// Waits until no handler of a request is alive, and returns how many there were.
    async fn wait_until_released(&self) -> u64 {
        let handlers = std::mem::take(&mut *self.handlers.lock().unwrap());
        while handlers.iter().any(|handler| handler.strong_count() > 0) {
            task::yield_now().await;
        }
        handlers.len() as u64
    }

    fn app(&self) -> Router {
        let (layer, in_service, body) = (self.clone(), self.clone(), self.clone());
        let (service, without) = (self.clone(), self.clone());
        // The handler is bound around all that follows, and the layer within puts the body there.
        let bind = move |request: Request, next: Next| {
            let handler = layer.handler();
            async move { handler.scope(next.run(request)).await }
        };
        let in_layer = move || async move {
            in_service.fail_later("a task");
            "hello"
        };
        // Made while it is sent, by the connection's driver.
        let in_body = move || async move {
            let lines = futures::stream::iter(["hel", "lo"]).inspect(move |part| {
                if *part == "lo" {
                    body.fail_later("a body's task");
                }
            });
            Body::from_stream(lines.map(Ok::<_, std::io::Error>))
        };
        let in_handler = move || async move {
            service
                .handler()
                .run(|| service.fail_later("the service's task"));
            "hello"
        };
        let unbound = move || async move {
            without.fail_later("a task without handler");
            "hello"
        };
        Router::new()
            .route("/layer", get(in_layer))
            .route("/body", get(in_body))
            .layer(FrameLayer::new())
            .layer(from_fn(bind))
            .route("/service", get(in_handler))
            .route("/unbound", get(unbound))
    }
}

/// A runtime whose hook records.
fn hooked(workers: usize) -> (Runtime, Sender<Asked>, Receiver<Asked>) {
    let (sender, asked) = mpsc::channel();
    let hook = sender.clone();
    let builder = Builder::new().worker_threads(workers);
    let builder = builder.on_unhandled_panic(move |error| record(&hook, None, error));
    (builder.build().unwrap(), sender, asked)
}

/// Returns what is recorded for a route whose tasks are `of` this.
fn expected(of: &str, has_handler: bool) -> Vec<Asked> {
    let mut all = Vec::new();
    for id in 0..REQUESTS {
        let call = |whose| {
            let message = format!("the task panicked: {of} of request {id}");
            (whose, Some(id), Some(id), message)
        };
        if has_handler {
            all.push(call(Some(id)));
        }
        // The handlers of the others say that they handled it.
        if !has_handler || !id.is_multiple_of(2) {
            all.push(call(None));
        }
    }
    all.sort();
    all
}

/// Waits for this number of calls of handlers and of the hook.
async fn receive(asked: &Receiver<Asked>, count: usize) -> Vec<Asked> {
    let mut all = Vec::new();
    while all.len() < count {
        match asked.try_recv() {
            Ok(call) => all.push(call),
            Err(_) => task::yield_now().await,
        }
    }
    all
}

async fn ask_all(server: &Server, protocol: Protocol, path: &str) {
    let client = protocol.client();
    let requests: Vec<_> = (0..REQUESTS)
        .map(|id| {
            let (client, uri) = (client.clone(), server.uri(path));
            framewise::spawn(async move { glue::get(&client, &uri, id).await })
        })
        .collect();
    for request in requests {
        assert_eq!(request.await.unwrap(), "hello");
    }
}

fn check(path: &str, of: &str, has_handler: bool) {
    for workers in [1, 2, 8] {
        let (runtime, sender, asked) = hooked(workers);
        for protocol in PROTOCOLS {
            runtime.block_on(async {
                let (open, gate) = async_channel::bounded(1);
                let requests = Requests {
                    asked: sender.clone(),
                    gate,
                    handlers: Arc::default(),
                };
                let app = requests.app();
                let server = Server::start(|listener, signal| {
                    let server = framewise::serve(listener, app).bind(identify);
                    server.with_graceful_shutdown(signal).into_future()
                })
                .await;
                ask_all(&server, protocol, path).await;
                assert!(asked.try_recv().is_err(), "no task has failed yet");
                drop(open);
                let expected = expected(of, has_handler);
                let mut all = glue::within(receive(&asked, expected.len())).await;
                for (place, call) in all.iter().enumerate() {
                    // A handler is asked before the hook.
                    let before = &all[..place];
                    let is_asked = before
                        .iter()
                        .any(|(whose, id, ..)| *whose == *id && *id == call.1);
                    assert_eq!(is_asked, has_handler && call.0.is_none(), "{call:?}");
                }
                all.sort();
                assert_eq!(all, expected);
                // With its requests gone, the connection keeps none of their handlers.
                let handlers = glue::within(requests.wait_until_released()).await;
                assert_eq!(handlers, u64::from(has_handler) * REQUESTS);
                server.stop().await.unwrap();
            });
        }
        drop(runtime);
        assert!(asked.try_recv().is_err(), "each panic is reported once");
    }
}

#[test]
fn c91_a_request_s_handler_that_a_layer_binds_gets_its_tasks_panics() {
    check("/layer", "a task", true);
}

#[test]
fn c91_a_request_s_handler_gets_the_panics_of_what_its_body_starts() {
    check("/body", "a body's task", true);
}

#[test]
fn c91_a_request_s_handler_that_the_service_binds_gets_its_tasks_panics() {
    check("/service", "the service's task", true);
}

#[test]
fn c91_the_hook_gets_the_panics_of_a_request_without_handler() {
    check("/unbound", "a task without handler", false);
}
