//! `task::scope`: tasks that end before the statement does.

use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use framewise::context::{CaughtPanic, catch_unwind};
use framewise::deadline::shield;
use framewise::spawn;
use framewise::task::{self, ChildError, TaskScope};
use futures::channel::oneshot;

use super::faults::Fault;
use super::run::{Run, Watched};
use super::slots::{Frames, Slots};
use super::waits::block;
use crate::expect::{Note, Role};
use crate::program::Node;
use crate::variables::Made;
use crate::work::cause_of;

/// The children of a statement.
struct Children<'a> {
    run: &'a Arc<Run>,
    node: &'a Node,
    /// Each child holds a clone.
    alive: &'a Arc<()>,
    frames: Frames,
    /// `true` on the thread of a `LocalSet`.
    local: bool,
    /// By the fault, a child waits for the end of the scope.
    gate: Option<oneshot::Receiver<()>>,
}

impl Children<'_> {
    /// Returns the future of a child.
    fn future(&self, index: usize) -> impl Future<Output = Watched> + Send + use<> {
        let (run, node) = (Arc::clone(self.run), self.node.clone());
        let held = (
            run.watched(node.id, Role::Owned),
            run.busy(),
            Arc::clone(self.alive),
        );
        let mut slots = Slots::new(self.frames.clone(), self.local && index == 0);
        async move {
            let _held = held;
            block(&run, &node, index, &mut slots).await;
            drop(slots);
            run.watched(node.id, Role::Output)
        }
    }

    /// Spawns the child with that index. The first one stays on the thread of a `LocalSet`.
    fn spawn<T: Send + 'static>(
        &mut self,
        scope: &mut TaskScope<T>,
        index: usize,
        output: impl FnOnce(Watched) -> T + Send + 'static,
    ) {
        let future = self.future(index);
        let future = async move { output(future.await) };
        let child = match self.run.fault {
            Fault::ScopesEndEarly if self.gate.is_some() => {
                let gate = self.gate.take();
                let late = async move {
                    if let Some(gate) = gate {
                        let _ = gate.await;
                    }
                    future.await
                };
                spawn(late).abort_handle()
            }
            Fault::CancelsNoChild => scope.spawn(shield(future)),
            _ if self.local && index == 0 => scope.spawn_local(future),
            _ => scope.spawn(future),
        };
        self.run.track(child);
    }

    /// Spawns a child whose frame holds a value: a task or a blocking call. Returns the value's
    /// serial number.
    fn spawn_with<T: Send + 'static>(
        &self,
        scope: &mut TaskScope<T>,
        is_call: bool,
        output: T,
    ) -> u64 {
        let made = self.run.made(self.node, 0).pop();
        let made: Made = made.expect("the statement has a binding");
        let serial = made.serial().expect("its variable is a counted one");
        let busy = self.run.busy();
        let returns = move || {
            drop(busy);
            output
        };
        let child = made.bind_one(|| match is_call {
            true => scope.spawn_blocking(returns),
            false => scope.spawn(async move { returns() }),
        });
        self.run.track(child);
        serial
    }
}

/// Waits for the end of a scope, and checks that its children have ended. Its output is the serial
/// number of a value that a child's frame held.
async fn ended(run: &Run, id: u32, alive: &Arc<()>, scope: impl Future<Output = u64>) {
    let caught = caught(scope).await;
    if Arc::strong_count(alive) > 1 {
        run.complain(format!(
            "C-103: a child of #{id} has not ended with its scope"
        ));
    }
    match caught {
        Ok(serial) => {
            let note = if run.is_alive(serial) {
                Note::Kept
            } else {
                Note::Nothing
            };
            run.observe((id, Role::Released), note);
        }
        Err(panic) => {
            let (payload, frame) = panic.into_parts();
            frame.run(|| resume_unwind(payload));
        }
    }
}

/// Awaits a future, and catches its panic.
async fn caught<F: Future>(future: F) -> Result<F::Output, CaughtPanic> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(|| future.as_mut().poll(cx)) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// Runs two children beside a body, which returns, waits for the results, or cancels the scope
/// between the two spawns and waits.
pub(super) async fn beside_body(run: &Arc<Run>, node: &Node, slots: &mut Slots) {
    let alive = Arc::new(());
    let (ends, gate) = oneshot::channel();
    let mut children = Children {
        run,
        node,
        alive: &alive,
        frames: slots.frames.clone(),
        local: slots.local,
        gate: Some(gate),
    };
    let scope = task::scope(async |mut scope| {
        children.spawn(&mut scope, 0, Some);
        if node.times > 2 {
            scope.cancel_with(cause_of(node.id));
        }
        children.spawn(&mut scope, 1, Some);
        let serial = children.spawn_with(&mut scope, node.times == 1, None);
        block(run, node, 2, slots).await;
        if node.times > 1 {
            let mut results = scope.results().await;
            if run.is(Fault::MixesResults) {
                results.swap(0, 1);
            }
            for (role, result) in [Role::Ended, Role::EndedSecond].into_iter().zip(results) {
                run.ended_at((node.id, role), result);
            }
        }
        serial
    });
    ended(run, node.id, &alive, scope).await;
    drop(ends);
}

/// Runs a child that fails and one that succeeds, until the first error or the first success.
pub(super) async fn first(run: &Arc<Run>, node: &Node, slots: &mut Slots) {
    let alive = Arc::new(());
    let mut children = Children {
        run,
        node,
        alive: &alive,
        frames: slots.frames.clone(),
        local: slots.local,
        gate: None,
    };
    let scope = task::scope(async |mut scope| {
        children.spawn(&mut scope, 0, |watched| Err(Some(watched)));
        children.spawn(&mut scope, 1, |watched| Ok(Some(watched)));
        let undecided = if node.times == 1 { Ok(None) } else { Err(None) };
        let serial = children.spawn_with(&mut scope, false, undecided);
        let note = if node.times == 1 {
            match scope.try_join_all().await {
                Ok(_) => Note::Strange,
                Err(error) => failed(run, &error),
            }
        } else {
            match scope.select_ok().await {
                Ok(_) => Note::Done,
                Err(errors) => {
                    errors.iter().for_each(|error| _ = failed(run, error));
                    Note::Nothing
                }
            }
        };
        run.observe((node.id, Role::Ended), note);
        serial
    });
    ended(run, node.id, &alive, scope).await;
}

fn failed(run: &Run, error: &ChildError<Option<Watched>>) -> Note {
    match error.join_error() {
        None => Note::Done,
        Some(error) => match error.frame() {
            Some(frame) => run.panicked(&error.to_string(), frame),
            None => Note::Strange,
        },
    }
}
