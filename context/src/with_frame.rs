//! `WithFrame`: a value paired with the frame in which it was made (C-55). The value is dropped in
//! that frame, unless it was taken out; the callbacks of [`wrap`](crate::wrap) are built on it.

use std::fmt;
use std::mem::ManuallyDrop;

use crate::Frame;
use crate::scope::FrameScope;

/// A value paired with the frame in which it was made, for example a message with its sender's
/// frame.
///
/// A task that receives a message runs in its own frame, which is usually right. Sometimes the work
/// is the sender's and is only performed by another task: a logger, a batcher, an actor that
/// accounts to its callers. Then the sender pairs the message with its frame, and the receiver
/// chooses when to run in that frame.
///
/// It holds the frame, and so all its values, until it is opened or dropped, like a snapshot. It
/// also carries the variables that are [not inherited](crate::ContextVar::not_inherited);
/// [`in_frame`](Self::in_frame) and [`Frame::inherited`] omit them.
///
/// # Frame
///
/// If it is dropped unopened, for example in a channel that is dropped, the value is dropped in its
/// frame.
///
/// # Examples
///
/// An actor that works for its callers:
///
/// ```
/// use framewise_context::{ContextVar, WithFrame};
/// use std::sync::mpsc;
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// let (sender, receiver) = mpsc::channel::<WithFrame<&str>>();
/// let actor = std::thread::spawn(move || {
///     // The actor's own frame: no bindings.
///     assert_eq!(REQUEST_ID.get(), None);
///     let mut log = Vec::new();
///     for message in receiver {
///         let line = message.run(|text| format!("{:?} {text}", REQUEST_ID.get()));
///         log.push(line);
///     }
///     log
/// });
///
/// REQUEST_ID.run(7, || sender.send(WithFrame::new("paid"))).unwrap();
/// REQUEST_ID.run(8, || sender.send(WithFrame::new("rejected"))).unwrap();
/// drop(sender);
/// assert_eq!(actor.join().unwrap(), ["Some(7) paid", "Some(8) rejected"]);
/// ```
pub struct WithFrame<T> {
    frame: Frame,
    /// Initialized until `self` is dropped or `into_parts` takes it.
    value: ManuallyDrop<T>,
}

impl<T> WithFrame<T> {
    /// Pairs a value with the current frame.
    #[inline]
    pub fn new(value: T) -> Self {
        Self::in_frame(Frame::current(), value)
    }

    /// Pairs a value with the given frame.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, Frame, WithFrame};
    /// static LOCK: ContextVar<u64> = ContextVar::new("lock").not_inherited();
    ///
    /// let message = LOCK.run(1, || WithFrame::in_frame(Frame::current().inherited(), "paid"));
    /// assert_eq!(message.run(|text| (text, LOCK.get())), ("paid", None));
    /// ```
    #[inline]
    pub fn in_frame(frame: Frame, value: T) -> Self {
        Self {
            frame,
            value: ManuallyDrop::new(value),
        }
    }

    /// Returns the frame in which the value was made.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Returns a reference to the value. The caller's frame stays current.
    pub fn get_ref(&self) -> &T {
        &self.value
    }

    /// Returns a mutable reference to the value. The caller's frame stays current.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    /// Returns the value and the frame in which it was made. From then on the value is dropped in
    /// the frame of the code that drops it.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, WithFrame};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let message = REQUEST_ID.run(7, || WithFrame::new("paid"));
    /// let (text, frame) = message.into_parts();
    /// assert_eq!(text, "paid");
    /// assert_eq!(frame.run(|| REQUEST_ID.get()), Some(7));
    /// ```
    #[inline]
    pub fn into_parts(self) -> (T, Frame) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: each field is taken once: `this` is never dropped.
        unsafe {
            (
                ManuallyDrop::take(&mut this.value),
                std::ptr::read(&this.frame),
            )
        }
    }

    /// Calls `open` with the value, in the frame in which it was made, and restores the caller's
    /// frame afterwards, also if `open` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, WithFrame};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let message = REQUEST_ID.run(7, || WithFrame::new("paid"));
    /// assert_eq!(message.run(|text| (text, REQUEST_ID.get())), ("paid", Some(7)));
    /// assert_eq!(REQUEST_ID.get(), None);
    /// ```
    #[inline]
    pub fn run<R>(self, open: impl FnOnce(T) -> R) -> R {
        let (value, frame) = self.into_parts();
        frame.run(|| open(value))
    }

    /// Makes a future of the value: `open` is called with the value, and its future is polled and
    /// dropped, in the frame in which the value was made.
    ///
    /// ```
    /// use framewise_context::{ContextVar, WithFrame};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let message = REQUEST_ID.run(7, || WithFrame::new("paid"));
    /// let work = message.scope(|text| async move { (text, REQUEST_ID.get()) });
    /// assert_eq!(futures::executor::block_on(work), ("paid", Some(7)));
    /// ```
    #[inline]
    pub fn scope<F: Future>(self, open: impl FnOnce(T) -> F) -> FrameScope<F> {
        let (value, frame) = self.into_parts();
        let future = frame.run(|| open(value));
        frame.scope(future)
    }

    /// Calls `with` with the value, in the frame in which it was made, without taking it out.
    #[inline]
    pub(crate) fn enter<R>(&mut self, with: impl FnOnce(&mut T) -> R) -> R {
        let Self { frame, value } = self;
        frame.run(|| with(value))
    }
}

impl<T> Drop for WithFrame<T> {
    #[inline]
    fn drop(&mut self) {
        let Self { frame, value } = self;
        // SAFETY: dropped here and nowhere else; `into_parts` forgets `self`.
        frame.run(|| unsafe { ManuallyDrop::drop(value) });
    }
}

/// Both have the same frame; the value is cloned in it.
impl<T: Clone> Clone for WithFrame<T> {
    fn clone(&self) -> Self {
        let value = self.frame.run(|| T::clone(&self.value));
        Self::in_frame(self.frame.clone(), value)
    }
}

impl<T: fmt::Debug> fmt::Debug for WithFrame<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithFrame")
            .field("frame", &self.frame)
            .field("value", &*self.value)
            .finish()
    }
}
