//! Concurrent futures: branches, messages, streams.

use std::future::pending;
use std::sync::Arc;
use std::task::Poll;

use framewise::context::WithFrame;
use framewise::task::yield_now;
use framewise::{Frame, spawn};
use futures::future::{BoxFuture, FutureExt, join, select};
use futures::stream::{self, FuturesUnordered, StreamExt};

use super::faults::{self, Fault};
use super::run::{Run, Watched};
use super::slots::Slots;
use super::steps::{self, Guards};
use super::waits::block;
use crate::expect::{Note, Role};
use crate::program::{Node, Op};
use crate::variables::{scoped, scoped_stream};

/// A branch with its own slots, in its scope.
fn branch<'a>(run: &'a Arc<Run>, node: &'a Node, index: usize, slots: &Slots) -> BoxFuture<'a, ()> {
    let mut slots = Slots::new(slots.frames.clone(), slots.local);
    in_branch(run, node, index, async move {
        block(run, node, index, &mut slots).await;
    })
}

fn in_branch<'a>(
    run: &Arc<Run>,
    node: &Node,
    index: usize,
    future: impl Future<Output = ()> + Send + 'a,
) -> BoxFuture<'a, ()> {
    let made = run.made(node, 0).into_iter().nth(index);
    scoped(made.into_iter().collect(), future)
}

pub(super) async fn both(run: &Arc<Run>, node: &Node, slots: &mut Slots) {
    let [a, b] = [0, 1].map(|index| branch(run, node, index, slots));
    if run.is(Fault::BranchesBleed) {
        let second = run.made(node, 0).into_iter().nth(1);
        scoped(second.into_iter().collect(), join(a, b).map(drop)).await;
    } else if node.op == Op::Join {
        join(a, b).await;
    } else {
        let mut all: FuturesUnordered<_> = [a, b].into_iter().collect();
        while let Some(()) = all.next().await {}
    }
}

pub(super) async fn first(run: &Arc<Run>, node: &Node, slots: &mut Slots) {
    let winner = branch(run, node, 0, slots);
    let owned = run.watched(node.id, Role::Owned);
    let mut inner = Slots::new(slots.frames.clone(), slots.local);
    let loser = in_branch(run, node, 1, async move {
        let _owned = owned;
        let mut guards = Guards::new();
        steps::statements(run, node, 1, &mut inner, &mut guards);
        pending::<()>().await;
    });
    let loser = faults::loser(run, loser);
    let over = if node.times > 1 {
        select(loser, winner).await.factor_first()
    } else {
        select(winner, loser).await.factor_first()
    };
    drop(over);
}

/// A message with its sender's frame, which observes where it is dropped.
struct Message {
    _watched: Watched,
    frame: Frame,
    /// The same as message with context: it is opened, or dropped unopened, in the sender's frame.
    with_context: WithFrame<Watched>,
}

pub(super) async fn channel(run: &Arc<Run>, node: &Node) -> Option<Frame> {
    let (sender, receiver) = async_channel::unbounded();
    let (id, times) = (node.id, node.times);
    let send = {
        let run = Arc::clone(run);
        async move {
            for _ in 0..times {
                let message = Message {
                    _watched: run.watched(id, Role::Message),
                    frame: Frame::current(),
                    with_context: WithFrame::new(run.watched(id, Role::WithContext)),
                };
                // The receiver may have been dropped.
                let _ = sender.send(message).await;
                yield_now().await;
            }
        }
    };
    let send = scoped(run.made(node, 0), send);
    let held = (run.busy(), run.watched(id, Role::Owned));
    let task = spawn(async move {
        let _held = held;
        send.await;
    });
    run.track(task.abort_handle());
    let mut frame = None;
    while let Ok(message) = receiver.recv().await {
        run.observe((id, Role::Received), Note::Nothing);
        let carried = || run.observe((id, Role::Carried), Note::Nothing);
        message.frame.run(carried);
        message.with_context.run(|content| {
            carried();
            drop(content);
        });
        frame = Some(message.frame);
    }
    frame.filter(|_| run.is(Fault::ReceivesTheSendersFrame))
}

pub(super) async fn scoped_items(run: &Arc<Run>, node: &Node, slots: &mut Slots) -> Option<Frame> {
    let owned = run.watched(node.id, Role::Owned);
    let (frames, local) = (slots.frames.clone(), slots.local);
    let item = move || steps::block(run, node, 0, &mut Slots::new(frames.clone(), local));
    let (mut left, mut waits) = (node.times, true);
    let items = stream::poll_fn(move |cx| {
        let _owned = &owned;
        waits = !waits;
        if !waits {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        item();
        Poll::Ready(Some(()))
    });
    let leaked = faults::leaked_stream(run, node);
    let mut items = scoped_stream(run.made(node, 0), items);
    while let Some(()) = items.next().await {
        steps::block(run, node, 1, slots);
    }
    leaked
}
