//! The accept loop: connections until the listener's end, pauses after its errors, and the limit of
//! open connections.
//!
//! Knows nothing of HTTP.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::Settings;
use super::{Listener, ServeError};
use crate::time::sleep;

/// The first and the longest pause after an error of `accept`.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Accepts connections and hands them to `start`, until the listener can accept no more.
pub(super) async fn accept<L: Listener>(
    listener: &mut L,
    limit: Option<Arc<Semaphore>>,
    settings: &Settings,
    mut start: impl FnMut(L::Io, L::Addr, Option<OwnedSemaphorePermit>),
) -> io::Error {
    let mut pause = PAUSE_MIN;
    loop {
        let permit = match &limit {
            // It is never closed.
            Some(limit) => limit.clone().acquire_owned().await.ok(),
            None => None,
        };
        match listener.accept().await {
            Ok((io, peer)) => {
                pause = PAUSE_MIN;
                start(io, peer, permit);
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) if ends_the_listener(&error) => return error,
            Err(error) => {
                // Such as too many open files: it passes when connections close, not by a retry at
                // once.
                if let Some(report) = settings.report.clone() {
                    let error = ServeError::accept(error, pause);
                    drop(crate::spawn(async move { report(&error) }));
                }
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// Returns `true` if an error of `accept` is about a peer that went away before it was accepted.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Returns `true` if the listener will accept nothing more: `EINVAL` (it does not listen), or an
/// error that is not the operating system's (the runtime has ended).
fn ends_the_listener(error: &io::Error) -> bool {
    error.raw_os_error().is_none() || error.kind() == io::ErrorKind::InvalidInput
}
