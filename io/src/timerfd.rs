//! The driver's timers: waits that end within microseconds of their deadline, on Linux.
//!
//! # Why a timerfd
//!
//! `epoll_wait` counts whole milliseconds, and mio rounds up: a wait of 200 us would take 1 to 2 ms.
//! `epoll_pwait2` takes nanoseconds, but the kernel grants itself a slack of a thousandth of the
//! time, and 50 us at least, before it ends a wait; a timerfd has no slack. It costs a system call
//! each time that it is set, so the driver sets it as seldom as it can:
//!
//! - A wait without an end, or with none at all, does not touch it.
//! - When what is set fires before the wanted deadline, it is left: the wait ends early once, the
//!   caller waits again, and only then is it set. A server whose nearest deadline moves away with
//!   every message (an idle limit that is put off) so pays one early return for each deadline that
//!   had been set, rather than one system call for each message.
//! - When what is set fires no more than [`TOLERANCE`] after the wanted deadline, it is left too.
//!
//! So it is set at most once for each time that it fires, and once whenever the nearest deadline
//! moves nearer. Its descriptor is edge-triggered and never read: setting it anew takes the old
//! expiry back.
//!
//! Whole and long waits get no way of their own through `epoll_wait`'s argument: the kernel's slack
//! would make 10 ms of a wait of 10 s, and ending early enough to allow for it costs a second
//! `epoll_wait` and the same call to set the timer for the rest.
//!
//! A second one, [`LateUnpark`], belongs to other threads than the one that waits. It is left alone
//! by the same rules.
//!
//! It must not know the driver, nor what the deadlines are for.

use std::io;
use std::time::{Duration, Instant};

use framewise_sync::Mutex;

use crate::slab::SourceKey;
use crate::system::{Registry, TimerDescriptor, Token};

/// How much later than wanted a wait may end for the sake of one system call less.
const TOLERANCE: Duration = Duration::from_micros(50);

/// No wait is longer: whoever waits for longer is told early once in a while.
const LONGEST: Duration = Duration::from_secs(60 * 60 * 24 * 30);

/// A timerfd and when it will fire.
#[derive(Debug)]
pub(crate) struct TimerFd {
    descriptor: TimerDescriptor,
    /// When it fires, unless that has been seen. A setting fires no sooner than this says, so one
    /// whose time is still to come will end a wait.
    fires_at: Option<Instant>,
    /// How often it has been set: a system call each.
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

    /// Sees to it that the timer fires in `timeout` from now, or somewhat before.
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

    /// The driver has fetched its event: what was set ends no other wait.
    pub(crate) fn expired(&mut self) {
        self.fires_at = None;
    }

    /// How often it has been set.
    pub(crate) fn settings(&self) -> u64 {
        self.settings
    }
}

/// A timer that any thread may set, whoever waits. An expiry that nobody has fetched ends the next
/// wait.
///
/// Nobody tells it of its expiry, so the clock alone says whether what is set is still to come. The
/// lock keeps that true: who sees that it is, sees it before it fires, and who sets the timer anew takes
/// nothing back that another one has just relied on.
#[derive(Debug)]
pub(crate) struct LateUnpark(Mutex<TimerFd>);

impl LateUnpark {
    pub(crate) fn new(registry: &Registry) -> io::Result<Self> {
        TimerFd::with_key(registry, SourceKey::LATE_UNPARK).map(|timer| Self(Mutex::new(timer)))
    }

    /// Sees to it that the timer fires in `after` from now, or somewhat before, but not before now.
    pub(crate) fn ensure(&self, after: Duration) -> io::Result<()> {
        self.0.lock().ensure(after)
    }

    /// How often it has been set.
    pub(crate) fn settings(&self) -> u64 {
        self.0.lock().settings()
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
