//! Futures and streams under bindings or under a snapshot.
//!
//! A [`Scope`] binds on top of its poller's current frame; a [`FrameScope`] runs in exactly its own
//! frame. Both drop the wrapped value in the same frame in which they poll it. Their
//! implementations for streams are in [`stream`](crate::stream), those for HTTP bodies in
//! `body.rs`.

use std::fmt;
use std::mem::{self, ManuallyDrop, needs_drop};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::Frame;
use crate::bind::BindingList;
use crate::current;
use crate::derive;
use crate::frame::{FrameId, id_of};
use crate::frame_stats::BindLocation;
use crate::new_bindings::OwnBindings;

/// A future, a stream or an HTTP body under bindings. Made by
/// [`ContextVar::scope`](crate::ContextVar::scope), [`Bindings::scope`](crate::Bindings::scope) and
/// their variants for streams and bodies.
///
/// # Frame
///
/// Each poll runs in the poller's current frame with the bindings on top. So scopes nest in any
/// order, and a scope that is moved under another frame keeps its own bindings and sees that
/// frame's other variables. Deriving the frame costs one allocation, at the first poll and whenever
/// the poller's frame has changed since the previous poll. The values themselves stay where they
/// are.
///
/// The wrapped value is also dropped under the bindings, on top of the frame in which the scope is
/// dropped, even if it was never polled. The bound values are dropped after it, like in `run`.
///
/// # Examples
///
/// ```
/// use framewise_context::ContextVar;
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// let reply = REQUEST_ID.scope(7, async { REQUEST_ID.get() });
/// assert_eq!(futures::executor::block_on(reply), Some(7));
/// ```
#[must_use = "futures and streams do nothing unless polled"]
pub struct Scope<F, L: BindingList> {
    state: ScopeState<L>,
    /// The call that made the scope, which counts its frames.
    bind_location: BindLocation,
    inner: ManuallyDrop<F>,
}

/// The place of a scope's values.
enum ScopeState<L> {
    /// Here: not polled yet.
    Unbound(L),
    /// In `frame`, as its own bindings. It was derived from the frame with the id `under`.
    Bound { frame: Frame, under: FrameId },
    /// Nowhere: a frame is being made of them.
    Gone,
}

// The wrapped future is pinned with the scope; the values are not.
impl<F: Unpin, L: BindingList> Unpin for Scope<F, L> {}

impl<L: BindingList> ScopeState<L> {
    /// Returns the frame to use now: the current one with the values on top.
    #[inline]
    fn frame(&mut self, bind_location: BindLocation) -> &Frame {
        // SAFETY: (rule 4) the current frame is alive.
        let now = unsafe { id_of(current::get()) };
        // Compared by id and not by address, where another frame may have been allocated.
        if !matches!(self, ScopeState::Bound { under, .. } if *under == now) {
            self.rebind(now, bind_location);
        }
        match self {
            ScopeState::Bound { frame, .. } => frame,
            _ => unreachable!("a scope has just been bound"),
        }
    }

    /// Derives the frame again. If this unwinds, the scope is bound nevertheless: the panic comes
    /// from a value that is dropped last.
    #[cold]
    fn rebind(&mut self, under: FrameId, bind_location: BindLocation) {
        match mem::replace(self, ScopeState::Gone) {
            ScopeState::Unbound(list) => {
                // SAFETY: (rule 4) the current frame is alive.
                let (frame, replaced) =
                    unsafe { derive::derive(current::get(), false, list, bind_location) };
                *self = ScopeState::Bound { frame, under };
                // Last, because dropping these runs user code.
                drop(replaced);
            }
            ScopeState::Bound { frame: old, .. } => {
                // SAFETY: (rule 4) the current frame is alive.
                let (frame, ()) = unsafe {
                    derive::derive(current::get(), false, OwnBindings(&old), bind_location)
                };
                *self = ScopeState::Bound { frame, under };
                // Last: this drops the values that only the previous frame held, which runs user
                // code.
                drop(old);
            }
            ScopeState::Gone => panic!("a scope whose frame could not be made cannot be used"),
        }
    }
}

impl<F, L: BindingList> Scope<F, L> {
    #[inline]
    pub(crate) fn new(list: L, inner: F, bind_location: BindLocation) -> Self {
        Self {
            state: ScopeState::Unbound(list),
            bind_location,
            inner: ManuallyDrop::new(inner),
        }
    }

    /// Makes the wrapped value, in the scope's frame.
    #[cfg(feature = "tower")]
    #[inline]
    pub(crate) fn made_within(
        list: L,
        make: impl FnOnce() -> F,
        bind_location: BindLocation,
    ) -> Self {
        let mut state = ScopeState::Unbound(list);
        let inner = state.frame(bind_location).run(make);
        Self {
            state,
            bind_location,
            inner: ManuallyDrop::new(inner),
        }
    }

    /// Calls `f` with the wrapped value, in the scope's frame.
    #[inline]
    pub(crate) fn enter<R>(self: Pin<&mut Self>, f: impl FnOnce(Pin<&mut F>) -> R) -> R {
        // SAFETY: `inner` is pinned with the scope: it is not moved below, and `drop` drops it in
        // place. `state` is not pinned, and nothing hands it out pinned.
        let Scope {
            state,
            bind_location,
            inner,
        } = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above.
        let inner = unsafe { Pin::new_unchecked(&mut **inner) };
        state.frame(*bind_location).run(|| f(inner))
    }

    /// Returns the wrapped value.
    #[inline]
    pub(crate) fn inner(&self) -> &F {
        &self.inner
    }
}

impl<F: Future, L: BindingList> Future for Scope<F, L> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.enter(|inner| inner.poll(cx))
    }
}

impl<F, L: BindingList> Drop for Scope<F, L> {
    fn drop(&mut self) {
        if !needs_drop::<F>() {
            return;
        }
        let Scope {
            state,
            bind_location,
            inner,
        } = self;
        let end = InnerEnd { state, inner };
        if !matches!(end.state, ScopeState::Gone) {
            // May unwind, when it drops values of the previous frame. `end` still runs then.
            end.state.frame(*bind_location);
        }
    }
}

/// Drops the wrapped value, in the scope's frame. It is a guard and not a call, so that an earlier
/// panic does not prevent it: a pinned value must not be leaked.
struct InnerEnd<'a, F, L: BindingList> {
    state: &'a mut ScopeState<L>,
    inner: &'a mut ManuallyDrop<F>,
}

impl<F, L: BindingList> Drop for InnerEnd<'_, F, L> {
    #[inline]
    fn drop(&mut self) {
        let Self { state, inner } = self;
        // SAFETY: dropped in place, here and nowhere else: only `Scope::drop` makes this guard,
        // once.
        let mut drop_inner = || unsafe { ManuallyDrop::drop(inner) };
        match state {
            ScopeState::Bound { frame, .. } => frame.run(drop_inner),
            _ => drop_inner(),
        }
    }
}

impl<F: fmt::Debug, L: BindingList> fmt::Debug for Scope<F, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Scope");
        if let ScopeState::Bound { frame, .. } = &self.state {
            shown.field("frame", frame);
        }
        shown.field("inner", &*self.inner).finish_non_exhaustive()
    }
}

/// A future, a stream or an HTTP body that is polled and dropped in exactly one frame, wherever
/// that happens. Made by [`Frame::scope`], [`Frame::scope_stream`] and, with the feature
/// `http-body`, `Frame::scope_body`.
#[must_use = "futures and streams do nothing unless polled"]
pub struct FrameScope<F> {
    frame: Frame,
    inner: ManuallyDrop<F>,
}

impl<F: Unpin> Unpin for FrameScope<F> {}

impl Frame {
    /// Wraps a future so that it is polled and dropped in exactly this frame.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, Frame};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let frame = REQUEST_ID.run(7, Frame::current);
    /// let reply = REQUEST_ID.scope(8, frame.scope(async { REQUEST_ID.get() }));
    /// assert_eq!(futures::executor::block_on(reply), Some(7));
    /// ```
    #[inline]
    pub fn scope<F: Future>(self, future: F) -> FrameScope<F> {
        FrameScope::new(self, future)
    }

    /// Wraps a stream so that it is polled and dropped in exactly this frame. Its consumer runs in
    /// its own frame.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, Frame};
    /// use futures::{StreamExt, stream};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let rows = stream::iter(0..2).map(|row| (row, REQUEST_ID.get()));
    /// let mut rows = REQUEST_ID.run(7, Frame::current).scope_stream(rows);
    /// futures::executor::block_on(async {
    ///     assert_eq!(rows.next().await, Some((0, Some(7))));
    ///     assert_eq!(REQUEST_ID.get(), None); // the consumer
    /// });
    /// ```
    #[inline]
    pub fn scope_stream<S: futures_core::Stream>(self, stream: S) -> FrameScope<S> {
        FrameScope::new(self, stream)
    }
}

impl<F> FrameScope<F> {
    #[inline]
    pub(crate) fn new(frame: Frame, inner: F) -> Self {
        Self {
            frame,
            inner: ManuallyDrop::new(inner),
        }
    }

    /// Returns the frame.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Returns the frame, to be replaced.
    pub(crate) fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }

    /// Calls `f` with the wrapped value, in the frame.
    #[inline]
    pub(crate) fn enter<R>(self: Pin<&mut Self>, f: impl FnOnce(Pin<&mut F>) -> R) -> R {
        // SAFETY: `inner` is pinned with the scope: it is not moved, and `drop` drops it in place.
        let FrameScope { frame, inner } = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above.
        let inner = unsafe { Pin::new_unchecked(&mut **inner) };
        frame.run(|| f(inner))
    }

    /// Returns the wrapped value.
    #[inline]
    pub(crate) fn inner(&self) -> &F {
        &self.inner
    }
}

impl<F: Future> Future for FrameScope<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.enter(|inner| inner.poll(cx))
    }
}

impl<F> Drop for FrameScope<F> {
    #[inline]
    fn drop(&mut self) {
        let FrameScope { frame, inner } = self;
        // SAFETY: dropped in place, here and nowhere else.
        frame.run(|| unsafe { ManuallyDrop::drop(inner) });
    }
}

impl<F: fmt::Debug> fmt::Debug for FrameScope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameScope")
            .field("frame", &self.frame)
            .field("inner", &*self.inner)
            .finish()
    }
}
