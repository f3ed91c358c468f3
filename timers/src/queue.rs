//! One wheel that is shared: a lock around it and its next deadline beside it.
//!
//! Owns the wheel, the published deadline and the word "closed". It knows no clock and calls no
//! one's code while it holds its lock: what comes out of the wheel is returned, to be woken or
//! dropped by the caller afterwards. Telling a parked driver is the caller's part, too: methods
//! that publish return [`Published`], for the [gate](crate::gate).
//!
//! # The published deadline
//! `next` changes only under the lock. It is never later than the wheel's next deadline, so that
//! nobody sleeps past a timer. It may be earlier: cancelling leaves it, on purpose. The next timer
//! that is armed then most often lowers nothing, and needs neither a store nor a fence; the price
//! is that a cancelled timer may wake the driver once.

#[cfg(test)]
mod tests;

use crossbeam_utils::CachePadded;
use framewise_sync::Mutex;
use framewise_sync::atomic::{AtomicU64, Ordering};

use crate::gate::{NEVER, Published};
use crate::wheel::{Key, Wheel};

/// How many entries are taken out under one hold of the lock.
pub const BATCH_LEN: usize = 32;

/// A wheel that many threads use. Generic over what it carries, so that models need no wakers.
pub struct TimerQueue<P> {
    /// On a line of its own: every parking driver and every busy worker reads it.
    next: CachePadded<AtomicU64>,
    locked: CachePadded<Mutex<LockedWheel<P>>>,
}

struct LockedWheel<P> {
    wheel: Wheel<P>,
    closed: bool,
}

/// Why an entry was not armed, with what it carried.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused<P> {
    /// Its tick has elapsed.
    Elapsed(P),
    /// The queue is closed.
    Closed(P),
}

/// What became of an entry that was looked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<R> {
    /// It is in the wheel.
    Armed(R),
    /// It is not: it has fired.
    Fired,
    /// It is not, and the queue is closed.
    Closed,
}

/// What [`TimerQueue::rearm`] did.
#[derive(Debug, PartialEq, Eq)]
pub enum Rearmed<P> {
    /// The entry has a new deadline, and a new key.
    Armed(Key, Published),
    /// The new tick has elapsed: the entry is out of the wheel.
    Elapsed(P),
    /// The entry was not in the wheel any more.
    Gone,
}

/// Entries that came out under one hold of the lock.
pub struct Batch<P> {
    entries: [Option<P>; BATCH_LEN],
    len: usize,
}

impl<P> Batch<P> {
    /// How many came out.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none came out.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the wheel may have more that is due.
    pub fn is_full(&self) -> bool {
        self.len == BATCH_LEN
    }

    /// Takes out those that `wanted` chooses, in their order. The others stay.
    pub fn take_those(&mut self, wanted: impl Fn(&P) -> bool) -> impl Iterator<Item = P> {
        self.entries
            .iter_mut()
            .filter_map(move |entry| entry.take_if(|payload| wanted(payload)))
    }
}

impl<P> IntoIterator for Batch<P> {
    type Item = P;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<P>, BATCH_LEN>>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter().flatten()
    }
}

impl<P> Default for TimerQueue<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> TimerQueue<P> {
    /// Makes an empty, open queue.
    pub fn new() -> Self {
        let locked = LockedWheel {
            wheel: Wheel::new(),
            closed: false,
        };
        Self {
            next: CachePadded::new(AtomicU64::new(NEVER)),
            locked: CachePadded::new(Mutex::new(locked)),
        }
    }

    /// A tick before which nothing is due; [`NEVER`] without timers.
    pub fn next(&self) -> u64 {
        // Ordering: Relaxed. A parking driver reads it after a fence (see `gate`); anyone else
        // only takes a hint and locks the wheel before acting on it.
        self.next.load(Ordering::Relaxed)
    }

    /// Inserts an entry that is due at tick `when`.
    ///
    /// # Errors
    /// The payload comes back where the tick has elapsed or the queue is closed.
    pub fn arm(&self, when: u64, payload: P) -> Result<(Key, Published), Refused<P>> {
        let mut locked = self.locked.lock();
        if locked.closed {
            return Err(Refused::Closed(payload));
        }
        let key = locked
            .wheel
            .insert(when, payload)
            .map_err(Refused::Elapsed)?;
        Ok((key, self.lower(when)))
    }

    /// As [`arm`](Self::arm); a tick that has elapsed is taken for the next one.
    ///
    /// # Errors
    /// The payload comes back where the queue is closed.
    pub fn arm_soon(&self, when: u64, payload: P) -> Result<(Key, Published), P> {
        let mut locked = self.locked.lock();
        if locked.closed {
            return Err(payload);
        }
        let when = when.max(locked.wheel.elapsed() + 1);
        let key = locked.wheel.insert(when, payload)?;
        Ok((key, self.lower(when)))
    }

    /// Gives an entry a new deadline and lets it keep what it carries.
    pub fn rearm(&self, key: Key, when: u64) -> Rearmed<P> {
        let mut locked = self.locked.lock();
        let Some(payload) = locked.wheel.remove(key) else {
            return Rearmed::Gone;
        };
        match locked.wheel.insert(when, payload) {
            Ok(key) => Rearmed::Armed(key, self.lower(when)),
            Err(payload) => Rearmed::Elapsed(payload),
        }
    }

    /// Takes an entry out, if it is still in: O(1), and no one is told.
    pub fn cancel(&self, key: Key) -> Option<P> {
        self.locked.lock().wheel.remove(key)
    }

    /// Looks at what an entry carries. `look` runs under the lock: it must be short, and ours.
    pub fn look<R>(&self, key: Key, look: impl FnOnce(&P) -> R) -> Found<R> {
        let locked = self.locked.lock();
        match locked.wheel.get(key) {
            Some(payload) => Found::Armed(look(payload)),
            None if locked.closed => Found::Closed,
            None => Found::Fired,
        }
    }

    /// Swaps what an entry carries for `payload`, if the entry is still in.
    pub fn swap(&self, key: Key, payload: &mut P) -> Found<()> {
        let mut locked = self.locked.lock();
        let closed = locked.closed;
        match locked.wheel.get_mut(key) {
            Some(carried) => {
                std::mem::swap(carried, payload);
                Found::Armed(())
            }
            None if closed => Found::Closed,
            None => Found::Fired,
        }
    }

    /// Takes out what is due at tick `now`, as many as fit into a batch, the earliest first.
    ///
    /// Unless the batch is full, the next deadline is published anew: the caller need not tell
    /// the gate, because it never goes down.
    pub fn take_due(&self, now: u64) -> Batch<P> {
        let mut batch = Batch {
            entries: [const { None }; BATCH_LEN],
            len: 0,
        };
        let mut locked = self.locked.lock();
        while batch.len < BATCH_LEN {
            let Some(payload) = locked.wheel.pop_due(now) else {
                let next = locked.wheel.next_deadline().unwrap_or(NEVER);
                // Ordering: Relaxed. It only goes up: a driver that reads the old value wakes too
                // early, and whoever lowered it before has been through the gate, or is about to
                // be (see `gate`): the driver that is then woken finds this value or an older one.
                self.next.store(next, Ordering::Relaxed);
                break;
            };
            batch.entries[batch.len] = Some(payload);
            batch.len += 1;
        }
        batch
    }

    /// Refuses entries from now on, and takes out all that there are.
    pub fn close(&self) -> Vec<P> {
        let mut locked = self.locked.lock();
        locked.closed = true;
        // Ordering: Relaxed, as in `take_due`.
        self.next.store(NEVER, Ordering::Relaxed);
        std::iter::from_fn(|| locked.wheel.pop_any()).collect()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.locked.lock().wheel.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Publishes that an entry is due at `when`. The lock is held.
    fn lower(&self, when: u64) -> Published {
        if when >= crate::wheel::FAR_TICK || when >= self.next() {
            return Published::nothing();
        }
        // Ordering: Relaxed; `ParkGate::armed` has the fence that orders it.
        self.next.store(when, Ordering::Relaxed);
        Published::earlier(when)
    }
}
