//! `Frame`: a held frame, its identity, and entering it.
//!
//! The memory behind it is [`block`](crate::block)'s, how one is made [`derive`](crate::derive)'s,
//! how one ends [`release`](crate::release)'s.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr;

use crate::additions::Nothing;
use crate::block::Block;
use crate::chunk::{CHUNK_KEYS, Chunk};
use crate::current;
use crate::derive;
use crate::key;
use crate::release;

/// An immutable set of bindings of variables to values: a snapshot that can be held, sent and
/// entered.
///
/// The *current* frame is the one under which this thread runs now; [`Frame::current`] takes it.
/// The *root* frame has no bindings. It is a null pointer: holding or entering it costs nothing.
/// A frame is as large as a pointer, and cloning one raises a count.
///
/// # Examples
///
/// ```
/// use framewise_context::{ContextVar, Frame};
/// static TENANT: ContextVar<&'static str> = ContextVar::new("tenant");
///
/// let frame = TENANT.run("ada", Frame::current);
/// assert_eq!(TENANT.get(), None);
/// std::thread::spawn(move || {
///     assert_eq!(frame.run(|| TENANT.get()), Some("ada"));
/// })
/// .join()
/// .unwrap();
/// ```
#[repr(transparent)]
pub struct Frame(*const Block);

// SAFETY: a frame is a counted reference to immutable memory (rule 2) with values that are `Send`
// and `Sync`, and whoever drops the last reference may be any thread (rule 8).
unsafe impl Send for Frame {}

// SAFETY: as for `Send`; through a shared reference a frame can be read, entered and cloned.
unsafe impl Sync for Frame {}

// Values are only reached by shared reference, and a panic in a value's `Drop` leaves no frame half
// taken down; whether a value itself is fit to be seen after a panic is up to its type, as it is
// with a static.
impl std::panic::UnwindSafe for Frame {}
impl std::panic::RefUnwindSafe for Frame {}

impl Frame {
    /// The frame without bindings.
    #[inline]
    pub const fn root() -> Frame {
        Frame(ptr::null())
    }

    /// A snapshot of the current frame.
    ///
    /// At the root this allocates nothing and touches no count.
    #[inline]
    pub fn current() -> Frame {
        // SAFETY: (rule 4) the current frame is alive.
        unsafe { Frame::borrowed(current::get()) }
    }

    /// Whether this frame has no bindings.
    #[inline]
    pub const fn is_root(&self) -> bool {
        self.0.is_null()
    }

    /// The number of this frame. No other frame of this process ever has the same.
    #[inline]
    pub fn id(&self) -> FrameId {
        // SAFETY: (rule 3) we hold it.
        unsafe { id_of(self.0) }
    }

    /// The number of the frame from which this one was made, if it is not the root.
    ///
    /// Only the number: a frame does not keep the one alive from which it was made.
    #[inline]
    pub fn parent_id(&self) -> Option<FrameId> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: (rule 3) we hold it.
        Some(FrameId(unsafe { (*self.0).parent }))
    }

    /// What a spawned task gets: this frame without the variables that are declared
    /// [`not_inherited`](crate::ContextVar::not_inherited).
    ///
    /// A clone of this frame where no such variable is bound.
    #[inline]
    pub fn inherited(&self) -> Frame {
        if self.0.is_null() {
            return Frame::root();
        }
        // SAFETY: (rule 3) we hold it.
        let strip = unsafe { (*self.0).chunk.not_inherited != 0 || (*self.0).leaves != 0 };
        if strip { self.strip() } else { self.clone() }
    }

    #[cold]
    #[inline(never)]
    fn strip(&self) -> Frame {
        let (mut present, mut dropped) = (0, 0);
        self.each_chunk(|_, chunk| {
            present |= chunk.present & !chunk.not_inherited;
            dropped |= chunk.not_inherited;
        });
        if dropped == 0 {
            self.clone()
        } else if present == 0 {
            Frame::root()
        } else {
            // SAFETY: (rule 3) we hold the parent.
            unsafe { derive::derive(self.0, true, Nothing, (*self.0).origin.inherited()).0 }
        }
    }

    /// Runs `body` with this frame as the current one; afterwards the frame before is current
    /// again, also if `body` panics.
    ///
    /// The frame is borrowed: no count is touched and nothing is allocated.
    ///
    /// As with everything that is scoped to a stack, a stackful coroutine must not be switched away
    /// from inside `body`: its frame would stay current on the thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, Frame};
    /// static DEPTH: ContextVar<u32> = ContextVar::new("depth");
    ///
    /// let one = DEPTH.run(1, Frame::current);
    /// DEPTH.run(2, || {
    ///     assert_eq!(one.run(|| DEPTH.get()), Some(1));
    ///     assert_eq!(Frame::root().run(|| DEPTH.get()), None);
    ///     assert_eq!(DEPTH.get(), Some(2));
    /// });
    /// ```
    #[inline]
    pub fn run<R>(&self, body: impl FnOnce() -> R) -> R {
        // SAFETY: (rule 4) `self` is borrowed until this returns, so the frame stays held.
        unsafe { current::enter(self.0, body) }
    }

    /// Runs one poll of a task: like [`run`](Self::run), with a full [budget](crate::coop).
    ///
    /// The budget is not restored, which saves a store in each poll: what is left of it stays with
    /// the thread until the next poll sets it. A caller that runs within a poll of another task, or
    /// on a thread that is not the executor's own, must call this within
    /// [`with_budget`](crate::coop::with_budget).
    #[doc(hidden)]
    #[inline]
    pub fn run_poll<R>(&self, body: impl FnOnce() -> R) -> R {
        // SAFETY: (rule 4) `self` is borrowed until this returns, so the frame stays held.
        unsafe { current::enter_with_budget(self.0, body) }
    }

    /// The current frame's pointer, as a frame of its own.
    ///
    /// # Safety
    ///
    /// `block` is null or alive.
    #[inline]
    pub(crate) unsafe fn borrowed(block: *const Block) -> Frame {
        // SAFETY: the caller's promise; the reference that `frame` has not is not given back.
        let frame = ManuallyDrop::new(unsafe { Frame::from_raw(block) });
        Frame::clone(&frame)
    }

    /// A frame from a pointer and one reference to it.
    ///
    /// # Safety
    ///
    /// `block` is null, or a frame of which the caller has a reference to give.
    #[inline]
    pub(crate) unsafe fn from_raw(block: *const Block) -> Frame {
        Frame(block)
    }

    /// The pointer with its reference, for [`from_raw`](Self::from_raw).
    #[inline]
    pub(crate) fn into_raw(self) -> *const Block {
        ManuallyDrop::new(self).0
    }

    /// The pointer, alive as long as `self`.
    #[inline(always)]
    pub(crate) fn as_raw(&self) -> *const Block {
        self.0
    }

    /// Calls `visit` with each chunk and its number.
    fn each_chunk(&self, mut visit: impl FnMut(u32, &Chunk)) {
        if self.0.is_null() {
            return;
        }
        // SAFETY: (rule 3) we hold the frame, so its leaves are alive too.
        unsafe {
            for number in 0..=(*self.0).leaves {
                let chunk = Block::chunk_of(self.0, number);
                if !chunk.is_null() {
                    visit(number, &*chunk);
                }
            }
        }
    }
}

impl Clone for Frame {
    #[inline]
    fn clone(&self) -> Frame {
        if !self.0.is_null() {
            // SAFETY: (rule 3) we hold it.
            unsafe {
                (*self.0).watch.read();
                release::raise(&(*self.0).count);
            }
        }
        Frame(self.0)
    }
}

impl Drop for Frame {
    #[inline]
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: (rule 3) this is our reference, given back once.
            unsafe { release::release_frame(self.0.cast_mut()) }
        }
    }
}

/// The root frame.
impl Default for Frame {
    #[inline]
    fn default() -> Frame {
        Frame::root()
    }
}

/// Shows the number and the names of the variables bound, not their values: a value need not be
/// printable, and may be a secret.
///
/// ```
/// use framewise_context::{ContextVar, Frame};
/// static SKU: ContextVar<u64> = ContextVar::new("sku");
///
/// let shown = SKU.run(7, || format!("{:?}", Frame::current()));
/// assert!(shown.starts_with("Frame { id: ") && shown.ends_with(", bindings: [\"sku\"] }"));
/// assert_eq!(format!("{:?}", Frame::root()), "Frame { id: 0, bindings: [] }");
/// ```
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Vec::new();
        self.each_chunk(|number, chunk| {
            names.extend(
                (0..CHUNK_KEYS)
                    .filter(|bit| chunk.present >> bit & 1 == 1)
                    .map(|bit| key::name(number * CHUNK_KEYS + bit)),
            );
        });
        f.debug_struct("Frame")
            .field("id", &self.id())
            .field("bindings", &names)
            .finish()
    }
}

/// The number of a frame, unique in this process. The root's is 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(u64);

impl FrameId {
    /// The root frame's.
    pub const ROOT: FrameId = FrameId(0);

    /// The number itself.
    #[inline]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The number of a frame that may be the root.
///
/// # Safety
///
/// `block` is null or alive.
#[inline]
pub(crate) unsafe fn id_of(block: *const Block) -> FrameId {
    if block.is_null() {
        return FrameId::ROOT;
    }
    // SAFETY: the caller's promise.
    FrameId(unsafe { (*block).id })
}
