//! The frame in which a panic began, for executors that report it (C-83).
//!
//! While a panic unwinds, every `run` that it leaves restores the frame before, so that at the
//! catch the innermost frame is no longer current. The first restore of a panic therefore records
//! the frame that it leaves, the following ones pass the record outwards, and [`catch_unwind`]
//! takes it. Restores belong to one panic when each leaves the frame that the one before restored.
//!
//! A record holds its frame, and with it the values. Hence nothing is recorded on a thread where no
//! executor asks, a record does not outlive the [`catch_unwind`] around it, and the next frame that
//! is bound on the thread while it does not panic throws the record away.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::ptr;
use std::thread;

use framewise_sync::cell::Cell;

use crate::Frame;
use crate::block::Block;
use crate::current;

/// What the last panic left behind. Plain cells without a destructor, as in
/// [`current`](crate::current): `frame` holds a reference when `known` is set.
struct Record {
    asked: Cell<bool>,
    known: Cell<bool>,
    frame: Cell<*const Block>,
    restored: Cell<*const Block>,
}

framewise_sync::thread_local! {
    static RECORD: Record = const {
        Record {
            asked: Cell::new(false),
            known: Cell::new(false),
            frame: Cell::new(ptr::null()),
            restored: Cell::new(ptr::null()),
        }
    };
}

/// A panic's record, taken out of the thread-local.
type Taken = Option<(Frame, *const Block)>;

#[inline]
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
    // Last, with nothing borrowed: it can be the last holder of values, whose `Drop` is user code.
    drop(old);
}

/// A panic leaves `left` for `restored`.
#[cold]
pub(crate) fn leave(left: *const Block, restored: *const Block) {
    let continues = RECORD.with(|record| {
        if !record.asked.get() {
            return true;
        }
        let continues = record.known.get() && record.restored.get() == left;
        if continues {
            record.restored.set(restored);
        }
        continues
    });
    if !continues {
        // SAFETY: (rule 4) `left` is still current, hence alive.
        put_record(Some((unsafe { Frame::borrowed(left) }, restored)));
        current::end_batch();
    }
}

/// Throws away the record of a panic that was caught without anybody asking for its frame.
pub(crate) fn forget_stale() {
    if RECORD.with(|record| record.known.get()) && !thread::panicking() {
        drop(take_record());
    }
}

/// A panic that [`catch_unwind`] caught: what it carried, and the frame in which it began.
pub struct CaughtPanic {
    payload: Box<dyn Any + Send + 'static>,
    frame: Frame,
}

impl CaughtPanic {
    /// The innermost frame in which the panic began.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// What the panic carried, and the frame in which it began.
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
/// For executors: `std::panic::catch_unwind` returns when the frames inside have been left already.
/// As this asks for no `UnwindSafe`, the caller sees to it that what the panic broke is not used.
///
/// The answer can be wrong in one case: `body` itself caught a panic before, and then panics in the
/// very frame in which it caught the first one, with nothing bound in between. The frame is then
/// that of the first panic.
///
/// # Errors
///
/// Returns the panic if `body` panicked.
///
/// # Frame
///
/// `body` runs in the current frame, which is current again afterwards, panic or not.
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
    // A record from further out belongs to a panic that unwinds right now, through a destructor
    // that called us: it is not ours, and is put back.
    let outer = if is_known() { take_record() } else { None };
    let asked = RECORD.with(|record| record.asked.replace(true));
    let result = std::panic::catch_unwind(AssertUnwindSafe(body));
    RECORD.with(|record| record.asked.set(asked));
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
    take_record().and_then(|(frame, restored)| (restored == current::get()).then_some(frame))
}

/// Takes the innermost frame in which the panic began that was just caught on this thread.
///
/// For executors that call `std::panic::catch_unwind` themselves; [`catch_unwind`] is simpler and
/// keeps no frame longer than needed. A thread records panics only from its first call of this
/// function on, so call it once, and throw the answer away, before the thread runs foreign code.
/// From then on a panic's frame is held until it is taken, another panic begins, or the next frame
/// is bound on the thread; for good if the thread ends before.
///
/// `None` means that the panic left no frame at all on its way: it began in the frame that is
/// current now.
pub fn take_panic_frame() -> Option<Frame> {
    RECORD.with(|record| record.asked.set(true));
    recorded_here()
}
