//! Waits under a control: its end, and what it keeps.

use framewise_context::control::{Control, Controlled, Origin};

use super::*;

/// A control whose end is counted by nothing but its waits.
fn scope() -> Control {
    Control::new_scope(Origin::caller(None))
}

fn within<R>(control: &Control, f: impl FnOnce() -> R) -> R {
    Controlled::from(control.clone()).run(f)
}

/// Returns the number of wakers that are held: the control's registrations included.
fn held(count: &Arc<CountingWaker>) -> usize {
    // Without the test's two.
    Arc::strong_count(count) - 2
}

#[test]
fn c99_the_end_wakes_a_wait_in_the_list_which_fails_and_leaves_nothing() {
    let readiness = Readiness::new(Ready::EMPTY);
    let (count, waker) = CountingWaker::new();
    let mut cx = Context::from_waker(&waker);
    let control = scope();
    let mut wait = readiness.wait(Interest::READABLE);
    within(&control, || {
        for _ in 0..3 {
            assert!(Pin::new(&mut wait).poll(&mut cx).is_pending());
            assert_eq!(held(&count), 2, "the list's and the control's");
        }
        control.target().cancel(None);
        assert_eq!(count.wakes(), 1);
        let Poll::Ready(Err(_)) = Pin::new(&mut wait).poll(&mut cx) else {
            panic!("the wait goes on");
        };
    });
    assert_eq!(held(&count), 0);
    assert!(!readiness.word.has_waiters(Interest::READABLE));
}

#[test]
fn c99_the_end_wakes_the_slot_whose_poll_fails_and_leaves_nothing() {
    let readiness = Readiness::new(Ready::EMPTY);
    let (count, waker) = CountingWaker::new();
    let mut cx = Context::from_waker(&waker);
    let control = scope();
    within(&control, || {
        for _ in 0..3 {
            assert!(readiness.poll_ready(&mut cx, Direction::Read).is_pending());
            assert_eq!(held(&count), 2, "the slot's and the control's");
        }
        control.target().cancel(None);
        assert_eq!(count.wakes(), 1);
        let Poll::Ready(Err(_)) = readiness.poll_ready(&mut cx, Direction::Read) else {
            panic!("the wait goes on");
        };
    });
    assert_eq!(held(&count), 0);
    assert!(!readiness.word.has_waiters(Interest::READABLE));
}

#[test]
fn a_ready_source_does_not_carry_a_wait_past_the_end() {
    let readiness = Readiness::new(Ready::READABLE);
    let mut cx = Context::from_waker(Waker::noop());
    let control = scope();
    control.target().cancel(None);
    within(&control, || {
        let polled = readiness.poll_ready(&mut cx, Direction::Read);
        assert!(matches!(polled, Poll::Ready(Err(_))));
        let polled = Pin::new(&mut readiness.wait(Interest::READABLE)).poll(&mut cx);
        assert!(matches!(polled, Poll::Ready(Err(_))));
    });
    let polled = readiness.poll_ready(&mut cx, Direction::Read);
    assert!(
        matches!(polled, Poll::Ready(Ok(_))),
        "the readiness is lost"
    );
}

#[test]
fn an_event_releases_the_registrations_before_the_waker_is_called() {
    /// Notes how many clones of it there are when it is called.
    #[derive(Default)]
    struct Observer(AtomicUsize);
    impl Wake for Observer {
        fn wake(self: Arc<Self>) {
            self.0.store(Arc::strong_count(&self), Ordering::SeqCst);
        }
    }
    let observer = Arc::new(Observer::default());
    let waker = Waker::from(Arc::clone(&observer));
    let mut cx = Context::from_waker(&waker);
    let seen = || observer.0.swap(0, Ordering::SeqCst);
    let readiness = Readiness::new(Ready::EMPTY);
    let control = scope();
    let mut wait = readiness.wait(Interest::READABLE);
    within(&control, || {
        assert!(Pin::new(&mut wait).poll(&mut cx).is_pending());
        assert_eq!(Arc::strong_count(&observer), 4);
        drive(&readiness, Ready::READABLE);
        assert_eq!(seen(), 3, "the test's two and the one that is called");
        assert!(readiness.poll_ready(&mut cx, Direction::Write).is_pending());
        drive(&readiness, Ready::WRITABLE);
        assert_eq!(seen(), 3, "the test's two and the one that is called");
    });
    control.target().cancel(None);
    assert_eq!(seen(), 0, "a wait that is over is woken by the end");
}

#[test]
fn a_wait_that_is_dropped_or_replaced_leaves_the_control() {
    let readiness = Readiness::new(Ready::EMPTY);
    let (count, waker) = CountingWaker::new();
    let mut cx = Context::from_waker(&waker);
    let control = scope();
    within(&control, || {
        let mut wait = readiness.wait(Interest::READABLE);
        assert!(Pin::new(&mut wait).poll(&mut cx).is_pending());
        assert!(readiness.poll_ready(&mut cx, Direction::Read).is_pending());
        assert!(readiness.poll_ready(&mut cx, Direction::Write).is_pending());
        assert_eq!(held(&count), 6);
    });
    assert_eq!(held(&count), 4, "the list's are gone");
    let mut other = Context::from_waker(Waker::noop());
    assert!(
        readiness
            .poll_ready(&mut other, Direction::Read)
            .is_pending()
    );
    assert_eq!(held(&count), 2, "the slot has another waker");
    readiness.release_slot(Direction::Write);
    assert_eq!((held(&count), count.wakes()), (0, 1));
    control.target().cancel(None);
    assert_eq!(count.wakes(), 1);
}

/// One task polls a slot under one control, then under another, then under none.
#[test]
fn the_slot_obeys_the_control_of_its_last_poll() {
    let readiness = Readiness::new(Ready::EMPTY);
    let (count, waker) = CountingWaker::new();
    let mut cx = Context::from_waker(&waker);
    let (first, second) = (scope(), scope());
    let mut poll = || readiness.poll_ready(&mut cx, Direction::Read);
    assert!(within(&first, &mut poll).is_pending());
    assert!(within(&second, &mut poll).is_pending());
    first.target().cancel(None);
    assert_eq!(count.wakes(), 0, "the end of an earlier poll's control");
    assert!(within(&first, &mut poll).is_ready());
    assert_eq!(held(&count), 2, "another poller's waker is taken out");
    assert!(poll().is_pending());
    second.target().cancel(None);
    assert_eq!(count.wakes(), 0, "the end of an earlier poll's control");
    assert!(within(&second, &mut poll).is_ready());
    assert_eq!(drive(&readiness, Ready::READABLE), 1);
}

#[test]
fn wakers_of_a_control_are_dropped_with_no_lock_held() {
    let readiness = Arc::new(Readiness::new(Ready::EMPTY));
    let hooked = Hooked::new(&readiness, false);
    let waker = hooked.waker();
    let mut cx = Context::from_waker(&waker);
    let control = scope();
    let mut wait = readiness.wait(Interest::READABLE);
    within(&control, || {
        assert!(Pin::new(&mut wait).poll(&mut cx).is_pending());
        assert!(readiness.poll_ready(&mut cx, Direction::Read).is_pending());
        assert_eq!(hooked.live(), 4);
        drive(&readiness, Ready::READABLE);
        assert_eq!(hooked.live(), 0);
        readiness
            .word
            .clear_if_would_block(readiness.word.load(), Interest::READABLE);
        assert!(Pin::new(&mut wait).poll(&mut cx).is_pending());
        assert!(readiness.poll_ready(&mut cx, Direction::Read).is_pending());
        control.target().cancel(None);
        assert!(Pin::new(&mut wait).poll(&mut cx).is_ready());
        assert!(readiness.poll_ready(&mut cx, Direction::Read).is_ready());
    });
    assert_eq!(hooked.live(), 0);
    assert_eq!(hooked.drops_under_lock.load(Ordering::Relaxed), 0);
}
