//! System calls of the runtime's own that block: those of files and of the standard streams.
//!
//! They run at the root, since no code of the user runs in them: a call that its caller has given
//! up, and that the system does not end, keeps no frame (C-48).

use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use framewise_context::Frame;

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

/// Makes a call, and waits for its result, also if the work of the current frame ends meanwhile:
/// what the call does to a file or a directory is part of the result.
pub(crate) async fn call<T>(f: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T>
where
    T: Send + 'static,
{
    result_of(Caller::current()?.spawn(f)).await
}

/// Waits for the result of a call.
pub(crate) async fn result_of<T>(mut call: JoinHandle<io::Result<T>>) -> io::Result<T> {
    let joined = poll_fn(|cx| call.poll_regardless(cx)).await;
    joined.map_err(call_error)?
}

/// Returns the error of a call that was not run.
pub(crate) fn call_error(error: JoinError) -> io::Error {
    if error.is_cancelled() {
        return framewise_io::shutdown_error();
    }
    error.into()
}
