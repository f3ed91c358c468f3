//! The queue of the members that have ended, and the joiner's waker beside it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Wake, Waker};

use framewise_sync::Mutex;

/// What a set shares with its members' wakers.
pub(super) struct EndedMembers(Mutex<Queue>);

struct Queue {
    /// The keys of members in the order of their ends. One that left the set otherwise may be
    /// among them.
    keys: VecDeque<usize>,
    /// The waker of the joiner that found the queue empty. There is none while it is not empty.
    waker: Option<Waker>,
}

impl EndedMembers {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Queue {
            keys: VecDeque::new(),
            waker: None,
        }))
    }

    /// Puts a member into the queue and wakes the joiner.
    pub(super) fn push(&self, key: usize) {
        let waker = {
            let mut queue = self.0.lock();
            queue.keys.push_back(key);
            queue.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes the first member out of the queue.
    pub(super) fn pop(&self) -> Option<usize> {
        self.0.lock().keys.pop_front()
    }

    /// Leaves the joiner's waker, for the next push. Returns `false` if the queue is not empty.
    #[must_use]
    pub(super) fn leave_waker(&self, waker: &Waker) -> bool {
        let is_left = |left: &Waker| left.will_wake(waker);
        if self.0.lock().waker.as_ref().is_some_and(is_left) {
            return true;
        }
        // Cloned and dropped outside of the lock: an external waker may call back.
        let waker = waker.clone();
        let mut queue = self.0.lock();
        if !queue.keys.is_empty() {
            drop(queue);
            return false;
        }
        let replaced = queue.waker.replace(waker);
        drop(queue);
        drop(replaced);
        true
    }

    /// Drops the joiner's waker: the wait is over.
    pub(super) fn forget_waker(&self) {
        let waker = self.0.lock().waker.take();
        drop(waker);
    }
}

/// The waker of a member's join handle: called once at most, when the member has ended.
pub(super) struct EndWaker {
    key: usize,
    ended: Arc<EndedMembers>,
}

impl EndWaker {
    pub(super) fn new(key: usize, ended: &Arc<EndedMembers>) -> Self {
        Self {
            key,
            ended: Arc::clone(ended),
        }
    }
}

impl Wake for EndWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ended.push(self.key);
    }
}
