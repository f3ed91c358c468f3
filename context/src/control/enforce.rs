//! `Enforce`: a future of another crate, which knows no frames, under the control of its frame.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::ended::Ended;
use super::{ControlWait, check};
use crate::coop;

pin_project! {
    /// The future of [`enforce`](crate::cancel::enforce).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Enforce<F> {
        // `None` once the work has ended: the future is dropped then.
        #[pin]
        future: Option<F>,
        wait: ControlWait,
    }
}

impl<F> Enforce<F> {
    pub(crate) fn new(future: F) -> Self {
        Self {
            future: Some(future),
            wait: ControlWait::new(),
        }
    }
}

impl<F: Future> Future for Enforce<F> {
    type Output = Result<F::Output, Ended>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let ended = match check() {
            Err(ended) => ended,
            Ok(()) => {
                let future = this.future.as_mut().as_pin_mut();
                let future = future.expect("an `enforce` is not polled after it was ready");
                if let Poll::Ready(output) = future.poll(cx) {
                    this.wait.clear();
                    return Poll::Ready(Ok(output));
                }
                match this.wait.register(cx.waker()) {
                    Ok(()) => return Poll::Pending,
                    Err(ended) => ended,
                }
            }
        };
        // A loop that goes on after errors yields. What is denied keeps its future.
        ready!(coop::poll_spend(cx));
        this.wait.clear();
        this.future.set(None);
        Poll::Ready(Err(ended))
    }
}
