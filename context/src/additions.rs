//! What a new frame has over its parent: values ([`bind`](crate::bind) builds those), the own
//! bindings of another frame, or nothing.

use std::ptr;

use crate::Frame;
use crate::block::Block;
use crate::chunk::{CHUNK_KEYS, Chunk};
use crate::writer::{Area, Writer};

/// What a new frame has over its parent.
///
/// # Safety
///
/// `fill` puts, once or more, every key of `masks`, with a value that fits rule 1 of
/// [`block`](crate::block), `cells` announces the layout of every value put that is not inline, in
/// the order in which `fill` puts them, and `leaves` is no less than any chunk with a key.
pub unsafe trait Additions: Sized {
    /// Values that another one of the same variable replaced. They are dropped by the caller, when
    /// the frame is complete: their `Drop` is user code.
    type Replaced;

    /// The highest chunk with an addition.
    #[doc(hidden)]
    fn leaves(&self) -> u32;

    /// The additions in chunk `number`: `own`, `inline` and `not_inherited`.
    #[doc(hidden)]
    fn masks(&self, number: u32) -> Masks;

    /// Adds the cells that `fill` makes.
    #[doc(hidden)]
    fn cells(&self, area: Area) -> Area;

    /// Puts the additions into the new block.
    ///
    /// # Safety
    ///
    /// `writer` writes a block that was planned from these very additions.
    #[doc(hidden)]
    unsafe fn fill(self, writer: &mut Writer) -> Self::Replaced;
}

/// Keys of a chunk that are added.
#[derive(Clone, Copy, Default)]
pub struct Masks {
    pub(crate) own: u64,
    pub(crate) inline: u64,
    pub(crate) not_inherited: u64,
}

impl Masks {
    #[inline(always)]
    pub(crate) fn or(self, other: Masks) -> Masks {
        Masks {
            own: self.own | other.own,
            inline: self.inline | other.inline,
            not_inherited: self.not_inherited | other.not_inherited,
        }
    }
}

/// No additions: a frame that only leaves something out.
pub(crate) struct Nothing;

// SAFETY: there is nothing to put.
unsafe impl Additions for Nothing {
    type Replaced = ();

    fn leaves(&self) -> u32 {
        0
    }

    fn masks(&self, _number: u32) -> Masks {
        Masks::default()
    }

    fn cells(&self, area: Area) -> Area {
        area
    }

    unsafe fn fill(self, _writer: &mut Writer) {}
}

/// The bindings that a frame made itself, for another parent: the values stay where they are.
pub(crate) struct OwnOf<'a>(pub(crate) &'a Frame);

impl OwnOf<'_> {
    /// The chunk `number` with own keys. A leaf that is shared with an ancestor has none: its own
    /// keys are the ancestor's.
    fn own_chunk(&self, number: u32) -> *const Chunk {
        let block = self.0.as_raw();
        // SAFETY: (rule 3) the frame is alive.
        unsafe {
            if number > 0 {
                let leaf = Block::leaf(block, number);
                if leaf.is_null() || !ptr::eq((*leaf).home, block) {
                    return ptr::null();
                }
            }
            Block::chunk_of(block, number)
        }
    }
}

// SAFETY: `fill` puts the own keys of each chunk from the slots of the same keys; there are no
// cells to announce, for they exist.
unsafe impl Additions for OwnOf<'_> {
    type Replaced = ();

    fn leaves(&self) -> u32 {
        let block = self.0.as_raw();
        if block.is_null() {
            return 0;
        }
        // SAFETY: (rule 3) the frame is alive.
        unsafe { (*block).leaves }
    }

    fn masks(&self, number: u32) -> Masks {
        let chunk = self.own_chunk(number);
        if chunk.is_null() {
            return Masks::default();
        }
        // SAFETY: (rule 3) the frame is alive.
        let chunk = unsafe { *chunk };
        Masks {
            own: chunk.own,
            inline: chunk.inline & chunk.own,
            not_inherited: chunk.not_inherited & chunk.own,
        }
    }

    fn cells(&self, area: Area) -> Area {
        area
    }

    unsafe fn fill(self, writer: &mut Writer) {
        for number in 0..=self.leaves() {
            let chunk = self.own_chunk(number);
            if chunk.is_null() {
                continue;
            }
            // SAFETY: (rule 3) the frame and its leaves are alive; the keys are those of `masks`.
            unsafe {
                let mut rest = (*chunk).own;
                while rest != 0 {
                    let bit = rest.trailing_zeros();
                    rest &= rest - 1;
                    let from = Chunk::slots(chunk).add((*chunk).position(bit));
                    let inline = (*chunk).inline >> bit & 1 == 1;
                    writer.share(number * CHUNK_KEYS + bit, from, inline);
                }
            }
        }
    }
}
