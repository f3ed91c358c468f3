//! Waiting for readiness: the word and the waiters together.
//!
//! Owns the order of the steps that decides the register × set race ([`scheduled_io`](super) argues
//! it). Wakers are cloned, called and dropped with no lock held. The file must not know the driver,
//! which calls [`Readiness::set`] and wakes the wakers that this collects.
//!
//! An event takes a waker out of the slot or the list, instead of cloning it. The driver calls
//! wakers outside of the lock, so it needs one of its own. A waker that is called by value gives
//! its reference to the run queue, and the clone that the next wait makes costs no more than the
//! driver's would. Until an event comes, a waiter that is polled again with the same waker in the
//! same frame clones nothing.
//!
//! A wait also ends by the deadline or the cancellation of the frame in which it is polled. This is
//! checked first, also where the source is ready: a peer that never stops sending must not carry a
//! request past its deadline. What wakes the waiter then is [`controlled`](super::controlled)'s.
//!
//! A future that waited, and then finds the source ready, does not lock the list: its entry has
//! been taken out, or is about to be. In the latter case its task is woken once more than needed.
//! So a wait that ends by an event takes the lock twice, once to register and once in the setter.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use framewise_context::catch_unwind;
use framewise_context::control::{self, Ended};
use framewise_sync::Mutex;

use super::controlled::ControlledWaker;
use super::readiness::{Notify, ReadinessWord, ReadyEvent, Registered};
use super::waiters::{WaiterKey, Waiters};
use crate::callback;
use crate::ready::{Direction, Interest, Ready};

/// A source's readiness and its waiters.
#[derive(Debug)]
pub struct Readiness {
    word: ReadinessWord,
    waiters: Mutex<Waiters<ControlledWaker>>,
}

impl Readiness {
    /// Creates the readiness of a source without waiters. `initial` holds until an operation clears
    /// it.
    pub fn new(initial: Ready) -> Self {
        Self {
            word: ReadinessWord::new(initial),
            waiters: Mutex::new(Waiters::new()),
        }
    }

    /// Returns the word, for operations that concern no waiter.
    pub fn word(&self) -> &ReadinessWord {
        &self.word
    }

    /// Sets the readiness that an event reports. Adds the wakers that it notifies to `wakers`,
    /// which the caller calls when it holds no lock.
    ///
    /// Returns `true` if the caller has to notify the callbacks, too.
    #[must_use = "callbacks that are not notified miss the event"]
    #[inline]
    pub fn set(&self, ready: Ready, wakers: &mut Vec<ControlledWaker>) -> bool {
        self.take_notified(self.word.set(ready), wakers)
    }

    /// Like [`set`](Self::set), at the driver's shutdown: notifies all waiters.
    pub fn set_shutdown(&self, wakers: &mut Vec<ControlledWaker>) {
        // Callbacks are canceled at shutdown, not called.
        self.take_notified(self.word.set_shutdown(), wakers);
    }

    #[inline]
    fn take_notified(&self, notify: Notify, wakers: &mut Vec<ControlledWaker>) -> bool {
        if let Some(interest) = notify.waiters {
            let mut waiters = self.waiters.lock();
            waiters.take(interest, wakers);
            self.clear_idle_waiters(&waiters);
        }
        notify.callbacks
    }

    /// Clears waiters bits that no entry backs any more. An event in one direction takes out a
    /// waiter that was registered for both, and a waiter that was dropped or found the source ready
    /// goes without an event. The caller holds the list's lock.
    #[inline]
    fn clear_idle_waiters(&self, waiters: &Waiters<ControlledWaker>) {
        // The bits are turned on only under the lock that is held here, so bits that are off stay
        // off. Checking spares a read-modify-write where a setter has turned them off.
        if let Some(idle) = waiters.idle()
            // Unnoticed: left out, because bits that are off stay off, at the price of the
            // operation.
            && self.word.has_waiters(idle)
        {
            self.word.clear_waiters(idle);
        }
    }

    /// Waits in the slot of `direction`. An event wakes the waker of the last caller.
    ///
    /// # Errors
    ///
    /// Fails if the frame's deadline has passed or it is canceled, also if the source is ready.
    pub fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<Waited> {
        let interest = direction.interest();
        if let Err(ended) = control::check() {
            return self.end_in_slot(direction, ended);
        }
        let event = self.word.load();
        // Unnoticed: never, because register_interest returns the same, at the price of the lock.
        // Unnoticed: moved behind the next, because an event has taken the waker out of the slot,
        // or an event came and was cleared since, and the waker in the slot waits for the next.
        if event.ends_wait(interest) {
            return Poll::Ready(Ok(event));
        }
        // Unnoticed: always, because the slot is then empty, or has a waker that an event is about
        // to take.
        if self.word.has_waiters(interest) {
            let waiters = self.waiters.lock();
            if waiters
                .slot(direction)
                .is_some_and(|waker| waker.will_wake(cx.waker()))
            {
                // The waker is still there, so no event came for it, or the setter is waiting for
                // this lock.
                return Poll::Pending;
            }
        }
        let waker = match ControlledWaker::new(cx.waker()) {
            Ok(waker) => waker,
            Err(ended) => return self.end_in_slot(direction, ended),
        };
        let mut waiters = self.waiters.lock();
        let replaced = waiters.put_slot(direction, Some(waker));
        let registered = self.word.register_interest(interest);
        let mut unused = None;
        if let Registered::Ready(_) = registered {
            unused = waiters.put_slot(direction, None);
            self.clear_idle_waiters(&waiters);
        }
        drop(waiters);
        drop((replaced, unused));
        match registered {
            Registered::Ready(event) => Poll::Ready(Ok(event)),
            Registered::Waiting => Poll::Pending,
        }
    }

    /// Ends a wait whose frame has ended. A waker in the slot that is registered with an ended
    /// node is dropped: it was woken by that. Another one, of a poller that waits on, stays.
    #[cold]
    fn end_in_slot(&self, direction: Direction, ended: Ended) -> Poll<Waited> {
        let mut waiters = self.waiters.lock();
        let has_ended = waiters
            .slot(direction)
            .is_some_and(ControlledWaker::has_ended);
        let unused = has_ended
            .then(|| waiters.put_slot(direction, None))
            .flatten();
        self.clear_idle_waiters(&waiters);
        drop(waiters);
        drop(unused);
        Poll::Ready(Err(ended))
    }

    /// Empties the slot of `direction`, because the half that polled is dropped. Wakes the waker
    /// that was there: it may be another poller's, which then polls again.
    pub fn release_slot(&self, direction: Direction) {
        // The bit is on while a waker is in the slot, unless its setter is about to take it out.
        // Unnoticed: always, because the waker is then woken here instead of by its setter.
        if self.word.has_waiters(direction.interest()) {
            self.empty_slot(direction);
        }
    }

    #[cold]
    fn empty_slot(&self, direction: Direction) {
        let mut waiters = self.waiters.lock();
        let waker = waiters.put_slot(direction, None);
        self.clear_idle_waiters(&waiters);
        drop(waiters);
        // The half may be dropped by an unwinding panic: a second one, from a user-supplied waker,
        // would abort the process.
        if let Some(waker) = waker
            && let Err(caught) = catch_unwind(|| waker.wake())
        {
            callback::discard(caught);
        }
    }

    /// Returns a future that waits in the list. Any number of them may wait at once.
    #[inline]
    pub fn wait(&self, interest: Interest) -> ReadinessWait<'_> {
        ReadinessWait {
            readiness: self,
            interest,
            key: None,
        }
    }
}

/// The result of a wait: the readiness, or why the wait has ended without one.
pub type Waited = Result<ReadyEvent, Ended>;

/// A future that waits until a source is ready for an interest, its driver gone, or the frame ended
/// in which it is polled.
///
/// # Cancel safety
///
/// Dropping it removes its entry from the list. An event that it was notified of and did not return
/// stays in the word, for the next operation.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ReadinessWait<'a> {
    readiness: &'a Readiness,
    interest: Interest,
    key: Option<WaiterKey>,
}

impl ReadinessWait<'_> {
    /// Inserts the waiter into the list, unless it is there with the same waker.
    #[inline(never)]
    fn register(&mut self, cx: &mut Context<'_>) -> Poll<Waited> {
        let readiness = self.readiness;
        if let Some(key) = &self.key {
            let waiters = readiness.waiters.lock();
            if waiters
                .waker(key)
                .is_some_and(|waker| waker.will_wake(cx.waker()))
            {
                return Poll::Pending;
            }
        }
        let waker = match ControlledWaker::new(cx.waker()) {
            Ok(waker) => waker,
            Err(ended) => return self.end(ended),
        };
        let mut waiters = readiness.waiters.lock();
        let replaced = self.key.take().and_then(|key| waiters.remove(key));
        let key = waiters.insert(self.interest, waker);
        match readiness.word.register_interest(self.interest) {
            Registered::Waiting => {
                self.key = Some(key);
                drop(waiters);
                drop(replaced);
                Poll::Pending
            }
            Registered::Ready(event) => {
                let unused = waiters.remove(key);
                readiness.clear_idle_waiters(&waiters);
                drop(waiters);
                drop((replaced, unused));
                Poll::Ready(Ok(event))
            }
        }
    }

    /// Ends the wait, whose frame has ended.
    #[cold]
    fn end(&mut self, ended: Ended) -> Poll<Waited> {
        if let Some(key) = self.key.take() {
            self.deregister(key);
        }
        Poll::Ready(Err(ended))
    }

    /// Removes the entry of a waiter that is dropped, or whose frame has ended.
    #[cold]
    fn deregister(&self, key: WaiterKey) {
        let mut waiters = self.readiness.waiters.lock();
        let unused = waiters.remove(key);
        self.readiness.clear_idle_waiters(&waiters);
        drop(waiters);
        drop(unused);
    }
}

impl Future for ReadinessWait<'_> {
    type Output = Waited;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Waited> {
        if let Err(ended) = control::check() {
            return self.end(ended);
        }
        let event = self.readiness.word.load();
        // Unnoticed: never, because register returns the same, at the price of the lock.
        if event.ends_wait(self.interest) {
            // If the future has waited, the setter takes its entry out.
            // Unnoticed: skipped, because a key whose entry was taken out matches no other.
            self.key = None;
            return Poll::Ready(Ok(event));
        }
        self.register(cx)
    }
}

impl Drop for ReadinessWait<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.deregister(key);
        }
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
