//! Writes that raise no SIGPIPE.
//!
//! `std` writes one buffer by `send` with `MSG_NOSIGNAL`, and several by `writev`, which has no
//! flags: a peer that has closed then ends the process, unless that ignores SIGPIPE, as a program
//! whose `main` is Rust's does. A library within another program cannot rely on that.
//!
//! Apple's systems have no such flag, but a socket option. `std` and mio set it when they open a
//! socket; [`disable_sigpipe`] sets it on a socket that they did not open.

use std::io::{self, IoSlice};

/// Writes from several buffers with one system call, and without SIGPIPE.
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

    // Unlike `writev` of std, `sendmsg` fails where there are more.
    let buffers = &buffers[..buffers.len().min(crate::source::BUFFERS_MAX)];
    // SAFETY: a `msghdr` is plain data, for which zeros are valid: no address, no control data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // An `IoSlice` is an `iovec` by its documentation. The system only reads from it.
    message.msg_iov = buffers.as_ptr().cast_mut().cast();
    message.msg_iovlen = buffers.len() as _;
    io.try_io(|| {
        // SAFETY: `io` keeps the descriptor open; the message, its buffers and what they point to
        // are borrowed over the call, and their lengths are their own.
        let count = unsafe { libc::sendmsg(io.as_raw_fd(), &message, FLAGS) };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    })
}

/// Writes from several buffers with one system call. There is no SIGPIPE here.
#[cfg(not(unix))]
pub(super) fn send_vectored(
    mut io: &mio::net::TcpStream,
    buffers: &[IoSlice<'_>],
) -> io::Result<usize> {
    io::Write::write_vectored(&mut io, buffers)
}

/// Turns SIGPIPE off for a socket that was accepted, or opened elsewhere.
#[cfg(target_vendor = "apple")]
pub(super) fn disable_sigpipe(io: &mio::net::TcpStream) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    let on: libc::c_int = 1;
    // SAFETY: the value lives over the call and the length is its own; `io` keeps the descriptor
    // open.
    let result = unsafe {
        libc::setsockopt(
            io.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NOSIGPIPE,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Does nothing: each write says that it wants no SIGPIPE.
#[cfg(not(target_vendor = "apple"))]
#[inline]
pub(super) fn disable_sigpipe(_io: &mio::net::TcpStream) -> io::Result<()> {
    Ok(())
}
