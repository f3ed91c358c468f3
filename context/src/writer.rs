//! Putting values and shared slots into a block that is being built.

use std::mem::{align_of, needs_drop, size_of};

use framewise_sync::atomic::AtomicUsize;

use crate::block::{Block, CellHeader, cell_header, is_inline};
use crate::key_group::{GROUP_KEYS, KeyGroup, Slot};
use crate::lifetime_check::LifetimeCheck;
use crate::release::raise;

/// A memory area that grows at its end.
#[derive(Clone, Copy)]
pub struct Area {
    pub(crate) size: usize,
    pub(crate) align: usize,
}

impl Area {
    /// Adds the cell of a `T`; also returns the offset of the value.
    #[inline(always)]
    pub(crate) fn with_cell<T>(self) -> (Area, usize) {
        let align = align_of::<T>().max(align_of::<CellHeader>());
        let value = (self.size + size_of::<CellHeader>()).next_multiple_of(align);
        (
            Area {
                size: value + size_of::<T>(),
                align: self.align.max(align),
            },
            value,
        )
    }
}

/// Writes the new bindings into a new block.
pub struct Writer {
    pub(crate) block: *mut Block,
    /// The start of the cells, and the part of it that is used.
    pub(crate) cells: *mut u8,
    pub(crate) area: Area,
    /// The number of parts of the block so far; rule 6.
    pub(crate) parts: u32,
}

impl Writer {
    /// Returns the group of `key`, which this frame made itself.
    ///
    /// # Safety
    ///
    /// `key` is among the masks from which the block was planned.
    #[inline(always)]
    unsafe fn group(&mut self, key: u32) -> *mut KeyGroup {
        // SAFETY: the plan has a group for the key, which is not shared.
        let group = unsafe {
            if key < GROUP_KEYS {
                Block::group(self.block)
            } else {
                Block::group_of(self.block, key / GROUP_KEYS)
            }
        };
        group.cast_mut()
    }

    /// Returns the slot for `key`, or `None` if a value was put before, or the key removed.
    ///
    /// # Safety
    ///
    /// `key` is among the masks from which the block was planned.
    #[inline(always)]
    unsafe fn claim(&mut self, key: u32) -> Option<*mut Slot> {
        // SAFETY: only we have the block (rule 2), and the plan has a slot for the key, unless it
        // is removed, which sets its bit in `own` first.
        unsafe {
            let group = self.group(key);
            let bit = key % GROUP_KEYS;
            if (*group).own >> bit & 1 == 1 {
                return None;
            }
            (*group).own |= 1 << bit;
            Some(KeyGroup::slots(group).add((*group).position(bit)))
        }
    }

    /// Leaves `key` unbound, unless a value was put before. The bit in `own` remembers it, for
    /// another parent (`OwnBindings`).
    ///
    /// # Safety
    ///
    /// `key` is among the masks from which the block was planned.
    #[inline]
    pub(crate) unsafe fn remove(&mut self, key: u32) {
        // SAFETY: only we have the block (rule 2), and the plan has the key's group.
        unsafe { (*self.group(key)).own |= 1 << (key % GROUP_KEYS) }
    }

    /// Binds `key` to `value`; returns the value if the key was put before, or removed.
    ///
    /// # Safety
    ///
    /// `key` is that of a `ContextVar<T>` and among the masks from which the block was planned.
    #[inline(always)]
    pub(crate) unsafe fn put<T: Send + Sync + 'static>(&mut self, key: u32, value: T) -> Option<T> {
        // SAFETY: the caller's promise.
        let Some(slot) = (unsafe { self.claim(key) }) else {
            return Some(value);
        };
        if is_inline::<T>() {
            // SAFETY: inline types have at most 8 bytes and an alignment of at most 8.
            unsafe { slot.cast::<T>().write(value) };
            return None;
        }
        let (area, offset) = self.area.with_cell::<T>();
        self.area = area;
        self.parts += 1;
        // SAFETY: the plan counted this cell, so it lies inside the block, aligned for header and
        // value. The address is derived from the allocation itself, so the value's header can be
        // reached.
        unsafe {
            let place = self.cells.add(offset);
            cell_header(place).write(CellHeader {
                count: AtomicUsize::new(1),
                owner: self.block,
                drop: if needs_drop::<T>() {
                    Some(drop_value::<T>)
                } else {
                    None
                },
                lifetime: LifetimeCheck::new(),
            });
            place.cast::<T>().write(value);
            slot.write(Slot { cell: place });
        }
        None
    }

    /// Binds `key` to the value of the slot `from`, which is shared if it is in a cell.
    ///
    /// # Safety
    ///
    /// `key` is among the masks from which the block was planned, and `from` is its slot in a live
    /// frame, inline or not as `inline` says.
    pub(crate) unsafe fn share(&mut self, key: u32, from: *const Slot, inline: bool) {
        // SAFETY: the caller's promise.
        unsafe {
            let Some(slot) = self.claim(key) else { return };
            share_slot(slot, from, inline);
        }
    }
}

/// Drops the `T` at `value`.
unsafe fn drop_value<T>(value: *mut u8) {
    // SAFETY: the caller drops each cell's value once (rule 5), and its type is `T` (rule 1).
    unsafe { value.cast::<T>().drop_in_place() }
}

/// Copies a slot, and adds a reference to its cell.
#[inline(always)]
pub(crate) unsafe fn share_slot(to: *mut Slot, from: *const Slot, inline: bool) {
    // SAFETY: both slots exist, and the source belongs to a live frame, so its cell is alive (rule
    // 3).
    unsafe {
        to.write(*from);
        if !inline {
            let header = cell_header((*from).cell);
            (*header).lifetime.read();
            raise(&(*header).count);
        }
    }
}
