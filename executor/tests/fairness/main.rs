//! Fairness: no task keeps other tasks from running. "Starvation" in the list of other runtimes'
//! bugs (tokio 4941, 5686, 5712, 4730), and "user code under a lock" (tokio 1886, 8529, 8552, 8554,
//! 8558, 8562). The tests measure no time: starvation would be a hang, which the watchdog reports.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blocked;
mod busy;
mod local;
mod reentry;

use std::net::TcpStream as StdStream;
use std::time::Duration;

use framewise::net::{TcpListener, TcpStream};

const TICK: Duration = Duration::from_millis(1);

/// Returns a stream on the runtime, and its blocking peer.
async fn connection() -> (TcpStream, StdStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_nodelay(true).unwrap();
    (listener.accept().await.unwrap().0, peer)
}
