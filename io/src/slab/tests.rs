#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

#[test]
fn a_value_is_found_until_it_is_removed() {
    let mut slab = Slab::new();
    let first = slab.insert("first").unwrap();
    let second = slab.insert("second").unwrap();
    assert_eq!(
        (slab.get(first), slab.get(second)),
        (Some(&"first"), Some(&"second"))
    );
    assert_eq!(slab.remove(first), Some("first"));
    assert_eq!(slab.remove(first), None);
    assert_eq!(slab.get(first), None);
    assert_eq!(slab.iter().collect::<Vec<_>>(), [&"second"]);
    assert_eq!((slab.len(), slab.is_empty()), (1, false));
}

#[test]
fn a_slot_is_reused_after_the_batch_and_with_another_generation() {
    let mut slab = Slab::new();
    let old = slab.insert(1).unwrap();
    slab.remove(old);
    let other = slab.insert(2).unwrap();
    assert_ne!(other.index(), old.index(), "the slot was not quarantined");
    slab.release();
    let new = slab.insert(3).unwrap();
    assert_eq!(new.index(), old.index());
    assert_ne!(new, old);
    assert_eq!(slab.get(old), None);
    assert_eq!(slab.remove(old), None);
    assert_eq!(slab.get(new), Some(&3));
}

#[test]
fn the_generation_wraps_within_its_bits() {
    let mut slab = Slab::new();
    let first = slab.insert(1).unwrap();
    slab.remove(first);
    slab.release();
    slab.slots[0].generation = GENERATION_MASK;
    let last = slab.insert(2).unwrap();
    assert_eq!((last.index(), last.generation()), (0, GENERATION_MASK));
    assert_eq!(SourceKey::from_token(last.to_token()), last);
    slab.remove(last);
    slab.release();
    assert_eq!(slab.insert(3), Some(first));
}

#[test]
fn the_drivers_own_keys_are_never_inserted() {
    for own in [SourceKey::UNPARK, SourceKey::TIMER] {
        assert!(own.index() > INDEX_MAX);
    }
    assert_ne!(SourceKey::UNPARK, SourceKey::TIMER);
    let slab = Slab::<()>::new();
    assert_eq!(slab.get(SourceKey::UNPARK), None);
}
