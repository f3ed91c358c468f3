//! The three frames in which each check starts.

use std::fmt;

use framewise_context::Frame;

use crate::support::ID;

/// The frame in which a check starts. A check that passes at the root may fail under a binding, and
/// vice versa: a runtime that loses frames passes every check that expects the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StartFrame {
    /// At the root.
    Initial,
    /// Under a binding.
    Bound,
    /// In a captured frame that is entered under another binding.
    Captured,
}

impl StartFrame {
    /// All start frames.
    pub const ALL: [StartFrame; 3] = [StartFrame::Initial, StartFrame::Bound, StartFrame::Captured];

    /// Returns the value of the variable `ID` when the check starts.
    pub fn id(self) -> Option<u64> {
        match self {
            StartFrame::Initial => None,
            StartFrame::Bound => Some(1),
            StartFrame::Captured => Some(2),
        }
    }

    /// Runs `body` in this start frame.
    pub(crate) fn enter<R>(self, body: impl FnOnce() -> R) -> R {
        match self {
            StartFrame::Initial => Frame::root().run(body),
            StartFrame::Bound => ID.run(1, body),
            StartFrame::Captured => {
                let captured = ID.run(2, Frame::current);
                ID.run(99, || captured.run(body))
            }
        }
    }
}

impl fmt::Display for StartFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            StartFrame::Initial => "initial",
            StartFrame::Bound => "bound",
            StartFrame::Captured => "captured",
        })
    }
}
