//! `ContextVar`: a typed key; reading it and binding it.

use std::fmt;
use std::marker::PhantomData;
use std::ptr;

use crate::Frame;
use crate::bind::{bind, bind_one};
use crate::block::{Block, is_inline};
use crate::current;
use crate::frame_stats::BindLocation;
use crate::key::Key;
use crate::role::Role;
use crate::scope::Scope;

/// A variable whose value is visible to all work that a binding starts.
///
/// Declare it as a static. Bind it for a closure with [`run`](Self::run) or for a future with
/// [`scope`](Self::scope); read it with [`get`](Self::get) or [`with`](Self::with).
///
/// Two variables are different even if they have the same name and type. One that always has a
/// value is a [`DefaultVar`](crate::DefaultVar).
///
/// # Examples
///
/// ```
/// use framewise_context::ContextVar;
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// fn log(message: &str) -> String {
///     REQUEST_ID.with(|id| format!("[{id:?}] {message}"))
/// }
/// assert_eq!(REQUEST_ID.run(7, || log("paid")), "[Some(7)] paid");
/// assert_eq!(log("idle"), "[None] idle");
/// ```
///
/// A variable is invariant in its type. Otherwise a value could be bound at a less general type and
/// read at a more general one:
///
/// ```compile_fail
/// # use framewise_context::ContextVar;
/// static CALL: ContextVar<for<'a> fn(&'a str)> = ContextVar::new("call");
/// let less_able: &'static ContextVar<fn(&'static str)> = &CALL;
/// ```
pub struct ContextVar<T: Send + Sync + 'static> {
    pub(crate) key: Key,
    name: &'static str,
    pub(crate) inherited: bool,
    pub(crate) role: Role<T>,
    /// Invariant in `T` (rule 1 of [`block`](crate::block)): with variance, a variable could be
    /// bound as one type and read as its subtype or supertype.
    exact: PhantomData<fn(T) -> T>,
}

impl<T: Send + Sync + 'static> ContextVar<T> {
    /// Declares a variable. The name is for humans: it is shown when a frame is printed.
    pub const fn new(name: &'static str) -> Self {
        Self {
            key: Key::new(),
            name,
            inherited: true,
            role: Role::none(),
            exact: PhantomData,
        }
    }

    /// Makes the variable absent in spawned tasks: for values that two tasks must not use at once,
    /// such as a transaction or a lock token.
    ///
    /// It stays present in the task itself, across its awaits, and in snapshots. A spawned task
    /// gets [`Frame::inherited`](crate::Frame::inherited).
    ///
    /// ```
    /// # use framewise_context::{ContextVar, Frame};
    /// static TRANSACTION: ContextVar<u64> = ContextVar::new("transaction").not_inherited();
    /// TRANSACTION.run(1, || {
    ///     assert_eq!(Frame::current().run(|| TRANSACTION.get()), Some(1));
    ///     assert_eq!(Frame::current().inherited().run(|| TRANSACTION.get()), None);
    /// });
    /// ```
    pub const fn not_inherited(mut self) -> Self {
        self.inherited = false;
        self.role.on_spawn = None;
        self
    }

    /// Sets the function that decides what a spawned task gets: the value that it returns, or
    /// nothing. It replaces [`not_inherited`](Self::not_inherited).
    ///
    /// It is called for each task once, when the task is spawned, with the spawner's value and in
    /// the spawner's frame: by [`Frame::inherited`](crate::Frame::inherited). What it drops, the
    /// task's own tasks do not get either; what it returns goes through it again for them.
    /// Snapshots have the value as it is.
    ///
    /// If it panics, the spawn panics, and nothing is spawned.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, Frame};
    /// /// How deep tasks may be nested.
    /// static DEPTH_LEFT: ContextVar<u32> =
    ///     ContextVar::new("depth_left").inherit_with(|left| left.checked_sub(1));
    ///
    /// // What a spawn does:
    /// fn in_task<R>(task: impl FnOnce() -> R) -> R {
    ///     Frame::current().inherited().run(task)
    /// }
    /// DEPTH_LEFT.run(1, || {
    ///     assert_eq!(in_task(|| DEPTH_LEFT.get()), Some(0));
    ///     assert_eq!(in_task(|| in_task(|| DEPTH_LEFT.get())), None);
    ///     assert_eq!(DEPTH_LEFT.get(), Some(1));
    /// });
    /// ```
    pub const fn inherit_with(mut self, on_spawn: fn(&T) -> Option<T>) -> Self {
        self.set_inherit_with(on_spawn);
        self
    }

    pub(crate) const fn set_inherit_with(&mut self, on_spawn: fn(&T) -> Option<T>) {
        // Frames then take the path on which the function is found.
        self.inherited = false;
        self.role.set_on_spawn(on_spawn);
    }

    /// Sets callbacks for code that knows no frames but has a thread-local of its own: a tracing
    /// library's context, a C library's, a logger's. Where the value that is current on a thread
    /// changes, because a poll, a scope, a closure or a callback begins or ends there, `on_leave`
    /// is called with the old value and `on_enter` with the new one, so that the thread-local can
    /// follow.
    ///
    /// They are called in pairs on one thread, also when a panic unwinds. A task that continues on
    /// another thread leaves the first one when its poll ends there, before the other thread's poll
    /// can begin. Where the value stays the same they are not called. It is the same if it is the
    /// same binding, or, for integers, floats, `bool` and `char`, if it has the same bytes. With
    /// several mirrored variables, all values are left, the last variable's first, before the new
    /// ones are entered.
    ///
    /// A callback should be short. It cannot fail: a panic is caught, after the panic hook has
    /// printed it, and everything else goes on, the other callbacks included. While a callback
    /// runs, what it binds and enters itself calls no callbacks.
    ///
    /// A frame without a mirrored variable costs nothing more than before, as long as the program
    /// binds none at all; otherwise entering a frame has a few more instructions, but not a poll.
    ///
    /// # Frame
    ///
    /// `on_enter` runs in the frame that is entered, and `on_leave` in the one that is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::ContextVar;
    /// use std::cell::Cell;
    ///
    /// thread_local! {
    ///     /// Belongs to a library that knows no frames.
    ///     static LOGGED_ID: Cell<u64> = const { Cell::new(0) };
    /// }
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id")
    ///     .mirrored(|id| LOGGED_ID.set(*id), |_| LOGGED_ID.set(0));
    ///
    /// REQUEST_ID.run(7, || {
    ///     assert_eq!(LOGGED_ID.get(), 7);
    ///     REQUEST_ID.run(8, || assert_eq!(LOGGED_ID.get(), 8));
    ///     assert_eq!(LOGGED_ID.get(), 7);
    /// });
    /// assert_eq!(LOGGED_ID.get(), 0);
    /// ```
    pub const fn mirrored(mut self, on_enter: fn(&T), on_leave: fn(&T)) -> Self {
        self.role.set_on_change(on_enter, on_leave);
        self
    }

    /// Makes this the variable of the control, whose frames are [flagged](crate::control).
    pub(crate) const fn control(mut self) -> Self {
        self.role.set_control();
        self
    }

    /// Returns the name given in the declaration.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Calls `read` with the bound value, or with `None`.
    ///
    /// `read` may do anything, including binding this variable: the value that it was given stays.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::ContextVar;
    /// static TENANT: ContextVar<String> = ContextVar::new("tenant");
    ///
    /// // Without a clone of the string.
    /// let len = || TENANT.with(|tenant| tenant.map_or(0, |tenant| tenant.len()));
    /// assert_eq!(TENANT.run("acme".to_owned(), len), 4);
    /// assert_eq!(len(), 0);
    /// ```
    #[inline]
    pub fn with<R>(&'static self, read: impl FnOnce(Option<&T>) -> R) -> R {
        // SAFETY: (rule 4) the current frame is alive until the `run` that made it current returns,
        // which encloses this call; so is the value, which is a `T` (rule 1).
        read(unsafe { self.bound().as_ref() })
    }

    /// Returns the bound value, or `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::ContextVar;
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// assert_eq!(REQUEST_ID.get(), None);
    /// assert_eq!(REQUEST_ID.run(7, || REQUEST_ID.get()), Some(7));
    /// ```
    #[inline]
    pub fn get(&'static self) -> Option<T>
    where
        T: Clone,
    {
        self.with(|value| value.cloned())
    }

    /// Returns `true` if the current frame binds this variable.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::ContextVar;
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// assert!(!REQUEST_ID.is_bound());
    /// assert!(REQUEST_ID.run(7, || REQUEST_ID.is_bound()));
    /// ```
    #[inline]
    pub fn is_bound(&'static self) -> bool {
        !self.bound().is_null()
    }

    /// Like [`with`](Self::with), for a frame that need not be current.
    #[doc(hidden)]
    #[inline]
    pub fn with_in<R>(&'static self, frame: &Frame, read: impl FnOnce(Option<&T>) -> R) -> R {
        // SAFETY: (rule 3) the frame is borrowed until this returns, and its value is a `T`
        // (rule 1).
        read(unsafe { self.bound_in(frame.as_raw()).as_ref() })
    }

    /// Returns the value bound in the current frame, or null.
    #[inline(always)]
    pub(crate) fn bound(&self) -> *const T {
        // SAFETY: (rule 4) the current frame is alive.
        unsafe { self.bound_in(current::get()) }
    }

    /// Returns the value bound in `block`, or null.
    ///
    /// # Safety
    ///
    /// `block` is null or its frame is alive.
    #[inline(always)]
    unsafe fn bound_in(&self, block: *const Block) -> *const T {
        // SAFETY: the caller's promise.
        let slot = unsafe { Block::slot(block, self.key.peek()) };
        if is_inline::<T>() {
            slot.cast()
        } else if slot.is_null() {
            ptr::null()
        } else {
            // SAFETY: (rule 1) the slot of a key with such a type points to a cell.
            unsafe { (*slot).cell.cast() }
        }
    }

    /// Runs `body` with this variable bound to `value`, and restores the previous frame afterwards,
    /// also if `body` panics.
    ///
    /// The binding makes one frame, with one allocation. The value is dropped when this returns, or
    /// with the last snapshot that was taken inside.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::ContextVar;
    /// static LEVEL: ContextVar<u32> = ContextVar::new("level");
    ///
    /// LEVEL.run(1, || {
    ///     let inner = LEVEL.run(2, || LEVEL.get());
    ///     assert_eq!((inner, LEVEL.get()), (Some(2), Some(1)));
    /// });
    /// ```
    #[inline]
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn run<R>(&'static self, value: T, body: impl FnOnce() -> R) -> R {
        bind_one(self, value, BindLocation::here()).run(body)
    }

    /// Wraps a future so that it is polled and dropped with this variable bound to `value`.
    ///
    /// See [`Scope`] for the values of other variables.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::ContextVar;
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let reply = REQUEST_ID.scope(7, async { REQUEST_ID.get() });
    /// assert_eq!(futures::executor::block_on(reply), Some(7));
    /// ```
    #[inline]
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> Scope<F, crate::Bound<T>> {
        bind(self, value).scope(future)
    }

    /// Wraps a stream so that it is polled and dropped with this variable bound to `value`. Its
    /// consumer runs outside the binding.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::ContextVar;
    /// use futures::{StreamExt, stream};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let rows = stream::iter(0..2).map(|row| (row, REQUEST_ID.get()));
    /// let mut rows = REQUEST_ID.scope_stream(7, rows);
    /// futures::executor::block_on(async {
    ///     assert_eq!(rows.next().await, Some((0, Some(7))));
    ///     assert_eq!(REQUEST_ID.get(), None); // the consumer
    /// });
    /// ```
    #[inline]
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn scope_stream<S: futures_core::Stream>(
        &'static self,
        value: T,
        stream: S,
    ) -> Scope<S, crate::Bound<T>> {
        bind(self, value).scope_stream(stream)
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for ContextVar<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextVar")
            .field("name", &self.name)
            .field("inherited", &self.inherited)
            .finish_non_exhaustive()
    }
}
