//! The keys of an account, each with its tally, up to a limit.
//!
//! Owns which keys have a tally of their own, and where the counts of a key go that is let go. The
//! values' `Hash`, `Eq`, `Clone` and `Drop` are user code: none of them runs under the lock.
//!
//! # A key's life
//!
//! ```text
//!            find                    evict                       fold
//! (unknown) ------> in the table ------------> retired ----------------> part of "other"
//!                   tally shown      value dropped,        no thread and no memory
//!                   under its key    tally counted         refers to the tally: its counts
//!                                    as "other"            are added up, and it is freed
//! ```
//!
//! A thread may still write to a retired tally: it found it just before, or it has it in its cache.
//! So the counts are folded only by the last holder of the tally, which `Arc` makes known: nothing
//! is lost, and nothing is counted twice.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::mem;

use framewise_sync::{Arc, Mutex};

use super::clock::AccountTicks;
use super::tally::{Sums, Tally};

/// A key that has a tally of its own.
pub(crate) struct KeyEntry<T> {
    pub(crate) value: T,
    pub(crate) tally: Arc<Tally>,
}

/// The keys of one account.
pub(crate) struct KeyTable<T> {
    limit: usize,
    workers: usize,
    hasher: RandomState,
    state: Mutex<TableState<T>>,
}

struct TableState<T> {
    /// By hash. Two keys in one list are a rare accident.
    entries: HashMap<u64, Vec<Arc<KeyEntry<T>>>>,
    len: usize,
    /// Changes with the entries.
    version: u64,
    /// Tallies of keys that were let go, while they may still be written to.
    retired: Vec<Arc<Tally>>,
    /// The counts of those that cannot.
    folded: Sums,
}

/// The tallies of a table at one moment.
pub(crate) struct TableLines<T> {
    pub(crate) entries: Vec<Arc<KeyEntry<T>>>,
    retired: Vec<Arc<Tally>>,
    folded: Sums,
}

impl<T: Hash + Eq + Clone> KeyTable<T> {
    pub(crate) fn new(limit: usize, workers: usize) -> Self {
        Self {
            limit,
            workers,
            hasher: RandomState::new(),
            state: Mutex::new(TableState {
                entries: HashMap::new(),
                len: 0,
                version: 0,
                retired: Vec::new(),
                folded: Sums::new(),
            }),
        }
    }

    /// Returns the tally of a key, and adds it if necessary. `None` if there is no room.
    ///
    /// A full table lets go of the key that was looked up longest ago among those that have no live
    /// task.
    pub(crate) fn find(&self, value: &T, now: AccountTicks) -> Option<Arc<Tally>> {
        let hash = self.hasher.hash_one(value);
        let mut entry = None;
        loop {
            let (candidates, version) = {
                let state = self.state.lock();
                let candidates = state.entries.get(&hash).cloned().unwrap_or_default();
                (candidates, state.version)
            };
            let found = candidates.iter().find(|entry| entry.value == *value);
            if let Some(found) = found {
                found.tally.touch(now);
                return Some(Arc::clone(&found.tally));
            }
            let new = entry.get_or_insert_with(|| {
                let tally = Arc::new(Tally::new(self.workers));
                tally.touch(now);
                let value = value.clone();
                Arc::new(KeyEntry { value, tally })
            });
            let mut state = self.state.lock();
            if state.version != version {
                // Another thread may have added this very key.
                continue;
            }
            let evicted = if state.len < self.limit {
                None
            } else {
                Some(state.evict()?)
            };
            state.insert(hash, Arc::clone(new));
            drop(state);
            // User code, like `entry` where the loop was left without an insertion.
            drop(evicted);
            return Some(Arc::clone(&new.tally));
        }
    }
}

impl<T> KeyTable<T> {
    /// Returns what there is to read.
    pub(crate) fn lines(&self) -> TableLines<T> {
        let mut state = self.state.lock();
        state.fold();
        TableLines {
            entries: state.entries.values().flatten().cloned().collect(),
            retired: state.retired.clone(),
            folded: state.folded.clone(),
        }
    }
}

#[cfg(any(test, framewise_loom, framewise_shuttle))]
impl<T> KeyTable<T> {
    /// Returns the number of tallies that were let go and are still there.
    pub(crate) fn retired(&self) -> usize {
        self.state.lock().retired.len()
    }
}

impl<T> TableState<T> {
    fn insert(&mut self, hash: u64, entry: Arc<KeyEntry<T>>) {
        self.entries.entry(hash).or_default().push(entry);
        self.len += 1;
        self.version += 1;
    }

    /// Takes a key out that has no live task. The caller drops it without the lock.
    fn evict(&mut self) -> Option<Arc<KeyEntry<T>>> {
        let (hash, index) = {
            let all = self.entries.iter().flat_map(|(hash, list)| {
                let with_index = list.iter().enumerate();
                with_index.map(move |(index, entry)| (*hash, index, entry))
            });
            let idle = all.filter(|(_, _, entry)| entry.tally.live_tasks() == 0);
            let (hash, index, _) = idle.min_by_key(|(_, _, entry)| entry.tally.last_used())?;
            (hash, index)
        };
        let list = self.entries.get_mut(&hash)?;
        let entry = list.swap_remove(index);
        if list.is_empty() {
            self.entries.remove(&hash);
        }
        self.len -= 1;
        self.version += 1;
        entry.tally.retire();
        self.retired.push(Arc::clone(&entry.tally));
        self.fold();
        Some(entry)
    }

    /// Adds up the counts of the retired tallies to which nothing refers any more.
    fn fold(&mut self) {
        for mut tally in mem::take(&mut self.retired) {
            // `get_mut` acquires what the holders before have released.
            if Arc::get_mut(&mut tally).is_some() && !tally.has_bytes() {
                self.folded.add(&tally);
            } else {
                self.retired.push(tally);
            }
        }
    }
}

impl<T> TableLines<T> {
    /// Returns the counts of the keys that were let go.
    pub(crate) fn let_go(&self) -> Sums {
        let mut sums = self.folded.clone();
        for tally in &self.retired {
            sums.add(tally);
        }
        sums
    }
}

impl<T> Drop for TableState<T> {
    fn drop(&mut self) {
        for tally in mem::take(&mut self.retired) {
            release(tally);
        }
        for entry in mem::take(&mut self.entries).into_values().flatten() {
            match Arc::try_unwrap(entry) {
                Ok(entry) => release(entry.tally),
                Err(shared) => release(Arc::clone(&shared.tally)),
            }
        }
    }
}

/// Gives up a table's or ledger's share in a tally. With the allocator of
/// [`allocator`](super::allocator), the memory of the tally stays if blocks may refer to it.
pub(crate) fn release(mut tally: Arc<Tally>) {
    if super::allocator::is_installed() && (Arc::get_mut(&mut tally).is_none() || tally.has_bytes())
    {
        mem::forget(tally);
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
