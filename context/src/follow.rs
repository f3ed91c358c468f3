//! A follower: one function that is called with each frame that becomes current, for an
//! executor that accounts for what runs in which frame.
//!
//! [`mirror::switch`](crate::mirror::switch) calls it, so that entering a frame has one test for
//! both. A poll of a task ([`Frame::run_poll`]) does not call it: the executor knows of it.

use std::mem::ManuallyDrop;

use framewise_sync::statics::OnceLock;

use crate::Frame;
use crate::block::Block;
use crate::mirror;

static FOLLOWER: OnceLock<fn(&Frame)> = OnceLock::new();

/// Calls `follower`, from now on and for the rest of the process, on each thread that is about to
/// enter a frame or to return to it: with that frame, which is current next. Does nothing if there
/// is a follower.
///
/// It must not unwind, and not rely on which frame is current in it. It is called for what it
/// enters, too.
#[doc(hidden)]
pub fn follow_frames(follower: fn(&Frame)) {
    FOLLOWER.get_or_init(|| follower);
    mirror::begin_use();
}

/// Tells the follower, if there is one.
///
/// # Safety
///
/// `next` is null, or alive until this returns.
pub(crate) unsafe fn tell(next: *const Block) {
    if let Some(follower) = FOLLOWER.get() {
        // SAFETY: the caller's promise; the frame owns no reference, so it is not dropped.
        follower(&ManuallyDrop::new(unsafe { Frame::from_raw(next) }));
    }
}
