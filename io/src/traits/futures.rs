//! futures-io's `AsyncRead` and `AsyncWrite`.

use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use framewise_context::coop;
use futures_io::{AsyncRead, AsyncWrite};

use super::{Readable, Writable};
use crate::net::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, TcpStream, WriteHalf};

macro_rules! impl_read {
    ($($kind:ty),+) => {$(
        impl AsyncRead for $kind {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.readable_stream().poll_read_into(cx, buffer)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                self.readable_stream().poll_read_into_vectored(cx, buffers)
            }
        }
    )+};
}

macro_rules! impl_write {
    ($($kind:ty),+) => {$(
        impl AsyncWrite for $kind {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.writable_stream().poll_write_from(cx, buffer)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.writable_stream().poll_write_from_vectored(cx, buffers)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                coop::poll_spend(cx).map(Ok)
            }

            fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                ready!(coop::poll_spend(cx));
                Poll::Ready(Writable::end_writing(&mut *self))
            }
        }
    )+};
}

impl_read!(TcpStream, &TcpStream, ReadHalf<'_>, OwnedReadHalf);
impl_write!(TcpStream, &TcpStream, WriteHalf<'_>, OwnedWriteHalf);
