//! Poll functions of streams, for the I/O traits of other crates.
//!
//! Owns how a transfer of [`stream_io`](crate::net::stream_io) waits in the slot of its direction.
//! It must not know the traits.

#[cfg(feature = "futures-io")]
use std::io::IoSliceMut;
use std::io::{self, IoSlice};
#[cfg(any(feature = "tokio", feature = "hyper"))]
use std::mem::MaybeUninit;
use std::task::{Context, Poll};

use crate::net::stream_io::{ReadIo, WriteIo};
use crate::ready::Direction;
use crate::source::{IoSource, capacity};

impl<S: ReadIo> IoSource<S> {
    /// Reads into memory that may be uninitialized. If it returns `n`, the first `n` bytes are
    /// initialized.
    #[cfg(any(feature = "tokio", feature = "hyper"))]
    pub(crate) fn poll_read_uninit(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        let len = buffer.len();
        self.poll_transfer(cx, Direction::Read, len, |io| io.receive_uninit(buffer))
    }

    #[cfg(feature = "futures-io")]
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let len = buffer.len();
        self.poll_transfer(cx, Direction::Read, len, |io| io.receive(buffer))
    }

    #[cfg(feature = "futures-io")]
    pub(crate) fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = capacity(buffers.iter().map(|buffer| buffer.len()));
        self.poll_transfer(cx, Direction::Read, len, |io| io.receive_vectored(buffers))
    }
}

impl<S: WriteIo> IoSource<S> {
    pub(crate) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let len = buffer.len();
        self.poll_transfer(cx, Direction::Write, len, |io| io.send(buffer))
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = capacity(buffers.iter().map(|buffer| buffer.len()));
        self.poll_transfer(cx, Direction::Write, len, |io| io.send_vectored(buffers))
    }
}
