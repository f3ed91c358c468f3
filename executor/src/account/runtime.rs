//! The account of one runtime, and what it adds to each of its tasks.
//!
//! Owns what happens to a task's counts from its spawn to its end, off the polls: those are in
//! `meter.rs`.

use std::cell::Cell;
use std::ptr;
use std::sync::Arc;

use framewise_context::{Frame, follow_frames};

use super::clock::{AccountClock, AccountTicks};
use super::ledger::{KeySource, Ledger};
use super::meter;
use super::request::{MeasuredRequest, RequestCount, add_to};
use super::tally::{Shard, Tally, Writers};
use crate::runtime::enter;

/// A runtime's account.
pub(crate) struct RuntimeAccount {
    pub(super) source: Arc<dyn KeySource>,
    pub(super) ledger: Arc<Ledger>,
}

/// Whom work is counted for: the result of a look-up of a frame.
#[derive(Clone)]
pub(super) struct Payer {
    /// `None` if the frame binds no value.
    pub(super) tally: Option<framewise_sync::Arc<Tally>>,
    /// The request that is measured, or null. The frame keeps it alive.
    pub(super) request: *const MeasuredRequest,
}

/// The part of a task that belongs to accounting. Like the task's stage, it belongs to the task's
/// holder, and then to its runner (T2).
pub(crate) struct TaskAccount {
    /// Emptied at the end of the task.
    tally: Cell<Option<framewise_sync::Arc<Tally>>>,
    pub(super) request: *const MeasuredRequest,
    /// The id of the task's frame.
    pub(super) frame: u64,
    /// When the task became runnable, or 0 if that is not sampled.
    runnable_since: Cell<AccountTicks>,
    /// `true` if each wake is timed: the task belongs to a request that is measured, or polls one.
    pub(super) is_timed: Cell<bool>,
    pub(super) is_call: bool,
}

impl Payer {
    pub(super) const NONE: Self = Self {
        tally: None,
        request: ptr::null(),
    };

    pub(super) fn tally(&self) -> *const Tally {
        self.tally.as_deref().map_or(ptr::null(), ptr::from_ref)
    }
}

impl RuntimeAccount {
    /// Begins the account of a runtime with that many workers. Fails if the account has another
    /// runtime.
    pub(crate) fn new(source: Arc<dyn KeySource>, workers: usize) -> std::io::Result<Self> {
        let ledger = source.open(workers)?;
        follow_frames(meter::follow);
        Ok(Self { source, ledger })
    }

    /// Returns the clock of the runtime that this thread is in, if it has an account.
    pub(super) fn clock_here() -> Option<AccountClock> {
        let current = enter::current()?;
        let account = current.shared.account()?;
        Some(account.ledger.clock.clone())
    }

    /// Looks a frame up, without a cache. Runs user code.
    pub(super) fn payer_of(&self, frame: &Frame) -> Payer {
        Payer {
            tally: self.source.tally_of(frame, self.ledger.clock.now()),
            request: MeasuredRequest::of(frame),
        }
    }

    /// Returns the shard to which this thread adds, and who else does.
    fn shard<'a>(&'a self, tally: Option<&'a Tally>) -> (&'a Shard, Writers) {
        let tally = tally.unwrap_or(&self.ledger.none);
        match meter::index_here(self) {
            Some(index) => (tally.shard(index), Writers::Sole),
            None => (tally.outside(), Writers::Many),
        }
    }

    /// Counts a new task, which has this frame; a blocking call if `is_call`. Runs user code.
    pub(crate) fn spawned(&self, frame: &Frame, is_call: bool) -> TaskAccount {
        let payer = meter::payer_here(self, frame);
        let (shard, writers) = self.shard(payer.tally.as_deref());
        writers.add(&shard.spawned, 1);
        if !is_call {
            // SAFETY: the caller holds the frame.
            unsafe { add_to(payer.request, RequestCount::Tasks, 1) }
        }
        TaskAccount {
            tally: Cell::new(payer.tally),
            request: payer.request,
            frame: frame.id().as_u64(),
            runnable_since: Cell::new(0),
            is_timed: Cell::new(!payer.request.is_null()),
            is_call,
        }
    }

    /// Notes when a task becomes runnable, for some of the wakes: reading the clock is what costs.
    /// The caller is its holder.
    #[inline]
    pub(crate) fn runnable(&self, task: &TaskAccount) {
        let is_sampled = task.is_timed.get() || meter::samples_here();
        task.set_runnable_since(if is_sampled {
            self.ledger.clock.now()
        } else {
            0
        });
    }

    /// Counts the end of a task. The caller runs it.
    pub(crate) fn ended(&self, task: &TaskAccount) {
        let tally = task.tally.take();
        let (shard, writers) = self.shard(tally.as_deref());
        writers.add(&shard.ended, 1);
        meter::keep(self, task, tally);
    }
}

impl TaskAccount {
    /// Returns the tally that counts the task, until it has ended; null for the one of "none".
    pub(super) fn tally(&self) -> *const Tally {
        // SAFETY: the caller has the task to itself, so the cell does not change meanwhile.
        unsafe { (*self.tally.as_ptr()).as_deref() }.map_or(ptr::null(), ptr::from_ref)
    }

    pub(super) fn payer(&self) -> Payer {
        Payer {
            // SAFETY: like in `tally`.
            tally: unsafe { (*self.tally.as_ptr()).clone() },
            request: self.request,
        }
    }

    pub(super) fn set_runnable_since(&self, ticks: AccountTicks) {
        self.runnable_since.set(ticks);
    }

    pub(super) fn runnable_since(&self) -> AccountTicks {
        self.runnable_since.get()
    }
}
