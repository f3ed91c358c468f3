use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::{TURN, WaitLimit};

#[test]
fn of_a_long_pause_one_turn_is_counted() {
    let mut limit = WaitLimit::of(TURN * 2);
    // As if the thread had had no processor for an hour.
    limit.last_turn = Instant::now()
        .checked_sub(Duration::from_secs(3_600))
        .unwrap();
    assert!(limit.take_turn());
    assert_eq!(limit.left, TURN);
}

#[test]
fn a_wait_for_what_never_happens_ends_when_its_limit_is_used_up() {
    let mut waits = 0;
    let has_happened = WaitLimit::of(TURN * 3).block_until(|_| {
        waits += 1;
        false
    });
    assert!(!has_happened);
    // Of each turn no more than one is counted.
    assert!(waits >= 3, "{waits}");
}

#[test]
fn a_wait_ends_with_what_it_waits_for() {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(()));
    let wait = WaitLimit::of(Duration::MAX);
    assert!(wait.block_until(|turn| receiver.recv_timeout(turn).is_ok()));
}
