//! Callbacks that run when a control ends.

use std::fmt;

use framewise_sync::Arc;

use super::node::{Entry, Node};
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

/// A function that is called once when the control of the registering frame ends, and is withdrawn
/// when this is dropped.
#[must_use = "dropping it withdraws the callback"]
pub struct EndCallback(Option<(Arc<Node>, usize)>);

impl EndCallback {
    /// Registers `call` with the current frame's control. If that has ended, calls it at once; if
    /// there is none, drops it.
    pub fn register(call: impl FnOnce() + Send + 'static) -> Self {
        let Some(node) = with_node(|node| node.map(Arc::clone)) else {
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

    /// Withdraws the callback; returns `true` if it is not called.
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

impl Drop for EndCallback {
    fn drop(&mut self) {
        self.take();
    }
}

impl fmt::Debug for EndCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndCallback").finish_non_exhaustive()
    }
}
