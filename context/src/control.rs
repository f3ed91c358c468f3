//! The end of a frame's work: deadlines and cancellation, as operations see them.
//!
//! A frame may carry a **control**: a counted reference to a node that ends once, when a deadline
//! passes or a scope is cancelled. The first reason wins. Nodes form a tree, in which an end flows
//! down only. Operations [`check`] the current frame's control at their start, and a wait registers
//! with it by a [`ControlWait`], so that it is woken when the control ends. So *operations fail,
//! and futures are not dropped*.
//!
//! The control is the value of a variable of this crate, so frames derive, inherit and
//! release it like any other value. Without a control an operation pays one test of a pointer, and
//! one of a flag in a frame with bindings.
//!
//! This module is for the crates of this workspace, not for users. The node and its protocol are in
//! `node.rs`, a wait's registration in `wait.rs`, callbacks in `callback.rs`, the error in
//! `ended.rs`, scopes in `scope.rs`. It knows no clock: timers arm themselves through
//! [`Control::arm`] and hold a [`ControlTarget`].

mod callback;
mod ended;
mod enforce;
mod node;
mod scope;
mod wait;

use std::task::{Context, Poll, ready};
use std::time::Instant;

pub use self::callback::OnCancel;
pub use self::ended::{Cause, Ended, Origin};
pub use self::enforce::Enforce;
pub use self::node::{Control, ControlTarget};
pub use self::scope::{ControlPlan, ControlScope};
pub use self::wait::ControlWait;

use self::node::Node;
use crate::ContextVar;
use crate::coop;
use crate::current;

/// The control of a frame. Bound to an empty value, the frame is shielded.
static CONTROL: ContextVar<Controlled> = ContextVar::new("framewise.control").control();

/// The flag of a block that binds [`CONTROL`]. A scope that is polled under another parent may have
/// it from an earlier one.
pub(crate) const CONTROLLED: u16 = 1 << 1;

/// The value that a frame carries: a control, or none.
#[derive(Clone, Debug, Default)]
pub struct Controlled(Option<Control>);

impl Controlled {
    /// Makes a value without a control, which shields from that of the frame around.
    pub const fn shielded() -> Self {
        Self(None)
    }

    /// Returns the current frame's value.
    pub fn current() -> Self {
        CONTROL.with(|controlled| controlled.cloned().unwrap_or_default())
    }

    /// Returns the control.
    pub fn control(&self) -> Option<&Control> {
        self.0.as_ref()
    }

    /// Runs `body` under this control instead of the current one.
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn run<R>(self, body: impl FnOnce() -> R) -> R {
        CONTROL.run(self, body)
    }
}

impl From<Control> for Controlled {
    fn from(control: Control) -> Self {
        Self(Some(control))
    }
}

/// Calls `read` with the node of the current frame's control.
#[inline]
fn with_node<R>(read: impl FnOnce(Option<&framewise_sync::Arc<Node>>) -> R) -> R {
    CONTROL.with(|controlled| {
        let control = controlled.and_then(Controlled::control);
        read(control.map(Control::node))
    })
}

/// Returns an error if the current frame's work has ended. It is for the start of an operation.
///
/// It reads no clock: a deadline that has passed is noticed when its timer has fired.
///
/// # Errors
///
/// Returns the reason of the end.
#[inline]
pub fn check() -> Result<(), Ended> {
    if may_be_bound() {
        check_bound()
    } else {
        Ok(())
    }
}

/// Like [`check`], for a poll: an error takes a unit of the task's budget, so that a loop which
/// goes on after errors yields. Returns `Pending` if it is denied; the task was then woken.
///
/// # Errors
///
/// Returns the reason of the end.
#[inline]
pub fn poll_check(cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
    match check() {
        Ok(()) => Poll::Ready(Ok(())),
        Err(ended) => poll_fail(cx, ended),
    }
}

/// Returns the error of a wait whose frame has ended, within the task's budget; see [`poll_check`].
/// A failure that is denied has to be found again in the next poll.
///
/// # Errors
///
/// Returns `ended`.
#[cold]
pub fn poll_fail<T>(cx: &mut Context<'_>, ended: Ended) -> Poll<Result<T, Ended>> {
    ready!(coop::poll_spend(cx));
    Poll::Ready(Err(ended))
}

/// Returns `false` if the current frame has no control. Otherwise it may have one. It is for
/// operations that do more to register than a [`ControlWait`] does.
#[inline(always)]
pub fn may_be_bound() -> bool {
    let block = current::get();
    // SAFETY: the current frame is alive (rule 4).
    !block.is_null() && unsafe { (*block).flags } & CONTROLLED != 0
}

#[inline(never)]
fn check_bound() -> Result<(), Ended> {
    with_node(|node| node.map_or(Ok(()), |node| node.check()))
}

/// Returns the reason of the end of the current frame's work, if it has ended.
pub fn ended() -> Option<Ended> {
    check().err()
}

/// Returns the current frame's deadline.
pub fn deadline() -> Option<Instant> {
    with_node(|node| node.and_then(|node| node.deadline()))
}

/// Ends the current frame's control if its deadline is not after `now`, which its timer has not
/// noticed yet.
pub fn end_if_passed(now: Instant) {
    let target = with_node(|node| {
        let node = node?;
        (node.deadline()? <= now).then(|| ControlTarget::new(node))
    });
    if let Some(target) = target {
        node::raising(|report| target.pass(report));
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
