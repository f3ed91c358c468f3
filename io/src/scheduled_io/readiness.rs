//! The readiness word: one atomic that says what a source is ready for, since which event, and
//! whether anybody waits.
//!
//! It owns the bits and their transitions; nothing outside of this file changes them. It must not
//! know mio, descriptors or system calls, so that loom can drive it: whoever talks to the
//! operating system calls [`set`](ReadinessWord::set), whoever tried in vain calls
//! [`refute`](ReadinessWord::refute). Who waits is kept beside it, in [`crate::scheduled_io::waiters`], under a
//! lock; the two are joined in [`crate::scheduled_io::wait`].
//!
//! # The bits
//!
//! | bits | name | meaning |
//! | --- | --- | --- |
//! | 0 | `READABLE` | a read would not block |
//! | 1 | `WRITABLE` | a write would not block |
//! | 2 | `READ_CLOSED` | the peer writes no more |
//! | 3 | `WRITE_CLOSED` | the peer reads no more |
//! | 4 | `ERROR` | an error has been reported; never cleared |
//! | 5 | `PRIORITY` | urgent data has been seen; never cleared |
//! | 6 | `SHUTDOWN` | the driver is gone: no event will come; never cleared |
//! | 8 | `READ_WAITERS` | somebody may be waiting to read, and no event is about to tell them |
//! | 9 | `WRITE_WAITERS` | the same for writing |
//! | 10 | `CALLBACKS` | there are readiness callbacks |
//! | 16..64 | tick | how many events have been set, modulo 2^48 |
//!
//! Bits 7 and 11 to 15 are always zero. The tick is of this source and is never shortened on its
//! way: an operation carries the whole of it in its [`ReadyEvent`]. For a wrap to deceive a
//! `clear`, 2^48 events would have to come to one source during one system call.
//!
//! # The states, for one direction (`W`: its waiters bit, `R`: its readiness)
//!
//! ```text
//!           1 announce
//!    .. ------------------> W.
//!    ^ ^                    | |
//!    | +---- 5 withdraw ----+ | 2 set: the setter takes the waiters out
//!    |                        v
//!    |        2 set           .R <--- 5 withdraw --- WR
//!    | ---------------------> |                      ^
//!    |                        |      1 announce      |
//!    |                        +----------------------+
//!    |                        |   it is refused: the caller is ready, then 5
//!    +------------------------+
//!      3 clear, 4 refute
//!      (only while the tick is the one that the caller had observed)
//! ```
//!
//! 1. [`announce`](ReadinessWord::announce): a waiter, which has already put itself in the list
//!    and still holds the list's lock, says that the next event must look there. The answer says
//!    whether an event has come first. This is the register × set race, decided by the order of
//!    the two on this one atomic: if `set` comes first, `announce` sees its bits and the waiter
//!    does not wait; if `announce` comes first, `set` sees the waiters bit and looks in the list,
//!    where it finds the waiter because the lock was held over both steps.
//! 2. [`set`](ReadinessWord::set): the driver adds what an event says, and counts the event. The
//!    waiters bits that it finds on for the event's directions it turns off, and owes for them a look
//!    in the list, where it takes out everybody who waits for one of these directions, those too who
//!    come before it has the lock.
//! 3. [`clear`](ReadinessWord::clear): an operation has shown the source to be drained.
//! 4. [`refute`](ReadinessWord::refute): the operating system said that it would block.
//! 5. [`withdraw`](ReadinessWord::withdraw): with the list's lock held, nobody waits any more.
//!
//! # Who waits is told
//!
//! One in the list whose direction's bit is off has a setter on its way: only `set` turns the bit off
//! while somebody waits (`withdraw` has the lock, and sees that nobody does). A setter that finds it
//! off therefore need not look.
//!
//! From this follows what [`crate::scheduled_io::wait`] makes use of. Readiness bits are turned on by `set` alone. One
//! who announced himself and was not refused, and who sees later that he need not wait, sees the work
//! of a `set` after his `announce`, so he has been taken out of the list, or is about to be.
//!
//! # Why a clear never erases a newer event
//!
//! The operating system reports an edge once. An operation that fails or reads short did so at
//! some moment after it had observed tick `t`. Whatever arrives after that moment makes a new
//! edge, hence a `set`, hence a tick other than `t`. If that `set` precedes the `clear`, the clear
//! sees the other tick and does nothing; if it follows, it adds the bits again.

use std::fmt;

use framewise_sync::atomic::{AtomicU64, Ordering};

use crate::ready::{Interest, Ready};

const SHUTDOWN: u64 = 1 << 6;
/// `READ_WAITERS`, and above it `WRITE_WAITERS`: an interest's bits, moved up.
const WAITERS_SHIFT: u32 = 8;
const CALLBACKS: u64 = 1 << 10;
const TICK_SHIFT: u32 = 16;
const TICK_ONE: u64 = 1 << TICK_SHIFT;
const TICK_MASK: u64 = u64::MAX << TICK_SHIFT;

/// What the readiness word said at one moment: the readiness and the event that it stems from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReadyEvent(u64);

impl ReadyEvent {
    const fn from_word(word: u64) -> ReadyEvent {
        // Without the bits that say who waits.
        ReadyEvent(word & (TICK_MASK | SHUTDOWN | Ready::ALL.bits() as u64))
    }

    const fn tick(self) -> u64 {
        self.0 >> TICK_SHIFT
    }

    /// What was ready.
    #[inline]
    pub const fn ready(self) -> Ready {
        Ready::from_bits(self.0 as u8)
    }

    /// Whether the driver is gone, so that waiting is in vain.
    #[inline]
    pub const fn is_shutdown(self) -> bool {
        self.0 & SHUTDOWN != 0
    }

    /// Whether one who waits for `interest` need not.
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

/// Whom the caller of [`ReadinessWord::set`] has to tell.
#[must_use = "waiters that are not told sleep for ever"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify {
    /// Those of the list who wait for one of these directions. Nobody else will tell them.
    pub waiters: Option<Interest>,
    /// The callbacks.
    pub callbacks: bool,
}

/// The answer to [`ReadinessWord::announce`].
#[must_use = "a waiter that came too late for the event must not wait"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// The next event will look in the list.
    Waiting,
    /// An event came first.
    Ready(ReadyEvent),
}

/// The word. See the head of the file.
#[derive(Debug)]
pub struct ReadinessWord(AtomicU64);

impl ReadinessWord {
    /// A word on which nobody waits and that takes `initial` for granted until it is refuted.
    pub fn new(initial: Ready) -> Self {
        Self(AtomicU64::new(u64::from(initial.bits())))
    }

    /// As [`new`](Self::new), with the tick about to wrap: for tests.
    #[cfg(any(test, framewise_loom, framewise_shuttle))]
    pub fn new_before_wrap(initial: Ready) -> Self {
        let tick = u64::MAX << TICK_SHIFT;
        Self(AtomicU64::new(tick | u64::from(initial.bits())))
    }

    /// What the word says now.
    #[inline]
    pub fn load(&self) -> ReadyEvent {
        // Ordering: Acquire, pairs with `set`: the operation that follows comes after the event.
        ReadyEvent::from_word(self.0.load(Ordering::Acquire))
    }

    /// Whether somebody may be waiting for `interest`. A hint: it decides nothing.
    #[inline]
    pub fn has_waiters(&self, interest: Interest) -> bool {
        // Ordering: Relaxed, since the caller looks again under the list's lock, or holds it.
        self.0.load(Ordering::Relaxed) & waiters_bits(interest) != 0
    }

    /// Edge 2: adds what an event says, and counts the event.
    #[inline]
    pub fn set(&self, ready: Ready) -> Notify {
        self.set_bits(u64::from(ready.bits()), ready)
    }

    /// The driver is gone: everybody is told, whatever they wait for.
    pub fn set_shutdown(&self) -> Notify {
        self.set_bits(SHUTDOWN, Ready::ALL)
    }

    #[inline]
    fn set_bits(&self, bits: u64, told: Ready) -> Notify {
        let asked = u64::from(told.directions()) << WAITERS_SHIFT;
        // Ordering: Relaxed, the exchange below decides.
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            // The addition wraps in the tick and carries nowhere, since the tick is on top.
            let next = (word & !asked | bits).wrapping_add(TICK_ONE);
            // Ordering: Release, pairs with `load` and `announce`; publishes that the operating
            // system had reported the event. Acquire is not needed: who waits is read under the
            // list's lock.
            match self
                .0
                .compare_exchange_weak(word, next, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(actual) => word = actual,
            }
        }
        Notify {
            waiters: Interest::from_bits(((word & asked) >> WAITERS_SHIFT) as u8),
            callbacks: word & CALLBACKS != 0,
        }
    }

    /// Edge 3: an operation has shown that nothing is left for `interest`, as a short read does.
    ///
    /// Does nothing if an event came after `observed`. A closed direction stays closed.
    #[inline]
    pub fn clear(&self, observed: ReadyEvent, interest: Interest) {
        self.remove(observed, interest.mask().without(Ready::CLOSED));
    }

    /// Edge 4: the operating system said that an operation for `interest` would block.
    ///
    /// Does nothing if an event came after `observed`. Unlike [`clear`](Self::clear) this takes
    /// back a closed direction too: nothing would block on one, so the event was about something
    /// else (an error queue that is not empty looks like a closed direction), and whoever
    /// believed it would try in a loop for ever. When the direction is closed in earnest, that
    /// is an event of its own.
    #[inline]
    pub fn refute(&self, observed: ReadyEvent, interest: Interest) {
        self.remove(observed, interest.mask());
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
            // Ordering: Relaxed, nothing is published: that the tick is the observed one is a
            // fact about this atomic alone. A later acquiring load still synchronises with the
            // `set` below it, since an exchange continues its release sequence.
            match self
                .0
                .compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(actual) => word = actual,
            }
        }
    }

    /// Edge 1: the next event for `interest` must look in the list. Called with the list's lock
    /// held, by one who is already in the list.
    #[inline]
    pub fn announce(&self, interest: Interest) -> Announced {
        // Ordering: Acquire, pairs with `set`: one who is told `Ready` comes after the event.
        // Release is not needed: a setter that sees the bit takes the lock that is held here.
        let word = self.0.fetch_or(waiters_bits(interest), Ordering::Acquire);
        let event = ReadyEvent::from_word(word);
        if event.ends_wait(interest) {
            Announced::Ready(event)
        } else {
            Announced::Waiting
        }
    }

    /// Edge 5: nobody is in the list for `interest`. Called with the list's lock held.
    pub fn withdraw(&self, interest: Interest) {
        // Ordering: Relaxed, the list's lock orders it against those who turn these bits on; a setter
        // that turns them off at the same time finds nobody either way.
        // Survives: skipped, because an event that looks into a list where nobody is finds nobody.
        self.0.fetch_and(!waiters_bits(interest), Ordering::Relaxed);
    }

    /// There are callbacks: every event from now on must look for them. Called with their lock
    /// held; answers what has come before.
    pub fn announce_callbacks(&self) -> ReadyEvent {
        // Ordering: Relaxed. The caller asks the operating system nothing on account of the answer:
        // it has the driver's thread, which is the setter, call the callback.
        ReadyEvent::from_word(self.0.fetch_or(CALLBACKS, Ordering::Relaxed))
    }

    /// There are no callbacks any more. Called with their lock held.
    pub fn withdraw_callbacks(&self) {
        // Ordering: Relaxed, as in `withdraw`.
        // Survives: skipped, because an event that looks for callbacks where there are none finds none.
        self.0.fetch_and(!CALLBACKS, Ordering::Relaxed);
    }
}

const fn waiters_bits(interest: Interest) -> u64 {
    (interest.bits() as u64) << WAITERS_SHIFT
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
