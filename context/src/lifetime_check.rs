//! Makes the lifetime of each part of a frame visible to models. Empty in an ordinary build.
//!
//! In a model each part holds a cell, which its readers read and its end writes: a use that does
//! not happen before the end is a data race. It also holds a counted token: a part that is never
//! destroyed is a leak.

#[cfg(not(any(framewise_loom, framewise_shuttle)))]
pub(crate) struct LifetimeCheck;

#[cfg(not(any(framewise_loom, framewise_shuttle)))]
impl LifetimeCheck {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn read(&self) {}

    #[inline(always)]
    pub(crate) fn end(&self) {}
}

#[cfg(any(framewise_loom, framewise_shuttle))]
pub(crate) struct LifetimeCheck {
    ended: framewise_sync::cell::UnsafeCell<bool>,
    _token: framewise_sync::Arc<()>,
}

#[cfg(any(framewise_loom, framewise_shuttle))]
impl LifetimeCheck {
    pub(crate) fn new() -> Self {
        Self {
            ended: framewise_sync::cell::UnsafeCell::new(false),
            _token: framewise_sync::Arc::new(()),
        }
    }

    #[track_caller]
    pub(crate) fn read(&self) {
        // SAFETY: loom checks that no write runs at the same time.
        self.ended
            .with(|ended| assert!(!unsafe { *ended }, "a part was used after its end"));
    }

    #[track_caller]
    pub(crate) fn end(&self) {
        self.ended.with_mut(|ended| {
            // SAFETY: loom checks that no other access runs at the same time.
            let ended = unsafe { &mut *ended };
            assert!(!*ended, "a part was destroyed twice");
            *ended = true;
        });
    }
}
