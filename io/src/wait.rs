//! Waiting for readiness: the word and the list of waiters joined.
//!
//! Owns the order of the steps that decides the register × set race (the head of
//! [`crate::readiness`] argues it) and keeps the rule that a waker is cloned, called and dropped
//! with no lock held. It must not know the driver, which calls [`Readiness::set`] and wakes what
//! that hands out.
//!
//! A waker is *taken* out when an event comes, rather than kept and cloned: the clone that the next
//! wait makes costs as much as the clone that the driver would need in order to call it outside of
//! the lock, and a waker that is called by value gives its reference to the queue. While nothing
//! has come, a waiter that is polled again with the same waker in the same frame clones nothing.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use framewise_context::FramedWaker;
use framewise_sync::Mutex;

use crate::readiness::{Announced, Notify, ReadinessWord, ReadyEvent};
use crate::ready::{Direction, Interest, Ready};
use crate::waiters::{WaiterKey, Waiters};

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
    pub fn set(&self, ready: Ready, wakers: &mut Vec<FramedWaker>) -> bool {
        self.tell(self.word.set(ready), wakers)
    }

    /// The driver is gone. As [`set`](Self::set), and everybody is told.
    pub fn set_shutdown(&self, wakers: &mut Vec<FramedWaker>) {
        // Callbacks are cancelled at shutdown, not called.
        self.tell(self.word.set_shutdown(), wakers);
    }

    fn tell(&self, notify: Notify, wakers: &mut Vec<FramedWaker>) -> bool {
        if let Some(interest) = notify.waiters {
            let mut waiters = self.waiters.lock();
            waiters.take(interest, wakers);
            self.withdraw_idle(&waiters);
        }
        notify.callbacks
    }

    fn withdraw_idle(&self, waiters: &Waiters<FramedWaker>) {
        // The bits change only under the lock that is held here, so the look is no guess. It spares
        // a read-modify-write: who was told finds them withdrawn when it gives its entry back.
        if let Some(idle) = waiters.idle()
            && self.word.has_waiters(idle)
        {
            self.word.withdraw(idle);
        }
    }

    /// Waits in the slot of `direction`: the waker of the last caller is the one that is called.
    pub fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<ReadyEvent> {
        let interest = direction.interest();
        let event = self.word.load();
        if event.ends_wait(interest) {
            return Poll::Ready(event);
        }
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

    /// A future that waits in the list: any number may wait at once.
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
/// Dropping it gives its entry back. An event that it had been told of and had not reported stays
/// in the word, for whoever looks next.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ReadinessWait<'a> {
    readiness: &'a Readiness,
    interest: Interest,
    key: Option<WaiterKey>,
}

impl Future for ReadinessWait<'_> {
    type Output = ReadyEvent;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ReadyEvent> {
        let this = &mut *self;
        let readiness = this.readiness;
        let event = readiness.word.load();
        if event.ends_wait(this.interest) {
            return Poll::Ready(event);
        }
        if let Some(key) = &this.key {
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
        let key = this
            .key
            .get_or_insert_with(|| waiters.insert(this.interest));
        let replaced = waiters.put(key, Some(waker));
        let announced = readiness.word.announce(this.interest);
        let mut unused = None;
        if let Announced::Ready(_) = announced {
            unused = waiters.put(key, None);
            readiness.withdraw_idle(&waiters);
        }
        drop(waiters);
        drop((replaced, unused));
        match announced {
            Announced::Ready(event) => Poll::Ready(event),
            Announced::Waiting => Poll::Pending,
        }
    }
}

impl Drop for ReadinessWait<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            let mut waiters = self.readiness.waiters.lock();
            let unused = waiters.remove(key);
            self.readiness.withdraw_idle(&waiters);
            drop(waiters);
            drop(unused);
        }
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
