//! Values of frames whose uses and drops a model sees.

use std::sync::atomic::{AtomicUsize as StdAtomicUsize, Ordering as StdOrdering};

use framewise_sync::cell::UnsafeCell;

/// A value that the model watches: reading it and dropping it must not race.
pub struct Probe {
    accessed: UnsafeCell<()>,
    drops: std::sync::Arc<StdAtomicUsize>,
}

// SAFETY: the cell holds nothing; whether its accesses race is what the models ask.
unsafe impl Sync for Probe {}

impl Probe {
    /// A value whose drop is counted there.
    pub fn new(drops: &Drops) -> Self {
        Self {
            accessed: UnsafeCell::new(()),
            drops: std::sync::Arc::clone(&drops.0),
        }
    }

    /// A use of the value.
    pub fn read(&self) {
        self.accessed.with(|_| ());
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.accessed.with_mut(|_| ());
        self.drops.fetch_add(1, StdOrdering::SeqCst);
    }
}

/// Counts the drops of one execution, unseen by the model.
#[derive(Clone, Default)]
pub struct Drops(std::sync::Arc<StdAtomicUsize>);

impl Drops {
    /// How many there were.
    pub fn count(&self) -> usize {
        self.0.load(StdOrdering::SeqCst)
    }
}
