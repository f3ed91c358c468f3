//! The calls that wait for a thread of the pool, in the order in which they came.
//!
//! Owns the links in the headers of blocking calls while they wait (rule T5 in `task/header.rs`),
//! so that an abort takes its call out without a search. The pool's lock guards it: every method
//! takes `&mut self`. A task in the queue is runnable: the queue is its holder.

use crate::task::header::{Links, TaskRef};

/// A doubly linked list through the headers of the calls.
#[derive(Default)]
pub(super) struct CallQueue {
    head: Option<TaskRef>,
    tail: Option<TaskRef>,
}

impl CallQueue {
    /// Appends a call, whose holder is the caller. The queue is its holder from now on.
    pub(super) fn push_back(&mut self, call: TaskRef) {
        let previous = self.tail.replace(call);
        with_links(call, |links| {
            links.previous = previous.map(TaskRef::pointer);
        });
        match previous {
            Some(previous) => with_links(previous, |links| links.next = Some(call.pointer())),
            None => self.head = Some(call),
        }
    }

    /// Removes the first call. The caller is its holder from now on.
    pub(super) fn pop_front(&mut self) -> Option<TaskRef> {
        let call = self.head?;
        self.unlink(call);
        Some(call)
    }

    /// Removes `call` and returns `true` if it is in the queue: the caller is then its holder.
    pub(super) fn remove(&mut self, call: TaskRef) -> bool {
        let is_queued =
            self.head == Some(call) || with_links(call, |links| links.previous.is_some());
        if is_queued {
            self.unlink(call);
        }
        is_queued
    }

    /// Counts the calls.
    #[cfg(not(any(framewise_loom, framewise_shuttle)))]
    pub(super) fn len(&self) -> usize {
        let next = |call: &TaskRef| {
            let next = with_links(*call, |links| links.next);
            // SAFETY: a neighbor in the queue is alive, see `unlink`.
            next.map(|next| unsafe { TaskRef::new(next) })
        };
        std::iter::successors(self.head, next).count()
    }

    /// Keeps the first `kept` calls and removes the others. The caller is their holder from now on.
    pub(super) fn split_off(&mut self, kept: usize) -> Vec<TaskRef> {
        let mut first = Self::default();
        for _ in 0..kept {
            let Some(call) = self.pop_front() else { break };
            first.push_back(call);
        }
        let rest = std::iter::from_fn(|| self.pop_front()).collect();
        *self = first;
        rest
    }

    fn unlink(&mut self, call: TaskRef) {
        let Links { previous, next } = with_links(call, std::mem::take);
        // SAFETY: a neighbor in the queue is alive: it is runnable, and a task that is not complete
        // keeps the reference that it was made with (S3).
        let (previous, next) = unsafe {
            (
                previous.map(|task| TaskRef::new(task)),
                next.map(|task| TaskRef::new(task)),
            )
        };
        match previous {
            Some(previous) => with_links(previous, |links| {
                links.next = next.map(TaskRef::pointer);
            }),
            None => self.head = next,
        }
        match next {
            Some(next) => with_links(next, |links| {
                links.previous = previous.map(TaskRef::pointer);
            }),
            None => self.tail = previous,
        }
    }
}

fn with_links<R>(call: TaskRef, f: impl FnOnce(&mut Links) -> R) -> R {
    // SAFETY: rule T5: the caller has the queue by `&mut`, so it holds the pool's lock. The task is
    // alive: it is in the queue, or the caller is its holder or has a reference to it.
    call.header()
        .links
        .with_mut(|links| f(unsafe { &mut *links }))
}
