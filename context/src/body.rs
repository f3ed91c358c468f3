//! The scopes as HTTP bodies (C-89). The types are defined in [`scope`](crate::scope).
//!
//! The task that drives a connection polls its bodies, at the root or in another request's frame.
//! This file knows `http_body::Body` and nothing else of HTTP; the layers that wrap the bodies of
//! whole servers and clients are in `tower.rs`.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame as BodyFrame, SizeHint};

use crate::bind::{BindingList, Bindings, Bound};
use crate::frame_stats::BindLocation;
use crate::scope::{FrameScope, Scope};
use crate::{ContextVar, Frame, bind};

impl Frame {
    /// Wraps an HTTP body so that its polls, its size hints and its drop run in exactly this frame,
    /// whichever task sends it. Trailers are part of the body.
    ///
    /// The layers of [`tower`](crate::tower) (feature `tower`) do this for every response of a
    /// server and every request of a client.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytes::Bytes;
    /// use framewise_context::{ContextVar, Frame};
    /// use futures::{StreamExt, stream};
    /// use http_body_util::{BodyExt, StreamBody};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// /// Produced while it is sent.
    /// fn body() -> impl http_body::Body<Data = Bytes, Error = std::convert::Infallible> {
    ///     StreamBody::new(stream::iter(0..2).map(|_| {
    ///         let text = format!("{:?} ", REQUEST_ID.get());
    ///         Ok(http_body::Frame::data(Bytes::from(text)))
    ///     }))
    /// }
    /// # fn send(body: impl http_body::Body<Data = Bytes, Error = std::convert::Infallible>) -> String {
    /// #     let body = futures::executor::block_on(body.collect()).unwrap().to_bytes();
    /// #     String::from_utf8(body.to_vec()).unwrap()
    /// # }
    ///
    /// let (plain, scoped) = REQUEST_ID.run(7, || (body(), Frame::current().scope_body(body())));
    /// // Sent by the connection's task, at the root:
    /// assert_eq!(send(plain), "None None ");
    /// assert_eq!(send(scoped), "Some(7) Some(7) ");
    /// ```
    #[inline]
    pub fn scope_body<B: Body>(self, body: B) -> FrameScope<B> {
        FrameScope::new(self, body)
    }
}

impl<L: BindingList> Bindings<L> {
    /// Wraps an HTTP body so that it is polled and dropped under these bindings; see [`Scope`].
    #[inline]
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn scope_body<B: Body>(self, body: B) -> Scope<B, L> {
        Scope::new(self.list, body, BindLocation::here())
    }
}

impl<T: Send + Sync + 'static> ContextVar<T> {
    /// Wraps an HTTP body so that it is polled and dropped with this variable bound to `value`; see
    /// [`Scope`].
    #[inline]
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn scope_body<B: Body>(&'static self, value: T, body: B) -> Scope<B, Bound<T>> {
        bind(self, value).scope_body(body)
    }
}

impl<B: Body> Body for FrameScope<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<B::Data>, B::Error>>> {
        self.enter(|inner| inner.poll_frame(cx))
    }

    /// Runs in the frame.
    #[inline]
    fn is_end_stream(&self) -> bool {
        self.frame().run(|| self.inner().is_end_stream())
    }

    /// Runs in the frame.
    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.frame().run(|| self.inner().size_hint())
    }
}

impl<B: Body, L: BindingList> Body for Scope<B, L> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<B::Data>, B::Error>>> {
        self.enter(|inner| inner.poll_frame(cx))
    }

    /// Runs in the caller's frame: a hint derives no frame.
    fn is_end_stream(&self) -> bool {
        self.inner().is_end_stream()
    }

    /// Runs in the caller's frame: a hint derives no frame.
    fn size_hint(&self) -> SizeHint {
        self.inner().size_hint()
    }
}
