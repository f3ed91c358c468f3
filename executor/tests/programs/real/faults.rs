//! Runtimes that break the contract on purpose, each in one way, for the tests of the harness.

use std::pin::Pin;
use std::sync::Arc;
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
    /// An aborted task is dropped at the root.
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
    /// A frame that was bound is never freed.
    LeaksFrames,
}

/// Polls and drops a future elsewhere than where it belongs.
struct Misplaced<'a, T> {
    /// Where it is polled from the second time on, if not where it belongs.
    later: Option<Frame>,
    /// Where it is dropped.
    at_drop: Option<Frame>,
    is_first: bool,
    inner: Option<BoxFuture<'a, T>>,
}

impl<T> Future for Misplaced<'_, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        let is_first = std::mem::replace(&mut this.is_first, false);
        let inner = this.inner.as_mut().expect("it is there until the drop");
        match &this.later {
            Some(frame) if !is_first => frame.run(|| inner.poll_unpin(cx)),
            _ => inner.poll_unpin(cx),
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
    let (later, at_drop) = match run.fault {
        Fault::LosesFrameOnSecondPoll => (Some(Frame::root()), None),
        Fault::DropsOutsideOfFrame => (None, Some(Frame::root())),
        _ => return Box::pin(future),
    };
    Box::pin(Misplaced {
        later,
        at_drop,
        is_first: true,
        inner: Some(Box::pin(future)),
    })
}

/// The loser of a select, as the fault has it.
pub(super) fn loser<'a>(run: &Run, future: BoxFuture<'a, ()>) -> BoxFuture<'a, ()> {
    if !run.is(Fault::DropsLoserOutside) {
        return future;
    }
    Box::pin(Misplaced {
        later: None,
        at_drop: Some(Frame::root()),
        is_first: true,
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
