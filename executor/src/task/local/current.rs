//! The set that is being polled on a thread, or that it has entered, and spawning onto it.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::ptr;

use framewise_context::Frame;
use framewise_sync::Arc;
use framewise_sync::current::CurrentGuard;

use super::shared::{LocalShared, spawn_in};
use crate::runtime::enter;
use crate::scheduler::spawner::Spawner;
use crate::task::JoinHandle;
use crate::task::label::Label;
use crate::task::large::boxed_if_large;

framewise_sync::thread_local! {
    /// The set that is being polled on this thread.
    static CURRENT: Cell<*const LocalShared> = const { Cell::new(ptr::null()) };
}

framewise_sync::current_handle! {
    /// The set that a guard of `LocalSet::enter` keeps current.
    static ENTERED: EnteredSet;
}

#[derive(Clone)]
struct EnteredSet {
    set: Arc<LocalShared>,
    /// The set that the thread was polling when it entered this one; compared, never read through.
    within: *const LocalShared,
}

/// Returns the set that is being polled on this thread, or null.
pub(crate) fn current_set() -> *const LocalShared {
    CURRENT.with(Cell::get)
}

/// Makes the set current again that was so before, also on unwind.
pub(crate) struct MadeCurrent(*const LocalShared);

impl MadeCurrent {
    /// Makes `set` current on this thread, or none if it is null.
    pub(crate) fn new(set: *const LocalShared) -> Self {
        Self(CURRENT.with(|current| current.replace(set)))
    }
}

impl Drop for MadeCurrent {
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.0));
    }
}

/// Keeps a set current on this thread; made by [`LocalSet::enter`](super::LocalSet::enter).
///
/// Drop guards in the reverse order of their making.
#[must_use = "the set is current only while the guard lives"]
pub struct LocalEnterGuard {
    _entered: CurrentGuard<EnteredSet>,
}

impl LocalEnterGuard {
    pub(super) fn new(set: &Arc<LocalShared>) -> Self {
        let entered = EnteredSet {
            set: Arc::clone(set),
            within: current_set(),
        };
        Self {
            _entered: ENTERED.enter(Some(entered)),
        }
    }
}

impl fmt::Debug for LocalEnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEnterGuard").finish_non_exhaustive()
    }
}

/// Spawns a task that need not be `Send`: onto the [`LocalSet`](super::LocalSet) that is running on
/// this thread or, outside of one, onto the [`LocalRuntime`](crate::runtime::LocalRuntime) that the
/// thread is in, or else onto the set that it has [entered](super::LocalSet::enter).
///
/// # Panics
///
/// Panics if there is none of these.
///
/// # Frame
///
/// See [`framewise::spawn`](crate::spawn).
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use framewise::task::{LocalSet, spawn_local};
///
/// let set = LocalSet::new();
/// framewise::block_on(set.run_until(async {
///     let shared = Rc::new(41);
///     let task = spawn_local(async move { *shared + 1 });
///     assert_eq!(task.await.ok(), Some(42));
/// }));
/// ```
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let spawner = LocalSpawner::current();
    boxed_if_large!(F, future => spawner.spawn(future, ()))
}

/// Where `spawn_local` spawns.
pub(in crate::task) enum LocalSpawner {
    Set(Arc<LocalShared>),
    /// A local runtime of this thread.
    Runtime(std::sync::Arc<Spawner>),
}

impl LocalSpawner {
    /// Returns where `spawn_local` spawns here.
    ///
    /// # Panics
    ///
    /// Panics if no local task can be spawned here.
    #[track_caller]
    pub(in crate::task) fn current() -> Self {
        Self::find().expect(
            "`spawn_local` called from outside of a `task::LocalSet` or `runtime::LocalRuntime`, or \
             off its thread: use LocalSet::run_until, or framewise::spawn for a future that is Send",
        )
    }

    fn find() -> Option<Self> {
        let polled = current_set();
        let entered = || {
            let entered = ENTERED.get()?;
            // An entered set counts where it was entered: outside of each poll of a set, or in that
            // one.
            ptr::eq(entered.within, polled).then_some(Self::Set(entered.set))
        };
        if polled.is_null() {
            let runtime = enter::current();
            let runtime = runtime.filter(|spawner| spawner.shared.flavor.is_local_here());
            return runtime.map(Self::Runtime).or_else(entered);
        }
        entered().or_else(|| {
            // SAFETY: the set is being polled further up on this thread's stack, so it is alive;
            // the count is raised for the Arc that is made here.
            let set = unsafe {
                Arc::increment_strong_count(polled);
                Arc::from_raw(polled)
            };
            Some(Self::Set(set))
        })
    }

    /// Spawns a task that carries the current frame.
    #[track_caller]
    pub(in crate::task) fn spawn<F>(self, future: F, label: impl Label) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.spawn_in(future, Frame::current().inherited(), label)
    }

    /// Spawns a task that carries `frame`.
    #[track_caller]
    pub(in crate::task) fn spawn_in<F>(
        self,
        future: F,
        frame: Frame,
        label: impl Label,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        match self {
            Self::Set(set) => spawn_in(&set, future, frame, label),
            // SAFETY: nothing is borrowed, and only this thread drives and ends the runtime (T6).
            Self::Runtime(spawner) => unsafe { spawner.spawn_borrowing(future, frame, label) },
        }
    }
}
