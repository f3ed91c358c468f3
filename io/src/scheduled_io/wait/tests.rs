use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{RawWaker, RawWakerVTable, Wake, Waker};

use super::*;

/// A waker that counts its calls; test-support's is not in the package, and these tests are.
#[derive(Default)]
struct CountingWaker(AtomicUsize);

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl CountingWaker {
    fn new() -> (Arc<Self>, Waker) {
        let counter = Arc::<Self>::default();
        (Arc::clone(&counter), Waker::from(counter))
    }

    fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Sets the readiness and wakes the waiters. Returns how many were woken.
fn drive(readiness: &Readiness, ready: Ready) -> usize {
    let mut wakers = Vec::new();
    let _ = readiness.set(ready, &mut wakers);
    let woken = wakers.len();
    wakers.into_iter().for_each(ControlledWaker::wake);
    woken
}

#[test]
fn the_slot_keeps_its_waker_until_it_is_notified() {
    let readiness = Readiness::new(Ready::EMPTY);
    let (count, waker) = CountingWaker::new();
    let mut cx = Context::from_waker(&waker);
    for _ in 0..3 {
        assert!(readiness.poll_ready(&mut cx, Direction::Read).is_pending());
        // The test's two, the waker's, and one clone in the slot.
        assert_eq!(Arc::strong_count(&count), 3);
    }
    assert_eq!(drive(&readiness, Ready::WRITABLE), 0);
    assert_eq!(drive(&readiness, Ready::READABLE), 1);
    assert_eq!(count.wakes(), 1);
    assert!(readiness.poll_ready(&mut cx, Direction::Read).is_ready());
    assert_eq!(Arc::strong_count(&count), 2);
}

#[test]
fn the_last_waker_in_the_slot_is_the_one_that_is_called() {
    let readiness = Readiness::new(Ready::EMPTY);
    let (first, first_waker) = CountingWaker::new();
    let (second, second_waker) = CountingWaker::new();
    for waker in [&first_waker, &second_waker] {
        let mut cx = Context::from_waker(waker);
        assert!(readiness.poll_ready(&mut cx, Direction::Write).is_pending());
    }
    assert_eq!(drive(&readiness, Ready::WRITABLE), 1);
    let counts = [first, second].map(|count| count.wakes());
    assert_eq!(counts, [0, 1]);
}

#[test]
fn after_all_are_notified_no_event_looks_for_waiters() {
    let readiness = Readiness::new(Ready::EMPTY);
    let (_, waker) = CountingWaker::new();
    let mut cx = Context::from_waker(&waker);
    assert!(readiness.poll_ready(&mut cx, Direction::Read).is_pending());
    assert!(readiness.word.has_waiters(Interest::READABLE));
    drive(&readiness, Ready::READABLE);
    assert!(
        !readiness
            .word
            .has_waiters(Interest::READABLE | Interest::WRITABLE)
    );
}

#[test]
fn every_waiter_in_the_list_is_notified_and_a_dropped_one_leaves_nothing() {
    let readiness = Readiness::new(Ready::EMPTY);
    let (count, waker) = CountingWaker::new();
    let mut cx = Context::from_waker(&waker);
    let mut first = pin!(readiness.wait(Interest::READABLE));
    let mut second = pin!(readiness.wait(Interest::READABLE));
    {
        let mut dropped = Box::pin(readiness.wait(Interest::WRITABLE));
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(dropped.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        assert_eq!(Arc::strong_count(&count), 5);
    }
    assert_eq!(Arc::strong_count(&count), 4);
    assert!(!readiness.word.has_waiters(Interest::WRITABLE));
    assert_eq!(drive(&readiness, Ready::READABLE | Ready::WRITABLE), 2);
    assert_eq!(count.wakes(), 2);
    assert!(first.as_mut().poll(&mut cx).is_ready());
    assert!(second.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn an_entry_is_removed_when_its_waiter_is_dropped() {
    let readiness = Readiness::new(Ready::EMPTY);
    let (_, waker) = CountingWaker::new();
    let mut cx = Context::from_waker(&waker);
    for _ in 0..3 {
        let mut wait = pin!(readiness.wait(Interest::READABLE));
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        assert_eq!(readiness.waiters.lock().entries(), 1);
    }
    assert_eq!(readiness.waiters.lock().entries(), 0);
}

#[test]
fn a_notified_waiter_that_would_block_waits_again() {
    let readiness = Readiness::new(Ready::EMPTY);
    let (_, waker) = CountingWaker::new();
    let mut cx = Context::from_waker(&waker);
    let mut wait = pin!(readiness.wait(Interest::READABLE));
    for _ in 0..3 {
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        assert_eq!(drive(&readiness, Ready::READABLE), 1);
        // Another reader was faster.
        readiness
            .word
            .clear_if_would_block(readiness.word.load(), Interest::READABLE);
    }
    drive(&readiness, Ready::READABLE);
    assert!(wait.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn shutdown_ends_every_wait_and_every_later_one() {
    let readiness = Readiness::new(Ready::EMPTY);
    let (count, waker) = CountingWaker::new();
    let mut cx = Context::from_waker(&waker);
    let mut wait = pin!(readiness.wait(Interest::WRITABLE));
    assert!(wait.as_mut().poll(&mut cx).is_pending());
    assert!(readiness.poll_ready(&mut cx, Direction::Read).is_pending());
    let mut wakers = Vec::new();
    readiness.set_shutdown(&mut wakers);
    wakers.into_iter().for_each(ControlledWaker::wake);
    assert_eq!(count.wakes(), 2);
    for direction in [Direction::Read, Direction::Write] {
        let Poll::Ready(Ok(event)) = readiness.poll_ready(&mut cx, direction) else {
            panic!("the poller waits for a driver that is gone");
        };
        assert!(event.is_shutdown());
    }
}

/// A waker that counts its clones, optionally sets the source ready while it is cloned, and checks
/// that no lock is held while it is dropped.
struct Hooked {
    readiness: Arc<Readiness>,
    sets_ready: bool,
    clones: AtomicUsize,
    drops: AtomicUsize,
    drops_under_lock: AtomicUsize,
}

impl Hooked {
    fn new(readiness: &Arc<Readiness>, sets_ready: bool) -> Arc<Self> {
        Arc::new(Self {
            readiness: Arc::clone(readiness),
            sets_ready,
            clones: AtomicUsize::new(0),
            drops: AtomicUsize::new(0),
            drops_under_lock: AtomicUsize::new(0),
        })
    }

    fn waker(self: &Arc<Self>) -> Waker {
        let data = Arc::into_raw(Arc::clone(self)).cast();
        // SAFETY: the vtable's functions treat the pointer as the counted reference that it is.
        unsafe { Waker::new(data, &HOOKED) }
    }

    /// Returns the number of clones that live now.
    fn live(&self) -> usize {
        self.clones.load(Ordering::Relaxed) - self.drops.load(Ordering::Relaxed)
    }
}

static HOOKED: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: like in `Hooked::waker`; the new reference is the clone's.
        let hooked = unsafe {
            Arc::increment_strong_count(data.cast::<Hooked>());
            &*data.cast::<Hooked>()
        };
        hooked.clones.fetch_add(1, Ordering::Relaxed);
        if hooked.sets_ready {
            drive(&hooked.readiness, Ready::READABLE);
        }
        RawWaker::new(data, &HOOKED)
    },
    drop_hooked,
    |_| {},
    drop_hooked,
);

fn drop_hooked(data: *const ()) {
    // SAFETY: like in `Hooked::waker`; the reference is dropped here.
    let hooked = unsafe { Arc::from_raw(data.cast::<Hooked>()) };
    hooked.drops.fetch_add(1, Ordering::Relaxed);
    if hooked.readiness.waiters.try_lock().is_none() {
        hooked.drops_under_lock.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_wait_that_is_polled_again_clones_no_waker() {
    let readiness = Arc::new(Readiness::new(Ready::EMPTY));
    let hooked = Hooked::new(&readiness, false);
    let waker = hooked.waker();
    let mut cx = Context::from_waker(&waker);
    let mut wait = readiness.wait(Interest::READABLE);
    for _ in 0..3 {
        assert!(readiness.poll_ready(&mut cx, Direction::Read).is_pending());
        assert!(Pin::new(&mut wait).poll(&mut cx).is_pending());
    }
    assert_eq!(hooked.clones.load(Ordering::Relaxed), 2);
    assert_eq!(hooked.live(), 2);
}

#[test]
fn wakers_are_dropped_with_no_lock_held() {
    let readiness = Arc::new(Readiness::new(Ready::EMPTY));
    let hooked = Hooked::new(&readiness, false);
    let waker = hooked.waker();
    let mut other = Context::from_waker(Waker::noop());
    {
        let mut cx = Context::from_waker(&waker);
        let mut replaced = readiness.wait(Interest::READABLE);
        let mut dropped = readiness.wait(Interest::READABLE);
        assert!(readiness.poll_ready(&mut cx, Direction::Read).is_pending());
        assert!(Pin::new(&mut replaced).poll(&mut cx).is_pending());
        assert!(Pin::new(&mut dropped).poll(&mut cx).is_pending());
        assert_eq!(hooked.live(), 3);
        assert!(
            readiness
                .poll_ready(&mut other, Direction::Read)
                .is_pending()
        );
        assert_eq!(hooked.live(), 2, "the slot has the other waker");
        assert!(Pin::new(&mut replaced).poll(&mut other).is_pending());
        assert_eq!(hooked.live(), 1, "the wait has the other waker");
    }
    assert_eq!(hooked.live(), 0);
    assert_eq!(hooked.drops_under_lock.load(Ordering::Relaxed), 0);
}

#[test]
fn an_event_that_comes_while_the_waker_is_cloned_leaves_no_waker() {
    let readiness = Arc::new(Readiness::new(Ready::EMPTY));
    let hooked = Hooked::new(&readiness, true);
    let waker = hooked.waker();
    let mut cx = Context::from_waker(&waker);
    let assert_ready = |event: Poll<Waited>| {
        let Poll::Ready(Ok(event)) = event else {
            panic!("the event came before the registration");
        };
        assert_eq!(hooked.live(), 0);
        assert!(!readiness.word.has_waiters(Interest::READABLE));
        readiness
            .word
            .clear_if_would_block(event, Interest::READABLE);
    };
    assert_ready(readiness.poll_ready(&mut cx, Direction::Read));
    assert_ready(Pin::new(&mut readiness.wait(Interest::READABLE)).poll(&mut cx));
    assert_eq!(hooked.clones.load(Ordering::Relaxed), 2);
    assert_eq!(hooked.drops_under_lock.load(Ordering::Relaxed), 0);
}

#[test]
fn a_waiter_for_both_directions_leaves_no_bit() {
    let readiness = Readiness::new(Ready::EMPTY);
    let mut cx = Context::from_waker(Waker::noop());
    let mut wait = readiness.wait(Interest::READABLE | Interest::WRITABLE);
    assert!(Pin::new(&mut wait).poll(&mut cx).is_pending());
    assert_eq!(drive(&readiness, Ready::READABLE), 1);
    assert!(!readiness.word.has_waiters(Interest::WRITABLE));
}

#[test]
fn a_slot_that_is_released_is_empty_and_its_waker_is_called_with_no_lock_held() {
    let readiness = Arc::new(Readiness::new(Ready::EMPTY));
    let hooked = Hooked::new(&readiness, false);
    let waker = hooked.waker();
    let mut cx = Context::from_waker(&waker);
    assert!(readiness.poll_ready(&mut cx, Direction::Read).is_pending());
    readiness.release_slot(Direction::Write);
    assert_eq!(hooked.live(), 1, "it waits in the other slot");
    assert!(readiness.word.has_waiters(Interest::READABLE));
    readiness.release_slot(Direction::Read);
    assert_eq!(hooked.live(), 0);
    assert!(!readiness.word.has_waiters(Interest::READABLE));
    assert_eq!(hooked.drops_under_lock.load(Ordering::Relaxed), 0);
}

/// The half may be dropped by an unwinding panic, so neither the waker's panic nor its payload's
/// may propagate.
#[test]
fn a_waker_that_panics_keeps_no_slot_from_being_released() {
    struct Payload;
    impl Drop for Payload {
        fn drop(&mut self) {
            panic!("expected: a payload's destructor");
        }
    }
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            std::panic::panic_any(Payload);
        }
    }
    let readiness = Readiness::new(Ready::EMPTY);
    let waker = Waker::from(Arc::new(Panics));
    let mut cx = Context::from_waker(&waker);
    assert!(readiness.poll_ready(&mut cx, Direction::Read).is_pending());
    readiness.release_slot(Direction::Read);
    assert!(!readiness.word.has_waiters(Interest::READABLE));
}

mod control;
