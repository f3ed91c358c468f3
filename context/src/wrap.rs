//! Callbacks that run in a held frame: functions paired with a frame.

use crate::Frame;
use crate::scope::FrameScope;
use crate::with_frame::WithFrame;

impl Frame {
    /// Wraps a callback so that each call and its drop run in this frame.
    ///
    /// Wrapping a wrapped callback changes nothing: the first frame wins.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, Frame};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let mut callback = REQUEST_ID.run(7, || Frame::current().wrap(|| REQUEST_ID.get()));
    /// assert_eq!(callback(), Some(7));
    /// assert_eq!(REQUEST_ID.run(8, || callback()), Some(7));
    /// ```
    pub fn wrap<F: FnMut() -> R, R>(self, call: F) -> impl FnMut() -> R + use<F, R> {
        let mut wrapped = WithFrame::in_frame(self, call);
        move || wrapped.enter(|call| call())
    }

    /// Like [`wrap`](Self::wrap), for a callback that is called once.
    ///
    /// ```
    /// use framewise_context::{ContextVar, Frame};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let job = REQUEST_ID.run(7, || Frame::current().wrap_once(|| REQUEST_ID.get()));
    /// assert_eq!(std::thread::spawn(job).join().unwrap(), Some(7));
    /// ```
    pub fn wrap_once<F: FnOnce() -> R, R>(self, call: F) -> impl FnOnce() -> R + use<F, R> {
        let wrapped = WithFrame::in_frame(self, call);
        move || wrapped.run(|call| call())
    }

    /// Like [`wrap`](Self::wrap), for a callback with an argument.
    ///
    /// ```
    /// use framewise_context::{ContextVar, Frame};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let mut add = REQUEST_ID.run(7, || {
    ///     Frame::current().wrap_with(|more: u64| REQUEST_ID.get().unwrap() + more)
    /// });
    /// assert_eq!(add(1), 8);
    /// ```
    pub fn wrap_with<F: FnMut(A) -> R, A, R>(self, call: F) -> impl FnMut(A) -> R + use<F, A, R> {
        let mut wrapped = WithFrame::in_frame(self, call);
        move |argument| wrapped.enter(|call| call(argument))
    }

    /// Wraps a callback that is called once and returns a future: the call runs in this frame, and
    /// the future is polled and dropped in it.
    ///
    /// For libraries that spawn the future of a callback, such as `on_upgrade` of axum's
    /// WebSockets, which spawns it on tokio:
    /// `upgrade.on_upgrade(Frame::current().wrap_async(serve_socket))`.
    ///
    /// ```
    /// use framewise_context::{ContextVar, Frame};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// async fn serve_socket(name: &str) -> (&str, Option<u64>) {
    ///     (name, REQUEST_ID.get())
    /// }
    /// let callback = REQUEST_ID.run(7, || Frame::current().wrap_async(serve_socket));
    /// let served = std::thread::spawn(|| futures::executor::block_on(callback("chat")));
    /// assert_eq!(served.join().unwrap(), ("chat", Some(7)));
    /// ```
    pub fn wrap_async<F, A, R>(self, call: F) -> impl FnOnce(A) -> FrameScope<R> + use<F, A, R>
    where
        F: FnOnce(A) -> R,
        R: Future,
    {
        let wrapped = WithFrame::in_frame(self, call);
        move |argument| wrapped.scope(|call| call(argument))
    }
}
