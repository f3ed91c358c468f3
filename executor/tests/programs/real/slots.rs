//! The state that a task keeps between its statements.

use framewise::cancel::OnCancel;
use framewise::{Frame, JoinHandle};

use super::run::Watched;
use super::work::Scope;
use crate::program::SLOTS;

pub(super) type Frames = [Frame; SLOTS];
pub(super) type Closure = Box<dyn FnMut() + Send>;

/// A task, or a blocking call.
pub(super) struct Spawned {
    pub(super) handle: JoinHandle<Watched>,
    pub(super) is_call: bool,
}

/// What a block drops at its end.
pub(super) enum Guarded {
    Local { _watched: Watched },
    Callback { _registration: OnCancel },
}

/// The slots of a task, a closure or a branch. An empty frame slot holds the root frame.
pub(super) struct Slots {
    pub(super) frames: Frames,
    pub(super) closures: [Option<Closure>; SLOTS],
    pub(super) tasks: [Option<Spawned>; SLOTS],
    pub(super) scopes: [Option<Scope>; SLOTS],
    /// The scopes in which the code runs, for a seeded fault.
    pub(super) around: Vec<Scope>,
    /// `true` on the thread of a `LocalSet`.
    pub(super) local: bool,
}

impl Slots {
    pub(super) fn new(frames: Frames, local: bool) -> Self {
        Self {
            frames,
            closures: Default::default(),
            tasks: Default::default(),
            scopes: Default::default(),
            around: Vec::new(),
            local,
        }
    }
}
