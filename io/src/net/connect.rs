//! Connecting to the first of several addresses that answers, by RFC 8305 ("Happy Eyeballs").
//!
//! Owns the order of the attempts and their times. An attempt is a future of the caller's, so this
//! file knows no sockets; and times are futures that the runtime makes, since this crate has no
//! timers. All futures are polled by the task that connects, in its frame.
//!
//! The addresses of the two families alternate, beginning with the family of the first (section 4).
//! An attempt that has not succeeded after 250 ms (section 5) goes on while the next begins, which
//! begins at once when an attempt fails. The first connection wins, and the others are dropped.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use framewise_context::control;

use crate::net::listener::no_address;

/// A future that is ready after some time.
pub type Delay = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// Makes a [`Delay`], by the timers of the runtime that the thread is in.
pub type DelayFunction = fn(Duration) -> Delay;

/// The time after which the next attempt begins beside those that have begun.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The time after which an attempt has failed. A system sends its request five times by then.
pub(super) const ATTEMPT_LIMIT: Duration = Duration::from_secs(30);

/// Returns the first connection that one of `addresses` gives.
///
/// Without a `delay` an attempt begins when the one before has failed, and none has a limit.
///
/// # Errors
///
/// Fails with the last error of an address that could be reached, or else with the last error.
pub(super) async fn first_of<T, F: Future<Output = io::Result<T>>>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
    delay: Option<impl Fn(Duration) -> Delay>,
) -> io::Result<T> {
    // There is nothing to begin beside a single attempt, and no other one that may use its time.
    let delay = delay.filter(|_| addresses.len() > 1);
    let mut attempts = Attempts {
        addresses: interleaved(addresses).into_iter(),
        running: Vec::new(),
        next: None,
        error: None,
        connect,
        delay,
    };
    poll_fn(|cx| attempts.poll(cx)).await
}

/// One attempt.
struct Attempt<F> {
    address: SocketAddr,
    connecting: Pin<Box<F>>,
    limit: Option<Delay>,
}

impl<T, F: Future<Output = io::Result<T>>> Attempt<F> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let connected = self.connecting.as_mut().poll(cx);
        if connected.is_pending()
            && let Some(limit) = &mut self.limit
            && limit.as_mut().poll(cx).is_ready()
        {
            let seconds = ATTEMPT_LIMIT.as_secs();
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("{} did not answer within {seconds} s", self.address),
            )));
        }
        connected
    }
}

struct Attempts<F, C, D> {
    addresses: std::vec::IntoIter<SocketAddr>,
    running: Vec<Attempt<F>>,
    /// When the next attempt begins, though none has failed.
    next: Option<Delay>,
    error: Option<io::Error>,
    connect: C,
    delay: Option<D>,
}

impl<T, F, C, D> Attempts<F, C, D>
where
    F: Future<Output = io::Result<T>>,
    C: Fn(SocketAddr) -> F,
    D: Fn(Duration) -> Delay,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        loop {
            // All attempts end with their task's deadline, and no other one begins.
            ready!(control::poll_check(cx))?;
            let mut has_failed = false;
            let mut index = 0;
            while let Some(attempt) = self.running.get_mut(index) {
                match attempt.poll(cx) {
                    Poll::Pending => index += 1,
                    Poll::Ready(Ok(connection)) => return Poll::Ready(Ok(connection)),
                    Poll::Ready(Err(error)) => {
                        drop(self.running.remove(index));
                        has_failed = true;
                        self.record(error);
                    }
                }
            }
            let is_next_due = |next: &mut Delay| next.as_mut().poll(cx).is_ready();
            if !has_failed
                && !self.running.is_empty()
                && !self.next.as_mut().is_some_and(is_next_due)
            {
                return Poll::Pending;
            }
            self.next = None;
            let Some(address) = self.addresses.next() else {
                if self.running.is_empty() {
                    return Poll::Ready(Err(self.error.take().unwrap_or_else(no_address)));
                }
                return Poll::Pending;
            };
            self.running.push(Attempt {
                address,
                connecting: Box::pin((self.connect)(address)),
                limit: self.delay.as_ref().map(|delay| delay(ATTEMPT_LIMIT)),
            });
            // The new attempt is polled in the next round.
            if !self.addresses.as_slice().is_empty() {
                self.next = self.delay.as_ref().map(|delay| delay(ATTEMPT_DELAY));
            }
        }
    }

    /// Keeps the more telling error.
    fn record(&mut self, error: io::Error) {
        let is_better = |kept: &io::Error| !is_unreachable(kept) && is_unreachable(&error);
        if !self.error.as_ref().is_some_and(is_better) {
            self.error = Some(error);
        }
    }
}

/// Returns `true` if the error says no more than that this machine cannot reach the address, for
/// example because it has no route for that family.
fn is_unreachable(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(libc::EAFNOSUPPORT) {
        return true;
    }
    matches!(
        error.kind(),
        io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::AddrNotAvailable
    )
}

/// Returns the addresses with the families in turn. Within a family the order stays.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let count = addresses.len();
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut interleaved = Vec::with_capacity(count);
    while interleaved.len() < count {
        interleaved.extend(first.next());
        interleaved.extend(second.next());
    }
    interleaved
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
