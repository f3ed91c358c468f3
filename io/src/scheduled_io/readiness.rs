//! The readiness word: what a source is ready for, since which event, and whether it has waiters.
//!
//! Owns the bits and their transitions, which no other file changes. The module docs of
//! [`scheduled_io`](super) have the table of the bits, the diagram whose numbered edges the methods
//! name, and the arguments.

use std::fmt;

use framewise_sync::atomic::{AtomicU64, Ordering};

use crate::ready::{Interest, Ready};

const SHUTDOWN: u64 = 1 << 6;
const URGENT_MARK: u64 = 1 << 7;
/// The shift from an interest's bits to its waiters bits.
const WAITERS_SHIFT: u32 = 8;
/// Between the waiters bits: no interest has this bit.
const CALLBACKS: u64 = 1 << 10;
const TICK_SHIFT: u32 = 16;
const TICK_ONE: u64 = 1 << TICK_SHIFT;
const TICK_MASK: u64 = u64::MAX << TICK_SHIFT;

/// A snapshot of the readiness word: the readiness, and the tick of the last event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReadyEvent(u64);

impl ReadyEvent {
    const fn from_word(word: u64) -> ReadyEvent {
        // Without the bits of waiters and callbacks.
        ReadyEvent(word & (TICK_MASK | URGENT_MARK | SHUTDOWN | Ready::ALL.bits() as u64))
    }

    const fn tick(self) -> u64 {
        self.0 >> TICK_SHIFT
    }

    /// Returns the readiness.
    #[inline]
    pub const fn ready(self) -> Ready {
        Ready::from_bits(self.0 as u8)
    }

    /// Returns `true` if the driver is gone, so no event will come.
    #[inline]
    pub const fn is_shutdown(self) -> bool {
        self.0 & SHUTDOWN != 0
    }

    /// Returns `true` if urgent data was ever reported. Unlike the readiness it is never cleared.
    #[inline]
    pub const fn has_urgent_mark(self) -> bool {
        self.0 & URGENT_MARK != 0
    }

    /// Returns `true` if a waiter for `interest` does not have to wait.
    #[inline]
    pub const fn ends_wait(self, interest: Interest) -> bool {
        self.0 & (SHUTDOWN | interest.mask().bits() as u64) != 0
    }
}

impl fmt::Debug for ReadyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyEvent")
            .field("ready", &self.ready())
            .field("tick", &self.tick())
            .field("is_shutdown", &self.is_shutdown())
            .finish()
    }
}

/// What the caller of [`ReadinessWord::set`] has to notify.
#[must_use = "waiters that are not notified sleep forever"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify {
    /// The waiters for these interests. No other setter will notify them.
    pub waiters: Option<Interest>,
    /// The callbacks.
    pub callbacks: bool,
}

/// The result of [`ReadinessWord::register_interest`].
#[must_use = "a waiter that registered after the event must not wait"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The next event will take the waiter out of the list.
    Waiting,
    /// An event came first, so the caller does not wait.
    Ready(ReadyEvent),
}

/// The word. See the [folder's docs](super).
#[derive(Debug)]
pub struct ReadinessWord(AtomicU64);

impl ReadinessWord {
    /// Creates a word without waiters. `initial` holds until an operation clears it.
    pub fn new(initial: Ready) -> Self {
        Self(AtomicU64::new(ready_bits(initial)))
    }

    /// Like [`new`](Self::new), with a tick that wraps at the next event.
    #[cfg(any(test, framewise_loom, framewise_shuttle))]
    pub fn new_before_wrap(initial: Ready) -> Self {
        let tick = u64::MAX << TICK_SHIFT;
        Self(AtomicU64::new(tick | ready_bits(initial)))
    }

    /// Loads the readiness and the tick.
    #[inline]
    pub fn load(&self) -> ReadyEvent {
        // Ordering: Acquire, pairs with `set`: the operation that follows comes after the event.
        ReadyEvent::from_word(self.0.load(Ordering::Acquire))
    }

    /// Returns `true` if there may be a waiter for `interest`. This is a hint: the list decides.
    #[inline]
    pub fn has_waiters(&self, interest: Interest) -> bool {
        // Ordering: Relaxed, since the caller checks again under the list's lock, or holds it.
        self.0.load(Ordering::Relaxed) & waiters_bits(interest) != 0
    }

    /// Edge 2: adds the readiness that an event reports, and increments the tick.
    #[inline]
    pub fn set(&self, ready: Ready) -> Notify {
        self.set_bits(ready_bits(ready), ready)
    }

    /// Edge 2 at the driver's shutdown: notifies all waiters.
    pub fn set_shutdown(&self) -> Notify {
        self.set_bits(SHUTDOWN, Ready::ALL)
    }

    #[inline]
    fn set_bits(&self, bits: u64, notified: Ready) -> Notify {
        let waiters = u64::from(notified.interests()) << WAITERS_SHIFT;
        // Ordering: Relaxed, the exchange below decides.
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            // The addition wraps in the tick and carries nowhere, since the tick is on top.
            let next = (word & !waiters | bits).wrapping_add(TICK_ONE);
            // Ordering: Release, pairs with `load` and `register_interest`; publishes that the
            // operating system reported the event. Acquire is not needed: the waiters are read
            // under the list's lock.
            match self
                .0
                .compare_exchange_weak(word, next, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(actual) => word = actual,
            }
        }
        Notify {
            waiters: Interest::from_bits(((word & waiters) >> WAITERS_SHIFT) as u8),
            callbacks: word & CALLBACKS != 0,
        }
    }

    /// Edge 3: clears the readiness for `interest`, since an operation has drained the source (a
    /// short read does).
    ///
    /// Does nothing if an event came after `observed`. A closed direction stays closed.
    #[inline]
    pub fn clear(&self, observed: ReadyEvent, interest: Interest) {
        self.clear_ready(observed, interest.mask());
    }

    /// Edge 3: like [`clear`](Self::clear), for a set of readiness.
    #[inline]
    pub fn clear_ready(&self, observed: ReadyEvent, ready: Ready) {
        self.remove(observed, ready.without(Ready::CLOSED));
    }

    /// Edge 4: clears the readiness for `interest`, since the operating system said that the
    /// operation would block.
    ///
    /// Does nothing if an event came after `observed`. Unlike [`clear`](Self::clear) this clears a
    /// closed direction, too. An operation on one never blocks, so the event was about something
    /// else (a source with a non-empty error queue looks closed), and a caller that trusted the bit
    /// would retry forever. If the direction is closed later, another event reports it.
    #[inline]
    pub fn clear_if_would_block(&self, observed: ReadyEvent, interest: Interest) {
        self.remove(observed, interest.blocked_mask());
    }

    #[inline]
    fn remove(&self, observed: ReadyEvent, gone: Ready) {
        // Ordering: Relaxed, the exchange below decides.
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let next = word & !u64::from(gone.bits());
            if word >> TICK_SHIFT != observed.tick() || next == word {
                return;
            }
            // Ordering: Relaxed, nothing is published: the comparison of the ticks concerns this
            // atomic alone. A later acquiring load still synchronizes with the `set` before this
            // exchange, which continues its release sequence.
            match self
                .0
                .compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(actual) => word = actual,
            }
        }
    }

    /// Edge 1: turns the waiters bits of `interest` on. The caller holds the list's lock and is
    /// already in the list.
    #[inline]
    pub fn register_interest(&self, interest: Interest) -> Registered {
        // Ordering: Acquire, pairs with `set`: a caller that gets `Ready` comes after the event.
        // Release is not needed: a setter that sees the bit takes the lock that is held here.
        let word = self.0.fetch_or(waiters_bits(interest), Ordering::Acquire);
        let event = ReadyEvent::from_word(word);
        if event.ends_wait(interest) {
            Registered::Ready(event)
        } else {
            Registered::Waiting
        }
    }

    /// Edge 5: turns the waiters bits of `interest` off. The caller holds the list's lock, and the
    /// list has no waiter for `interest`.
    pub fn clear_waiters(&self, interest: Interest) {
        // Ordering: Relaxed, the list's lock orders it against the threads that turn these bits on.
        // A setter that turns them off at the same time finds no waiter in either order.
        // Without it, each later event would check a list without waiters.
        self.0.fetch_and(!waiters_bits(interest), Ordering::Relaxed);
    }

    /// Has every later event look for callbacks. Returns the readiness so far. The caller holds the
    /// callbacks' lock.
    pub fn register_callbacks(&self) -> ReadyEvent {
        // Ordering: Relaxed. The caller does no operation because of the result: it has the
        // driver's thread, which is the setter, call the callback.
        ReadyEvent::from_word(self.0.fetch_or(CALLBACKS, Ordering::Relaxed))
    }

    /// Has later events not look for callbacks. The caller holds the callbacks' lock, and there are
    /// none.
    pub fn deregister_callbacks(&self) {
        // Ordering: Relaxed, like in `clear_waiters`.
        // Survives: skipped, because an event that looks for callbacks where there are none finds
        // none.
        self.0.fetch_and(!CALLBACKS, Ordering::Relaxed);
    }
}

const fn ready_bits(ready: Ready) -> u64 {
    let mark = if ready.is_priority() { URGENT_MARK } else { 0 };
    ready.bits() as u64 | mark
}

const fn waiters_bits(interest: Interest) -> u64 {
    (interest.bits() as u64) << WAITERS_SHIFT
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
