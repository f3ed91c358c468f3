use super::{DIRECT_KEYS, KeyGroup};

fn group(present: u64) -> KeyGroup {
    let mut group = KeyGroup::EMPTY;
    group.set_present(present);
    group
}

/// Returns the positions of the present keys, in key order.
fn positions(group: &KeyGroup) -> Vec<usize> {
    (0..64)
        .filter(|bit| group.present >> bit & 1 == 1)
        .map(|bit| group.position(bit))
        .collect()
}

#[test]
fn low_keys_have_their_own_positions() {
    assert_eq!(group(0).width(), 0);
    let group = group(1 << (DIRECT_KEYS - 1) | 0b101);
    assert_eq!(group.direct, group.present);
    assert_eq!(group.width(), DIRECT_KEYS as usize);
    assert_eq!(positions(&group), [0, 2, DIRECT_KEYS as usize - 1]);
}

#[test]
fn higher_keys_are_packed_in_key_order() {
    for present in [1 << DIRECT_KEYS, 1 << 63, u64::MAX, 1 << 63 | 0b101, !1] {
        let group = group(present);
        assert_eq!(group.direct, 0);
        assert_eq!(group.width(), present.count_ones() as usize);
        assert_eq!(positions(&group), (0..group.width()).collect::<Vec<_>>());
    }
}

#[test]
fn cells_are_the_present_keys_that_are_not_inline() {
    let group = KeyGroup {
        inline: 0b0110,
        ..group(0b1111)
    };
    assert_eq!(group.cells(), 0b1001);
}
