//! Connections: accepting them, HTTP/1 and HTTP/2 on them, and their end.
//!
//! A connection belongs to no request, so its task starts at the root. Knows nothing of orders.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use framewise::hyper::{FramewiseExecutor, FramewiseTimer};
use framewise::net::{TcpListener, TcpStream};
use framewise::task::JoinHandle;
use framewise::time::sleep;
use futures::future::{Either, select};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::server::conn::auto::Builder;
use tower::Service;

use crate::log::{Site, log};
use crate::work::{Notice, Work};

/// The first and the longest pause after an error of the listener itself, such as too many open
/// files.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A listener being served.
pub(crate) struct Server {
    address: SocketAddr,
    accepting: JoinHandle<()>,
    connections: Arc<Connections>,
}

/// What all connections of a listener share.
struct Connections {
    builder: Builder<FramewiseExecutor>,
    router: Router,
    read_within: Duration,
    /// Finish what is under way, then close.
    stop: Notice,
    /// Close now.
    cut: Notice,
    open: Work,
}

impl Server {
    /// Serves `router` to the clients that connect to `listener`.
    pub(crate) fn start(
        listener: TcpListener,
        router: Router,
        read_within: Duration,
    ) -> io::Result<Server> {
        let address = listener.local_addr()?;
        let mut builder = Builder::new(FramewiseExecutor::new());
        builder
            .http1()
            .timer(FramewiseTimer::new())
            .header_read_timeout(read_within);
        builder
            .http2()
            .timer(FramewiseTimer::new())
            .keep_alive_interval(read_within)
            .keep_alive_timeout(read_within);
        let connections = Arc::new(Connections {
            builder,
            router,
            read_within,
            stop: Notice::new(),
            cut: Notice::new(),
            open: Work::new(),
        });
        let accepting = framewise::spawn_root(accept(listener, connections.clone()));
        Ok(Server {
            address,
            accepting,
            connections,
        })
    }

    /// Returns the address of the listener.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets running requests finish, and closes their connections. Connections
    /// that are still open after `within` are cut off; returns their number.
    pub(crate) async fn stop(self, within: Duration) -> usize {
        self.connections.stop.give();
        // A panic in the accept loop leaves nothing to wait for.
        let _ = self.accepting.await;
        if self.connections.open.finish(within).await {
            return 0;
        }
        let left = self.connections.open.unfinished();
        self.connections.cut.give();
        self.connections.open.finish(Duration::from_secs(1)).await;
        left
    }
}

async fn accept(listener: TcpListener, connections: Arc<Connections>) {
    let mut pause = PAUSE_MIN;
    loop {
        let stop = pin!(connections.stop.given());
        let accepted = match select(stop, pin!(listener.accept())).await {
            Either::Left(_) => return,
            Either::Right((accepted, _)) => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                pause = PAUSE_MIN;
                drop(framewise::spawn_root(serve(stream, connections.clone())));
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                // Such as too many open files: it passes when connections close, not by a retry at
                // once.
                log(
                    Site::Server,
                    None,
                    format_args!("cannot accept connections, trying again in {pause:?}: {error}"),
                );
                select(pin!(connections.stop.given()), pin!(sleep(pause))).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// Returns `true` if an error of `accept` is about a client that went away before it was accepted.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

async fn serve(stream: TcpStream, connections: Arc<Connections>) {
    let Some(_token) = connections.open.begin() else {
        return;
    };
    // An error costs some delay, nothing else.
    let _ = stream.set_nodelay(true);
    let asked = AtomicBool::new(false);
    let service = service_fn(|request: Request<Incoming>| {
        // Ordering: Relaxed. Read by the same task, or after hyper spawned and joined the request's
        // own task; a late read only closes a connection without requests a moment later.
        asked.store(true, Ordering::Relaxed);
        connections.router.clone().call(request)
    });
    let connection = pin!(connections.builder.serve_connection(stream, service));
    let slow = match drive(connection, |c| c.graceful_shutdown(), &connections, &asked).await {
        Some(Ok(())) => false,
        // Other errors here mean that the client went away or does not speak HTTP.
        Some(Err(error)) => error
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_timeout),
        None => !connections.cut.is_given(),
    };
    if slow {
        let within = connections.read_within;
        log(
            Site::Server,
            None,
            format_args!("a connection is closed: no whole request within {within:?}"),
        );
    }
}

/// Runs a connection to its end. Returns `None` if it is cut off before.
///
/// hyper bounds the time for headers only once it knows the protocol, which a client can put off by
/// sending nothing; so the time until the first request is bounded here.
async fn drive<C: Future>(
    mut connection: Pin<&mut C>,
    close: impl Fn(Pin<&mut C>),
    connections: &Connections,
    asked: &AtomicBool,
) -> Option<C::Output> {
    let mut cut = pin!(connections.cut.given());
    let mut stop = pin!(Some(connections.stop.given()));
    let mut first = pin!(Some(sleep(connections.read_within)));
    poll_fn(|cx: &mut Context<'_>| {
        if cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        if stop
            .as_mut()
            .as_pin_mut()
            .is_some_and(|stop| stop.poll(cx).is_ready())
        {
            stop.set(None);
            close(connection.as_mut());
        }
        if let Poll::Ready(output) = connection.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        // Ordering: Relaxed; see `serve`.
        if asked.load(Ordering::Relaxed) {
            first.set(None);
        } else if first
            .as_mut()
            .as_pin_mut()
            .is_some_and(|first| first.poll(cx).is_ready())
        {
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await
}
