//! An allocator under which a use after free does not look like a use.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;

/// Freed blocks that wait before the system gets them back.
const KEPT: usize = 64;

/// Blocks larger than this are not a task's.
const SIZE_MAX: usize = 1 << 12;

/// Fills memory with rubbish when it is freed and keeps it from being used again for a while.
///
/// loom does not see memory being freed. With this as the global allocator of a test, a shipped
/// type that is used after it was freed is found in ruins: loom's own numbers in it are out of
/// bounds, which ends the model, be it with a crash.
pub struct PoisoningAllocator;

struct Kept {
    blocks: [(*mut u8, Layout); KEPT],
    next: usize,
}

thread_local! {
    static FREED: UnsafeCell<Kept> = const {
        UnsafeCell::new(Kept {
            blocks: [(ptr::null_mut(), Layout::new::<u8>()); KEPT],
            next: 0,
        })
    };
}

// SAFETY: passes every call on to the system's allocator, each block once.
unsafe impl GlobalAlloc for PoisoningAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.size() > SIZE_MAX {
            // SAFETY: the caller's contract is the system's.
            return unsafe { System.dealloc(block, layout) };
        }
        // SAFETY: the block is the caller's, of that size, and nobody reads it any more.
        unsafe { ptr::write_bytes(block, 0xD5, layout.size()) };
        let oldest = FREED.try_with(|freed| {
            // SAFETY: the thread's own, and nothing in here allocates or frees.
            let freed = unsafe { &mut *freed.get() };
            freed.next = (freed.next + 1) % KEPT;
            std::mem::replace(&mut freed.blocks[freed.next], (block, layout))
        });
        let (block, layout) = oldest.unwrap_or((block, layout));
        if !block.is_null() {
            // SAFETY: freed by its owner, with this layout, and given on once.
            unsafe { System.dealloc(block, layout) }
        }
    }
}
