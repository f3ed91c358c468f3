//! The driver's timers: waits that end within microseconds of their deadline, on Linux.
//!
//! # Why a timerfd
//!
//! `epoll_wait` counts whole milliseconds, and mio rounds up: a wait of 200 us would take 1 to 2
//! ms. `epoll_pwait2` takes nanoseconds, but the kernel allows itself a slack of a thousandth of
//! the time, at least 50 us, before it ends a wait. A timerfd has no slack. Setting it costs a
//! system call each time, so the driver sets it as seldom as it can:
//!
//! - A wait without a timeout, or with a timeout of zero, does not set it.
//! - If it fires before the wanted deadline, it is not set. The wait ends early once, the caller
//!   waits again, and only then is it set. A server whose nearest deadline moves later with every
//!   message (an idle timeout) thus pays one early return for each deadline that was set, not one
//!   system call for each message.
//! - If it fires no more than [`TOLERANCE`] after the wanted deadline, it is not set either.
//!
//! So it is set at most once for each time that it fires, and once whenever the nearest deadline
//! moves earlier. Its descriptor is edge-triggered and never read: setting it again discards an
//! expiry that was not fetched.
//!
//! Long waits of whole milliseconds do not use `epoll_wait`'s argument instead. The kernel's slack
//! would add 10 ms to a wait of 10 s. Ending early enough to allow for it would cost a second
//! `epoll_wait`, and the same call to set the timer for the rest.
//!
//! A second timer, [`WakeTimer`], is set by other threads than the driver owner, by the same
//! rules.
//!
//! The file must not know the driver, nor what the deadlines are for.

use std::io;
use std::time::{Duration, Instant};

use framewise_sync::Mutex;

use crate::slab::SourceKey;
use crate::system::{Registry, TimerDescriptor, Token};

/// How much later than wanted a wait may end, to spare a system call.
const TOLERANCE: Duration = Duration::from_micros(50);

/// The longest wait: a longer one ends early, and its caller waits again.
const LONGEST: Duration = Duration::from_secs(60 * 60 * 24 * 30);

/// A timerfd and the time at which it fires.
#[derive(Debug)]
pub(crate) struct TimerFd {
    descriptor: TimerDescriptor,
    /// When it fires, or `None` if the driver has fetched the expiry. The timer fires no earlier
    /// than this, so if this time is still to come, it will end a wait.
    fires_at: Option<Instant>,
    /// How often it was set, a system call each.
    settings: u64,
}

impl TimerFd {
    pub(crate) fn new(registry: &Registry) -> io::Result<Self> {
        Self::with_key(registry, SourceKey::TIMER)
    }

    fn with_key(registry: &Registry, key: SourceKey) -> io::Result<Self> {
        Ok(Self {
            descriptor: TimerDescriptor::open(registry, Token(key.to_token()))?,
            fires_at: None,
            settings: 0,
        })
    }

    /// Ensures that the timer fires when `timeout` has passed, or earlier.
    pub(crate) fn ensure(&mut self, timeout: Duration) -> io::Result<()> {
        let timeout = timeout.min(LONGEST);
        let now = self.descriptor.now();
        let wanted = now + timeout;
        if let Some(fires_at) = self.fires_at
            && fires_at > now
            && fires_at <= wanted + TOLERANCE
        {
            return Ok(());
        }
        self.settings += 1;
        self.descriptor.set(timeout)?;
        self.fires_at = Some(wanted);
        Ok(())
    }

    /// Records that the driver has fetched the expiry, which thus ends no other wait.
    pub(crate) fn expired(&mut self) {
        self.fires_at = None;
    }

    /// Returns how often it was set.
    pub(crate) fn settings(&self) -> u64 {
        self.settings
    }
}

/// A timer that any thread may set to unpark the driver. An expiry that is not fetched ends the
/// next wait.
///
/// The driver does not record its expiry, so the clock alone says whether it is still to come. The
/// lock keeps that true. A thread that finds the expiry still to come does so before the timer
/// fires, and a thread that sets the timer again discards no expiry that another thread relies on.
#[derive(Debug)]
pub(crate) struct WakeTimer(Mutex<TimerFd>);

impl WakeTimer {
    pub(crate) fn new(registry: &Registry) -> io::Result<Self> {
        TimerFd::with_key(registry, SourceKey::WAKE_TIMER).map(|timer| Self(Mutex::new(timer)))
    }

    /// Ensures that the timer fires when `after` has passed, or earlier, but not before this call.
    pub(crate) fn ensure(&self, after: Duration) -> io::Result<()> {
        self.0.lock().ensure(after)
    }

    /// Returns how often it was set.
    pub(crate) fn settings(&self) -> u64 {
        self.0.lock().settings()
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
