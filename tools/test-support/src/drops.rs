//! Values that report their drop.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use crate::ID;

/// Counts the drops of the [`Tracked`] values that it made.
#[derive(Clone, Default)]
pub struct Drops(Arc<AtomicUsize>);

impl Drops {
    /// Returns how many values were dropped.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Makes a value.
    pub fn tracked(&self) -> Tracked {
        Tracked {
            drops: self.clone(),
        }
    }
}

/// A value that counts its drop.
pub struct Tracked {
    drops: Drops,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.drops.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Calls a closure when it is dropped.
pub struct OnDrop<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A closure that is called on drop and can be a context value.
pub type DropCall = OnDrop<Box<dyn FnMut() + Send + Sync>>;

/// Makes a [`DropCall`].
pub fn on_drop(call: impl FnMut() + Send + Sync + 'static) -> DropCall {
    OnDrop(Box::new(call))
}

/// The entries of drop trackers in order: a label and the value of [`ID`].
#[derive(Clone, Default)]
pub struct Log(Arc<LogState>);

#[derive(Default)]
struct LogState {
    entries: Mutex<Vec<(&'static str, Option<u64>)>>,
    added: Condvar,
}

impl Log {
    /// Adds an entry with the current value of [`ID`].
    pub fn add(&self, label: &'static str) {
        self.0.entries.lock().unwrap().push((label, ID.get()));
        self.0.added.notify_all();
    }

    /// Returns a drop tracker, which adds an entry with the value of [`ID`] when it is dropped.
    pub fn tracker(&self, label: &'static str) -> DropTracker {
        DropTracker {
            log: self.clone(),
            label,
        }
    }

    /// Returns the entries so far.
    pub fn entries(&self) -> Vec<(&'static str, Option<u64>)> {
        self.0.entries.lock().unwrap().clone()
    }

    /// Blocks until there are `count` entries, and returns all.
    pub fn wait(&self, count: usize) -> Vec<(&'static str, Option<u64>)> {
        let mut entries = self.0.entries.lock().unwrap();
        while entries.len() < count {
            entries = self.0.added.wait(entries).unwrap();
        }
        entries.clone()
    }
}

/// A drop tracker: records the frame in which it is dropped.
pub struct DropTracker {
    log: Log,
    label: &'static str,
}

impl Drop for DropTracker {
    fn drop(&mut self) {
        self.log.add(self.label);
    }
}
