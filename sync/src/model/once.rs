//! A cell that is written once, over loom's primitives.

use loom::sync::atomic::{AtomicBool, Ordering};

/// Like `std`'s: a thread that sees the value also sees everything that happened before it was
/// written.
#[derive(Debug, Default)]
pub struct OnceLock<T> {
    is_set: AtomicBool,
    writing: loom::sync::Mutex<()>,
    /// `std`'s, so that it lends references. loom runs all threads on one OS thread, so this never
    /// blocks.
    value: std::sync::OnceLock<T>,
}

impl<T> OnceLock<T> {
    /// Makes an empty cell.
    pub fn new() -> Self {
        Self {
            is_set: AtomicBool::new(false),
            writing: loom::sync::Mutex::new(()),
            value: std::sync::OnceLock::new(),
        }
    }

    /// Returns the value, if it is set.
    pub fn get(&self) -> Option<&T> {
        // Ordering: Acquire, pairs with the Release in `get_or_init`: std promises as much.
        let is_set = self.is_set.load(Ordering::Acquire);
        is_set.then(|| self.value.get()).flatten()
    }

    /// Returns the value, and sets it first if the cell is empty. Other callers wait meanwhile.
    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        let writing = self.writing.lock();
        let value = self.value.get_or_init(make);
        // Ordering: Release, pairs with `get`.
        self.is_set.store(true, Ordering::Release);
        drop(writing);
        value
    }
}
