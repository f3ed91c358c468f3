//! Live-frame statistics in builds without them: zero-sized, and compiled to nothing.

use super::SiteCount;

/// The call that made a frame; see `sites.rs`.
#[derive(Clone, Copy)]
pub(crate) struct Origin;

// Frames and scopes have the same size as without statistics.
const _: () = assert!(size_of::<Origin>() == 0);

impl Origin {
    #[inline(always)]
    pub(crate) fn here() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn inherited(self) -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn begin(self) -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn end(self) {}

    pub(super) fn sites() -> Option<Vec<SiteCount>> {
        None
    }
}
