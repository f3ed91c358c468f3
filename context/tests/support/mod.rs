//! Shared by the tests: values that report when they are dropped, and bind locations that report
//! how many of their frames are live.
#![allow(dead_code)]

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use framewise_context::{BindingList, Bindings, ContextVar, Frame, frame_stats};

/// Counts the drops of the [`Tracked`] values that it made.
#[derive(Clone, Default)]
pub(crate) struct Drops(Arc<AtomicUsize>);

impl Drops {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn tracked(&self) -> Tracked {
        Tracked {
            drops: self.clone(),
        }
    }
}

/// A value that counts its drop.
pub(crate) struct Tracked {
    drops: Drops,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.drops.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Calls a closure when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A closure to call on drop, usable as a context value.
pub(crate) type DropCall = OnDrop<Box<dyn FnMut() + Send + Sync>>;

pub(crate) fn on_drop(call: impl FnMut() + Send + Sync + 'static) -> DropCall {
    OnDrop(Box::new(call))
}

/// Runs `body`; returns `true` if it panicked.
pub(crate) fn panics(body: impl FnOnce()) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).is_err()
}

/// A line that binds, whose live frames can be counted.
#[derive(Clone, Copy)]
pub(crate) struct Site {
    pub(crate) file: &'static str,
    pub(crate) line: u32,
}

/// Makes a frame of these bindings for the caller's location; also returns that location.
#[track_caller]
pub(crate) fn bound_here<L: BindingList>(bindings: Bindings<L>) -> (Frame, Site) {
    let frame = bindings.frame();
    let caller = Location::caller();
    let site = Site {
        file: caller.file(),
        line: caller.line(),
    };
    (frame, site)
}

impl Site {
    /// Returns the number of live frames bound on this line; `None` if the statistics are not
    /// compiled in, like in a release build without the feature.
    pub(crate) fn live(self) -> Option<usize> {
        Some(frame_stats()?.at(self.file, self.line))
    }

    /// Checks the number of live frames bound on this line, if there are statistics.
    #[track_caller]
    pub(crate) fn assert_live(self, expected: usize) {
        if let Some(live) = self.live() {
            let Self { file, line } = self;
            assert_eq!(live, expected, "live frames, bound at {file}:{line}");
        }
    }
}

static AROUND: ContextVar<u64> = ContextVar::new("around");

/// Runs a test in each start frame: at the root, under a binding, and in a captured frame that is
/// entered under another binding. Each time the test must leave the current frame unchanged.
///
/// The binding is of a variable that the tests do not use, so their assertions hold in every start
/// frame.
pub(crate) fn in_each_start_frame(test: impl Fn()) {
    let run = |around: Option<u64>| {
        let before = Frame::current().id();
        test();
        assert_eq!(AROUND.get(), around, "the test changed the frame around it");
        assert_eq!(Frame::current().id(), before);
    };
    run(None);
    AROUND.run(1, || run(Some(1)));
    let captured = AROUND.run(2, Frame::current);
    AROUND.run(99, || captured.run(|| run(Some(2))));
}
