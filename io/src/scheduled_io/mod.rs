//! The state of one source: its readiness, its waiters and its callbacks.
//!
//! The design and the name are tokio's (`ScheduledIo`): one atomic word holds the readiness and a
//! counter of events, the **tick**, and the waiters are in a list behind a lock. The driver and a
//! registration share one [`ScheduledIo`] for each source. It owns the callbacks and the order in
//! which one is registered against events and shutdown.
//!
//! - [`readiness`]: the word and its transitions.
//! - [`waiters`]: the slots and the list of wakers, plain data.
//! - [`controlled`]: a waker that obeys its frame's deadline and cancellation.
//! - [`wait`]: the word and the list together, the future and the poll function.
//!
//! The folder knows no mio, descriptor, token or system call, so the models run it as it is. Wakers
//! and callbacks that an event notifies are collected here. The [driver](crate::driver) calls them.
//!
//! # Callers
//!
//! | caller | calls | when |
//! | --- | --- | --- |
//! | driver | [`ScheduledIo::set`] | an event came |
//! | driver | `set_shutdown`, then `take_callbacks` | it shuts down |
//! | future | [`Readiness::wait`](wait::Readiness::wait), and polls it | any number at once: each has an entry in the list |
//! | poll function | [`Readiness::poll_ready`](wait::Readiness::poll_ready) | each direction has one slot: the last caller's waker stays |
//! | operation | [`clear`](readiness::ReadinessWord::clear) | it moved fewer bytes than it had room for |
//! | operation | [`clear_if_would_block`](readiness::ReadinessWord::clear_if_would_block) | the operating system returned `WouldBlock` |
//! | registration | `add_callback`, `take_callbacks` | a callback is registered, the source is deregistered |
//!
//! # The readiness word
//!
//! | bits | name | meaning |
//! | --- | --- | --- |
//! | 0 | `READABLE` | a read would not block |
//! | 1 | `WRITABLE` | a write would not block |
//! | 2 | `READ_CLOSED` | the peer has stopped writing |
//! | 3 | `WRITE_CLOSED` | the peer has stopped reading |
//! | 4 | `ERROR` | an error is pending |
//! | 5 | `PRIORITY` | urgent data has arrived |
//! | 6 | `SHUTDOWN` | the driver is gone, no event will come; never cleared |
//! | 7 | `URGENT_MARK` | urgent data was reported once; never cleared |
//! | 8 | `READ_WAITERS` | a waiter may wait to read, and no setter is about to notify it |
//! | 9 | `WRITE_WAITERS` | the same for writing |
//! | 10 | `CALLBACKS` | the source may have callbacks |
//! | 12 | `ERROR_WAITERS` | like `READ_WAITERS`, for an error |
//! | 13 | `PRIORITY_WAITERS` | the same for urgent data |
//! | 16..64 | tick | the number of events, modulo 2^48 |
//!
//! An interest has the bits of the readiness that satisfies it, and its waiters bits are 8 above.
//! Only `READ_CLOSED` satisfies two interests: reading, and urgent data, which does not come after
//! it. `ERROR` and `PRIORITY` are cleared by operations that wait for them, and by no other.
//!
//! Bits 11, 14 and 15 are always zero. An operation carries the whole tick in its
//! [`ReadyEvent`](readiness::ReadyEvent), so an old one passes for new only if one source gets 2^48
//! events during one system call.
//!
//! # The states of one interest (`W`: its waiters bit, `R`: its readiness)
//!
//! ```text
//!        1 register_interest
//!    .. ---------------------> W.
//!    ^ ^                       | |
//!    | +--- 5 clear_waiters ---+ | 2 set: the setter takes the waiters out
//!    |                           v
//!    |           2 set           .R <--- 5 clear_waiters --- WR
//!    | ------------------------> |                           ^
//!    |                           |    1 register_interest    |
//!    |                           +---------------------------+
//!    |                           |    Ready: the caller does not wait, and takes edge 5
//!    +---------------------------+
//!      3 clear, 4 clear_if_would_block
//!      (only if the tick is the one that the caller observed)
//! ```
//!
//! 1. [`register_interest`](readiness::ReadinessWord::register_interest): a waiter that is already
//!    in the list, and still holds the list's lock, turns its waiters bits on. The result says
//!    whether an event came first.
//! 2. [`set`](readiness::ReadinessWord::set): the driver adds the readiness that an event reports
//!    and increments the tick. It turns off the waiters bits of the interests that the event
//!    satisfies. For each one that was on, it then locks the list and takes out all waiters for the
//!    interest, including those that were inserted in the meantime.
//! 3. [`clear`](readiness::ReadinessWord::clear): an operation has drained the source.
//! 4. [`clear_if_would_block`](readiness::ReadinessWord::clear_if_would_block): the operating
//!    system said that the operation would block.
//! 5. [`clear_waiters`](readiness::ReadinessWord::clear_waiters): the list, which is locked, has no
//!    waiter for the interest.
//!
//! # A waiter is always notified
//!
//! A waiter registers while an event comes. The order of `register_interest` and `set` on the one
//! word decides this race. If `set` is first, `register_interest` returns the readiness and the
//! waiter does not wait. If `register_interest` is first, `set` finds the waiters bit on and locks
//! the list. The waiter is in there, since it held the lock over both of its steps.
//!
//! If the waiters bit of an entry's interest is off, a setter is about to take the entry out:
//! only `set` turns the bit off while the list has a waiter for it (`clear_waiters` holds the lock
//! and sees that there is none). So a setter that finds the bit off does not lock the list.
//!
//! Only `set` turns readiness bits on. So if `register_interest` returned `Waiting` and the waiter
//! observes readiness later, a `set` ran after that `register_interest`. Its caller has removed the
//! waiter's entry, or is about to. [`wait`] relies on this.
//!
//! # Clearing never erases a newer event
//!
//! The operating system reports an edge once. An operation that finds the source drained does so
//! after it observed tick `t`. Whatever arrives later makes a new edge, hence a `set`, hence
//! another tick. If that `set` precedes the `clear`, the clear finds the other tick and does
//! nothing. If it follows, it adds the bits again.
//!
//! # Happens-before
//!
//! `set` is a Release read-modify-write, `load` and `register_interest` acquire: an operation that
//! follows the readiness comes after the event. `clear`, `clear_if_would_block` and `clear_waiters`
//! are relaxed read-modify-writes, which continue the release sequence of a `set` and publish
//! nothing. The waiters and the callbacks are published by their locks.

pub(crate) mod controlled;
pub(crate) mod readiness;
pub(crate) mod wait;
pub(crate) mod waiters;

use framewise_sync::{Arc, Mutex};

use crate::callback::CallbackEntry;
use crate::ready::Ready;

use self::controlled::ControlledWaker;
use self::wait::Readiness;

/// A callback that is to be called, and the readiness that it gets.
pub type Call = (Arc<CallbackEntry>, Ready);

/// The state of one source.
#[derive(Debug)]
pub struct ScheduledIo {
    readiness: Readiness,
    callbacks: Mutex<Vec<Arc<CallbackEntry>>>,
}

impl ScheduledIo {
    /// Creates the state of a source without waiters and callbacks. `initial` holds until an
    /// operation clears it.
    pub fn new(initial: Ready) -> Self {
        Self {
            readiness: Readiness::new(initial),
            callbacks: Mutex::new(Vec::new()),
        }
    }

    /// Returns the readiness with its waiters.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Sets the readiness that an event reports. Adds the wakers and callbacks that it notifies to
    /// `wakers` and `calls`, which the driver calls when it holds no lock.
    #[inline]
    pub fn set(&self, ready: Ready, wakers: &mut Vec<ControlledWaker>, calls: &mut Vec<Call>) {
        if self.readiness.set(ready, wakers) {
            self.collect_calls(ready, calls);
        }
    }

    #[cold]
    fn collect_calls(&self, ready: Ready, calls: &mut Vec<Call>) {
        let mut callbacks = self.callbacks.lock();
        callbacks.retain(|entry| !entry.is_gone());
        if callbacks.is_empty() {
            self.readiness.word().deregister_callbacks();
        }
        for entry in callbacks
            .iter()
            .filter(|entry| ready.satisfies(entry.interest()))
        {
            calls.push((Arc::clone(entry), ready));
        }
    }

    /// Registers a callback. Returns the readiness that was set before and that no event will
    /// report again, or `None` if the driver is gone.
    pub fn add_callback(&self, entry: &Arc<CallbackEntry>) -> Option<Ready> {
        let mut callbacks = self.callbacks.lock();
        callbacks.retain(|entry| !entry.is_gone());
        callbacks.push(Arc::clone(entry));
        // The race is a waiter's, with this lock for the list's: a `set` that comes later finds the
        // bit on and waits for the lock that is held here.
        let before = self.readiness.word().register_callbacks();
        if before.is_shutdown() {
            callbacks.pop();
            return None;
        }
        Some(before.ready().intersection(entry.interest()))
    }

    /// Takes all callbacks out. The caller cancels them when it holds no lock.
    #[must_use = "callbacks that are not canceled keep what they own"]
    pub fn take_callbacks(&self) -> Vec<Arc<CallbackEntry>> {
        std::mem::take(&mut *self.callbacks.lock())
    }
}
