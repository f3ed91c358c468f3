//! Values of frames, whose uses must not race with their drop and whose drops are counted.

use std::sync::atomic::{AtomicUsize as StdAtomicUsize, Ordering as StdOrdering};

use framewise_sync::cell::UnsafeCell;

/// A value to bind in a frame: reading it and dropping it must not race.
pub struct CountedValue {
    accessed: UnsafeCell<()>,
    drops: std::sync::Arc<StdAtomicUsize>,
}

// SAFETY: the cell holds nothing; loom reports a race of its accesses.
unsafe impl Sync for CountedValue {}

impl CountedValue {
    /// A value whose drop adds one to `drops`.
    pub fn new(drops: &DropCount) -> Self {
        Self {
            accessed: UnsafeCell::new(()),
            drops: std::sync::Arc::clone(&drops.0),
        }
    }

    /// Uses the value.
    pub fn read(&self) {
        self.accessed.with(|_| ());
    }
}

impl Drop for CountedValue {
    fn drop(&mut self) {
        self.accessed.with_mut(|_| ());
        self.drops.fetch_add(1, StdOrdering::SeqCst);
    }
}

/// The number of drops in one execution. It is std's, so that it orders nothing in the model.
#[derive(Clone, Default)]
pub struct DropCount(std::sync::Arc<StdAtomicUsize>);

impl DropCount {
    /// Returns the number of drops.
    pub fn count(&self) -> usize {
        self.0.load(StdOrdering::SeqCst)
    }
}
