//! Live-frame statistics in builds without them: zero-sized, and compiled to nothing.

use super::LocationStats;

/// The call that made a frame; see `locations.rs`.
#[derive(Clone, Copy)]
pub(crate) struct BindLocation;

// Frames and scopes have the same size as without statistics.
const _: () = assert!(size_of::<BindLocation>() == 0);

impl BindLocation {
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

    pub(super) fn locations() -> Option<Vec<LocationStats>> {
        None
    }
}
