//! axum's `Listener` (feature `axum`), by which `axum::serve` takes our listeners.
//!
//! # Frame
//!
//! `axum::serve` accepts in the frame of the task that awaits it, and spawns what serves a
//! connection on tokio's runtime.

use std::future::{Future, pending};
use std::io;
use std::time::Duration;

use ::axum::serve::Listener;
use framewise_context::control::Ended;

use crate::net::{TcpListener, TcpStream};

impl Listener for TcpListener {
    type Io = TcpStream;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (TcpStream, std::net::SocketAddr) {
        until_accepted(|| TcpListener::accept(self)).await
    }

    fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
        TcpListener::local_addr(self)
    }
}

#[cfg(unix)]
impl Listener for crate::net::UnixListener {
    type Io = crate::net::UnixStream;
    type Addr = crate::net::unix::SocketAddr;

    async fn accept(&mut self) -> (crate::net::UnixStream, crate::net::unix::SocketAddr) {
        until_accepted(|| crate::net::UnixListener::accept(self)).await
    }

    fn local_addr(&self) -> io::Result<crate::net::unix::SocketAddr> {
        crate::net::UnixListener::local_addr(self)
    }
}

/// Accepts until that succeeds. A connection that is gone already is none. Other errors, such as a
/// full table of descriptors, may go away: axum's own listeners wait for a second, too.
async fn until_accepted<T, F>(mut accept: impl FnMut() -> F) -> T
where
    F: Future<Output = io::Result<T>>,
{
    loop {
        match accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_gone(&error) => {}
            // The trait has no error for a server whose own deadline has passed.
            Err(error) if has_ended(&error) => pending().await,
            // `axum::serve` needs tokio's runtime in any case.
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
}

/// Returns `true` if the server's frame has ended.
fn has_ended(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|cause| cause.is::<Ended>())
}

/// Returns `true` if the error is about the one connection that was to be accepted.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}
