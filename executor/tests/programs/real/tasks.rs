//! Spawns tasks, and uses their handles without awaiting them.

use std::sync::Arc;
use std::thread;

use framewise::deadline::run_shielded;
use framewise::runtime::Handle;
use framewise::task::spawn_local;
use framewise::{Frame, JoinHandle, spawn, spawn_blocking, spawn_root};

use super::faults::{self, Fault};
use super::run::{Run, Watched};
use super::slots::{Slots, Spawned};
use super::{steps, waits};
use crate::expect::Role;
use crate::program::{Node, Op};

pub(super) fn statement(run: &Arc<Run>, node: &Node, slots: &mut Slots) {
    let slot = usize::from(node.slot);
    match node.op {
        Op::DropHandle => drop(slots.tasks[slot].take()),
        Op::Abort => {
            if let Some(task) = &slots.tasks[slot] {
                task.handle.abort();
            }
        }
        Op::AbortFromThread => {
            if let Some(task) = &slots.tasks[slot] {
                abort_by_thread(&task.handle);
            }
        }
        _ => {
            let task = Spawned {
                handle: spawned(run, node, slots),
                is_call: node.op == Op::SpawnBlocking,
            };
            drop(slots.tasks[slot].replace(task));
        }
    }
}

pub(super) fn abort_by_thread<T: Send>(task: &JoinHandle<T>) {
    thread::scope(|threads| {
        threads.spawn(|| task.abort());
    });
}

/// Spawns the statement's block as a task.
pub(super) fn spawned(run: &Arc<Run>, node: &Node, slots: &Slots) -> JoinHandle<Watched> {
    let local = slots.local && matches!(node.op, Op::SpawnLocal | Op::AbortAtOnce);
    let task = match node.op {
        Op::SpawnBlocking => blocking(run, node, slots),
        Op::SpawnRoot => spawn_root(future(run, node, slots, false)),
        Op::SpawnFromThread => {
            let handle = Handle::current();
            let future = future(run, node, slots, false);
            let frame = &slots.frames[usize::from(node.slot)];
            thread::scope(|threads| {
                let spawner = threads.spawn(|| frame.run(|| handle.spawn(future)));
                spawner.join().expect("spawning does not panic")
            })
        }
        _ if local => spawn_local(future(run, node, slots, true)),
        _ => match run.fault {
            Fault::CapturesAtFirstPoll => spawn_root(future(run, node, slots, false)),
            // The output is dropped in the right frame.
            Fault::InheritsEverything => {
                spawn(Frame::current().scope(future(run, node, slots, false)))
            }
            Fault::SpawnsShielded => run_shielded(|| spawn(future(run, node, slots, false))),
            _ => spawn(future(run, node, slots, false)),
        },
    };
    run.track(task.abort_handle());
    task
}

/// Returns the future of a task, whose output is a drop tracker.
fn future(
    run: &Arc<Run>,
    node: &Node,
    slots: &Slots,
    local: bool,
) -> impl Future<Output = Watched> + Send + use<> {
    let owned = run.watched(node.id, Role::Owned);
    let busy = run.busy();
    let (frames, node, own) = (slots.frames.clone(), node.clone(), Arc::clone(run));
    let future = async move {
        let _held = (busy, owned);
        let mut slots = Slots::new(frames, local);
        waits::block(&own, &node, 0, &mut slots).await;
        drop(slots);
        own.watched(node.id, Role::Output)
    };
    faults::task(run, future)
}

fn blocking(run: &Arc<Run>, node: &Node, slots: &Slots) -> JoinHandle<Watched> {
    let owned = run.watched(node.id, Role::Owned);
    let busy = run.busy();
    let (frames, node, own) = (slots.frames.clone(), node.clone(), Arc::clone(run));
    let call = move || {
        let _held = (busy, owned);
        steps::block(&own, &node, 0, &mut Slots::new(frames, false));
        own.watched(node.id, Role::Output)
    };
    if run.is(Fault::BlocksAtRoot) {
        Frame::root().run(|| spawn_blocking(call))
    } else {
        spawn_blocking(call)
    }
}
