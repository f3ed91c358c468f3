//! What a set shares with its tasks and their wakers: the queue, and the wakers of its pollers.

use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::ptr;

use framewise_context::{Frame, FramedWaker};
use framewise_sync::{Arc, Mutex};

use crate::observe::Observer;
use crate::panics::report_unhandled;
use crate::runtime::enter;
use crate::scheduler::shared::Shared;
use crate::seeded::hooks;
use crate::task::catch::catch_and_discard;
use crate::task::cell::{self, Schedule};
use crate::task::header::TaskRef;
use crate::task::label::Label;
use crate::task::owned::OwnedTasks;
use crate::task::{JoinError, JoinHandle};

/// What the set, its tasks and their wakers share.
pub(crate) struct LocalShared {
    pub(super) owned: OwnedTasks,
    pub(super) woken: Mutex<Woken>,
    /// The observer of the runtime in which the set was made or else first run, if that has one.
    /// `std`'s, since the set's thread alone sets and reads it.
    observer: std::sync::OnceLock<std::sync::Arc<Observer>>,
}

/// The tasks that were woken, and the pollers that wait for one.
pub(super) struct Woken {
    pub(super) queue: VecDeque<TaskRef>,
    /// The runtime that ran the set last, to which panics are reported.
    runtime: std::sync::Weak<Shared>,
    /// The wakers of the pollers that found the queue empty. Empty while the queue is not.
    pub(super) wakers: Vec<(PollerId, FramedWaker)>,
    /// The last number that a poller got.
    pub(super) last_poller: u64,
}

/// The number of a poller.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PollerId(pub(super) u64);

/// The number of the set itself, awaited. It is one poller at most: its poll borrows the set
/// mutably, so that no `run_until` exists at that time.
pub(super) const SET_ITSELF: PollerId = PollerId(0);

impl Woken {
    /// Returns the waker that a poller has in the list.
    pub(super) fn waker(&mut self, poller: PollerId) -> Option<&mut FramedWaker> {
        self.wakers
            .iter_mut()
            .find_map(|(id, waker)| (*id == poller).then_some(waker))
    }
}

impl LocalShared {
    pub(super) fn new() -> Self {
        Self {
            owned: OwnedTasks::new(),
            woken: Mutex::new(Woken {
                queue: VecDeque::new(),
                runtime: std::sync::Weak::new(),
                wakers: Vec::new(),
                last_poller: SET_ITSELF.0,
            }),
            observer: std::sync::OnceLock::new(),
        }
    }

    /// Returns the address that identifies this set in [`ending`](crate::scheduler::ending).
    pub(super) fn address(&self) -> *const () {
        ptr::from_ref(self).cast()
    }

    /// Puts a task into the queue and wakes every poller that found the queue empty.
    pub(super) fn push(&self, task: TaskRef) {
        // Nearly always there is one poller: its waker comes out without an allocation, and the
        // list keeps its memory.
        let (first, more) = {
            let mut woken = self.woken.lock();
            woken.queue.push_back(task);
            let first = woken.wakers.pop();
            // Unnoticed: never, because the list that is taken is then empty, too.
            let more = if woken.wakers.is_empty() {
                Vec::new()
            } else {
                mem::take(&mut woken.wakers)
            };
            (first, more)
        };
        // Unnoticed: always, because no waker is then woken.
        if first.is_some() {
            wake_all(first.into_iter().chain(more));
        }
    }

    /// Remembers the runtime that the thread is in, if it is in one.
    pub(super) fn remember_runtime(&self) {
        let Some(spawner) = enter::current() else {
            return;
        };
        let mut woken = self.woken.lock();
        // Unnoticed: always, because the reference is then replaced by its equal.
        if !ptr::eq(woken.runtime.as_ptr(), &raw const *spawner.shared) {
            woken.runtime = std::sync::Arc::downgrade(&spawner.shared);
        }
        drop(woken);
        if let Some(observer) = spawner.shared.observer() {
            self.observer
                .get_or_init(|| std::sync::Arc::clone(observer));
        }
    }

    /// Takes a poller's waker out of the list. It is dropped outside of the lock.
    pub(super) fn remove_waker(&self, poller: PollerId) {
        let removed = {
            let mut woken = self.woken.lock();
            let place = woken.wakers.iter().position(|(id, _)| *id == poller);
            place.map(|place| woken.wakers.swap_remove(place))
        };
        drop(removed);
    }
}

/// Wakes each of `wakers`, also after a user-supplied one has panicked.
fn wake_all(mut wakers: impl Iterator<Item = (PollerId, FramedWaker)>) {
    struct Rest<'a, I: Iterator<Item = (PollerId, FramedWaker)>>(&'a mut I);
    impl<I: Iterator<Item = (PollerId, FramedWaker)>> Drop for Rest<'_, I> {
        fn drop(&mut self) {
            // After a panic: a second one would abort the process.
            self.0
                .for_each(|(_, waker)| catch_and_discard(|| waker.wake()));
        }
    }

    let rest = Rest(&mut wakers);
    for (_, waker) in rest.0.by_ref() {
        waker.wake();
    }
}

/// Makes a task of the set that carries the current frame, and schedules it.
#[track_caller]
pub(in crate::task) fn spawn_on<F, L: Label>(
    shared: &Arc<LocalShared>,
    future: F,
    label: L,
) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    spawn_in(shared, future, Frame::current().inherited(), label)
}

/// Makes a task of the set that carries `frame`, and schedules it.
#[track_caller]
pub(in crate::task) fn spawn_in<F, L: Label>(
    shared: &Arc<LocalShared>,
    future: F,
    frame: Frame,
    label: L,
) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let task = cell::allocate(future, frame, Arc::clone(shared), label, true);
    hooks::spawned(task);
    // SAFETY: the handle's reference is ours to pass on.
    let handle = unsafe { JoinHandle::new(task) };
    if shared.owned.insert(task) {
        shared.schedule(task);
    } else {
        // SAFETY: the holder of a new task is its spawner, and this is the set's thread.
        unsafe { task.complete_with_error(JoinError::cancelled(task.id())) }
    }
    handle
}

impl Schedule for Arc<LocalShared> {
    fn schedule(&self, task: TaskRef) {
        self.push(task);
    }

    fn owner(&self) -> *const () {
        self.address()
    }

    fn release(&self, task: TaskRef) {
        hooks::ended(task);
        self.owned.remove(task);
    }

    fn unhandled_panic(&self, error: &JoinError) {
        let runtime = self.woken.lock().runtime.upgrade();
        let runtime = runtime.or_else(|| Some(enter::current()?.shared.clone()));
        match runtime {
            Some(runtime) => runtime.unhandled_panic(error),
            None => _ = report_unhandled(None, error),
        }
    }

    fn observer(&self) -> Option<&Observer> {
        self.observer.get().map(|observer| &**observer)
    }
}
