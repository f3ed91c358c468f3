//! The task's state word: flags and reference count in one atomic, and every transition of it.
//!
//! Owns the protocol between those who wake, run, abort and join a task. Knows neither futures nor
//! queues: each transition says what its caller must do next, as a `#[must_use]` action. From here
//! the task goes on in `cell.rs`, which carries the actions out.
//!
//! # Bits
//!
//! | bit | name | set while |
//! | --- | --- | --- |
//! | 0 | `RUNNING` | one thread polls or cancels the future |
//! | 1 | `COMPLETE` | the future is gone, and whose the output is has been decided |
//! | 2 | `FINISHED` | the frame is released too, and the output can be taken |
//! | 3 | `SCHEDULED` | somebody holds the *claim*: a queue entry, or a poll that will be repeated |
//! | 4 | `CANCELLED` | the next holder of the claim drops the future instead of polling it |
//! | 5 | `JOIN_INTEREST` | the join handle exists |
//! | 6 | `JOIN_WAKER` | the join waker's slot belongs to the runtime, for reading |
//! | 7… | references | one for not being finished, one a handle, one a waker |
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
//!                     2 wake/abort: the caller gets the claim
//! ```
//!
//! Numbers: 1 [`TaskState::start`], 2 [`TaskState::wake`] and [`TaskState::abort`],
//! 3 [`TaskState::finish_poll`], 4 [`TaskState::complete`], 5 [`TaskState::finish`].
//!
//! # What holds
//!
//! - S1. At most one holder of the claim: only the transition that turns `SCHEDULED` on in an idle
//!   task hands it out, and `finish_poll` when it finds `SCHEDULED`.
//! - S2. At most one poller: only the holder of the claim may call `start`.
//! - S3. A task that is not complete keeps the reference that it was born with, so a queue entry
//!   needs none of its own.
//! - S4. `CANCELLED` implies that a claim exists or will: `abort` sets both bits in one step.
//! - S5. The join waker's slot is written by the join handle, and only while `JOIN_WAKER` is
//!   off; while it is on both sides may read it. (The one other write is T4's: whoever completes the
//!   task empties the slot where no handle is left to do it.)

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

/// What the holder of the claim must do.
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
    /// The caller has the claim now: put the task into a queue.
    Submit,
    /// Somebody else has the claim, or the task is complete.
    Nothing,
}

/// What the poller must do after `Poll::Pending`.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PollEndAction {
    /// The task was woken during the poll: the poller has the claim again and puts it into a queue.
    Reschedule,
    /// Somebody else may run the task already: do not touch it again.
    Idle,
}

/// Who has the output of a task that completes.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OutputOwner {
    /// Nobody joins: the completing thread drops the output, in the task's frame.
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
    /// Others still hold the task: do not touch it again.
    Nothing,
}

/// What the dropped join handle must do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HandleDropAction {
    /// The output is there and nobody else's: drop it.
    pub(crate) drop_output: bool,
    /// The join waker's slot is the handle's: empty it.
    pub(crate) drop_waker: bool,
}

impl TaskState {
    /// A task that was just spawned: its claim is the spawner's.
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(INITIAL))
    }

    /// A task that nobody will join: the spawner has the claim, and there is one reference.
    pub(crate) fn new_detached() -> Self {
        Self(AtomicUsize::new(SCHEDULED | REFERENCE))
    }

    /// Edge 1: the holder of the claim begins to run the task.
    #[inline]
    pub(crate) fn start(&self) -> StartAction {
        // Ordering: Acquire, pairs with the Release of finish_poll (the last poller's writes to
        // the future) and of wake (what the waker did before waking).
        // Both bits are known, so a subtraction turns them: one instruction, where a xor whose result
        // is used is a loop on x86. The same in the transitions below.
        let before = self.0.fetch_sub(SCHEDULED - RUNNING, Ordering::Acquire);
        debug_assert!(
            before & SCHEDULED != 0,
            "only the holder of the claim runs a task"
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

    /// Edge 2: asks for another poll.
    ///
    /// Always a read-modify-write, even where the bit is set already: the poll that is to come must
    /// see what the waker wrote, and for that it must synchronise with this very call.
    #[inline]
    pub(crate) fn wake(&self) -> WakeAction {
        // Ordering: Release, pairs with start; publishes what the waker wrote. What the last poller
        // released is not needed to pass the claim on: start acquires it, since this
        // read-modify-write continues its release sequence. So do those below.
        let before = self.0.fetch_or(SCHEDULED, Ordering::Release);
        Self::submit_if_idle(before)
    }

    /// Edge 2: asks for the future to be dropped.
    #[inline]
    pub(crate) fn abort(&self) -> WakeAction {
        // Ordering: Release, as in wake: the future's drop sees what the aborter wrote.
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

    /// Edge 3: the poll returned `Pending`.
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

    /// Whether nobody will take the output, now or ever.
    #[inline]
    pub(crate) fn is_detached(&self) -> bool {
        // Ordering: Relaxed. The bit is never set again, and the poller has nothing to read that
        // the dropped handle wrote (the waker's slot is emptied by the handle itself).
        self.0.load(Ordering::Relaxed) & JOIN_INTEREST == 0
    }

    /// Edges 4 and 5 for a task without a frame, whose output is stored: one step.
    #[inline]
    pub(crate) fn complete_and_finish(&self) -> (OutputOwner, FinishAction) {
        // Ordering: Acquire, pairs with the Release of drop_reference and drop_handle: whoever is
        // found to be alone frees what they used.
        let mut now = self.0.load(Ordering::Acquire);
        loop {
            debug_assert!(now & RUNNING != 0, "only a runner completes a task");
            if now & JOIN_INTEREST == 0 && now / REFERENCE == 1 {
                // Nobody can reach the task: no other thread will look at the word again.
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

    /// Edge 4: the future is gone and the output stored. The frame is still there, so that a
    /// detached task's output can be dropped in it.
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

    /// Edge 5: the frame is released too, or the output of a detached task dropped.
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

    /// After `WakeJoiner`: gives the waker's slot back, and the task's own reference up, in one
    /// step. False: the handle is gone, and nothing was given up. The slot is the caller's to
    /// empty, and then the reference to [drop](Self::drop_reference).
    #[must_use]
    pub(crate) fn release_join_waker(&self) -> bool {
        // Ordering: Release: the handle that finds the bit off may write the slot, after our
        // reading of it. Acquire on refusal: the handle has looked at the slot for the last time.
        self.0
            .fetch_update(Ordering::Release, Ordering::Acquire, |now| {
                debug_assert!(now & JOIN_WAKER != 0, "the slot was the runtime's");
                // The handle has a reference of its own, so ours is not the last.
                (now & JOIN_INTEREST != 0).then_some(now - JOIN_WAKER - REFERENCE)
            })
            .is_ok()
    }

    /// Whether the task is dropped when it has its next turn.
    pub(crate) fn is_cancelled(&self) -> bool {
        // Ordering: Relaxed. Publishes nothing: what whoever asks knows of the abort, it has seen in
        // an order that includes this bit.
        self.0.load(Ordering::Relaxed) & CANCELLED != 0
    }

    /// Whether the output can be taken. Called by the join side.
    #[inline]
    pub(crate) fn is_finished(&self) -> bool {
        // Ordering: Acquire, pairs with finish; the output is read next.
        self.0.load(Ordering::Acquire) & FINISHED != 0
    }

    /// Whether the join waker's slot is the runtime's. Called by the join handle.
    #[inline]
    pub(crate) fn has_join_waker(&self) -> bool {
        // Ordering: Acquire, pairs with release_join_waker: the runtime's reading of the slot is
        // over before the handle writes it.
        self.0.load(Ordering::Acquire) & JOIN_WAKER != 0
    }

    /// The join handle filled the waker's slot and hands it to the runtime. False: the task is
    /// finished, the slot stays the handle's and the output can be taken.
    #[must_use]
    pub(crate) fn set_join_waker(&self) -> bool {
        self.update(|now| {
            debug_assert!(now & JOIN_INTEREST != 0 && now & JOIN_WAKER == 0);
            (now & FINISHED == 0).then_some(now | JOIN_WAKER)
        })
        .is_ok()
    }

    /// The join handle asks for the slot back, to fill it anew. False: the task is finished, the
    /// runtime may be reading the slot, and the output can be taken.
    #[must_use]
    pub(crate) fn unset_join_waker(&self) -> bool {
        self.update(|now| {
            debug_assert!(now & JOIN_INTEREST != 0);
            (now & FINISHED == 0).then_some(now & !JOIN_WAKER)
        })
        .is_ok()
    }

    /// The join handle goes. Its reference is dropped apart, by
    /// [`drop_reference`](Self::drop_reference), after the actions.
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
            .expect("the update never refuses");
        HandleDropAction {
            drop_output: before & COMPLETE != 0,
            // Finished and still on: the completing thread is waking it, and drops it.
            drop_waker: before & FINISHED == 0 || before & JOIN_WAKER == 0,
        }
    }

    /// The join handle of a task that nobody has run yet goes: one step for the commonest case of
    /// a detached spawn. False: nothing was done, use [`drop_handle`](Self::drop_handle).
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
        // Ordering: Relaxed. The caller has a reference, so the task cannot go meanwhile, and
        // passing the new one on to another thread synchronises by itself.
        let before = self.0.fetch_add(REFERENCE, Ordering::Relaxed);
        if before > usize::MAX / 2 {
            // As in std's Arc: leaked wakers must not wrap the count round to zero.
            std::process::abort();
        }
    }

    /// Gives a reference up. True: it was the last, and the caller frees the task.
    #[inline]
    #[must_use]
    pub(crate) fn drop_reference(&self) -> bool {
        // Ordering: AcqRel. Release: our use of the task is over; Acquire: so is everybody's,
        // before it is freed.
        let before = self.0.fetch_sub(REFERENCE, Ordering::AcqRel);
        debug_assert!(
            before / REFERENCE >= 1,
            "more references dropped than taken"
        );
        before / REFERENCE == 1
    }

    /// A compare-exchange loop of the join side.
    fn update(&self, f: impl Fn(usize) -> Option<usize>) -> Result<usize, usize> {
        // Ordering: Release publishes the waker's slot to finish. Acquire for the value that is
        // looked at, whether it is then replaced or refused; pairs with complete and finish, for
        // the output.
        self.0.fetch_update(Ordering::Release, Ordering::Acquire, f)
    }
}

impl Default for TaskState {
    fn default() -> Self {
        Self::new()
    }
}
