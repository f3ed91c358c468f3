//! The shutdown of a runtime in any state. The tests cover these bugs of other runtimes: "shutdown"
//! (tokio 2046, 1948, 2061, 2119, 6463, 7499) and "drop thread and order" (tokio 3929, 5162, 4412;
//! async-executor 164).
//!
//! [`polls`] and [`waits`] are tables of user code that waits while its runtime shuts down.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod after;
mod destructors;
mod kinds;
mod polls;
mod tasks;
mod threads;
mod waits;

use std::net::TcpListener as StdListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;
use std::{fmt, thread};

use framewise::net::{TcpListener, TcpStream};

/// A listener, a stream that it has accepted, on which nothing arrives, and the peer.
struct Quiet {
    listener: TcpListener,
    stream: TcpStream,
    _peer: std::net::TcpStream,
}

impl Quiet {
    async fn new() -> Self {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        // It is taken to be readable until a read finds nothing, and no event comes meanwhile.
        while futures::FutureExt::now_or_never(stream.readable()).is_some() {
            stream.try_read(&mut [0]).unwrap_err();
        }
        Self {
            listener,
            stream,
            _peer: peer,
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// The timeout after which a step of a test counts as hanging. No test measures time with it.
const HANG: Duration = Duration::from_secs(20);

/// Runs the cells of a table with `run`, each with a timeout, and reports all that hang or fail.
fn run_cells<C>(cells: impl Iterator<Item = C>, run: fn(&C))
where
    C: fmt::Debug + Send + 'static,
{
    let mut failed = Vec::new();
    for cell in cells {
        let name = format!("{cell:?}");
        let (ended, has_ended) = mpsc::channel();
        thread::Builder::new()
            .name(name.clone())
            .spawn(move || {
                let result = catch_unwind(AssertUnwindSafe(|| run(&cell)));
                let _ = ended.send(result.is_ok());
            })
            .unwrap();
        match has_ended.recv_timeout(2 * HANG) {
            Ok(true) => {}
            Ok(false) => failed.push(format!("fails: {name}")),
            Err(_) => failed.push(format!("hangs: {name}")),
        }
        // Stop early, because each hang takes the whole timeout.
        assert!(failed.len() < 3, "{failed:#?}");
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
