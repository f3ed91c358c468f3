//! Storage for the wheel's entries: stable indices, and no allocation per entry when warm.
//!
//! Owns the memory of the entries and not their meaning. The [wheel](crate::wheel) decides what an
//! index stands for, and whether it is still valid.
//!
//! Entries live in chunks of [`CHUNK_LEN`]. When a chunk becomes empty, it is freed, except for one
//! spare, so that a number of timers that oscillates around a multiple of the chunk length does not
//! allocate. So the memory of a load spike is freed as soon as the spike's timers are gone. What
//! remains is the vector of chunks (24 bytes for each chunk that ever existed, against about 7,000
//! for its entries) and every chunk that still holds a long-lived entry.

#[cfg(test)]
mod tests;

use std::mem;

/// Entries per chunk: one allocation of a few kilobytes.
const CHUNK_LEN: usize = 128;

/// The absent slot, the absent chunk, and the end of a list.
pub(crate) const NIL: u32 = u32::MAX;

/// An arena with indices, which grows and shrinks.
pub(crate) struct EntrySlab<T> {
    chunks: Vec<Option<Chunk<T>>>,
    /// Positions of `None` in `chunks`.
    holes: Vec<u32>,
    /// The first chunk of the doubly linked list of chunks with free slots.
    open: u32,
    /// The chunk that is kept although it is, or may become, empty.
    spare: u32,
}

struct Chunk<T> {
    slots: Box<[Slot<T>; CHUNK_LEN]>,
    free: u32,
    live: u32,
    open_previous: u32,
    open_next: u32,
}

enum Slot<T> {
    Free { next: u32 },
    Used(T),
}

impl<T> EntrySlab<T> {
    pub(crate) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            holes: Vec::new(),
            open: NIL,
            spare: NIL,
        }
    }

    /// Returns the number of entries. Visits every chunk.
    pub(crate) fn len(&self) -> usize {
        self.chunks
            .iter()
            .flatten()
            .map(|chunk| chunk.live as usize)
            .sum()
    }

    /// Inserts `value`; returns its index.
    ///
    /// # Panics
    /// If there are already 2³² entries.
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if self.open == NIL {
            self.grow();
        }
        let position = self.open;
        let chunk = self.chunk_mut(position);
        let offset = chunk.free;
        let slot = &mut chunk.slots[offset as usize % CHUNK_LEN];
        let Slot::Free { next } = *slot else {
            unreachable!("a used slot on the free list")
        };
        *slot = Slot::Used(value);
        chunk.free = next;
        chunk.live += 1;
        if next == NIL {
            self.close_chunk(position);
        }
        position * CHUNK_LEN as u32 + offset
    }

    /// Takes the entry at `index` out, if there is one and `wanted` returns `true` for it.
    #[inline]
    pub(crate) fn remove_if(&mut self, index: u32, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        let (position, offset) = (index / CHUNK_LEN as u32, index % CHUNK_LEN as u32);
        let chunk = self.chunks.get_mut(position as usize)?.as_mut()?;
        let slot = &mut chunk.slots[offset as usize];
        match slot {
            Slot::Used(value) if wanted(value) => {}
            _ => return None,
        }
        let Slot::Used(value) = mem::replace(slot, Slot::Free { next: chunk.free }) else {
            unreachable!("the slot was checked above")
        };
        let was_full = mem::replace(&mut chunk.free, offset) == NIL;
        chunk.live -= 1;
        if was_full || (chunk.live == 0 && self.spare != position) {
            self.vacated(position, was_full);
        }
        Some(value)
    }

    /// Returns the entry at `index`, if there is one.
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        let chunk = self.chunks.get(index as usize / CHUNK_LEN)?.as_ref()?;
        match &chunk.slots[index as usize % CHUNK_LEN] {
            Slot::Used(value) => Some(value),
            Slot::Free { .. } => None,
        }
    }

    /// Returns a mutable reference to the entry at `index`, if there is one.
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let chunk = self.chunks.get_mut(index as usize / CHUNK_LEN)?.as_mut()?;
        match &mut chunk.slots[index as usize % CHUNK_LEN] {
            Slot::Used(value) => Some(value),
            Slot::Free { .. } => None,
        }
    }

    /// Returns the number of entries for which memory is allocated.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.chunks.iter().flatten().count() * CHUNK_LEN
    }

    fn chunk_mut(&mut self, position: u32) -> &mut Chunk<T> {
        self.chunks[position as usize]
            .as_mut()
            .expect("a listed chunk exists")
    }

    #[cold]
    fn grow(&mut self) {
        let position = match self.holes.pop() {
            Some(position) => position,
            None => {
                let position = self.chunks.len();
                assert!(
                    position < (NIL as usize) / CHUNK_LEN,
                    "too many timers in one wheel"
                );
                self.chunks.push(None);
                position as u32
            }
        };
        // Built on the heap: the thread that arms a timer may have a small stack.
        let slots: Box<[Slot<T>]> = (0..CHUNK_LEN)
            .map(|offset| Slot::Free {
                next: if offset + 1 < CHUNK_LEN {
                    offset as u32 + 1
                } else {
                    NIL
                },
            })
            .collect();
        let slots = slots
            .try_into()
            .unwrap_or_else(|_| unreachable!("the lengths are equal"));
        self.chunks[position as usize] = Some(Chunk {
            slots,
            free: 0,
            live: 0,
            open_previous: NIL,
            open_next: NIL,
        });
        self.open_chunk(position);
    }

    /// Handles a chunk that has free slots again or has become empty. An empty chunk becomes the
    /// spare one, or is freed if there is another spare.
    #[cold]
    fn vacated(&mut self, position: u32, was_full: bool) {
        if was_full {
            self.open_chunk(position);
        }
        if self.chunk_mut(position).live > 0 {
            return;
        }
        // The spare chunk may be in use by now.
        if self.spare == NIL || self.chunk_mut(self.spare).live > 0 {
            self.spare = position;
        } else {
            self.close_chunk(position);
            self.chunks[position as usize] = None;
            self.holes.push(position);
        }
    }

    /// Links a chunk into the front of the list of chunks with free slots.
    fn open_chunk(&mut self, position: u32) {
        let next = mem::replace(&mut self.open, position);
        let chunk = self.chunk_mut(position);
        chunk.open_previous = NIL;
        chunk.open_next = next;
        if next != NIL {
            self.chunk_mut(next).open_previous = position;
        }
    }

    /// Takes a chunk out of the list of chunks with free slots.
    #[cold]
    fn close_chunk(&mut self, position: u32) {
        let chunk = self.chunk_mut(position);
        let (previous, next) = (chunk.open_previous, chunk.open_next);
        if previous == NIL {
            self.open = next;
        } else {
            self.chunk_mut(previous).open_next = next;
        }
        if next != NIL {
            self.chunk_mut(next).open_previous = previous;
        }
    }
}
