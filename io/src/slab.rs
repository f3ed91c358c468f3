//! Where the driver finds a source by its token.
//!
//! A token is an index and the generation of the slot. A slot that has been given back is
//! quarantined until the driver has looked up the last of the events that it has fetched: an event
//! that was fetched before can therefore never meet a slot's next tenant. The generation is a second
//! line, for what an operating system may report about a source after it has been deregistered;
//! it has 32 bits on 64-bit targets, and with the quarantine its wrap would take 2^32 batches.
//!
//! Plain data, kept under a lock by `crate::handle`. It must not know mio nor what it stores.

const INDEX_BITS: u32 = if usize::BITS >= 64 { 32 } else { 20 };
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;
const GENERATION_MASK: usize = usize::MAX >> INDEX_BITS;

/// The highest index that is handed out; the three above it are the driver's own.
const INDEX_MAX: usize = INDEX_MASK - 3;

/// Where a source is, and as which tenant of the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceKey(usize);

impl SourceKey {
    /// The driver's own key of its waker: never handed out.
    pub const UNPARK: SourceKey = SourceKey(INDEX_MASK);
    /// The driver's own key of its timer: never handed out.
    pub const TIMER: SourceKey = SourceKey(INDEX_MASK - 1);
    /// The driver's own key of the timer that other threads set: never handed out.
    pub const LATE_UNPARK: SourceKey = SourceKey(INDEX_MASK - 2);

    fn new(index: usize, generation: usize) -> Self {
        Self((generation << INDEX_BITS) | index)
    }

    fn index(self) -> usize {
        self.0 & INDEX_MASK
    }

    fn generation(self) -> usize {
        self.0 >> INDEX_BITS
    }

    /// The key as a number that the operating system carries.
    pub fn to_token(self) -> usize {
        self.0
    }

    /// The key from that number.
    pub fn from_token(token: usize) -> Self {
        Self(token)
    }
}

#[derive(Debug)]
struct Slot<T> {
    generation: usize,
    value: Option<T>,
}

/// The slots. See the head of the file.
#[derive(Debug)]
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    vacant: Vec<usize>,
    quarantined: Vec<usize>,
}

impl<T> Slab<T> {
    /// No slots. Allocates nothing.
    pub const fn new() -> Self {
        Self {
            slots: Vec::new(),
            vacant: Vec::new(),
            quarantined: Vec::new(),
        }
    }

    /// Stores a value; `None` when there are more than the tokens can count.
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

    /// The value, unless the key is of an earlier tenant.
    pub fn get(&self, key: SourceKey) -> Option<&T> {
        let slot = self.slots.get(key.index())?;
        if slot.generation == key.generation() {
            slot.value.as_ref()
        } else {
            None
        }
    }

    /// Takes the value out. The slot is used again after the next [`release`](Self::release).
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

    /// Every event that was fetched has found its source or nobody: what was removed before may be used again.
    pub fn release(&mut self) {
        self.vacant.append(&mut self.quarantined);
    }

    /// Every value.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.value.as_ref())
    }

    /// How many values there are.
    #[cfg(any(test, framewise_loom, framewise_shuttle))]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is no value.
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
