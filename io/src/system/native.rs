//! The ordinary build: mio, and Linux's timerfd, which mio does not have.

pub(crate) use mio::event::{Event, Source};
pub(crate) use mio::{Events, Interest, Poll, Registry, Token, Waker};

#[cfg(target_os = "linux")]
pub(crate) use self::timer::TimerDescriptor;

#[cfg(target_os = "linux")]
mod timer {
    use std::io;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::time::{Duration, Instant};

    use mio::unix::SourceFd;

    /// A timerfd, registered edge-triggered and never read: setting it again discards an expiry
    /// that was not fetched.
    #[derive(Debug)]
    pub(crate) struct TimerDescriptor(OwnedFd);

    impl TimerDescriptor {
        /// Opens a timerfd whose expiries are events with this token.
        pub(crate) fn open(registry: &mio::Registry, token: mio::Token) -> io::Result<Self> {
            // SAFETY: the call takes no pointers.
            let raw = unsafe {
                libc::timerfd_create(
                    libc::CLOCK_MONOTONIC,
                    libc::TFD_NONBLOCK | libc::TFD_CLOEXEC,
                )
            };
            if raw < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: `raw` was just opened, and no other code has it.
            let descriptor = unsafe { OwnedFd::from_raw_fd(raw) };
            registry.register(&mut SourceFd(&raw), token, mio::Interest::READABLE)?;
            Ok(Self(descriptor))
        }

        /// Returns the time of the clock by which it fires.
        pub(crate) fn now(&self) -> Instant {
            Instant::now()
        }

        /// Has it fire once, when `timeout` has passed.
        pub(crate) fn set(&self, timeout: Duration) -> io::Result<()> {
            // Zero would disarm it.
            let timeout = timeout.max(Duration::from_nanos(1));
            let value = libc::itimerspec {
                it_interval: libc::timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                },
                it_value: libc::timespec {
                    tv_sec: timeout.as_secs() as libc::time_t,
                    tv_nsec: timeout.subsec_nanos() as libc::c_long,
                },
            };
            // SAFETY: `value` lives during the call, the null pointer requests no old value, and
            // the descriptor is an open timerfd.
            let result = unsafe {
                libc::timerfd_settime(self.0.as_raw_fd(), 0, &value, std::ptr::null_mut())
            };
            if result < 0 {
                Err(io::Error::last_os_error())
            } else {
                Ok(())
            }
        }
    }
}
