//! How a frame ends: counts go down, values are dropped, memory is freed.
//!
//! The only file of this crate that runs a value's `Drop`. It does so in the dropper's current
//! frame with nothing borrowed, so the value may do anything (C-76), and catches its panic, so the
//! frame's other values are dropped too (C-77); the first panic goes on when all is done.
//!
//! A value can hold a frame whose value holds a frame, and so on. From a certain depth on, frames
//! are not taken down inside each other but put on a list that the outermost takes down (C-12).
//! Their values are then dropped in the outermost dropper's frame.

use std::alloc;
use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process;
use std::ptr;

use framewise_sync::atomic::{AtomicUsize, Ordering, fence};
use framewise_sync::cell::Cell;

use crate::block::{Block, Leaf, cell_header};
use crate::chunk::Chunk;

/// Frames that are taken down inside each other before the rest is put off.
const DEPTH_MAX: u32 = 32;

framewise_sync::thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static PENDING: Cell<*mut Block> = const { Cell::new(ptr::null_mut()) };
}

/// The first panic of the values dropped.
type FirstPanic = Option<Box<dyn Any + Send>>;

/// Takes one more reference.
#[inline(always)]
pub(crate) fn raise(count: &AtomicUsize) {
    // Ordering: Relaxed. The new reference comes from one that the caller can see, so nothing has
    // to be published; the end is ordered by `is_last`.
    let before = count.fetch_add(1, Ordering::Relaxed);
    if before > isize::MAX as usize {
        // As in `std`'s `Arc`: only forgetting references can get here, and wrapping would free
        // what is in use.
        process::abort();
    }
}

/// Gives one reference back; whether it was the last.
#[inline(always)]
fn is_last(count: &AtomicUsize) -> bool {
    // Ordering: Acquire, pairs with the Release below on the threads that gave theirs back: their
    // uses happen before the end. Without a read-modify-write by rule 7.
    if count.load(Ordering::Acquire) == 1 {
        return true;
    }
    // Ordering: Release, pairs with the Acquire above and below; publishes this thread's uses.
    if count.fetch_sub(1, Ordering::Release) != 1 {
        return false;
    }
    // Ordering: Acquire, pairs with the Releases of the others.
    fence(Ordering::Acquire);
    true
}

/// Gives back a `Frame`'s reference.
///
/// # Safety
///
/// The caller owns one reference to `block` and uses it no more.
#[inline(always)]
pub(crate) unsafe fn release_frame(block: *mut Block) {
    // SAFETY: (rule 3) alive, for the caller has a reference; when it was the last, the frame is
    // ours to take down.
    unsafe {
        if is_last(&(*block).count) {
            take_down(block);
        }
    }
}

/// Takes down a frame that nobody holds.
///
/// # Safety
///
/// The frame's count has ended here, and its part (rule 6) has not.
#[inline]
unsafe fn take_down(block: *mut Block) {
    // SAFETY: the frame's part is ours.
    unsafe {
        (*block).watch.end();
        (*block).origin.end();
        if (*block).chunk.cells() == 0 && (*block).leaves == 0 {
            release_parts(block, 1);
        } else {
            take_down_values(block);
        }
    }
}

/// The rest of [`take_down`] where there are values to drop.
///
/// # Safety
///
/// As there.
#[inline(never)]
unsafe fn take_down_values(block: *mut Block) {
    let depth = DEPTH.with(Cell::get);
    if depth == DEPTH_MAX {
        // SAFETY: nobody else looks at `next`, and the block stays until its part is given back.
        PENDING.with(|pending| unsafe { (*block).next = pending.replace(block) });
        return;
    }
    DEPTH.with(|cell| cell.set(depth + 1));
    let mut panic = None;
    // SAFETY: the frame's part is ours.
    unsafe { release_contents(block, &mut panic) };
    if depth == 0 {
        loop {
            let next = PENDING.with(Cell::get);
            if next.is_null() {
                break;
            }
            // SAFETY: what is on the list was put there above, with the frame's part.
            unsafe {
                PENDING.with(|pending| pending.set((*next).next));
                release_contents(next, &mut panic);
            }
        }
    }
    DEPTH.with(|cell| cell.set(depth));
    if let Some(payload) = panic {
        resume_unwind(payload);
    }
}

/// Gives back all that a frame holds, and then the frame's part. Does not unwind.
///
/// # Safety
///
/// The frame's part is the caller's.
unsafe fn release_contents(block: *mut Block, panic: &mut FirstPanic) {
    // SAFETY: the block's memory stays until its last part is given back, which is done last.
    unsafe {
        let mut parts = 1 + release_chunk(Block::chunk(block), block, panic);
        for number in 1..=(*block).leaves {
            let leaf = Block::leaf(block, number);
            if !leaf.is_null() && is_last(&(*leaf).count) {
                parts += release_leaf(leaf, block, panic);
            }
        }
        release_parts(block, parts);
    }
}

/// Takes down a leaf. Says how many parts of `home` have ended by it.
///
/// # Safety
///
/// The leaf's count has ended here; a part of `home` is the caller's.
unsafe fn release_leaf(leaf: *mut Leaf, home: *mut Block, panic: &mut FirstPanic) -> u32 {
    // SAFETY: the leaf's own part keeps its memory until it is given back.
    unsafe {
        (*leaf).watch.end();
        let parts = release_chunk(&raw const (*leaf).chunk, home, panic);
        let leaf_home = (*leaf).home;
        leaf.drop_in_place();
        if ptr::eq(leaf_home, home) {
            return parts + 1;
        }
        release_parts(leaf_home, 1);
        parts
    }
}

/// Gives back the cells of a chunk. Says how many parts of `home` have ended by it: those are
/// given back at once, and not one by one.
///
/// # Safety
///
/// The references in the chunk's slots are the caller's; a part of `home` is too.
unsafe fn release_chunk(chunk: *const Chunk, home: *mut Block, panic: &mut FirstPanic) -> u32 {
    let mut parts = 0;
    // SAFETY: the chunk's memory is kept by a part of the caller's.
    let mut rest = unsafe { (*chunk).cells() };
    while rest != 0 {
        let bit = rest.trailing_zeros();
        rest &= rest - 1;
        // SAFETY: (rule 1) the slot points to a cell, (rule 5) which is alive while the slot is.
        unsafe {
            let value = (*Chunk::slots(chunk).add((*chunk).position(bit))).cell;
            let header = cell_header(value);
            if !is_last(&(*header).count) {
                continue;
            }
            (*header).watch.end();
            let cell_home = (*header).home;
            if let Some(drop) = (*header).drop {
                drop_value(drop, value, panic);
            }
            header.drop_in_place();
            if ptr::eq(cell_home, home) {
                parts += 1;
            } else {
                release_parts(cell_home, 1);
            }
        }
    }
    parts
}

/// Drops a value and keeps its panic.
///
/// # Safety
///
/// `drop` is the value's, which is dropped nowhere else.
unsafe fn drop_value(drop: unsafe fn(*mut u8), value: *mut u8, panic: &mut FirstPanic) {
    // SAFETY: the caller's promise.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| unsafe { drop(value) })) {
        match panic {
            None => *panic = Some(payload),
            // Only one panic can go on. Dropping the payload might panic again.
            Some(_) => mem::forget(payload),
        }
    }
}

/// Gives back parts of a block, and frees it if they were the last.
///
/// # Safety
///
/// The caller has that many parts and uses them no more.
#[inline]
unsafe fn release_parts(block: *mut Block, parts: u32) {
    // SAFETY: the block is there while it has parts; with the last one it is ours.
    unsafe {
        (*block).memory.read();
        // Ordering: Acquire, pairs with the Release below on the threads that took down the other
        // parts: they are done with the memory. Parts only become fewer, so no read-modify-write
        // is needed when all of them are ours.
        if (*block).parts.load(Ordering::Acquire) != parts {
            // Ordering: Release, pairs with the Acquires; publishes that this thread is done.
            if (*block).parts.fetch_sub(parts, Ordering::Release) != parts {
                return;
            }
            // Ordering: Acquire, pairs with the Releases of the others.
            fence(Ordering::Acquire);
        }
        (*block).memory.end();
        let layout = (*block).layout;
        block.drop_in_place();
        alloc::dealloc(block.cast(), layout);
    }
}
