//! The waits of an [`AsyncFd`], and the operations that wait.

use std::io;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll, ready};

use super::guard::Observed;
use super::{AsyncFd, AsyncFdReadyGuard, AsyncFdReadyMutGuard, INNER_IS_HERE};
use crate::ready::{Direction, Interest};
use crate::scheduled_io::readiness::ReadyEvent;

impl<T: AsRawFd> AsyncFd<T> {
    /// Rejects a wait for what the descriptor is not registered for: it would never end.
    fn check(&self, interest: Interest) -> io::Result<()> {
        if interest.is_error() || interest.overlaps(self.interest) {
            return Ok(());
        }
        let registered = self.interest;
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("the descriptor is registered for {registered:?}, not for {interest:?}"),
        ))
    }

    /// Waits in the slot of `direction`.
    fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<ReadyEvent>> {
        self.check(direction.interest())?;
        self.registration.poll_ready(cx, direction)
    }

    /// Waits until a read would not block, as a poll function. Each direction has one slot for the
    /// waker of a poll function: if several tasks poll, the last one is woken. Use
    /// [`readable`](Self::readable) for any number of waiters.
    ///
    /// # Errors
    ///
    /// See [`ready`](Self::ready).
    ///
    /// # Frame
    ///
    /// The slot keeps the last caller's waker until the next event for the direction, or until the
    /// `AsyncFd` is dropped. A waker of a task of this runtime, or of its `block_on`, needs no
    /// frame. A user-supplied waker is kept together with the frame in which it polled.
    pub fn poll_read_ready(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'_, T>>> {
        let event = ready!(self.poll_ready(cx, Direction::Read))?;
        let observed = Observed::new(event, Interest::READABLE);
        Poll::Ready(Ok(AsyncFdReadyGuard::new(self, observed)))
    }

    /// Like [`poll_read_ready`](Self::poll_read_ready), with a guard that lends the inner value
    /// mutably.
    ///
    /// # Errors
    ///
    /// See [`ready`](Self::ready).
    pub fn poll_read_ready_mut(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyMutGuard<'_, T>>> {
        let event = ready!(self.poll_ready(cx, Direction::Read))?;
        let observed = Observed::new(event, Interest::READABLE);
        Poll::Ready(Ok(AsyncFdReadyMutGuard::new(self, observed)))
    }

    /// Like [`poll_read_ready`](Self::poll_read_ready), for writing.
    ///
    /// # Errors
    ///
    /// See [`ready`](Self::ready).
    pub fn poll_write_ready(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'_, T>>> {
        let event = ready!(self.poll_ready(cx, Direction::Write))?;
        let observed = Observed::new(event, Interest::WRITABLE);
        Poll::Ready(Ok(AsyncFdReadyGuard::new(self, observed)))
    }

    /// Like [`poll_write_ready`](Self::poll_write_ready), with a guard that lends the inner value
    /// mutably.
    ///
    /// # Errors
    ///
    /// See [`ready`](Self::ready).
    pub fn poll_write_ready_mut(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyMutGuard<'_, T>>> {
        let event = ready!(self.poll_ready(cx, Direction::Write))?;
        let observed = Observed::new(event, Interest::WRITABLE);
        Poll::Ready(Ok(AsyncFdReadyMutGuard::new(self, observed)))
    }

    /// Waits until the descriptor is ready for any part of `interest`.
    ///
    /// Any number of tasks can wait at once. The readiness is the driver's last knowledge: an
    /// operation may still find that it would block.
    ///
    /// # Errors
    ///
    /// Fails if the runtime is shutting down, and with `InvalidInput` if the descriptor is
    /// registered for none of `interest` (see [`try_with_interest`](Self::try_with_interest)).
    ///
    /// # Cancel safety
    ///
    /// Safe: a wait that is dropped takes no readiness away, and keeps nothing.
    ///
    /// # Frame
    ///
    /// The awaiting task's.
    pub async fn ready(&self, interest: Interest) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.check(interest)?;
        let event = self.registration.ready(interest).await?;
        Ok(AsyncFdReadyGuard::new(self, Observed::new(event, interest)))
    }

    /// Like [`ready`](Self::ready), with a guard that lends the inner value mutably.
    ///
    /// # Errors
    ///
    /// See [`ready`](Self::ready).
    ///
    /// # Cancel safety
    ///
    /// See [`ready`](Self::ready).
    pub async fn ready_mut(
        &mut self,
        interest: Interest,
    ) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        self.check(interest)?;
        let event = self.registration.ready(interest).await?;
        let observed = Observed::new(event, interest);
        Ok(AsyncFdReadyMutGuard::new(self, observed))
    }

    /// Waits until a read would not block. Like [`ready`](Self::ready) with
    /// [`Interest::READABLE`].
    ///
    /// # Errors
    ///
    /// See [`ready`](Self::ready).
    ///
    /// # Cancel safety
    ///
    /// See [`ready`](Self::ready).
    pub async fn readable(&self) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.ready(Interest::READABLE).await
    }

    /// Like [`readable`](Self::readable), with a guard that lends the inner value mutably.
    ///
    /// # Errors
    ///
    /// See [`ready`](Self::ready).
    ///
    /// # Cancel safety
    ///
    /// See [`ready`](Self::ready).
    pub async fn readable_mut(&mut self) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        self.ready_mut(Interest::READABLE).await
    }

    /// Waits until a write would not block. Like [`ready`](Self::ready) with
    /// [`Interest::WRITABLE`].
    ///
    /// # Errors
    ///
    /// See [`ready`](Self::ready).
    ///
    /// # Cancel safety
    ///
    /// See [`ready`](Self::ready).
    pub async fn writable(&self) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.ready(Interest::WRITABLE).await
    }

    /// Like [`writable`](Self::writable), with a guard that lends the inner value mutably.
    ///
    /// # Errors
    ///
    /// See [`ready`](Self::ready).
    ///
    /// # Cancel safety
    ///
    /// See [`ready`](Self::ready).
    pub async fn writable_mut(&mut self) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        self.ready_mut(Interest::WRITABLE).await
    }

    /// Calls `operation` whenever the descriptor is ready for `interest`, until it does not return
    /// [`WouldBlock`](io::ErrorKind::WouldBlock). Returns its result.
    ///
    /// The operation must return `WouldBlock` only if the descriptor does: the readiness is cleared
    /// then.
    ///
    /// # Errors
    ///
    /// Fails with the operation's error, and like [`ready`](Self::ready).
    ///
    /// # Cancel safety
    ///
    /// Safe if the operation has no effect when it returns `WouldBlock`: a poll that is `Pending`
    /// has called it with this result, or not at all.
    ///
    /// # Frame
    ///
    /// The operation runs in the awaiting task's frame.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.check(interest)?;
        let inner = self.get_ref();
        self.registration
            .async_io(interest, |_| operation(inner))
            .await
    }

    /// Like [`async_io`](Self::async_io), with a mutable inner value.
    ///
    /// # Errors
    ///
    /// See [`async_io`](Self::async_io).
    ///
    /// # Cancel safety
    ///
    /// See [`async_io`](Self::async_io).
    pub async fn async_io_mut<R>(
        &mut self,
        interest: Interest,
        mut operation: impl FnMut(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.check(interest)?;
        let inner = self.inner.as_mut().expect(INNER_IS_HERE);
        self.registration
            .async_io(interest, |_| operation(inner))
            .await
    }

    /// Calls `operation` once if the driver knows the descriptor to be ready for `interest`, else
    /// fails with `WouldBlock`.
    ///
    /// If the operation returns `WouldBlock`, the readiness is cleared. It must do so only if the
    /// descriptor does.
    ///
    /// # Errors
    ///
    /// Fails with the operation's error, with [`WouldBlock`](io::ErrorKind::WouldBlock), and with
    /// `InvalidInput` if the descriptor is registered for none of `interest`.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.check(interest)?;
        let inner = self.get_ref();
        self.registration.try_io(interest, |_| operation(inner))
    }

    /// Like [`try_io`](Self::try_io), with a mutable inner value.
    ///
    /// # Errors
    ///
    /// See [`try_io`](Self::try_io).
    pub fn try_io_mut<R>(
        &mut self,
        interest: Interest,
        operation: impl FnOnce(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.check(interest)?;
        let inner = self.inner.as_mut().expect(INNER_IS_HERE);
        self.registration.try_io(interest, |_| operation(inner))
    }
}
