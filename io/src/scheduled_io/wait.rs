//! Waiting for readiness: the word and the list of waiters joined.
//!
//! Owns the order of the steps that decides the register × set race (the head of
//! [`crate::scheduled_io::readiness`] argues it) and keeps the rule that a waker is cloned, called and dropped
//! with no lock held. It must not know the driver, which calls [`Readiness::set`] and wakes what
//! that hands out.
//!
//! A waker is *taken* out when an event comes, rather than kept and cloned: the clone that the next
//! wait makes costs as much as the clone that the driver would need in order to call it outside of
//! the lock, and a waker that is called by value gives its reference to the queue. While nothing
//! has come, a waiter that is polled again with the same waker in the same frame clones nothing.
//!
//! A future that has waited and sees in the word that it need not wait any more does not look into the
//! list: its entry has been taken out, or is about to be (the head of [`crate::scheduled_io::readiness`] says why). In
//! the latter case whoever was waiting is woken once more than needed. So a wait that ends by an event
//! takes the lock twice: to register, and for the setter.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use framewise_context::{FramedWaker, catch_unwind};
use framewise_sync::Mutex;

use crate::callback;
use crate::ready::{Direction, Interest, Ready};
use crate::scheduled_io::readiness::{Announced, Notify, ReadinessWord, ReadyEvent};
use crate::scheduled_io::waiters::{WaiterKey, Waiters};

/// A source's readiness and those who wait for it.
#[derive(Debug)]
pub struct Readiness {
    word: ReadinessWord,
    waiters: Mutex<Waiters<FramedWaker>>,
}

impl Readiness {
    /// Nobody waits, and `initial` holds until it is refuted.
    pub fn new(initial: Ready) -> Self {
        Self {
            word: ReadinessWord::new(initial),
            waiters: Mutex::new(Waiters::new()),
        }
    }

    /// The word, for operations on it that concern no waiter.
    pub fn word(&self) -> &ReadinessWord {
        &self.word
    }

    /// An event has come. The wakers of those who have to be told are added to `wakers`: the
    /// caller calls them when it holds no lock.
    ///
    /// Answers whether the callbacks have to be told too.
    #[must_use = "callbacks that are not told miss the event"]
    #[inline]
    pub fn set(&self, ready: Ready, wakers: &mut Vec<FramedWaker>) -> bool {
        self.tell(self.word.set(ready), wakers)
    }

    /// The driver is gone. As [`set`](Self::set), and everybody is told.
    pub fn set_shutdown(&self, wakers: &mut Vec<FramedWaker>) {
        // Callbacks are cancelled at shutdown, not called.
        self.tell(self.word.set_shutdown(), wakers);
    }

    #[inline]
    fn tell(&self, notify: Notify, wakers: &mut Vec<FramedWaker>) -> bool {
        if let Some(interest) = notify.waiters {
            let mut waiters = self.waiters.lock();
            waiters.take(interest, wakers);
            self.withdraw_idle(&waiters);
        }
        notify.callbacks
    }

    /// Who waits for both directions is told of one, and the other's bit may be left. So may one's who
    /// has been refused or gives up.
    #[inline]
    fn withdraw_idle(&self, waiters: &Waiters<FramedWaker>) {
        // The bits are turned on only under the lock that is held here, so the look is no guess: it
        // spares a read-modify-write where a setter has turned them off.
        if let Some(idle) = waiters.idle()
            // Unnoticed: left out, because bits that are off stay off, at the price of the operation.
            && self.word.has_waiters(idle)
        {
            self.word.withdraw(idle);
        }
    }

    /// Waits in the slot of `direction`: the waker of the last caller is the one that is called.
    pub fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<ReadyEvent> {
        let interest = direction.interest();
        let event = self.word.load();
        // Unnoticed: never, because announce finds out the same, at the price of the lock.
        // Unnoticed: moved behind the next, because an event has taken the waker out of the slot, or one came
        // and was cleared since, and the waker that is there waits for the next.
        if event.ends_wait(interest) {
            return Poll::Ready(event);
        }
        // Unnoticed: always, because the slot is then empty, or has a waker that an event is about to take.
        if self.word.has_waiters(interest) {
            let waiters = self.waiters.lock();
            if waiters
                .slot(direction)
                .is_some_and(|waker| waker.will_wake(cx.waker()))
            {
                // It is still there, so no event has come for it, or its setter is waiting for
                // this lock.
                return Poll::Pending;
            }
        }
        let waker = FramedWaker::new(cx.waker());
        let mut waiters = self.waiters.lock();
        let replaced = waiters.put_slot(direction, Some(waker));
        let announced = self.word.announce(interest);
        let mut unused = None;
        if let Announced::Ready(_) = announced {
            unused = waiters.put_slot(direction, None);
            self.withdraw_idle(&waiters);
        }
        drop(waiters);
        drop((replaced, unused));
        match announced {
            Announced::Ready(event) => Poll::Ready(event),
            Announced::Waiting => Poll::Pending,
        }
    }

    /// Empties the slot of `direction`, since the half that polled is dropped, and wakes the waker
    /// that was there: it may be that of another poller, which polls again.
    pub fn release_slot(&self, direction: Direction) {
        // The bit is on while a waker is in the slot, or else its setter is about to take it.
        // Unnoticed: always, because the waker is then woken here instead of by its setter.
        if self.word.has_waiters(direction.interest()) {
            self.empty_slot(direction);
        }
    }

    #[cold]
    fn empty_slot(&self, direction: Direction) {
        let mut waiters = self.waiters.lock();
        let waker = waiters.put_slot(direction, None);
        self.withdraw_idle(&waiters);
        drop(waiters);
        // The half may be dropped by a panic: one more, of a foreign waker, would abort the process.
        if let Some(waker) = waker
            && let Err(caught) = catch_unwind(|| waker.wake())
        {
            callback::end(caught);
        }
    }

    /// A future that waits in the list: any number may wait at once.
    #[inline]
    pub fn wait(&self, interest: Interest) -> ReadinessWait<'_> {
        ReadinessWait {
            readiness: self,
            interest,
            key: None,
        }
    }
}

/// Waits until a source is ready for an interest, or its driver gone.
///
/// # Cancel safety
///
/// Dropping it gives its entry back, if it waits. An event that it had been told of and had not reported stays
/// in the word, for whoever looks next.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ReadinessWait<'a> {
    readiness: &'a Readiness,
    interest: Interest,
    key: Option<WaiterKey>,
}

impl ReadinessWait<'_> {
    /// Puts itself into the list, unless it is there.
    #[inline(never)]
    fn register(&mut self, cx: &mut Context<'_>) -> Poll<ReadyEvent> {
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
        let waker = FramedWaker::new(cx.waker());
        let mut waiters = readiness.waiters.lock();
        let replaced = self.key.take().and_then(|key| waiters.remove(key));
        let key = waiters.insert(self.interest, waker);
        match readiness.word.announce(self.interest) {
            Announced::Waiting => {
                self.key = Some(key);
                drop(waiters);
                drop(replaced);
                Poll::Pending
            }
            Announced::Ready(event) => {
                let unused = waiters.remove(key);
                readiness.withdraw_idle(&waiters);
                drop(waiters);
                drop((replaced, unused));
                Poll::Ready(event)
            }
        }
    }

    /// It is dropped while it waits.
    #[cold]
    fn give_back(&self, key: WaiterKey) {
        let mut waiters = self.readiness.waiters.lock();
        let unused = waiters.remove(key);
        self.readiness.withdraw_idle(&waiters);
        drop(waiters);
        drop(unused);
    }
}

impl Future for ReadinessWait<'_> {
    type Output = ReadyEvent;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ReadyEvent> {
        let event = self.readiness.word.load();
        // Unnoticed: never, because register finds out the same, at the price of the lock.
        if event.ends_wait(self.interest) {
            // If it has waited, the setter takes its entry out.
            // Unnoticed: skipped, because a key whose entry was taken out fits no other.
            self.key = None;
            return Poll::Ready(event);
        }
        self.register(cx)
    }
}

impl Drop for ReadinessWait<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.give_back(key);
        }
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
