use super::*;

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// The directions without a waiter.
fn idle(waiters: &Waiters<u32>) -> Option<Interest> {
    Interest::from_bits(waiters.idle()?.bits() & BOTH.bits())
}

fn taken(waiters: &mut Waiters<u32>, interest: Interest) -> Vec<u32> {
    let mut into = Vec::new();
    waiters.take(interest, &mut into);
    into
}

#[test]
fn the_slots_are_separate() {
    let mut waiters = Waiters::new();
    assert_eq!(idle(&waiters), Some(BOTH));
    assert_eq!(waiters.put_slot(Direction::Read, Some(1)), None);
    assert_eq!(waiters.put_slot(Direction::Write, Some(2)), None);
    assert_eq!(waiters.put_slot(Direction::Read, Some(3)), Some(1));
    assert_eq!(idle(&waiters), None);
    assert_eq!(taken(&mut waiters, Interest::WRITABLE), [2]);
    assert_eq!(idle(&waiters), Some(Interest::WRITABLE));
    assert_eq!(waiters.slot(Direction::Read), Some(&3));
    assert_eq!(taken(&mut waiters, BOTH), [3]);
    assert_eq!(idle(&waiters), Some(BOTH));
}

#[test]
fn a_waiter_for_both_directions_is_notified_once() {
    let mut waiters = Waiters::new();
    let both = waiters.insert(BOTH, 1);
    let read = waiters.insert(Interest::READABLE, 2);
    assert_eq!(idle(&waiters), None);
    assert_eq!(taken(&mut waiters, Interest::WRITABLE), [1]);
    assert_eq!(waiters.waker(&both), None);
    assert_eq!(idle(&waiters), Some(Interest::WRITABLE));
    assert_eq!(taken(&mut waiters, BOTH), [2]);
    assert_eq!(idle(&waiters), Some(BOTH));
    assert_eq!(waiters.remove(both), None);
    assert_eq!(waiters.remove(read), None);
    assert_eq!(waiters.entries(), 0);
}

/// For the inline entry and for the others.
#[test]
fn waiters_for_errors_and_urgent_data_are_apart_from_the_directions() {
    let mut waiters = Waiters::new();
    let all = waiters.idle().unwrap();
    for one in Interest::EACH {
        let keys = [1, 2].map(|waker| waiters.insert(one, waker));
        assert_eq!(waiters.idle(), all.remove(one));
        assert!(taken(&mut waiters, all.remove(one).unwrap()).is_empty());
        assert_eq!(taken(&mut waiters, one), [1, 2]);
        assert_eq!(waiters.idle(), Some(all));
        assert_eq!(keys.map(|key| waiters.remove(key)), [None, None]);
    }
    waiters.insert(all, 3);
    waiters.insert(all, 4);
    assert_eq!(waiters.idle(), None);
    assert_eq!(taken(&mut waiters, Interest::ERROR), [3, 4]);
    assert_eq!(waiters.entries(), 0);
}

#[test]
fn a_place_is_used_again_after_its_removal() {
    let mut waiters = Waiters::new();
    let keys = [1, 2, 3].map(|waker| waiters.insert(Interest::READABLE, waker));
    let [first, second, third] = keys;
    assert_eq!(waiters.remove(first), Some(1));
    assert_eq!(waiters.remove(second), Some(2));
    assert_eq!(idle(&waiters), Some(Interest::WRITABLE));
    let fourth = waiters.insert(Interest::WRITABLE, 4);
    let fifth = waiters.insert(Interest::WRITABLE, 5);
    assert_eq!(waiters.entries(), 3);
    assert_eq!(idle(&waiters), None);
    assert_eq!(waiters.waker(&fifth), Some(&5));
    assert_eq!(waiters.remove(third), Some(3));
    assert_eq!(idle(&waiters), Some(Interest::READABLE));
    assert_eq!(taken(&mut waiters, Interest::WRITABLE), [4, 5]);
    assert_eq!(waiters.remove(fourth), None);
    assert_eq!(waiters.entries(), 0);
}

/// For the inline entry and for the others.
#[test]
fn the_key_of_a_notified_waiter_matches_no_later_entry() {
    let mut waiters = Waiters::new();
    let notified = [1, 2].map(|waker| waiters.insert(Interest::READABLE, waker));
    assert_eq!(taken(&mut waiters, Interest::READABLE), [1, 2]);
    let later = [3, 4].map(|waker| waiters.insert(Interest::READABLE, waker));
    for key in notified {
        assert_eq!(waiters.waker(&key), None);
        assert_eq!(waiters.remove(key), None);
    }
    for (key, waker) in later.into_iter().zip([3, 4]) {
        assert_eq!(waiters.waker(&key), Some(&waker));
        assert_eq!(waiters.remove(key), Some(waker));
    }
}

#[test]
fn many_waiters_leave_no_memory_behind() {
    for are_notified in [false, true] {
        let mut waiters = Waiters::new();
        let keys: Vec<_> = (0..10_000)
            .map(|waker| waiters.insert(Interest::READABLE, waker))
            .collect();
        assert_eq!(waiters.entries(), 10_000);
        if are_notified {
            assert_eq!(taken(&mut waiters, Interest::READABLE).len(), 10_000);
        }
        for key in keys {
            assert_ne!(waiters.remove(key).is_some(), are_notified);
        }
        assert_eq!(waiters.entries(), 0);
        assert!(waiters.more.capacity() <= KEPT && waiters.vacant.capacity() <= KEPT);
        let _ = waiters.insert(Interest::READABLE, 1);
        assert_eq!(taken(&mut waiters, Interest::READABLE), [1]);
    }
}

#[test]
fn a_place_is_used_again_after_its_event() {
    let mut waiters = Waiters::new();
    let _first = waiters.insert(Interest::WRITABLE, 0);
    let _notified = waiters.insert(Interest::READABLE, 1);
    let _stays = waiters.insert(Interest::WRITABLE, 2);
    for waker in 3..6 {
        taken(&mut waiters, Interest::READABLE);
        let _next = waiters.insert(Interest::READABLE, waker);
        assert_eq!(waiters.entries(), 3);
    }
}
