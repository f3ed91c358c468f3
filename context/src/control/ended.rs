//! `Ended`: the error of an operation whose frame's work has ended.

use std::error::Error;
use std::panic::Location;
use std::sync::Arc;
use std::{fmt, io};

/// The cause that a cancelling caller gave.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// The place that made a deadline or a scope, and its label.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The call.
    pub location: &'static Location<'static>,
    /// The label, if it was given one.
    pub label: Option<&'static str>,
}

impl Origin {
    /// Makes the origin of what the caller's caller makes.
    #[track_caller]
    pub fn caller(label: Option<&'static str>) -> Self {
        let location = Location::caller();
        Self { location, label }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.label {
            Some(label) => write!(f, "`{label}` ({})", self.location),
            None => write!(f, "set at {}", self.location),
        }
    }
}

/// The error of an operation whose frame's work has ended: its deadline has passed, or its scope
/// was cancelled.
///
/// An operation that fails with an [`io::Error`] has this error inside: with the kind
/// [`TimedOut`](io::ErrorKind::TimedOut) for a deadline, and [`Other`](io::ErrorKind::Other) for a
/// cancelled scope. `deadline::is` and `cancel::is` find it there, and in any other error that
/// names it as its source.
///
/// It is small, cheap to clone, and holds nothing of the frame.
#[derive(Clone)]
pub struct Ended(Arc<Reason>);

#[derive(Debug)]
enum Reason {
    Deadline(Origin),
    Cancelled(Origin, Option<Cause>),
    /// The runtime whose timers had the deadline was shut down.
    Shutdown(Origin),
}

impl Ended {
    pub(super) fn deadline(origin: Origin) -> Self {
        Self(Arc::new(Reason::Deadline(origin)))
    }

    pub(super) fn cancelled(origin: Origin, cause: Option<Cause>) -> Self {
        Self(Arc::new(Reason::Cancelled(origin, cause)))
    }

    pub(super) fn shut_down(origin: Origin) -> Self {
        Self(Arc::new(Reason::Shutdown(origin)))
    }

    /// Returns the first error of this type in `error` and its sources. Looks into each
    /// [`io::Error`], too.
    pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Ended> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(ended) = error.downcast_ref() {
                return Some(ended);
            }
            // The source of an `io::Error` is that of the error inside, not that error itself.
            let inside = error.downcast_ref().and_then(io::Error::get_ref);
            next = match inside {
                Some(inside) => Some(inside),
                None => error.source(),
            };
        }
        None
    }

    fn origin(&self) -> &Origin {
        match &*self.0 {
            Reason::Deadline(origin) | Reason::Cancelled(origin, _) | Reason::Shutdown(origin) => {
                origin
            }
        }
    }

    /// Returns `true` if a deadline passed. Otherwise a scope was cancelled, or the runtime that
    /// watched the deadline was shut down.
    pub fn is_deadline(&self) -> bool {
        matches!(*self.0, Reason::Deadline(_))
    }

    /// Returns the place that set the deadline or made the scope.
    pub fn location(&self) -> &'static Location<'static> {
        self.origin().location
    }

    /// Returns the label of the deadline or the scope, if it has one.
    pub fn label(&self) -> Option<&'static str> {
        self.origin().label
    }

    /// Returns the cause that was given to `cancel_with`.
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        match &*self.0 {
            Reason::Cancelled(_, Some(cause)) => Some(&**cause),
            _ => None,
        }
    }
}

// It is immutable, and a cause is only read. Whether that is usable after a panic depends on its
// type, like with a frame's values.
impl std::panic::UnwindSafe for Ended {}
impl std::panic::RefUnwindSafe for Ended {}

/// Two are equal if they are the same end.
impl PartialEq for Ended {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Ended {}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Reason::Deadline(origin) => write!(f, "the deadline {origin} has passed"),
            Reason::Cancelled(origin, None) => write!(f, "the scope {origin} was cancelled"),
            Reason::Cancelled(origin, Some(cause)) => {
                write!(f, "the scope {origin} was cancelled: {cause}")
            }
            Reason::Shutdown(origin) => write!(
                f,
                "the runtime that watches the deadline {origin} was shut down"
            ),
        }
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Error for Ended {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &*self.0 {
            Reason::Cancelled(_, Some(cause)) => Some(&**cause),
            _ => None,
        }
    }
}

/// The kind is [`TimedOut`](io::ErrorKind::TimedOut) for a deadline, else
/// [`Other`](io::ErrorKind::Other): never `Interrupted`, which callers retry.
impl From<Ended> for io::Error {
    fn from(ended: Ended) -> Self {
        let kind = if ended.is_deadline() {
            io::ErrorKind::TimedOut
        } else {
            io::ErrorKind::Other
        };
        io::Error::new(kind, ended)
    }
}
