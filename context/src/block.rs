//! The memory layout of a frame: one block, with its slots, its second-level tables and its cells.
//!
//! ```text
//! Block   id, parent id, counts, layout | KeyGroup: masks of keys 0..64
//!         slots of keys 0..64
//!         pointers to tables 1.., one for each further 64 keys, null if none of them is bound
//!         the tables that this frame made:  Table: count, owner | KeyGroup | slots
//!         the values that this frame bound: CellHeader: count, owner, drop | value
//! ```
//!
//! All of it is one allocation. A slot holds a small plain value itself, or points to a value in a
//! cell: of this block, or of the block of the ancestor that bound it. With a thousand variables, a
//! bind does not copy a thousand slots: it shares the tables that it does not change.
//!
//! # Safety rules
//!
//! The unsafe code of this crate cites these by number.
//!
//! 1. **Types.** An index belongs to one variable forever. So its slot holds, in any frame, a `T`
//!    of that variable's `ContextVar<T>`, which is invariant in `T`: inline if [`is_inline`]
//!    returns `true` for `T` (the group's `inline` mask repeats it), otherwise in a cell.
//! 2. **Immutability.** A block is written only while [`derive`](crate::derive) has the only
//!    pointer to it. After that only counts change, until the last holder of a part destroys that
//!    part.
//! 3. **Frames.** `Block::count` counts the `Frame`s that point to a block. While it is not zero,
//!    the block, its slots, and the tables and cells that these point to are alive.
//! 4. **Borrowed current.** The thread's current frame is alive: `Frame::run(&self)` set it, and
//!    its caller holds `self` until it returns. So the current frame can be read and cloned,
//!    although the thread holds no reference of its own. This requires that stacks are left in the
//!    order in which they were entered: code that switches stacks inside a `run` breaks it.
//! 5. **Cells and tables.** Each cell counts the slots, and each table counts the blocks' table
//!    pointers, that point to it. The holder of the last one drops the value, or releases the
//!    table's slots, exactly once.
//! 6. **Parts.** `Block::parts` counts the frame itself, the block's tables and its cells. The
//!    thread that destroys the last part frees the memory. So a cell can outlive its frame (a
//!    child's slot points to it) and keeps its memory alive.
//! 7. **Sole holders.** A holder that reads a count of one may act on it without a
//!    read-modify-write: a count is only incremented through a reference, and the only reference is
//!    the holder's own.
//! 8. **Threads.** Values are `Send + Sync`, so a frame may be used and destroyed on any thread.
//!    Each decrement of a count is a Release, and the last one acquires, so all uses happen before
//!    the end.

use std::alloc::Layout;
use std::any::TypeId;
use std::mem::{align_of, size_of};

use framewise_sync::atomic::{AtomicU32, AtomicUsize};

use crate::frame_stats::BindLocation;
use crate::key_group::{GROUP_KEYS, KeyGroup, Slot};
use crate::lifetime_check::LifetimeCheck;

/// The header of a frame.
#[repr(C)]
pub(crate) struct Block {
    pub(crate) id: u64,
    pub(crate) parent: u64,
    /// Rule 3.
    pub(crate) count: AtomicUsize,
    /// Rule 6.
    pub(crate) parts: AtomicU32,
    /// The number of pointers to tables behind the slots.
    pub(crate) tables: u16,
    /// [`MIRRORED`](crate::mirror::MIRRORED) and [`CONTROLLED`](crate::control::CONTROLLED).
    pub(crate) flags: u16,
    pub(crate) layout: Layout,
    /// The next frame in the list of frames to destroy later; see [`release`](crate::release).
    pub(crate) next: *mut Block,
    /// The lifetime of the frame, and that of the memory, which may be longer.
    pub(crate) lifetime: LifetimeCheck,
    pub(crate) memory: LifetimeCheck,
    /// The call that made the frame; zero-sized if live-frame statistics are not compiled in.
    pub(crate) bind_location: BindLocation,
    pub(crate) group: KeyGroup,
}

/// A second-level table: the slots of 64 further keys, shared by frames in which all of them are
/// equal.
#[repr(C)]
pub(crate) struct Table {
    /// Rule 5.
    pub(crate) count: AtomicUsize,
    /// The block whose memory contains this table.
    pub(crate) owner: *mut Block,
    pub(crate) lifetime: LifetimeCheck,
    pub(crate) group: KeyGroup,
}

/// The header before a value that is not inline.
#[repr(C)]
pub(crate) struct CellHeader {
    /// Rule 5.
    pub(crate) count: AtomicUsize,
    /// The block whose memory contains this cell.
    pub(crate) owner: *mut Block,
    /// Drops the value in place; `None` if its type needs no drop.
    pub(crate) drop: Option<unsafe fn(*mut u8)>,
    pub(crate) lifetime: LifetimeCheck,
}

/// Returns the header of the cell with this value.
///
/// # Safety
///
/// `value` comes from a slot that points to a cell (rule 1).
#[inline(always)]
pub(crate) unsafe fn cell_header(value: *mut u8) -> *mut CellHeader {
    // SAFETY: the header ends where the value begins; values are aligned at least like headers.
    unsafe { value.sub(size_of::<CellHeader>()).cast() }
}

impl Block {
    /// Returns the group of keys 0 to 63.
    ///
    /// # Safety
    ///
    /// A part of `block` is alive.
    #[inline(always)]
    pub(crate) unsafe fn group(block: *const Block) -> *const KeyGroup {
        // SAFETY: the caller's promise. No reference is made, so the result may reach the slots.
        unsafe { &raw const (*block).group }
    }

    /// Returns the array of pointers to tables.
    ///
    /// # Safety
    ///
    /// The block's frame is alive, or the caller is building or destroying it.
    pub(crate) unsafe fn table_pointers(block: *const Block) -> *mut *mut Table {
        // SAFETY: the layout puts the pointers behind the slots.
        unsafe {
            let group = Block::group(block);
            KeyGroup::slots(group).add((*group).width()).cast()
        }
    }

    /// Returns the bytes of that many pointers to tables, padded to the alignment of the table
    /// behind them.
    pub(crate) fn table_pointers_size(tables: u32) -> usize {
        (tables as usize * size_of::<*mut Table>()).next_multiple_of(align_of::<Table>())
    }

    /// Returns table number `number`, counted from 1; null if none of its keys is bound.
    ///
    /// # Safety
    ///
    /// Like [`table_pointers`](Self::table_pointers), for a block that is complete; or null.
    pub(crate) unsafe fn table(block: *const Block, number: u32) -> *mut Table {
        // SAFETY: the caller's promise; the index is below the number of pointers.
        unsafe {
            if block.is_null() || number > u32::from((*block).tables) {
                return std::ptr::null_mut();
            }
            *Block::table_pointers(block).add(number as usize - 1)
        }
    }

    /// Returns the group of the keys from `64 * number`, null if none of them is bound.
    ///
    /// # Safety
    ///
    /// See [`table`](Self::table).
    pub(crate) unsafe fn group_of(block: *const Block, number: u32) -> *const KeyGroup {
        // SAFETY: the caller's promise; tables that a live frame points to are alive (rule 3).
        unsafe {
            if block.is_null() {
                std::ptr::null()
            } else if number == 0 {
                Block::group(block)
            } else {
                let table = Block::table(block, number);
                if table.is_null() {
                    std::ptr::null()
                } else {
                    &raw const (*table).group
                }
            }
        }
    }

    /// Returns the slot of `key`, null if it is unbound.
    ///
    /// # Safety
    ///
    /// `block` is null or its frame is alive.
    #[inline(always)]
    pub(crate) unsafe fn slot(block: *const Block, key: u32) -> *const Slot {
        if block.is_null() {
            return std::ptr::null();
        }
        // SAFETY: the frame is alive (the caller's promise). `direct` has a bit only for present
        // keys, whose slots are then at the keys' own positions.
        unsafe {
            let group = Block::group(block);
            (*block).lifetime.read();
            if key < GROUP_KEYS && (*group).direct >> key & 1 == 1 {
                return KeyGroup::slots(group).add(key as usize);
            }
            Block::slot_slowly(block, key)
        }
    }

    /// Like [`slot`](Self::slot), for packed groups and for tables.
    #[cold]
    #[inline(never)]
    unsafe fn slot_slowly(block: *const Block, key: u32) -> *const Slot {
        // SAFETY: the frame is alive (the caller's promise), so its tables are too (rule 3).
        unsafe {
            let group = Block::group_of(block, key / GROUP_KEYS);
            let bit = key % GROUP_KEYS;
            if group.is_null() || (*group).present >> bit & 1 == 0 {
                return std::ptr::null();
            }
            KeyGroup::slots(group).add((*group).position(bit))
        }
    }
}

/// Returns `true` if values of `T` live in slots.
///
/// A fixed list of plain types, not "small and without a destructor": a value with interior
/// mutability has one identity, and copies in parent and child would diverge.
#[inline(always)]
pub(crate) fn is_inline<T: 'static>() -> bool {
    macro_rules! one_of {
        ($($plain:ty)*) => { false $(|| TypeId::of::<T>() == TypeId::of::<$plain>())* };
    }
    one_of!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize f32 f64 bool char)
}
