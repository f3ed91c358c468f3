//! `block_on`: a thread that waits for one future, and the threads that wake it.
//!
//! The shipped loop and waker; parking is the facade's token. A failure is a thread that sleeps
//! forever (a deadlock), or a future that is polled after a wake and does not see what was written
//! before it (a deadlock, or a race that loom reports).
#![cfg(framewise_loom)]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use framewise::model::block_on;
use framewise_loom_tests::{PoisoningAllocator, model};
use framewise_sync::Arc;
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::thread::{self, JoinHandle};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

/// What wakers write for a future. Relaxed on purpose: only the wake makes the poll see it.
#[derive(Clone, Default)]
struct Notified(Arc<AtomicUsize>);

/// Calls `start` with its waker at its first poll; ready once it was notified `wanted` times.
struct Listener<S> {
    notified: Notified,
    wanted: usize,
    start: Option<S>,
    polls: usize,
}

impl<S: FnOnce(Waker) + Unpin> Future for Listener<S> {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        self.polls += 1;
        if let Some(start) = self.start.take() {
            start(cx.waker().clone());
        }
        if self.notified.0.load(Ordering::Relaxed) == self.wanted {
            Poll::Ready(self.polls)
        } else {
            Poll::Pending
        }
    }
}

fn listen<S>(notified: &Notified, wanted: usize, start: S) -> Listener<S> {
    Listener {
        notified: notified.clone(),
        wanted,
        start: Some(start),
        polls: 0,
    }
}

/// Notifies and wakes on another thread.
fn wake_elsewhere(notified: &Notified, waker: Waker) -> JoinHandle<()> {
    let notified = notified.clone();
    thread::spawn(move || {
        notified.0.fetch_add(1, Ordering::Relaxed);
        waker.wake();
    })
}

/// Race: a wake against the poll before the park, and the park. Failure: the park does not end.
#[test]
fn a_wake_meets_the_park() {
    model("block_on: wake × park", || {
        let notified = Notified::default();
        let mut waking = None;
        let polls = block_on(listen(&notified, 1, |waker| {
            waking = Some(wake_elsewhere(&notified, waker));
        }));
        assert!(polls <= 2, "one wake causes one poll");
        waking.expect("it was polled").join().unwrap();
    });
}

/// Race: two wakes. The second may skip the unpark, since the first one's mark is still set.
/// Failure: the poll after the first unpark clears the mark and does not see what the second wake
/// wrote.
#[test]
fn two_wakes_meet_the_park() {
    model("block_on: wake × wake × park", || {
        let notified = Notified::default();
        let mut waking = Vec::new();
        block_on(listen(&notified, 2, |waker: Waker| {
            waking.push(wake_elsewhere(&notified, waker.clone()));
            waking.push(wake_elsewhere(&notified, waker));
        }));
        for waking in waking {
            waking.join().unwrap();
        }
    });
}

/// Race: one thread unparks this one for another reason, while a second thread wakes it. Failure:
/// the future is polled for the token, or the wake is lost with it.
#[test]
fn a_needless_unpark_meets_a_wake_and_the_park() {
    model("block_on: unpark × wake × park", || {
        let notified = Notified::default();
        let this = thread::current();
        let unparking = thread::spawn(move || this.unpark());
        let mut waking = None;
        let polls = block_on(listen(&notified, 1, |waker| {
            waking = Some(wake_elsewhere(&notified, waker));
        }));
        assert!(polls <= 2, "a token without a wake causes no poll");
        unparking.join().unwrap();
        waking.expect("it was polled").join().unwrap();
    });
}

/// Race: a `block_on` within the poll of another one, on one thread with one token, while each is
/// woken. Failure: the inner one consumes the token of the outer one's wake, and the outer one
/// sleeps forever.
#[test]
fn a_wake_of_the_outer_one_meets_the_inner_one() {
    model("block_on: nested, wake outer × wake inner", || {
        let (outer, inner) = (Notified::default(), Notified::default());
        let mut waking = Vec::new();
        block_on(listen(&outer, 1, |waker| {
            waking.push(wake_elsewhere(&outer, waker));
            block_on(listen(&inner, 1, |waker| {
                waking.push(wake_elsewhere(&inner, waker));
            }));
        }));
        for waking in waking {
            waking.join().unwrap();
        }
    });
}

/// Race: a waker is called after its `block_on` returned, while the thread waits in another one.
/// Failure: the late unpark ends the wrong wait, or the token of the right one is lost.
#[test]
fn a_late_wake_meets_the_next_block_on() {
    model("block_on: late wake × block_on", || {
        let first = Notified::default();
        let mut late = None;
        block_on(listen(&first, 0, |waker| late = Some(waker)));
        let late = late.expect("it was polled");
        let lating = thread::spawn(move || late.wake());
        let second = Notified::default();
        let mut waking = None;
        let polls = block_on(listen(&second, 1, |waker| {
            waking = Some(wake_elsewhere(&second, waker));
        }));
        assert!(polls <= 2);
        lating.join().unwrap();
        waking.expect("it was polled").join().unwrap();
    });
}

/// Control: a thread that wakes first and notifies afterwards.
#[test]
#[should_panic(expected = "it was woken, and not notified")]
fn control_a_wake_before_its_word_is_noticed() {
    model("block_on: control, wake before write", || {
        let notified = Notified::default();
        let mut waking = None;
        let mut first = true;
        let received = block_on(std::future::poll_fn(|cx| {
            if !std::mem::take(&mut first) {
                return Poll::Ready(notified.0.load(Ordering::Relaxed));
            }
            let (notified, waker) = (notified.clone(), cx.waker().clone());
            waking = Some(thread::spawn(move || {
                waker.wake();
                notified.0.fetch_add(1, Ordering::Relaxed);
            }));
            Poll::Pending
        }));
        waking.expect("it was polled").join().unwrap();
        assert_eq!(received, 1, "it was woken, and not notified");
    });
}
