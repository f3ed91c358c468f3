//! The task's state word: flags and reference count in one atomic, and every transition of it.
//!
//! Owns the protocol between the threads that wake, run, abort and join a task. Knows neither
//! futures nor queues: each transition returns what its caller must do next, as a `#[must_use]`
//! action. From here the task goes on in `cell.rs`, which carries the actions out. The design is
//! tokio's: flags and the reference count in one word, and a join waker whose slot changes owners
//! by a bit.
//!
//! A task is **runnable** while `SCHEDULED` is set: one thread or queue, its *holder*, has the
//! exclusive right to run it. The transition that makes a task runnable hands that right to its
//! caller.
//!
//! # Bits
//!
//! | bit | name | set while |
//! | --- | --- | --- |
//! | 0 | `RUNNING` | one thread polls or cancels the future |
//! | 1 | `COMPLETE` | the future is gone, and the output's owner has been decided |
//! | 2 | `FINISHED` | the frame is released too, and the output can be taken |
//! | 3 | `SCHEDULED` | the task is runnable: it is in a queue, or its poll will be repeated |
//! | 4 | `CANCELLED` | the next holder drops the future instead of polling it |
//! | 5 | `JOIN_INTEREST` | the join handle exists |
//! | 6 | `JOIN_WAKER` | the join waker's slot belongs to the runtime, for reading |
//! | 7… | references | one until the task is finished, one for the handle, one for each waker |
//!
//! # Life
//!
//! ```text
//!             1 start                    3 finish_poll, not woken
//!  SCHEDULED ─────────▶ RUNNING ───────────────────────────────────▶ idle
//!    ▲  ▲                │  │ 2 wake/abort: RUNNING|SCHEDULED          │
//!    │  └────────────────┘  │                                         │
//!    │  3 finish_poll, woken│ 4 complete                              │
//!    │                      ▼                                         │
//!    │               COMPLETE ──5 finish──▶ FINISHED                  │
//!    └────────────────────────────────────────────────────────────────┘
//!                     2 wake/abort: the caller becomes the holder
//! ```
//!
//! Numbers: 1 [`TaskState::start`], 2 [`TaskState::wake`] and [`TaskState::abort`],
//! 3 [`TaskState::finish_poll`], 4 [`TaskState::complete`], 5 [`TaskState::finish`].
//!
//! # What holds
//!
//! - S1. A runnable task has one holder: the caller of the transition that sets `SCHEDULED` in an
//!   idle task, or of `finish_poll` if that finds `SCHEDULED`.
//! - S2. At most one poller: only the holder may call `start`.
//! - S3. A task that is not complete keeps the reference that it was created with, so a queue entry
//!   needs none of its own.
//! - S4. `CANCELLED` implies that the task is runnable or running: `abort` sets both bits in one
//!   step.
//! - S5. The join waker's slot is written by the join handle, and only while `JOIN_WAKER` is off;
//!   while it is on both sides may read it. (The one other write is T4's: the completing thread
//!   empties the slot if no handle is left to do it.)

use framewise_sync::atomic::{AtomicUsize, Ordering};

const RUNNING: usize = 1;
const COMPLETE: usize = 1 << 1;
const FINISHED: usize = 1 << 2;
const SCHEDULED: usize = 1 << 3;
const CANCELLED: usize = 1 << 4;
const JOIN_INTEREST: usize = 1 << 5;
const JOIN_WAKER: usize = 1 << 6;
const REFERENCE: usize = 1 << 7;

/// The task's own reference and the join handle's.
const INITIAL: usize = SCHEDULED | JOIN_INTEREST | (2 * REFERENCE);

/// The state word of a task.
#[derive(Debug)]
pub(crate) struct TaskState(AtomicUsize);

/// What the holder of a runnable task must do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StartAction {
    /// Poll the future.
    Poll,
    /// Drop the future: the task was aborted.
    Cancel,
}

/// What the waker or aborter must do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WakeAction {
    /// The caller is the holder now: put the task into a queue.
    Submit,
    /// The task is runnable already, or complete.
    Nothing,
}

/// What the poller must do after `Poll::Pending`.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PollEndAction {
    /// The task was woken during the poll: the poller is its holder again and puts it into a queue.
    Reschedule,
    /// Another thread may run the task already: do not touch it again.
    Idle,
}

/// Which side owns the output of a task that completes.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OutputOwner {
    /// There is no join handle: the completing thread drops the output, in the task's frame.
    Detached,
    /// The join handle will take or drop it.
    Joined,
}

/// What the completing thread must do at the very end.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FinishAction {
    /// Wake the join waker, then call [`TaskState::release_join_waker`].
    WakeJoiner,
    /// This was the last reference: free the task.
    Free,
    /// There are other references: do not touch the task again.
    Nothing,
}

/// What the dropped join handle must do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HandleDropAction {
    /// The output is there and belongs to the handle: drop it.
    pub(crate) drop_output: bool,
    /// The join waker's slot belongs to the handle: empty it.
    pub(crate) drop_waker: bool,
}

impl TaskState {
    /// Creates the state of a new task, whose spawner is its holder.
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(INITIAL))
    }

    /// Creates the state of a new task without a join handle: there is one reference.
    pub(crate) fn new_detached() -> Self {
        Self(AtomicUsize::new(SCHEDULED | REFERENCE))
    }

    /// Edge 1: begins to run the task. For the holder.
    #[inline]
    pub(crate) fn start(&self) -> StartAction {
        // Ordering: Acquire, pairs with the Release of finish_poll (the last poller's writes to the
        // future) and of wake (what the waker did before waking). Both bits are known, so a
        // subtraction turns them: one instruction, where a xor whose result is used is a loop on
        // x86. The same in the transitions below.
        let before = self.0.fetch_sub(SCHEDULED - RUNNING, Ordering::Acquire);
        debug_assert!(
            before & SCHEDULED != 0,
            "only the holder of a runnable task runs it"
        );
        debug_assert!(
            before & (RUNNING | COMPLETE) == 0,
            "a task runs once at a time"
        );
        if before & CANCELLED == 0 {
            StartAction::Poll
        } else {
            StartAction::Cancel
        }
    }

    /// Edge 2: makes the task runnable, for another poll.
    ///
    /// Always a read-modify-write, even where the bit is set already: the poll that is to come must
    /// see what the waker wrote, and for that it must synchronize with this very call.
    #[inline]
    pub(crate) fn wake(&self) -> WakeAction {
        // Ordering: Release, pairs with start; publishes what the waker wrote. What the last poller
        // released is not needed to pass the task on: start acquires it, since this
        // read-modify-write continues its release sequence. So do those below.
        let before = self.0.fetch_or(SCHEDULED, Ordering::Release);
        Self::submit_if_idle(before)
    }

    /// Edge 2: makes the task runnable, so that its holder drops the future.
    #[inline]
    pub(crate) fn abort(&self) -> WakeAction {
        // Ordering: Release, like in wake: the future's drop sees what the aborter wrote.
        let before = self.0.fetch_or(CANCELLED | SCHEDULED, Ordering::Release);
        Self::submit_if_idle(before)
    }

    fn submit_if_idle(before: usize) -> WakeAction {
        if before & (SCHEDULED | RUNNING | COMPLETE) == 0 {
            WakeAction::Submit
        } else {
            WakeAction::Nothing
        }
    }

    /// Edge 3: ends a poll that returned `Pending`.
    #[inline]
    pub(crate) fn finish_poll(&self) -> PollEndAction {
        // Ordering: Release, pairs with start; publishes this poll's writes to the future. A
        // repeated poll begins with start, too, which acquires what the waker wrote.
        let before = self.0.fetch_sub(RUNNING, Ordering::Release);
        debug_assert!(before & RUNNING != 0, "only a poller ends a poll");
        if before & SCHEDULED == 0 {
            PollEndAction::Idle
        } else {
            PollEndAction::Reschedule
        }
    }

    /// Returns `true` if there is no join handle any more.
    #[inline]
    pub(crate) fn is_detached(&self) -> bool {
        // Ordering: Relaxed. The bit is never set again, and the poller has nothing to read that
        // the dropped handle wrote (the waker's slot is emptied by the handle itself).
        self.0.load(Ordering::Relaxed) & JOIN_INTEREST == 0
    }

    /// Edges 4 and 5 in one step, for a task without a frame whose output is stored.
    #[inline]
    pub(crate) fn complete_and_finish(&self) -> (OutputOwner, FinishAction) {
        // Ordering: Acquire, pairs with the Release of drop_reference and drop_handle: a thread
        // that finds no other reference frees what their threads used.
        let mut now = self.0.load(Ordering::Acquire);
        loop {
            debug_assert!(now & RUNNING != 0, "only a runner completes a task");
            if now & JOIN_INTEREST == 0 && now / REFERENCE == 1 {
                // No other thread can reach the task, so none will read the word again.
                return (OutputOwner::Detached, FinishAction::Free);
            }
            let mut next = (now & !RUNNING) | COMPLETE | FINISHED;
            // A detached task keeps its reference until its output is dropped.
            let gives_up = now & JOIN_INTEREST != 0 && now & JOIN_WAKER == 0;
            if gives_up {
                next -= REFERENCE;
            }
            // Ordering: AcqRel. Release publishes the output to the join handle; Acquire as above,
            // and pairs with set_join_waker for the waker's slot.
            match self
                .0
                .compare_exchange_weak(now, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) if now & JOIN_INTEREST == 0 => {
                    return (OutputOwner::Detached, FinishAction::Nothing);
                }
                Ok(_) if now & JOIN_WAKER != 0 => {
                    return (OutputOwner::Joined, FinishAction::WakeJoiner);
                }
                // The join handle has a reference of its own, so this was not the last.
                Ok(_) => return (OutputOwner::Joined, FinishAction::Nothing),
                Err(seen) => now = seen,
            }
        }
    }

    /// Edge 4: records that the future is gone and the output stored. The frame is still there, so
    /// that a detached task's output can be dropped in it.
    pub(crate) fn complete(&self) -> OutputOwner {
        // Ordering: Release publishes the output to a handle that is dropped from now on. What
        // others released is acquired by finish, before the waker's slot is read.
        let before = self.0.fetch_add(COMPLETE - RUNNING, Ordering::Release);
        debug_assert!(
            before & (RUNNING | COMPLETE) == RUNNING,
            "only a runner completes a task"
        );
        if before & JOIN_INTEREST == 0 {
            OutputOwner::Detached
        } else {
            OutputOwner::Joined
        }
    }

    /// Edge 5: records that the frame is released too, or the output of a detached task dropped.
    pub(crate) fn finish(&self) -> FinishAction {
        // Ordering: AcqRel. Release publishes the output to the join handle's poll; Acquire pairs
        // with set_join_waker, for the waker's slot.
        let before = self.0.fetch_add(FINISHED, Ordering::AcqRel);
        debug_assert!(
            before & (COMPLETE | FINISHED) == COMPLETE,
            "a task is complete before it is finished"
        );
        if before & JOIN_WAKER != 0 {
            FinishAction::WakeJoiner
        } else if self.drop_reference() {
            FinishAction::Free
        } else {
            FinishAction::Nothing
        }
    }

    /// After `WakeJoiner`: returns the waker's slot to the handle and drops the task's own
    /// reference, in one step. Returns `false` if the handle is gone: then nothing was dropped, and
    /// the caller empties the slot and [drops the reference](Self::drop_reference).
    #[must_use]
    pub(crate) fn release_join_waker(&self) -> bool {
        // Ordering: Release: the handle that finds the bit off may write the slot, after our
        // reading of it. Acquire on failure: the handle has read the slot for the last time.
        self.0
            .fetch_update(Ordering::Release, Ordering::Acquire, |now| {
                debug_assert!(now & JOIN_WAKER != 0, "the slot belongs to the runtime");
                // The handle has a reference of its own, so ours is not the last.
                (now & JOIN_INTEREST != 0).then_some(now - JOIN_WAKER - REFERENCE)
            })
            .is_ok()
    }

    /// Returns `true` if the task was aborted: its holder drops the future.
    pub(crate) fn is_cancelled(&self) -> bool {
        // Ordering: Relaxed. Publishes nothing. A caller that knows of the abort has seen it in an
        // order that includes this bit.
        self.0.load(Ordering::Relaxed) & CANCELLED != 0
    }

    /// Returns `true` if the output can be taken. For the join handle.
    #[inline]
    pub(crate) fn is_finished(&self) -> bool {
        // Ordering: Acquire, pairs with finish; the output is read next.
        self.0.load(Ordering::Acquire) & FINISHED != 0
    }

    /// Returns `true` if the join waker's slot belongs to the runtime. For the join handle.
    #[inline]
    pub(crate) fn has_join_waker(&self) -> bool {
        // Ordering: Acquire, pairs with release_join_waker: the runtime's reading of the slot is
        // over before the handle writes it.
        self.0.load(Ordering::Acquire) & JOIN_WAKER != 0
    }

    /// Gives the waker's slot, which the join handle has filled, to the runtime. Returns `false` if
    /// the task is finished: the slot still belongs to the handle, and the output can be taken.
    #[must_use]
    pub(crate) fn set_join_waker(&self) -> bool {
        self.update(|now| {
            debug_assert!(now & JOIN_INTEREST != 0 && now & JOIN_WAKER == 0);
            (now & FINISHED == 0).then_some(now | JOIN_WAKER)
        })
        .is_ok()
    }

    /// Takes the slot back for the join handle, which fills it again. Returns `false` if the task
    /// is finished: the runtime may be reading the slot, and the output can be taken.
    #[must_use]
    pub(crate) fn unset_join_waker(&self) -> bool {
        self.update(|now| {
            debug_assert!(now & JOIN_INTEREST != 0);
            (now & FINISHED == 0).then_some(now & !JOIN_WAKER)
        })
        .is_ok()
    }

    /// Records that the join handle is dropped. After the actions the caller
    /// [drops its reference](Self::drop_reference).
    pub(crate) fn drop_handle(&self) -> HandleDropAction {
        let before = self
            .update(|now| {
                debug_assert!(now & JOIN_INTEREST != 0, "a task has one join handle");
                let mut next = now & !JOIN_INTEREST;
                if now & FINISHED == 0 {
                    next &= !JOIN_WAKER;
                }
                Some(next)
            })
            .expect("the closure returns Some always");
        HandleDropAction {
            drop_output: before & COMPLETE != 0,
            // Finished and still on: the completing thread is waking it, and will drop it.
            drop_waker: before & FINISHED == 0 || before & JOIN_WAKER == 0,
        }
    }

    /// Drops the join handle of a task that has not run yet, in one step: the most common case of a
    /// detached spawn. Returns `false` if the task has run: use [`drop_handle`](Self::drop_handle).
    #[inline]
    #[must_use]
    pub(crate) fn drop_handle_of_fresh_task(&self) -> bool {
        // Ordering: Release, so that a task found alone in complete_and_finish is freed after
        // everything that the handle did. On failure nothing is read.
        // Survives: success Release -> Relaxed, because the handle of a fresh task has used nothing
        // but this word; that the exchange itself comes before the memory is freed is not watched.
        self.0
            .compare_exchange(
                INITIAL,
                SCHEDULED | REFERENCE,
                Ordering::Release,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// Adds a reference.
    #[inline]
    pub(crate) fn add_reference(&self) {
        // Ordering: Relaxed. The caller has a reference, so the task stays alive, and passing the
        // new reference to another thread synchronizes by itself.
        let before = self.0.fetch_add(REFERENCE, Ordering::Relaxed);
        if before > usize::MAX / 2 {
            // Like std's Arc: leaked wakers must not wrap the count to zero.
            std::process::abort();
        }
    }

    /// Drops a reference. Returns `true` if it was the last: the caller frees the task.
    #[inline]
    #[must_use]
    pub(crate) fn drop_reference(&self) -> bool {
        // Ordering: AcqRel. Release: this use of the task is over; Acquire: so is every other,
        // before it is freed.
        let before = self.0.fetch_sub(REFERENCE, Ordering::AcqRel);
        debug_assert!(
            before / REFERENCE >= 1,
            "more references dropped than taken"
        );
        before / REFERENCE == 1
    }

    /// Runs a compare-exchange loop for the join handle.
    fn update(&self, f: impl Fn(usize) -> Option<usize>) -> Result<usize, usize> {
        // Ordering: Release publishes the waker's slot to finish. Acquire for the value that is
        // read, whether it is then replaced or not; pairs with complete and finish, for the output.
        self.0.fetch_update(Ordering::Release, Ordering::Acquire, f)
    }
}

impl Default for TaskState {
    fn default() -> Self {
        Self::new()
    }
}
