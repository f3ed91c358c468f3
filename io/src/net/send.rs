//! Writes without SIGPIPE.
//!
//! `std` writes one buffer by `send` with `MSG_NOSIGNAL`, and several by `writev`, which has no
//! flags. So a vectored write to a peer that has closed ends the process, unless the process
//! ignores SIGPIPE. A program whose `main` is Rust's does, but a library in another program cannot
//! rely on that.
//!
//! Apple's systems have a socket option instead of the flag. `std` and mio set it when they open a
//! socket; [`disable_sigpipe`] sets it on accepted sockets and on those that other code opened.

use std::io::{self, IoSlice};

/// Writes from several buffers with one system call and without SIGPIPE.
#[cfg(unix)]
pub(super) fn send_vectored(
    io: &mio::net::TcpStream,
    buffers: &[IoSlice<'_>],
) -> io::Result<usize> {
    use std::os::fd::AsRawFd;

    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "dragonfly",
    ))]
    const FLAGS: libc::c_int = libc::MSG_NOSIGNAL;
    #[cfg(not(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "dragonfly",
    )))]
    const FLAGS: libc::c_int = 0;

    // Unlike std's `writev`, `sendmsg` fails if there are more.
    let buffers = &buffers[..buffers.len().min(crate::source::BUFFERS_MAX)];
    // SAFETY: a `msghdr` is plain data, for which zeros are valid: no address and no control data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // An `IoSlice` is an `iovec` by its documentation. The system only reads from it.
    message.msg_iov = buffers.as_ptr().cast_mut().cast();
    message.msg_iovlen = buffers.len() as _;
    io.try_io(|| {
        // SAFETY: `io` keeps the descriptor open. The message, its buffers and what they point to
        // are borrowed during the call, and the lengths are theirs.
        let count = unsafe { libc::sendmsg(io.as_raw_fd(), &message, FLAGS) };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    })
}

/// Writes from several buffers with one system call. This system has no SIGPIPE.
#[cfg(not(unix))]
pub(super) fn send_vectored(
    mut io: &mio::net::TcpStream,
    buffers: &[IoSlice<'_>],
) -> io::Result<usize> {
    io::Write::write_vectored(&mut io, buffers)
}

/// Turns SIGPIPE off for a socket that was accepted, or that other code opened.
#[cfg(target_vendor = "apple")]
pub(super) fn disable_sigpipe(io: &mio::net::TcpStream) -> io::Result<()> {
    let on: libc::c_int = 1;
    super::options::set_option(io, libc::SO_NOSIGPIPE, &on)
}

/// Does nothing, since each write passes `MSG_NOSIGNAL`.
#[cfg(not(target_vendor = "apple"))]
#[inline]
pub(super) fn disable_sigpipe(_io: &mio::net::TcpStream) -> io::Result<()> {
    Ok(())
}
