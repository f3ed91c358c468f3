//! The ids of frames, in batches: a thread takes many at once.

use super::door::{AtomicU64, Ordering, constructor};

/// Ids that a thread takes at once.
pub const ID_BATCH: u64 = 1024;

/// The first id of the next batch.
pub struct Batches(AtomicU64);

impl Batches {
    constructor! {
        /// None is taken.
        pub fn new() -> Self {
            Self(AtomicU64::new(0))
        }
    }

    /// Takes a batch: its first id, which is a multiple of [`ID_BATCH`].
    #[inline]
    pub fn take(&self) -> u64 {
        // Ordering: Relaxed. The ids have only to differ.
        self.0.fetch_add(ID_BATCH, Ordering::Relaxed)
    }
}
