//! The faults, and the items of the contract that each of them breaks.

/// What is wrong with a [`Lab`](crate::lab::Lab).
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
}

/// Each fault with the item that must be reported, and part of the likely cause that must be named.
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
    (Fault::RootWhenSpawnedFromElsewhere, 35, "another way in"),
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
        "the frame is noted where the ",
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
];
