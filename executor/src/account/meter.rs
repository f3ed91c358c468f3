//! The **meter** of a thread: to which key its time goes now, and since when.
//!
//! Owns the boundaries at which the clock is read, and what is cached between them. A worker has a
//! meter for as long as it has its core, and a thread of the pool while it works. All of a meter's
//! fields belong to its thread.
//!
//! The time between two boundaries goes to the key that is current then. In a run of polls there is
//! one boundary a poll, its end: what the worker did since the previous one, to find the task
//! included, belongs to the poll. Other boundaries are: a scope with another key begins or ends;
//! the worker has called wakers and callbacks; it parks or returns from that; a blocking call
//! begins or ends.
//!
//! # Safety rules
//!
//! - **M1.** `METER` points to a meter on this thread's stack, or is null: [`MeterGuard`] sets it
//!   and puts the previous one back.
//! - **M2.** The tally that is current is alive: it is the ledger's "none"; or the running task's,
//!   which that task holds, or, from its end on, `kept`; or that of a cached frame, whose entry is
//!   not replaced while it is current.
//! - **M3.** A request is that of a frame that is current, so it is alive until that frame is left,
//!   which is a boundary.

mod lookup;
mod polls;

use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use framewise_context::Frame;

use self::lookup::{CACHED, CachedFrame};
use super::clock::{AccountClock, AccountTicks};
use super::request::{MeasuredRequest, RequestCount, add_to};
use super::runtime::{Payer, RuntimeAccount, TaskAccount};
use super::tally::{Shard, Tally, Writers};

/// One wake in as many is timed, unless its request is measured.
const WAKES_PER_SAMPLE: u32 = 8;

framewise_sync::thread_local! {
    static METER: framewise_sync::cell::Cell<*const Meter> =
        const { framewise_sync::cell::Cell::new(ptr::null()) };
}

/// A thread's meter.
pub(crate) struct Meter {
    cache: [Cell<Option<CachedFrame>>; CACHED],
    clock: AccountClock,
    /// The number of the worker. `None` if the thread has no core: its time is blocking time.
    worker: Cell<Option<usize>>,
    /// The last boundary.
    last: Cell<AccountTicks>,
    /// Up to where the worker's time is in its busy time.
    counted_until: Cell<AccountTicks>,
    current: Cell<Current>,
    running: Cell<Running>,
    /// The tally of the running task, once that has ended.
    kept: Cell<Option<framewise_sync::Arc<Tally>>>,
    /// The queue delay before the poll, or 0 if it was not timed.
    delay: Cell<AccountTicks>,
    wakes: Cell<u32>,
    /// `true` while a key is looked up, which runs user code, and while accounting allocates.
    looks_up: Cell<bool>,
    /// What is current while no key is.
    none: Cell<Current>,
    /// After the cache, whose tallies it may be the last to keep.
    account: Arc<RuntimeAccount>,
}

/// Whom the time goes to.
#[derive(Clone, Copy)]
struct Current {
    tally: *const Tally,
    /// The thread's shard of the tally.
    shard: *const Shard,
    request: *const MeasuredRequest,
}

/// The task that is polled.
#[derive(Clone, Copy)]
struct Running {
    /// Null between polls.
    task: *const TaskAccount,
    /// The id of the task's frame, until the task has ended.
    frame: u64,
}

const NOTHING_RUNS: Running = Running {
    task: ptr::null(),
    frame: u64::MAX,
};

/// Puts the thread's previous meter back.
pub(crate) struct MeterGuard<'a> {
    meter: &'a Meter,
    previous: *const Meter,
}

/// Calls `f` with this thread's meter.
// Only the load is in the closure for the thread-local: so all of it is inlined.
#[inline(always)]
fn on_this_thread<R>(f: impl FnOnce(Option<&Meter>) -> R) -> R {
    let meter = METER.with(framewise_sync::cell::Cell::get);
    // SAFETY: M1.
    f(unsafe { meter.as_ref() })
}

/// Calls `f` with this thread's meter, if it belongs to `account`.
#[inline(always)]
fn here<R>(account: &RuntimeAccount, f: impl FnOnce(Option<&Meter>) -> R) -> R {
    on_this_thread(|meter| f(meter.filter(|meter| ptr::eq(&*meter.account, account))))
}

/// Returns this thread's meter, if it belongs to `account`. It is there until the caller returns
/// (M1).
#[inline(always)]
pub(crate) fn pointer_here(account: &RuntimeAccount) -> Option<NonNull<Meter>> {
    here(account, |meter| meter.map(NonNull::from))
}

/// Returns the number of the worker that this thread is.
pub(super) fn index_here(account: &RuntimeAccount) -> Option<usize> {
    here(account, |meter| meter?.worker.get())
}

/// Looks a frame up, by this thread's cache if it has one.
pub(super) fn payer_here(account: &RuntimeAccount, frame: &Frame) -> Payer {
    if frame.is_root() {
        return Payer::NONE;
    }
    here(account, |meter| match meter {
        Some(meter) => meter.payer(frame),
        None => account.payer_of(frame),
    })
}

/// Returns `true` if the wake that this thread is doing is one of those that are timed.
#[inline]
pub(super) fn samples_here() -> bool {
    on_this_thread(|meter| meter.is_none_or(Meter::samples))
}

/// Takes over the tally of a task that has ended. It stays while it is current.
pub(super) fn keep(
    account: &RuntimeAccount,
    task: &TaskAccount,
    tally: Option<framewise_sync::Arc<Tally>>,
) {
    here(account, |meter| {
        let Some(meter) = meter else { return };
        if ptr::eq(meter.running.get().task, task) {
            if !task.request.is_null() {
                // The task is about to release its frame, and with it the request (M3).
                meter.attribute(meter.now());
                let mut current = meter.current.get();
                current.request = ptr::null();
                meter.current.set(current);
            }
            meter.kept.set(tally);
            meter.running.set(Running {
                task,
                ..NOTHING_RUNS
            });
        }
    });
}

/// The running task polls a request that is measured: times its wakes from now on. Returns the
/// queue delay before this poll, if it was timed.
pub(super) fn begin_measured_poll() -> AccountTicks {
    on_this_thread(|meter| {
        let Some(meter) = meter else { return 0 };
        let running = meter.running.get();
        if running.frame == NOTHING_RUNS.frame {
            return 0;
        }
        // SAFETY: the frame's id is there only while the task has not ended.
        unsafe { &*running.task }.is_timed.set(true);
        meter.delay.get()
    })
}

/// The shard under which this thread allocates; null if it is not measured, or looks a key up.
pub(super) fn allocating_shard() -> *const Shard {
    on_this_thread(|meter| match meter {
        Some(meter) if !meter.looks_up.get() => meter.current.get().shard,
        _ => ptr::null(),
    })
}

/// The thread enters or leaves a frame: `frame` is current from now on.
pub(crate) fn follow(frame: &Frame) {
    on_this_thread(|meter| {
        if let Some(meter) = meter {
            meter.switch(frame);
        }
    });
}

/// Calls `f` with this thread's meter, if the thread works for `account`.
pub(crate) fn with_here<R>(account: &RuntimeAccount, f: impl FnOnce(&Meter) -> R) -> Option<R> {
    here(account, |meter| meter.map(f))
}

impl Meter {
    pub(crate) fn of_worker(account: Arc<RuntimeAccount>, worker: usize) -> Self {
        Self::new(account, Some(worker))
    }

    pub(crate) fn of_pool(account: Arc<RuntimeAccount>) -> Self {
        Self::new(account, None)
    }

    fn new(account: Arc<RuntimeAccount>, worker: Option<usize>) -> Self {
        let clock = account.ledger.clock.clone();
        let now = clock.now();
        let none = Current::of(&account.ledger.none, worker, ptr::null());
        Self {
            cache: Default::default(),
            clock,
            worker: Cell::new(worker),
            last: Cell::new(now),
            counted_until: Cell::new(now),
            current: Cell::new(none),
            running: Cell::new(NOTHING_RUNS),
            kept: Cell::new(None),
            delay: Cell::new(0),
            wakes: Cell::new(0),
            looks_up: Cell::new(false),
            none: Cell::new(none),
            account,
        }
    }

    /// Makes this the thread's meter until the guard is dropped.
    pub(crate) fn enter(&self) -> MeterGuard<'_> {
        let previous = METER.with(|meter| meter.replace(self));
        MeterGuard {
            meter: self,
            previous,
        }
    }

    fn writers(&self) -> Writers {
        if self.worker.get().is_some() {
            Writers::Sole
        } else {
            Writers::Many
        }
    }

    #[inline(always)]
    fn now(&self) -> AccountTicks {
        self.clock.now()
    }

    #[inline(always)]
    fn current_of(&self, tally: *const Tally, request: *const MeasuredRequest) -> Current {
        // SAFETY: M2, by the callers.
        match unsafe { tally.as_ref() } {
            Some(tally) => Current::of(tally, self.worker.get(), request),
            None => Current {
                request,
                ..self.none.get()
            },
        }
    }

    /// A boundary: adds the time since the last one to the key that is current.
    #[inline(always)]
    fn attribute(&self, now: AccountTicks) {
        let elapsed = now.saturating_sub(self.last.replace(now));
        let current = self.current.get();
        // SAFETY: M2 and M3.
        unsafe {
            if self.worker.get().is_some() {
                Writers::Sole.add(&(*current.shard).busy, elapsed);
                add_to(current.request, RequestCount::Busy, elapsed);
            } else {
                Writers::Many.add(&(*current.shard).blocking, elapsed);
                add_to(current.request, RequestCount::Blocking, elapsed);
            }
        }
    }

    /// Makes `next` current, after a boundary if it is another key or request.
    #[inline]
    fn make_current(&self, next: Current) {
        let current = self.current.get();
        if !ptr::eq(current.shard, next.shard) || !ptr::eq(current.request, next.request) {
            self.attribute(self.now());
            self.current.set(next);
        }
    }

    #[inline]
    fn samples(&self) -> bool {
        let wakes = self.wakes.get();
        self.wakes.set(wakes.wrapping_add(1));
        wakes.is_multiple_of(WAKES_PER_SAMPLE)
    }
}

/// What a worker does between polls.
impl Meter {
    /// A boundary between polls: the worker has called wakers and callbacks, or the main future.
    pub(crate) fn boundary(&self) {
        self.attribute(self.now());
        self.count_busy();
    }

    fn count_busy(&self) {
        let now = self.last.get();
        let busy = now.saturating_sub(self.counted_until.replace(now));
        if let Some(worker) = self.worker.get() {
            self.account.ledger.add_busy(worker, busy);
        }
    }

    /// The worker has returned from its park.
    pub(crate) fn unpark(&self) {
        let now = self.now();
        self.last.set(now);
        self.counted_until.set(now);
    }

    /// The worker is about to hand its core off, for a blocking call in place. From then on another
    /// thread writes to the worker's shards.
    pub(crate) fn hand_off(&self) -> Option<usize> {
        self.boundary();
        let worker = self.worker.take()?;
        self.change_shard();
        // SAFETY: M2, M3.
        unsafe {
            let current = self.current.get();
            Writers::Many.add(&(*current.shard).calls, 1);
            add_to(current.request, RequestCount::Calls, 1);
        }
        Some(worker)
    }

    /// No thread could take the core.
    pub(crate) fn take_back(&self, worker: usize) {
        self.attribute(self.now());
        self.worker.set(Some(worker));
        self.counted_until.set(self.last.get());
        self.change_shard();
    }

    fn change_shard(&self) {
        let in_this_shard = |current: Current| {
            // SAFETY: M2.
            let tally = unsafe { &*current.tally };
            Current::of(tally, self.worker.get(), current.request)
        };
        self.none.set(in_this_shard(self.none.get()));
        self.current.set(in_this_shard(self.current.get()));
    }
}

impl Current {
    #[inline(always)]
    fn of(tally: &Tally, worker: Option<usize>, request: *const MeasuredRequest) -> Self {
        let shard = match worker {
            Some(worker) => tally.shard(worker),
            None => tally.outside(),
        };
        Self {
            tally,
            shard,
            request,
        }
    }
}

impl Drop for MeterGuard<'_> {
    fn drop(&mut self) {
        self.meter.boundary();
        METER.with(|meter| meter.set(self.previous));
    }
}
