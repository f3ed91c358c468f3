//! Who waits for a source: plain data, which [`crate::scheduled_io::wait`] keeps under a lock.
//!
//! Two slots serve the poll functions, one for each direction: a poll function has no place of its
//! own to remember a registration in, so the last caller wins, as in every runtime. Futures have
//! such a place, so any number of them wait in the list, each with an entry from when it waits until
//! it has been told. Who is told has no entry any more, and nothing to give back: its key fits none.
//! The list's first place is no part of its memory on the heap, since nearly always one waits there
//! at most.
//!
//! It must not know the readiness word, nor call any waker: it only hands them out. What a waker
//! is, is left open (`W`), so that the tests need no task.

use crate::ready::{Direction, Interest};

/// For how many entries memory is kept when nobody is in the list.
const KEPT: usize = 16;

/// The index of the list's first place.
const FIRST: usize = usize::MAX;

/// The entry that a waiting future owns in the list until it has been told.
#[derive(Debug)]
pub struct WaiterKey {
    index: usize,
    id: u64,
}

#[derive(Debug)]
struct Entry<W> {
    /// No other entry has it, or will: a key does not fit whoever is in its place later.
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
    /// How many entries in `more` wait for each direction; one that waits for both counts twice.
    more_waiting: [usize; 2],
    last_id: u64,
}

impl<W> Waiters<W> {
    /// Nobody waits. Allocates nothing.
    pub const fn new() -> Self {
        Self {
            slots: [None, None],
            first: None,
            more: Vec::new(),
            vacant: Vec::new(),
            more_waiting: [0, 0],
            last_id: 0,
        }
    }

    /// The waker in the slot of `direction`.
    pub fn slot(&self, direction: Direction) -> Option<&W> {
        self.slots[direction as usize].as_ref()
    }

    /// Puts a waker into the slot, or empties it; gives back what was there.
    pub fn put_slot(&mut self, direction: Direction, waker: Option<W>) -> Option<W> {
        std::mem::replace(&mut self.slots[direction as usize], waker)
    }

    /// Puts a waker into the list.
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

    /// The waker of an entry, `None` when it has been told.
    pub fn waker(&self, key: &WaiterKey) -> Option<&W> {
        let place = match key.index {
            FIRST => self.first.as_ref(),
            index => self.more.get(index)?.as_ref(),
        };
        place
            .filter(|entry| entry.id == key.id)
            .map(|entry| &entry.waker)
    }

    /// Gives an entry back; returns its waker if it has not been told.
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

    /// Entries of `more` for `interest` have come, or gone (`usize::MAX`: one).
    fn count(&mut self, interest: Interest, change: usize) {
        for direction in [Direction::Read, Direction::Write] {
            if interest.overlaps(direction.interest()) {
                let waiting = &mut self.more_waiting[direction as usize];
                *waiting = waiting.wrapping_add(change);
            }
        }
    }

    /// Gives the memory of a crowd back when all of it have gone.
    fn tidy(&mut self) {
        if self.more_waiting == [0, 0] {
            self.vacant.clear();
            self.more.clear();
            // Unnoticed: always and `>` is `>=`, because memory of that size or less is not given back.
            if self.more.capacity() > KEPT {
                self.vacant.shrink_to(KEPT);
                self.more.shrink_to(KEPT);
            }
        }
    }

    /// Takes out every waker that waits for one of the directions of `interest`.
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
        // Unnoticed: left out `self.is_awaited_by_more(interest)`, because the scan then goes on to the end.
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

    /// Whether anybody in `more` waits for one of the directions.
    fn is_awaited_by_more(&self, interest: Interest) -> bool {
        // Unnoticed: returns true, because the scan then goes on to the end.
        [Direction::Read, Direction::Write]
            .into_iter()
            .any(|direction| {
                // Unnoticed: left out and `>` is `>=`, because the scan then goes on to the end.
                interest.overlaps(direction.interest()) && self.more_waiting[direction as usize] > 0
            })
    }

    /// How many entries the list has memory in use for.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    /// The directions for which nobody waits.
    #[inline]
    pub fn idle(&self) -> Option<Interest> {
        let mut idle = 0;
        for direction in [Direction::Read, Direction::Write] {
            let interest = direction.interest();
            let is_awaited = self.slots[direction as usize].is_some()
                || self
                    .first
                    .as_ref()
                    .is_some_and(|entry| entry.interest.overlaps(interest))
                || self.more_waiting[direction as usize] > 0;
            if !is_awaited {
                idle |= interest.bits();
            }
        }
        Interest::from_bits(idle)
    }
}

impl<W> Default for Waiters<W> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
