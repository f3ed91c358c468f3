//! The programs on the real runtime: every statement is done by the call that it is named after.

pub(crate) mod faults;
pub(crate) mod run;
mod slots;
mod steps;
mod tasks;
mod waits;

use std::sync::Arc;

use framewise::context::catch_unwind;
use framewise::runtime::Handle;

use crate::expect::{Note, Role};
use crate::program::Program;
use crate::variables::run_under;
use run::Run;
use slots::Slots;

/// Runs the program's own future on this thread. Its tasks may still be running afterwards.
pub(crate) fn execute(run: &Arc<Run>, program: &Program, handle: &Handle) {
    execute_by(run, program, |future| handle.block_on(future));
}

/// The same, where `block_on` may be any runtime's.
pub(crate) fn execute_by(
    run: &Arc<Run>,
    program: &Program,
    block_on: impl FnOnce(futures::future::BoxFuture<'_, ()>),
) {
    let node = &program.0;
    let made = run.made(node, 0);
    let caught = catch_unwind(|| {
        run_under(made, || {
            let mut slots = Slots::new(Default::default(), false);
            block_on(Box::pin(async {
                let mut slots =
                    std::mem::replace(&mut slots, Slots::new(Default::default(), false));
                waits::block(run, node, 0, &mut slots).await;
            }));
        });
    });
    let note = match caught {
        Ok(()) => Note::Done,
        Err(caught) => {
            let frame = caught.frame().clone();
            let (payload, _) = caught.into_parts();
            let message = payload.downcast_ref::<String>().map_or("", String::as_str);
            run.panicked(message, &frame)
        }
    };
    run.look((node.id, Role::Ended), note);
}
