//! The handlers of a frame, the innermost first: a list that each binding prepends one to.

use std::mem;
use std::sync::Arc;

use framewise_context::{ContextVar, Frame};

use super::PanicHandler;

/// The handlers of the current frame.
pub(super) static HANDLERS: ContextVar<Handlers> = ContextVar::new("framewise.panic_handlers");

/// A list of handlers. The empty one is that of a handler which runs and has none outside of it.
#[derive(Clone, Default)]
pub(super) struct Handlers(pub(super) Option<Arc<Link>>);

/// A handler and those outside of it.
pub(super) struct Link {
    pub(super) handler: PanicHandler,
    pub(super) outer: Handlers,
}

impl Handlers {
    /// Returns the handlers of `frame`.
    pub(super) fn of(frame: &Frame) -> Self {
        frame.run(|| HANDLERS.get()).unwrap_or_default()
    }
}

impl PanicHandler {
    /// Returns this handler with those of the current frame outside of it.
    pub(super) fn outside_current(self) -> Handlers {
        let outer = HANDLERS.get().unwrap_or_default();
        Handlers(Some(Arc::new(Link {
            handler: self,
            outer,
        })))
    }
}

/// Drops a long list without recursion.
impl Drop for Link {
    fn drop(&mut self) {
        let mut rest = mem::take(&mut self.outer);
        while let Some(mut link) = rest.0.and_then(Arc::into_inner) {
            rest = mem::take(&mut link.outer);
        }
    }
}
