//! The execution of statements that do not await.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use framewise::Frame;
use framewise::context::catch_unwind;
use framewise::runtime::Handle;
use framewise::time::{TimerCallback, set_interval, set_timeout};

use super::faults::Fault;
use super::hook;
use super::run::Run;
use super::slots::{Guarded, Slots};
use super::{tasks, work};
use crate::expect::{Note, Role};
use crate::program::{Node, Op};
use crate::variables::{run_under, run_without, scoped};

/// The values that a block drops at its end.
pub(super) type Guards = Vec<Guarded>;

/// Runs the statement's block with that index.
pub(super) fn block(run: &Arc<Run>, node: &Node, index: usize, slots: &mut Slots) {
    let mut guards = Guards::new();
    statements(run, node, index, slots, &mut guards);
}

/// Like [`block`], but the caller owns the block's values.
pub(super) fn statements(
    run: &Arc<Run>,
    node: &Node,
    index: usize,
    slots: &mut Slots,
    guards: &mut Guards,
) {
    run.observe((node.id, Role::begin(index)), Note::Nothing);
    in_a_row(run, &node.blocks[index], slots, guards);
}

fn in_a_row(run: &Arc<Run>, nodes: &[Node], slots: &mut Slots, guards: &mut Guards) {
    for (index, node) in nodes.iter().enumerate() {
        let stays = statement(run, node, slots, guards);
        if let Some(frame) = stays {
            return frame.run(|| {
                run.observe((node.id, Role::After), Note::Nothing);
                in_a_row(run, &nodes[index + 1..], slots, guards);
            });
        }
        run.observe((node.id, Role::After), Note::Nothing);
    }
}

/// Runs a statement. Returns the frame that stays current after it by a seeded fault.
pub(super) fn statement(
    run: &Arc<Run>,
    node: &Node,
    slots: &mut Slots,
    guards: &mut Guards,
) -> Option<Frame> {
    let slot = usize::from(node.slot);
    match node.op {
        Op::Observe => {}
        Op::RunWithin | Op::RunPast | Op::RunShielded | Op::RunIn => {
            work::run(run, node, slots, |slots| block(run, node, 0, slots));
        }
        Op::NewScope | Op::Cancel | Op::CancelFromThread | Op::OnCancel => {
            work::statement(run, node, slots, guards);
        }
        Op::Guard => guards.push(Guarded::Local {
            _watched: run.watched(node.id, Role::Guard),
        }),
        Op::Run => run_under(run.made(node, 0), || {
            if run.is(Fault::LeaksFrames) {
                std::mem::forget(Frame::current());
            }
            block(run, node, 0, slots);
        }),
        Op::RunWithout => run_without(&run.unbound(node), || block(run, node, 0, slots)),
        Op::WithoutFlow => {
            let mut body = || block(run, node, 0, slots);
            if run.is(Fault::FlowsAnyway) {
                body();
            } else {
                Frame::without_flow(body);
            }
        }
        Op::Catch | Op::CatchStd => return catch(run, node, slots),
        Op::Panic => std::panic::panic_any(run.message(node.id)),
        Op::Snapshot => slots.frames[slot] = Frame::current(),
        Op::SnapshotInherited => slots.frames[slot] = Frame::current().inherited(),
        Op::Enter => {
            // Clone the frame, because the block may replace it in the slot.
            let frame = slots.frames[slot].clone();
            frame.run(|| block(run, node, 0, slots));
        }
        Op::Wrap => wrap(run, node, slots),
        Op::Rewrap => {
            if let Some(closure) = slots.closures[slot].take() {
                slots.closures[slot] = Some(Box::new(Frame::current().wrap(closure)));
            }
        }
        Op::Call => {
            if let Some(closure) = &mut slots.closures[slot] {
                closure();
            }
        }
        Op::CallOnThread => call_on_thread(slots, slot),
        Op::Unpolled => {
            let owned = run.watched(node.id, Role::Owned);
            let scope = scoped(run.made(node, 0), async move { drop(owned) });
            if run.is(Fault::DropsUnpolledOutside) {
                drop(Frame::root().scope(async {}));
                std::mem::forget(scope);
            } else {
                drop(scope);
            }
        }
        Op::SetTimeout | Op::CancelTimeout | Op::SetInterval => callback(run, node, slots),
        _ => tasks::statement(run, node, slots),
    }
    None
}

fn catch(run: &Arc<Run>, node: &Node, slots: &mut Slots) -> Option<Frame> {
    let mut frame = None;
    let note = if node.op == Op::Catch {
        match catch_unwind(|| block(run, node, 0, slots)) {
            Ok(()) => Note::Done,
            Err(caught) => {
                frame = Some(caught.frame().clone());
                let frame = caught.frame().clone();
                let (payload, _) = caught.into_parts();
                run.panicked(hook::text(&*payload), &frame)
            }
        }
    } else {
        let body = AssertUnwindSafe(|| block(run, node, 0, slots));
        match std::panic::catch_unwind(body) {
            Ok(()) => Note::Done,
            Err(payload) => run.panic_of(hook::text(&*payload)),
        }
    };
    let frame = frame.filter(|_| run.is(Fault::ForgetsToRestoreAfterPanic));
    match &frame {
        Some(frame) => frame.run(|| run.observe((node.id, Role::Ended), note)),
        None => run.observe((node.id, Role::Ended), note),
    }
    frame
}

fn wrap(run: &Arc<Run>, node: &Node, slots: &mut Slots) {
    let owned = run.watched(node.id, Role::Owned);
    let call = body(run, node, slots);
    let call = move || {
        let _owned = &owned;
        call();
    };
    let slot = &mut slots.closures[usize::from(node.slot)];
    *slot = Some(if run.is(Fault::WrapsNothing) {
        Box::new(call)
    } else {
        Box::new(Frame::current().wrap(call))
    });
}

/// Returns a closure that runs a block with its own slots.
fn body(run: &Arc<Run>, node: &Node, slots: &Slots) -> impl Fn() + Send + use<> {
    let (run, node, frames) = (Arc::clone(run), node.clone(), slots.frames.clone());
    move || block(&run, &node, 0, &mut Slots::new(frames.clone(), false))
}

fn call_on_thread(slots: &mut Slots, slot: usize) {
    let Some(closure) = &mut slots.closures[slot] else {
        return;
    };
    let handle = Handle::current();
    let joined = thread::scope(|threads| {
        let call = || {
            let _entered = handle.enter();
            closure();
        };
        threads.spawn(call).join()
    });
    if let Err(payload) = joined {
        hook::goes_on(&*payload);
        resume_unwind(payload);
    }
}

fn callback(run: &Arc<Run>, node: &Node, slots: &Slots) {
    let owned = run.watched(node.id, Role::Owned);
    let busy = run.busy_callback();
    let body = body(run, node, slots);
    let at_root = run.is(Fault::CallsBackAtRoot);
    let body = move || {
        let _held = (&owned, &busy);
        if at_root {
            Frame::root().run(&body)
        } else {
            body()
        }
    };
    match node.op {
        Op::SetTimeout => drop(set_timeout(Duration::from_micros(50), body)),
        Op::CancelTimeout if node.times > 1 => {
            set_timeout(Duration::from_secs(3600), body).cancel();
        }
        Op::CancelTimeout => {
            set_timeout(Duration::ZERO, body).cancel();
        }
        _ => repeat(node.times, body),
    }
}

/// Calls `body` that many times from an interval, which then cancels itself.
fn repeat(times: u8, body: impl Fn() + Send + 'static) {
    let own: Arc<OnceLock<TimerCallback>> = Arc::default();
    let mut left = times;
    let handle = set_interval(Duration::from_micros(50), {
        let own = Arc::clone(&own);
        move || {
            if left > 0 {
                left -= 1;
                body();
            }
            // If the handle is not stored yet, the interval fires again.
            if let (0, Some(own)) = (left, own.get()) {
                own.cancel();
            }
        }
    });
    assert!(own.set(handle).is_ok(), "it is set here only");
}
