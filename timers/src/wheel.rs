//! The hierarchical timer wheel: pure data.
//!
//! Owns the mapping from ticks to entries. It knows no clock (callers pass the tick), no lock, no
//! atomics and nothing about its payload (`P`). The [queue](crate::queue) puts it behind a lock.
//! The data structure is Varghese and Lauck's (*Hashed and Hierarchical Timing Wheels*, SOSP 1987,
//! scheme 7); placing an entry by the highest digit that differs from the current time, with a
//! bitmap of occupied slots for each level, is the variant that tokio uses, too.
//!
//! # Shape
//! Eight levels of 64 slots. A tick is written in base 64. An entry sits on the level of the
//! highest digit in which its tick differs from [`elapsed`](Wheel::elapsed), in the slot that this
//! digit names. So a slot is one tick on level 0, 64 ticks on level 1, and so on: 2⁴⁸ ticks in all.
//! (With the feature `test-util` there are eleven levels.) Two properties follow, and the algorithm
//! rests on them:
//!
//! 1. every entry of a level is due before every entry of a higher one;
//! 2. within a level the order of the slots is the order of time, and no slot wraps around: the
//!    occupied slots lie after the digit of `elapsed` (on level 0: at it or after).
//!
//! So the earliest slot is the lowest set bit of the first level that has one. When the time enters
//! a slot of a higher level, its entries are moved to the levels below (*cascade*): at most once
//! per level for each entry, and never for an entry that was canceled before.
//!
//! Each slot stores the earliest tick that was inserted into it, so the wheel's next deadline is
//! the timer's own and not the start of its slot. Canceling does not raise it: it may be too early,
//! never too late.
//!
//! Slots are doubly linked lists of indices into a `slab`: inserting and removing are O(1), in safe
//! code, and the owner of a timer holds a plain [`Key`].

#[cfg(test)]
mod tests;

use std::mem;

use crate::slab::{EntrySlab, NIL};

/// The number of bits of a tick that one level covers.
const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;
/// With the feature `test-util` there are clocks whose ticks are nanoseconds.
const LEVELS: usize = if cfg!(feature = "test-util") { 11 } else { 8 };

/// The last tick of the wheel. An entry with this tick or a later one never fires.
pub(crate) const FAR_TICK: u64 = (1 << TICK_BITS) - 1;

/// The number of bits of a tick: eight levels, or 292 years of nanoseconds.
const TICK_BITS: u32 = if cfg!(feature = "test-util") { 63 } else { 48 };

/// Identifies an entry of one wheel. Keys are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Counts insertions. 64 bits do not wrap, so a stale key never finds another entry.
    serial: u64,
    index: u32,
}

/// The wheel. See the module's documentation.
pub struct Wheel<P> {
    elapsed: u64,
    serial: u64,
    entries: EntrySlab<Entry<P>>,
    levels: Box<[Level; LEVELS]>,
}

#[derive(Clone)]
struct Level {
    /// Bit `n` is set while slot `n` has an entry.
    occupied: u64,
    slots: [Slot; SLOTS],
}

#[derive(Clone, Copy)]
struct Slot {
    head: u32,
    tail: u32,
    /// No entry of the slot is due before this tick. Meaningless while the slot is empty.
    earliest: u64,
}

struct Entry<P> {
    serial: u64,
    when: u64,
    previous: u32,
    next: u32,
    level: u8,
    slot: u8,
    payload: P,
}

const EMPTY_SLOT: Slot = Slot {
    head: NIL,
    tail: NIL,
    earliest: 0,
};
const EMPTY_LEVEL: Level = Level {
    occupied: 0,
    slots: [EMPTY_SLOT; SLOTS],
};

impl<P> Default for Wheel<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> Wheel<P> {
    /// Makes an empty wheel at tick 0.
    pub fn new() -> Self {
        // Built on the heap, because the levels take eight kilobytes.
        let levels = vec![EMPTY_LEVEL; LEVELS].into_boxed_slice();
        let levels = levels
            .try_into()
            .unwrap_or_else(|_| unreachable!("the lengths are equal"));
        Self {
            elapsed: 0,
            serial: 0,
            entries: EntrySlab::new(),
            levels,
        }
    }

    /// Returns the current tick. Entries for this tick or an earlier one are rejected.
    pub fn elapsed(&self) -> u64 {
        self.elapsed
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns `true` if there are no entries.
    #[cfg(any(test, framewise_loom, framewise_shuttle))]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Inserts an entry that is due at tick `when`; returns the payload if that tick has elapsed.
    ///
    /// Entries with the same tick are taken out in insertion order.
    #[inline]
    pub fn insert(&mut self, when: u64, payload: P) -> Result<Key, P> {
        let when = when.min(FAR_TICK);
        if when <= self.elapsed {
            return Err(payload);
        }
        self.serial += 1;
        let serial = self.serial;
        let (level, slot) = place(self.elapsed, when);
        let entry = Entry {
            serial,
            when,
            previous: self.slot(level, slot).tail,
            next: NIL,
            level,
            slot,
            payload,
        };
        let index = self.entries.insert(entry);
        self.append(index, when, level, slot);
        Ok(Key { serial, index })
    }

    /// Takes an entry out before its deadline; `None` if it is no longer in the wheel.
    #[inline]
    pub fn remove(&mut self, key: Key) -> Option<P> {
        let entry = self
            .entries
            .remove_if(key.index, |entry| entry.serial == key.serial)?;
        Some(self.unlink(entry))
    }

    /// Returns an entry's payload, while the entry is in the wheel.
    pub fn get(&self, key: Key) -> Option<&P> {
        let entry = self.entries.get(key.index)?;
        (entry.serial == key.serial).then_some(&entry.payload)
    }

    /// Returns a mutable reference to an entry's payload, while the entry is in the wheel.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut P> {
        let entry = self.entries.get_mut(key.index)?;
        (entry.serial == key.serial).then_some(&mut entry.payload)
    }

    /// Returns a tick before which nothing is due; `None` if nothing ever will be.
    ///
    /// It is the next entry's own tick, unless that entry was canceled meanwhile.
    pub fn next_deadline(&self) -> Option<u64> {
        let (level, slot) = self.first_slot()?;
        let earliest = self.levels[level].slots[slot].earliest;
        (earliest < FAR_TICK).then_some(earliest)
    }

    /// Like [`next_deadline`](Self::next_deadline), but exact. Visits the entries of one slot.
    #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
    pub(crate) fn next_entry(&self) -> Option<u64> {
        let (level, slot) = self.first_slot()?;
        let entry = |index| self.entries.get(index);
        let head = entry(self.levels[level].slots[slot].head);
        let entries = std::iter::successors(head, |linked| entry(linked.next));
        let earliest = entries.map(|linked| linked.when).min()?;
        (earliest < FAR_TICK).then_some(earliest)
    }

    /// Takes out one entry that is due at tick `now` or earlier.
    ///
    /// Earlier ticks come first. When this returns `None`, the wheel's time has reached `now`. An
    /// earlier `now` changes nothing.
    pub fn pop_due(&mut self, now: u64) -> Option<P> {
        // The last tick never comes: `FAR_TICK` stands for "never".
        let now = now.min(FAR_TICK - 1);
        while let Some((level, slot)) = self.first_slot() {
            let start = self.slot_start(level, slot);
            if start > now {
                break;
            }
            self.elapsed = start;
            if level == 0 {
                return Some(self.take(self.levels[0].slots[slot].head));
            }
            self.cascade(level, slot);
        }
        // No slot begins between the old and the new value, so every entry keeps its place.
        self.elapsed = self.elapsed.max(now);
        None
    }

    /// Takes out any entry, in the order of time.
    pub fn pop_any(&mut self) -> Option<P> {
        let (level, slot) = self.first_slot()?;
        Some(self.take(self.levels[level].slots[slot].head))
    }

    /// Returns the earliest slot that has an entry.
    fn first_slot(&self) -> Option<(usize, usize)> {
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        Some((level, self.levels[level].occupied.trailing_zeros() as usize))
    }

    /// Returns the first tick of a slot. At level 0 it may be `elapsed` itself.
    fn slot_start(&self, level: usize, slot: usize) -> u64 {
        let shift = LEVEL_BITS * level as u32;
        // In two steps, since the highest of eleven levels ends beyond the last bit.
        let above = self.elapsed >> shift >> LEVEL_BITS;
        (above << LEVEL_BITS | slot as u64) << shift
    }

    /// Moves a slot's entries to the levels below. `elapsed` is the slot's first tick.
    fn cascade(&mut self, level: usize, slot: usize) {
        let mut index = mem::replace(&mut self.levels[level].slots[slot], EMPTY_SLOT).head;
        self.levels[level].occupied &= !(1 << slot);
        while index != NIL {
            let when = self.entry_mut(index).when;
            let (level, slot) = place(self.elapsed, when);
            let tail = self.slot(level, slot).tail;
            let entry = self.entry_mut(index);
            let next = mem::replace(&mut entry.next, NIL);
            entry.previous = tail;
            entry.level = level;
            entry.slot = slot;
            self.append(index, when, level, slot);
            index = next;
        }
    }

    /// Makes an entry, whose `previous` is its slot's tail, the slot's new tail.
    fn append(&mut self, index: u32, when: u64, level: u8, slot: u8) {
        self.levels[usize::from(level) % LEVELS].occupied |= 1 << slot;
        let slot = self.slot(level, slot);
        let tail = mem::replace(&mut slot.tail, index);
        if tail == NIL {
            slot.head = index;
            slot.earliest = when;
        } else {
            slot.earliest = slot.earliest.min(when);
            self.entry_mut(tail).next = index;
        }
    }

    /// Takes a linked entry out of the wheel.
    fn take(&mut self, index: u32) -> P {
        let entry = self
            .entries
            .remove_if(index, |_| true)
            .expect("a linked entry exists");
        self.unlink(entry)
    }

    /// Unlinks an entry that was removed from the slab; returns its payload.
    fn unlink(&mut self, entry: Entry<P>) -> P {
        let Entry {
            previous,
            next,
            level,
            slot: number,
            payload,
            ..
        } = entry;
        let slot = self.slot(level, number);
        if previous == NIL {
            slot.head = next;
        }
        if next == NIL {
            slot.tail = previous;
        }
        if previous == NIL && next == NIL {
            self.levels[usize::from(level) % LEVELS].occupied &= !(1 << number);
            return payload;
        }
        if previous != NIL {
            self.entry_mut(previous).next = next;
        }
        if next != NIL {
            self.entry_mut(next).previous = previous;
        }
        payload
    }

    /// Returns a slot. The levels and slots of entries are in bounds; the remainders show it to the
    /// compiler.
    fn slot(&mut self, level: u8, slot: u8) -> &mut Slot {
        &mut self.levels[usize::from(level) % LEVELS].slots[usize::from(slot) % SLOTS]
    }

    fn entry_mut(&mut self, index: u32) -> &mut Entry<P> {
        self.entries.get_mut(index).expect("a linked entry exists")
    }
}

/// Returns the level and the slot of an entry for tick `when` at the time `elapsed`.
fn place(elapsed: u64, when: u64) -> (u8, u8) {
    // The low bits are set so that a highest bit exists even if the ticks are equal.
    let differing = (elapsed ^ when) | (SLOTS as u64 - 1);
    let level = differing.ilog2() / LEVEL_BITS;
    let slot = when >> (LEVEL_BITS * level) & (SLOTS as u64 - 1);
    (level as u8, slot as u8)
}
