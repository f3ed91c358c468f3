//! Values that must be dropped exactly once, and whose drop a model observes.

use framewise_sync::Arc;
use framewise_sync::cell::UnsafeCell;

/// Part of a value that must be dropped once: a future, an output, a frame's value.
pub struct DropTracker(Arc<UnsafeCell<usize>>);

/// Observes the drop of a [`DropTracker`].
pub struct DropObserver(Arc<UnsafeCell<usize>>);

// SAFETY: loom checks the accesses to the cell and reports a race.
unsafe impl Send for DropTracker {}
// SAFETY: like `Send`.
unsafe impl Sync for DropTracker {}
// SAFETY: like for `DropTracker`.
unsafe impl Send for DropObserver {}
// SAFETY: like for `DropTracker`.
unsafe impl Sync for DropObserver {}

impl DropTracker {
    /// A value and its observer. Both hold a loom `Arc`, so that loom reports a value that is never
    /// dropped as a leak.
    #[cfg_attr(
        framewise_shuttle,
        expect(clippy::arc_with_non_send_sync, reason = "both holders are")
    )]
    pub fn new() -> (Self, DropObserver) {
        let drops = Arc::new(UnsafeCell::new(0));
        (Self(Arc::clone(&drops)), DropObserver(drops))
    }

    /// Uses the value: loom reports a race with its drop, and this panics after it.
    #[track_caller]
    pub fn touch(&self) {
        // SAFETY: loom reports a concurrent write.
        self.0
            .with(|drops| assert_eq!(unsafe { *drops }, 0, "used after its drop"));
    }
}

impl Drop for DropTracker {
    fn drop(&mut self) {
        // SAFETY: loom reports a concurrent access.
        self.0.with_mut(|drops| unsafe { *drops += 1 });
    }
}

impl DropObserver {
    /// Returns `true` if the value was dropped. loom reports a race unless the drop happened
    /// before.
    #[track_caller]
    pub fn is_dropped(&self) -> bool {
        self.0.with(|drops| {
            // SAFETY: loom reports a concurrent write.
            let drops = unsafe { *drops };
            assert!(drops <= 1, "it was dropped {drops} times");
            drops == 1
        })
    }
}
