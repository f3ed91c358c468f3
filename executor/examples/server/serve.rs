//! A listener being served: its settings, its reports, and its signal.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use framewise::net::TcpListener;
use framewise::serve::ServeError;
use framewise::task::JoinHandle;

use crate::log::{Site, log};
use crate::work::Notice;

/// A listener being served, until it is stopped.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Notice,
    serving: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Serves `router` to the clients that connect to `listener`. Once it is stopped, connections
    /// that are still open after `drain_within` are cut off.
    pub(crate) fn start(
        listener: TcpListener,
        router: Router,
        read_within: Duration,
        drain_within: Duration,
    ) -> io::Result<Server> {
        let address = listener.local_addr()?;
        let stop = Notice::new();
        let stopping = stop.clone();
        let server = framewise::serve(listener, router)
            .with_header_timeout(read_within)
            .with_shutdown_timeout(drain_within)
            .on_error(report)
            .with_graceful_shutdown(async move { stopping.given().await });
        // It belongs to no request.
        let serving = framewise::spawn_root(server.into_future());
        Ok(Server {
            address,
            stop,
            serving,
        })
    }

    /// Returns the address of the listener.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets running requests finish, and closes their connections.
    pub(crate) async fn stop(self) {
        self.stop.give();
        if let Ok(Err(error)) = self.serving.await {
            log(Site::Server, None, format_args!("{error}"));
        }
    }
}

/// Logs what the operator can do something about. Other errors mean that a client went away or does
/// not speak HTTP.
fn report(error: &ServeError) {
    if error.is_accept() || error.is_timeout() {
        log(Site::Server, None, format_args!("{error}"));
    }
}
