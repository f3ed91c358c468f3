//! Callbacks that run in a held frame.

use std::mem::ManuallyDrop;

use crate::Frame;

/// A closure that is called and dropped in its frame.
struct Wrapped<F> {
    frame: Frame,
    /// There until the wrapper is dropped or `into_parts` takes it.
    call: ManuallyDrop<F>,
}

impl<F> Wrapped<F> {
    fn new(frame: Frame, call: F) -> Self {
        Self {
            frame,
            call: ManuallyDrop::new(call),
        }
    }

    fn into_parts(self) -> (Frame, F) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: each field is taken once: `this` is dropped by nobody.
        unsafe {
            (
                std::ptr::read(&this.frame),
                ManuallyDrop::take(&mut this.call),
            )
        }
    }
}

impl<F> Drop for Wrapped<F> {
    fn drop(&mut self) {
        let Wrapped { frame, call } = self;
        // SAFETY: dropped here and nowhere else; `into_parts` forgets the wrapper.
        frame.run(|| unsafe { ManuallyDrop::drop(call) });
    }
}

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
        let mut wrapped = Wrapped::new(self, call);
        move || {
            let Wrapped { frame, call } = &mut wrapped;
            frame.run(&mut **call)
        }
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
        let wrapped = Wrapped::new(self, call);
        move || {
            let (frame, call) = wrapped.into_parts();
            frame.run(call)
        }
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
        let mut wrapped = Wrapped::new(self, call);
        move |argument| {
            let Wrapped { frame, call } = &mut wrapped;
            frame.run(|| call(argument))
        }
    }
}
