//! The table in which the driver finds a source by its token.
//!
//! A token is an index and the slot's **generation**. A slot whose source was removed is in
//! **quarantine** until the driver has looked up all events that it has fetched, so an event that
//! was fetched earlier never reaches the slot's next source. The generation is a second line, for
//! events that an operating system reports after a source was deregistered. It has 32 bits on
//! 64-bit targets, and with the quarantine it would take 2^32 batches to wrap.
//!
//! Plain data, which `crate::handle` keeps behind a lock. It must not know mio nor what it stores.

const INDEX_BITS: u32 = if usize::BITS >= 64 { 32 } else { 20 };
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;
const GENERATION_MASK: usize = usize::MAX >> INDEX_BITS;

/// The highest index of a source; the three above it are the driver's own keys.
const INDEX_MAX: usize = INDEX_MASK - 3;

/// The key of a source: its index and the slot's generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceKey(usize);

impl SourceKey {
    /// The key of the driver's waker.
    pub const UNPARK: SourceKey = SourceKey(INDEX_MASK);
    /// The key of the driver's timer.
    pub const TIMER: SourceKey = SourceKey(INDEX_MASK - 1);
    /// The key of the wake timer, which other threads set.
    pub const WAKE_TIMER: SourceKey = SourceKey(INDEX_MASK - 2);

    fn new(index: usize, generation: usize) -> Self {
        Self((generation << INDEX_BITS) | index)
    }

    fn index(self) -> usize {
        self.0 & INDEX_MASK
    }

    fn generation(self) -> usize {
        self.0 >> INDEX_BITS
    }

    /// Returns the key as the number that the operating system stores with the registration.
    pub fn to_token(self) -> usize {
        self.0
    }

    /// Returns the key of a number that [`to_token`](Self::to_token) returned.
    pub fn from_token(token: usize) -> Self {
        Self(token)
    }
}

#[derive(Debug)]
struct Slot<T> {
    generation: usize,
    value: Option<T>,
}

/// The slots. See the module docs.
#[derive(Debug)]
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    vacant: Vec<usize>,
    quarantined: Vec<usize>,
}

impl<T> Slab<T> {
    /// Creates a table without slots. Allocates nothing.
    pub const fn new() -> Self {
        Self {
            slots: Vec::new(),
            vacant: Vec::new(),
            quarantined: Vec::new(),
        }
    }

    /// Stores a value. Returns `None` if there is no index left.
    pub fn insert(&mut self, value: T) -> Option<SourceKey> {
        if let Some(index) = self.vacant.pop() {
            let slot = &mut self.slots[index];
            slot.value = Some(value);
            return Some(SourceKey::new(index, slot.generation));
        }
        let index = self.slots.len();
        if index > INDEX_MAX {
            return None;
        }
        self.slots.push(Slot {
            generation: 0,
            value: Some(value),
        });
        Some(SourceKey::new(index, 0))
    }

    /// Returns the value, or `None` if it was removed.
    pub fn get(&self, key: SourceKey) -> Option<&T> {
        let slot = self.slots.get(key.index())?;
        if slot.generation == key.generation() {
            slot.value.as_ref()
        } else {
            None
        }
    }

    /// Removes the value. The slot is reused after the next [`release`](Self::release).
    pub fn remove(&mut self, key: SourceKey) -> Option<T> {
        let slot = self.slots.get_mut(key.index())?;
        if slot.generation != key.generation() {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1) & GENERATION_MASK;
        self.quarantined.push(key.index());
        Some(value)
    }

    /// Ends the quarantine of all slots, since all fetched events have been looked up.
    pub fn release(&mut self) {
        self.vacant.append(&mut self.quarantined);
    }

    /// Iterates over the values.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.value.as_ref())
    }

    /// Returns the number of values.
    #[cfg(any(test, framewise_loom, framewise_shuttle))]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Returns `true` if there are no values.
    #[cfg(any(test, framewise_loom, framewise_shuttle))]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
