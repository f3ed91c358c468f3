//! futures-io's `AsyncRead` and `AsyncWrite`.

use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use framewise_context::coop;
use futures_io::{AsyncRead, AsyncWrite};

use super::{Readable, Writable, for_each_readable, for_each_writable, impl_write};

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

for_each_readable!(impl_read);
for_each_writable!(impl_write, AsyncWrite, poll_close, {});
