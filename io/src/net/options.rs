//! Socket options that neither `std` nor mio offers, on Unix.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// The length of a listener's queue: more than `std`'s 128, since a connection that finds the queue
/// full is delayed by a second. The system has a limit of its own.
const BACKLOG: libc::c_int = 1024;

/// Lengthens a bound listener's queue.
pub(super) fn lengthen_queue(listener: &impl AsFd) -> io::Result<()> {
    // SAFETY: the call takes no pointers, and the descriptor is borrowed, hence open.
    checked(unsafe { libc::listen(listener.as_fd().as_raw_fd(), BACKLOG) })
}

/// `SO_LINGER` in seconds. Apple's `SO_LINGER` counts clock ticks and has a sibling for seconds.
#[cfg(target_vendor = "apple")]
const LINGER: libc::c_int = libc::SO_LINGER_SEC;
#[cfg(not(target_vendor = "apple"))]
const LINGER: libc::c_int = libc::SO_LINGER;

/// The longest lingering time in seconds: Linux keeps an `int`, the BSDs keep a `short`.
const LINGER_MAX: u64 = if cfg!(any(target_os = "linux", target_os = "android")) {
    libc::c_int::MAX as u64
} else {
    i16::MAX as u64
};

/// Returns `SO_LINGER`.
pub(super) fn linger(socket: &impl AsFd) -> io::Result<Option<Duration>> {
    let mut value = libc::linger {
        l_onoff: 0,
        l_linger: 0,
    };
    let mut len = size_of::<libc::linger>() as libc::socklen_t;
    // SAFETY: the value and its length are borrowed exclusively for the call and belong together;
    // the descriptor is borrowed, hence open.
    checked(unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            LINGER,
            (&raw mut value).cast(),
            &mut len,
        )
    })?;
    Ok((value.l_onoff != 0).then(|| Duration::from_secs(value.l_linger.unsigned_abs().into())))
}

/// Sets `SO_LINGER`, rounded up to whole seconds: zero would abort the connection and lose data.
pub(super) fn set_linger(socket: &impl AsFd, linger: Option<Duration>) -> io::Result<()> {
    let value = libc::linger {
        l_onoff: linger.is_some().into(),
        l_linger: linger_seconds(linger.unwrap_or_default()),
    };
    set_option(socket, LINGER, &value)
}

/// Sets a socket option, whose type in C must be `T`.
pub(super) fn set_option<T>(socket: &impl AsFd, name: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: the system only reads the value, which is borrowed during the call, and the length is
    // its own; the descriptor is borrowed, hence open.
    checked(unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    })
}

/// Returns the seconds that the kernel is given for `linger`.
fn linger_seconds(linger: Duration) -> libc::c_int {
    let begun = u64::from(linger.subsec_nanos() > 0);
    let seconds = linger.as_secs().saturating_add(begun);
    libc::c_int::try_from(seconds.min(LINGER_MAX)).expect("the maximum is an int")
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
