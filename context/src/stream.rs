//! The scopes as streams (C-72). The types are defined in [`scope`](crate::scope).

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::bind::BindingList;
use crate::scope::{FrameScope, Scope};

impl<S: Stream, L: BindingList> Stream for Scope<S, L> {
    type Item = S::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.enter(|inner| inner.poll_next(cx))
    }

    /// Runs in the caller's frame: a hint derives no frame.
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner().size_hint()
    }
}

impl<S: Stream> Stream for FrameScope<S> {
    type Item = S::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.enter(|inner| inner.poll_next(cx))
    }

    /// Runs in the frame.
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.frame().run(|| self.inner().size_hint())
    }
}
