//! What a task carries beside its future: nothing, or a name; and whether it can be observed.
//!
//! A type parameter of the task's allocation, so a task without a name is no larger and its code no
//! longer. What else `task::Builder` may give a task belongs here.

use std::sync::Arc;

/// What a task carries.
pub(crate) trait Label: 'static {
    /// `false` if [`name`](Self::name) is `None` for each value of this type.
    const MAY_HAVE_NAME: bool;

    /// `false` for the runtime's own tasks, which are not observed.
    const IS_OBSERVABLE: bool = true;

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

/// The label of the runtime's own tasks and calls.
pub(crate) struct Internal;

impl Label for Internal {
    const MAY_HAVE_NAME: bool = false;
    const IS_OBSERVABLE: bool = false;

    fn name(&self) -> Option<&Arc<str>> {
        None
    }
}
