//! The TCP stream's poll functions, for the I/O traits of other crates.
//!
//! Owns reading into memory that may be uninitialized. It must not know the traits.

#[cfg(feature = "futures-io")]
use std::io::IoSliceMut;
#[cfg(any(feature = "futures-io", not(unix)))]
use std::io::Read;
use std::io::{self, IoSlice, Write};
#[cfg(any(feature = "tokio", feature = "hyper"))]
use std::mem::MaybeUninit;
use std::task::{Context, Poll};

use crate::net::send::send_vectored;
use crate::net::stream::TcpStream;
use crate::ready::Direction;
use crate::source::capacity;

impl TcpStream {
    /// Reads into memory that may be uninitialized. If it returns `n`, the first `n` bytes are
    /// initialized.
    #[cfg(any(feature = "tokio", feature = "hyper"))]
    pub(crate) fn poll_read_uninit(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        let len = buffer.len();
        self.io
            .poll_transfer(cx, Direction::Read, len, |io| receive(io, buffer))
    }

    #[cfg(feature = "futures-io")]
    pub(crate) fn poll_read_into(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let len = buffer.len();
        self.io
            .poll_transfer(cx, Direction::Read, len, |mut io| io.read(buffer))
    }

    #[cfg(feature = "futures-io")]
    pub(crate) fn poll_read_into_vectored(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = capacity(buffers.iter().map(|buffer| buffer.len()));
        self.io
            .poll_transfer(cx, Direction::Read, len, |mut io| io.read_vectored(buffers))
    }

    pub(crate) fn poll_write_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io
            .poll_transfer(cx, Direction::Write, buffer.len(), |mut io| {
                io.write(buffer)
            })
    }

    pub(crate) fn poll_write_from_vectored(
        &self,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = capacity(buffers.iter().map(|buffer| buffer.len()));
        self.io
            .poll_transfer(cx, Direction::Write, len, |io| send_vectored(io, buffers))
    }
}

/// Reads into memory that may be uninitialized. If it returns `n`, the first `n` bytes are
/// initialized.
#[cfg(all(unix, any(feature = "tokio", feature = "hyper")))]
fn receive(io: &mio::net::TcpStream, buffer: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    use std::os::fd::AsRawFd;

    io.try_io(|| {
        // SAFETY: `io` keeps the descriptor open; the pointer and the length are of memory that is
        // borrowed exclusively for the call, and which the system only writes to.
        let count =
            unsafe { libc::recv(io.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    })
}

/// Initializes the memory first, since `std` accepts no uninitialized memory here.
#[cfg(all(not(unix), any(feature = "tokio", feature = "hyper")))]
fn receive(mut io: &mio::net::TcpStream, buffer: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    buffer.fill(MaybeUninit::new(0));
    // SAFETY: every byte was just initialized, and `MaybeUninit<u8>` has the layout of `u8`.
    let buffer = unsafe { &mut *(std::ptr::from_mut(buffer) as *mut [u8]) };
    io.read(buffer)
}
