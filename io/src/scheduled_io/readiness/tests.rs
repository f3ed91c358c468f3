use super::*;

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
    word.refute(word.load(), Interest::READABLE);
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
        word.refute(observed, Interest::WRITABLE);
        assert_eq!(word.load().ready(), Ready::ALL);
    }
}

#[test]
fn the_tick_wraps_into_nothing_else() {
    let word = ReadinessWord::new_before_wrap(Ready::EMPTY);
    assert_eq!(word.announce(Interest::READABLE), Announced::Waiting);
    let _ = word.set(Ready::WRITABLE);
    let event = word.load();
    assert_eq!(
        (event.tick(), event.ready(), event.is_shutdown()),
        (0, Ready::WRITABLE, false)
    );
    assert!(word.has_waiters(Interest::READABLE));
}

#[test]
fn only_the_waiters_of_the_direction_are_told() {
    let word = ReadinessWord::new(Ready::EMPTY);
    assert_eq!(
        word.announce(Interest::READABLE | Interest::WRITABLE),
        Announced::Waiting
    );
    let told = |ready| word.set(ready).waiters;
    assert_eq!(told(Ready::PRIORITY), None);
    assert_eq!(told(Ready::READ_CLOSED), Some(Interest::READABLE));
    // The one who was told of them looks for them.
    assert_eq!(told(Ready::READABLE), None);
    assert_eq!(told(Ready::WRITABLE), Some(Interest::WRITABLE));
    assert_eq!(told(Ready::ALL), None);
}

#[test]
fn nobody_is_told_for_one_who_withdrew() {
    let word = ReadinessWord::new(Ready::EMPTY);
    let both = Interest::READABLE | Interest::WRITABLE;
    assert_eq!(word.announce(both), Announced::Waiting);
    word.withdraw(Interest::WRITABLE);
    assert!(word.has_waiters(both) && !word.has_waiters(Interest::WRITABLE));
    assert_eq!(word.set(Ready::ALL).waiters, Some(Interest::READABLE));
    assert!(!word.has_waiters(both));
}

#[test]
fn callbacks_are_told_until_they_are_withdrawn() {
    let word = ReadinessWord::new(Ready::READABLE);
    assert!(word.announce_callbacks().ready().is_readable());
    assert!(word.set(Ready::WRITABLE).callbacks);
    word.withdraw_callbacks();
    assert!(!word.set(Ready::WRITABLE).callbacks);
}

#[test]
fn one_who_announces_after_the_event_does_not_wait() {
    let word = ReadinessWord::new(Ready::READ_CLOSED);
    assert!(matches!(
        word.announce(Interest::READABLE),
        Announced::Ready(_)
    ));
    assert_eq!(word.announce(Interest::WRITABLE), Announced::Waiting);
    assert_eq!(
        word.set_shutdown().waiters,
        Some(Interest::READABLE | Interest::WRITABLE)
    );
    let Announced::Ready(event) = word.announce(Interest::WRITABLE) else {
        panic!("one waits for a driver that is gone");
    };
    assert!(event.is_shutdown() && !event.ready().is_writable());
}

#[test]
fn shutdown_is_not_cleared() {
    let word = ReadinessWord::new(Ready::EMPTY);
    let _ = word.set_shutdown();
    word.refute(word.load(), Interest::READABLE | Interest::WRITABLE);
    assert!(word.load().is_shutdown());
}

/// A snapshot that kept fewer bits of the tick than the word would pass for new after a power of
/// two of events.
#[test]
fn a_snapshot_is_old_after_any_number_of_events() {
    let word = ReadinessWord::new(Ready::READABLE);
    let observed = word.load();
    for events in 1..=1_u32 << 17 {
        let _ = word.set(Ready::READABLE);
        if events.is_power_of_two() {
            word.clear(observed, Interest::READABLE);
            word.refute(observed, Interest::READABLE);
            assert_eq!(word.load().ready(), Ready::READABLE, "{events} events");
        }
    }
    word.clear(word.load(), Interest::READABLE);
    assert_eq!(word.load().ready(), Ready::EMPTY);
}
