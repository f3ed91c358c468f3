//! What a spawned task gets: everything, except what is declared not to be inherited, what a
//! variable decides ([`ContextVar::inherit_with`]), and nothing at all without flow.
//!
//! Frames without such a variable are cloned ([`Frame::inherited`]); all others take the path here.

use crate::bind::Bound;
use crate::block::{Block, is_inline};
use crate::derive;
use crate::frame_stats::BindLocation;
use crate::new_bindings::{Masks, NewBindings, NoBindings};
use crate::role::Marks;
use crate::scope::Scope;
use crate::statics::list::List;
use crate::writer::{Area, Writer};
use crate::{ContextVar, Frame, bind};

/// Bound where spawned tasks get nothing.
static NO_FLOW: ContextVar<bool> = ContextVar::new("framewise.no_flow").not_inherited();

/// The variables that decide.
static DECIDING: List<Deciding> = List::new();

struct Deciding {
    key: u32,
    var: &'static dyn Decide,
}

/// A variable that decides what a task gets.
trait Decide: Sync {
    /// Returns the binding for the task, if there is to be one.
    ///
    /// # Safety
    ///
    /// `block` is a live frame's, and binds the variable with this key.
    unsafe fn decide(&'static self, block: *const Block, key: u32) -> Option<Box<dyn HandedOver>>;
}

impl<T: Send + Sync + 'static> Decide for ContextVar<T> {
    unsafe fn decide(&'static self, block: *const Block, key: u32) -> Option<Box<dyn HandedOver>> {
        let decide = self.role.on_spawn?;
        // SAFETY: the caller's promise; rule 1 for the type.
        let value = unsafe {
            let slot = Block::slot(block, key);
            if is_inline::<T>() {
                &*slot.cast::<T>()
            } else {
                &*(*slot).cell.cast::<T>()
            }
        };
        Some(Box::new(Bound::new(self, decide(value)?)))
    }
}

/// Puts a variable that decides into the list.
pub(crate) fn enlist<T: Send + Sync + 'static>(var: &'static ContextVar<T>, key: u32) {
    DECIDING.append(Deciding { key, var }, |one, other| one.key == other.key);
}

/// A [`Bound`] of any type. It forwards to [`NewBindings`].
trait HandedOver {
    fn tables(&self) -> u32;
    fn marks(&self) -> Marks;
    fn enlist(&self);
    fn masks(&self, number: u32) -> Masks;
    fn cells(&self, area: Area) -> Area;

    /// # Safety
    ///
    /// See [`NewBindings::fill`].
    unsafe fn fill(self: Box<Self>, writer: &mut Writer);
}

impl<T: Send + Sync + 'static> HandedOver for Bound<T> {
    fn tables(&self) -> u32 {
        NewBindings::tables(self)
    }

    fn marks(&self) -> Marks {
        NewBindings::marks(self)
    }

    fn enlist(&self) {
        NewBindings::enlist(self);
    }

    fn masks(&self, number: u32) -> Masks {
        NewBindings::masks(self, number)
    }

    fn cells(&self, area: Area) -> Area {
        NewBindings::cells(self, area)
    }

    unsafe fn fill(self: Box<Self>, writer: &mut Writer) {
        // SAFETY: the caller's promise.
        let replaced = unsafe { NewBindings::fill(*self, writer) };
        debug_assert!(replaced.is_none(), "each variable decides once");
    }
}

/// Everything that the variables handed over.
struct AllHandedOver(Vec<Box<dyn HandedOver>>);

// SAFETY: each of them is sound, and their keys differ.
unsafe impl NewBindings for AllHandedOver {
    const REMOVES: bool = false;

    type Replaced = ();

    fn tables(&self) -> u32 {
        self.0.iter().map(|bound| bound.tables()).max().unwrap_or(0)
    }

    fn marks(&self) -> Marks {
        self.0
            .iter()
            .fold(Marks::NONE, |marks, bound| marks | bound.marks())
    }

    fn enlist(&self) {
        self.0.iter().for_each(|bound| bound.enlist());
    }

    fn masks(&self, number: u32) -> Masks {
        self.0.iter().fold(Masks::default(), |masks, bound| {
            masks.then(bound.masks(number))
        })
    }

    fn cells(&self, area: Area) -> Area {
        self.0.iter().fold(area, |area, bound| bound.cells(area))
    }

    unsafe fn fill(self, writer: &mut Writer) {
        for bound in self.0 {
            // SAFETY: the caller's promise, for each.
            unsafe { bound.fill(writer) }
        }
    }
}

impl Frame {
    /// The rest of [`inherited`](Self::inherited), for a frame with a variable that is not
    /// inherited as it is.
    #[cold]
    #[inline(never)]
    pub(crate) fn strip(&self) -> Frame {
        let (mut present, mut dropped) = (0, 0);
        self.each_group(|_, group| {
            present |= group.present & !group.not_inherited;
            dropped |= group.not_inherited;
        });
        if dropped == 0 {
            return self.clone();
        }
        if self.binds(&NO_FLOW) {
            return Frame::root();
        }
        let handed_over = self.decide();
        if present == 0 && handed_over.is_empty() {
            return Frame::root();
        }
        // SAFETY: (rule 3) we hold the parent.
        unsafe {
            let location = (*self.as_raw()).bind_location.inherited();
            if handed_over.is_empty() {
                derive::derive(self.as_raw(), true, NoBindings, location).0
            } else {
                derive::derive(self.as_raw(), true, AllHandedOver(handed_over), location).0
            }
        }
    }

    /// Asks the variables that decide, in this frame.
    fn decide(&self) -> Vec<Box<dyn HandedOver>> {
        let block = self.as_raw();
        // SAFETY: (rule 3) we hold the frame.
        let is_bound =
            |deciding: &&Deciding| unsafe { !Block::slot(block, deciding.key).is_null() };
        let mut deciding = DECIDING.iter().filter(is_bound).peekable();
        if deciding.peek().is_none() {
            return Vec::new();
        }
        self.run(|| {
            deciding
                // SAFETY: as above; only variables that are bound are asked.
                .filter_map(|deciding| unsafe { deciding.var.decide(block, deciding.key) })
                .collect()
        })
    }

    /// Returns `true` if this frame binds `var`.
    fn binds<T: Send + Sync + 'static>(&self, var: &'static ContextVar<T>) -> bool {
        // SAFETY: (rule 3) we hold the frame.
        unsafe { !Block::slot(self.as_raw(), var.key.peek()).is_null() }
    }

    /// Runs `body` so that nothing which is spawned inside inherits: tasks and blocking calls start
    /// at the root, also those that other crates spawn. The code itself keeps the values of its
    /// frame, and may bind others.
    ///
    /// For calls that may start what serves many requests, such as a pool's first connection.
    ///
    /// Everything that asks for [`inherited`](Self::inherited) gets the root, also in a snapshot
    /// that is taken inside. Timers, callbacks and snapshots themselves have the whole frame, as
    /// everywhere.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, Frame};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// REQUEST_ID.run(7, || {
    ///     Frame::without_flow(|| {
    ///         assert_eq!(REQUEST_ID.get(), Some(7));
    ///         // What a spawn does:
    ///         assert!(Frame::current().inherited().is_root());
    ///     });
    ///     assert!(!Frame::current().inherited().is_root());
    /// });
    /// ```
    #[inline]
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn without_flow<R>(body: impl FnOnce() -> R) -> R {
        NO_FLOW.run(true, body)
    }

    /// Wraps a future so that nothing which is spawned in its polls inherits; see
    /// [`without_flow`](Self::without_flow).
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, Frame};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// let request = Frame::scope_without_flow(async {
    ///     (REQUEST_ID.get(), Frame::current().inherited().is_root())
    /// });
    /// let seen = futures::executor::block_on(REQUEST_ID.scope(7, request));
    /// assert_eq!(seen, (Some(7), true));
    /// ```
    #[inline]
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn scope_without_flow<F: Future>(future: F) -> Scope<F, Bound<bool>> {
        Scope::new(bind(&NO_FLOW, true).list, future, BindLocation::here())
    }
}
