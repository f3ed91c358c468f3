//! Which frame what runs in: handlers, what they spawn, bodies, and connections.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use framewise::context::{BindingList, Bindings};
use framewise::{ContextVar, bind};
use framewise_test_support::{ID, KEPT, everywhere};
use futures::StreamExt;
use hyper::http::request::Parts;

use crate::glue::{self, PROTOCOLS, Server};

/// Bound around a server.
static SERVICE: ContextVar<u64> = ContextVar::new("service");

/// Binds the number in the header `x-id`.
pub(crate) fn identify(request: &Parts) -> Bindings<impl BindingList + use<>> {
    let id = request.headers["x-id"].to_str().unwrap();
    bind(&ID, id.parse().unwrap())
}

/// What the current frame has for the request and for the service.
fn seen() -> String {
    format!("{:?} {:?}\n", ID.get(), SERVICE.get())
}

async fn whole() -> String {
    let spawned = framewise::spawn(async { seen() }).await.unwrap();
    seen() + &spawned
}

/// Made while it is sent.
async fn streamed() -> Body {
    let lines = futures::stream::iter(0..20).then(|_| async {
        framewise::task::yield_now().await;
        Ok::<_, std::io::Error>(seen())
    });
    Body::from_stream(lines)
}

fn app() -> Router {
    Router::new()
        .route("/whole", get(whole))
        .route("/streamed", get(streamed))
}

#[test]
fn c89_handlers_what_they_spawn_and_bodies_see_their_request_and_the_service() {
    const REQUESTS: u64 = 50;
    everywhere(|runtime, _| {
        for protocol in PROTOCOLS {
            runtime.block_on(async {
                let server = SERVICE.scope(
                    99,
                    Server::start(|listener, signal| {
                        let server = framewise::serve(listener, app()).bind(identify);
                        server.with_graceful_shutdown(signal).into_future()
                    }),
                );
                let (server, client) = (server.await, protocol.client());
                let requests: Vec<_> = (0..REQUESTS)
                    .map(|id| {
                        let (client, whole, streamed) = (
                            client.clone(),
                            server.uri("/whole"),
                            server.uri("/streamed"),
                        );
                        framewise::spawn(async move {
                            let line = format!("Some({id}) Some(99)\n");
                            assert_eq!(glue::get(&client, &whole, id).await, line.repeat(2));
                            assert_eq!(glue::get(&client, &streamed, id).await, line.repeat(20));
                        })
                    })
                    .collect();
                for request in requests {
                    request.await.unwrap();
                }
                drop(client);
                server.stop().await.unwrap();
            });
        }
    });
}

/// Without a layer nothing of a request is bound, and no request sees another one's frame.
#[test]
fn without_bindings_only_the_services_are_seen() {
    everywhere(|runtime, id| {
        for protocol in PROTOCOLS {
            runtime.block_on(async {
                let (server, client) = (Server::of(app()).await, protocol.client());
                for path in ["/whole", "/streamed"] {
                    let text = glue::get(&client, &server.uri(path), 1).await;
                    // The server's task was spawned in the test's frame.
                    assert_eq!(text.lines().next().unwrap(), format!("{id:?} None"));
                }
                drop(client);
                server.stop().await.unwrap();
            });
        }
    });
}

/// The server's connections, and the pool's, hold no value of a request that they have served.
#[test]
fn c90_connections_on_both_sides_keep_no_frame_of_a_request() {
    everywhere(|runtime, _| {
        for protocol in PROTOCOLS {
            runtime.block_on(async {
                // What the server has bound.
                let bound = Arc::new(Mutex::new(Vec::new()));
                let server = {
                    let bound = bound.clone();
                    let identify = move |_: &Parts| {
                        let kept = Arc::new(());
                        bound.lock().unwrap().push(Arc::downgrade(&kept));
                        bind(&KEPT, kept)
                    };
                    Server::start(|listener, signal| {
                        let server = framewise::serve(listener, app()).bind(identify);
                        server.with_graceful_shutdown(signal).into_future()
                    })
                    .await
                };
                let client = protocol.client();
                for id in 0..4 {
                    let kept = Arc::new(());
                    let (client, uri) = (client.clone(), server.uri("/streamed"));
                    let request = KEPT.run(kept.clone(), || {
                        framewise::spawn(async move { glue::get(&client, &uri, id).await })
                    });
                    request.await.unwrap();
                    while Arc::strong_count(&kept) > 1 {
                        framewise::task::yield_now().await;
                    }
                    let served = bound.lock().unwrap().pop().expect("it was bound");
                    while served.strong_count() > 0 {
                        framewise::task::yield_now().await;
                    }
                    assert!(bound.lock().unwrap().is_empty(), "once per request");
                }
                drop(client);
                server.stop().await.unwrap();
            });
        }
    });
}
