//! A connection from its first byte to its end: HTTP on it, the limit until its first request, and
//! what the server's end does to it.
//!
//! Knows neither the listener nor how the service is made.

use std::error::Error;
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::rt::{Read, Write};
use hyper::service::{Service as _, service_fn};
use hyper::{Request, Response};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;
use tower_service::Service;

use super::ServeError;
use super::lingering::{self, Returned};
use crate::hyper::FramewiseExecutor;
use crate::time::sleep;

/// How far the server's end has come.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) enum Phase {
    /// Connections are served.
    Serving,
    /// Connections finish what is under way, then close.
    Stopping,
    /// Connections close now.
    Cut,
}

pub(super) type Report = Arc<dyn Fn(&ServeError) + Send + Sync>;

/// What all connections of a server share.
pub(super) struct Settings {
    pub(super) builder: Builder<FramewiseExecutor>,
    pub(super) header_timeout: Duration,
    pub(super) report: Option<Report>,
}

/// What happens to a connection next.
enum Event {
    Phase(Phase),
    /// No request has come within the limit.
    Late,
    Ended(Result<(), Box<dyn Error + Send + Sync>>),
}

/// Serves a connection to its end, reports its error, and closes it. `phase` is held until then:
/// the server counts the receivers.
pub(super) async fn run<I, A, S, B>(
    io: I,
    peer: A,
    service: S,
    settings: Arc<Settings>,
    mut phase: watch::Receiver<Phase>,
) where
    I: Read + Write + Unpin + Send + 'static,
    A: Debug,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (io, mut returned) = Returned::new(io);
    let ended = drive(io, peer, service, &settings, &mut phase).await;
    if let (Err(error), Some(report)) = (ended, &settings.report) {
        report(&error);
    }
    // hyper has dropped it, unless it was upgraded.
    if let Ok(io) = returned.try_recv()
        && *phase.borrow() != Phase::Cut
    {
        lingering::close(io).await;
    }
}

/// Runs HTTP on a connection until one side ends it.
async fn drive<I, A, S, B>(
    io: I,
    peer: A,
    service: S,
    settings: &Settings,
    phase: &mut watch::Receiver<Phase>,
) -> Result<(), ServeError>
where
    I: Read + Write + Unpin + Send + 'static,
    A: Debug,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let within = settings.header_timeout;
    // Set by the first request.
    let asked = &OnceLock::new();
    let service = TowerToHyperService::new(service);
    let service = service_fn(move |request| {
        asked.get_or_init(|| ());
        service.call(request)
    });
    let connection = settings.builder.serve_connection_with_upgrades(io, service);
    let mut connection = pin!(connection);
    // hyper bounds the time for a request's head only once it knows the protocol, which a peer puts
    // off by sending nothing. So the time until the first request is bounded here.
    let mut first = pin!(sleep(within));
    let mut now = Phase::Serving;
    loop {
        let event = {
            let mut changed = pin!(next_phase(phase, now));
            poll_fn(|cx| {
                if let Poll::Ready(next) = changed.as_mut().poll(cx) {
                    return Poll::Ready(Event::Phase(next));
                }
                if let Poll::Ready(output) = connection.as_mut().poll(cx) {
                    return Poll::Ready(Event::Ended(output));
                }
                if asked.get().is_none() && first.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Event::Late);
                }
                Poll::Pending
            })
            .await
        };
        match event {
            Event::Phase(Phase::Cut) => return Ok(()),
            Event::Phase(next) => {
                now = next;
                connection.as_mut().graceful_shutdown();
            }
            Event::Late => return Err(ServeError::timeout(peer, within)),
            Event::Ended(Ok(())) => return Ok(()),
            // It was closed before it had sent anything.
            Event::Ended(Err(_)) if now != Phase::Serving && asked.get().is_none() => return Ok(()),
            Event::Ended(Err(error)) => return Err(ServeError::connection(peer, error, within)),
        }
    }
}

/// Waits for the phase after `now`. A server whose future is dropped stops, and never cuts.
async fn next_phase(phase: &mut watch::Receiver<Phase>, now: Phase) -> Phase {
    let next = phase.wait_for(|phase| *phase > now).await;
    match next.map(|next| *next) {
        Ok(next) => next,
        Err(_) if now == Phase::Serving => Phase::Stopping,
        Err(_) => std::future::pending().await,
    }
}
