//! A source's registration with a driver, for as long as the source lives.
//!
//! Owns the source's entry in the table and its registration with the operating system, and removes
//! both in the right order. It must not know what the source reads or writes: the operations are
//! closures of [`crate::source`].

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use framewise_context::{control, coop};
use framewise_sync::Arc;

use crate::callback::{CallbackEntry, ReadyCallback, cancel_all};
use crate::handle::{IoHandle, shutdown_error};
use crate::ready::{Direction, Interest, Ready};
use crate::scheduled_io::ScheduledIo;
use crate::scheduled_io::readiness::ReadyEvent;
use crate::scheduled_io::wait::ReadinessWait;
use crate::slab::SourceKey;
use crate::system;

/// Returns the interest with which a socket is registered, once: both directions.
///
/// It includes urgent data. Once a source has had any, a short read does not mean that the source
/// is drained (see [`crate::source`]).
fn both_directions() -> system::Interest {
    let both = system::Interest::READABLE | system::Interest::WRITABLE;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let both = both | system::Interest::PRIORITY;
    both
}

/// Returns the interest with which a descriptor of the user is registered.
#[cfg(unix)]
fn directions_of(interest: Interest) -> system::Interest {
    let parts = [
        (interest.is_readable(), system::Interest::READABLE),
        (interest.is_writable(), system::Interest::WRITABLE),
        #[cfg(any(target_os = "linux", target_os = "android"))]
        (interest.is_priority(), system::Interest::PRIORITY),
    ];
    parts
        .into_iter()
        .filter_map(|(is_included, part)| is_included.then_some(part))
        .reduce(|some, part| some | part)
        // Errors are reported in any case, but mio has no empty interest.
        .unwrap_or(system::Interest::READABLE)
}

/// A source's registration. See the module docs.
pub(crate) struct Registration {
    handle: IoHandle,
    key: SourceKey,
    state: Arc<ScheduledIo>,
}

impl Registration {
    /// Registers a source, edge-triggered, for both directions.
    pub(crate) fn new(
        handle: IoHandle,
        source: &mut impl system::Source,
        initial: Ready,
    ) -> io::Result<Self> {
        Self::register(handle, source, initial, both_directions())
    }

    /// Registers a source, edge-triggered, for `interest` alone.
    #[cfg(unix)]
    pub(crate) fn with_interest(
        handle: IoHandle,
        source: &mut impl system::Source,
        interest: Interest,
    ) -> io::Result<Self> {
        Self::register(handle, source, Ready::EMPTY, directions_of(interest))
    }

    fn register(
        handle: IoHandle,
        source: &mut impl system::Source,
        initial: Ready,
        interest: system::Interest,
    ) -> io::Result<Self> {
        let state = Arc::new(ScheduledIo::new(initial));
        // The table first, then the system, so that an event finds its source.
        let key = handle.insert(&state)?;
        let token = system::Token(key.to_token());
        if let Err(error) = handle.shared().registry.register(source, token, interest) {
            handle.remove(key);
            return Err(error);
        }
        Ok(Self { handle, key, state })
    }

    /// Deregisters the source. Called once, when the source can have no waiters any more.
    ///
    /// It deregisters with the system, too, even if the descriptor is about to be closed. While a
    /// duplicate of the descriptor lives, closing would leave a registration that nothing can end.
    pub(crate) fn deregister(&mut self, source: &mut impl system::Source) -> io::Result<()> {
        let result = self.handle.shared().registry.deregister(source);
        self.handle.remove(self.key);
        cancel_all(self.state.take_callbacks());
        result
    }

    #[inline]
    pub(crate) fn load(&self) -> ReadyEvent {
        self.state.readiness().word().load()
    }

    /// Clears the readiness, since an operation has drained the source.
    #[inline]
    pub(crate) fn clear(&self, observed: ReadyEvent, interest: Interest) {
        self.state.readiness().word().clear(observed, interest);
    }

    /// Clears a set of readiness, since an operation has used it up.
    #[cfg(unix)]
    pub(crate) fn clear_ready(&self, observed: ReadyEvent, ready: Ready) {
        self.state.readiness().word().clear_ready(observed, ready);
    }

    /// Clears the readiness for `interest`, since an operation would have blocked.
    #[cfg(unix)]
    pub(crate) fn clear_if_would_block(&self, observed: ReadyEvent, interest: Interest) {
        self.state
            .readiness()
            .word()
            .clear_if_would_block(observed, interest);
    }

    /// Waits in the slot of `direction`.
    pub(crate) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<ReadyEvent>> {
        let event = match ready!(self.state.readiness().poll_ready(cx, direction)) {
            Ok(event) => event,
            Err(ended) => return control::poll_fail(cx, ended).map_err(Into::into),
        };
        ready!(coop::poll_spend_remote(cx));
        Poll::Ready(checked(event))
    }

    /// Empties the slot of `direction`, because the half that polled is dropped.
    pub(crate) fn release_slot(&self, direction: Direction) {
        self.state.readiness().release_slot(direction);
    }

    /// Waits in the list.
    pub(crate) fn ready(
        &self,
        interest: Interest,
    ) -> impl Future<Output = io::Result<ReadyEvent>> + '_ {
        let mut wait = self.state.readiness().wait(interest);
        poll_fn(move |cx| poll_wait(&mut wait, cx))
    }

    /// Tries `operation` if the source is ready as far as the driver knows. Clears the readiness if
    /// the operation would block.
    pub(crate) fn try_io<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce(ReadyEvent) -> io::Result<R>,
    ) -> io::Result<R> {
        let event = self.load();
        if !event.ready().satisfies(interest) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.attempt(event, interest, operation)
    }

    /// Tries `operation` whenever the source is ready, until it does not block. A poll function: it
    /// waits in the slot.
    pub(crate) fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        mut operation: impl FnMut(ReadyEvent) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            let event = ready!(self.poll_ready(cx, direction))?;
            match self.attempt(event, direction.interest(), &mut operation) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => coop::give_back(),
                result => return Poll::Ready(result),
            }
        }
    }

    /// Like [`poll_io`](Self::poll_io), as a future: it waits in the list, with any number of
    /// others.
    #[inline]
    pub(crate) fn async_io<R, F>(&self, interest: Interest, operation: F) -> AsyncIo<'_, F>
    where
        F: FnMut(ReadyEvent) -> io::Result<R>,
    {
        AsyncIo {
            registration: self,
            interest,
            wait: self.state.readiness().wait(interest),
            operation,
        }
    }

    #[inline]
    fn attempt<R>(
        &self,
        event: ReadyEvent,
        interest: Interest,
        operation: impl FnOnce(ReadyEvent) -> io::Result<R>,
    ) -> io::Result<R> {
        let result = operation(event);
        if let Err(error) = &result
            && error.kind() == io::ErrorKind::WouldBlock
        {
            self.state
                .readiness()
                .word()
                .clear_if_would_block(event, interest);
        }
        result
    }

    /// Registers a readiness callback in the current frame.
    pub(crate) fn on_ready(
        &self,
        interest: Interest,
        call: impl FnMut(Ready) + Send + 'static,
    ) -> io::Result<ReadyCallback> {
        let entry = Arc::new(CallbackEntry::new(interest, call));
        let Some(before) = self.state.add_callback(&entry) else {
            return Err(shutdown_error());
        };
        if !before.is_empty() {
            self.handle
                .queue_initial_callback((Arc::clone(&entry), before));
        }
        Ok(ReadyCallback::new(entry))
    }
}

/// Tries an operation whenever the source is ready, until it does not block. (It is a type rather
/// than a `poll_fn`, to carry the inlining hint.)
///
/// # Cancel safety
///
/// Dropping it ends the wait. The operation takes effect only in the poll that returns its result.
#[must_use = "futures do nothing unless polled"]
pub(crate) struct AsyncIo<'a, F> {
    registration: &'a Registration,
    interest: Interest,
    wait: ReadinessWait<'a>,
    operation: F,
}

// The operation is called, never pinned.
impl<F> Unpin for AsyncIo<'_, F> {}

impl<R, F: FnMut(ReadyEvent) -> io::Result<R>> Future for AsyncIo<'_, F> {
    type Output = io::Result<R>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        let this = &mut *self;
        loop {
            let event = ready!(poll_wait(&mut this.wait, cx))?;
            match this
                .registration
                .attempt(event, this.interest, &mut this.operation)
            {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => coop::give_back(),
                result => return Poll::Ready(result),
            }
        }
    }
}

/// Waits in the list, within the task's budget. A wait that the budget denies has consumed no
/// readiness and has no entry in the list: it reads the word again in the next poll.
// Each attempt begins with it.
#[inline(always)]
fn poll_wait(wait: &mut ReadinessWait<'_>, cx: &mut Context<'_>) -> Poll<io::Result<ReadyEvent>> {
    let event = match ready!(Pin::new(wait).poll(cx)) {
        Ok(event) => event,
        Err(ended) => return control::poll_fail(cx, ended).map_err(Into::into),
    };
    ready!(coop::poll_spend_remote(cx));
    Poll::Ready(checked(event))
}

#[inline]
fn checked(event: ReadyEvent) -> io::Result<ReadyEvent> {
    if event.is_shutdown() {
        Err(shutdown_error())
    } else {
        Ok(event)
    }
}
