#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn timer() -> (mio::Poll, TimerFd) {
    let poll = mio::Poll::new().unwrap();
    let timer = TimerFd::new(poll.registry()).unwrap();
    (poll, timer)
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn it_is_set_only_when_the_deadline_moves_nearer() {
    let (_poll, mut timer) = timer();
    timer.ensure(2 * HOUR).unwrap();
    assert_eq!(timer.settings(), 1);
    // The same, and a later one.
    timer.ensure(2 * HOUR).unwrap();
    timer.ensure(3 * HOUR).unwrap();
    assert_eq!(timer.settings(), 1);
    timer.ensure(HOUR).unwrap();
    timer.ensure(2 * HOUR).unwrap();
    assert_eq!(timer.settings(), 2);
}

#[test]
fn it_ends_a_wait_and_is_set_again_after_that() {
    let (mut poll, mut timer) = timer();
    let mut events = mio::Events::with_capacity(4);
    for round in 1..=3 {
        let started = Instant::now();
        timer.ensure(Duration::from_micros(200)).unwrap();
        poll.poll(&mut events, None).unwrap();
        let tokens: Vec<usize> = events.iter().map(|event| event.token().0).collect();
        assert_eq!(tokens, [SourceKey::TIMER.to_token()]);
        assert!(
            started.elapsed() >= Duration::from_micros(200),
            "it fired too early"
        );
        assert_eq!(timer.settings(), round);
    }
}

#[test]
fn setting_it_discards_an_expiry_that_was_not_fetched() {
    let (mut poll, mut timer) = timer();
    timer.ensure(Duration::from_nanos(1)).unwrap();
    let mut events = mio::Events::with_capacity(4);
    // When this time has passed, it has fired, and `ensure` sets it again.
    while timer.fires_at.is_some_and(|at| at > Instant::now()) {}
    timer.ensure(HOUR).unwrap();
    assert_eq!(timer.settings(), 2);
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    assert!(events.is_empty(), "an earlier expiry was reported");
}

/// Its edge was fetched, so no other comes, whatever the clock of this thread returns.
#[test]
fn an_expiry_that_was_fetched_is_not_relied_on_again() {
    let (_poll, mut timer) = timer();
    timer.ensure(HOUR).unwrap();
    timer.expired();
    timer.ensure(HOUR).unwrap();
    assert_eq!(timer.settings(), 2);
}

#[test]
fn the_longest_timeout_is_accepted() {
    let (_poll, mut timer) = timer();
    timer.ensure(Duration::MAX).unwrap();
    timer.ensure(Duration::MAX - HOUR).unwrap();
    assert_eq!(timer.settings(), 1);
}
