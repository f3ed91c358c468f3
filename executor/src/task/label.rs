//! What a task carries beside its future: nothing, or a name.
//!
//! A type parameter of the task's allocation, so a task without a name is no larger and its code no
//! longer. What else `task::Builder` may give a task belongs here.

use std::sync::Arc;

/// What a task carries.
pub(crate) trait Label: 'static {
    /// `false` if [`name`](Self::name) is `None` for each value of this type.
    const MAY_HAVE_NAME: bool;

    fn name(&self) -> Option<&Arc<str>>;
}

/// Most tasks carry nothing.
impl Label for () {
    const MAY_HAVE_NAME: bool = false;

    fn name(&self) -> Option<&Arc<str>> {
        None
    }
}

/// A task of `task::Builder`.
impl Label for Option<Arc<str>> {
    const MAY_HAVE_NAME: bool = true;

    fn name(&self) -> Option<&Arc<str>> {
        self.as_ref()
    }
}
