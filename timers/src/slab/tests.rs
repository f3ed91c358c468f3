//! The slab alone: reuse, stale indices, and memory that is freed.

use super::{CHUNK_LEN, EntrySlab};

#[test]
fn an_index_finds_its_entry_until_it_is_removed() {
    let mut slab = EntrySlab::new();
    let indices: Vec<u32> = (0..1_000).map(|value| slab.insert(value)).collect();
    for (value, index) in indices.iter().enumerate() {
        assert_eq!(slab.get(*index), Some(&value));
    }
    for index in indices.iter().step_by(2) {
        slab.remove_if(*index, |_| true).unwrap();
    }
    for (value, index) in indices.iter().enumerate() {
        assert_eq!(slab.get(*index).copied(), (value % 2 == 1).then_some(value));
    }
    assert_eq!(slab.len(), 500);
}

#[test]
fn a_warm_slab_reuses_its_memory() {
    let mut slab = EntrySlab::new();
    for round in 0..10_000 {
        let index = slab.insert(round);
        assert_eq!(slab.remove_if(index, |_| true), Some(round));
        assert_eq!(slab.capacity(), CHUNK_LEN);
    }
}

#[test]
fn an_oscillation_around_a_chunks_border_keeps_the_chunk() {
    let mut slab = EntrySlab::new();
    for value in 0..CHUNK_LEN {
        slab.insert(value);
    }
    for round in 0..100 {
        let index = slab.insert(round);
        assert_eq!(slab.capacity(), 2 * CHUNK_LEN);
        slab.remove_if(index, |_| true);
        assert_eq!(slab.capacity(), 2 * CHUNK_LEN);
    }
}

#[test]
fn a_spikes_memory_is_freed() {
    let mut slab = EntrySlab::new();
    let held = slab.insert(0);
    for _ in 0..3 {
        let indices: Vec<u32> = (0..100_000).map(|value| slab.insert(value)).collect();
        assert!(slab.capacity() > 100_000);
        for index in indices {
            slab.remove_if(index, |_| true);
        }
        assert!(
            slab.capacity() <= 2 * CHUNK_LEN,
            "{} slots are still held",
            slab.capacity()
        );
        assert_eq!(slab.get(held), Some(&0));
        assert!(
            slab.chunks.len() <= 100_000 / CHUNK_LEN + 2,
            "holes are reused"
        );
    }
}

#[test]
fn an_index_past_the_end_is_absent() {
    let mut slab = EntrySlab::<u8>::new();
    assert_eq!(slab.get(0), None);
    slab.insert(1);
    assert_eq!(slab.get(CHUNK_LEN as u32 + 1), None);
    assert_eq!(slab.get_mut(u32::MAX), None);
    assert_eq!(slab.remove_if(u32::MAX, |_| true), None);
    assert_eq!(slab.remove_if(0, |value| *value == 2), None);
    assert_eq!(slab.remove_if(0, |value| *value == 1), Some(1));
    assert_eq!(slab.remove_if(0, |_| true), None);
}
