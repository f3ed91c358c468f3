use super::*;

const BOTH: Interest = Interest::READABLE.or(Interest::WRITABLE);

fn taken(waiters: &mut Waiters<u32>, interest: Interest) -> Vec<u32> {
    let mut into = Vec::new();
    waiters.take(interest, &mut into);
    into
}

#[test]
fn the_slots_are_told_apart() {
    let mut waiters = Waiters::new();
    assert_eq!(waiters.idle(), Some(BOTH));
    assert_eq!(waiters.put_slot(Direction::Read, Some(1)), None);
    assert_eq!(waiters.put_slot(Direction::Write, Some(2)), None);
    assert_eq!(waiters.put_slot(Direction::Read, Some(3)), Some(1));
    assert_eq!(waiters.idle(), None);
    assert_eq!(taken(&mut waiters, Interest::WRITABLE), [2]);
    assert_eq!(waiters.idle(), Some(Interest::WRITABLE));
    assert_eq!(waiters.slot(Direction::Read), Some(&3));
    assert_eq!(taken(&mut waiters, BOTH), [3]);
    assert_eq!(waiters.idle(), Some(BOTH));
}

#[test]
fn one_who_waits_for_both_is_told_once() {
    let mut waiters = Waiters::new();
    let both = waiters.insert(BOTH);
    let read = waiters.insert(Interest::READABLE);
    waiters.put(&both, Some(1));
    waiters.put(&read, Some(2));
    assert_eq!(taken(&mut waiters, Interest::WRITABLE), [1]);
    assert_eq!(waiters.waker(&both), None);
    assert_eq!(waiters.idle(), Some(Interest::WRITABLE));
    assert_eq!(taken(&mut waiters, BOTH), [2]);
    assert_eq!(waiters.remove(both), None);
    assert_eq!(waiters.remove(read), None);
}

#[test]
fn an_entry_is_used_again_after_its_removal() {
    let mut waiters = Waiters::new();
    let first = waiters.insert(Interest::READABLE);
    let second = waiters.insert(Interest::READABLE);
    waiters.put(&first, Some(1));
    waiters.put(&second, Some(2));
    assert_eq!(waiters.remove(first), Some(1));
    assert_eq!(waiters.idle(), Some(Interest::WRITABLE));
    let third = waiters.insert(Interest::WRITABLE);
    waiters.put(&third, Some(3));
    assert_eq!(waiters.entries(), 2);
    assert_eq!(taken(&mut waiters, Interest::WRITABLE), [3]);
    assert_eq!(waiters.remove(second), Some(2));
    assert_eq!(waiters.idle(), Some(BOTH));
}

#[test]
fn a_crowd_leaves_no_memory_behind() {
    let mut waiters = Waiters::<u32>::new();
    let crowd: Vec<_> = (0..10_000)
        .map(|_| waiters.insert(Interest::READABLE))
        .collect();
    assert_eq!(waiters.entries(), 10_000);
    for key in crowd {
        waiters.remove(key);
    }
    assert_eq!(waiters.entries(), 0);
    assert!(waiters.list.capacity() <= KEPT && waiters.vacant.capacity() <= KEPT);
    let key = waiters.insert(Interest::READABLE);
    waiters.put(&key, Some(1));
    assert_eq!(taken(&mut waiters, Interest::READABLE), [1]);
}

#[test]
fn a_waker_is_kept_while_it_waits() {
    let mut waiters = Waiters::new();
    let key = waiters.insert(Interest::READABLE);
    assert_eq!(waiters.waker(&key), None);
    assert_eq!(waiters.put(&key, Some(1)), None);
    assert_eq!(waiters.waker(&key), Some(&1));
    assert_eq!(waiters.put(&key, Some(2)), Some(1));
    assert_eq!(taken(&mut waiters, Interest::READABLE), [2]);
}
