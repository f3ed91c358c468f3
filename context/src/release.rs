//! Destroying a frame: counts are decremented, values are dropped, memory is freed.
//!
//! This is the only file of this crate that runs a value's `Drop`. It does so in the dropper's
//! current frame with nothing borrowed, so the value may do anything (C-76). It catches the value's
//! panic, so the frame's other values are dropped too (C-77); the first panic resumes at the end.
//!
//! A value can hold a frame whose value holds a frame, and so on. Beyond a certain depth, frames
//! are not destroyed recursively but put on a list, which the outermost call destroys (C-12). Their
//! values are then dropped in the outermost dropper's frame.

use std::alloc;
use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process;
use std::ptr;

use framewise_sync::atomic::{AtomicUsize, Ordering, fence};
use framewise_sync::cell::Cell;

use crate::block::{Block, Table, cell_header};
use crate::key_group::KeyGroup;

/// The depth of recursion beyond which destruction is deferred.
const DEPTH_MAX: u32 = 32;

framewise_sync::thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static PENDING: Cell<*mut Block> = const { Cell::new(ptr::null_mut()) };
}

/// The first panic of the dropped values.
type FirstPanic = Option<Box<dyn Any + Send>>;

/// Adds a reference.
#[inline(always)]
pub(crate) fn raise(count: &AtomicUsize) {
    // Ordering: Relaxed. The new reference is cloned from one that the caller can see, so nothing
    // has to be published; `is_last` orders the end.
    let before = count.fetch_add(1, Ordering::Relaxed);
    if before > isize::MAX as usize {
        // Like in `std`'s `Arc`: only leaked references can get here, and wrapping would free
        // memory that is in use.
        process::abort();
    }
}

/// Releases a reference; returns `true` if it was the last.
#[inline(always)]
fn is_last(count: &AtomicUsize) -> bool {
    // Ordering: Acquire, pairs with the Release below on the threads that released theirs: their
    // uses happen before the end. Without a read-modify-write by rule 7.
    if count.load(Ordering::Acquire) == 1 {
        return true;
    }
    // Ordering: Release, pairs with the Acquire above and below; publishes this thread's uses.
    if count.fetch_sub(1, Ordering::Release) != 1 {
        return false;
    }
    // Ordering: Acquire, pairs with the Releases of the other threads.
    fence(Ordering::Acquire);
    true
}

/// Releases a `Frame`'s reference.
///
/// # Safety
///
/// The caller owns one reference to `block` and does not use it afterwards.
#[inline(always)]
pub(crate) unsafe fn release_frame(block: *mut Block) {
    // SAFETY: (rule 3) alive, because the caller has a reference; if it was the last, the frame is
    // ours to destroy.
    unsafe {
        if is_last(&(*block).count) {
            destroy(block);
        }
    }
}

/// Destroys a frame without holders.
///
/// # Safety
///
/// The frame's count reached zero here, and its part (rule 6) was not released.
#[inline]
unsafe fn destroy(block: *mut Block) {
    // SAFETY: the frame's part is ours.
    unsafe {
        (*block).lifetime.end();
        (*block).bind_location.end();
        if (*block).group.cells() == 0 && (*block).tables == 0 {
            release_parts(block, 1);
        } else {
            destroy_values(block);
        }
    }
}

/// The rest of [`destroy`], if there are values to drop.
///
/// # Safety
///
/// See [`destroy`].
#[inline(never)]
unsafe fn destroy_values(block: *mut Block) {
    let depth = DEPTH.with(Cell::get);
    if depth == DEPTH_MAX {
        // SAFETY: no other thread reads `next`, and the block lives until its part is released.
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
            // SAFETY: each frame on the list was put there above, together with its part.
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

/// Releases everything that a frame holds, and then the frame's part. Does not unwind.
///
/// # Safety
///
/// The frame's part is the caller's.
unsafe fn release_contents(block: *mut Block, panic: &mut FirstPanic) {
    // SAFETY: the block's memory lives until its last part is released, which happens last.
    unsafe {
        let mut parts = 1 + release_group(Block::group(block), block, panic);
        for number in 1..=u32::from((*block).tables) {
            let table = Block::table(block, number);
            if !table.is_null() && is_last(&(*table).count) {
                parts += release_table(table, block, panic);
            }
        }
        release_parts(block, parts);
    }
}

/// Destroys a table; returns the number of parts of `owner` that ended.
///
/// # Safety
///
/// The table's count reached zero here; the caller owns a part of `owner`.
unsafe fn release_table(table: *mut Table, owner: *mut Block, panic: &mut FirstPanic) -> u32 {
    // SAFETY: the table's own part keeps its memory alive until it is released.
    unsafe {
        (*table).lifetime.end();
        let parts = release_group(&raw const (*table).group, owner, panic);
        let table_owner = (*table).owner;
        table.drop_in_place();
        if ptr::eq(table_owner, owner) {
            return parts + 1;
        }
        release_parts(table_owner, 1);
        parts
    }
}

/// Releases the cells of a group; returns the number of parts of `owner` that ended, which the
/// caller then releases all at once.
///
/// # Safety
///
/// The caller owns the references in the group's slots, and a part of `owner`.
unsafe fn release_group(group: *const KeyGroup, owner: *mut Block, panic: &mut FirstPanic) -> u32 {
    let mut parts = 0;
    // SAFETY: a part of the caller's keeps the group's memory alive.
    let mut rest = unsafe { (*group).cells() };
    while rest != 0 {
        let bit = rest.trailing_zeros();
        rest &= rest - 1;
        // SAFETY: (rule 1) the slot points to a cell, (rule 5) which is alive while the slot is.
        unsafe {
            let value = (*KeyGroup::slots(group).add((*group).position(bit))).cell;
            let header = cell_header(value);
            if !is_last(&(*header).count) {
                continue;
            }
            (*header).lifetime.end();
            let cell_owner = (*header).owner;
            if let Some(drop) = (*header).drop {
                drop_value(drop, value, panic);
            }
            header.drop_in_place();
            if ptr::eq(cell_owner, owner) {
                parts += 1;
            } else {
                release_parts(cell_owner, 1);
            }
        }
    }
    parts
}

/// Drops a value and keeps its panic.
///
/// # Safety
///
/// `drop` is the drop function of the value, which is dropped nowhere else.
unsafe fn drop_value(drop: unsafe fn(*mut u8), value: *mut u8, panic: &mut FirstPanic) {
    // SAFETY: the caller's promise.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| unsafe { drop(value) })) {
        match panic {
            None => *panic = Some(payload),
            // Only one panic can resume. Dropping the payload might panic again.
            Some(_) => mem::forget(payload),
        }
    }
}

/// Releases parts of a block, and frees it if they were the last.
///
/// # Safety
///
/// The caller owns that many parts and does not use them afterwards.
#[inline]
unsafe fn release_parts(block: *mut Block, parts: u32) {
    // SAFETY: the block is alive while it has parts; with the last one it is ours.
    unsafe {
        (*block).memory.read();
        // Ordering: Acquire, pairs with the Release below on the threads that destroyed the other
        // parts: they no longer use the memory. The number of parts only decreases, so no
        // read-modify-write is needed if all of them are ours.
        if (*block).parts.load(Ordering::Acquire) != parts {
            // Ordering: Release, pairs with the Acquires; publishes that this thread is done.
            if (*block).parts.fetch_sub(parts, Ordering::Release) != parts {
                return;
            }
            // Ordering: Acquire, pairs with the Releases of the other threads.
            fence(Ordering::Acquire);
        }
        (*block).memory.end();
        let layout = (*block).layout;
        block.drop_in_place();
        alloc::dealloc(block.cast(), layout);
    }
}
