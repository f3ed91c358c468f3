//! `HandlerScope`: a future or stream under a panic handler.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use framewise_context::{DerivedScope, MakeValue};
use futures_core::Stream;

use super::PanicHandler;
use super::chain::{HANDLERS, Handlers};

impl MakeValue<Handlers> for PanicHandler {
    fn make_value(&self) -> Handlers {
        self.clone().outside_current()
    }
}

/// A future or a stream under a panic handler. Made by [`PanicHandler::scope`] and
/// [`PanicHandler::scope_stream`].
///
/// # Frame
///
/// Each poll runs in the poller's current frame with the handler on top, and so does the drop; the
/// handlers outside of it are those of that frame. See [`Scope`](crate::context::Scope), which does
/// the same with values.
///
/// # Examples
///
/// ```
/// use framewise::panics::{self, Handled};
///
/// # std::panic::set_hook(Box::new(|_| ())); // no noise
/// framewise::block_on(async {
///     let (failed, failures) = async_channel::unbounded();
///     let zone = panics::handle(move |error| {
///         failed.try_send(error.to_string()).expect("the receiver is there");
///         Handled::Yes
///     });
///     let job = zone.scope(async {
///         drop(framewise::spawn(async { panic!("no such order") }));
///         7
///     });
///     assert_eq!(job.await, 7);
///     assert_eq!(failures.recv().await.as_deref(), Ok("the task panicked: no such order"));
/// });
/// ```
#[must_use = "futures and streams do nothing unless polled"]
pub struct HandlerScope<F>(DerivedScope<F, Handlers, PanicHandler>);

impl<F> HandlerScope<F> {
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub(super) fn new(handler: PanicHandler, inner: F) -> Self {
        Self(DerivedScope::new(&HANDLERS, handler, inner))
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut DerivedScope<F, Handlers, PanicHandler>> {
        // SAFETY: the only field is pinned with the scope, and never moved out.
        unsafe { self.map_unchecked_mut(|scope| &mut scope.0) }
    }
}

impl<F: Future> Future for HandlerScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.inner().poll(cx)
    }
}

impl<S: Stream> Stream for HandlerScope<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.inner().poll_next(cx)
    }

    /// Runs in the caller's frame.
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<F: fmt::Debug> fmt::Debug for HandlerScope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HandlerScope").field(&self.0).finish()
    }
}
