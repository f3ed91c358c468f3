//! `Framed`: a value together with the frame in which it was made (C-55). What is inside ends where
//! it was made, opened or not; the callbacks of [`wrap`](crate::wrap) are built on it.

use std::fmt;
use std::mem::ManuallyDrop;

use crate::Frame;
use crate::scope::FrameScope;

/// A value together with the frame in which it was made: an envelope for a message.
///
/// Who receives a message runs in its own frame, and that is what it should do. Where the work is
/// the sender's, which only happens to be done by another task (a logger, a batcher, an actor that
/// charges its callers), the sender puts the message into an envelope, and the receiver opens it in
/// the frame of its choice.
///
/// It holds the frame, as a snapshot does, and thus all its values, until it is opened or dropped.
/// It also carries the variables that are
/// [not inherited](crate::ContextVar::not_inherited); [`with_frame`](Self::with_frame) and
/// [`Frame::inherited`] leave them out.
///
/// # Frame
///
/// A value that is dropped in its envelope, such as one that is still in a channel when the channel
/// ends, is dropped in the envelope's frame.
///
/// # Examples
///
/// An actor that works for its callers:
///
/// ```
/// use framewise_context::{ContextVar, Framed};
/// use std::sync::mpsc;
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// let (sender, receiver) = mpsc::channel::<Framed<&str>>();
/// let actor = std::thread::spawn(move || {
///     // Its own frame: none.
///     assert_eq!(REQUEST_ID.get(), None);
///     let mut log = Vec::new();
///     for message in receiver {
///         let line = message.run(|text| format!("{:?} {text}", REQUEST_ID.get()));
///         log.push(line);
///     }
///     log
/// });
///
/// REQUEST_ID.run(7, || sender.send(Framed::new("paid"))).unwrap();
/// REQUEST_ID.run(8, || sender.send(Framed::new("refused"))).unwrap();
/// drop(sender);
/// assert_eq!(actor.join().unwrap(), ["Some(7) paid", "Some(8) refused"]);
/// ```
pub struct Framed<T> {
    frame: Frame,
    /// There until the envelope is dropped or `into_parts` takes it.
    value: ManuallyDrop<T>,
}

impl<T> Framed<T> {
    /// Puts a value into an envelope with the current frame.
    #[inline]
    pub fn new(value: T) -> Self {
        Self::with_frame(Frame::current(), value)
    }

    /// Puts a value into an envelope with a frame of one's choice.
    #[inline]
    pub fn with_frame(frame: Frame, value: T) -> Self {
        Self {
            frame,
            value: ManuallyDrop::new(value),
        }
    }

    /// The frame in which the value was made.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The value. It is looked at in the caller's frame.
    pub fn get_ref(&self) -> &T {
        &self.value
    }

    /// The value, to be changed. That happens in the caller's frame.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    /// Opens the envelope: the value, and the frame in which it was made. From here on the value is
    /// dropped wherever its taker drops it.
    #[inline]
    pub fn into_parts(self) -> (T, Frame) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: each field is taken once: `this` is dropped by nobody.
        unsafe {
            (
                ManuallyDrop::take(&mut this.value),
                std::ptr::read(&this.frame),
            )
        }
    }

    /// Opens the envelope and calls `open` with the value, in the frame in which it was made;
    /// afterwards the caller's frame is current again, also if `open` panics.
    #[inline]
    pub fn run<R>(self, open: impl FnOnce(T) -> R) -> R {
        let (value, frame) = self.into_parts();
        frame.run(|| open(value))
    }

    /// Opens the envelope for a future: `open` is called with the value, and its future is polled
    /// and dropped, in the frame in which the value was made.
    ///
    /// ```
    /// use framewise_context::{ContextVar, Framed};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let message = REQUEST_ID.run(7, || Framed::new("paid"));
    /// let work = message.scope(|text| async move { (text, REQUEST_ID.get()) });
    /// assert_eq!(futures::executor::block_on(work), ("paid", Some(7)));
    /// ```
    #[inline]
    pub fn scope<F: Future>(self, open: impl FnOnce(T) -> F) -> FrameScope<F> {
        let (value, frame) = self.into_parts();
        let future = frame.run(|| open(value));
        frame.scope(future)
    }

    /// Calls `with` with the value, in the frame in which it was made, and leaves it inside.
    #[inline]
    pub(crate) fn enter<R>(&mut self, with: impl FnOnce(&mut T) -> R) -> R {
        let Self { frame, value } = self;
        frame.run(|| with(value))
    }
}

impl<T> Drop for Framed<T> {
    #[inline]
    fn drop(&mut self) {
        let Self { frame, value } = self;
        // SAFETY: dropped here and nowhere else; `into_parts` forgets the envelope.
        frame.run(|| unsafe { ManuallyDrop::drop(value) });
    }
}

/// Both have the frame; the value is cloned in it.
impl<T: Clone> Clone for Framed<T> {
    fn clone(&self) -> Self {
        let value = self.frame.run(|| T::clone(&self.value));
        Self::with_frame(self.frame.clone(), value)
    }
}

impl<T: fmt::Debug> fmt::Debug for Framed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framed")
            .field("frame", &self.frame)
            .field("value", &*self.value)
            .finish()
    }
}
