//! Mirrored variables: their callbacks tell code that knows no frames which value is current on a
//! thread (C-93).
//!
//! A block with a mirrored variable has a flag ([`MIRRORED`]). A thread remembers the **announced**
//! frame: the flagged frame, or none, whose values its callbacks got last.
//! [`enter`](crate::current::enter) calls [`switch`], which compares the announced frame with the
//! next one, variable by variable, and calls what has to be called. As long as no mirrored variable
//! was bound in this process, entering a frame pays one test of [`is_used`] on each side.
//!
//! A poll of a task ([`Frame::run_poll`]) pays nothing: an executor calls [`Frame::announce`]
//! before the polls of tasks whose frames are flagged, and [`announce_current`] after them, while
//! the task still holds its frame.

use std::mem::size_of;
use std::ptr;
use std::slice;

use framewise_sync::statics::{AtomicU32, Ordering};

use crate::block::{Block, is_inline};
use crate::current;
use crate::follow;
use crate::key_group::Slot;
use crate::panic;
use crate::statics::list::List;
use crate::{ContextVar, Frame};

/// The flag of a block with a mirrored variable.
pub(crate) const MIRRORED: u16 = 1;

/// A variable and its callbacks.
struct Mirror {
    key: u32,
    /// The size of a value that lives in its slot, or 0 if it is in a cell.
    inline_size: usize,
    callbacks: &'static dyn Callbacks,
}

static MIRRORS: List<Mirror> = List::new();

/// Not zero from the first bind of a mirrored variable on, or the first
/// [follower](crate::follow).
static IS_USED: AtomicU32 = AtomicU32::new(0);

/// What is called when a variable's current value changes on a thread.
trait Callbacks: Send + Sync {
    /// # Safety
    ///
    /// `value` is a live value of the variable.
    unsafe fn call(&self, enters: bool, value: *const u8);
}

impl<T: Send + Sync + 'static> Callbacks for ContextVar<T> {
    unsafe fn call(&self, enters: bool, value: *const u8) {
        // SAFETY: the caller's promise, and rule 1 for the type.
        let value = unsafe { &*value.cast::<T>() };
        match &self.role.on_change {
            Some(calls) if enters => (calls.on_enter)(value),
            Some(calls) => (calls.on_leave)(value),
            None => {}
        }
    }
}

/// Puts a mirrored variable into the list.
pub(crate) fn enlist<T: Send + Sync + 'static>(var: &'static ContextVar<T>, key: u32) {
    let mirror = Mirror {
        key,
        inline_size: if is_inline::<T>() { size_of::<T>() } else { 0 },
        callbacks: var,
    };
    MIRRORS.append(mirror, |one, other| one.key == other.key);
    begin_use();
}

/// Makes [`enter`](crate::current::enter) call [`switch`].
pub(crate) fn begin_use() {
    // Ordering: Relaxed. A thread that enters a frame with a mirrored variable received the frame
    // through synchronization, which also carried this. So did the threads of an executor that has
    // set a follower.
    IS_USED.store(1, Ordering::Relaxed);
}

/// Returns `true` if a mirrored variable was ever bound, or frames are followed.
#[inline(always)]
pub(crate) fn is_used() -> bool {
    // Ordering: Relaxed, see `enlist`.
    IS_USED.load(Ordering::Relaxed) != 0
}

/// Returns the flags of a block that is complete and may not have the mirrored variables that its
/// flags say. Other flags stay.
///
/// # Safety
///
/// `block` is not null, and alive or complete.
pub(crate) unsafe fn flags_of(block: *const Block) -> u16 {
    // SAFETY: the caller's promise.
    let is_bound = |mirror: &Mirror| unsafe { !Block::slot(block, mirror.key).is_null() };
    // SAFETY: the caller's promise.
    let flags = unsafe { (*block).flags };
    if MIRRORS.iter().any(is_bound) {
        flags
    } else {
        flags & !MIRRORED
    }
}

/// Returns `true` if `block` has a mirrored variable.
///
/// # Safety
///
/// `block` is null or alive.
#[inline(always)]
unsafe fn is_mirrored(block: *const Block) -> bool {
    // SAFETY: the caller's promise.
    !block.is_null() && unsafe { (*block).flags } & MIRRORED != 0
}

impl Frame {
    /// Returns `true` if this frame binds a variable that is mirrored.
    #[doc(hidden)]
    #[inline]
    pub fn is_mirrored(&self) -> bool {
        // SAFETY: (rule 3) we hold it.
        unsafe { is_mirrored(self.as_raw()) }
    }

    /// Calls the callbacks of mirrored variables as if this frame became current. For executors,
    /// before [`run_poll`](Self::run_poll).
    ///
    /// # Safety
    ///
    /// The frame is held until another frame is announced on this thread:
    /// [`announce_current`] does so.
    #[doc(hidden)]
    pub unsafe fn announce(&self) {
        // SAFETY: the caller's promise.
        unsafe { switch(self.as_raw()) }
    }
}

/// Returns `true` if the current frame binds a variable that is mirrored.
#[doc(hidden)]
#[inline]
pub fn is_current_mirrored() -> bool {
    // SAFETY: (rule 4) the current frame is alive.
    unsafe { is_mirrored(current::get()) }
}

/// Calls the callbacks of mirrored variables for the return to the current frame. For executors,
/// after [`Frame::announce`].
#[doc(hidden)]
pub fn announce_current() {
    // SAFETY: (rule 4) the current frame is alive, until it is left.
    unsafe { switch(current::get()) }
}

/// Calls the callbacks for the change from the announced frame to `next`. Does not unwind, and does
/// not change the current frame.
///
/// # Safety
///
/// `next` is null, or alive until the next call on this thread.
#[cold]
#[inline(never)]
pub(crate) unsafe fn switch(next: *const Block) {
    // SAFETY: the caller's promise.
    unsafe { follow::tell(next) }
    // SAFETY: the caller's promise.
    let next = if unsafe { is_mirrored(next) } {
        next
    } else {
        ptr::null()
    };
    let Some(left) = current::announce(next) else {
        return;
    };
    // The frame that was announced is alive until this returns, by the promise of its own call.
    let change = |mirror: &'static Mirror, enters: bool| {
        // SAFETY: both frames are alive.
        unsafe {
            let old = Block::slot(left, mirror.key);
            let new = Block::slot(next, mirror.key);
            if is_same(old, new, mirror.inline_size) {
                return;
            }
            let (slot, frame) = if enters { (new, next) } else { (old, left) };
            if slot.is_null() {
                return;
            }
            let value = if mirror.inline_size != 0 {
                slot.cast()
            } else {
                (*slot).cell.cast_const()
            };
            current::with_unannounced(frame, || {
                panic::catch_unnoticed(|| mirror.callbacks.call(enters, value));
            });
        }
    };
    MIRRORS.for_each_reversed(&mut |mirror| change(mirror, false));
    MIRRORS.iter().for_each(|mirror| change(mirror, true));
    current::end_announcement();
}

/// Returns `true` if two slots of a variable have the same value: the same cell, or, for a value
/// that lives in its slot, the same bytes.
///
/// # Safety
///
/// Both are null, or slots of one variable in live frames.
unsafe fn is_same(one: *const Slot, other: *const Slot, inline_size: usize) -> bool {
    if one.is_null() || other.is_null() {
        return ptr::eq(one, other);
    }
    // SAFETY: the caller's promise; plain values have no padding, so their bytes are initialized.
    unsafe {
        if inline_size == 0 {
            return ptr::eq((*one).cell, (*other).cell);
        }
        slice::from_raw_parts(one.cast::<u8>(), inline_size)
            == slice::from_raw_parts(other.cast::<u8>(), inline_size)
    }
}
