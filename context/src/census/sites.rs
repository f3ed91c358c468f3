//! The table of the sites that make frames; a site and a list of them are `statics/site_list.rs`'s.
//!
//! A site is found by the caller's location, in a table of lists that only ever grow.

use std::panic::Location;

use super::SiteCount;
use crate::statics::site_list::{Link, Site};

/// The lists of the table. More sites than that make some of them longer, and nothing else.
const LISTS: usize = 512;

static TABLE: [Link; LISTS] = [const { Link::new() }; LISTS];

/// Where a frame was made: what the frame knows of the census.
#[derive(Clone, Copy)]
pub(crate) struct Origin(&'static Site);

impl Origin {
    /// The site of the caller of the functions that are marked `track_caller`.
    #[inline]
    #[track_caller]
    pub(crate) fn here() -> Self {
        Self(find(Location::caller(), false))
    }

    /// The site of what tasks get of the frames made here.
    pub(crate) fn inherited(self) -> Self {
        Self(find(self.0.location(), true))
    }

    /// A frame is made.
    #[inline]
    pub(crate) fn begin(self) -> Self {
        self.0.begin();
        self
    }

    /// The frame's last holder is gone.
    #[inline]
    pub(crate) fn end(self) {
        self.0.end();
    }

    /// What is counted by now.
    pub(super) fn sites() -> Option<Vec<SiteCount>> {
        let sites = TABLE.iter().flat_map(Link::sites);
        Some(sites.map(Site::count).collect())
    }
}

/// The site of this location, made if there is none.
fn find(location: &'static Location<'static>, inherited: bool) -> &'static Site {
    let hash = location.line() as usize * 31 + location.column() as usize;
    TABLE[hash % LISTS].find(location, inherited)
}
