//! The hooks of a runtime, and how one is called.
//!
//! A hook is user code that runs in the task's frame, as the task's code, with no lock held. When
//! each is called is decided in `extension.rs`.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use framewise_context::{Frame, catch_unwind_of, coop};
use framewise_sync::cell::Cell;

use crate::panics::{PanicHook, report_unhandled};
use crate::task::catch::catch_and_discard;
use crate::task::header::TaskRef;
use crate::task::{Id, JoinError};

/// A hook of the user's.
pub(crate) type TaskHook = Arc<dyn Fn(&TaskMeta<'_>, &Frame) + Send + Sync>;

/// The hooks of a runtime.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) spawn: Option<TaskHook>,
    pub(crate) before_poll: Option<TaskHook>,
    pub(crate) after_poll: Option<TaskHook>,
    pub(crate) complete: Option<TaskHook>,
    pub(crate) drop: Option<TaskHook>,
}

impl Hooks {
    /// Returns `true` if no hook is set.
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            spawn,
            before_poll,
            after_poll,
            complete,
            drop,
        } = self;
        [spawn, before_poll, after_poll, complete, drop]
            .iter()
            .all(|hook| hook.is_none())
    }

    /// Returns `true` if a hook is set that has to do with polls: one is called around them, or
    /// only where a poll has ended the task.
    pub(super) fn are_of_polls(&self) -> bool {
        [&self.before_poll, &self.after_poll, &self.complete]
            .iter()
            .any(|hook| hook.is_some())
    }
}

/// What a hook of a runtime gets to know about a task; see
/// [`Builder::on_task_spawn`](crate::runtime::Builder::on_task_spawn).
#[derive(Clone, Copy)]
pub struct TaskMeta<'a> {
    id: Id,
    parent: Option<Id>,
    name: Option<&'a str>,
    spawned_at: &'static Location<'static>,
    is_blocking: bool,
}

impl<'a> TaskMeta<'a> {
    pub(super) fn new(
        id: Id,
        parent: Option<Id>,
        name: Option<&'a str>,
        spawned_at: &'static Location<'static>,
        is_blocking: bool,
    ) -> Self {
        Self {
            id,
            parent,
            name,
            spawned_at,
            is_blocking,
        }
    }

    /// Returns the task's id: the one of its [`JoinHandle`](crate::JoinHandle::id).
    pub fn id(&self) -> Id {
        self.id
    }

    /// Returns the id of the task whose code spawned this one: what
    /// [`task::try_id`](crate::task::try_id) returned there. `None` if it was spawned outside of
    /// every task.
    ///
    /// That task may have ended, and a later one may then have its id.
    pub fn parent_id(&self) -> Option<Id> {
        self.parent
    }

    /// Returns the name that [`task::Builder`](crate::task::Builder) gave the task.
    pub fn name(&self) -> Option<&'a str> {
        self.name
    }

    /// Returns where the code called the function that spawned the task.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// Returns `true` for a call on the blocking pool, which is polled once.
    pub fn is_blocking(&self) -> bool {
        self.is_blocking
    }
}

impl fmt::Debug for TaskMeta<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskMeta")
            .field("id", &self.id)
            .field("parent_id", &self.parent)
            .field("name", &self.name)
            .field("spawned_at", &self.spawned_at)
            .field("is_blocking", &self.is_blocking)
            .finish()
    }
}

framewise_sync::thread_local! {
    /// `true` while this thread runs a hook, or reports the panic of one. What is spawned then
    /// calls no hook.
    static IN_HOOK: Cell<bool> = const { Cell::new(false) };
}

/// Returns `true` if this thread runs a hook.
pub(super) fn is_in_hook() -> bool {
    IN_HOOK.with(Cell::get)
}

/// Calls `hook` in the task's frame, as code of the task. A panic of the hook is reported and goes
/// no further.
///
/// The report is code of the hook, too: a handler that answers each panic by a task, under itself,
/// would otherwise be called without end for a hook that always panics.
///
/// # Safety
///
/// The caller is the task's holder or runs it, and the task's frame is still there.
pub(super) unsafe fn call(
    hook: &TaskHook,
    meta: &TaskMeta<'_>,
    task: TaskRef,
    unhandled_panic: Option<&PanicHook>,
) {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            IN_HOOK.with(|in_hook| in_hook.set(self.0));
        }
    }

    let _restore = Restore(IN_HOOK.with(|in_hook| in_hook.replace(true)));
    coop::with_unconstrained(|| {
        // SAFETY: by the contract; the task is alive until this returns.
        let (frame, owner) = (unsafe { task.frame() }, task.owner_address());
        // SAFETY: as above.
        let called = frame.run(|| unsafe { catch_unwind_of(owner, || hook(meta, frame)) });
        if let Err(panic) = called {
            catch_and_discard(|| {
                let error = JoinError::caught(panic);
                let _handled = report_unhandled(unhandled_panic, &error);
            });
        }
    });
}
