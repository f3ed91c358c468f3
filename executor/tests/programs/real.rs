//! Runs programs on the real runtime: every statement calls the function after which it is named.

mod branches;
mod children;
pub(crate) mod faults;
pub(crate) mod hook;
pub(crate) mod run;
mod slots;
mod steps;
pub(crate) mod task_hooks;
mod tasks;
mod waits;
mod work;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use framewise::context::{CaughtPanic, catch_unwind};
use framewise::runtime::Handle;
use framewise::test::Explorer;
use framewise::time::sleep;
use futures::future::BoxFuture;

use crate::expect::{Note, Role};
use crate::program::{Node, Program};
use crate::variables::run_under;
use run::Run;
use slots::Slots;

/// Runs the program's own future on this thread. Its tasks may still run afterwards.
pub(crate) fn execute(run: &Arc<Run>, program: &Program, handle: &Handle) {
    let caught = catch_unwind(|| {
        run_under(run.made(&program.0, 0), || {
            handle.block_on(body(run, &program.0))
        });
    });
    ended(run, program, caught);
}

/// Like [`execute`], within a seeded run, which advances only virtual time until all tasks have
/// ended or wait forever. Fails if the run fails.
pub(crate) fn execute_seeded(
    run: &Arc<Run>,
    program: &Program,
    seed: u64,
    waits: bool,
) -> Result<(), String> {
    let explorer = Explorer::new().ignore_unhandled_panics();
    let made = run.made(&program.0, 0);
    let outcome = run_under(made, || {
        let future = async {
            let mut body = body(run, &program.0);
            // Catch panics per poll, because a panic must not end the run.
            let caught = poll_fn(|cx| match catch_unwind(|| body.as_mut().poll(cx)) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(())) => Poll::Ready(Ok(())),
                Err(caught) => Poll::Ready(Err(caught)),
            })
            .await;
            drop(body);
            while waits && run.is_busy() {
                sleep(Duration::from_millis(1)).await;
            }
            caught
        };
        explorer.run(seed, || future).into_result()
    });
    match outcome {
        Ok(caught) => {
            ended(run, program, caught);
            Ok(())
        }
        Err(failure) => Err(failure.to_string()),
    }
}

fn body<'a>(run: &'a Arc<Run>, node: &'a Node) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        let mut slots = Slots::new(Default::default(), false);
        waits::block(run, node, 0, &mut slots).await;
    })
}

fn ended(run: &Run, program: &Program, ended: Result<(), CaughtPanic>) {
    let note = match ended {
        Ok(()) => Note::Done,
        Err(caught) => {
            let (payload, frame) = caught.into_parts();
            run.panicked(hook::text(&*payload), &frame)
        }
    };
    run.observe((program.0.id, Role::Ended), note);
}
