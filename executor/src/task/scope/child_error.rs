//! `ChildError`: why a child of a scope has no success.

use std::error::Error;
use std::fmt;

use crate::task::JoinError;

/// Why a child of a [`scope`](fn@crate::task::scope) did not succeed: it returned an error `E`, or
/// it has no output, because it panicked or was aborted.
///
/// # Examples
///
/// ```
/// use framewise::task;
///
/// framewise::block_on(async {
///     let failed = task::scope(async |mut children| {
///         children.spawn(async { Err::<(), _>("out of ink") });
///         children.try_join_all().await
///     });
///     let error = failed.await.expect_err("the child fails");
///     assert_eq!(error.to_string(), "out of ink");
///     assert_eq!(error.into_returned().ok(), Some("out of ink"));
/// });
/// ```
#[derive(Debug)]
pub struct ChildError<E>(Reason<E>);

#[derive(Debug)]
enum Reason<E> {
    Returned(E),
    NoOutput(JoinError),
}

impl<E> ChildError<E> {
    pub(super) fn flatten<T>(joined: Result<Result<T, E>, JoinError>) -> Result<T, Self> {
        match joined {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error)) => Err(Self(Reason::Returned(error))),
            Err(error) => Err(Self(Reason::NoOutput(error))),
        }
    }

    /// Returns `true` if the child panicked.
    pub fn is_panic(&self) -> bool {
        self.join_error().is_some_and(JoinError::is_panic)
    }

    /// Returns the error that the child returned.
    pub fn returned(&self) -> Option<&E> {
        match &self.0 {
            Reason::Returned(error) => Some(error),
            Reason::NoOutput(_) => None,
        }
    }

    /// Returns the error of joining the child, if it has no output.
    pub fn join_error(&self) -> Option<&JoinError> {
        match &self.0 {
            Reason::Returned(_) => None,
            Reason::NoOutput(error) => Some(error),
        }
    }

    /// Returns the error that the child returned.
    ///
    /// # Errors
    ///
    /// Returns the error of joining the child, if it has no output.
    pub fn into_returned(self) -> Result<E, JoinError> {
        match self.0 {
            Reason::Returned(error) => Ok(error),
            Reason::NoOutput(error) => Err(error),
        }
    }
}

impl<E: fmt::Display> fmt::Display for ChildError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Returned(error) => error.fmt(f),
            Reason::NoOutput(error) => error.fmt(f),
        }
    }
}

impl<E: Error> Error for ChildError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Reason::Returned(error) => error.source(),
            Reason::NoOutput(error) => error.source(),
        }
    }
}
