//! Runtimes that break the contract on purpose, each in one way, for the tests of the harness.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use framewise::Frame;
use futures::future::{BoxFuture, FutureExt};

use super::run::Run;
use crate::program::Node;
use crate::variables::run_under;

/// What is wrong with the runtime.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// A task sees the frame of its first poller.
    CapturesAtFirstPoll,
    /// A task gets the variables, too, that are not inherited.
    InheritsEverything,
    /// A task that is polled again is polled at the root.
    LosesFrameOnSecondPoll,
    /// A task that goes on after another one had its turn is polled at the root.
    MixesInterleaved,
    /// A task that is dropped, not ended, is dropped at the root.
    DropsOutsideOfFrame,
    /// The frame in which a panic began stays current after the catch.
    ForgetsToRestoreAfterPanic,
    /// What follows a scope is still in it.
    ScopesLeak,
    /// A scope takes its frame when it is made.
    ScopesAreEager,
    /// A started scope stays in the frame in which it was started.
    ScopesNeverFollow,
    /// The second branch's scope is around both.
    BranchesBleed,
    /// The loser of a select is dropped at the root.
    DropsLoserOutside,
    /// A scope that is not polled never drops what is in it.
    DropsUnpolledOutside,
    /// The consumer of a stream is in its scope.
    StreamsLeak,
    /// A wrapped closure is called as it is.
    WrapsNothing,
    /// Timer callbacks run at the root.
    CallsBackAtRoot,
    /// After a timer the task is at the root.
    WakesAtRoot,
    /// Blocking calls run at the root.
    BlocksAtRoot,
    /// A receiver goes on in the sender's frame.
    ReceivesTheSendersFrame,
    /// The join error tells the awaiter's frame.
    FrameOfAwaiter,
    /// A task's handle keeps the frame.
    KeepsFrameByHandle,
    /// A timer calls a waker at the root.
    WakesForeignersAtRoot,
    /// A waker keeps its task's frame.
    WakersKeepFrames,
    /// A frame that was bound is never freed.
    LeaksFrames,
}

/// Polls and drops a future elsewhere than where it belongs.
struct Misplaced<'a, T> {
    polled: Polled,
    /// Where it is dropped, if not where it belongs.
    at_drop: Option<Frame>,
    /// The number of its task; 0 before the first poll.
    number: u64,
    inner: Option<BoxFuture<'a, T>>,
}

/// When a future is polled at the root.
#[derive(Clone, Copy, PartialEq)]
enum Polled {
    Never,
    /// From its second poll on.
    Again,
    /// When another one was polled since, on the same thread.
    AfterOthers,
}

thread_local! {
    /// The one that was polled last.
    static LAST: Cell<u64> = const { Cell::new(0) };
}

impl<T> Future for Misplaced<'_, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        static NEXT: AtomicU64 = AtomicU64::new(1);

        let this = self.get_mut();
        let is_first = this.number == 0;
        if is_first {
            // Ordering: Relaxed; it only makes the numbers different.
            this.number = NEXT.fetch_add(1, Ordering::Relaxed);
        }
        let others = LAST.replace(this.number) != this.number;
        let is_misplaced = match this.polled {
            Polled::Never => false,
            Polled::Again => !is_first,
            Polled::AfterOthers => !is_first && others,
        };
        let inner = this.inner.as_mut().expect("it is there until the drop");
        if is_misplaced {
            Frame::root().run(|| inner.poll_unpin(cx))
        } else {
            inner.poll_unpin(cx)
        }
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

/// The future of a task, as the fault has it.
pub(super) fn task<T: 'static>(
    run: &Run,
    future: impl Future<Output = T> + Send + 'static,
) -> BoxFuture<'static, T> {
    let (polled, at_drop) = match run.fault {
        Fault::LosesFrameOnSecondPoll => (Polled::Again, None),
        Fault::MixesInterleaved => (Polled::AfterOthers, None),
        Fault::DropsOutsideOfFrame => (Polled::Never, Some(Frame::root())),
        _ => return Box::pin(future),
    };
    Box::pin(Misplaced {
        polled,
        at_drop,
        number: 0,
        inner: Some(Box::pin(future)),
    })
}

/// The loser of a select, as the fault has it.
pub(super) fn loser<'a>(run: &Run, future: BoxFuture<'a, ()>) -> BoxFuture<'a, ()> {
    if !run.is(Fault::DropsLoserOutside) {
        return future;
    }
    Box::pin(Misplaced {
        polled: Polled::Never,
        at_drop: Some(Frame::root()),
        number: 0,
        inner: Some(future),
    })
}

/// The frame of a scope that stays current behind it.
pub(super) fn leaked_scope(run: &Arc<Run>, node: &Node) -> Option<Frame> {
    run.is(Fault::ScopesLeak)
        .then(|| run_under(run.made(node, 0), Frame::current))
}

/// The frame of a stream that stays current behind it.
pub(super) fn leaked_stream(run: &Arc<Run>, node: &Node) -> Option<Frame> {
    run.is(Fault::StreamsLeak)
        .then(|| run_under(run.made(node, 0), Frame::current))
}
