//! The faults, and the items of the contract that each of them breaks.

/// The fault of a [`MutantExecutor`](crate::executor::MutantExecutor).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    CarriesNothing,
    CapturesAtFirstPoll,
    FramesTheFirstPollOnly,
    LosesTheFrameOnMigration,
    PollsInTheFrameBefore,
    RunsInlineWithoutASwap,
    SpawnTrustsItsOwnRecord,
    RootWhenSpawnedFromElsewhere,
    RootInherits,
    NotInheritedIsInherited,
    LocalTasksCarryNothing,
    BlockOnStartsAtTheRoot,
    StaysInThePanickedFrame,
    StaysInAPanickedDrop,
    DropsAtCompletionOutside,
    DropsAtPanicOutside,
    DropsAtAbortOutside,
    DropsAtShutdownOutside,
    DropsDetachedOutputsOutside,
    HandlesKeepTheFrame,
    WakersKeepTheFrame,
    PanicsNameTheTasksFrame,
    TimersWakeOutside,
    TimerCallbacksRunAtTheRoot,
    CallbacksKeepTheFrame,
    BlockingCapturesWhenItRuns,
    PoolThreadsKeepTheFrame,
    CancelledCallsAreDroppedOutside,
    LeavesAtTheNextPoll,
    WakersCarryAFrame,
    FirstPollInSpawn,
    InheritsAtFirstPoll,
    BlockInPlaceRunsAtTheRoot,
    ReplacementsStartInTheFrame,
    BlockOnStaysInLocalTasks,
    JoinersArePolledInside,
    JoinDetaches,
    DropsWhereItIsAborted,
    DropsOnAnotherThread,
    DroppedSleepsKeepTheFrame,
    PanickedTasksLeakTheFrame,
    NotifiesTheJoinerFirst,
    HookRunsOutside,
    LateHookRunsWhereTheHandleIsDropped,
    CallsHookRunsOutside,
    CallbacksHookRunsOutside,
    FiredSleepsKeepTheFrame,
    PollsUnannounced,
}

impl Fault {
    /// Returns `true` if a thread stores the frame in which it polled last. Other mutants do not,
    /// since this keeps the frame alive.
    pub(crate) fn remembers_the_last_frame(self) -> bool {
        matches!(
            self,
            Fault::PollsInTheFrameBefore
                | Fault::StaysInThePanickedFrame
                | Fault::LeavesAtTheNextPoll
        )
    }
}

/// Each fault with the item that must be reported, and a part of the likely cause that the report
/// must have.
pub(crate) const FAULTS: &[(Fault, u8, &str)] = &[
    (Fault::CarriesNothing, 25, "no frame is carried"),
    (Fault::CapturesAtFirstPoll, 25, "first poll"),
    (Fault::FramesTheFirstPollOnly, 26, "for the first poll only"),
    (
        Fault::LosesTheFrameOnMigration,
        29,
        "by the thread that polled the task before",
    ),
    (
        Fault::PollsInTheFrameBefore,
        30,
        "not entered for each of its polls",
    ),
    (
        Fault::RunsInlineWithoutASwap,
        49,
        "a poll inside `wake` needs the task's own",
    ),
    (Fault::SpawnTrustsItsOwnRecord, 64, "ends, at the root"),
    (Fault::RootWhenSpawnedFromElsewhere, 35, "a separate path"),
    (Fault::RootInherits, 36, "spawn_root keeps"),
    (
        Fault::NotInheritedIsInherited,
        37,
        "Frame::current().inherited()",
    ),
    (Fault::LocalTasksCarryNothing, 34, "into local tasks"),
    (
        Fault::BlockOnStartsAtTheRoot,
        64,
        "block_on does not inherit",
    ),
    (Fault::StaysInThePanickedFrame, 32, "leave it on unwinding"),
    (
        Fault::StaysInAPanickedDrop,
        46,
        "after a destructor that panics",
    ),
    (
        Fault::DropsAtCompletionOutside,
        44,
        "outside of the task's frame",
    ),
    (
        Fault::DropsAtPanicOutside,
        43,
        "outside of the task's frame",
    ),
    (
        Fault::DropsAtAbortOutside,
        41,
        "before its first poll is dropped outside",
    ),
    (
        Fault::DropsAtAbortOutside,
        42,
        "outside of the task's frame",
    ),
    (
        Fault::DropsAtShutdownOutside,
        45,
        "outside of the task's frame",
    ),
    (
        Fault::DropsDetachedOutputsOutside,
        39,
        "outside of the task's frame",
    ),
    (
        Fault::HandlesKeepTheFrame,
        47,
        "what the join handle keeps alive",
    ),
    (Fault::WakersKeepTheFrame, 48, "a waker keeps what it wakes"),
    (
        Fault::PanicsNameTheTasksFrame,
        83,
        "the frame is recorded where the ",
    ),
    (Fault::TimersWakeOutside, 50, "keep the registering frame"),
    (
        Fault::TimerCallbacksRunAtTheRoot,
        53,
        "keep the registering frame",
    ),
    (Fault::CallbacksKeepTheFrame, 53, "after the last call"),
    (
        Fault::BlockingCapturesWhenItRuns,
        61,
        "where the call is spawned",
    ),
    (Fault::PoolThreadsKeepTheFrame, 61, "restore on unwinding"),
    (
        Fault::CancelledCallsAreDroppedOutside,
        62,
        "outside of its frame",
    ),
    (
        Fault::StaysInThePanickedFrame,
        21,
        "not restored when a poll panics",
    ),
    (Fault::LeavesAtTheNextPoll, 32, "until its next poll"),
    (Fault::WakersCarryAFrame, 25, "a waker has no frame"),
    (Fault::WakersCarryAFrame, 26, "a wake-up replaces"),
    (Fault::FirstPollInSpawn, 36, "makes the first poll"),
    (
        Fault::InheritsAtFirstPoll,
        37,
        "when the task is first polled",
    ),
    (
        Fault::BlockInPlaceRunsAtTheRoot,
        33,
        "leaves the task's frame for its call",
    ),
    (
        Fault::ReplacementsStartInTheFrame,
        33,
        "the thread that takes over was started in the frame",
    ),
    (
        Fault::BlockOnStaysInLocalTasks,
        34,
        "the future of block_on is polled in a local task's frame",
    ),
    (
        Fault::JoinersArePolledInside,
        38,
        "goes on in that task's frame",
    ),
    (Fault::JoinDetaches, 40, "must not detach the task"),
    (
        Fault::DropsWhereItIsAborted,
        42,
        "in the frame of the code that ends the task",
    ),
    (
        Fault::DropsOnAnotherThread,
        44,
        "outside of the task's frame",
    ),
    (
        Fault::DroppedSleepsKeepTheFrame,
        48,
        "take both out when it is dropped",
    ),
    (
        Fault::PanickedTasksLeakTheFrame,
        47,
        "release it however the task ends",
    ),
    (
        Fault::NotifiesTheJoinerFirst,
        47,
        "before the frame is released",
    ),
    (
        Fault::HookRunsOutside,
        83,
        "the hook runs outside of the frame",
    ),
    (
        Fault::LateHookRunsWhereTheHandleIsDropped,
        83,
        "the hook runs in the frame of the code that drops the handle",
    ),
    (
        Fault::FiredSleepsKeepTheFrame,
        48,
        "take the waker and its frame out when the timer has fired",
    ),
    (
        Fault::CallsHookRunsOutside,
        83,
        "the hook runs outside of the frame",
    ),
    (
        Fault::CallbacksHookRunsOutside,
        83,
        "the hook does not run in the frame in which a callback",
    ),
    (Fault::PollsUnannounced, 93, "entered by `Frame::run`"),
    (Fault::CarriesNothing, 85, "no frame is carried"),
    (Fault::CarriesNothing, 86, "no frame is carried"),
    (Fault::CarriesNothing, 94, "no frame is carried"),
    (Fault::CarriesNothing, 97, "no frame is carried"),
    (Fault::CarriesNothing, 98, "no frame is carried"),
    (Fault::InheritsAtFirstPoll, 95, "at its first poll"),
    (
        Fault::NotInheritedIsInherited,
        95,
        "Frame::current().inherited()",
    ),
    (
        Fault::NotInheritedIsInherited,
        96,
        "Frame::current().inherited()",
    ),
];
