//! The I/O traits of other crates for what the pool's threads read and write: files and the
//! standard streams.

/// Implements the reading traits for a type with a `poll_read_with`.
macro_rules! impl_read {
    ($kind:ident) => {
        const _: () = {
            use std::io;
            use std::pin::Pin;
            use std::task::{Context, Poll};

            #[cfg(feature = "tokio")]
            impl tokio::io::AsyncRead for $kind {
                fn poll_read(
                    self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                    buffer: &mut tokio::io::ReadBuf<'_>,
                ) -> Poll<io::Result<()>> {
                    let want = buffer.remaining();
                    let take = |bytes: &[u8]| buffer.put_slice(bytes);
                    self.get_mut().poll_read_with(cx, want, take).map_ok(drop)
                }
            }

            #[cfg(feature = "futures-io")]
            impl futures_io::AsyncRead for $kind {
                fn poll_read(
                    self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                    buffer: &mut [u8],
                ) -> Poll<io::Result<usize>> {
                    let want = buffer.len();
                    let take = |bytes: &[u8]| buffer[..bytes.len()].copy_from_slice(bytes);
                    self.get_mut().poll_read_with(cx, want, take)
                }
            }
        };
    };
}

/// Implements the writing traits for a type that has, or whose field has, a `poll_write_pieces` and
/// a `poll_flush`.
macro_rules! impl_write {
    ($kind:ident $(. $field:tt)?) => {
        #[cfg(feature = "tokio")]
        $crate::io_traits::impl_write_trait!(
            [tokio::io::AsyncWrite] $kind $(. $field)?, poll_shutdown,
            fn is_write_vectored(&self) -> bool {
                true
            }
        );
        #[cfg(feature = "futures-io")]
        $crate::io_traits::impl_write_trait!(
            [futures_io::AsyncWrite] $kind $(. $field)?, poll_close,
        );
    };
}

macro_rules! impl_write_trait {
    ([$write:path] $kind:ident $(. $field:tt)?, $close:ident, $($more:tt)*) => {
        const _: () = {
            use std::io::{self, IoSlice};
            use std::pin::Pin;
            use std::task::{Context, Poll};

            impl $write for $kind {
                fn poll_write(
                    self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                    bytes: &[u8],
                ) -> Poll<io::Result<usize>> {
                    let this = self.get_mut();
                    this $(. $field)? .poll_write_pieces(cx, || std::iter::once(bytes))
                }

                fn poll_write_vectored(
                    self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                    buffers: &[IoSlice<'_>],
                ) -> Poll<io::Result<usize>> {
                    let this = self.get_mut();
                    let pieces = || buffers.iter().map(|buffer| &**buffer);
                    this $(. $field)? .poll_write_pieces(cx, pieces)
                }

                $($more)*

                fn poll_flush(
                    self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                ) -> Poll<io::Result<()>> {
                    let this = self.get_mut();
                    this $(. $field)? .poll_flush(cx)
                }

                /// Flushes, and closes nothing.
                fn $close(
                    self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                ) -> Poll<io::Result<()>> {
                    let this = self.get_mut();
                    this $(. $field)? .poll_flush(cx)
                }
            }
        };
    };
}

pub(crate) use {impl_read, impl_write, impl_write_trait};
