//! The execution of statements that await.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use framewise::deadline::shield;
use framewise::runtime::Handle;
use framewise::task::{LocalSet, block_in_place, yield_now};
use framewise::time::{interval, sleep, timeout};
use framewise::{Frame, spawn};
use futures::channel::oneshot;
use futures::future::{BoxFuture, FutureExt};

use super::faults::{self, Fault};
use super::run::{Run, Watched};
use super::slots::{Slots, Spawned};
use super::steps::{self, Guards};
use super::{branches, children};
use super::{tasks, work};
use crate::expect::{Note, Place, Role};
use crate::program::{Node, Op};
use crate::variables::{run_under, scoped, scoped_without};
use crate::work::HOUR;

/// Runs the statement's block with that index.
pub(super) fn block<'a>(
    run: &'a Arc<Run>,
    node: &'a Node,
    index: usize,
    slots: &'a mut Slots,
) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        let mut guards = Guards::new();
        statements(run, node, index, slots, &mut guards).await;
    })
}

/// Like [`block`], but the caller owns the block's values.
async fn statements(
    run: &Arc<Run>,
    node: &Node,
    index: usize,
    slots: &mut Slots,
    guards: &mut Guards,
) {
    run.observe((node.id, Role::begin(index)), Note::Nothing);
    in_a_row(run, &node.blocks[index], slots, guards).await;
}

fn in_a_row<'a>(
    run: &'a Arc<Run>,
    nodes: &'a [Node],
    slots: &'a mut Slots,
    guards: &'a mut Guards,
) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        for (index, node) in nodes.iter().enumerate() {
            let stays = statement(run, node, slots, guards).await;
            if let Some(frame) = stays {
                let rest = async {
                    run.observe((node.id, Role::After), Note::Nothing);
                    in_a_row(run, &nodes[index + 1..], slots, guards).await;
                };
                return frame.scope(rest).await;
            }
            run.observe((node.id, Role::After), Note::Nothing);
        }
    })
}

/// Runs a statement. Returns the frame that stays current after it by a seeded fault.
async fn statement(
    run: &Arc<Run>,
    node: &Node,
    slots: &mut Slots,
    guards: &mut Guards,
) -> Option<Frame> {
    let slot = usize::from(node.slot);
    let id = node.id;
    match node.op {
        Op::Yield => yield_now().await,
        Op::Sleep => {
            sleep(Duration::from_micros(1 + 60 * u64::from(node.times))).await;
            if run.is(Fault::WakesAtRoot) {
                return Some(Frame::root());
            }
        }
        Op::Scope => {
            let made = run.made(node, 0);
            let leaked = faults::leaked_scope(run, node);
            scoped(made, kept(run, node, block(run, node, 0, slots))).await;
            return leaked;
        }
        Op::ScopeWithout => {
            let body = kept(run, node, block(run, node, 0, slots));
            scoped_without(&run.unbound(node), body).await;
        }
        Op::ScopeWithoutFlow => {
            let body = kept(run, node, block(run, node, 0, slots));
            Frame::scope_without_flow(body).await;
        }
        Op::MadeUnder => made_under(run, node, slots).await,
        Op::Moved => moved(run, node, slots).await,
        Op::InFrame => {
            let frame = slots.frames[slot].clone();
            frame
                .scope(kept(run, node, block(run, node, 0, slots)))
                .await;
        }
        Op::Await => {
            if let Some(task) = slots.tasks[slot].take() {
                let Spawned { handle, is_call } = task;
                // The error of a call that was never begun is that of an end, too.
                run.ended(
                    id,
                    if is_call {
                        shield(handle).await
                    } else {
                        work::joined(run, id, handle).await
                    },
                );
            }
        }
        Op::ScopeWithin | Op::ScopePast | Op::Shield | Op::ScopeIn => {
            let scope = slots.scopes[slot]
                .clone()
                .filter(|_| node.op == Op::ScopeIn);
            let around = slots.around.len();
            slots.around.extend(scope.clone());
            let body = kept(run, node, block(run, node, 0, slots));
            work::scoped(run, node, scope, body).boxed().await;
            slots.around.truncate(around);
        }
        Op::Obey => work::obey(run, id).await,
        Op::TaskScope => children::beside_body(run, node, slots).boxed().await,
        Op::FirstOf => children::first(run, node, slots).boxed().await,
        Op::AbortParked | Op::AbortParkedFromThread | Op::LeaveParked | Op::AbortOnDrop => {
            parked(run, node, slots).boxed().await;
        }
        Op::AbortAtOnce => {
            let task = tasks::spawned(run, node, slots);
            run_under(run.made(node, 0), || task.abort());
            run.ended(id, work::joined(run, id, task).await);
        }
        Op::Join | Op::Unordered => branches::both(run, node, slots).boxed().await,
        Op::Select => branches::first(run, node, slots).boxed().await,
        Op::Elapse => elapse(run, node, slots).boxed().await,
        Op::WithinLimit => {
            let mut inner = Slots::new(slots.frames.clone(), slots.local);
            let elapsed = timeout(HOUR, block(run, node, 0, &mut inner)).await.err();
            if elapsed.is_some_and(|elapsed| elapsed.ended().is_none()) {
                run.complain(format!("#{id}: an hour has passed"));
            }
        }
        Op::RaceLimit => {
            let mut inner = Slots::new(slots.frames.clone(), slots.local);
            let body = async move { block(run, node, 0, &mut inner).await };
            // The body or the timeout may be first.
            let _ = timeout(Duration::from_micros(40 * u64::from(node.times)), body).await;
        }
        Op::KeepWaker => {
            poll_fn(|cx| {
                run.keep_waker(cx.waker().clone());
                if run.is(Fault::WakersKeepFrames) {
                    std::mem::forget(Frame::current());
                }
                Poll::Ready(())
            })
            .await;
        }
        Op::ForeignWaker => foreign_waker(run, node).await,
        Op::Interval => {
            let mut ticks = interval(Duration::from_micros(20));
            for _ in 0..node.times {
                ticks.tick().await;
                steps::block(run, node, 0, slots);
            }
        }
        Op::Channel => return branches::channel(run, node).boxed().await,
        Op::Stream => return branches::scoped_items(run, node, slots).boxed().await,
        Op::BlockInPlace => block_in_place(|| steps::block(run, node, 0, slots)),
        Op::LocalSet => local_set(run, node, slots),
        Op::Released => released(run, node).boxed().await,
        _ => return steps::statement(run, node, slots, guards),
    }
    None
}

/// A future that owns a value until it is dropped, not only until it is ready.
struct Kept<'a> {
    inner: BoxFuture<'a, ()>,
    _owned: Watched,
}

impl Future for Kept<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.as_mut().poll(cx)
    }
}

fn kept<'a>(run: &Arc<Run>, node: &Node, inner: BoxFuture<'a, ()>) -> Kept<'a> {
    Kept {
        inner,
        _owned: run.watched(node.id, Role::Owned),
    }
}

async fn made_under(run: &Arc<Run>, node: &Node, slots: &mut Slots) {
    let mut first = run.made(node, 0);
    let rest = first.split_off(1);
    let future = run_under(first, || {
        let scope = scoped(rest, kept(run, node, block(run, node, 0, slots)));
        if run.is(Fault::ScopesAreEager) {
            Frame::current().scope(scope).boxed()
        } else {
            scope
        }
    });
    future.await;
}

async fn moved(run: &Arc<Run>, node: &Node, slots: &mut Slots) {
    let mut first = run.made(node, 0);
    let rest = first.split_off(1);
    let body = async {
        let mut guards = Guards::new();
        steps::statements(run, node, 0, slots, &mut guards);
        pause().await;
        block(run, node, 1, slots).await;
    };
    let mut future = scoped(rest, kept(run, node, Box::pin(body)));
    let mut frame = None;
    poll_fn(|cx| {
        let made = std::mem::take(&mut first);
        run_under(made, || {
            frame = Some(Frame::current());
            if future.as_mut().poll(cx).is_ready() {
                run.complain(format!("#{}: it is ready before its end", node.id));
            }
        });
        Poll::Ready(())
    })
    .await;
    match frame.filter(|_| run.is(Fault::ScopesNeverFollow)) {
        Some(frame) => frame.scope(future).await,
        None => future.await,
    }
}

/// Is pending once. It wakes no task, because the caller polls again by itself.
async fn pause() {
    let mut paused = false;
    poll_fn(|_| {
        if std::mem::replace(&mut paused, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Spawns a task that runs its body, notifies, and waits forever.
async fn parked(run: &Arc<Run>, node: &Node, slots: &mut Slots) {
    let (parks, has_parked) = oneshot::channel::<()>();
    let owned = run.watched(node.id, Role::Owned);
    let busy = run.busy();
    let (body, frames) = (node.clone(), slots.frames.clone());
    let task = spawn(faults::parked(run, node, {
        let run = Arc::clone(run);
        async move {
            let _owned = owned;
            let mut slots = Slots::new(frames, false);
            let mut guards = Guards::new();
            statements(&run, &body, 0, &mut slots, &mut guards).await;
            drop(busy);
            // The receiver is dropped if the spawning task has ended.
            let _ = parks.send(());
            pending::<()>().await;
        }
    }));
    run.track(task.abort_handle());
    if node.op == Op::LeaveParked {
        return;
    }
    // An error means that the task panicked.
    let _ = has_parked.await;
    if node.op == Op::AbortOnDrop {
        let aborted = task.abort_handle();
        run_under(run.made(node, 0), || drop(task.abort_on_drop()));
        while !aborted.is_finished() {
            yield_now().await;
        }
        return;
    }
    if node.op == Op::AbortParkedFromThread {
        tasks::abort_by_thread(&task);
    } else {
        run_under(run.made(node, 0), || task.abort());
    }
    run.ended(node.id, work::joined(run, node.id, task).await);
}

async fn elapse(run: &Arc<Run>, node: &Node, slots: &mut Slots) {
    let body = async {
        let mut guards = Guards::new();
        steps::statements(run, node, 0, slots, &mut guards);
        pending::<()>().await;
    };
    match timeout(Duration::from_micros(30), body).await {
        Err(elapsed) => work::observe_end(run, node.id, elapsed.ended()),
        Ok(()) => run.complain(format!("#{}: what never ends has ended", node.id)),
    }
}

fn local_set(run: &Arc<Run>, node: &Node, slots: &Slots) {
    block_in_place(|| {
        let set = LocalSet::new();
        Handle::current().block_on(set.run_until(async {
            let mut inner = Slots::new(slots.frames.clone(), true);
            block(run, node, 0, &mut inner).await;
        }));
    });
}

/// Checks that only the task holds the value, so the value is dropped when the task ends, even
/// while the handle is held.
async fn released(run: &Arc<Run>, node: &Node) {
    let made = run
        .made(node, 0)
        .pop()
        .expect("the statement has a binding");
    let serial = made.serial().expect("its variable is a counted one");
    let (task, frame) = made.bind_one(|| {
        let held = run.busy();
        let kept = run.is(Fault::KeepsFrameByHandle).then(Frame::current);
        (spawn(async move { drop(held) }), kept)
    });
    run.track(task.abort_handle());
    while !task.is_finished() {
        yield_now().await;
    }
    let note = if run.is_alive(serial) {
        Note::Kept
    } else {
        Note::Nothing
    };
    run.observe((node.id, Role::Released), note);
    drop((task, frame));
}

/// A waker that observes the variables in its call, and notifies that it was called.
struct ObservingWaker {
    run: Arc<Run>,
    place: Place,
    called: async_channel::Sender<()>,
}

impl Wake for ObservingWaker {
    fn wake(self: Arc<Self>) {
        self.run.observe(self.place, Note::Nothing);
        // The receiver of a direct call's notification may be dropped.
        let _ = self.called.try_send(());
    }
}

async fn foreign_waker(run: &Arc<Run>, node: &Node) {
    let (called, calls) = async_channel::unbounded();
    let waker = |role| {
        Waker::from(Arc::new(ObservingWaker {
            run: Arc::clone(run),
            place: (node.id, role),
            called: called.clone(),
        }))
    };
    let mut made = run.made(node, 0);
    let direct = waker(Role::Called);
    run_under(made.split_off(1), || direct.wake());
    // The notification of the direct call.
    let _ = calls.recv().await;
    let woken = waker(Role::Woken);
    let mut sleep = Box::pin(sleep(Duration::from_micros(100)));
    let polled = run_under(made, || {
        if run.is(Fault::WakesForeignersAtRoot) {
            return Frame::root().run(|| sleep.as_mut().poll(&mut Context::from_waker(&woken)));
        }
        sleep.as_mut().poll(&mut Context::from_waker(&woken))
    });
    if polled.is_pending() {
        let _ = calls.recv().await;
    }
}
