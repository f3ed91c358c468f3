//! What the tests share: values that say when they are dropped.
#![allow(dead_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts drops of the [`Tracked`] made by it.
#[derive(Clone, Default)]
pub(crate) struct Drops(Arc<AtomicUsize>);

impl Drops {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn tracked(&self) -> Tracked {
        Tracked {
            drops: self.clone(),
        }
    }
}

/// A value that counts its drop.
pub(crate) struct Tracked {
    drops: Drops,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.drops.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Calls a closure when dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A closure to call on drop that can be a context value.
pub(crate) type DropCall = OnDrop<Box<dyn FnMut() + Send + Sync>>;

pub(crate) fn on_drop(call: impl FnMut() + Send + Sync + 'static) -> DropCall {
    OnDrop(Box::new(call))
}

/// Runs `body` and says whether it panicked.
pub(crate) fn panics(body: impl FnOnce()) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).is_err()
}
