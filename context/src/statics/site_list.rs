//! The sites that make frames, and how many of each site's frames are live: a list of them.
//!
//! A list only ever grows at its end. So finding a site takes no lock; the first frame of a site
//! waits, at most, for another thread that appends to the same list, and no user code runs
//! meanwhile. A site is never given back: there are no more of them than calls in the program.

use std::alloc::{GlobalAlloc, Layout, System, handle_alloc_error};
use std::panic::Location;

use super::door::{AtomicUsize, OnceLock, Ordering, constructor};
use crate::census::SiteCount;

/// A place in a list of sites: the next site, or none yet.
pub struct Link(OnceLock<&'static Site>);

/// A call that binds.
pub struct Site {
    location: &'static Location<'static>,
    /// For what is derived of the frames bound here for tasks.
    inherited: bool,
    made: AtomicUsize,
    ended: AtomicUsize,
    next: Link,
}

impl Link {
    constructor! {
        /// The end of a list.
        pub fn new() -> Self {
            Self(OnceLock::new())
        }
    }

    /// The site of this location in the list that begins here, made if there is none.
    pub fn find(
        &'static self,
        location: &'static Location<'static>,
        inherited: bool,
    ) -> &'static Site {
        let mut link = self;
        loop {
            let site = link.0.get_or_init(|| Site::new(location, inherited));
            if site.is(location, inherited) {
                return site;
            }
            link = &site.next;
        }
    }

    /// The sites of the list that begins here.
    pub fn sites(&'static self) -> impl Iterator<Item = &'static Site> {
        let mut link = self;
        std::iter::from_fn(move || {
            let site = *link.0.get()?;
            link = &site.next;
            Some(site)
        })
    }
}

impl Site {
    /// What the site is of.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// A frame is made.
    #[inline]
    pub fn begin(&self) {
        // Ordering: Relaxed. Who ends the frame came by it through synchronisation, so that the
        // Release of `end` publishes this too.
        self.made.fetch_add(1, Ordering::Relaxed);
    }

    /// The frame's last holder is gone.
    #[inline]
    pub fn end(&self) {
        // Ordering: Release, pairs with the Acquire in `count`; publishes the frame's beginning, so
        // that nobody sees more ends than beginnings.
        self.ended.fetch_add(1, Ordering::Release);
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

    /// What is counted by now.
    pub fn count(&self) -> SiteCount {
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
