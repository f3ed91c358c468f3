//! Statistics of live frames: their number, by the call that bound them.
//!
//! This file has the API, which always exists. `locations.rs` does the counting, in debug builds
//! and with the feature `frame-stats`; in other builds `disabled.rs` replaces it and compiles to
//! nothing. Frames only know their [`BindLocation`].

use std::fmt;
use std::path::Path;

#[cfg_attr(
    not(any(debug_assertions, feature = "frame-stats")),
    path = "frame_stats/disabled.rs"
)]
#[cfg_attr(
    any(framewise_loom, framewise_shuttle),
    path = "frame_stats/disabled.rs"
)]
mod locations;

pub(crate) use locations::BindLocation;

/// Counts the live frames of this process, by the call that bound them.
///
/// Returns `None` if the statistics are not compiled in. Builds with debug assertions have them,
/// and builds with the feature `frame-stats`. Other builds pay nothing.
///
/// A frame is live until its last holder is gone. Holders are snapshots, tasks, timers, registered
/// wakers, and errors that contain the frame. A frame of which only values are shared with a live
/// frame is not live.
///
/// Counting takes no lock and stops no thread. Locations are counted one after the other, so while
/// other threads bind, the counts of two locations may be of different moments.
///
/// # Finding a leak
///
/// A count that grows without limit is a leak. So in a server that runs with debug assertions or
/// with the feature, write the statistics to the log regularly, for example every minute. The
/// location at the top whose count only grows is the one whose frames are leaked. To find their
/// holder, look for what was spawned, registered or captured under that binding. Common holders are
/// a driver task that a pool started during its first request (start it with `spawn_root`), an
/// interval that is never canceled, an error that is kept together with its frame, and a value that
/// holds its own frame.
///
/// # Examples
///
/// ```
/// use framewise_context::{ContextVar, Frame, frame_stats};
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// let kept: Vec<Frame> = (0..12).map(|id| REQUEST_ID.run(id, Frame::current)).collect();
/// let bound_at = line!() - 1;
///
/// if let Some(stats) = frame_stats() {
///     assert_eq!(stats.at(file!(), bound_at), 12);
///     // 12 live frames, bound at src/main.rs:5:59
///     println!("{stats}");
/// }
/// drop(kept);
/// if let Some(stats) = frame_stats() {
///     assert_eq!(stats.at(file!(), bound_at), 0);
/// }
/// ```
pub fn frame_stats() -> Option<FrameStats> {
    let mut locations = BindLocation::locations()?;
    locations.sort_by(|one, other| other.live.cmp(&one.live).then(other.made.cmp(&one.made)));
    Some(FrameStats { locations })
}

/// The numbers of live frames, by the call that bound them. Returned by [`frame_stats`].
///
/// Its `Display` prints one line for each location with live frames, the largest number first.
#[derive(Clone, Debug)]
pub struct FrameStats {
    locations: Vec<LocationStats>,
}

impl FrameStats {
    /// Returns the number of live frames. The root is not counted: it is not in memory.
    pub fn total(&self) -> usize {
        self.locations.iter().map(|location| location.live).sum()
    }

    /// Returns every location that has made a frame, those with the most live frames first.
    ///
    /// # Examples
    ///
    /// ```
    /// if let Some(stats) = framewise_context::frame_stats() {
    ///     for location in stats.locations() {
    ///         let (file, line) = (location.file, location.line);
    ///         println!("{file}:{line}: {} of {} are live", location.live, location.made);
    ///     }
    /// }
    /// ```
    pub fn locations(&self) -> &[LocationStats] {
        &self.locations
    }

    /// Returns the number of live frames that were bound on this line.
    ///
    /// `file` is a suffix of the path, in whole components: `pool.rs` and `src/pool.rs` both match
    /// `src/pool.rs`. Frames that tasks inherited from the frames bound there are included.
    pub fn at(&self, file: impl AsRef<Path>, line: u32) -> usize {
        let here = |location: &&LocationStats| {
            location.line == line && Path::new(location.file).ends_with(file.as_ref())
        };
        self.locations
            .iter()
            .filter(here)
            .map(|location| location.live)
            .sum()
    }
}

/// One line for each location with live frames, after the total.
impl fmt::Display for FrameStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let live = self.locations.iter().filter(|location| location.live > 0);
        let total = self.total();
        write!(
            f,
            "{total} live {} at {} locations",
            frames(total),
            live.clone().count()
        )?;
        for location in live {
            write!(f, "\n{location}")?;
        }
        Ok(())
    }
}

/// The frames that were made by one call in the program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocationStats {
    /// The source file of the call that bound: `run`, `scope`, `frame` and their variants. The path
    /// is the one that the compiler was given, which is often relative.
    pub file: &'static str,
    /// The line of the call, counted from 1.
    pub line: u32,
    /// The column of the call, counted from 1.
    pub column: u32,
    /// `true` if these frames are not the ones that were bound there, but the ones that
    /// [`Frame::inherited`](crate::Frame::inherited) derived from them for tasks: they lack the
    /// variables that are not inherited.
    pub inherited: bool,
    /// The number of live frames.
    pub live: usize,
    /// The number of frames that were ever made there.
    pub made: usize,
}

/// For example `12 live frames, bound at src/pool.rs:31:9`.
impl fmt::Display for LocationStats {
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
