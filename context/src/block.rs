//! What a frame is in memory: one block, its slots, its leaves and its cells.
//!
//! ```text
//! Block   id, parent id, counts, layout | Chunk: masks of keys 0..64
//!         slots of keys 0..64
//!         pointers to leaves 1.., one for every further 64 keys, null where none is bound
//!         the leaves that this frame made:  Leaf: count, home | Chunk | slots
//!         the values that this frame bound: CellHeader: count, home, drop | value
//! ```
//!
//! All of it is one allocation. A slot holds a small plain value itself, or points to the value in
//! a cell: of this block, or of the block of the ancestor that bound it. Leaves keep a bind among
//! a thousand variables from copying a thousand slots: the untouched ones are shared.
//!
//! # Safety rules
//!
//! The unsafe code of this crate cites these by number.
//!
//! 1. **Types.** An index belongs to one variable for ever, so what its slot holds, in any frame,
//!    is a `T` of that variable's `ContextVar<T>`, which is invariant in `T`: inline if
//!    [`is_inline`] says so of `T`, which the chunk's `inline` mask repeats, else in a cell.
//! 2. **Immutability.** A block is written while [`derive`](crate::derive) alone knows it. Later
//!    only counts change, until the last holder of a part takes that part down.
//! 3. **Frames.** `Block::count` counts the `Frame`s that point to a block. While it is not zero,
//!    the block, its slots, and the leaves and cells that these point to are alive.
//! 4. **Borrowed current.** The thread's current frame is alive: `Frame::run(&self)` set it, whose
//!    caller holds `self` until it returns. It can be read and cloned without a count being moved.
//!    This wants stacks that are left in the order in which they were entered: code that switches
//!    stacks inside a `run` breaks it.
//! 5. **Cells and leaves.** Each has a count of the slots, or of the blocks' leaf pointers, that
//!    point to it. Zero means that the holder of the last one drops the value, or releases the
//!    leaf's slots, exactly once.
//! 6. **Parts.** `Block::parts` counts the frame itself, the block's leaves and its cells. The
//!    memory is freed when all are dead, by whoever took down the last. So a cell can outlive its
//!    frame (a child's slot points to it) and still keep the memory that it is in.
//! 7. **Sole holders.** Whoever holds a count of one can act on it without a read-modify-write:
//!    a count is only raised through a reference, and the only reference is the holder's own.
//! 8. **Threads.** Values are `Send + Sync`, so a frame may be used and taken down anywhere. Each
//!    count goes down with Release and is acquired by the last, so all uses happen before the end.

use std::alloc::Layout;
use std::any::TypeId;
use std::mem::{align_of, size_of};

use framewise_sync::atomic::{AtomicU32, AtomicUsize};

use crate::census::Origin;
use crate::chunk::{CHUNK_KEYS, Chunk, Slot};
use crate::watch::Watch;

/// The head of a frame.
#[repr(C)]
pub(crate) struct Block {
    pub(crate) id: u64,
    pub(crate) parent: u64,
    /// Rule 3.
    pub(crate) count: AtomicUsize,
    /// Rule 6.
    pub(crate) parts: AtomicU32,
    /// Pointers to leaves behind the slots.
    pub(crate) leaves: u32,
    pub(crate) layout: Layout,
    /// The next frame in the list of those to take down later; see [`release`](crate::release).
    pub(crate) next: *mut Block,
    /// The life of the frame, and that of the memory, which may be longer.
    pub(crate) watch: Watch,
    pub(crate) memory: Watch,
    /// Who made the frame; of no size where no census is compiled in.
    pub(crate) origin: Origin,
    pub(crate) chunk: Chunk,
}

/// The slots of 64 further keys, shared between frames that agree on all of them.
#[repr(C)]
pub(crate) struct Leaf {
    /// Rule 5.
    pub(crate) count: AtomicUsize,
    /// The block in whose memory this leaf is.
    pub(crate) home: *mut Block,
    pub(crate) watch: Watch,
    pub(crate) chunk: Chunk,
}

/// What stands before a value that is not inline.
#[repr(C)]
pub(crate) struct CellHeader {
    /// Rule 5.
    pub(crate) count: AtomicUsize,
    /// The block in whose memory this cell is.
    pub(crate) home: *mut Block,
    /// Drops the value in place; `None` where there is nothing to drop.
    pub(crate) drop: Option<unsafe fn(*mut u8)>,
    pub(crate) watch: Watch,
}

/// The header of the cell with this value.
///
/// # Safety
///
/// `value` comes from a slot that points to a cell (rule 1).
#[inline(always)]
pub(crate) unsafe fn cell_header(value: *mut u8) -> *mut CellHeader {
    // SAFETY: the header ends where the value begins; values are aligned at least as headers are.
    unsafe { value.sub(size_of::<CellHeader>()).cast() }
}

impl Block {
    /// The chunk of keys 0 to 63.
    ///
    /// # Safety
    ///
    /// A part of `block` is alive.
    #[inline(always)]
    pub(crate) unsafe fn chunk(block: *const Block) -> *const Chunk {
        // SAFETY: the caller's promise. No reference is made, so the result may reach the slots.
        unsafe { &raw const (*block).chunk }
    }

    /// The pointers to leaves.
    ///
    /// # Safety
    ///
    /// The block's frame is alive, or being built or taken down by the caller.
    pub(crate) unsafe fn leaf_pointers(block: *const Block) -> *mut *mut Leaf {
        // SAFETY: the layout puts the pointers behind the slots.
        unsafe {
            let chunk = Block::chunk(block);
            Chunk::slots(chunk).add((*chunk).width()).cast()
        }
    }

    /// The bytes of that many pointers to leaves, and as many more as align the leaf behind them.
    pub(crate) fn leaf_pointers_size(leaves: u32) -> usize {
        (leaves as usize * size_of::<*mut Leaf>()).next_multiple_of(align_of::<Leaf>())
    }

    /// Leaf number `number`, counted from 1; null where nothing is bound.
    ///
    /// # Safety
    ///
    /// As [`leaf_pointers`](Self::leaf_pointers), of a block that is complete; or null.
    pub(crate) unsafe fn leaf(block: *const Block, number: u32) -> *mut Leaf {
        // SAFETY: the caller's promise; the index is below the number of pointers.
        unsafe {
            if block.is_null() || number > (*block).leaves {
                return std::ptr::null_mut();
            }
            *Block::leaf_pointers(block).add(number as usize - 1)
        }
    }

    /// The chunk that covers keys `64 * number ..`, null where nothing is bound.
    ///
    /// # Safety
    ///
    /// As [`leaf`](Self::leaf).
    pub(crate) unsafe fn chunk_of(block: *const Block, number: u32) -> *const Chunk {
        // SAFETY: the caller's promise; leaves that a live frame points to are alive (rule 3).
        unsafe {
            if block.is_null() {
                std::ptr::null()
            } else if number == 0 {
                Block::chunk(block)
            } else {
                let leaf = Block::leaf(block, number);
                if leaf.is_null() {
                    std::ptr::null()
                } else {
                    &raw const (*leaf).chunk
                }
            }
        }
    }

    /// The slot of `key`, null where it is unbound.
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
        // keys, whose slot is then at their own place.
        unsafe {
            let chunk = Block::chunk(block);
            (*block).watch.read();
            if key < CHUNK_KEYS && (*chunk).direct >> key & 1 == 1 {
                return Chunk::slots(chunk).add(key as usize);
            }
            Block::slot_slowly(block, key)
        }
    }

    /// [`slot`](Self::slot) for packed chunks and for leaves.
    #[cold]
    #[inline(never)]
    unsafe fn slot_slowly(block: *const Block, key: u32) -> *const Slot {
        // SAFETY: the frame is alive (the caller's promise), hence its leaves too (rule 3).
        unsafe {
            let chunk = Block::chunk_of(block, key / CHUNK_KEYS);
            let bit = key % CHUNK_KEYS;
            if chunk.is_null() || (*chunk).present >> bit & 1 == 0 {
                return std::ptr::null();
            }
            Chunk::slots(chunk).add((*chunk).position(bit))
        }
    }
}

/// Whether values of `T` live in slots.
///
/// A fixed list of plain types, not "small and without a destructor": a type with interior
/// mutability has one identity, and copies of it in parent and child would drift apart.
#[inline(always)]
pub(crate) fn is_inline<T: 'static>() -> bool {
    macro_rules! one_of {
        ($($plain:ty)*) => { false $(|| TypeId::of::<T>() == TypeId::of::<$plain>())* };
    }
    one_of!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize f32 f64 bool char)
}
