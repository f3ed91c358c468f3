//! What an observed task has in front of its header.
//!
//! Owns the order of the observers at each step. Knows neither queues nor the future's type.

use std::panic::Location;
use std::ptr::{self, NonNull};
use std::task::RawWakerVTable;

use framewise_context::Frame;
use framewise_sync::cell::UnsafeCell;

use super::Observer;
use super::hooks::{self, TaskMeta};
use super::wakes::Record;
use crate::account::meter;
use crate::account::runtime::{RuntimeAccount, TaskAccount};
use crate::task::header::{Polled, TaskRef};
use crate::task::waker::{TRACKED_WAKER_VTABLE, WAKER_VTABLE};
use crate::task::{Id, try_id};

/// The extension of an observed task.
pub(crate) struct Extension {
    /// Kept by the task's scheduler (rule T7).
    observer: NonNull<Observer>,
    parent: Option<Id>,
    spawned_at: &'static Location<'static>,
    /// `true` for a call on the blocking pool.
    blocks: bool,
    /// `false` if a hook has spawned the task.
    is_hooked: bool,
    /// `true` from before a poll until after it, if everything is observed. Belongs to the runner,
    /// like the stage (T2).
    is_polled: UnsafeCell<bool>,
    /// Wakes and ancestors, if they are recorded.
    record: Option<Box<Record>>,
    /// The task's part in the runtime's account, if that has one.
    account: Option<TaskAccount>,
}

impl Extension {
    /// Creates the extension of a task that the caller of the `track_caller` function spawns. Runs
    /// no user code.
    ///
    /// # Safety
    ///
    /// The observer is that of the task's scheduler (T7).
    #[track_caller]
    pub(crate) unsafe fn new(observer: NonNull<Observer>, blocks: bool, frame: &Frame) -> Self {
        // SAFETY: by the contract.
        let settings = unsafe { observer.as_ref() };
        let account = settings.account.as_ref();
        Self {
            observer,
            parent: try_id(),
            spawned_at: Location::caller(),
            blocks,
            is_hooked: !hooks::is_in_hook(),
            is_polled: UnsafeCell::new(false),
            record: settings.tracks_wakes.then(Record::of_spawn),
            account: account.map(|account| account.spawned(frame, blocks)),
        }
    }

    fn observer(&self) -> &Observer {
        // SAFETY: rule T7: the task's scheduler keeps it.
        unsafe { self.observer.as_ref() }
    }

    pub(super) fn record(&self) -> Option<&Record> {
        self.record.as_deref()
    }

    pub(super) fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// Returns the table of wakers for the task.
    pub(super) fn wakers(&self) -> &'static RawWakerVTable {
        if self.record.is_some() {
            &TRACKED_WAKER_VTABLE
        } else {
            &WAKER_VTABLE
        }
    }

    /// The task was made.
    ///
    /// # Safety
    ///
    /// The caller is the task's holder.
    pub(super) unsafe fn spawned(&self, task: TaskRef) {
        // SAFETY: by the contract.
        unsafe { self.call(&self.observer().hooks.spawn, task) }
        // Its spawner schedules it next.
        self.runnable();
    }

    /// The task becomes runnable. The caller is its holder, and runs no user code here.
    pub(super) fn runnable(&self) {
        if let Some(account) = self.accounts() {
            account.0.runnable(account.1);
        }
    }

    pub(super) fn is_accounted(&self) -> bool {
        self.account.is_some()
    }

    #[inline]
    fn accounts(&self) -> Option<(&RuntimeAccount, &TaskAccount)> {
        let task = self.account.as_ref()?;
        Some((self.observer().account.as_ref()?, task))
    }

    /// Polls the task by `poll`, for the account if the runtime has one.
    ///
    /// # Safety
    ///
    /// `this` is the extension of a task that the caller runs. `poll` polls that task, and returns
    /// `Pending` if the caller still runs it.
    #[inline(always)]
    pub(super) unsafe fn measure(this: *const Self, poll: impl FnOnce() -> Polled) -> Polled {
        // SAFETY: by the contract: `this` is there until the poll.
        let measured = unsafe { &*this }.accounts().and_then(|(account, task)| {
            let meter = meter::pointer_here(account)?;
            Some((meter, ptr::from_ref(task)))
        });
        match measured {
            // SAFETY: the meter is further down on this thread's stack; the rest by the contract.
            Some((meter, task)) => unsafe { meter.as_ref().measure(task, poll) },
            None => poll(),
        }
    }

    /// The running code wakes the task. On any thread.
    pub(super) fn woken(&self) {
        if let Some(record) = &self.record {
            record.woken();
        }
    }

    /// The task will be polled.
    ///
    /// # Safety
    ///
    /// The caller runs the task, as in the methods below.
    pub(super) unsafe fn before_poll(&self, task: TaskRef) {
        self.set_polled(true);
        // SAFETY: by the contract.
        unsafe { self.call(&self.observer().hooks.before_poll, task) }
    }

    /// The task was polled.
    ///
    /// # Safety
    ///
    /// See [`before_poll`](Self::before_poll).
    pub(super) unsafe fn after_poll(&self, task: TaskRef) {
        self.set_polled(false);
        // SAFETY: by the contract.
        unsafe { self.call(&self.observer().hooks.after_poll, task) }
    }

    /// The task's future is gone: it was polled to its end, or dropped.
    ///
    /// # Safety
    ///
    /// See [`before_poll`](Self::before_poll). The task's frame is still there.
    pub(super) unsafe fn ended(&self, task: TaskRef) {
        // SAFETY: by the contract.
        unsafe {
            if self.is_polled.with(|polled| *polled) {
                self.after_poll(task);
                self.call(&self.observer().hooks.complete, task);
            }
            self.call(&self.observer().hooks.drop, task);
        }
        if let Some((account, task)) = self.accounts() {
            account.ended(task);
        }
    }

    fn set_polled(&self, is_polled: bool) {
        // SAFETY: rule T2: the caller runs the task, so this is its own.
        self.is_polled
            .with_mut(|polled| unsafe { *polled = is_polled });
    }

    /// Calls a hook, if it is set.
    ///
    /// # Safety
    ///
    /// The caller is the task's holder or runs it, and its frame is still there.
    #[inline]
    unsafe fn call(&self, hook: &Option<hooks::TaskHook>, task: TaskRef) {
        if let Some(hook) = hook
            && self.is_hooked
        {
            let meta = TaskMeta::new(
                task.id(),
                self.parent,
                task.name().map(|name| &**name),
                self.spawned_at,
                self.blocks,
            );
            // SAFETY: by the contract.
            unsafe { hooks::call(hook, &meta, task, self.observer().unhandled_panic.as_ref()) }
        }
    }
}
