//! The body of a request under a deadline: reading it is an operation that obeys.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use framewise_context::control::{self, ControlWait};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// A request's body, whose reads fail when the reader's time is over. Made by
    /// [`DeadlineLayer`](super::DeadlineLayer).
    ///
    /// The data comes from a peer, so a read is an operation that waits, like that of a socket: it
    /// fails when the work of the frame in which it is called has ended, by a deadline or by a
    /// cancel, at its start, too. The error is the [`Ended`](crate::deadline::Ended) then, and else
    /// the body's own. Nothing is lost by that: code in a [`shield`](crate::deadline::shield) reads
    /// on.
    ///
    /// # Frame
    ///
    /// The body is polled in the reader's frame.
    pub struct DeadlineBody<B> {
        #[pin]
        body: B,
        wait: ControlWait,
    }
}

impl<B> DeadlineBody<B> {
    pub(super) fn new(body: B) -> Self {
        Self {
            body,
            wait: ControlWait::new(),
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
        let this = self.project();
        let waits = match control::check() {
            Err(ended) => Err(ended),
            Ok(()) => match this.body.poll_frame(cx) {
                Poll::Ready(next) => {
                    this.wait.clear();
                    return Poll::Ready(next.map(|frame| frame.map_err(Into::into)));
                }
                Poll::Pending => this.wait.register(cx.waker()),
            },
        };
        match waits {
            Ok(()) => Poll::Pending,
            Err(ended) => {
                this.wait.clear();
                Poll::Ready(Some(Err(ended.into())))
            }
        }
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
