//! Bindings to be made: `bind(..).and(..)`, all of them in one new frame.

use std::fmt;

use crate::ContextVar;
use crate::Frame;
use crate::block::is_inline;
use crate::current;
use crate::derive;
use crate::frame_stats::BindLocation;
use crate::key;
use crate::key_group::GROUP_KEYS;
use crate::new_bindings::{Masks, NewBindings};
use crate::role::Marks;
use crate::scope::Scope;
use crate::writer::{Area, Writer};

/// Starts a list of bindings, which make one frame with one allocation.
///
/// # Examples
///
/// ```
/// use framewise_context::{ContextVar, bind};
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
/// static TENANT: ContextVar<String> = ContextVar::new("tenant");
///
/// bind(&REQUEST_ID, 7).and(&TENANT, "ada".to_owned()).run(|| {
///     assert_eq!(REQUEST_ID.get(), Some(7));
///     assert_eq!(TENANT.get().as_deref(), Some("ada"));
/// });
/// ```
#[inline]
pub fn bind<T: Send + Sync + 'static>(var: &'static ContextVar<T>, value: T) -> Bindings<Bound<T>> {
    Bindings {
        list: Bound::new(var, value),
    }
}

/// Variables and values that are not bound yet, and variables that are not unbound yet. Made by
/// [`bind`] and [`without`](crate::without).
#[must_use = "nothing is bound until `run` is called or the scope is polled"]
pub struct Bindings<L> {
    pub(crate) list: L,
}

impl<L: BindingList> Bindings<L> {
    /// Adds another binding. If the list already has the variable, the later value wins.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, bind};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let bindings = bind(&REQUEST_ID, 7).and(&REQUEST_ID, 8);
    /// assert_eq!(bindings.run(|| REQUEST_ID.get()), Some(8));
    /// ```
    #[inline]
    pub fn and<T: Send + Sync + 'static>(
        self,
        var: &'static ContextVar<T>,
        value: T,
    ) -> Bindings<(L, Bound<T>)> {
        Bindings {
            list: (self.list, Bound::new(var, value)),
        }
    }

    /// Runs `body` under these bindings, and restores the previous frame afterwards, also if `body`
    /// panics.
    #[inline]
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn run<R>(self, body: impl FnOnce() -> R) -> R {
        let frame = derive_current(self.list, BindLocation::here());
        frame.run(body)
    }

    /// Returns the current frame with these bindings.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, bind};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let frame = bind(&REQUEST_ID, 7).frame();
    /// assert_eq!(REQUEST_ID.get(), None);
    /// assert_eq!(frame.run(|| REQUEST_ID.get()), Some(7));
    /// ```
    #[inline]
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn frame(self) -> Frame {
        derive_current(self.list, BindLocation::here())
    }

    /// Wraps a future so that it is polled and dropped under these bindings; see [`Scope`].
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, bind};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    /// static TENANT: ContextVar<&str> = ContextVar::new("tenant");
    ///
    /// let work = async { (REQUEST_ID.get(), TENANT.get()) };
    /// let work = bind(&REQUEST_ID, 7).and(&TENANT, "acme").scope(work);
    /// assert_eq!(futures::executor::block_on(work), (Some(7), Some("acme")));
    /// ```
    #[inline]
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn scope<F: Future>(self, future: F) -> Scope<F, L> {
        Scope::new(self.list, future, BindLocation::here())
    }

    /// Wraps a stream so that it is polled and dropped under these bindings; see [`Scope`].
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, bind};
    /// use futures::{StreamExt, stream};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let rows = stream::iter(0..2).map(|row| (row, REQUEST_ID.get()));
    /// let mut rows = bind(&REQUEST_ID, 7).scope_stream(rows);
    /// futures::executor::block_on(async {
    ///     assert_eq!(rows.next().await, Some((0, Some(7))));
    ///     assert_eq!(REQUEST_ID.get(), None); // the consumer
    /// });
    /// ```
    #[inline]
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn scope_stream<S: futures_core::Stream>(self, stream: S) -> Scope<S, L> {
        Scope::new(self.list, stream, BindLocation::here())
    }
}

impl<L> fmt::Debug for Bindings<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bindings").finish_non_exhaustive()
    }
}

/// Returns the current frame with these bindings.
#[inline]
pub(crate) fn derive_current<L: BindingList>(list: L, bind_location: BindLocation) -> Frame {
    // SAFETY: (rule 4) the current frame is alive.
    let (frame, replaced) = unsafe { derive::derive(current::get(), false, list, bind_location) };
    drop(replaced);
    if L::REMOVES && frame.has_no_bindings() {
        return Frame::root();
    }
    frame
}

/// Returns the current frame with one binding.
///
/// Never inlined, so that variable and value are passed in registers: a list in memory is written
/// word by word and read back in pairs, for which the processor has to wait.
#[inline(never)]
pub(crate) fn bind_one<T: Send + Sync + 'static>(
    var: &'static ContextVar<T>,
    value: T,
    bind_location: BindLocation,
) -> Frame {
    derive_current(Bound::new(var, value), bind_location)
}

/// The type that [`bind`], [`without`](crate::without) and the methods of [`Bindings`] build: a
/// [`Bound`] or an [`Unbound`](crate::Unbound), or a pair of a list and one of them.
///
/// The trait is sealed.
pub trait BindingList: NewBindings {}

impl<T: Send + Sync + 'static> BindingList for Bound<T> {}
impl<L: BindingList, T: Send + Sync + 'static> BindingList for (L, Bound<T>) {}

/// A variable and a value for it.
pub struct Bound<T: Send + Sync + 'static> {
    var: &'static ContextVar<T>,
    value: T,
    key: u32,
}

impl<T: Send + Sync + 'static> Bound<T> {
    #[inline]
    pub(crate) fn new(var: &'static ContextVar<T>, value: T) -> Self {
        Self {
            var,
            value,
            key: key::index(&var.key, var.name()),
        }
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Bound<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("var", &self.var.name())
            .finish_non_exhaustive()
    }
}

// SAFETY: the one key is put, with a value of its variable's type, and its cell is added.
unsafe impl<T: Send + Sync + 'static> NewBindings for Bound<T> {
    const REMOVES: bool = false;

    type Replaced = Option<T>;

    #[inline(always)]
    fn tables(&self) -> u32 {
        self.key / GROUP_KEYS
    }

    #[inline(always)]
    fn marks(&self) -> Marks {
        self.var.role.marks
    }

    #[cold]
    fn enlist(&self) {
        self.var.enlist(self.key);
    }

    #[inline(always)]
    fn masks(&self, number: u32) -> Masks {
        if self.key / GROUP_KEYS != number {
            return Masks::default();
        }
        let own = 1 << (self.key % GROUP_KEYS);
        Masks {
            own,
            inline: if is_inline::<T>() { own } else { 0 },
            not_inherited: if self.var.inherited { 0 } else { own },
            removed: 0,
        }
    }

    #[inline(always)]
    fn cells(&self, area: Area) -> Area {
        if is_inline::<T>() {
            area
        } else {
            area.with_cell::<T>().0
        }
    }

    #[inline(always)]
    unsafe fn fill(self, writer: &mut Writer) -> Option<T> {
        // SAFETY: `self.key` is the variable's, and the plan was made from `masks`.
        unsafe { writer.put(self.key, self.value) }
    }
}

// SAFETY: `cells` and `fill` both process the last binding first, so that it wins over an earlier
// one of the same variable, and then the list.
unsafe impl<L: NewBindings, T: Send + Sync + 'static> NewBindings for (L, Bound<T>) {
    const REMOVES: bool = L::REMOVES;

    type Replaced = (Option<T>, L::Replaced);

    #[inline(always)]
    fn tables(&self) -> u32 {
        self.0.tables().max(self.1.tables())
    }

    #[inline(always)]
    fn marks(&self) -> Marks {
        self.0.marks() | self.1.marks()
    }

    #[cold]
    fn enlist(&self) {
        self.0.enlist();
        self.1.enlist();
    }

    #[inline(always)]
    fn masks(&self, number: u32) -> Masks {
        self.0.masks(number).then(self.1.masks(number))
    }

    #[inline(always)]
    fn cells(&self, area: Area) -> Area {
        self.0.cells(self.1.cells(area))
    }

    #[inline(always)]
    unsafe fn fill(self, writer: &mut Writer) -> Self::Replaced {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let last = self.1.fill(writer);
            (last, self.0.fill(writer))
        }
    }
}
