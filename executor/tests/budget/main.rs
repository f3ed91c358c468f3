//! The cooperative budget: a task whose operations are always ready does not starve its worker
//! (starvation: tokio 4730, 5686). The tests count operations and polls; starvation would be a
//! hang, which the watchdog reports.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;
mod operations;
mod owners;
mod timeouts;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::Write;
use std::pin::pin;
use std::time::Duration;

use framewise::net::{TcpListener, TcpStream};
use framewise::time::{Instant, Interval, interval_at};

/// The number of operations that one poll of a task may complete.
const UNITS: usize = 128;
const LIMIT: Duration = Duration::from_millis(20);
const TICK: Duration = Duration::from_millis(1);

/// Returns an interval that is an hour behind: it would have to tick 3,600 million times to catch
/// up.
fn hour_behind() -> Interval {
    let start = Instant::now().checked_sub(Duration::from_secs(3600));
    interval_at(start.unwrap(), Duration::from_micros(1))
}

/// Returns a stream on the runtime whose peer has sent data.
async fn readable_stream() -> (TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    peer.write_all(b"always here").unwrap();
    stream.readable().await.unwrap();
    (stream, peer)
}

/// Adds an output to a future that never ends, for `timeout`.
async fn never(forever: impl Future<Output = ()>) {
    forever.await;
}

thread_local! {
    static OPERATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Counts a ready operation of a [`counted`] future.
fn count_operation() {
    OPERATIONS.set(OPERATIONS.get() + 1);
}

/// Runs `future`; returns the maximum number of operations in one poll.
async fn counted(future: impl Future<Output = ()>) -> usize {
    let mut future = pin!(future);
    let mut most = 0;
    poll_fn(|cx| {
        let before = OPERATIONS.replace(0);
        let polled = future.as_mut().poll(cx);
        most = most.max(OPERATIONS.replace(before));
        polled.map(|()| most)
    })
    .await
}
