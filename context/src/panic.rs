//! The frame in which a panic began, for executors that report it (C-83).
//!
//! While a panic unwinds, every `run` that it leaves restores the previous frame, so at the catch
//! the innermost frame is no longer current. Therefore the first restore of a panic records the
//! frame that it leaves, the following restores pass the record outwards, and [`catch_unwind`]
//! takes it. Restores belong to one panic if each leaves the frame that the previous one restored.
//!
//! A record holds its frame, and so its values. Therefore nothing is recorded outside a
//! [`catch_unwind`], a record does not outlive the enclosing one, and the next frame that is bound
//! on the thread while it does not panic discards the record.
//!
//! A discarded record may be the last holder of a value, whose `Drop` is user code. This happens
//! during a catch, a bind or an unwinding: see [`discard`].
//!
//! An executor that polls a task inside of a catch names the task there ([`catch_unwind_of`]). So
//! the word that says that code runs inside of a catch says which task's code it is, and knowing
//! the task that runs costs a poll nothing.

use std::any::Any;
use std::fmt;
use std::mem;
use std::panic::AssertUnwindSafe;
use std::ptr;
use std::thread;

use framewise_sync::cell::Cell;

use crate::Frame;
use crate::block::Block;
use crate::current;
use crate::frame::{FrameId, id_of};

/// The record of the last panic. Plain cells without a destructor, like in
/// [`current`](crate::current): `frame` owns a reference if `known` is set.
struct Record {
    /// The task whose code runs, or null, and the bit [`NOT_ASKED`].
    owner: Cell<*const ()>,
    known: Cell<bool>,
    frame: Cell<*const Block>,
    /// An id and not an address: nothing keeps that frame alive until the comparison.
    restored: Cell<FrameId>,
}

framewise_sync::thread_local! {
    static RECORD: Record = const {
        Record {
            owner: Cell::new(ptr::without_provenance(NOT_ASKED)),
            known: Cell::new(false),
            frame: Cell::new(ptr::null()),
            restored: Cell::new(FrameId::ROOT),
        }
    };
}

/// Set in `Record::owner` outside of every [`catch_unwind`]. Addresses of tasks are even.
const NOT_ASKED: usize = 1;

/// Returns the task whose code runs on this thread, or null: the innermost that was passed to
/// [`catch_unwind_of`] or [`with_owner`]. It is alive until the caller of this function has
/// returned.
#[doc(hidden)]
#[inline]
pub fn current_owner() -> *const () {
    RECORD
        .with(|record| record.owner.get())
        .map_addr(|owner| owner & !NOT_ASKED)
}

/// Calls `body`, which is code of the task `owner`, and restores the previous owner.
///
/// # Safety
///
/// See [`catch_unwind_of`].
#[doc(hidden)]
#[inline]
pub unsafe fn with_owner<R>(owner: *const (), body: impl FnOnce() -> R) -> R {
    struct Restore(*const ());
    impl Drop for Restore {
        fn drop(&mut self) {
            RECORD.with(|record| record.owner.set(self.0));
        }
    }

    let _restore = RECORD.with(|record| {
        let before = record.owner.get();
        let asked = before.addr() & NOT_ASKED;
        record.owner.set(owner.map_addr(|owner| owner | asked));
        Restore(before)
    });
    body()
}

/// A panic's record, taken out of the thread-local.
type Taken = Option<(Frame, FrameId)>;

#[cold]
fn take_record() -> Taken {
    RECORD.with(|record| {
        if !record.known.replace(false) {
            return None;
        }
        // SAFETY: (rule 3) a known record owns the reference that `leave` took.
        let frame = unsafe { Frame::from_raw(record.frame.replace(ptr::null())) };
        Some((frame, record.restored.get()))
    })
}

#[cold]
fn put_record(taken: Taken) {
    let old = take_record();
    if let Some((frame, restored)) = taken {
        RECORD.with(|record| {
            record.frame.set(frame.into_raw());
            record.restored.set(restored);
            record.known.set(true);
        });
    }
    discard(old);
}

/// Drops a record. If a value that is dropped with it panics, the panic hook has reported the
/// panic, which goes no further and does not overwrite an existing record.
fn discard(taken: Taken) {
    if let Some((frame, _)) = taken {
        catch_unnoticed(|| drop(frame));
    }
}

/// Calls user code between the steps of this crate: catches its panic, of which nothing is
/// recorded, also while another panic unwinds.
pub(crate) fn catch_unnoticed(call: impl FnOnce()) {
    let owner = RECORD.with(|record| {
        let owner = record.owner.get();
        record.owner.set(owner.map_addr(|owner| owner | NOT_ASKED));
        owner
    });
    if let Err(payload) = std::panic::catch_unwind(AssertUnwindSafe(call)) {
        // Dropping the payload might panic again.
        mem::forget(payload);
    }
    RECORD.with(|record| record.owner.set(owner));
}

/// Records that a panic leaves `left`, which is still current, for `restored`.
#[cold]
pub(crate) fn leave(left: *const Block, restored: *const Block) {
    // SAFETY: (rule 4) `left` is current and `restored` will be, so both are held.
    let (left_id, restored) = unsafe { (id_of(left), id_of(restored)) };
    let continues = RECORD.with(|record| {
        if record.owner.get().addr() & NOT_ASKED != 0 {
            return true;
        }
        let continues = record.known.get() && record.restored.get() == left_id;
        if continues {
            record.restored.set(restored);
        }
        continues
    });
    if !continues {
        // SAFETY: (rule 4) `left` is current, so it is alive.
        put_record(Some((unsafe { Frame::borrowed(left) }, restored)));
        current::end_batch();
    }
}

/// Discards the record of a panic that was caught by code which does not ask for its frame. Returns
/// `true` if there still is a record, because a panic unwinds now: the caller must call again
/// later.
pub(crate) fn forget_stale() -> bool {
    if is_known() && !thread::panicking() {
        discard(take_record());
    }
    is_known()
}

/// A panic that [`catch_unwind`] caught: its payload, and the frame in which it began.
pub struct CaughtPanic {
    payload: Box<dyn Any + Send + 'static>,
    frame: Frame,
}

impl CaughtPanic {
    /// Returns the innermost frame in which the panic began.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Returns the panic's payload, and the frame in which it began.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, catch_unwind};
    /// static JOB: ContextVar<u64> = ContextVar::new("job");
    ///
    /// let caught = catch_unwind(|| JOB.run(7, || panic!("no more paper"))).unwrap_err();
    /// let (payload, frame) = caught.into_parts();
    /// assert_eq!(payload.downcast_ref(), Some(&"no more paper"));
    /// assert_eq!(frame.run(|| JOB.get()), Some(7));
    /// ```
    pub fn into_parts(self) -> (Box<dyn Any + Send + 'static>, Frame) {
        (self.payload, self.frame)
    }
}

impl fmt::Debug for CaughtPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaughtPanic")
            .field("frame", &self.frame)
            .finish_non_exhaustive()
    }
}

/// Calls `body` and catches its panic together with the frame in which the panic began.
///
/// For executors: when `std::panic::catch_unwind` returns, the inner frames have already been left.
/// This function does not require `UnwindSafe`, so the caller must not use state that the panic
/// left inconsistent.
///
/// It never unwinds itself, even if values that the panic left behind panic when they are dropped.
///
/// The returned frame can be that of another panic, if `body` itself caught one with `std`'s
/// `catch_unwind`: either `body` then panics in the same frame in which it caught that panic, with
/// no bind in between, or it caught that panic in a destructor while the first one unwound.
///
/// # Errors
///
/// Returns the panic if `body` panicked.
///
/// # Frame
///
/// `body` runs in the current frame, which is current again afterwards, also after a panic.
///
/// # Examples
///
/// ```
/// use framewise_context::{ContextVar, catch_unwind};
/// static JOB: ContextVar<u64> = ContextVar::new("job");
///
/// let caught = catch_unwind(|| JOB.run(7, || panic!("no more paper"))).unwrap_err();
/// assert_eq!(JOB.get(), None);
/// assert_eq!(caught.frame().run(|| JOB.get()), Some(7));
/// ```
#[inline]
pub fn catch_unwind<R>(body: impl FnOnce() -> R) -> Result<R, CaughtPanic> {
    // SAFETY: the owner is the one that the thread has, alive for longer than this.
    unsafe { catch_unwind_of(current_owner(), body) }
}

/// Like [`catch_unwind`], for code of the task `owner`, or of none where it is null:
/// [`current_owner`] returns it inside of `body`.
///
/// # Safety
///
/// `owner` is null, or the address of a task of the crate `framewise`, which is even, and the task
/// is alive until this returns.
///
/// # Errors
///
/// See [`catch_unwind`].
#[doc(hidden)]
#[inline]
pub unsafe fn catch_unwind_of<R>(
    owner: *const (),
    body: impl FnOnce() -> R,
) -> Result<R, CaughtPanic> {
    // An outer record belongs to a panic that unwinds right now and whose unwinding runs a
    // destructor that called us: it is not ours, and is put back.
    let outer = if is_known() { take_record() } else { None };
    let before = RECORD.with(|record| record.owner.replace(owner));
    let result = std::panic::catch_unwind(AssertUnwindSafe(body));
    RECORD.with(|record| record.owner.set(before));
    match result {
        Ok(value) => {
            if is_known() || outer.is_some() {
                put_record(outer);
            }
            Ok(value)
        }
        Err(payload) => Err(caught(payload, outer)),
    }
}

#[inline]
fn is_known() -> bool {
    RECORD.with(|record| record.known.get())
}

#[cold]
fn caught(payload: Box<dyn Any + Send>, outer: Taken) -> CaughtPanic {
    let frame = recorded_here().unwrap_or_else(Frame::current);
    put_record(outer);
    CaughtPanic { payload, frame }
}

/// Takes the record, if it leads to the current frame.
fn recorded_here() -> Option<Frame> {
    // SAFETY: (rule 4) the current frame is alive.
    let now = unsafe { id_of(current::get()) };
    match take_record() {
        Some((frame, restored)) if restored == now => Some(frame),
        other => {
            discard(other);
            None
        }
    }
}
