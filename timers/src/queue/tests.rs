//! The queue on one thread; its interleavings are in `loom-tests/tests/timers/`.

use super::{ArmError, BATCH_LEN, Found, Rearmed, TimerQueue};
use crate::park_state::{NEVER, Published};

#[test]
fn only_an_earlier_deadline_is_published() {
    let queue = TimerQueue::new();
    assert_eq!(queue.next(), NEVER);
    let (_, published) = queue.arm(100, 'a').unwrap();
    assert_eq!(published, Published::earlier(100));
    let (_, published) = queue.arm(100, 'b').unwrap();
    assert_eq!(published, Published::nothing());
    let (_, published) = queue.arm(u64::MAX, 'c').unwrap();
    assert_eq!(published, Published::nothing());
    let (earliest, published) = queue.arm(99, 'd').unwrap();
    assert_eq!(published, Published::earlier(99));
    assert_eq!(queue.next(), 99);
    assert_eq!(queue.cancel(earliest), Some('d'));
    assert_eq!(queue.next(), 99, "canceling publishes nothing");
    assert!(queue.take_due(99).is_empty());
    assert_eq!(queue.next(), 100);
}

#[test]
fn a_far_future_is_never_published() {
    let queue = TimerQueue::new();
    let (_, published) = queue.arm(u64::MAX, ()).unwrap();
    assert_eq!(published, Published::nothing());
    assert_eq!(queue.next(), NEVER);
    assert!(queue.take_due(u64::MAX).is_empty());
    assert_eq!((queue.next(), queue.len()), (NEVER, 1));
}

#[test]
fn due_entries_come_in_batches() {
    let queue = TimerQueue::new();
    for name in 0..2 * BATCH_LEN + 1 {
        let _ = queue.arm(7, name).unwrap();
    }
    let mut names = Vec::new();
    for full in [true, true, false] {
        assert_eq!(queue.next(), 7, "the rest can be seen to be due");
        let batch = queue.take_due(7);
        assert_eq!(batch.is_full(), full);
        names.extend(batch);
    }
    assert_eq!(queue.next(), NEVER);
    assert_eq!(names, (0..2 * BATCH_LEN + 1).collect::<Vec<_>>());
}

#[test]
fn an_elapsed_tick_is_rejected_or_treated_as_the_next() {
    let queue = TimerQueue::new();
    assert!(queue.take_due(50).is_empty());
    assert_eq!(queue.arm(50, 'a').unwrap_err(), ArmError::Elapsed('a'));
    let (key, published) = queue.arm_soon(50, 'b').unwrap();
    assert_eq!(published, Published::earlier(51));
    assert_eq!(queue.rearm(key, 50), Rearmed::Elapsed('b'));
    assert_eq!(queue.rearm(key, 60), Rearmed::Gone);
}

#[test]
fn rearming_keeps_the_payload() {
    let queue = TimerQueue::new();
    let (key, _) = queue.arm(50, 'a').unwrap();
    let Rearmed::Armed(later, published) = queue.rearm(key, 80) else {
        panic!("it is armed")
    };
    assert_eq!(published, Published::nothing());
    assert_eq!(
        queue.inspect(key, |_| ()),
        Found::Fired,
        "the old key is stale"
    );
    assert_eq!(queue.inspect(later, |name| *name), Found::Armed('a'));
    assert!(queue.take_due(79).is_empty());
    assert_eq!(queue.take_due(80).into_iter().collect::<String>(), "a");
}

#[test]
fn swapping_finds_an_entry_only_while_it_is_armed() {
    let queue = TimerQueue::new();
    let (key, _) = queue.arm(50, 'a').unwrap();
    let mut name = 'b';
    assert_eq!(queue.swap(key, &mut name), Found::Armed(()));
    assert_eq!(name, 'a');
    assert_eq!(queue.cancel(key), Some('b'));
    assert_eq!(queue.swap(key, &mut name), Found::Fired);
    assert_eq!(name, 'a');
}

#[test]
fn a_closed_queue_rejects_and_is_empty() {
    let queue = TimerQueue::new();
    let (key, _) = queue.arm(50, 'a').unwrap();
    let _ = queue.arm(u64::MAX, 'b').unwrap();
    assert_eq!(queue.close(), ['a', 'b']);
    assert_eq!(queue.close(), []);
    assert_eq!(queue.next(), NEVER);
    assert_eq!(queue.arm(90, 'c').unwrap_err(), ArmError::Closed('c'));
    assert_eq!(queue.arm_soon(90, 'c').unwrap_err(), 'c');
    assert_eq!(queue.inspect(key, |_| ()), Found::Closed);
    assert_eq!(queue.swap(key, &mut 'd'), Found::Closed);
    assert_eq!(queue.cancel(key), None);
}
