//! The wheel alone: against a sorted map as the model, and at its limits.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{FAR_TICK, Key, SLOTS, TICK_BITS, Wheel};

/// Takes out everything that is due at `now`, in order.
fn due<P>(wheel: &mut Wheel<P>, now: u64) -> Vec<P> {
    std::iter::from_fn(|| wheel.pop_due(now)).collect()
}

#[test]
fn an_entry_comes_out_at_its_tick_and_not_before() {
    // Every power of two and its neighbors: where levels begin and end.
    let edges = (0..TICK_BITS).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
    for when in edges.filter(|when| *when > 0) {
        let mut wheel = Wheel::new();
        wheel.insert(when, when).unwrap();
        assert_eq!(wheel.next_deadline(), Some(when));
        assert_eq!(due(&mut wheel, when - 1), []);
        assert_eq!(wheel.next_deadline(), Some(when));
        assert_eq!(due(&mut wheel, when), [when]);
        assert_eq!(wheel.next_deadline(), None);
        assert!(wheel.is_empty());
    }
}

#[test]
fn equal_ticks_come_out_in_the_order_of_insertion() {
    // Inserted far in advance, so that they cascade through every level; then some more, closer to
    // the deadline.
    let when = (1 << 40) + 12_345;
    let mut wheel = Wheel::new();
    for name in 0..10 {
        wheel.insert(when, name).unwrap();
    }
    for (name, now) in (10..).zip([1 << 20, 1 << 40, (1 << 40) + 12_300, when - 1]) {
        assert_eq!(due(&mut wheel, now), []);
        wheel.insert(when, name).unwrap();
    }
    assert_eq!(due(&mut wheel, when), (0..14).collect::<Vec<_>>());
}

#[test]
fn an_elapsed_tick_is_rejected() {
    let mut wheel = Wheel::new();
    assert_eq!(wheel.insert(0, "now"), Err("now"));
    assert_eq!(due(&mut wheel, 1_000), [""; 0]);
    assert_eq!(wheel.insert(1_000, "now"), Err("now"));
    assert_eq!(wheel.insert(3, "past"), Err("past"));
    assert!(wheel.insert(1_001, "next").is_ok());
}

/// tokio 5183: far ticks of every size, including those that stand for "never", neither wrap
/// around, nor overflow, nor fire.
#[test]
fn a_far_future_never_comes() {
    let mut wheel = Wheel::new();
    let far = wheel.insert(u64::MAX, "never").unwrap();
    wheel.insert(FAR_TICK, "never").unwrap();
    wheel.insert(FAR_TICK - 1, "last").unwrap();
    assert_eq!(due(&mut wheel, FAR_TICK - 2), [""; 0]);
    assert_eq!(wheel.next_deadline(), Some(FAR_TICK - 1));
    assert_eq!(due(&mut wheel, u64::MAX), ["last"]);
    assert_eq!(wheel.next_deadline(), None);
    assert_eq!(wheel.len(), 2);
    assert_eq!(wheel.remove(far), Some("never"));
    assert_eq!(wheel.len(), 1);
}

#[test]
fn a_stale_key_finds_nothing() {
    let mut wheel = Wheel::new();
    let first = wheel.insert(5, 'a').unwrap();
    assert_eq!(due(&mut wheel, 5), ['a']);
    let second = wheel.insert(9, 'b').unwrap();
    assert_eq!(second.index, first.index, "the test needs the same place");
    assert_eq!(wheel.remove(first), None);
    assert_eq!(wheel.get(first), None);
    assert_eq!(wheel.get_mut(first), None);
    assert_eq!(wheel.get(second), Some(&'b'));
    assert_eq!(wheel.remove(second), Some('b'));
    assert_eq!(wheel.remove(second), None);
}

#[test]
fn cancelling_leaves_a_deadline_that_is_early_at_most_once() {
    let mut wheel = Wheel::new();
    let near = wheel.insert(100, 'n').unwrap();
    wheel.insert(101, 'f').unwrap();
    wheel.remove(near);
    assert_eq!(wheel.next_deadline(), Some(100));
    assert_eq!(due(&mut wheel, 100), []);
    assert_eq!(wheel.next_deadline(), Some(101));
}

/// The time jumps by years, and goes backwards.
#[test]
fn a_jump_of_the_clock_loses_nothing() {
    let mut wheel = Wheel::new();
    for when in 1..5_000_u64 {
        wheel.insert(when * when, when).unwrap();
    }
    assert_eq!(due(&mut wheel, 4_000_000).len(), 2_000);
    assert_eq!(due(&mut wheel, 10), []);
    assert_eq!(wheel.elapsed(), 4_000_000);
    assert_eq!(due(&mut wheel, 1 << 47), (2_001..5_000).collect::<Vec<_>>());
}

/// tokio 8334: just before a level's border, an entry for a time after it goes to a higher level,
/// where a far entry already waits. The far entry must not hide it.
#[test]
fn a_far_entry_does_not_hide_a_near_one() {
    for level in 1..8 {
        let border = 1_u64 << (6 * level);
        let mut wheel = Wheel::new();
        wheel.insert(u64::MAX, 0).unwrap();
        wheel.insert(FAR_TICK - 1, 1).unwrap();
        assert_eq!(due(&mut wheel, border - 1), []);
        for when in [border + 2, border, border + 1] {
            wheel.insert(when, when).unwrap();
        }
        assert_eq!(wheel.next_deadline(), Some(border));
        assert_eq!(due(&mut wheel, border), [border]);
        assert_eq!(wheel.next_deadline(), Some(border + 1));
        assert_eq!(due(&mut wheel, border + 2), [border + 1, border + 2]);
        assert_eq!(wheel.next_deadline(), Some(FAR_TICK - 1));
    }
}

/// The digits of every level wrap many times while one far entry waits.
#[test]
fn the_levels_wrap_around() {
    let mut wheel = Wheel::new();
    wheel.insert(1 << 20, u64::MAX).unwrap();
    let mut now = 0;
    while now < (1 << 20) - 100 {
        let when = now + 1 + now % 97;
        wheel.insert(when, when).unwrap();
        assert_eq!(wheel.next_deadline(), Some(when));
        assert_eq!(due(&mut wheel, when - 1), []);
        assert_eq!(due(&mut wheel, when), [when]);
        now = when;
    }
    assert_eq!(due(&mut wheel, 1 << 20), [u64::MAX]);
}

/// Just before a level wraps, the next entry's slot has a smaller number than the current one; at
/// the top level this once was a bug of other wheels (tokio 8334).
#[test]
fn short_timers_come_out_in_time_where_each_level_wraps() {
    let mut step = 1_u64;
    while step < FAR_TICK {
        // The last slot of a level, the slot before it, and the first slot after the wrap.
        let slots = |count| step.saturating_mul(count);
        for start in [slots(62), slots(63), slots(64) - 1, slots(64)] {
            if start >= FAR_TICK - 100 * SLOTS as u64 {
                continue;
            }
            let mut wheel = Wheel::new();
            assert_eq!(due(&mut wheel, start), []);
            let mut now = start;
            for after in [1, 2, 63, 64, 65, 1_000] {
                let when = now + after;
                wheel.insert(when, when).unwrap();
                wheel.insert(when + 1, when + 1).unwrap();
                assert_eq!(wheel.next_deadline(), Some(when));
                assert_eq!(due(&mut wheel, when), [when]);
                assert_eq!(due(&mut wheel, when + 1), [when + 1]);
                now = when + 1;
            }
        }
        step = step.saturating_mul(SLOTS as u64);
    }
}

#[test]
fn popping_any_empties_the_wheel() {
    let mut wheel = Wheel::new();
    for when in [7, 1 << 30, 3, u64::MAX, SLOTS as u64] {
        wheel.insert(when, when).unwrap();
    }
    let all: Vec<u64> = std::iter::from_fn(|| wheel.pop_any()).collect();
    assert_eq!(all, [3, 7, 64, 1 << 30, u64::MAX]);
    assert!(wheel.is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    /// Insert at that many ticks after the model's time.
    Insert(u64),
    /// Remove the entry with this number, modulo the number of entries ever made.
    Remove(usize),
    /// Let that many ticks pass.
    Advance(u64),
    /// Advance the time exactly to the next deadline.
    AdvanceToNext,
}

fn ticks() -> impl Strategy<Value = u64> {
    // A uniform exponent, so that every level is equally likely.
    (0_u32..50, any::<u64>()).prop_map(|(bits, random)| random & ((1 << bits) - 1))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => ticks().prop_map(Step::Insert),
        2 => any::<usize>().prop_map(Step::Remove),
        2 => ticks().prop_map(|ticks| Step::Advance(ticks >> 4)),
        1 => Just(Step::AdvanceToNext),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn the_wheel_is_a_sorted_map(steps in steps()) {
        let mut wheel = Wheel::new();
        let mut model = BTreeMap::<(u64, usize), ()>::new();
        let mut made: Vec<(u64, Key)> = Vec::new();
        let mut now = 0_u64;
        for step in steps {
            match step {
                Step::Insert(after) => {
                    let when = now.saturating_add(after);
                    let name = made.len();
                    match wheel.insert(when, name) {
                        Ok(key) => {
                            prop_assert!(when > now);
                            model.insert((when.min(FAR_TICK), name), ());
                            made.push((when.min(FAR_TICK), key));
                        }
                        Err(returned) => {
                            prop_assert_eq!(returned, name);
                            prop_assert!(when <= now);
                        }
                    }
                }
                Step::Remove(which) if !made.is_empty() => {
                    let name = which % made.len();
                    let (when, key) = made[name];
                    let expected = model.remove(&(when, name)).map(|()| name);
                    prop_assert_eq!(wheel.get(key).copied(), expected);
                    prop_assert_eq!(wheel.remove(key), expected);
                }
                Step::Remove(_) => {}
                Step::Advance(_) | Step::AdvanceToNext => {
                    now = match step {
                        Step::Advance(ticks) => now.saturating_add(ticks).min(FAR_TICK - 1),
                        _ => wheel.next_deadline().unwrap_or(now),
                    };
                    let later = model.split_off(&(now + 1, 0));
                    let expected: Vec<usize> = model.keys().map(|(_, name)| *name).collect();
                    model = later;
                    prop_assert_eq!(due(&mut wheel, now), expected);
                    prop_assert_eq!(wheel.elapsed(), now);
                }
            }
            let next = model.keys().next().map(|(when, _)| *when).filter(|when| *when < FAR_TICK);
            let published = wheel.next_deadline();
            prop_assert!(published.is_some() || next.is_none());
            if let (Some(published), Some(next)) = (published, next) {
                prop_assert!(now < published && published <= next);
            }
            #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
            prop_assert_eq!(wheel.next_entry(), next);
            prop_assert_eq!(wheel.len(), model.len());
        }
    }
}
