//! The crates that servers use, in tasks of framewise. Each test binds the request's number, lets
//! the crate work for many requests at once, and checks the number in every piece of code that
//! runs for one: handlers, bodies, spawned tasks, rows, callbacks.
//!
//! The guide's chapter on other crates says what to write for each.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod axum_tower_http;
mod channels;
mod postgres;
mod quinn;
mod redis;
mod reqwest;
mod rustls;
mod services;
mod sqlx;
mod tokio_util;
mod tonic;
mod tonic_deadlines;
mod websockets;

use std::future::Future;

use framewise::ContextVar;
use framewise::runtime::{Builder, Runtime};

/// The number of the request.
static REQUEST: ContextVar<u64> = ContextVar::new("request");

/// The requests that are under way at once.
const REQUESTS: u64 = 100;

/// A runtime for crates that insist on tokio's.
fn with_tokio(workers: usize) -> Runtime {
    let builder = Builder::new().worker_threads(workers).tokio_compat();
    builder.build().unwrap()
}

/// A runtime without tokio's.
fn plain(workers: usize) -> Runtime {
    Builder::new().worker_threads(workers).build().unwrap()
}

/// Runs `request` in a task for each request, with its number bound.
async fn for_each_request<F>(request: impl Fn(u64) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let tasks: Vec<_> = (0..REQUESTS)
        .map(|number| {
            let work = request(number);
            framewise::spawn(REQUEST.scope(number, async move {
                work.await;
                assert_eq!(REQUEST.get(), Some(number));
            }))
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}
