//! The calls that wait for a thread of the pool, in the order in which they came.
//!
//! Owns the links in the headers of blocking calls while they wait (rule T5 in `task/header.rs`), so
//! that an abort takes its call out without a search. The pool's lock guards it: every method takes
//! `&mut self`. An entry is its task's claim.

use crate::task::header::{Links, TaskRef};

/// A doubly linked list through the headers of the calls.
#[derive(Default)]
pub(super) struct CallQueue {
    head: Option<TaskRef>,
    tail: Option<TaskRef>,
}

impl CallQueue {
    /// Appends a call. The caller passes the claim on.
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

    /// Removes the first call. The claim is the caller's.
    pub(super) fn pop_front(&mut self) -> Option<TaskRef> {
        let call = self.head?;
        self.unlink(call);
        Some(call)
    }

    /// Removes `call` and returns `true` if it is in the queue: the claim is then the caller's.
    pub(super) fn remove(&mut self, call: TaskRef) -> bool {
        let is_queued =
            self.head == Some(call) || with_links(call, |links| links.previous.is_some());
        if is_queued {
            self.unlink(call);
        }
        is_queued
    }

    /// Keeps the first `kept` calls and removes the others. Their claims are the caller's.
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
        // SAFETY: a neighbor in the queue is alive: its claim is in the queue, and a task that is not
        // complete keeps the reference that it was born with (S3).
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
    // alive: it is in the queue, or the caller has its claim or a reference to it.
    call.header()
        .links
        .with_mut(|links| f(unsafe { &mut *links }))
}
