//! A registered source and its operations: what all kinds of sockets have in common.
//!
//! Owns the source and its registration: deregisters the source first, then closes it. It must not
//! know addresses or protocols.
//!
//! # A short transfer means drained
//!
//! With edge-triggered epoll and kqueue, a read that fills less than its buffer has drained the
//! socket, and a write that takes less than its buffer has filled the socket's. Such a **short**
//! transfer clears the readiness at once. This spares the system call that would only return
//! `WouldBlock`, so a message costs one `recv` and one `send`. tokio does the same. What arrives
//! later is a new edge, and the tick keeps the clear from erasing it. A read is also short in front
//! of urgent data, so the shortcut is not taken once a source has had any. It is taken on epoll and
//! kqueue only.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use framewise_context::{control, coop};

use crate::callback::ReadyCallback;
use crate::handle::IoHandle;
use crate::ready::{Direction, Interest, Ready};
use crate::registration::Registration;
use crate::scheduled_io::readiness::ReadyEvent;
use crate::system;

/// `true` if a short transfer means drained: on epoll and kqueue.
const SHORT_MEANS_DRAINED: bool = cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_os = "macos",
    target_os = "ios",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
));

/// The maximum number of buffers of one system call, where a short transfer means drained. `std`
/// leaves out the others in reads, and `net::send` in writes.
pub(crate) const BUFFERS_MAX: usize = 1024;

/// Returns the number of bytes that a vectored transfer can move in one call: if it moves fewer, it
/// was short.
///
/// On a system that takes more buffers than are counted here, a short transfer may go unnoticed,
/// which does no harm. Counting too many would clear a readiness that no event reports again.
pub(crate) fn capacity(buffer_lens: impl Iterator<Item = usize>) -> usize {
    buffer_lens.take(BUFFERS_MAX).sum()
}

/// A source with its registration.
pub struct IoSource<S: system::Source> {
    registration: Registration,
    /// `None` only after `into_source` took it out.
    source: Option<S>,
}

impl<S: system::Source> IoSource<S> {
    /// Registers `source` with the thread's current driver. `initial` is its readiness before any
    /// event.
    pub(crate) fn new(mut source: S, initial: Ready) -> io::Result<Self> {
        let registration = Registration::new(IoHandle::for_io()?, &mut source, initial)?;
        Ok(Self {
            registration,
            source: Some(source),
        })
    }

    pub(crate) fn source(&self) -> &S {
        self.source
            .as_ref()
            .expect("the source is here until it is taken out")
    }

    /// Deregisters the source and returns it.
    pub(crate) fn into_source(mut self) -> io::Result<S> {
        let mut source = self.source.take().expect("the source is taken out once");
        self.registration.deregister(&mut source)?;
        Ok(source)
    }

    /// Waits in the list for any part of `interest`.
    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        Ok(self
            .registration
            .ready(interest)
            .await?
            .ready()
            .intersection(interest))
    }

    /// Waits in the slot of `direction`.
    pub(crate) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<()>> {
        self.registration.poll_ready(cx, direction).map_ok(|_| ())
    }

    /// Drops the waker in the slot of `direction`, because the half that polled is dropped.
    pub(crate) fn release_slot(&self, direction: Direction) {
        self.registration.release_slot(direction);
    }

    /// Tries an operation once, if the source is ready. Only `WouldBlock` clears the readiness.
    pub(crate) fn try_io<R>(
        &self,
        direction: Direction,
        operation: impl FnOnce(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        self.registration
            .try_io(direction.interest(), |_| operation(self.source()))
    }

    /// Like [`try_io`](Self::try_io), as a poll function that waits until it does not block.
    pub(crate) fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        mut operation: impl FnMut(&S) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.registration
            .poll_io(cx, direction, |_| operation(self.source()))
    }

    /// Like [`poll_io`](Self::poll_io), as a future.
    pub(crate) async fn async_io<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        self.registration
            .async_io(direction.interest(), |_| operation(self.source()))
            .await
    }

    /// Tries an operation of the user once, if the source is ready.
    pub(crate) fn try_operation<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        self.registration.try_io(interest, |_| operation())
    }

    /// Like [`try_operation`](Self::try_operation), as a future that waits until it does not block.
    pub(crate) async fn async_operation<R>(
        &self,
        interest: Interest,
        mut operation: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        self.registration.async_io(interest, |_| operation()).await
    }

    /// Transfers up to `len` bytes, as a poll function that waits until it does not block. If `len`
    /// is 0, it does not wait for the source.
    #[cfg(any(feature = "futures-io", feature = "tokio", feature = "hyper"))]
    pub(crate) fn poll_transfer(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        len: usize,
        mut operation: impl FnMut(&S) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if len == 0 {
            ready!(control::poll_check(cx))?;
            return coop::poll_spend(cx).map(|()| Ok(0));
        }
        self.registration.poll_io(cx, direction, |event| {
            let count = operation(self.source())?;
            Ok(self.transferred(direction, event, count, len))
        })
    }

    /// Transfers up to `len` bytes, as a future that waits until it does not block. If `len` is 0,
    /// it does not wait for the source.
    pub(crate) async fn transfer(
        &self,
        direction: Direction,
        len: usize,
        mut operation: impl FnMut(&S) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if len == 0 {
            poll_fn(control::poll_check).await?;
            coop::consume_budget().await;
            return Ok(0);
        }
        self.registration
            .async_io(direction.interest(), |event| {
                let count = operation(self.source())?;
                Ok(self.transferred(direction, event, count, len))
            })
            .await
    }

    /// Clears the readiness after a short transfer: see the module docs.
    #[inline]
    fn transferred(
        &self,
        direction: Direction,
        event: ReadyEvent,
        count: usize,
        len: usize,
    ) -> usize {
        let short = count > 0 && count < len;
        if SHORT_MEANS_DRAINED && short && !event.has_urgent_mark() {
            self.registration.clear(event, direction.interest());
        }
        count
    }

    /// Registers a readiness callback in the current frame.
    pub(crate) fn on_ready(
        &self,
        interest: Interest,
        call: impl FnMut(Ready) + Send + 'static,
    ) -> io::Result<ReadyCallback> {
        self.registration.on_ready(interest, call)
    }
}

impl<S: system::Source> Drop for IoSource<S> {
    fn drop(&mut self) {
        if let Some(mut source) = self.source.take() {
            // There is no caller to return an error to, and the descriptor is closed next anyway.
            let _ = self.registration.deregister(&mut source);
        }
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
