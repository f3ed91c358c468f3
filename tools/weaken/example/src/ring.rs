//! A ring of one slot between one producer and one consumer.

use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::cell::UnsafeCell;

/// A ring that holds at most one value.
#[derive(Debug)]
pub struct Ring<T> {
    /// The number of pushed values. The producer writes it.
    tail: AtomicUsize,
    /// The number of popped values. The consumer writes it.
    head: AtomicUsize,
    slot: UnsafeCell<Option<T>>,
}

// SAFETY: only the producer accesses the slot while the counts are equal, and only the consumer
// while they differ.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    /// Creates an empty ring.
    #[expect(clippy::new_without_default, reason = "an example")]
    pub fn new() -> Self {
        Self {
            tail: AtomicUsize::new(0),
            head: AtomicUsize::new(0),
            slot: UnsafeCell::new(None),
        }
    }

    /// Pushes a value. Only one thread may call it.
    ///
    /// # Errors
    ///
    /// Returns the value if the ring is full.
    pub fn push(&self, value: T) -> Result<(), T> {
        // Ordering: Relaxed. This thread wrote it.
        let tail = self.tail.load(Ordering::Relaxed);
        // Ordering: Acquire, pairs with pop: the consumer has left the slot.
        if self.head.load(Ordering::Acquire) != tail {
            return Err(value);
        }
        // SAFETY: the counts are equal, so the slot belongs to the producer.
        self.slot.with_mut(|slot| unsafe { *slot = Some(value) });
        // Ordering: Release, pairs with pop; publishes the value.
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        Ok(())
    }

    /// Pops a value, if there is one. Only one thread may call it.
    pub fn pop(&self) -> Option<T> {
        // Ordering: Relaxed. This thread wrote it.
        let head = self.head.load(Ordering::Relaxed);
        // Ordering: Acquire, pairs with push: the value is visible.
        if self.tail.load(Ordering::Acquire) == head {
            return None;
        }
        // SAFETY: the counts differ, so the slot belongs to the consumer.
        let value = self.slot.with_mut(|slot| unsafe { (*slot).take() });
        // Ordering: Release, pairs with push; publishes that the slot is empty.
        self.head.store(head.wrapping_add(1), Ordering::Release);
        value
    }
}
