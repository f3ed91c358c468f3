use super::{Chunk, DIRECT_KEYS};

fn chunk(present: u64) -> Chunk {
    let mut chunk = Chunk::EMPTY;
    chunk.set_present(present);
    chunk
}

/// Returns the positions of the present keys, in key order.
fn positions(chunk: &Chunk) -> Vec<usize> {
    (0..64)
        .filter(|bit| chunk.present >> bit & 1 == 1)
        .map(|bit| chunk.position(bit))
        .collect()
}

#[test]
fn low_keys_have_their_own_positions() {
    assert_eq!(chunk(0).width(), 0);
    let chunk = chunk(1 << (DIRECT_KEYS - 1) | 0b101);
    assert_eq!(chunk.direct, chunk.present);
    assert_eq!(chunk.width(), DIRECT_KEYS as usize);
    assert_eq!(positions(&chunk), [0, 2, DIRECT_KEYS as usize - 1]);
}

#[test]
fn higher_keys_are_packed_in_key_order() {
    for present in [1 << DIRECT_KEYS, 1 << 63, u64::MAX, 1 << 63 | 0b101, !1] {
        let chunk = chunk(present);
        assert_eq!(chunk.direct, 0);
        assert_eq!(chunk.width(), present.count_ones() as usize);
        assert_eq!(positions(&chunk), (0..chunk.width()).collect::<Vec<_>>());
    }
}

#[test]
fn cells_are_the_present_keys_that_are_not_inline() {
    let chunk = Chunk {
        inline: 0b0110,
        ..chunk(0b1111)
    };
    assert_eq!(chunk.cells(), 0b1001);
}
