//! Time limits and intervals, and what a cancelled future sees: its destructors run in the frame in
//! which the future was polled, so a line that a destructor logs has the request id.
//!
//! ```sh
//! cargo run --example timeouts
//! ```

use std::future::pending;
use std::time::Duration;

use framewise::{ContextVar, time};

static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");

fn log(message: &str) {
    println!("[{:?}] {message}", REQUEST_ID.get());
}

/// A query that is closed when it is dropped, finished or not.
struct Query(&'static str);

impl Drop for Query {
    fn drop(&mut self) {
        log(&format!("the {} query is closed", self.0));
    }
}

async fn quick() -> u32 {
    let _query = Query("quick");
    3
}

async fn endless(_query: Query) {
    pending().await
}

#[framewise::main]
async fn main() {
    // The future is polled before its limit: if it is ready, its output is never lost.
    let rows = time::timeout(Duration::from_secs(60), REQUEST_ID.scope(1, quick())).await;
    log(&format!("quick: {rows:?}"));

    // The future is dropped where its limit ends it.
    let limit = Duration::from_millis(20);
    let limited = async move { time::timeout(limit, endless(Query("endless"))).await };
    let error = REQUEST_ID
        .scope(2, limited)
        .await
        .expect_err("it never ends");
    log(&format!("endless: {error}"));

    // A task that is aborted is dropped in its own frame, by its runtime.
    let task = REQUEST_ID.run(3, || framewise::spawn(endless(Query("aborted"))));
    let mut interval = time::interval(Duration::from_millis(10));
    for tick in 1..=3 {
        interval.tick().await; // the first one at once
        log(&format!("tick {tick}"));
    }
    task.abort();
    let error = task.await.expect_err("it never ends by itself");
    log(&format!("aborted: {}", error.is_cancelled()));
}
