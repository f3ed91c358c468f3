//! What a new frame changes in its parent's bindings: it adds values from [`bind`](crate::bind), or
//! the own bindings of another frame, and it removes variables.

use std::ptr;

use crate::Frame;
use crate::block::Block;
use crate::key_group::{GROUP_KEYS, KeyGroup};
use crate::role::Marks;
use crate::writer::{Area, Writer};

/// The bindings that a new frame adds to its parent's, and those that it removes.
///
/// # Safety
///
/// `fill` puts every key of `masks`, once or more, with a value that satisfies rule 1 of
/// [`block`](crate::block), and puts or removes no other key. A key that is removed after a value
/// was put is removed first by `fill`, which processes later bindings first. `cells` adds the
/// layout of every value put that is not inline, in the order in which `fill` puts them. `tables`
/// is not less than any group with a key.
pub unsafe trait NewBindings: Sized {
    /// `true` if bindings may be removed.
    #[doc(hidden)]
    const REMOVES: bool;

    /// Values that a later one for the same variable replaced. The caller drops them when the frame
    /// is complete, because their `Drop` is user code.
    type Replaced;

    /// Returns the highest group with a new binding.
    #[doc(hidden)]
    fn tables(&self) -> u32;

    /// Returns the marks of the variables' roles.
    #[doc(hidden)]
    fn marks(&self) -> Marks;

    /// Enlists the variables that have to be, before the frame exists.
    #[doc(hidden)]
    fn enlist(&self);

    /// Returns the changes in group `number`.
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

/// The keys of a group that get a new binding, or lose theirs.
#[derive(Clone, Copy, Default)]
pub struct Masks {
    pub(crate) own: u64,
    pub(crate) inline: u64,
    pub(crate) not_inherited: u64,
    /// The keys that are not bound afterwards, whatever the parent binds.
    pub(crate) removed: u64,
}

impl Masks {
    /// Returns these changes and then `later` ones.
    #[inline(always)]
    pub(crate) fn then(self, later: Masks) -> Masks {
        Masks {
            own: self.own & !later.removed | later.own,
            inline: self.inline & !later.removed | later.inline,
            not_inherited: self.not_inherited & !later.removed | later.not_inherited,
            removed: self.removed & !later.own | later.removed,
        }
    }

    /// Returns the keys that are changed.
    #[inline(always)]
    pub(crate) fn changed(self) -> u64 {
        self.own | self.removed
    }
}

/// No new bindings: for a frame that only omits some of its parent's.
pub(crate) struct NoBindings;

// SAFETY: there is nothing to put.
unsafe impl NewBindings for NoBindings {
    const REMOVES: bool = false;

    type Replaced = ();

    fn tables(&self) -> u32 {
        0
    }

    fn marks(&self) -> Marks {
        Marks::NONE
    }

    fn enlist(&self) {}

    fn masks(&self, _number: u32) -> Masks {
        Masks::default()
    }

    fn cells(&self, area: Area) -> Area {
        area
    }

    unsafe fn fill(self, _writer: &mut Writer) {}
}

/// The bindings that a frame made itself, and those that it removed, for another parent: the values
/// stay where they are.
pub(crate) struct OwnBindings<'a>(pub(crate) &'a Frame);

impl OwnBindings<'_> {
    /// Returns the group `number` with own keys. A table that is shared with an ancestor has none:
    /// its own keys are the ancestor's. An own key that is not present was removed.
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

// SAFETY: `fill` puts the own keys of each group from the slots of the same keys, or removes them;
// the cells exist already, so `cells` adds none.
unsafe impl NewBindings for OwnBindings<'_> {
    const REMOVES: bool = true;

    type Replaced = ();

    fn tables(&self) -> u32 {
        let block = self.0.as_raw();
        if block.is_null() {
            return 0;
        }
        // SAFETY: (rule 3) the frame is alive.
        unsafe { u32::from((*block).tables) }
    }

    /// Returns those of the frame, among which may be some of its parents. `derive` computes the
    /// mirrored one again.
    fn marks(&self) -> Marks {
        let block = self.0.as_raw();
        if block.is_null() {
            return Marks::NONE;
        }
        // SAFETY: (rule 3) the frame is alive.
        Marks::of_flags(unsafe { (*block).flags })
    }

    /// They were, before the frame existed.
    fn enlist(&self) {}

    fn masks(&self, number: u32) -> Masks {
        let group = self.own_group(number);
        if group.is_null() {
            return Masks::default();
        }
        // SAFETY: (rule 3) the frame is alive.
        let group = unsafe { *group };
        let own = group.own & group.present;
        Masks {
            own,
            inline: group.inline & own,
            not_inherited: group.not_inherited & own,
            removed: group.own & !group.present,
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
                    let key = number * GROUP_KEYS + bit;
                    if (*group).present >> bit & 1 == 0 {
                        writer.remove(key);
                        continue;
                    }
                    let from = KeyGroup::slots(group).add((*group).position(bit));
                    let inline = (*group).inline >> bit & 1 == 1;
                    writer.share(key, from, inline);
                }
            }
        }
    }
}
