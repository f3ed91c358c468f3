//! The I/O traits of other crates for [`File`].

#[cfg(feature = "tokio")]
mod of_tokio {
    use std::io::{self, IoSlice, SeekFrom};
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

    use crate::fs::File;

    impl AsyncRead for File {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let want = buffer.remaining();
            self.poll_read_with(cx, want, |bytes| buffer.put_slice(bytes))
                .map_ok(drop)
        }
    }

    impl AsyncWrite for File {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_pieces(cx, || std::iter::once(bytes))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffers: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_pieces(cx, || buffers.iter().map(|buffer| &**buffer))
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            File::poll_flush(&mut self, cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            File::poll_flush(&mut self, cx)
        }
    }

    impl AsyncSeek for File {
        fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
            File::start_seek(&mut self, position)
        }

        fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
            self.poll_land(cx)
        }
    }
}

#[cfg(feature = "futures-io")]
mod of_futures {
    use std::io::{self, IoSlice, SeekFrom};
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures_io::{AsyncRead, AsyncSeek, AsyncWrite};

    use crate::fs::File;

    impl AsyncRead for File {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_read_with(cx, buffer.len(), |bytes| {
                buffer[..bytes.len()].copy_from_slice(bytes);
            })
        }
    }

    impl AsyncWrite for File {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_pieces(cx, || std::iter::once(bytes))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffers: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_pieces(cx, || buffers.iter().map(|buffer| &**buffer))
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            File::poll_flush(&mut self, cx)
        }

        /// Flushes. The file is closed when it is dropped.
        fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            File::poll_flush(&mut self, cx)
        }
    }

    impl AsyncSeek for File {
        fn poll_seek(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            position: SeekFrom,
        ) -> Poll<io::Result<u64>> {
            File::poll_seek(&mut self, cx, position)
        }
    }
}
