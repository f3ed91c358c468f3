//! A connection that is closed in stages (RFC 9112, section 9.6).
//!
//! A socket that is closed while bytes of its peer are unread resets the connection, and then the
//! peer may fail before it has read the last response. So the end of writing is sent first, and
//! what the peer still sends is discarded until it closes its side too, for a while. hyper owns the
//! socket and drops it, so [`Returned`] hands it back.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use tokio::sync::oneshot;

use crate::time::timeout;

/// How long a peer has to close its side.
const LINGER: Duration = Duration::from_millis(500);

/// Closes a connection in stages.
pub(super) async fn close<I: Read + Write + Unpin>(mut io: I) {
    let closing = poll_fn(|cx| {
        if ready!(Pin::new(&mut io).poll_shutdown(cx)).is_err() {
            return Poll::Ready(());
        }
        let mut bytes = [MaybeUninit::uninit(); 1024];
        loop {
            let mut discarded = ReadBuf::uninit(&mut bytes);
            let read = Pin::new(&mut io).poll_read(cx, discarded.unfilled());
            // An error is the connection's end, too.
            if ready!(read).is_err() || discarded.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    });
    // A peer that goes on sending has had its time.
    let _ = timeout(LINGER, closing).await;
}

/// A connection that is sent to its receiver when it is dropped.
pub(super) struct Returned<I> {
    /// Both are `Some` until the drop.
    io: Option<I>,
    sender: Option<oneshot::Sender<I>>,
}

impl<I> Returned<I> {
    pub(super) fn new(io: I) -> (Self, oneshot::Receiver<I>) {
        let (sender, receiver) = oneshot::channel();
        let (io, sender) = (Some(io), Some(sender));
        (Self { io, sender }, receiver)
    }
}

impl<I> Drop for Returned<I> {
    fn drop(&mut self) {
        if let (Some(io), Some(sender)) = (self.io.take(), self.sender.take()) {
            // Without a receiver it is closed at once: it was upgraded, or cut off.
            let _ = sender.send(io);
        }
    }
}

impl<I: Unpin> Returned<I> {
    fn io(self: Pin<&mut Self>) -> Pin<&mut I> {
        Pin::new(self.get_mut().io.as_mut().expect("it is not dropped"))
    }
}

impl<I: Read + Unpin> Read for Returned<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.io().poll_read(cx, buffer)
    }
}

impl<I: Write + Unpin> Write for Returned<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write(cx, buffer)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.as_ref().is_some_and(Write::is_write_vectored)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write_vectored(cx, buffers)
    }
}
