//! `ControlWait`: the registration of a wait with the control of its frame.

use std::fmt;
use std::task::Waker;

use framewise_sync::Arc;

use super::ended::Ended;
use super::node::{Entry, Node};
use super::with_node;
use crate::FramedWaker;

/// The registration of one wait with the control of the frame in which it is polled.
///
/// A field of a future or a source. Unused it is a null pointer. A registration keeps the waker
/// like every other wait does: by a [`FramedWaker`], which holds a frame only for an external
/// waker.
#[derive(Default)]
pub struct ControlWait(Option<Registration>);

struct Registration {
    node: Arc<Node>,
    key: usize,
}

impl ControlWait {
    /// Makes one that is not registered.
    #[inline]
    pub const fn new() -> Self {
        Self(None)
    }

    /// Makes sure that `waker` is woken when the current frame's control ends. It is for a wait
    /// that is about to return `Pending`.
    ///
    /// Registering the same waker with the same control again changes nothing.
    ///
    /// # Errors
    ///
    /// Returns the reason if the control has ended. Nothing is registered then.
    #[inline]
    pub fn register(&mut self, waker: &Waker) -> Result<(), Ended> {
        if self.0.is_none() && !super::may_be_bound() {
            return Ok(());
        }
        self.register_bound(waker)
    }

    #[inline(never)]
    fn register_bound(&mut self, waker: &Waker) -> Result<(), Ended> {
        let registered = with_node(|node| match (&self.0, node) {
            (None, None) => Ok(None),
            (Some(own), Some(node)) if Arc::ptr_eq(&own.node, node) => node
                .update(own.key, waker, || FramedWaker::new(waker))
                .map(|replaced| {
                    drop(replaced);
                    None
                }),
            (_, node) => Ok(Some(node.cloned())),
        });
        match registered {
            Ok(None) => Ok(()),
            Ok(Some(other)) => {
                self.clear();
                match other {
                    Some(node) => self.register_first(node, waker),
                    None => Ok(()),
                }
            }
            Err(ended) => {
                self.clear();
                Err(ended)
            }
        }
    }

    fn register_first(&mut self, node: Arc<Node>, waker: &Waker) -> Result<(), Ended> {
        match node.register(Entry::Waker(FramedWaker::new(waker))) {
            Ok(key) => {
                self.0 = Some(Registration { node, key });
                Ok(())
            }
            Err((ended, entry)) => {
                drop(entry);
                Err(ended)
            }
        }
    }

    /// Returns `true` if it is registered.
    pub fn is_registered(&self) -> bool {
        self.0.is_some()
    }

    /// Returns `true` if it is registered with the current frame's control, or neither exists: then
    /// [`register`](Self::register) with the same waker changes nothing.
    #[inline]
    pub fn is_current(&self) -> bool {
        self.0.is_none() && !super::may_be_bound() || self.is_current_bound()
    }

    #[inline(never)]
    fn is_current_bound(&self) -> bool {
        with_node(|node| match (&self.0, node) {
            (Some(own), Some(node)) => Arc::ptr_eq(&own.node, node),
            (own, node) => own.is_none() && node.is_none(),
        })
    }

    /// Returns `true` if it is registered with a control that has ended.
    pub fn has_ended(&self) -> bool {
        let registration = self.0.as_ref();
        registration.is_some_and(|registration| registration.node.check().is_err())
    }

    /// Ends the registration. The waker is dropped, and is not called any more, unless another
    /// thread has begun to call it.
    #[inline]
    pub fn clear(&mut self) {
        if let Some(Registration { node, key }) = self.0.take() {
            drop(node.remove(key));
        }
    }
}

impl Drop for ControlWait {
    #[inline]
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for ControlWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ControlWait")
            .field(&self.is_registered())
            .finish()
    }
}
