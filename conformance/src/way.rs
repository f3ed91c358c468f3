//! The three ways in which each check runs.

use std::fmt;

use framewise_context::Frame;

use crate::probe::ID;

/// The frame that a check starts in. What holds at the root may fail under a binding, and the other
/// way round: a runtime that loses frames passes every check that expects the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// At the root.
    Initial,
    /// Under a binding.
    Bound,
    /// In a captured frame that is entered under another binding.
    Captured,
}

impl Way {
    /// All three.
    pub const ALL: [Way; 3] = [Way::Initial, Way::Bound, Way::Captured];

    /// What the variable `ID` is when the check starts.
    pub fn id(self) -> Option<u64> {
        match self {
            Way::Initial => None,
            Way::Bound => Some(1),
            Way::Captured => Some(2),
        }
    }

    /// Runs `body` in that frame.
    pub(crate) fn enter<R>(self, body: impl FnOnce() -> R) -> R {
        match self {
            Way::Initial => Frame::root().run(body),
            Way::Bound => ID.run(1, body),
            Way::Captured => {
                let captured = ID.run(2, Frame::current);
                ID.run(99, || captured.run(body))
            }
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Way::Initial => "initial",
            Way::Bound => "bound",
            Way::Captured => "captured",
        })
    }
}
