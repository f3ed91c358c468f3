//! A body whose messages are made while it is sent, and the counts of its reader.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame};
use hyper::header::{HeaderMap, HeaderValue};

use framewise_test_support::ID;

/// The trailer of a body: the value of [`ID`] when the trailer was made.
pub(crate) const X_SEEN: &str = "x-seen";

/// Returns the value of [`ID`], or 0 if it is unbound.
pub(crate) fn seen() -> u64 {
    ID.get().unwrap_or(0)
}

/// Counts dropped bodies, and those of them that were dropped in a frame other than their own.
#[derive(Clone, Debug, Default)]
pub(crate) struct DropTracker(Arc<(AtomicUsize, AtomicUsize)>);

impl DropTracker {
    fn add(&self, is_right: bool) {
        // Ordering: Relaxed for the second count, because the Release of the first one publishes
        // it.
        self.0
            .1
            .fetch_add(usize::from(!is_right), Ordering::Relaxed);
        self.0.0.fetch_add(1, Ordering::Release);
    }

    /// Waits until `count` bodies were dropped, and checks that each was dropped in its own frame.
    pub(crate) fn wait(&self, count: usize) {
        while self.0.0.load(Ordering::Acquire) < count {
            std::thread::yield_now();
        }
        assert_eq!(
            self.0.1.load(Ordering::Relaxed),
            0,
            "a body was dropped in another frame"
        );
    }
}

/// A body of messages of eight bytes. Each message, and the trailer, is the value of [`ID`] when it
/// is made. Every fifth message comes after a pending poll.
pub(crate) struct Messages {
    expected: u64,
    left: usize,
    paused: bool,
    trailer: bool,
    drops: DropTracker,
}

impl Messages {
    /// Creates a body of `count` messages, each of which should be `expected`.
    pub(crate) fn new(count: usize, expected: u64, drops: &DropTracker) -> Messages {
        Messages {
            expected,
            left: count,
            paused: false,
            trailer: true,
            drops: drops.clone(),
        }
    }
}

impl Body for Messages {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_multiple_of(5) && !self.paused {
            self.paused = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.paused = false;
        if self.left > 0 {
            self.left -= 1;
            let message = Bytes::copy_from_slice(&seen().to_be_bytes());
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        if self.trailer {
            self.trailer = false;
            let trailers =
                HeaderMap::from_iter([(X_SEEN.parse().unwrap(), HeaderValue::from(seen()))]);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Poll::Ready(None)
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.drops.add(seen() == self.expected);
    }
}

/// The result of reading a body.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Count {
    pub(crate) messages: usize,
    pub(crate) wrong: usize,
    pub(crate) trailer: Option<u64>,
}

impl Count {
    pub(crate) fn add(&mut self, other: Count) {
        self.messages += other.messages;
        self.wrong += other.wrong;
    }
}

/// Reads a body to its end and counts its messages.
pub(crate) async fn count<B>(body: B, expected: u64) -> Count
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let body = body.collect().await.unwrap();
    let trailer = body
        .trailers()
        .and_then(|trailers| trailers.get(X_SEEN)?.to_str().ok()?.parse().ok());
    let bytes = body.to_bytes();
    assert!(
        bytes.len().is_multiple_of(8),
        "the last message is incomplete"
    );
    let messages = bytes.chunks(8);
    Count {
        messages: messages.len(),
        wrong: messages
            .filter(|message| *message != expected.to_be_bytes())
            .count(),
        trailer,
    }
}
