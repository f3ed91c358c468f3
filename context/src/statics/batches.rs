//! The ids of frames: a thread takes a batch of them at once.

use super::facade::{AtomicU64, Ordering, constructor};

/// The number of ids that a thread takes at once.
pub const ID_BATCH: u64 = 1024;

/// The first id of the next batch.
pub struct Batches(AtomicU64);

impl Batches {
    constructor! {
        /// Makes a source of which no id is taken.
        pub fn new() -> Self {
            Self(AtomicU64::new(0))
        }
    }

    /// Takes a batch; returns its first id, which is a multiple of [`ID_BATCH`].
    #[inline]
    pub fn take(&self) -> u64 {
        // Ordering: Relaxed. The ids only have to differ.
        self.0.fetch_add(ID_BATCH, Ordering::Relaxed)
    }
}
