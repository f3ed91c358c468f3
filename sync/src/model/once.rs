//! A place that is written once, over loom's primitives.

use loom::sync::atomic::{AtomicBool, Ordering};

/// As `std`'s: who sees the value sees what was done before it was written.
#[derive(Debug, Default)]
pub struct OnceLock<T> {
    is_set: AtomicBool,
    writing: loom::sync::Mutex<()>,
    /// `std`'s, so that it lends references. loom has all threads on one, so nobody waits here.
    value: std::sync::OnceLock<T>,
}

impl<T> OnceLock<T> {
    /// An empty place.
    pub fn new() -> Self {
        Self {
            is_set: AtomicBool::new(false),
            writing: loom::sync::Mutex::new(()),
            value: std::sync::OnceLock::new(),
        }
    }

    /// What is there, if something is.
    pub fn get(&self) -> Option<&T> {
        // Ordering: Acquire, pairs with the Release in `get_or_init`: std promises as much.
        let is_set = self.is_set.load(Ordering::Acquire);
        is_set.then(|| self.value.get()).flatten()
    }

    /// What is there, made now if nothing was. Others that come meanwhile wait.
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
