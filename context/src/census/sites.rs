//! The sites that make frames, and how many of each site's frames are live.
//!
//! A site is found by the caller's location, in a table of lists that only ever grow at their ends.
//! So finding one takes no lock; the first frame of a site waits, at most, for another thread that
//! appends to the same list, and no user code runs meanwhile. A site is never given back: there are
//! no more of them than calls in the program.

use std::alloc::{GlobalAlloc, Layout, System, handle_alloc_error};
use std::panic::Location;
// `std`'s, as in `key`: it lives in a static, and no model looks at it.
use std::sync::OnceLock;

use framewise_sync::statics::{AtomicUsize, Ordering};

use super::SiteCount;

/// The lists of the table. More sites than that make some of them longer, and nothing else.
const LISTS: usize = 512;

/// A place in a list of sites: the next site, or none yet.
type Link = OnceLock<&'static Site>;

static TABLE: [Link; LISTS] = [const { Link::new() }; LISTS];

/// A call that binds.
struct Site {
    location: &'static Location<'static>,
    /// For what is derived of the frames bound here for tasks.
    inherited: bool,
    made: AtomicUsize,
    ended: AtomicUsize,
    next: Link,
}

/// Where a frame was made: what the frame knows of the census.
#[derive(Clone, Copy)]
pub(crate) struct Origin(&'static Site);

impl Origin {
    /// The site of the caller of the functions that are marked `track_caller`.
    #[inline]
    #[track_caller]
    pub(crate) fn here() -> Self {
        Self(Site::find(Location::caller(), false))
    }

    /// The site of what tasks get of the frames made here.
    pub(crate) fn inherited(self) -> Self {
        Self(Site::find(self.0.location, true))
    }

    /// A frame is made.
    #[inline]
    pub(crate) fn begin(self) -> Self {
        // Ordering: Relaxed. Who ends the frame came by it through synchronisation, so that the
        // Release of `end` publishes this too.
        self.0.made.fetch_add(1, Ordering::Relaxed);
        self
    }

    /// The frame's last holder is gone.
    #[inline]
    pub(crate) fn end(self) {
        // Ordering: Release, pairs with the Acquire in `count`; publishes the frame's beginning, so
        // that nobody sees more ends than beginnings.
        self.0.ended.fetch_add(1, Ordering::Release);
    }

    /// What is counted by now.
    pub(super) fn sites() -> Option<Vec<SiteCount>> {
        let mut counts = Vec::new();
        for list in &TABLE {
            let mut link = list;
            while let Some(site) = link.get() {
                counts.push(site.count());
                link = &site.next;
            }
        }
        Some(counts)
    }
}

impl Site {
    /// The site of this location, made if there is none.
    fn find(location: &'static Location<'static>, inherited: bool) -> &'static Site {
        let hash = location.line() as usize * 31 + location.column() as usize;
        let mut link = &TABLE[hash % LISTS];
        loop {
            let site = link.get_or_init(|| Site::new(location, inherited));
            if site.is(location, inherited) {
                return site;
            }
            link = &site.next;
        }
    }

    /// By what is written in it: one call can have a location in each unit of the code.
    fn is(&self, location: &'static Location<'static>, inherited: bool) -> bool {
        self.inherited == inherited
            && (std::ptr::eq(self.location, location) || self.location == location)
    }

    /// Makes a site, for ever.
    ///
    /// In memory of the system's allocator and not of the program's: who counts allocations in a
    /// debug build finds the same as in a release build.
    #[cold]
    fn new(location: &'static Location<'static>, inherited: bool) -> &'static Site {
        let layout = Layout::new::<Site>();
        // SAFETY: a site has a size.
        let place = unsafe { System.alloc(layout) }.cast::<Site>();
        if place.is_null() {
            handle_alloc_error(layout);
        }
        // SAFETY: the memory is ours, fits a site, and is never given back.
        unsafe {
            place.write(Site {
                location,
                inherited,
                made: AtomicUsize::new(0),
                ended: AtomicUsize::new(0),
                next: Link::new(),
            });
            &*place
        }
    }

    fn count(&self) -> SiteCount {
        // Ordering: Acquire, pairs with the Release in `end`: the beginnings of the frames that
        // are seen to have ended are seen too, if `made` is read afterwards.
        let ended = self.ended.load(Ordering::Acquire);
        // Ordering: Relaxed, see above.
        let made = self.made.load(Ordering::Relaxed);
        SiteCount {
            file: self.location.file(),
            line: self.location.line(),
            column: self.location.column(),
            inherited: self.inherited,
            // Wrapping: the counts may come round, their difference cannot.
            live: made.wrapping_sub(ended),
            made,
        }
    }
}
