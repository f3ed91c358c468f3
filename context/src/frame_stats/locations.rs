//! The table of bind locations; the entries and their lists are in `statics/location_list.rs`.
//!
//! The caller's location selects one of the table's lists, which only grow.

use std::panic::Location;

use super::LocationStats;
use crate::statics::location_list::{Link, LocationEntry};

/// The number of lists in the table. With more locations than that, some lists are longer.
const LISTS: usize = 512;

static TABLE: [Link; LISTS] = [const { Link::new() }; LISTS];

/// The call that made a frame.
#[derive(Clone, Copy)]
pub(crate) struct BindLocation(&'static LocationEntry);

impl BindLocation {
    /// Returns the location of the caller of the outermost `track_caller` function.
    #[inline]
    #[track_caller]
    pub(crate) fn here() -> Self {
        Self(find(Location::caller(), false))
    }

    /// Returns the location that counts what tasks inherit from the frames made here.
    pub(crate) fn inherited(self) -> Self {
        Self(find(self.0.location(), true))
    }

    /// Counts a new frame.
    #[inline]
    pub(crate) fn begin(self) -> Self {
        self.0.begin();
        self
    }

    /// Counts a frame whose last holder is gone.
    #[inline]
    pub(crate) fn end(self) {
        self.0.end();
    }

    /// Returns the current counts.
    pub(super) fn locations() -> Option<Vec<LocationStats>> {
        let locations = TABLE.iter().flat_map(Link::locations);
        Some(locations.map(LocationEntry::count).collect())
    }
}

/// Returns the entry of this location, and makes it first if there is none.
fn find(location: &'static Location<'static>, inherited: bool) -> &'static LocationEntry {
    let hash = location.line() as usize * 31 + location.column() as usize;
    TABLE[hash % LISTS].find(location, inherited)
}
