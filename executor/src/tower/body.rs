//! The body of a request under a deadline: reading it is an operation that obeys.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use framewise_context::control::{self, ControlWait, Ended};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// A request's body, whose reads fail when the reader's time is over. Made by
    /// [`DeadlineLayer`](super::DeadlineLayer).
    ///
    /// The data comes from a peer, so a read is an operation that waits, like that of a socket: it
    /// fails when the work of the frame in which it is called has ended, by a deadline or by a
    /// cancel, at its start, too. The error is the [`Ended`](crate::deadline::Ended) then, and else
    /// the body's own.
    ///
    /// Each end is reported once, and the body ends after the error, like other streams do: a loop
    /// that reads until `None` comes to its end. Nothing is lost by that: code in a
    /// [`shield`](crate::deadline::shield) reads on. What is left after such a read fails again. A
    /// body that has been read to its end, or was empty, does not fail.
    ///
    /// # Frame
    ///
    /// The body is polled in the reader's frame.
    pub struct DeadlineBody<B> {
        #[pin]
        body: B,
        wait: ControlWait,
        state: ReadState,
    }
}

/// What the last read returned.
enum ReadState {
    /// A frame, or an error of the body's own; or there was no read.
    Reading,
    /// That the reader's work has ended.
    Reported(Ended),
    /// The end of the body.
    Finished,
}

impl<B> DeadlineBody<B> {
    pub(super) fn new(body: B) -> Self {
        Self {
            body,
            wait: ControlWait::new(),
            state: ReadState::Reading,
        }
    }

    /// Returns the body, whose reads know no deadline.
    pub fn into_inner(self) -> B {
        self.body
    }
}

impl<B> Body for DeadlineBody<B>
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    type Data = B::Data;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        let mut this = self.project();
        let ended = match control::check() {
            Err(ended) => ended,
            Ok(()) => match this.body.as_mut().poll_frame(cx) {
                Poll::Ready(next) => {
                    this.wait.clear();
                    *this.state = match next {
                        Some(_) => ReadState::Reading,
                        None => ReadState::Finished,
                    };
                    return Poll::Ready(next.map(|frame| frame.map_err(Into::into)));
                }
                Poll::Pending => match this.wait.register(cx.waker()) {
                    Ok(()) => return Poll::Pending,
                    Err(ended) => ended,
                },
            },
        };
        this.wait.clear();
        let is_known = match this.state {
            ReadState::Reading => false,
            ReadState::Reported(last) => *last == ended,
            ReadState::Finished => true,
        };
        if is_known || this.body.is_end_stream() {
            return Poll::Ready(None);
        }
        *this.state = ReadState::Reported(ended.clone());
        Poll::Ready(Some(Err(ended.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: fmt::Debug> fmt::Debug for DeadlineBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeadlineBody").field(&self.body).finish()
    }
}
