//! The list of the tasks that one owner (a worker, a local set) spawned and that have not ended.
//!
//! Owns the links in the tasks' headers (rule T5). It is there for shutdown: a task without a
//! waker or a queue entry is reachable through nothing else.

use framewise_sync::Mutex;

use super::header::TaskRef;

/// The tasks of one owner.
pub(crate) struct OwnedTasks(Mutex<OwnedList>);

struct OwnedList {
    head: Option<TaskRef>,
    closed: bool,
}

impl OwnedTasks {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(OwnedList {
            head: None,
            closed: false,
        }))
    }

    /// Adds a new task. Returns `false` if the list is closed: the caller cancels the task.
    #[must_use]
    pub(crate) fn insert(&self, task: TaskRef) -> bool {
        let mut list = self.0.lock();
        if list.closed {
            return false;
        }
        let head = list.head.replace(task);
        if let Some(head) = head {
            // SAFETY: rule T5: the lock is held, and `head` is in the list, so it is alive.
            head.header().links.with_mut(|links| unsafe {
                (*links).previous = Some(task.pointer());
            });
        }
        // SAFETY: rule T5: the lock is held, and the caller is the new task's holder.
        task.header().links.with_mut(|links| unsafe {
            (*links).next = head.map(TaskRef::pointer);
        });
        true
    }

    /// Removes a task that is about to be complete. Does nothing to a task that the closed list
    /// rejected.
    pub(crate) fn remove(&self, task: TaskRef) {
        let mut list = self.0.lock();
        // SAFETY: rule T5: the lock is held.
        let links = task
            .header()
            .links
            .with_mut(|links| unsafe { std::mem::take(&mut *links) });
        if let Some(next) = links.next {
            // SAFETY: a neighbor in the list is alive (it leaves the list before it completes),
            // and the lock is held (T5).
            unsafe { next.as_ref() }.links.with_mut(|of_next| unsafe {
                (*of_next).previous = links.previous;
            });
        }
        match links.previous {
            Some(previous) => {
                // SAFETY: like for `next`.
                unsafe { previous.as_ref() }
                    .links
                    .with_mut(|of_previous| unsafe {
                        (*of_previous).next = links.next;
                    });
            }
            None if list.head == Some(task) => {
                // SAFETY: the neighbors are alive, see above.
                list.head = links.next.map(|next| unsafe { TaskRef::new(next) });
            }
            None => {}
        }
    }

    /// Counts the tasks, one by one.
    #[cfg(not(any(framewise_loom, framewise_shuttle)))]
    pub(crate) fn len(&self) -> usize {
        let list = self.0.lock();
        let next = |task: &TaskRef| {
            // SAFETY: rule T5: the lock is held, and what is in the list is alive.
            task.header()
                .links
                .with(|links| unsafe { (*links).next.map(|next| TaskRef::new(next)) })
        };
        std::iter::successors(list.head, next).count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().head.is_none()
    }

    /// Closes the list to new tasks, and aborts every task in it.
    ///
    /// Their next holders drop them: the aborts put idle ones into a queue.
    pub(crate) fn close_and_abort_all(&self) {
        let mut tasks = Vec::new();
        {
            let mut list = self.0.lock();
            list.closed = true;
            let mut cursor = list.head;
            while let Some(task) = cursor {
                // Keeps the task alive after the lock is released.
                task.header().state.add_reference();
                tasks.push(task);
                // SAFETY: rule T5: the lock is held, and what is in the list is alive.
                cursor = task
                    .header()
                    .links
                    .with(|links| unsafe { (*links).next.map(|next| TaskRef::new(next)) });
            }
        }
        for task in tasks {
            task.abort();
            task.drop_reference();
        }
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
