//! `Frame`: a held frame, its identity, and entering it.
//!
//! [`block`](crate::block) defines the memory behind it, [`derive`](crate::derive) makes it, and
//! [`release`](crate::release) destroys it.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr;

use crate::block::Block;
use crate::current;
use crate::key;
use crate::key_group::{GROUP_KEYS, KeyGroup};
use crate::release;

/// The beginning of the names of this library's own variables.
const INTERNAL: &str = "framewise.";

/// An immutable set of bindings of variables to values: a snapshot that can be held, sent and
/// entered.
///
/// The **current** frame is the one under which this thread runs now; [`Frame::current`] returns
/// it. The **root** frame has no bindings. It is a null pointer: holding or entering it costs
/// nothing. A frame has the size of a pointer, and cloning it increments a count.
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
// and `Sync`, and any thread may drop the last reference (rule 8).
unsafe impl Send for Frame {}

// SAFETY: like `Send`; through a shared reference a frame can be read, entered and cloned.
unsafe impl Sync for Frame {}

// Values are only reached by shared reference, and a panic in a value's `Drop` leaves no frame half
// destroyed. Whether a value itself is usable after a panic depends on its type, like with a
// static.
impl std::panic::UnwindSafe for Frame {}
impl std::panic::RefUnwindSafe for Frame {}

impl Frame {
    /// Returns the frame without bindings.
    #[inline]
    pub const fn root() -> Frame {
        Frame(ptr::null())
    }

    /// Takes a snapshot of the current frame.
    ///
    /// At the root this allocates nothing and changes no count.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, Frame};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let frame = REQUEST_ID.run(7, Frame::current);
    /// assert_eq!(frame.run(|| REQUEST_ID.get()), Some(7));
    /// assert!(Frame::current().is_root());
    /// ```
    #[inline]
    pub fn current() -> Frame {
        // SAFETY: (rule 4) the current frame is alive.
        unsafe { Frame::borrowed(current::get()) }
    }

    /// Returns `true` if this frame has no bindings.
    #[inline]
    pub const fn is_root(&self) -> bool {
        self.0.is_null()
    }

    /// Returns the id of this frame, which is unique in this process.
    #[inline]
    pub fn id(&self) -> FrameId {
        // SAFETY: (rule 3) we hold it.
        unsafe { id_of(self.0) }
    }

    /// Returns the id of the frame from which this one was derived; `None` for the root.
    ///
    /// Only the id: a frame does not keep its parent alive.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, Frame, FrameId};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let outer = REQUEST_ID.run(7, Frame::current);
    /// let inner = outer.run(|| REQUEST_ID.run(8, Frame::current));
    /// assert_eq!(inner.parent_id(), Some(outer.id()));
    /// assert_eq!(outer.parent_id(), Some(FrameId::ROOT));
    /// assert_eq!(Frame::root().parent_id(), None);
    /// ```
    #[inline]
    pub fn parent_id(&self) -> Option<FrameId> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: (rule 3) we hold it.
        Some(FrameId(unsafe { (*self.0).parent }))
    }

    /// Returns the frame for a spawned task: this frame without the variables that are declared
    /// [`not_inherited`](crate::ContextVar::not_inherited), and with what others
    /// [decide](crate::ContextVar::inherit_with) to hand over. The root, if this frame is
    /// [without flow](Self::without_flow).
    ///
    /// It is a clone of this frame if no such variable is bound.
    ///
    /// # Panics
    ///
    /// Panics if a function of [`inherit_with`](crate::ContextVar::inherit_with) does.
    ///
    /// # Frame
    ///
    /// Such functions run in this frame.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, Frame, bind};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    /// static LOCK: ContextVar<u64> = ContextVar::new("lock").not_inherited();
    ///
    /// bind(&REQUEST_ID, 7).and(&LOCK, 1).run(|| {
    ///     let inherited = Frame::current().inherited();
    ///     assert_eq!(inherited.run(|| (REQUEST_ID.get(), LOCK.get())), (Some(7), None));
    /// });
    /// ```
    #[inline]
    pub fn inherited(&self) -> Frame {
        if self.0.is_null() {
            return Frame::root();
        }
        // SAFETY: (rule 3) we hold it.
        let strip = unsafe { (*self.0).group.not_inherited != 0 || (*self.0).tables != 0 };
        if strip { self.strip() } else { self.clone() }
    }

    /// Runs `body` with this frame as the current one, and restores the previous frame afterwards,
    /// also if `body` panics.
    ///
    /// The frame is borrowed: no count changes and nothing is allocated.
    ///
    /// A stackful coroutine must not be switched out inside `body`: its frame would stay current on
    /// the thread. The same is true of everything that is scoped to a stack.
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

    /// Returns the names of the bound variables, in the order in which the program first bound each
    /// variable.
    ///
    /// Names that begin with `framewise.` are left out: they are this library's own.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, Frame, bind};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    /// static TENANT: ContextVar<&str> = ContextVar::new("tenant");
    ///
    /// let frame = bind(&REQUEST_ID, 7).and(&TENANT, "acme").frame();
    /// assert_eq!(frame.names(), ["request_id", "tenant"]);
    /// assert!(Frame::root().names().is_empty());
    /// ```
    pub fn names(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        self.each_group(|number, group| {
            let bound = (0..GROUP_KEYS).filter(|bit| group.present >> bit & 1 == 1);
            let bound = bound.map(|bit| key::name(number * GROUP_KEYS + bit));
            names.extend(bound.filter(|name| !name.starts_with(INTERNAL)));
        });
        names
    }

    /// Runs one poll of a task: like [`run`](Self::run), with a full [budget](crate::coop).
    ///
    /// The budget is not restored, which saves a store in each poll: the remaining budget stays
    /// with the thread until the next poll sets it. A caller that runs inside a poll of another
    /// task, or on a thread that does not belong to the executor, must call this inside
    /// [`with_budget`](crate::coop::with_budget).
    ///
    /// Mirrored variables are not announced: see `Frame::announce`.
    #[doc(hidden)]
    #[inline]
    pub fn run_poll<R>(&self, body: impl FnOnce() -> R) -> R {
        // SAFETY: (rule 4) `self` is borrowed until this returns, so the frame stays held.
        unsafe { current::enter_with_budget(self.0, body) }
    }

    /// Makes a frame of its own from the current frame's pointer.
    ///
    /// # Safety
    ///
    /// `block` is null or alive.
    #[inline]
    pub(crate) unsafe fn borrowed(block: *const Block) -> Frame {
        // SAFETY: the caller's promise; `frame` owns no reference, so it is not dropped.
        let frame = ManuallyDrop::new(unsafe { Frame::from_raw(block) });
        Frame::clone(&frame)
    }

    /// Makes a frame from a pointer and one reference to it.
    ///
    /// # Safety
    ///
    /// `block` is null, or a frame of which the caller gives up one reference.
    #[inline]
    pub(crate) unsafe fn from_raw(block: *const Block) -> Frame {
        Frame(block)
    }

    /// Returns the pointer with its reference, for [`from_raw`](Self::from_raw).
    #[inline]
    pub(crate) fn into_raw(self) -> *const Block {
        ManuallyDrop::new(self).0
    }

    /// Returns the pointer, which is valid as long as `self`.
    #[inline(always)]
    pub(crate) fn as_raw(&self) -> *const Block {
        self.0
    }

    /// Returns `true` if no variable is bound, also if this frame is not the root.
    pub(crate) fn has_no_bindings(&self) -> bool {
        let mut present = 0;
        self.each_group(|_, group| present |= group.present);
        present == 0
    }

    /// Calls `visit` with each group and its number.
    pub(crate) fn each_group(&self, mut visit: impl FnMut(u32, &KeyGroup)) {
        if self.0.is_null() {
            return;
        }
        // SAFETY: (rule 3) we hold the frame, so its tables are alive too.
        unsafe {
            for number in 0..=u32::from((*self.0).tables) {
                let group = Block::group_of(self.0, number);
                if !group.is_null() {
                    visit(number, &*group);
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
                (*self.0).lifetime.read();
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
            // SAFETY: (rule 3) this is our reference, released once.
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

/// Shows the id and the names of the bound variables, but not their values: a value need not be
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
        f.debug_struct("Frame")
            .field("id", &self.id())
            .field("bindings", &self.names())
            .finish()
    }
}

/// The id of a frame, unique in this process. The root's is 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(u64);

impl FrameId {
    /// The root frame's id.
    pub const ROOT: FrameId = FrameId(0);

    /// Returns the number itself.
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

/// Returns the id of a frame that may be the root.
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
