//! `DerivedScope`: a scope whose value depends on its poller's frame, for the runtime's own
//! variables.
//!
//! A [`Scope`](crate::Scope) keeps one value, whatever frame it is polled in. The value of a chain
//! (a panic handler with those outside of it) has to be made again for another frame.

use std::fmt;
use std::mem::{self, needs_drop};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::bind::{Bound, derive_current};
use crate::frame::{FrameId, id_of};
use crate::frame_stats::BindLocation;
use crate::scope::FrameScope;
use crate::{ContextVar, Frame, current};

/// Makes the value of a [`DerivedScope`].
pub trait MakeValue<T> {
    /// Returns the value to bind on top of the current frame.
    fn make_value(&self) -> T;
}

/// A future or a stream under one binding, whose value is made whenever the frame is derived: at
/// the first poll, at a poll in another frame than the previous one, and when it is dropped there.
///
/// Otherwise like [`Scope`](crate::Scope).
#[must_use = "futures and streams do nothing unless polled"]
pub struct DerivedScope<F, T: Send + Sync + 'static, M: MakeValue<T>> {
    var: &'static ContextVar<T>,
    make: M,
    bind_location: BindLocation,
    /// The frame from which that of `inner` was derived. `None`: there was no poll.
    under: Option<FrameId>,
    inner: FrameScope<F>,
}

// Only `inner` is pinned with the scope.
impl<F: Unpin, T: Send + Sync + 'static, M: MakeValue<T>> Unpin for DerivedScope<F, T, M> {}

impl<F, T: Send + Sync + 'static, M: MakeValue<T>> DerivedScope<F, T, M> {
    /// Wraps a future or a stream. Frames are counted for the caller's line.
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn new(var: &'static ContextVar<T>, make: M, inner: F) -> Self {
        Self {
            var,
            make,
            bind_location: BindLocation::here(),
            under: None,
            inner: FrameScope::new(Frame::root(), inner),
        }
    }

    /// Returns the inner scope, in the frame to use now.
    #[inline]
    fn bound(self: Pin<&mut Self>) -> Pin<&mut FrameScope<F>> {
        // SAFETY: `inner` alone is pinned with the scope: it is not moved below, and dropped in
        // place. Nothing hands out the other fields pinned.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: (rule 4) the current frame is alive.
        let now = unsafe { id_of(current::get()) };
        // Compared by id and not by address, where another frame may have been allocated.
        if this.under != Some(now) {
            this.rebind(now);
        }
        // SAFETY: as above.
        unsafe { Pin::new_unchecked(&mut this.inner) }
    }

    /// Derives the frame again. If this unwinds, because dropping the old one runs user code, the
    /// scope is bound nevertheless.
    #[cold]
    fn rebind(&mut self, now: FrameId) {
        let value = Bound::new(self.var, self.make.make_value());
        let frame = derive_current(value, self.bind_location);
        self.under = Some(now);
        drop(mem::replace(self.inner.frame_mut(), frame));
    }
}

impl<F: Future, T: Send + Sync + 'static, M: MakeValue<T>> Future for DerivedScope<F, T, M> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.bound().poll(cx)
    }
}

impl<S: Stream, T: Send + Sync + 'static, M: MakeValue<T>> Stream for DerivedScope<S, T, M> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.bound().poll_next(cx)
    }

    /// Runs in the caller's frame: a hint derives no frame.
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.inner().size_hint()
    }
}

impl<F, T: Send + Sync + 'static, M: MakeValue<T>> Drop for DerivedScope<F, T, M> {
    /// Derives the frame in which `inner`, whose drop follows also after a panic here, is dropped.
    fn drop(&mut self) {
        if !needs_drop::<F>() {
            return;
        }
        // SAFETY: (rule 4) the current frame is alive.
        let now = unsafe { id_of(current::get()) };
        if self.under != Some(now) {
            self.rebind(now);
        }
    }
}

impl<F, T, M> fmt::Debug for DerivedScope<F, T, M>
where
    F: fmt::Debug,
    T: Send + Sync + 'static,
    M: MakeValue<T>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DerivedScope")
            .field("var", &self.var.name())
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
