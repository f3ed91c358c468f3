//! Unbinding: a frame without one of its parent's bindings (C-94).

use std::fmt;

use crate::ContextVar;
use crate::bind::{BindingList, Bindings};
use crate::frame_stats::BindLocation;
use crate::key;
use crate::key_group::GROUP_KEYS;
use crate::new_bindings::{Masks, NewBindings};
use crate::role::Marks;
use crate::scope::Scope;
use crate::writer::{Area, Writer};

/// Starts a list of bindings with a variable that is to have no value.
///
/// # Examples
///
/// ```
/// use framewise_context::{ContextVar, without};
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
/// static TENANT: ContextVar<&str> = ContextVar::new("tenant");
///
/// REQUEST_ID.run(7, || {
///     without(&REQUEST_ID).and(&TENANT, "acme").run(|| {
///         assert_eq!((REQUEST_ID.get(), TENANT.get()), (None, Some("acme")));
///     });
/// });
/// ```
#[inline]
pub fn without<T: Send + Sync + 'static>(var: &'static ContextVar<T>) -> Bindings<Unbound<T>> {
    Bindings {
        list: Unbound::new(var),
    }
}

impl<L: BindingList> Bindings<L> {
    /// Removes a variable: it has no value under these bindings, whatever is bound around them, or
    /// earlier in the list.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, bind};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    /// static TENANT: ContextVar<&str> = ContextVar::new("tenant");
    ///
    /// REQUEST_ID.run(7, || {
    ///     let frame = bind(&TENANT, "acme").without(&REQUEST_ID).frame();
    ///     assert_eq!(frame.names(), ["tenant"]);
    /// });
    /// ```
    #[inline]
    pub fn without<T: Send + Sync + 'static>(
        self,
        var: &'static ContextVar<T>,
    ) -> Bindings<(L, Unbound<T>)> {
        Bindings {
            list: (self.list, Unbound::new(var)),
        }
    }
}

impl<T: Send + Sync + 'static> ContextVar<T> {
    /// Runs `body` with this variable unbound, and restores the previous frame afterwards, also if
    /// `body` panics. A [`DefaultVar`](crate::DefaultVar) reads as its default inside.
    ///
    /// Where the variable is bound this makes one frame, with one allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::ContextVar;
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// REQUEST_ID.run(7, || {
    ///     assert_eq!(REQUEST_ID.run_unbound(|| REQUEST_ID.get()), None);
    ///     assert_eq!(REQUEST_ID.get(), Some(7));
    /// });
    /// ```
    #[inline]
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn run_unbound<R>(&'static self, body: impl FnOnce() -> R) -> R {
        if self.is_bound() {
            without(self).run(body)
        } else {
            body()
        }
    }

    /// Wraps a future so that it is polled and dropped with this variable unbound; see [`Scope`].
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::ContextVar;
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let request = REQUEST_ID.scope(7, async {
    ///     let unbound = REQUEST_ID.scope_unbound(async { REQUEST_ID.get() }).await;
    ///     (unbound, REQUEST_ID.get())
    /// });
    /// assert_eq!(futures::executor::block_on(request), (None, Some(7)));
    /// ```
    #[inline]
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn scope_unbound<F: Future>(&'static self, future: F) -> Scope<F, Unbound<T>> {
        Scope::new(Unbound::new(self), future, BindLocation::here())
    }
}

/// A variable that is to have no value. Made by [`without`] and [`Bindings::without`].
pub struct Unbound<T: Send + Sync + 'static> {
    var: &'static ContextVar<T>,
    key: u32,
}

impl<T: Send + Sync + 'static> Unbound<T> {
    #[inline]
    fn new(var: &'static ContextVar<T>) -> Self {
        Self {
            var,
            key: key::index(&var.key, var.name()),
        }
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Unbound<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unbound")
            .field("var", &self.var.name())
            .finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> BindingList for Unbound<T> {}
impl<L: BindingList, T: Send + Sync + 'static> BindingList for (L, Unbound<T>) {}

// SAFETY: nothing is put, and the one key is removed.
unsafe impl<T: Send + Sync + 'static> NewBindings for Unbound<T> {
    const REMOVES: bool = true;

    type Replaced = ();

    #[inline]
    fn tables(&self) -> u32 {
        self.key / GROUP_KEYS
    }

    #[inline]
    fn marks(&self) -> Marks {
        Marks::NONE
    }

    fn enlist(&self) {}

    #[inline]
    fn masks(&self, number: u32) -> Masks {
        let is_here = self.key / GROUP_KEYS == number;
        Masks {
            removed: u64::from(is_here) << (self.key % GROUP_KEYS),
            ..Masks::default()
        }
    }

    #[inline]
    fn cells(&self, area: Area) -> Area {
        area
    }

    #[inline]
    unsafe fn fill(self, writer: &mut Writer) {
        // SAFETY: `self.key` is the variable's, and the plan was made from `masks`.
        unsafe { writer.remove(self.key) }
    }
}

// SAFETY: `fill` processes the removal first, so that an earlier binding of the same variable is
// not put. The plan may then have more cells than are made, which is sound.
unsafe impl<L: NewBindings, T: Send + Sync + 'static> NewBindings for (L, Unbound<T>) {
    const REMOVES: bool = true;

    type Replaced = L::Replaced;

    #[inline]
    fn tables(&self) -> u32 {
        self.0.tables().max(self.1.tables())
    }

    #[inline]
    fn marks(&self) -> Marks {
        self.0.marks()
    }

    #[cold]
    fn enlist(&self) {
        self.0.enlist();
    }

    #[inline]
    fn masks(&self, number: u32) -> Masks {
        self.0.masks(number).then(self.1.masks(number))
    }

    #[inline]
    fn cells(&self, area: Area) -> Area {
        self.0.cells(area)
    }

    #[inline]
    unsafe fn fill(self, writer: &mut Writer) -> L::Replaced {
        // SAFETY: the caller's promise, for both.
        unsafe {
            self.1.fill(writer);
            self.0.fill(writer)
        }
    }
}
