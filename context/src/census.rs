//! The census of live frames: how many there are, by the place in the program that made them.
//!
//! This file has the face, which is always there. What counts is in `sites.rs`, in debug builds and
//! under the feature `census`; elsewhere `uncounted.rs` stands in for it and is nothing at all.
//! Frames know their [`Origin`] and nothing else of this.

use std::fmt;
use std::path::Path;

#[cfg(all(
    any(debug_assertions, feature = "census"),
    not(any(framewise_loom, framewise_shuttle))
))]
mod sites;
#[cfg(not(all(
    any(debug_assertions, feature = "census"),
    not(any(framewise_loom, framewise_shuttle))
)))]
mod uncounted;

#[cfg(all(
    any(debug_assertions, feature = "census"),
    not(any(framewise_loom, framewise_shuttle))
))]
pub(crate) use sites::Origin;
#[cfg(not(all(
    any(debug_assertions, feature = "census"),
    not(any(framewise_loom, framewise_shuttle))
)))]
pub(crate) use uncounted::Origin;

/// Counts the live frames of this process, by the place that made them.
///
/// `None` where the census is not compiled in: it is there in builds with debug assertions, and
/// with the feature `census`. A build without it pays nothing for it.
///
/// A frame is live until its last holder is gone: a snapshot, a task, a timer, a registered waker,
/// an error that names it. A frame that only shares values with a live one is not.
///
/// Counting takes no lock and stops nobody, so sites are counted one after the other: while other
/// threads bind, the counts of two sites need not be of the same moment.
///
/// # Finding a leak
///
/// What grows without end is a leak. So take a census now and then in a server that runs with
/// debug assertions or with the feature, say every minute, and write it down: the site at the top
/// whose count only grows is where the frames were bound that somebody keeps. Who keeps them is
/// found from there: what was spawned, registered or captured under that binding. The usual ones
/// are a driver task that a pool started within its first request (start it by `spawn_root`), an
/// interval that nobody cancels, an error that is kept together with its frame, and a value that
/// holds its own frame.
///
/// # Examples
///
/// ```
/// use framewise_context::{ContextVar, Frame, census};
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// let kept: Vec<Frame> = (0..12).map(|id| REQUEST_ID.run(id, Frame::current)).collect();
/// let bound_at = line!() - 1;
///
/// if let Some(census) = census() {
///     assert_eq!(census.at(file!(), bound_at), 12);
///     // 12 live frames, bound at src/main.rs:5:59
///     println!("{census}");
/// }
/// drop(kept);
/// if let Some(census) = census() {
///     assert_eq!(census.at(file!(), bound_at), 0);
/// }
/// ```
pub fn census() -> Option<Census> {
    let mut sites = Origin::sites()?;
    sites.sort_by(|one, other| other.live.cmp(&one.live).then(other.made.cmp(&one.made)));
    Some(Census { sites })
}

/// How many frames are live, by the place that made them. Taken by [`census`].
///
/// It displays as one line a site with live frames, the most first.
#[derive(Clone, Debug)]
pub struct Census {
    sites: Vec<SiteCount>,
}

impl Census {
    /// The number of live frames. The root is not one: it is nowhere.
    pub fn total(&self) -> usize {
        self.sites.iter().map(|site| site.live).sum()
    }

    /// Every place that has made a frame by now: those with the most live frames first.
    pub fn sites(&self) -> &[SiteCount] {
        &self.sites
    }

    /// The number of live frames that were bound on this line.
    ///
    /// `file` is the end of the path, by whole components: `pool.rs` and `src/pool.rs` are both
    /// found in `src/pool.rs`. With what was derived for tasks of the frames bound there.
    pub fn at(&self, file: impl AsRef<Path>, line: u32) -> usize {
        let here =
            |site: &&SiteCount| site.line == line && Path::new(site.file).ends_with(file.as_ref());
        self.sites.iter().filter(here).map(|site| site.live).sum()
    }
}

/// One line a site with live frames, and the total first.
impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let live = self.sites.iter().filter(|site| site.live > 0);
        let total = self.total();
        write!(
            f,
            "{total} live {}, of {} sites",
            frames(total),
            live.clone().count()
        )?;
        for site in live {
            write!(f, "\n{site}")?;
        }
        Ok(())
    }
}

/// The frames that were made at one place in the program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SiteCount {
    /// The source file of the call that bound: `run`, `scope`, `frame` and their siblings. As the
    /// compiler was told of it, which often is relative.
    pub file: &'static str,
    /// The line of the call, counted from 1.
    pub line: u32,
    /// The column of the call, counted from 1.
    pub column: u32,
    /// Whether the frames are not those that were bound there, but what was derived of them by
    /// [`Frame::inherited`](crate::Frame::inherited), for tasks: they lack the variables that are
    /// not inherited.
    pub inherited: bool,
    /// The frames that are live.
    pub live: usize,
    /// All frames that were ever made there.
    pub made: usize,
}

/// Such as `12 live frames, bound at src/pool.rs:31:9`.
impl fmt::Display for SiteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file, line, column, ..
        } = self;
        write!(f, "{} live {}, ", self.live, frames(self.live))?;
        if self.inherited {
            f.write_str("inherited by tasks from what is ")?;
        }
        write!(f, "bound at {file}:{line}:{column}")
    }
}

fn frames(count: usize) -> &'static str {
    if count == 1 { "frame" } else { "frames" }
}
