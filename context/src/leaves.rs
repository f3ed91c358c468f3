//! The second-level tables of a new frame: keys beyond the first 64.
//!
//! A new frame shares with its parent each table that it does not change. A table that it changes
//! is copied into the new frame's own block.

use std::mem::size_of;
use std::ptr;

use framewise_sync::atomic::AtomicUsize;

use crate::additions::Additions;
use crate::block::{Block, Leaf};
use crate::chunk::{Chunk, Slot};
use crate::derive::{copy_slots, kept, plan};
use crate::release::raise;
use crate::watch::Watch;

/// What the new frame does with table `number`.
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

/// Returns the size of the tables that the new frame makes itself.
///
/// # Safety
///
/// `parent` is null or a live frame's.
#[cold]
#[inline(never)]
pub(crate) unsafe fn leaves_size<A: Additions>(
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

/// Writes the pointers to tables and the tables that the new frame makes itself; returns the number
/// of these.
///
/// # Safety
///
/// `block` is being built from `parent` and these bindings.
#[cold]
#[inline(never)]
pub(crate) unsafe fn fill_leaves<A: Additions>(
    block: *mut Block,
    parent: *const Block,
    strip: bool,
    additions: &A,
) -> u32 {
    // SAFETY: this makes the same plan as `leaves_size`, so everything fits. Shared tables are
    // alive, because the parent is.
    unsafe {
        let leaves = (*block).leaves;
        let pointers = Block::leaf_pointers(block);
        let mut place = pointers.cast::<u8>().add(Block::leaf_pointers_size(leaves));
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
