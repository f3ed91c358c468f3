//! An allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

/// The system's allocator with counters, of the process and of each thread. A program installs it
/// with `#[global_allocator]`.
pub struct CountingAllocator;

// Ordering: Relaxed for all counters. They publish nothing.
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static LIVE_BYTES: AtomicIsize = AtomicIsize::new(0);
static PEAK_BYTES: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    // Constants without destructors: reading them allocates nothing.
    static OWN_ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static OWN_LIVE_BYTES: Cell<isize> = const { Cell::new(0) };
}

impl CountingAllocator {
    /// Returns the number of the process's allocations so far.
    pub fn allocations() -> usize {
        ALLOCATIONS.load(Ordering::Relaxed)
    }

    /// Returns the bytes that the process has in use.
    pub fn live_bytes() -> usize {
        usize::try_from(LIVE_BYTES.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Returns the most bytes that the process had in use at once, since it started or
    /// [`reset_peak`](Self::reset_peak).
    pub fn peak_bytes() -> usize {
        usize::try_from(PEAK_BYTES.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Lets the peak start at the bytes in use now.
    pub fn reset_peak() {
        PEAK_BYTES.store(LIVE_BYTES.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Returns how many allocations `body` makes on this thread, and its result.
pub fn allocations<R>(body: impl FnOnce() -> R) -> (usize, R) {
    let before = OWN_ALLOCATIONS.get();
    let result = body();
    (OWN_ALLOCATIONS.get() - before, result)
}

/// Returns by how many bytes this thread's use grows during `body`.
pub fn growth(body: impl FnOnce()) -> isize {
    let before = OWN_LIVE_BYTES.get();
    body();
    OWN_LIVE_BYTES.get() - before
}

fn count(allocations: usize, bytes: isize) {
    ALLOCATIONS.fetch_add(allocations, Ordering::Relaxed);
    OWN_ALLOCATIONS.set(OWN_ALLOCATIONS.get() + allocations);
    let live = LIVE_BYTES.fetch_add(bytes, Ordering::Relaxed) + bytes;
    OWN_LIVE_BYTES.set(OWN_LIVE_BYTES.get() + bytes);
    if bytes > 0 {
        PEAK_BYTES.fetch_max(live, Ordering::Relaxed);
    }
}

// SAFETY: every call is forwarded to the system's allocator; the counters do not allocate.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        // SAFETY: the caller upholds `GlobalAlloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(0, -(layout.size() as isize));
        // SAFETY: the caller upholds `GlobalAlloc`'s contract.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as isize - layout.size() as isize);
        // SAFETY: the caller upholds `GlobalAlloc`'s contract.
        unsafe { System.realloc(place, layout, size) }
    }
}
