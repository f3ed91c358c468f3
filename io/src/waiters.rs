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
        for index in indices(entry.interest) {
            self.waiting[index] =
                self.waiting[index] + usize::from(armed) - usize::from(old.is_some());
        }
        old
    }

    /// Gives an entry back; returns its waker if it has not been told.
    pub fn remove(&mut self, key: WaiterKey) -> Option<W> {
        let old = self.put(&key, None);
        self.list[key.0] = None;
        self.vacant.push(key.0);
        if self.vacant.len() == self.list.len() {
            self.vacant.clear();
            self.vacant.shrink_to(KEPT);
            self.list.clear();
            self.list.shrink_to(KEPT);
        }
        old
    }

    /// Takes out every waker that waits for one of the directions of `interest`.
    pub fn take(&mut self, interest: Interest, into: &mut Vec<W>) {
        for index in indices(interest) {
            if let Some(waker) = self.slots[index].take() {
                self.waiting[index] -= 1;
                into.push(waker);
            }
        }
        if indices(interest).all(|index| self.waiting[index] == 0) {
            return;
        }
        for entry in self.list.iter_mut().flatten() {
            let wanted = indices(entry.interest).any(|i| indices(interest).any(|j| i == j));
            if wanted && let Some(waker) = entry.waker.take() {
                for index in indices(entry.interest) {
                    self.waiting[index] -= 1;
                }
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

/// The places of the directions of `interest` in the arrays above.
fn indices(interest: Interest) -> impl Iterator<Item = usize> {
    [
        (Direction::Read, interest.is_readable()),
        (Direction::Write, interest.is_writable()),
    ]
    .into_iter()
    .filter(|(_, wanted)| *wanted)
    .map(|(direction, _)| direction as usize)
}

#[cfg(all(test, not(framewise_loom)))]
mod tests;
