//! How a frame is made from another one: plan the masks, allocate once, fill.
//!
//! Nothing here runs user code: values are moved into their cells and slots are copied.

use std::alloc::{self, Layout};
use std::mem::{align_of, needs_drop, size_of};
use std::ptr;

use framewise_sync::atomic::{AtomicU32, AtomicUsize};

use crate::Frame;
use crate::block::{Block, CHUNK_KEYS, CellHeader, Chunk, Leaf, Slot, cell_header, is_inline};
use crate::current;
use crate::release::raise;
use crate::watch::Watch;

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

/// A stretch of memory that grows at its end.
#[derive(Clone, Copy)]
pub struct Area {
    size: usize,
    align: usize,
}

impl Area {
    /// Adds the cell of a `T` and says at what offset the value is.
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

/// Writes the additions into a new block.
pub struct Writer {
    block: *mut Block,
    /// Where the cells begin, and how far they reach by now.
    cells: *mut u8,
    area: Area,
    /// Parts of the block by now; rule 6.
    parts: u32,
}

impl Writer {
    /// The slot for `key`, or `None` if it was put before.
    ///
    /// # Safety
    ///
    /// `key` is among the masks from which the block was planned.
    #[inline(always)]
    unsafe fn claim(&mut self, key: u32) -> Option<*mut Slot> {
        // SAFETY: the block is ours alone (rule 2), and the plan has a slot for the key.
        unsafe {
            let chunk = Block::chunk_of(self.block, key / CHUNK_KEYS).cast_mut();
            let bit = key % CHUNK_KEYS;
            if (*chunk).own >> bit & 1 == 1 {
                return None;
            }
            (*chunk).own |= 1 << bit;
            Some(Chunk::slots(chunk).add((*chunk).position(bit)))
        }
    }

    /// Binds `key` to `value`; gives the value back if the key was put before.
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
        // value. The address comes from the allocation itself, so the value's header is in reach.
        unsafe {
            let place = self.cells.add(offset);
            cell_header(place).write(CellHeader {
                count: AtomicUsize::new(1),
                home: self.block,
                drop: if needs_drop::<T>() {
                    Some(drop_value::<T>)
                } else {
                    None
                },
                watch: Watch::new(),
            });
            place.cast::<T>().write(value);
            slot.write(Slot { cell: place });
        }
        None
    }

    /// Binds `key` to what `from` holds, which is shared if it is in a cell.
    ///
    /// # Safety
    ///
    /// `key` is among the masks from which the block was planned, and `from` is its slot in a live
    /// frame, inline or not as `inline` says.
    unsafe fn share(&mut self, key: u32, from: *const Slot, inline: bool) {
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

/// Copies a slot, and holds its cell once more.
#[inline(always)]
unsafe fn share_slot(to: *mut Slot, from: *const Slot, inline: bool) {
    // SAFETY: both slots exist, the source is one of a live frame, so its cell is alive (rule 3).
    unsafe {
        to.write(*from);
        if !inline {
            let header = cell_header((*from).cell);
            (*header).watch.read();
            raise(&(*header).count);
        }
    }
}

/// Plans a chunk: what is kept of `old`, and what is added.
#[inline(always)]
fn plan(old: &Chunk, kept: u64, added: Masks) -> Chunk {
    let mut chunk = Chunk {
        inline: old.inline & kept | added.inline,
        not_inherited: old.not_inherited & kept | added.not_inherited,
        ..Chunk::EMPTY
    };
    chunk.set_present(kept | added.own);
    chunk
}

/// Copies the slots `kept` of `old` to a new chunk.
///
/// # Safety
///
/// Both have the slots of `kept`; `old` belongs to a live frame, `new` is being built.
#[inline(always)]
unsafe fn copy_slots(new: *const Chunk, old: *const Chunk, kept: u64) {
    let mut rest = kept;
    while rest != 0 {
        let bit = rest.trailing_zeros();
        rest &= rest - 1;
        // SAFETY: the caller's promise.
        unsafe {
            let to = Chunk::slots(new).add((*new).position(bit));
            let from = Chunk::slots(old).add((*old).position(bit));
            share_slot(to, from, (*old).inline >> bit & 1 == 1);
        }
    }
}

/// Makes a frame that has what `parent` has, less what tasks do not inherit if `strip` is set,
/// plus the additions. Also gives back the values that an addition itself replaced.
///
/// # Safety
///
/// `parent` is null or a live frame's.
#[inline]
pub(crate) unsafe fn derive<A: Additions>(
    parent: *const Block,
    strip: bool,
    additions: A,
) -> (Frame, A::Replaced) {
    // SAFETY: the parent is alive (the caller's promise), so its masks can be read.
    let (old, id, leaves) = unsafe {
        if parent.is_null() {
            (Chunk::EMPTY, 0, 0)
        } else {
            (*parent).watch.read();
            (*Block::chunk(parent), (*parent).id, (*parent).leaves)
        }
    };
    let added = additions.masks(0);
    let kept = kept(&old, strip, added);
    let chunk = plan(&old, kept, added);
    let leaves = leaves.max(additions.leaves());

    let mut head = size_of::<Block>() + chunk.width() * size_of::<Slot>();
    if leaves != 0 {
        head += leaves as usize * size_of::<*mut Leaf>();
        // SAFETY: as above.
        head += unsafe { leaves_size(parent, strip, leaves, &additions) };
    }
    let area = additions.cells(Area {
        size: 0,
        align: align_of::<Block>(),
    });
    let cells_at = head.next_multiple_of(area.align);
    let layout = Layout::from_size_align(cells_at + area.size, area.align)
        .expect("values that fit into memory fit into one frame");

    // SAFETY: the size is not zero, a header is in it.
    let block = unsafe { alloc::alloc(layout) }.cast::<Block>();
    if block.is_null() {
        alloc::handle_alloc_error(layout);
    }
    // SAFETY: the memory is ours, long enough for all that was planned, and nothing below panics.
    unsafe {
        block.write(Block {
            id: current::next_id(),
            parent: id,
            count: AtomicUsize::new(1),
            parts: AtomicU32::new(0),
            leaves,
            layout,
            next: ptr::null_mut(),
            watch: Watch::new(),
            chunk,
        });
        if kept != 0 {
            copy_slots(Block::chunk(block), Block::chunk(parent), kept);
        }
        let mut parts = 1;
        if leaves != 0 {
            parts += fill_leaves(block, parent, strip, &additions);
        }
        let mut writer = Writer {
            block,
            cells: block.cast::<u8>().add(cells_at),
            area: Area { size: 0, align: 1 },
            parts,
        };
        let replaced = additions.fill(&mut writer);
        (*block).parts = AtomicU32::new(writer.parts);
        (Frame::from_raw(block), replaced)
    }
}

/// The keys of an old chunk that the new one has from it.
#[inline(always)]
fn kept(old: &Chunk, strip: bool, added: Masks) -> u64 {
    old.present & !added.own & if strip { !old.not_inherited } else { !0 }
}

/// What becomes of leaf `number`.
enum LeafPlan {
    None,
    Shared(*mut Leaf),
    New { chunk: Chunk, kept: u64 },
}

/// # Safety
///
/// `parent` is null or a live frame's.
unsafe fn plan_leaf<A: Additions>(
    parent: *const Block,
    strip: bool,
    number: u32,
    additions: &A,
) -> LeafPlan {
    // SAFETY: the caller's promise, and rule 3 for the leaf.
    let (leaf, old) = unsafe {
        let leaf = Block::leaf(parent, number);
        (
            leaf,
            if leaf.is_null() {
                Chunk::EMPTY
            } else {
                (*leaf).chunk
            },
        )
    };
    let added = additions.masks(number);
    let kept = kept(&old, strip, added);
    if added.own == 0 && kept == 0 {
        LeafPlan::None
    } else if kept == old.present && added.own == 0 {
        LeafPlan::Shared(leaf)
    } else {
        LeafPlan::New {
            chunk: plan(&old, kept, added),
            kept,
        }
    }
}

/// The size of the leaves that the new frame makes itself.
///
/// # Safety
///
/// `parent` is null or a live frame's.
#[cold]
#[inline(never)]
unsafe fn leaves_size<A: Additions>(
    parent: *const Block,
    strip: bool,
    leaves: u32,
    additions: &A,
) -> usize {
    let made = |number| {
        // SAFETY: the caller's promise.
        match unsafe { plan_leaf(parent, strip, number, additions) } {
            LeafPlan::New { chunk, .. } => size_of::<Leaf>() + chunk.width() * size_of::<Slot>(),
            LeafPlan::None | LeafPlan::Shared(_) => 0,
        }
    };
    (1..=leaves).map(made).sum()
}

/// Writes the pointers to leaves and the leaves that the new frame makes itself, and says how many
/// these are.
///
/// # Safety
///
/// `block` is being built from `parent` and these additions.
#[cold]
#[inline(never)]
unsafe fn fill_leaves<A: Additions>(
    block: *mut Block,
    parent: *const Block,
    strip: bool,
    additions: &A,
) -> u32 {
    // SAFETY: the plan of `leaves_size` is the one that is made here again, so all of it fits.
    // What is shared is alive, since the parent is.
    unsafe {
        let leaves = (*block).leaves;
        let pointers = Block::leaf_pointers(block);
        let mut place = pointers.add(leaves as usize).cast::<u8>();
        let mut made = 0;
        for number in 1..=leaves {
            let leaf = match plan_leaf(parent, strip, number, additions) {
                LeafPlan::None => ptr::null_mut(),
                LeafPlan::Shared(leaf) => {
                    (*leaf).watch.read();
                    raise(&(*leaf).count);
                    leaf
                }
                LeafPlan::New { chunk, kept } => {
                    let leaf = place.cast::<Leaf>();
                    place = place.add(size_of::<Leaf>() + chunk.width() * size_of::<Slot>());
                    leaf.write(Leaf {
                        count: AtomicUsize::new(1),
                        home: block,
                        watch: Watch::new(),
                        chunk,
                    });
                    if kept != 0 {
                        copy_slots(
                            &raw const (*leaf).chunk,
                            Block::chunk_of(parent, number),
                            kept,
                        );
                    }
                    made += 1;
                    leaf
                }
            };
            pointers.add(number as usize - 1).write(leaf);
        }
        made
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
