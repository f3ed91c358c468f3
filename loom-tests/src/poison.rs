//! An allocator that makes a use after free visible.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;

/// The number of freed blocks that are kept back from the system's allocator.
const KEPT: usize = 64;

/// Larger blocks are freed at once: no task is that large.
const SIZE_MAX: usize = 1 << 12;

/// Overwrites memory with a pattern when it is freed, and delays its reuse.
///
/// loom does not check whether memory was freed. With this as the global allocator of a test, a use
/// after free of a shipped type reads the pattern: loom's own indices in it are out of bounds,
/// which fails the model, in some cases by a crash.
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

// SAFETY: forwards every call to the system's allocator, each block once.
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
        // SAFETY: the caller gives up the block, which has that size.
        unsafe { ptr::write_bytes(block, 0xD5, layout.size()) };
        let oldest = FREED.try_with(|freed| {
            // SAFETY: the value is thread-local, and nothing in here allocates or frees.
            let freed = unsafe { &mut *freed.get() };
            freed.next = (freed.next + 1) % KEPT;
            std::mem::replace(&mut freed.blocks[freed.next], (block, layout))
        });
        let (block, layout) = oldest.unwrap_or((block, layout));
        if !block.is_null() {
            // SAFETY: its owner freed it with this layout, and it leaves `FREED` once.
            unsafe { System.dealloc(block, layout) }
        }
    }
}
