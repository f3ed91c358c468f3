//! What a server reports.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

/// Why a server could not accept, or closed a connection: what
/// [`Serve::on_error`](super::Serve::on_error) is called with.
#[derive(Debug)]
pub struct ServeError(Kind);

#[derive(Debug)]
enum Kind {
    Accept {
        error: io::Error,
        pause: Duration,
    },
    Timeout {
        peer: String,
        within: Duration,
    },
    Connection {
        peer: String,
        error: Box<dyn Error + Send + Sync>,
    },
}

impl ServeError {
    pub(super) fn accept(error: io::Error, pause: Duration) -> Self {
        Self(Kind::Accept { error, pause })
    }

    pub(super) fn timeout(peer: impl fmt::Debug, within: Duration) -> Self {
        let peer = format!("{peer:?}");
        Self(Kind::Timeout { peer, within })
    }

    pub(super) fn connection(
        peer: impl fmt::Debug,
        error: Box<dyn Error + Send + Sync>,
        within: Duration,
    ) -> Self {
        let timed_out = error
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_timeout);
        if timed_out {
            return Self::timeout(peer, within);
        }
        let peer = format!("{peer:?}");
        Self(Kind::Connection { peer, error })
    }

    /// Returns `true` if it is about the listener: no connection could be accepted, for example
    /// because the process has no file descriptor left. The server tries again after a pause.
    pub fn is_accept(&self) -> bool {
        matches!(self.0, Kind::Accept { .. })
    }

    /// Returns `true` if a connection was closed because its peer sent no whole request in time.
    pub fn is_timeout(&self) -> bool {
        matches!(self.0, Kind::Timeout { .. })
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Accept { error, pause } => {
                write!(
                    f,
                    "cannot accept connections, trying again in {pause:?}: {error}"
                )
            }
            Kind::Timeout { peer, within } => {
                write!(
                    f,
                    "the connection of {peer} is closed: no whole request within {within:?}"
                )
            }
            Kind::Connection { peer, error } => {
                write!(f, "the connection of {peer} failed: {error}")
            }
        }
    }
}

impl Error for ServeError {
    /// Returns the error of the operating system or of hyper.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::Accept { error, .. } => Some(error),
            Kind::Timeout { .. } => None,
            Kind::Connection { error, .. } => Some(&**error),
        }
    }
}
