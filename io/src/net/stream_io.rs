//! The system calls of streams: TCP, Unix sockets and pipes.
//!
//! Owns reading into memory that may be uninitialized, and writes without SIGPIPE. It must not know
//! how an operation waits ([`crate::source`]) or who calls it (`methods`, `crate::traits`).
//!
//! # SIGPIPE
//!
//! A write to a peer that has closed ends the process by SIGPIPE, unless the process ignores that.
//! A program whose `main` is Rust's does, but a library in another program cannot rely on that.
//! `std` prevents the signal where it writes one buffer to a TCP stream, promises nothing for other
//! streams, and writes several buffers by `writev`, which has no flags. So writes to sockets are
//! `send` and `sendmsg` with `MSG_NOSIGNAL` here. A pipe has no such call: a write to a pipe
//! without readers sends the signal.
//!
//! Apple's systems have a socket option instead of the flag. `std` and mio set it when they open a
//! socket; [`disable_sigpipe`](super::options) sets it on accepted sockets and on those that other
//! code opened.

use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;

use crate::system;

/// A source of bytes.
pub trait ReadIo: system::Source {
    /// Reads into `buffer`.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Reads into several buffers with one system call.
    fn receive_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize>;

    /// Reads into memory that may be uninitialized. If it returns `n`, the first `n` bytes are
    /// initialized.
    fn receive_uninit(&self, buffer: &mut [MaybeUninit<u8>]) -> io::Result<usize>;
}

/// A sink of bytes.
pub trait WriteIo: system::Source {
    /// Writes from `buffer`.
    fn send(&self, buffer: &[u8]) -> io::Result<usize>;

    /// Writes from several buffers with one system call.
    fn send_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize>;
}

macro_rules! impl_read_io {
    ($io:ty, $receive_uninit:path) => {
        impl ReadIo for $io {
            #[inline]
            fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
                (&*self).read(buffer)
            }

            #[inline]
            fn receive_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                (&*self).read_vectored(buffers)
            }

            #[inline]
            fn receive_uninit(&self, buffer: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
                self.try_io(|| $receive_uninit(self, buffer))
            }
        }
    };
}

macro_rules! impl_write_io {
    ($io:ty, $send:path, $send_vectored:path) => {
        impl WriteIo for $io {
            #[inline]
            fn send(&self, buffer: &[u8]) -> io::Result<usize> {
                self.try_io(|| $send(self, buffer))
            }

            #[inline]
            fn send_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
                self.try_io(|| $send_vectored(self, buffers))
            }
        }
    };
}

impl_read_io!(mio::net::TcpStream, socket::receive_uninit);
impl_write_io!(mio::net::TcpStream, socket::send, socket::send_vectored);
#[cfg(unix)]
impl_read_io!(mio::net::UnixStream, socket::receive_uninit);
#[cfg(unix)]
impl_write_io!(mio::net::UnixStream, socket::send, socket::send_vectored);
#[cfg(unix)]
impl_read_io!(mio::unix::pipe::Receiver, pipe::receive_uninit);
#[cfg(unix)]
impl_write_io!(mio::unix::pipe::Sender, pipe::send, pipe::send_vectored);

#[cfg(unix)]
pub(super) mod socket {
    use std::io::{self, IoSlice};
    use std::mem::MaybeUninit;
    use std::os::fd::{AsFd, AsRawFd};

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

    pub(crate) fn send(io: &impl AsFd, buffer: &[u8]) -> io::Result<usize> {
        // SAFETY: the descriptor is borrowed, hence open; the system only reads the memory, which
        // is borrowed during the call.
        let count = unsafe {
            let fd = io.as_fd().as_raw_fd();
            libc::send(fd, buffer.as_ptr().cast(), buffer.len(), FLAGS)
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    pub(super) fn send_vectored(io: &impl AsFd, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        // Unlike std's `writev`, `sendmsg` fails if there are more.
        let buffers = &buffers[..buffers.len().min(crate::source::BUFFERS_MAX)];
        // SAFETY: a `msghdr` is plain data, for which zeros are valid: no address and no control
        // data.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        // An `IoSlice` is an `iovec` by its documentation. The system only reads from it.
        message.msg_iov = buffers.as_ptr().cast_mut().cast();
        message.msg_iovlen = buffers.len() as _;
        // SAFETY: the descriptor is borrowed, hence open. The message, its buffers and what they
        // point to are borrowed during the call, and the lengths are theirs.
        let count = unsafe { libc::sendmsg(io.as_fd().as_raw_fd(), &message, FLAGS) };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    pub(super) fn receive_uninit(
        io: &impl AsFd,
        buffer: &mut [MaybeUninit<u8>],
    ) -> io::Result<usize> {
        // SAFETY: the descriptor is borrowed, hence open; the pointer and the length are of memory
        // that is borrowed exclusively for the call, and which the system only writes to.
        let count = unsafe {
            let fd = io.as_fd().as_raw_fd();
            libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0)
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }
}

#[cfg(unix)]
mod pipe {
    use std::io::{self, IoSlice, Write};
    use std::mem::MaybeUninit;
    use std::os::fd::{AsFd, AsRawFd};

    pub(super) fn send(mut io: &mio::unix::pipe::Sender, buffer: &[u8]) -> io::Result<usize> {
        io.write(buffer)
    }

    pub(super) fn send_vectored(
        mut io: &mio::unix::pipe::Sender,
        buffers: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        io.write_vectored(buffers)
    }

    pub(super) fn receive_uninit(
        io: &impl AsFd,
        buffer: &mut [MaybeUninit<u8>],
    ) -> io::Result<usize> {
        // SAFETY: the descriptor is borrowed, hence open; the pointer and the length are of memory
        // that is borrowed exclusively for the call, and which the system only writes to.
        let count = unsafe {
            let fd = io.as_fd().as_raw_fd();
            libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len())
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }
}

/// A system without SIGPIPE.
#[cfg(not(unix))]
mod socket {
    use std::io::{self, IoSlice, Read, Write};
    use std::mem::MaybeUninit;

    pub(super) fn send(mut io: &mio::net::TcpStream, buffer: &[u8]) -> io::Result<usize> {
        io.write(buffer)
    }

    pub(super) fn send_vectored(
        mut io: &mio::net::TcpStream,
        buffers: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        io.write_vectored(buffers)
    }

    /// Initializes the memory first, since `std` accepts no uninitialized memory here.
    pub(super) fn receive_uninit(
        mut io: &mio::net::TcpStream,
        buffer: &mut [MaybeUninit<u8>],
    ) -> io::Result<usize> {
        buffer.fill(MaybeUninit::new(0));
        // SAFETY: every byte was just initialized, and `MaybeUninit<u8>` has the layout of `u8`.
        let buffer = unsafe { &mut *(std::ptr::from_mut(buffer) as *mut [u8]) };
        io.read(buffer)
    }
}
