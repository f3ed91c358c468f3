//! Deadlines, scopes that can be cancelled, and operations that obey them.

use std::future::pending;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use framewise::cancel::{self, CancelHandle, CancelScope, Ended, OnCancel};
use framewise::deadline::{self, enforce, run_shielded, shield};
use framewise::task::yield_now;
use framewise::time::timeout;
use framewise::{Frame, JoinError, JoinHandle, spawn_blocking, spawn_root};
use futures::channel::oneshot;
use futures::future::BoxFuture;

use super::faults::Fault;
use super::run::Run;
use super::slots::{Guarded, Slots};
use super::steps::Guards;
use crate::expect::{Note, Role};
use crate::program::{Node, Op};
use crate::work::{HOUR, OPERATIONS, Reason, cause_of};

/// A scope in a slot, and its handle.
#[derive(Clone)]
pub(super) struct Scope {
    handle: CancelHandle,
    scope: CancelScope,
}

/// Runs `body` with the end that the statement sets, or in a shield.
pub(super) fn run(run: &Run, node: &Node, slots: &mut Slots, body: impl FnOnce(&mut Slots)) {
    let hours = HOUR * u32::from(node.times);
    match node.op {
        Op::RunWithin if run.is(Fault::LengthensDeadlines) => {
            run_shielded(|| deadline::run(hours, || body(slots)));
        }
        Op::RunWithin => deadline::run(hours, || body(slots)),
        Op::RunPast => deadline::run(Duration::ZERO, || body(slots)),
        Op::RunShielded if run.is(Fault::ShieldsNothing) => body(slots),
        Op::RunShielded => run_shielded(|| body(slots)),
        _ => match slots.scopes[usize::from(node.slot)].clone() {
            Some(scope) => {
                slots.around.push(scope.clone());
                scope.scope.run(|| body(slots));
                slots.around.pop();
            }
            None => body(slots),
        },
    }
}

/// Wraps a future in the end that the statement sets, or in a shield.
pub(super) async fn scoped(
    run: &Run,
    node: &Node,
    scope: Option<Scope>,
    body: impl Future<Output = ()> + Send,
) {
    let hours = HOUR * u32::from(node.times);
    match node.op {
        Op::ScopeWithin if run.is(Fault::LengthensDeadlines) => {
            shield(deadline::within(hours, body)).await;
        }
        Op::ScopeWithin => deadline::within(hours, body).await,
        Op::ScopePast => deadline::within(Duration::ZERO, body).await,
        Op::Shield if run.is(Fault::ShieldsNothing) => body.await,
        Op::Shield => shield(body).await,
        _ => match scope {
            Some(scope) => scope.scope.scope(body).await,
            None => body.await,
        },
    }
}

/// Makes and cancels scopes, and registers callbacks.
pub(super) fn statement(run: &Arc<Run>, node: &Node, slots: &mut Slots, guards: &mut Guards) {
    let slot = usize::from(node.slot);
    match node.op {
        Op::NewScope => {
            let (handle, scope) = cancel::scope();
            slots.scopes[slot] = Some(Scope { handle, scope });
        }
        Op::OnCancel => guards.push(Guarded::Callback {
            _registration: registered(run, node),
        }),
        _ => {
            let Some(Scope { handle, .. }) = slots.scopes[slot].clone() else {
                return;
            };
            let had_ended = handle.is_cancelled();
            let cancel = || handle.cancel_with(cause_of(node.id));
            let ends = if node.op == Op::CancelFromThread {
                thread::scope(|threads| threads.spawn(cancel).join()).expect("no callback panics")
            } else {
                cancel()
            };
            if run.is(Fault::CancelsAround) {
                let around = slots.around.iter();
                around.for_each(|scope| _ = scope.handle.cancel_with(cause_of(node.id)));
            }
            if ends == had_ended || !handle.is_cancelled() {
                run.complain(format!("C-85: #{} has not ended its scope once", node.id));
            }
        }
    }
}

fn registered(run: &Arc<Run>, node: &Node) -> OnCancel {
    let owned = run.watched(node.id, Role::Owned);
    let (own, id) = (Arc::clone(run), node.id);
    let callback = move || {
        let _owned = &owned;
        let call = || own.observe((id, Role::OnCancel), Note::Nothing);
        if own.is(Fault::CallsOnCancelAtRoot) {
            Frame::root().run(call);
        } else {
            call();
        }
    };
    cancel::on_cancel(callback)
}

/// Awaits a task, also if the work of this frame has ended: then the wait fails, and is continued
/// in a shield.
pub(super) async fn joined<T>(run: &Run, id: u32, mut task: JoinHandle<T>) -> Result<T, JoinError> {
    match (&mut task).await {
        Err(error) if error.ended().is_some() => {
            if !cancel::is_cancelled() {
                run.complain(format!(
                    "C-85: the wait of #{id} ended, and its work did not"
                ));
            }
            shield(task).await
        }
        ended => ended,
    }
}

/// Observes how an operation ended that obeys.
pub(super) fn observe_end(run: &Run, id: u32, ended: Option<&Ended>) {
    let note = ended.map_or(Note::Nothing, |ended| Note::EndedBy(Reason::of(ended)));
    run.observe((id, Role::Obeyed), note);
}

/// Calls operations that fail if the work has ended.
pub(super) fn obey<'a>(run: &'a Run, id: u32) -> BoxFuture<'a, ()> {
    if run.is(Fault::OperationsIgnoreEnds) {
        return Box::pin(async move {
            for _ in 0..OPERATIONS {
                observe_end(run, id, None);
            }
        });
    }
    Box::pin(operations(run, id))
}

async fn operations(run: &Run, id: u32) {
    const SHORT: Duration = Duration::from_micros(30);

    observe_end(run, id, enforce(yield_now()).await.err().as_ref());
    observe_end(
        run,
        id,
        timeout(SHORT, pending::<()>())
            .await
            .expect_err(ENDLESS)
            .ended(),
    );
    observe_end(run, id, deadline::check().err().as_ref());

    let (done, is_done) = oneshot::channel::<()>();
    let mut task = spawn_root(is_done);
    run.track(task.abort_handle());
    match timeout(SHORT, &mut task).await {
        Err(elapsed) => observe_end(run, id, elapsed.ended()),
        Ok(joined) => observe_end(run, id, joined.expect_err(ENDLESS).ended()),
    }
    drop(done);
    // It has ended because its sender is gone.
    let _ = shield(task).await;

    let call = spawn_blocking(|| ());
    let called = call.await;
    observe_end(run, id, called.err().as_ref().and_then(JoinError::ended));
}

const ENDLESS: &str = "it does not end by itself";
