//! System calls of the runtime's own that block: those of files and of the standard streams.
//!
//! They run at the root, since no code of the user runs in them: a call that its caller has given
//! up, and that the system does not end, keeps no frame (C-48).

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use framewise_context::Frame;
use framewise_context::control::{self, Ended};

use crate::runtime::enter;
use crate::scheduler::spawner::Spawner;
use crate::task::label::Internal;
use crate::task::{JoinError, JoinHandle};

/// The runtime on whose pool calls are made.
pub(crate) struct Caller(Arc<Spawner>);

impl Caller {
    /// Returns the runtime that this thread is in.
    pub(crate) fn current() -> io::Result<Self> {
        let current = enter::current().ok_or_else(|| {
            io::Error::other("there is no runtime here: use files and standard streams within one")
        })?;
        Ok(Self(current))
    }

    /// Makes a call. If it is not run, it is dropped, and the handle has an error.
    pub(crate) fn spawn<R>(&self, f: impl FnOnce() -> R + Send + 'static) -> JoinHandle<R>
    where
        R: Send + 'static,
    {
        self.0
            .shared
            .blocking
            .spawn(f, Frame::root(), Internal, &self.0)
    }
}

/// Makes a call, and waits for its result. Fails if the frame's work ends; a call that was made
/// then goes on.
pub(crate) async fn call<T>(f: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T>
where
    T: Send + 'static,
{
    poll_fn(control::poll_check).await?;
    Caller::current()?.spawn(f).await.map_err(call_error)?
}

/// Polls a call under way. Fails if the frame's work has ended: the call goes on, and its result
/// waits for a later poll.
pub(crate) fn poll_call<T>(
    call: &mut JoinHandle<T>,
    cx: &mut Context<'_>,
) -> Poll<Result<Result<T, JoinError>, Ended>> {
    control::check()?;
    let joined = ready!(Pin::new(call).poll(cx));
    if let Err(error) = &joined
        && let Some(ended) = error.ended()
    {
        return Poll::Ready(Err(ended.clone()));
    }
    Poll::Ready(Ok(joined))
}

/// Returns the error of a call that was not run, or not waited for.
pub(crate) fn call_error(error: JoinError) -> io::Error {
    if error.is_cancelled() {
        return framewise_io::shutdown_error();
    }
    error.into()
}
