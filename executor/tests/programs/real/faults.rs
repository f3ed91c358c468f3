//! Seeded faults: runtimes that violate the contract, each in one way, for the tests of the
//! harness.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use framewise::Frame;
use framewise::context::coop::with_budget;
use futures::future::{BoxFuture, FutureExt};

use super::run::Run;
use crate::program::{Node, Op};
use crate::variables::run_under;

/// The fault of the runtime.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// No fault.
    None,
    /// A task sees the frame of its first poller.
    CapturesAtFirstPoll,
    /// A task also inherits variables that are marked as not inherited.
    InheritsEverything,
    /// A task's later polls are in the root frame.
    LosesFrameOnSecondPoll,
    /// A task that is polled after another one is polled in the root frame.
    MixesInterleaved,
    /// A task that is dropped before its end is dropped in the root frame.
    DropsOutsideOfFrame,
    /// The frame in which a panic began stays current after the catch.
    ForgetsToRestoreAfterPanic,
    /// The scope's frame stays current after the scope.
    ScopesLeak,
    /// A scope captures its frame when it is created.
    ScopesAreEager,
    /// A started scope stays in the frame in which it was started.
    ScopesNeverFollow,
    /// The second branch's scope is around both branches.
    BranchesBleed,
    /// The loser of a select is dropped in the root frame.
    DropsLoserOutside,
    /// A scope that was not polled drops its future outside of the scope.
    DropsUnpolledOutside,
    /// The consumer of a stream is in the stream's scope.
    StreamsLeak,
    /// A wrapped closure is called without its frame.
    WrapsNothing,
    /// Timer callbacks run in the root frame.
    CallsBackAtRoot,
    /// After a timer, the task is in the root frame.
    WakesAtRoot,
    /// Blocking calls run in the root frame.
    BlocksAtRoot,
    /// A receiver continues in the sender's frame.
    ReceivesTheSendersFrame,
    /// The join error exposes the awaiter's frame.
    FrameOfAwaiter,
    /// A task's handle keeps the frame alive.
    KeepsFrameByHandle,
    /// A timer calls a waker in the root frame.
    WakesForeignersAtRoot,
    /// A waker keeps its task's frame alive.
    WakersKeepFrames,
    /// A frame that was bound is never freed.
    LeaksFrames,
    /// Of two variables that a statement removes, one stays.
    UnbindsTooLittle,
    /// Tasks that are spawned without flow inherit.
    FlowsAnyway,
    /// Polls are not announced to the callbacks of mirrored variables.
    AnnouncesNoPoll,
    /// A deadline replaces that around it, also if it is later.
    LengthensDeadlines,
    /// A shield keeps the deadline and the scopes around it.
    ShieldsNothing,
    /// A task has neither the deadline nor the scopes of its spawner.
    SpawnsShielded,
    /// A callback of an end runs in the root frame.
    CallsOnCancelAtRoot,
    /// A cancel also ends the scopes around the code that cancels.
    CancelsAround,
    /// Operations do not fail.
    OperationsIgnoreEnds,
    /// A scope of tasks does not wait for its first child.
    ScopesEndEarly,
    /// The cancel of a scope of tasks does not reach its children.
    CancelsNoChild,
    /// The results of a scope of tasks are in another order.
    MixesResults,
    /// A task that its handle's drop aborts is dropped in the root frame.
    AbortsOnDropOutside,
}

/// Polls and drops a future in a wrong frame.
struct Misplaced<'a, T> {
    polled: Polled,
    /// The frame of the drop, if it is wrong.
    at_drop: Option<Frame>,
    /// The number of its task; 0 before the first poll.
    number: u64,
    inner: Option<BoxFuture<'a, T>>,
}

/// The polls of a future that are in the root frame.
#[derive(Clone, Copy, PartialEq)]
enum Polled {
    Never,
    /// All polls after the first.
    Again,
    /// A poll after another future was polled on the same thread.
    AfterOthers,
    /// None, but the callbacks of mirrored variables are not called for the frame.
    Unannounced,
}

thread_local! {
    /// The number of the future that was polled last.
    static LAST: Cell<u64> = const { Cell::new(0) };
}

impl<T> Future for Misplaced<'_, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        static NEXT: AtomicU64 = AtomicU64::new(1);

        let this = self.get_mut();
        let is_first = this.number == 0;
        if is_first {
            // Ordering: Relaxed. The number only has to be unique; it publishes nothing.
            this.number = NEXT.fetch_add(1, Ordering::Relaxed);
        }
        let others = LAST.replace(this.number) != this.number;
        let is_misplaced = match this.polled {
            Polled::Never | Polled::Unannounced => false,
            Polled::Again => !is_first,
            Polled::AfterOthers => !is_first && others,
        };
        let inner = this.inner.as_mut().expect("it is there until the drop");
        if is_misplaced {
            return Frame::root().run(|| inner.poll_unpin(cx));
        }
        if this.polled == Polled::Unannounced {
            let frame = Frame::current();
            let poll = || frame.run_poll(|| inner.poll_unpin(cx));
            return with_budget(|| Frame::root().run(poll));
        }
        inner.poll_unpin(cx)
    }
}

impl<T> Drop for Misplaced<'_, T> {
    fn drop(&mut self) {
        let inner = self.inner.take();
        match &self.at_drop {
            Some(frame) => frame.run(|| drop(inner)),
            None => drop(inner),
        }
    }
}

/// Returns the future of a task, with the fault applied.
pub(super) fn task<T: 'static>(
    run: &Run,
    future: impl Future<Output = T> + Send + 'static,
) -> BoxFuture<'static, T> {
    let (polled, at_drop) = match run.fault {
        Fault::LosesFrameOnSecondPoll => (Polled::Again, None),
        Fault::MixesInterleaved => (Polled::AfterOthers, None),
        Fault::DropsOutsideOfFrame => (Polled::Never, Some(Frame::root())),
        Fault::AnnouncesNoPoll => (Polled::Unannounced, None),
        _ => return Box::pin(future),
    };
    Box::pin(Misplaced {
        polled,
        at_drop,
        number: 0,
        inner: Some(Box::pin(future)),
    })
}

/// Returns the future of a task that parks, with the fault applied.
pub(super) fn parked(
    run: &Run,
    node: &Node,
    future: impl Future<Output = ()> + Send + 'static,
) -> BoxFuture<'static, ()> {
    if node.op == Op::AbortOnDrop && run.is(Fault::AbortsOnDropOutside) {
        return dropped_at_root(Box::pin(future));
    }
    task(run, future)
}

fn dropped_at_root<'a>(future: BoxFuture<'a, ()>) -> BoxFuture<'a, ()> {
    Box::pin(Misplaced {
        polled: Polled::Never,
        at_drop: Some(Frame::root()),
        number: 0,
        inner: Some(future),
    })
}

/// Returns the loser of a select, with the fault applied.
pub(super) fn loser<'a>(run: &Run, future: BoxFuture<'a, ()>) -> BoxFuture<'a, ()> {
    if !run.is(Fault::DropsLoserOutside) {
        return future;
    }
    dropped_at_root(future)
}

/// Returns the frame of a scope that stays current after it, by the fault.
pub(super) fn leaked_scope(run: &Arc<Run>, node: &Node) -> Option<Frame> {
    run.is(Fault::ScopesLeak)
        .then(|| run_under(run.made(node, 0), Frame::current))
}

/// Returns the frame of a stream that stays current after it, by the fault.
pub(super) fn leaked_stream(run: &Arc<Run>, node: &Node) -> Option<Frame> {
    run.is(Fault::StreamsLeak)
        .then(|| run_under(run.made(node, 0), Frame::current))
}
