//! Who woke a task, and who spawned it: the record of both, and how the task reads it.
//!
//! A record holds ids and locations, so it retains nothing: neither a frame nor a task.

use std::panic::Location;

use framewise_context::{Frame, FrameId};
use framewise_sync::Mutex;

use crate::scheduler::worker;
use crate::task::{Id, current};

/// How many ancestors of a task are recorded.
const ANCESTORS_MAX: usize = 8;

/// What is known of a task's last wake; returned by [`last_wake`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wake {
    /// The frame that was current where the task was woken. The root's if a timer or an event woke
    /// it.
    pub frame: FrameId,
    /// The kind of code that woke it.
    pub source: WakeSource,
}

impl Wake {
    /// Returns the task whose code woke this one.
    pub fn task(&self) -> Option<Id> {
        match self.source {
            WakeSource::Task(id) => Some(id),
            _ => None,
        }
    }
}

/// The kind of code that wakes a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WakeSource {
    /// The code of a task or of a blocking call, perhaps of the woken task itself. Another task may
    /// have the id once that one has ended.
    Task(Id),
    /// A worker between two tasks: a timer was due, a socket ready, or a callback of one of them
    /// woke the task.
    Driver,
    /// Other code: that of another thread, or the future of a `block_on`.
    Outside,
}

/// A task and where it was spawned; see [`lineage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ancestor {
    /// The task's id. Another task may have it once this one has ended.
    pub id: Id,
    /// Where the code called the function that spawned it.
    pub spawned_at: &'static Location<'static>,
}

/// What is recorded in a task.
pub(super) struct Record {
    last_wake: Mutex<Option<Wake>>,
    /// The nearest first.
    ancestors: [Option<Ancestor>; ANCESTORS_MAX],
}

impl Record {
    /// Creates the record of a task that the running code spawns.
    pub(super) fn of_spawn() -> Box<Self> {
        let ancestors = current::with(|task| {
            let extension = task.extension()?;
            let mut ancestors = [None; ANCESTORS_MAX];
            ancestors[0] = Some(Ancestor {
                id: task.id(),
                spawned_at: extension.spawned_at(),
            });
            if let Some(parents) = extension.record() {
                ancestors[1..].copy_from_slice(&parents.ancestors[..ANCESTORS_MAX - 1]);
            }
            Some(ancestors)
        });
        Box::new(Self {
            last_wake: Mutex::new(None),
            ancestors: ancestors.flatten().unwrap_or_default(),
        })
    }

    /// The running code wakes the task. Runs no user code.
    pub(super) fn woken(&self) {
        let source = match current::try_id() {
            Some(id) => WakeSource::Task(id),
            None if worker::is_dispatching() => WakeSource::Driver,
            None => WakeSource::Outside,
        };
        let wake = Wake {
            frame: Frame::current().id(),
            source,
        };
        *self.last_wake.lock() = Some(wake);
    }
}

/// Returns what is known of the last wake of the task whose code runs here, if its runtime
/// [tracks wakes](crate::runtime::Builder::track_wakes).
///
/// The last wake is usually the one for which the task is polled now; it may also be a later one,
/// which came during this poll. `None` outside of a task, in a task of a runtime that does not
/// track wakes, and in one that was not woken yet: its first poll follows from its spawn. An abort
/// is no wake.
///
/// The record is of ids. It keeps neither a frame nor a task alive.
///
/// # Examples
///
/// ```
/// use framewise::runtime::Builder;
/// use framewise::task::{self, WakeSource};
/// use futures::channel::oneshot;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Builder::new().track_wakes(true).build()?;
/// runtime.block_on(async {
///     let (sender, receiver) = oneshot::channel();
///     let (started, wait_for_start) = oneshot::channel();
///     let receiving = framewise::spawn(async move {
///         let _ = started.send(());
///         let _ = receiver.await;
///         task::last_wake()
///     });
///     wait_for_start.await.expect("the task starts");
///     let sending = framewise::spawn(async move {
///         task::yield_now().await;
///         let _ = sender.send(());
///     });
///     let sender = sending.id();
///     let wake = receiving.await.expect("it does not panic");
///     // The task may not have waited yet when the value was sent.
///     assert!(wake.is_none_or(|wake| wake.source == WakeSource::Task(sender)));
/// });
/// # Ok(())
/// # }
/// ```
pub fn last_wake() -> Option<Wake> {
    current::with(|task| *task.extension()?.record()?.last_wake.lock()).flatten()
}

/// Returns the task whose code runs here, the one that spawned it, the one that spawned that, and
/// so on, if its runtime [tracks wakes](crate::runtime::Builder::track_wakes).
///
/// At most the task and eight ancestors. The list ends with a task that was spawned outside of
/// every task, or whose spawner belongs to a runtime that observes nothing. It is empty outside of
/// a task, and in a task of a runtime that does not track wakes.
///
/// The record is of ids and locations, and does not keep an ancestor alive, so its length does not
/// depend on which of them have ended.
///
/// # Examples
///
/// ```
/// use framewise::runtime::Builder;
/// use framewise::task;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Builder::new().track_wakes(true).build()?;
/// let parent = runtime.spawn(async { framewise::spawn(async { task::lineage() }).await });
/// let id = parent.id();
/// let lineage = runtime.block_on(parent)??;
/// assert_eq!(lineage.len(), 2);
/// assert_eq!(lineage[1].id, id);
/// assert_eq!(lineage[1].spawned_at.line() + 1, line!() - 4);
/// # Ok(())
/// # }
/// ```
pub fn lineage() -> Vec<Ancestor> {
    let lineage = current::with(|task| {
        let extension = task.extension()?;
        let itself = Ancestor {
            id: task.id(),
            spawned_at: extension.spawned_at(),
        };
        let ancestors = extension.record()?.ancestors.iter().flatten();
        Some(std::iter::once(itself).chain(ancestors.copied()).collect())
    });
    lineage.flatten().unwrap_or_default()
}
