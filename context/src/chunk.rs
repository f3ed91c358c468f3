//! Which of 64 keys are bound, how, and where their slots are. Part of the layout that
//! [`block`](crate::block) describes.

use std::mem::{MaybeUninit, align_of, size_of};

/// Keys that a chunk covers.
pub(crate) const CHUNK_KEYS: u32 = 64;

/// A chunk whose keys all lie below this has its slots at their keys' own places, which makes
/// `get` an indexed load. Beyond it they are packed in the order of their keys: the rank of a key
/// is a population count, cheap only on processors newer than the baseline.
const DIRECT_KEYS: u32 = 16;

/// A place for a small value or for the address of a value in a cell.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) union Slot {
    /// The value's address; its [`CellHeader`] ends there.
    pub(crate) cell: *mut u8,
    /// The bytes of an inline value.
    #[allow(dead_code, reason = "read through a pointer to the slot")]
    bits: [MaybeUninit<u8>; 8],
}

/// Which of 64 keys are bound, and how. The slots follow it in memory, so it is aligned as they are
/// and ends where the first begins: also where a `u64` is aligned to 4.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Chunk {
    pub(crate) present: u64,
    /// Those whose slot holds the value itself.
    pub(crate) inline: u64,
    /// Those that this frame bound itself, not an ancestor.
    pub(crate) own: u64,
    /// Those whose variable is not inherited by tasks.
    pub(crate) not_inherited: u64,
    /// `present` if slots lie at their keys' places, else 0. Last, beside the slots: a `get` reads
    /// these two and nothing else.
    pub(crate) direct: u64,
}

const _: () = assert!(
    align_of::<Chunk>() >= align_of::<Slot>()
        && size_of::<Chunk>().is_multiple_of(align_of::<Slot>())
);

impl Chunk {
    pub(crate) const EMPTY: Chunk = Chunk {
        present: 0,
        inline: 0,
        own: 0,
        not_inherited: 0,
        direct: 0,
    };

    /// Sets `present`, and with it how the slots are laid out.
    #[inline]
    pub(crate) fn set_present(&mut self, present: u64) {
        self.present = present;
        self.direct = if present < 1 << DIRECT_KEYS {
            present
        } else {
            0
        };
    }

    /// Slots that follow the chunk.
    #[inline]
    pub(crate) fn width(&self) -> usize {
        if self.direct == self.present {
            (u64::BITS - self.present.leading_zeros()) as usize
        } else {
            rank(self.present, u64::BITS - 1) + (self.present >> 63) as usize
        }
    }

    /// Where the slot of a present key is.
    #[inline]
    pub(crate) fn position(&self, bit: u32) -> usize {
        debug_assert!(self.present >> bit & 1 == 1);
        if self.direct != 0 {
            bit as usize
        } else {
            rank(self.present, bit)
        }
    }

    /// The keys whose slots point to cells.
    #[inline]
    pub(crate) fn cells(&self) -> u64 {
        self.present & !self.inline
    }

    /// The slots behind a chunk.
    ///
    /// # Safety
    ///
    /// `chunk` lies in a block of which a part is alive, and was derived from the block's address.
    #[inline(always)]
    pub(crate) unsafe fn slots(chunk: *const Chunk) -> *mut Slot {
        // SAFETY: the layout puts the slots right behind the chunk, in the same allocation.
        unsafe { chunk.add(1).cast_mut().cast() }
    }
}

/// How many of the keys are below `bit`. By value: a chunk stays in registers.
#[cold]
#[inline(never)]
fn rank(present: u64, bit: u32) -> usize {
    (present & ((1 << bit) - 1)).count_ones() as usize
}

#[cfg(test)]
mod tests;
