//! The waiters of a source: plain data, which [`wait`](super::wait) keeps behind a lock.
//!
//! A poll function cannot keep a registration between its calls. So each direction has one **slot**
//! with the waker of the last caller, as in tokio. Futures can, so any number of them wait in the
//! **list**, each with an entry from when it waits until it is notified. Notifying a waiter removes
//! its entry, so it has nothing to deregister; its key no longer matches. The first entry is stored
//! inline, because there is rarely more than one waiter.
//!
//! The file must not know the readiness word. It calls no waker, it only hands them out. The type
//! of a waker is generic (`W`), so that tests need no task.

use crate::ready::{Direction, Interest};

/// The number of entries for which an empty list keeps memory.
const KEPT: usize = 16;

/// The index of the entry that is stored inline.
const FIRST: usize = usize::MAX;

/// Identifies the list entry of a waiting future, until the future is notified.
#[derive(Debug)]
pub struct WaiterKey {
    index: usize,
    id: u64,
}

#[derive(Debug)]
struct Entry<W> {
    /// Unique among all entries ever, so a key does not match a later entry at its index.
    id: u64,
    interest: Interest,
    waker: W,
}

/// The slots and the list.
#[derive(Debug)]
pub struct Waiters<W> {
    slots: [Option<W>; 2],
    first: Option<Entry<W>>,
    more: Vec<Option<Entry<W>>>,
    vacant: Vec<usize>,
    /// The number of entries in `more` for [each interest](Interest::EACH). An entry for several
    /// counts for each of them.
    more_waiting: [usize; Interest::EACH.len()],
    last_id: u64,
}

impl<W> Waiters<W> {
    /// Creates an empty list with empty slots. Allocates nothing.
    pub const fn new() -> Self {
        Self {
            slots: [None, None],
            first: None,
            more: Vec::new(),
            vacant: Vec::new(),
            more_waiting: [0; Interest::EACH.len()],
            last_id: 0,
        }
    }

    /// Returns the waker in the slot of `direction`.
    pub fn slot(&self, direction: Direction) -> Option<&W> {
        self.slots[direction as usize].as_ref()
    }

    /// Stores a waker in the slot, or empties it. Returns what was there.
    pub fn put_slot(&mut self, direction: Direction, waker: Option<W>) -> Option<W> {
        std::mem::replace(&mut self.slots[direction as usize], waker)
    }

    /// Inserts a waker into the list.
    #[inline]
    pub fn insert(&mut self, interest: Interest, waker: W) -> WaiterKey {
        self.last_id += 1;
        let id = self.last_id;
        let entry = Entry {
            id,
            interest,
            waker,
        };
        let index = if self.first.is_none() {
            self.first = Some(entry);
            FIRST
        } else {
            self.insert_more(entry)
        };
        WaiterKey { index, id }
    }

    #[cold]
    fn insert_more(&mut self, entry: Entry<W>) -> usize {
        self.count(entry.interest, 1);
        if let Some(index) = self.vacant.pop() {
            self.more[index] = Some(entry);
            return index;
        }
        self.more.push(Some(entry));
        self.more.len() - 1
    }

    /// Returns the waker of an entry, or `None` if it has been notified.
    pub fn waker(&self, key: &WaiterKey) -> Option<&W> {
        let place = match key.index {
            FIRST => self.first.as_ref(),
            index => self.more.get(index)?.as_ref(),
        };
        place
            .filter(|entry| entry.id == key.id)
            .map(|entry| &entry.waker)
    }

    /// Removes an entry. Returns its waker, or `None` if it has been notified.
    pub fn remove(&mut self, key: WaiterKey) -> Option<W> {
        let place = match key.index {
            FIRST => &mut self.first,
            index => self.more.get_mut(index)?,
        };
        let entry = place.take_if(|entry| entry.id == key.id)?;
        if key.index != FIRST {
            self.vacant.push(key.index);
            self.count(entry.interest, usize::MAX);
            self.tidy();
        }
        Some(entry.waker)
    }

    /// Adds `change` to the numbers of entries in `more` for `interest` (`usize::MAX`: subtracts
    /// one).
    fn count(&mut self, interest: Interest, change: usize) {
        for (one, waiting) in Interest::EACH.into_iter().zip(&mut self.more_waiting) {
            if interest.overlaps(one) {
                *waiting = waiting.wrapping_add(change);
            }
        }
    }

    /// Frees the memory of many entries once they are all gone.
    fn tidy(&mut self) {
        if self.more_waiting == [0; Interest::EACH.len()] {
            self.vacant.clear();
            self.more.clear();
            // Unnoticed: always and `>` is `>=`, because memory of that size or less is not freed.
            if self.more.capacity() > KEPT {
                self.vacant.shrink_to(KEPT);
                self.more.shrink_to(KEPT);
            }
        }
    }

    /// Takes out all wakers that wait for a part of `interest`.
    #[inline]
    pub fn take(&mut self, interest: Interest, into: &mut Vec<W>) {
        if let Some(entry) = self
            .first
            .take_if(|entry| entry.interest.overlaps(interest))
        {
            into.push(entry.waker);
        }
        for direction in [Direction::Read, Direction::Write] {
            if interest.overlaps(direction.interest())
                && let Some(waker) = self.slots[direction as usize].take()
            {
                into.push(waker);
            }
        }
        if !self.more.is_empty() {
            self.take_more(interest, into);
        }
    }

    #[cold]
    fn take_more(&mut self, interest: Interest, into: &mut Vec<W>) {
        let mut places = 0..self.more.len();
        // Unnoticed: left out `self.is_awaited_by_more(interest)`, because the scan then goes on to
        // the end.
        while self.is_awaited_by_more(interest)
            && let Some(place) = places.next()
        {
            if let Some(entry) = self.more[place].take_if(|entry| entry.interest.overlaps(interest))
            {
                self.vacant.push(place);
                self.count(entry.interest, usize::MAX);
                into.push(entry.waker);
            }
        }
        self.tidy();
    }

    /// Returns `true` if an entry in `more` waits for a part of `interest`.
    fn is_awaited_by_more(&self, interest: Interest) -> bool {
        // Unnoticed: returns true, because the scan then goes on to the end.
        Interest::EACH
            .into_iter()
            .zip(self.more_waiting)
            .any(|(one, waiting)| {
                // Unnoticed: left out and `>` is `>=`, because the scan then goes on to the end.
                interest.overlaps(one) && waiting > 0
            })
    }

    /// Returns the number of places in the list, including vacant ones behind the first.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    /// Returns the interests without a waiter.
    #[inline]
    pub fn idle(&self) -> Option<Interest> {
        let mut awaited = self.first.as_ref().map_or(0, |entry| entry.interest.bits());
        for direction in [Direction::Read, Direction::Write] {
            if self.slots[direction as usize].is_some() {
                awaited |= direction.interest().bits();
            }
        }
        for (one, waiting) in Interest::EACH.into_iter().zip(self.more_waiting) {
            if waiting > 0 {
                awaited |= one.bits();
            }
        }
        Interest::from_bits(!awaited)
    }
}

impl<W> Default for Waiters<W> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
