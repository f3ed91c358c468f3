use super::*;

/// `Interest::PRIORITY`, which is not public on all systems.
const PRIORITY: Interest = Interest::EACH[3];

#[test]
fn an_event_is_added_and_counted() {
    let word = ReadinessWord::new(Ready::WRITABLE);
    let before = word.load();
    assert_eq!(
        word.set(Ready::READABLE),
        Notify {
            waiters: None,
            callbacks: false
        }
    );
    let after = word.load();
    assert_eq!(after.ready(), Ready::READABLE | Ready::WRITABLE);
    assert_ne!(before.tick(), after.tick());
}

#[test]
fn clear_takes_one_direction_and_leaves_what_is_closed() {
    let word = ReadinessWord::new(Ready::ALL);
    word.clear(word.load(), Interest::READABLE);
    assert_eq!(word.load().ready(), Ready::ALL.without(Ready::READABLE));
    word.clear_if_would_block(word.load(), Interest::READABLE);
    assert_eq!(
        word.load().ready(),
        Ready::ALL.without(Ready::READABLE | Ready::READ_CLOSED)
    );
}

#[test]
fn clear_after_a_newer_event_does_nothing() {
    for word in [
        ReadinessWord::new(Ready::ALL),
        ReadinessWord::new_before_wrap(Ready::ALL),
    ] {
        let observed = word.load();
        let _ = word.set(Ready::EMPTY);
        word.clear(observed, Interest::READABLE);
        word.clear_if_would_block(observed, Interest::WRITABLE);
        assert_eq!(word.load().ready(), Ready::ALL);
    }
}

#[test]
fn the_tick_wraps_into_nothing_else() {
    let word = ReadinessWord::new_before_wrap(Ready::EMPTY);
    assert_eq!(
        word.register_interest(Interest::READABLE),
        Registered::Waiting
    );
    let _ = word.set(Ready::WRITABLE);
    let event = word.load();
    assert_eq!(
        (event.tick(), event.ready(), event.is_shutdown()),
        (0, Ready::WRITABLE, false)
    );
    assert!(word.has_waiters(Interest::READABLE));
}

#[test]
fn only_the_waiters_of_the_direction_are_notified() {
    let word = ReadinessWord::new(Ready::EMPTY);
    assert_eq!(
        word.register_interest(Interest::READABLE | Interest::WRITABLE),
        Registered::Waiting
    );
    let notified = |ready| word.set(ready).waiters;
    assert_eq!(notified(Ready::PRIORITY), None);
    assert_eq!(notified(Ready::READ_CLOSED), Some(Interest::READABLE));
    // The caller of the first `set` is about to take them out.
    assert_eq!(notified(Ready::READABLE), None);
    assert_eq!(notified(Ready::WRITABLE), Some(Interest::WRITABLE));
    assert_eq!(notified(Ready::ALL), None);
}

/// Each interest has its waiters bit, and the bits lie beside the one of the callbacks.
#[test]
fn each_interest_is_notified_of_its_readiness() {
    for interest in Interest::EACH {
        for bit in 0..6 {
            let ready = Ready::from_bits(1 << bit);
            let word = ReadinessWord::new(Ready::EMPTY);
            let _ = word.register_callbacks();
            assert_eq!(word.register_interest(interest), Registered::Waiting);
            let notify = word.set(ready);
            let expected = ready.satisfies(interest).then_some(interest);
            assert_eq!(notify.waiters, expected, "{ready:?} for {interest:?}");
            assert!(notify.callbacks);
            assert_eq!(word.has_waiters(interest), expected.is_none());
            assert_eq!(word.load().ends_wait(interest), expected.is_some());
        }
    }
}

#[test]
fn what_an_interest_clears_is_its_own() {
    for interest in Interest::EACH {
        let word = ReadinessWord::new(Ready::ALL);
        word.clear(word.load(), interest);
        let open = Ready::from_bits(interest.bits());
        assert_eq!(word.load().ready(), Ready::ALL.without(open));
    }
    let word = ReadinessWord::new(Ready::READ_CLOSED | Ready::PRIORITY);
    word.clear_if_would_block(word.load(), PRIORITY);
    assert_eq!(word.load().ready(), Ready::READ_CLOSED);
}

#[test]
fn the_mark_of_urgent_data_is_not_cleared() {
    let word = ReadinessWord::new(Ready::EMPTY);
    assert!(!word.load().has_urgent_mark());
    let _ = word.set(Ready::PRIORITY);
    word.clear(word.load(), PRIORITY);
    assert!(word.load().has_urgent_mark() && word.load().ready().is_empty());
    assert!(ReadinessWord::new(Ready::ALL).load().has_urgent_mark());
}

#[test]
fn a_cleared_waiters_bit_notifies_no_waiter() {
    let word = ReadinessWord::new(Ready::EMPTY);
    let both = Interest::READABLE | Interest::WRITABLE;
    assert_eq!(word.register_interest(both), Registered::Waiting);
    word.clear_waiters(Interest::WRITABLE);
    assert!(word.has_waiters(both) && !word.has_waiters(Interest::WRITABLE));
    assert_eq!(word.set(Ready::ALL).waiters, Some(Interest::READABLE));
    assert!(!word.has_waiters(both));
}

#[test]
fn callbacks_are_notified_until_they_are_deregistered() {
    let word = ReadinessWord::new(Ready::READABLE);
    assert!(word.register_callbacks().ready().is_readable());
    assert!(word.set(Ready::WRITABLE).callbacks);
    word.deregister_callbacks();
    assert!(!word.set(Ready::WRITABLE).callbacks);
}

#[test]
fn a_waiter_that_registers_after_the_event_does_not_wait() {
    let word = ReadinessWord::new(Ready::READ_CLOSED);
    assert!(matches!(
        word.register_interest(Interest::READABLE),
        Registered::Ready(_)
    ));
    assert_eq!(
        word.register_interest(Interest::WRITABLE),
        Registered::Waiting
    );
    assert_eq!(
        word.set_shutdown().waiters,
        Some(Interest::READABLE | Interest::WRITABLE)
    );
    let Registered::Ready(event) = word.register_interest(Interest::WRITABLE) else {
        panic!("the waiter waits for a driver that is gone");
    };
    assert!(event.is_shutdown() && !event.ready().is_writable());
}

#[test]
fn shutdown_is_not_cleared() {
    let word = ReadinessWord::new(Ready::EMPTY);
    let _ = word.set_shutdown();
    word.clear_if_would_block(word.load(), Interest::READABLE | Interest::WRITABLE);
    assert!(word.load().is_shutdown());
}

/// If a snapshot kept fewer bits of the tick than the word, it would pass for new after a power of
/// two of events.
#[test]
fn a_snapshot_is_old_after_any_number_of_events() {
    let word = ReadinessWord::new(Ready::READABLE);
    let observed = word.load();
    for events in 1..=1_u32 << 17 {
        let _ = word.set(Ready::READABLE);
        if events.is_power_of_two() {
            word.clear(observed, Interest::READABLE);
            word.clear_if_would_block(observed, Interest::READABLE);
            assert_eq!(word.load().ready(), Ready::READABLE, "{events} events");
        }
    }
    word.clear(word.load(), Interest::READABLE);
    assert_eq!(word.load().ready(), Ready::EMPTY);
}
