//! Callbacks that run in a held frame: a function in an envelope.

use crate::Frame;
use crate::envelope::Framed;
use crate::scope::FrameScope;

impl Frame {
    /// Wraps a callback so that each of its calls, and its end, happen in this frame.
    ///
    /// Wrapping what is wrapped already changes nothing: the first frame holds.
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
        let mut wrapped = Framed::with_frame(self, call);
        move || wrapped.enter(|call| call())
    }

    /// Wraps a callback that is called once.
    ///
    /// ```
    /// use framewise_context::{ContextVar, Frame};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let job = REQUEST_ID.run(7, || Frame::current().wrap_once(|| REQUEST_ID.get()));
    /// assert_eq!(std::thread::spawn(job).join().unwrap(), Some(7));
    /// ```
    pub fn wrap_once<F: FnOnce() -> R, R>(self, call: F) -> impl FnOnce() -> R + use<F, R> {
        let wrapped = Framed::with_frame(self, call);
        move || wrapped.run(|call| call())
    }

    /// Wraps a callback that takes an argument.
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
        let mut wrapped = Framed::with_frame(self, call);
        move |argument| wrapped.enter(|call| call(argument))
    }

    /// Wraps a callback that is called once and returns a future: the call happens in this frame,
    /// and the future is polled and dropped in it.
    ///
    /// For libraries that spawn by themselves what a callback returns, such as the `on_upgrade` of
    /// axum's WebSockets, whose task is tokio's:
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
        let wrapped = Framed::with_frame(self, call);
        move |argument| wrapped.scope(|call| call(argument))
    }
}
