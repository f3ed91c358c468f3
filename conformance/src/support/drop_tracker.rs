//! Drop trackers: whether a value that a frame binds was dropped.

use std::sync::Arc;

use super::Gate;

/// A token that a frame binds. Its [`DropTracker`] observes when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct DropToken {
    _on_last_drop: Arc<OnLastDrop>,
}

/// Observes the drop of a [`DropToken`] and its clones.
#[derive(Debug)]
pub(crate) struct DropTracker(Arc<Gate>);

#[derive(Debug)]
struct OnLastDrop(Arc<Gate>);

impl Drop for OnLastDrop {
    fn drop(&mut self) {
        self.0.open();
    }
}

impl DropTracker {
    /// Makes a token and its tracker.
    pub(crate) fn new() -> (DropToken, DropTracker) {
        let gate = Arc::new(Gate::default());
        let on_last_drop = Arc::new(OnLastDrop(Arc::clone(&gate)));
        (
            DropToken {
                _on_last_drop: on_last_drop,
            },
            DropTracker(gate),
        )
    }

    /// Returns the gate that opens when the last clone of the token is dropped.
    pub(crate) fn dropped(&self) -> Arc<Gate> {
        Arc::clone(&self.0)
    }

    /// Returns `true` if the last clone of the token was dropped.
    pub(crate) fn is_dropped(&self) -> bool {
        self.0.is_open()
    }
}
