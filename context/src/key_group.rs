//! Which keys of a group of 64 are bound, how, and where their slots are. Part of the layout that
//! [`block`](crate::block) describes.

use std::mem::{MaybeUninit, align_of, size_of};

/// The number of keys that a group covers.
pub(crate) const GROUP_KEYS: u32 = 64;

/// If all present keys of a group are below this, each slot is at its key's own position, and `get`
/// is an indexed load. Otherwise the slots are packed in key order: the rank of a key is then a
/// population count, which is cheap only on processors newer than the baseline.
const DIRECT_KEYS: u32 = 16;

/// Storage for a small value or for the address of a value in a cell.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) union Slot {
    /// The value's address; its [`CellHeader`] ends there.
    pub(crate) cell: *mut u8,
    /// The bytes of an inline value.
    #[allow(dead_code, reason = "read through a pointer to the slot")]
    bits: [MaybeUninit<u8>; 8],
}

/// Which keys of a group of 64 are bound, and how. The slots follow it in memory, so it has their
/// alignment and ends where the first one begins, even on targets that align a `u64` to 4.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct KeyGroup {
    pub(crate) present: u64,
    /// The keys whose slot holds the value itself.
    pub(crate) inline: u64,
    /// The keys that this frame bound itself, not an ancestor; and those, not present, that it
    /// removed.
    pub(crate) own: u64,
    /// The keys whose variable is not inherited by tasks, or decides what they get.
    pub(crate) not_inherited: u64,
    /// `present` if the slots are at their keys' own positions, otherwise 0. It is the last field,
    /// beside the slots, because `get` reads only this field and a slot.
    pub(crate) direct: u64,
}

const _: () = assert!(
    align_of::<KeyGroup>() >= align_of::<Slot>()
        && size_of::<KeyGroup>().is_multiple_of(align_of::<Slot>())
);

impl KeyGroup {
    pub(crate) const EMPTY: KeyGroup = KeyGroup {
        present: 0,
        inline: 0,
        own: 0,
        not_inherited: 0,
        direct: 0,
    };

    /// Sets `present`, and with it the layout of the slots.
    #[inline]
    pub(crate) fn set_present(&mut self, present: u64) {
        self.present = present;
        self.direct = if present < 1 << DIRECT_KEYS {
            present
        } else {
            0
        };
    }

    /// Returns the number of slots that follow the group's header.
    #[inline]
    pub(crate) fn width(&self) -> usize {
        if self.direct == self.present {
            (u64::BITS - self.present.leading_zeros()) as usize
        } else {
            rank(self.present, u64::BITS - 1) + (self.present >> 63) as usize
        }
    }

    /// Returns the position of a present key's slot.
    #[inline]
    pub(crate) fn position(&self, bit: u32) -> usize {
        debug_assert!(self.present >> bit & 1 == 1);
        if self.direct != 0 {
            bit as usize
        } else {
            rank(self.present, bit)
        }
    }

    /// Returns the keys whose slots point to cells.
    #[inline]
    pub(crate) fn cells(&self) -> u64 {
        self.present & !self.inline
    }

    /// Returns the slots behind a group's header.
    ///
    /// # Safety
    ///
    /// `group` lies in a block of which a part is alive, and was derived from the block's address.
    #[inline(always)]
    pub(crate) unsafe fn slots(group: *const KeyGroup) -> *mut Slot {
        // SAFETY: the layout puts the slots right behind the group's header, in the same
        // allocation.
        unsafe { group.add(1).cast_mut().cast() }
    }
}

/// Returns the number of present keys below `bit`. By value: the masks stay in registers.
#[cold]
#[inline(never)]
fn rank(present: u64, bit: u32) -> usize {
    (present & ((1 << bit) - 1)).count_ones() as usize
}

#[cfg(test)]
mod tests;
