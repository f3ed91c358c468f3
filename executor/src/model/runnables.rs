//! The queue of a model's scheduler: it guarantees what any queue does and no more.
//!
//! A task that is taken out was put in before, and the taker sees the writes of the putter. Under
//! loom the queue is a pair of places, since a lock would order more than that, and hide what the
//! task's own state must order. shuttle models no orderings, and has many tasks: there the queue is
//! a list under a lock.

#[cfg(framewise_shuttle)]
pub(super) use self::list::Runnables;
#[cfg(framewise_loom)]
pub(super) use self::places::Runnables;

#[cfg(framewise_loom)]
mod places {
    use std::ptr;

    use framewise_sync::atomic::{AtomicPtr, Ordering};

    use crate::task::header::{Header, TaskRef};

    /// The number of runnable tasks that a scheduler holds at most; a model has no more tasks.
    const PLACES: usize = 2;

    pub(in crate::model) struct Runnables([AtomicPtr<Header>; PLACES]);

    impl Runnables {
        pub(in crate::model) fn new() -> Self {
            Self(std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())))
        }

        pub(in crate::model) fn put(&self, task: TaskRef) {
            for ops in &self.0 {
                // Ordering: Release, pairs with take; Relaxed if the place is taken.
                let put = ops.compare_exchange(
                    ptr::null_mut(),
                    task.as_ptr(),
                    Ordering::Release,
                    Ordering::Relaxed,
                );
                match put {
                    Ok(_) => return,
                    Err(other) => assert!(other != task.as_ptr(), "one queue entry at a time (S1)"),
                }
            }
            panic!("more tasks than tasks (S1)");
        }

        pub(in crate::model) fn take(&self) -> Option<TaskRef> {
            // Ordering: Acquire, pairs with put: all that a queue guarantees.
            self.0.iter().find_map(|ops| {
                let task = ptr::NonNull::new(ops.swap(ptr::null_mut(), Ordering::Acquire))?;
                // SAFETY: the place held a runnable task, which stays alive (S3).
                Some(unsafe { TaskRef::new(task) })
            })
        }
    }
}

#[cfg(framewise_shuttle)]
mod list {
    use std::collections::VecDeque;

    use framewise_sync::Mutex;

    use crate::task::header::TaskRef;

    pub(in crate::model) struct Runnables(Mutex<VecDeque<TaskRef>>);

    impl Runnables {
        pub(in crate::model) fn new() -> Self {
            Self(Mutex::new(VecDeque::new()))
        }

        pub(in crate::model) fn put(&self, task: TaskRef) {
            let mut tasks = self.0.lock();
            let is_there = tasks.iter().any(|other| other.as_ptr() == task.as_ptr());
            assert!(!is_there, "one queue entry at a time (S1)");
            tasks.push_back(task);
        }

        pub(in crate::model) fn take(&self) -> Option<TaskRef> {
            self.0.lock().pop_front()
        }
    }
}
