//! A ring of one place between one producer and one consumer.

use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::cell::UnsafeCell;

/// A ring with room for one value at a time.
#[derive(Debug)]
pub struct Ring<T> {
    /// How many values were pushed. Written by the producer.
    tail: AtomicUsize,
    /// How many values were taken. Written by the consumer.
    head: AtomicUsize,
    place: UnsafeCell<Option<T>>,
}

// SAFETY: the place is the producer's while the counts are equal, and the consumer's while not.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    /// An empty ring.
    #[expect(clippy::new_without_default, reason = "an example")]
    pub fn new() -> Self {
        Self {
            tail: AtomicUsize::new(0),
            head: AtomicUsize::new(0),
            place: UnsafeCell::new(None),
        }
    }

    /// Puts a value in. Called by one thread only.
    ///
    /// # Errors
    ///
    /// The value, where the ring is full.
    pub fn push(&self, value: T) -> Result<(), T> {
        // Ordering: Relaxed. This thread wrote it.
        let tail = self.tail.load(Ordering::Relaxed);
        // Ordering: Acquire, pairs with pop: the consumer has left the place.
        if self.head.load(Ordering::Acquire) != tail {
            return Err(value);
        }
        // SAFETY: the place is the producer's.
        self.place.with_mut(|place| unsafe { *place = Some(value) });
        // Ordering: Release, pairs with pop; publishes the value.
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        Ok(())
    }

    /// Takes a value out, if there is one. Called by one thread only.
    pub fn pop(&self) -> Option<T> {
        // Ordering: Relaxed. This thread wrote it.
        let head = self.head.load(Ordering::Relaxed);
        // Ordering: Acquire, pairs with push: the value is there.
        if self.tail.load(Ordering::Acquire) == head {
            return None;
        }
        // SAFETY: the place is the consumer's.
        let value = self.place.with_mut(|place| unsafe { (*place).take() });
        // Ordering: Release, pairs with push; publishes that the place is empty.
        self.head.store(head.wrapping_add(1), Ordering::Release);
        value
    }
}
