//! The bindings that a new frame adds to its parent's: values from [`bind`](crate::bind), the own
//! bindings of another frame, or none.

use std::ptr;

use crate::Frame;
use crate::block::Block;
use crate::key_group::{GROUP_KEYS, KeyGroup};
use crate::writer::{Area, Writer};

/// The bindings that a new frame adds to its parent's.
///
/// # Safety
///
/// `fill` puts every key of `masks`, once or more, with a value that satisfies rule 1 of
/// [`block`](crate::block). `cells` adds the layout of every value put that is not inline, in the
/// order in which `fill` puts them. `tables` is not less than any group with a key.
pub unsafe trait NewBindings: Sized {
    /// Values that a later one for the same variable replaced. The caller drops them when the frame
    /// is complete, because their `Drop` is user code.
    type Replaced;

    /// Returns the highest group with a new binding.
    #[doc(hidden)]
    fn tables(&self) -> u32;

    /// Returns the new bindings in group `number`: `own`, `inline` and `not_inherited`.
    #[doc(hidden)]
    fn masks(&self, number: u32) -> Masks;

    /// Adds the cells that `fill` makes.
    #[doc(hidden)]
    fn cells(&self, area: Area) -> Area;

    /// Puts the new bindings into the new block.
    ///
    /// # Safety
    ///
    /// `writer` writes a block that was planned from this same value.
    #[doc(hidden)]
    unsafe fn fill(self, writer: &mut Writer) -> Self::Replaced;
}

/// The keys of a group that get a new binding.
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

/// No new bindings: for a frame that only omits some of its parent's.
pub(crate) struct NoBindings;

// SAFETY: there is nothing to put.
unsafe impl NewBindings for NoBindings {
    type Replaced = ();

    fn tables(&self) -> u32 {
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
pub(crate) struct OwnBindings<'a>(pub(crate) &'a Frame);

impl OwnBindings<'_> {
    /// Returns the group `number` with own keys. A table that is shared with an ancestor has none:
    /// its own keys are the ancestor's.
    fn own_group(&self, number: u32) -> *const KeyGroup {
        let block = self.0.as_raw();
        // SAFETY: (rule 3) the frame is alive.
        unsafe {
            if number > 0 {
                let table = Block::table(block, number);
                if table.is_null() || !ptr::eq((*table).owner, block) {
                    return ptr::null();
                }
            }
            Block::group_of(block, number)
        }
    }
}

// SAFETY: `fill` puts the own keys of each group from the slots of the same keys; the cells exist
// already, so `cells` adds none.
unsafe impl NewBindings for OwnBindings<'_> {
    type Replaced = ();

    fn tables(&self) -> u32 {
        let block = self.0.as_raw();
        if block.is_null() {
            return 0;
        }
        // SAFETY: (rule 3) the frame is alive.
        unsafe { (*block).tables }
    }

    fn masks(&self, number: u32) -> Masks {
        let group = self.own_group(number);
        if group.is_null() {
            return Masks::default();
        }
        // SAFETY: (rule 3) the frame is alive.
        let group = unsafe { *group };
        Masks {
            own: group.own,
            inline: group.inline & group.own,
            not_inherited: group.not_inherited & group.own,
        }
    }

    fn cells(&self, area: Area) -> Area {
        area
    }

    unsafe fn fill(self, writer: &mut Writer) {
        for number in 0..=self.tables() {
            let group = self.own_group(number);
            if group.is_null() {
                continue;
            }
            // SAFETY: (rule 3) the frame and its tables are alive; the keys are those of `masks`.
            unsafe {
                let mut rest = (*group).own;
                while rest != 0 {
                    let bit = rest.trailing_zeros();
                    rest &= rest - 1;
                    let from = KeyGroup::slots(group).add((*group).position(bit));
                    let inline = (*group).inline >> bit & 1 == 1;
                    writer.share(number * GROUP_KEYS + bit, from, inline);
                }
            }
        }
    }
}
