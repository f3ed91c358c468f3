//! Bind locations, with their counts of live frames, in append-only lists.
//!
//! A list only grows at its end, so finding a location takes no lock. The first frame of a location
//! waits, at most, for another thread that appends to the same list; no user code runs meanwhile.
//! Locations are never freed: there are at most as many as calls in the program.

use std::alloc::{GlobalAlloc, Layout, System, handle_alloc_error};
use std::panic::Location;

use super::facade::{AtomicUsize, OnceLock, Ordering, constructor};
use crate::frame_stats::LocationStats;

/// A link of the list: the next location, or none yet.
pub struct Link(OnceLock<&'static LocationEntry>);

/// A call that binds.
pub struct LocationEntry {
    location: &'static Location<'static>,
    /// Set for the frames that tasks inherit from the frames bound here.
    inherited: bool,
    made: AtomicUsize,
    ended: AtomicUsize,
    next: Link,
}

impl Link {
    constructor! {
        /// Makes the end of a list.
        pub fn new() -> Self {
            Self(OnceLock::new())
        }
    }

    /// Returns this location's entry in the list that begins here, and appends it first if there is
    /// none.
    pub fn find(
        &'static self,
        location: &'static Location<'static>,
        inherited: bool,
    ) -> &'static LocationEntry {
        let mut link = self;
        loop {
            let entry = link
                .0
                .get_or_init(|| LocationEntry::new(location, inherited));
            if entry.is(location, inherited) {
                return entry;
            }
            link = &entry.next;
        }
    }

    /// Iterates over the list that begins here.
    pub fn locations(&'static self) -> impl Iterator<Item = &'static LocationEntry> {
        let mut link = self;
        std::iter::from_fn(move || {
            let entry = *link.0.get()?;
            link = &entry.next;
            Some(entry)
        })
    }
}

impl LocationEntry {
    /// Returns the source location.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// Counts a new frame.
    #[inline]
    pub fn begin(&self) {
        // Ordering: Relaxed. The thread that ends the frame received it through synchronization, so
        // the Release of `end` publishes this too.
        self.made.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a frame whose last holder is gone.
    #[inline]
    pub fn end(&self) {
        // Ordering: Release, pairs with the Acquire in `count`; publishes the frame's creation, so
        // that no thread sees more ends than creations.
        self.ended.fetch_add(1, Ordering::Release);
    }

    /// Compares by content: one call can have a location in each codegen unit.
    fn is(&self, location: &'static Location<'static>, inherited: bool) -> bool {
        self.inherited == inherited
            && (std::ptr::eq(self.location, location) || self.location == location)
    }

    /// Makes an entry that lives forever.
    ///
    /// The memory is from the system's allocator and not from the program's: a test that counts
    /// allocations finds the same number in debug and release builds.
    #[cold]
    fn new(location: &'static Location<'static>, inherited: bool) -> &'static LocationEntry {
        let layout = Layout::new::<LocationEntry>();
        // SAFETY: the size of a `LocationEntry` is not zero.
        let place = unsafe { System.alloc(layout) }.cast::<LocationEntry>();
        if place.is_null() {
            handle_alloc_error(layout);
        }
        // SAFETY: the memory is ours, fits a `LocationEntry`, and is never freed.
        unsafe {
            place.write(LocationEntry {
                location,
                inherited,
                made: AtomicUsize::new(0),
                ended: AtomicUsize::new(0),
                next: Link::new(),
            });
            &*place
        }
    }

    /// Returns the current counts.
    pub fn count(&self) -> LocationStats {
        // Ordering: Acquire, pairs with the Release in `end`: the creations of the frames that are
        // seen to have ended are seen too, if `made` is read afterwards.
        let ended = self.ended.load(Ordering::Acquire);
        // Ordering: Relaxed, see above.
        let made = self.made.load(Ordering::Relaxed);
        LocationStats {
            file: self.location.file(),
            line: self.location.line(),
            column: self.location.column(),
            inherited: self.inherited,
            // Wrapping: the counts may overflow, but their difference cannot.
            live: made.wrapping_sub(ended),
            made,
        }
    }
}
