//! The frames in which a test starts, and the live frames of a place that binds.

use std::panic::Location;
use std::sync::Arc;
use std::thread;

use framewise_context::{BindingList, Bindings, ContextVar, Frame, frame_stats};

/// The variable that most tests bind.
pub static ID: ContextVar<u64> = ContextVar::new("id");

/// A value that lives as long as a frame that binds it.
pub static KEPT: ContextVar<Arc<()>> = ContextVar::new("kept");

/// A variable that no test uses.
static AROUND: ContextVar<u64> = ContextVar::new("around");

/// Runs a test in each starting frame: the root frame, a bound frame, a captured frame that is
/// entered in another bound frame, and the root frame entered in a bound frame. The argument is the
/// expected value of [`ID`], which the starting frames bind. The test must leave the current frame
/// unchanged.
pub fn in_frames(test: impl Fn(Option<u64>)) {
    in_frames_of(&ID, test);
}

/// Like [`in_frames`], but the starting frames bind a variable that no test uses, so that a test's
/// assertions on its variables hold in each of them.
pub fn in_each_start_frame(test: impl Fn()) {
    in_frames_of(&AROUND, |_| test());
}

fn in_frames_of(variable: &'static ContextVar<u64>, test: impl Fn(Option<u64>)) {
    let run = |bound: Option<u64>| {
        let before = Frame::current().id();
        test(bound);
        assert_eq!(variable.get(), bound, "the test left a binding behind");
        assert_eq!(Frame::current().id(), before, "the test left a frame");
    };
    run(None);
    variable.run(1, || run(Some(1)));
    let captured = variable.run(2, Frame::current);
    variable.run(99, || captured.run(|| run(Some(2))));
    let root = Frame::root();
    variable.run(99, || root.run(|| run(None)));
}

/// A bind location, for queries of its number of live frames.
#[derive(Clone, Copy)]
pub struct Site {
    /// The file, as [`Location::file`] has it.
    pub file: &'static str,
    /// The line, from 1.
    pub line: u32,
}

/// Creates a frame of these bindings with the caller as bind location; returns both.
#[track_caller]
pub fn bound_here<L: BindingList>(bindings: Bindings<L>) -> (Frame, Site) {
    let frame = bindings.frame();
    let caller = Location::caller();
    let site = Site {
        file: caller.file(),
        line: caller.line(),
    };
    (frame, site)
}

impl Site {
    /// Returns the number of live frames of this location; `None` if the statistics are not
    /// compiled in, for example in a release build without the feature.
    pub fn live(self) -> Option<usize> {
        Some(frame_stats()?.at(self.file, self.line))
    }

    /// Checks the number of live frames, if the statistics are compiled in.
    #[track_caller]
    pub fn assert_live(self, expected: usize) {
        if let Some(live) = self.live() {
            let Self { file, line } = self;
            assert_eq!(live, expected, "live frames, bound at {file}:{line}");
        }
    }

    /// Waits until no frame of this location is live, for frames that another thread is about to
    /// release.
    pub fn wait_until_none_is_live(self) {
        while self.live().is_some_and(|live| live > 0) {
            thread::yield_now();
        }
    }
}
