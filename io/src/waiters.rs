//! Who waits for a source: plain data, which [`crate::wait`] keeps under a lock.
//!
//! Two slots serve the poll functions, one for each direction: a poll function has no place of its
//! own to remember a registration in, so the last caller wins, as in every runtime. Futures have
//! such a place, so any number of them wait in the list, each with the entry that it owns until it
//! is dropped.
//!
//! It must not know the readiness word, nor call any waker: it only hands them out. What a waker
//! is, is left open (`W`), so that the tests need no task.

use crate::ready::{Direction, Interest};

/// For how many entries memory is kept when nobody is in the list.
const KEPT: usize = 16;

/// The entry that a waiting future owns in the list.
#[derive(Debug)]
pub struct WaiterKey(usize);

#[derive(Debug)]
struct Entry<W> {
    interest: Interest,
    /// `None` once the waiter has been told, and before it first waits.
    waker: Option<W>,
}

/// The slots and the list.
#[derive(Debug)]
pub struct Waiters<W> {
    slots: [Option<W>; 2],
    list: Vec<Option<Entry<W>>>,
    vacant: Vec<usize>,
    /// How many wakers are here for each direction; one that waits for both counts twice.
    waiting: [usize; 2],
}

impl<W> Waiters<W> {
    /// Nobody waits. Allocates nothing.
    pub const fn new() -> Self {
        Self {
            slots: [None, None],
            list: Vec::new(),
            vacant: Vec::new(),
            waiting: [0, 0],
        }
    }

    /// The waker in the slot of `direction`.
    pub fn slot(&self, direction: Direction) -> Option<&W> {
        self.slots[direction as usize].as_ref()
    }

    /// Puts a waker into the slot, or empties it; gives back what was there.
    pub fn put_slot(&mut self, direction: Direction, waker: Option<W>) -> Option<W> {
        let index = direction as usize;
        let armed = waker.is_some();
        let old = std::mem::replace(&mut self.slots[index], waker);
        self.waiting[index] = self.waiting[index] + usize::from(armed) - usize::from(old.is_some());
        old
    }

    /// Makes an entry that does not wait yet.
    pub fn insert(&mut self, interest: Interest) -> WaiterKey {
        let entry = Some(Entry {
            interest,
            waker: None,
        });
        if let Some(index) = self.vacant.pop() {
            self.list[index] = entry;
            return WaiterKey(index);
        }
        self.list.push(entry);
        WaiterKey(self.list.len() - 1)
    }

    /// The waker of an entry, `None` when it has been told.
    pub fn waker(&self, key: &WaiterKey) -> Option<&W> {
        self.list[key.0]
            .as_ref()
            .and_then(|entry| entry.waker.as_ref())
    }

    /// Puts a waker into an entry, or takes it out; gives back what was there.
    pub fn put(&mut self, key: &WaiterKey, waker: Option<W>) -> Option<W> {
        let entry = self.list[key.0].as_mut().expect("a key is of an entry");
        let armed = waker.is_some();
        let old = std::mem::replace(&mut entry.waker, waker);
        if armed != old.is_some() {
            let interest = entry.interest;
            self.count(interest, armed);
        }
        old
    }

    /// Gives an entry back; returns its waker if it has not been told.
    pub fn remove(&mut self, key: WaiterKey) -> Option<W> {
        let entry = self.list[key.0].take().expect("a key is of an entry");
        if entry.waker.is_some() {
            self.count(entry.interest, false);
        }
        if self.vacant.len() + 1 < self.list.len() {
            self.vacant.push(key.0);
        } else {
            // The last one.
            self.vacant.clear();
            self.list.clear();
            if self.list.capacity() > KEPT {
                self.vacant.shrink_to(KEPT);
                self.list.shrink_to(KEPT);
            }
        }
        entry.waker
    }

    /// A waker for `interest` has come or gone.
    fn count(&mut self, interest: Interest, armed: bool) {
        let change = if armed { 1 } else { usize::MAX };
        if interest.is_readable() {
            self.waiting[0] = self.waiting[0].wrapping_add(change);
        }
        if interest.is_writable() {
            self.waiting[1] = self.waiting[1].wrapping_add(change);
        }
    }

    /// Whether anybody waits for one of the directions.
    fn is_awaited(&self, interest: Interest) -> bool {
        (interest.is_readable() && self.waiting[0] > 0)
            || (interest.is_writable() && self.waiting[1] > 0)
    }

    /// Takes out every waker that waits for one of the directions of `interest`.
    pub fn take(&mut self, interest: Interest, into: &mut Vec<W>) {
        for direction in [Direction::Read, Direction::Write] {
            if interest.overlaps(direction.interest())
                && let Some(waker) = self.slots[direction as usize].take()
            {
                self.waiting[direction as usize] -= 1;
                into.push(waker);
            }
        }
        let mut places = 0..self.list.len();
        while self.is_awaited(interest)
            && let Some(place) = places.next()
        {
            if let Some(entry) = &mut self.list[place]
                && entry.interest.overlaps(interest)
                && let Some(waker) = entry.waker.take()
            {
                let interest = entry.interest;
                self.count(interest, false);
                into.push(waker);
            }
        }
    }

    /// How many entries the list has, in use or not.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> usize {
        self.list.len()
    }

    /// The directions for which nobody waits.
    pub fn idle(&self) -> Option<Interest> {
        match self.waiting {
            [0, 0] => Some(Interest::READABLE | Interest::WRITABLE),
            [0, _] => Some(Interest::READABLE),
            [_, 0] => Some(Interest::WRITABLE),
            _ => None,
        }
    }
}

impl<W> Default for Waiters<W> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
