//! The state that a task keeps between its statements.

use framewise::{Frame, JoinHandle};

use super::run::Watched;
use crate::program::SLOTS;

pub(super) type Frames = [Frame; SLOTS];
pub(super) type Closure = Box<dyn FnMut() + Send>;

/// The slots of a task, a closure or a branch. An empty frame slot holds the root frame.
pub(super) struct Slots {
    pub(super) frames: Frames,
    pub(super) closures: [Option<Closure>; SLOTS],
    pub(super) tasks: [Option<JoinHandle<Watched>>; SLOTS],
    /// `true` on the thread of a `LocalSet`.
    pub(super) local: bool,
}

impl Slots {
    pub(super) fn new(frames: Frames, local: bool) -> Self {
        Self {
            frames,
            closures: Default::default(),
            tasks: Default::default(),
            local,
        }
    }
}
