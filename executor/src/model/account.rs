//! The keys of an account, for a model of the end of a key's counts.

use framewise_sync::Arc;

use crate::account::key_table::KeyTable;
use crate::account::tally::{Shard, Sums, Tally, Writers};

/// The shipped table, with the workers 0 to 2 and keys that are numbers.
pub struct ModelKeys(KeyTable<u32>);

/// A tally that a thread has found.
pub struct ModelTally(Arc<Tally>);

/// A block that was allocated under a tally.
pub struct ModelBlock(*const Shard);

// SAFETY: a shard is made of atomics, and stays while it has bytes.
unsafe impl Send for ModelBlock {}

impl ModelKeys {
    /// Makes a table with room for one key.
    pub fn with_room_for_one() -> Self {
        Self(KeyTable::new(1, 2))
    }

    /// Looks a key up. `None` if it is other.
    pub fn find(&self, key: u32) -> Option<ModelTally> {
        self.0.find(&key, u64::from(key)).map(ModelTally)
    }

    /// Returns the polls and the bytes of all keys together, those that were let go included.
    pub fn total(&self) -> (u64, u64) {
        let lines = self.0.lines();
        let mut sums = lines.let_go();
        for entry in &lines.entries {
            sums.add(&entry.tally);
        }
        (sums.polls, sums.bytes)
    }

    /// Returns the number of tallies that were let go and are still there.
    pub fn retired(&self) -> usize {
        self.0.retired()
    }
}

impl ModelTally {
    /// Counts a poll, as that worker.
    pub fn poll(&self, worker: usize) {
        Writers::Sole.add(&self.0.shard(worker).polls, 1);
    }

    /// Counts a poll, as a thread that is no worker.
    pub fn poll_outside(&self) {
        Writers::Many.add(&self.0.outside().polls, 1);
    }

    /// Allocates a block of eight bytes, as worker 0.
    pub fn allocate(&self) -> ModelBlock {
        self.0.shard(0).allocated(8);
        ModelBlock(self.0.shard(0))
    }

    /// Returns `true` if the key was let go.
    pub fn is_retired(&self) -> bool {
        self.0.is_retired()
    }

    /// Returns the polls of this tally, without those of others: for a fault on purpose.
    pub fn polls(&self) -> u64 {
        Sums::of(&self.0).polls
    }
}

impl ModelBlock {
    /// Frees the block.
    pub fn free(self) {
        // SAFETY: the shard has the block's bytes.
        unsafe { &*self.0 }.freed(8);
    }
}
