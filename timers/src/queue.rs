//! A shared wheel: a lock around it and its next deadline beside it.
//!
//! Owns the wheel, the published deadline and the flag "closed". It knows no clock and runs no user
//! code while it holds its lock: it returns the entries that it takes out, and the caller wakes or
//! drops them afterwards. Waking a parked driver is the caller's part, too: methods that publish
//! return [`Published`], for the driver's [park state](crate::park_state).
//!
//! # The published deadline
//! `next` changes only under the lock. It is never later than the wheel's next deadline, so no
//! driver sleeps past a timer. It may be earlier, because canceling deliberately does not raise it.
//! So the next timer to be armed usually lowers nothing and needs neither a store nor a fence; the
//! price is that a canceled timer may wake the driver once.

#[cfg(test)]
mod tests;

use crossbeam_utils::CachePadded;
use framewise_sync::Mutex;
use framewise_sync::atomic::{AtomicU64, Ordering};

use crate::park_state::{NEVER, Published};
use crate::wheel::{Key, Wheel};

/// The number of entries taken out under one hold of the lock.
pub(crate) const BATCH_LEN: usize = 32;

/// A wheel shared by many threads. It is generic over its payload, so that models need no wakers.
pub struct TimerQueue<P> {
    /// On its own cache line: every parking driver and every busy worker reads it.
    next: CachePadded<AtomicU64>,
    locked: CachePadded<Mutex<LockedWheel<P>>>,
}

struct LockedWheel<P> {
    wheel: Wheel<P>,
    closed: bool,
}

/// The reason why an entry was not armed, with its payload.
#[derive(Debug, PartialEq, Eq)]
pub enum ArmError<P> {
    /// The tick has elapsed.
    Elapsed(P),
    /// The queue is closed.
    Closed(P),
}

/// The result of looking an entry up.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<R> {
    /// The entry is in the wheel.
    Armed(R),
    /// The entry has fired.
    Fired,
    /// The entry is gone, and the queue is closed.
    Closed,
}

/// The result of [`TimerQueue::rearm`].
#[derive(Debug, PartialEq, Eq)]
pub enum Rearmed<P> {
    /// The entry has a new deadline, and a new key.
    Armed(Key, Published),
    /// The new tick has elapsed: the entry was taken out of the wheel.
    Elapsed(P),
    /// The entry was no longer in the wheel.
    Gone,
}

/// Entries that were taken out under one hold of the lock.
pub struct DueBatch<P> {
    entries: [Option<P>; BATCH_LEN],
    len: usize,
}

impl<P> DueBatch<P> {
    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns `true` if there are no entries.
    #[cfg(any(test, framewise_loom, framewise_shuttle))]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns `true` if the wheel may have more entries that are due.
    pub fn is_full(&self) -> bool {
        self.len == BATCH_LEN
    }

    /// Takes out the entries that `wanted` selects, in order. The others stay.
    pub fn take_matching(&mut self, wanted: impl Fn(&P) -> bool) -> impl Iterator<Item = P> {
        self.entries
            .iter_mut()
            .filter_map(move |entry| entry.take_if(|payload| wanted(payload)))
    }
}

impl<P> IntoIterator for DueBatch<P> {
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

    /// Returns a tick before which nothing is due; [`NEVER`] without timers.
    pub fn next(&self) -> u64 {
        // Ordering: Relaxed. A parking driver reads it after a fence (see `park_state`); every
        // other reader takes it as a hint and locks the wheel before it acts on it.
        self.next.load(Ordering::Relaxed)
    }

    /// Inserts an entry that is due at tick `when`.
    ///
    /// # Errors
    /// Returns the payload if the tick has elapsed or the queue is closed.
    pub fn arm(&self, when: u64, payload: P) -> Result<(Key, Published), ArmError<P>> {
        let mut locked = self.locked.lock();
        if locked.closed {
            return Err(ArmError::Closed(payload));
        }
        let key = locked
            .wheel
            .insert(when, payload)
            .map_err(ArmError::Elapsed)?;
        Ok((key, self.lower(when)))
    }

    /// Like [`arm`](Self::arm), but treats a tick that has elapsed as the next one.
    ///
    /// # Errors
    /// Returns the payload if the queue is closed.
    pub fn arm_soon(&self, when: u64, payload: P) -> Result<(Key, Published), P> {
        let mut locked = self.locked.lock();
        if locked.closed {
            return Err(payload);
        }
        let when = when.max(locked.wheel.elapsed() + 1);
        let key = locked.wheel.insert(when, payload)?;
        Ok((key, self.lower(when)))
    }

    /// Gives an entry a new deadline and keeps its payload.
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

    /// Takes an entry out if it is still in the wheel: O(1), without waking the driver.
    pub fn cancel(&self, key: Key) -> Option<P> {
        self.locked.lock().wheel.remove(key)
    }

    /// Calls `inspect` with an entry's payload, under the lock: `inspect` must be short and must
    /// not run user code.
    pub fn inspect<R>(&self, key: Key, inspect: impl FnOnce(&P) -> R) -> Found<R> {
        let locked = self.locked.lock();
        match locked.wheel.get(key) {
            Some(payload) => Found::Armed(inspect(payload)),
            None if locked.closed => Found::Closed,
            None => Found::Fired,
        }
    }

    /// Swaps an entry's payload with `payload`, if the entry is still in the wheel.
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

    /// Takes out the entries that are due at tick `now`, at most one batch, the earliest first.
    ///
    /// Unless the batch is full, this publishes the next deadline. The caller need not pass it to
    /// the park state, because it never decreases.
    pub fn take_due(&self, now: u64) -> DueBatch<P> {
        let mut batch = DueBatch {
            entries: [const { None }; BATCH_LEN],
            len: 0,
        };
        let mut locked = self.locked.lock();
        while batch.len < BATCH_LEN {
            let Some(payload) = locked.wheel.pop_due(now) else {
                let next = locked.wheel.next_deadline().unwrap_or(NEVER);
                // Ordering: Relaxed. It only increases: a driver that reads the old value wakes too
                // early. A thread that lowered it before has run `DriverParkState::armed`, or is
                // about to (see `park_state`): the driver that it then wakes finds this value or an
                // older one.
                self.next.store(next, Ordering::Relaxed);
                break;
            };
            batch.entries[batch.len] = Some(payload);
            batch.len += 1;
        }
        batch
    }

    /// Publishes the tick of the next entry, and not that of one that was canceled.
    #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
    pub(crate) fn settle_next(&self) {
        let locked = self.locked.lock();
        let next = locked.wheel.next_entry().unwrap_or(NEVER);
        // Ordering: Relaxed. It only increases, like in `take_due`.
        self.next.store(next, Ordering::Relaxed);
    }

    /// Rejects entries from now on, and takes out all entries.
    pub fn close(&self) -> Vec<P> {
        let mut locked = self.locked.lock();
        locked.closed = true;
        // Ordering: Relaxed, like in `take_due`.
        self.next.store(NEVER, Ordering::Relaxed);
        std::iter::from_fn(|| locked.wheel.pop_any()).collect()
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.locked.lock().wheel.len()
    }

    /// Returns `true` if there are no entries.
    #[cfg(any(framewise_loom, framewise_shuttle))]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Publishes that an entry is due at `when`. The caller holds the lock.
    fn lower(&self, when: u64) -> Published {
        if when >= crate::wheel::FAR_TICK || when >= self.next() {
            return Published::nothing();
        }
        // Ordering: Relaxed; `DriverParkState::armed` has the fence that orders it.
        self.next.store(when, Ordering::Relaxed);
        Published::earlier(when)
    }
}
