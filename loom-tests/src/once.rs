//! Values of which a model sees that they end exactly once, and when.

use framewise_sync::Arc;
use framewise_sync::cell::UnsafeCell;

/// Given to what is to end once: a future, an output, a frame's value.
pub struct EndWatched(Arc<UnsafeCell<usize>>);

/// Sees what became of an [`EndWatched`].
pub struct EndWatch(Arc<UnsafeCell<usize>>);

// SAFETY: the cell inside is watched by loom, which reports what is not synchronised.
unsafe impl Send for EndWatched {}
// SAFETY: as for Send.
unsafe impl Sync for EndWatched {}
// SAFETY: as for `EndWatched`.
unsafe impl Send for EndWatch {}
// SAFETY: as for `EndWatched`.
unsafe impl Sync for EndWatch {}

impl EndWatched {
    /// A value, and who watches it. Both hold a loom `Arc`, so that a value that never ends is
    /// reported as a leak.
    #[cfg_attr(
        framewise_shuttle,
        expect(clippy::arc_with_non_send_sync, reason = "both holders are")
    )]
    pub fn new() -> (Self, EndWatch) {
        let ends = Arc::new(UnsafeCell::new(0));
        (Self(Arc::clone(&ends)), EndWatch(ends))
    }

    /// A use of the value: a race with its end, and a use after it, are reported.
    #[track_caller]
    pub fn touch(&self) {
        // SAFETY: loom reports a write at the same time.
        self.0
            .with(|ends| assert_eq!(unsafe { *ends }, 0, "used after its end"));
    }
}

impl Drop for EndWatched {
    fn drop(&mut self) {
        // SAFETY: loom reports an access at the same time.
        self.0.with_mut(|ends| unsafe { *ends += 1 });
    }
}

impl EndWatch {
    /// Whether the value has ended. Reported as a race unless its end happened before.
    #[track_caller]
    pub fn has_ended(&self) -> bool {
        self.0.with(|ends| {
            // SAFETY: loom reports a write at the same time.
            let ends = unsafe { *ends };
            assert!(ends <= 1, "it ended {ends} times");
            ends == 1
        })
    }
}
