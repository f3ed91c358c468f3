//! futures-io's `AsyncRead` and `AsyncWrite`.

use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use framewise_context::coop;
use futures_io::{AsyncRead, AsyncWrite};

use super::{Readable, Writable, for_each_readable, for_each_writable};

macro_rules! impl_read {
    ([$($generics:tt)*] $kind:ty) => {
        impl<$($generics)*> AsyncRead for $kind {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.read_io().poll_read(cx, buffer)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                self.read_io().poll_read_vectored(cx, buffers)
            }
        }
    };
}

macro_rules! impl_write {
    ([$($generics:tt)*] $kind:ty) => {
        impl<$($generics)*> AsyncWrite for $kind {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.write_io().poll_write(cx, buffer)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.write_io().poll_write_vectored(cx, buffers)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                coop::poll_spend(cx).map(Ok)
            }

            fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                ready!(coop::poll_spend(cx));
                Poll::Ready(Writable::end_writing(&mut *self))
            }
        }
    };
}

for_each_readable!(impl_read);
for_each_writable!(impl_write);
