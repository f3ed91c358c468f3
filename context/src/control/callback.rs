//! Callbacks that run when a control ends.

use std::fmt;

use framewise_sync::Arc;

use super::ended::Ended;
use super::node::{Control, Entry, Node};
use super::with_node;
use crate::Frame;
use crate::with_frame::WithFrame;

/// A function and the frame in which it was registered.
pub(super) struct Callback(WithFrame<Box<dyn FnOnce() + Send>>);

impl Callback {
    pub(super) fn call(self) {
        self.0.run(|call| call());
    }
}

/// A function that is called once when the work of the registering frame ends. Made by
/// [`on_cancel`](crate::cancel::on_cancel).
///
/// Dropping it withdraws the function. Leaking it leaks the frame, unless the work ends.
#[must_use = "dropping it withdraws the callback"]
pub struct OnCancel(Option<(Arc<Node>, usize)>);

impl Control {
    /// Registers `call`, which runs at the root when this control ends.
    ///
    /// # Errors
    ///
    /// Returns the reason if the control has ended. Then `call` is dropped.
    pub fn watch(&self, call: impl FnOnce() + Send + 'static) -> Result<OnCancel, Ended> {
        let call: Box<dyn FnOnce() + Send> = Box::new(call);
        let call = Callback(WithFrame::in_frame(Frame::root(), call));
        let node = self.node();
        match node.register(Entry::Callback(call)) {
            Ok(key) => Ok(OnCancel(Some((Arc::clone(node), key)))),
            Err((ended, call)) => {
                drop(call);
                Err(ended)
            }
        }
    }
}

impl OnCancel {
    /// Registers `call` with the current frame's control. If that has ended, calls it at once; if
    /// there is none, drops it.
    pub(crate) fn register(call: impl FnOnce() + Send + 'static) -> Self {
        let Some(node) = with_node(|node| node.cloned()) else {
            return Self(None);
        };
        let call: Box<dyn FnOnce() + Send> = Box::new(call);
        let call = Callback(WithFrame::in_frame(Frame::current(), call));
        match node.register(Entry::Callback(call)) {
            Ok(key) => Self(Some((node, key))),
            Err((_, entry)) => {
                if let Entry::Callback(call) = entry {
                    call.call();
                }
                Self(None)
            }
        }
    }

    /// Withdraws the function; returns `true` if that prevents its call.
    ///
    /// After this returns, it does not start any more. It may be running on another thread. The
    /// function is dropped in its frame.
    pub fn withdraw(mut self) -> bool {
        self.take()
    }

    fn take(&mut self) -> bool {
        self.0.take().is_some_and(|(node, key)| {
            let entry = node.remove(key);
            entry.is_some()
        })
    }
}

impl Drop for OnCancel {
    fn drop(&mut self) {
        self.take();
    }
}

impl fmt::Debug for OnCancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnCancel").finish_non_exhaustive()
    }
}
