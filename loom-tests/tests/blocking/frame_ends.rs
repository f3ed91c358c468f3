//! Calls that wait for a thread when the work of their frame ends.

use framewise::model::ModelPool;
use framewise::{JoinError, JoinHandle};
use framewise_context::cancel::{self, CancelScope};
use framewise_loom_tests::{DropObserver, DropTracker, end_of_pool, job, model, ran};
use framewise_sync::thread;

fn job_in(scope: &CancelScope, pool: &ModelPool) -> (JoinHandle<()>, DropObserver) {
    let (closure, observer) = DropTracker::new();
    let job = scope.run(|| pool.spawn_in_frame(move || closure.touch()));
    (job, observer)
}

fn expect_ended_or_run(outcome: Result<(), JoinError>) {
    if let Err(error) = outcome {
        assert!(error.ended().is_some(), "{error}");
    }
}

/// Race: a cancel against a call that is pushed, and against the thread that takes it.
#[test]
fn a_cancel_meets_a_push() {
    model("blocking: cancel × push, run", || {
        let pool = ModelPool::new(1, 0);
        let (handle, scope) = cancel::scope();
        let cancelling = thread::spawn(move || handle.cancel());
        let call = job_in(&scope, &pool);
        drop(scope);
        expect_ended_or_run(ran(call));
        cancelling.join().expect("no panic");
        end_of_pool(&pool);
    });
}

/// Race: a cancel against the end of the pool, with a call in the queue behind another.
#[test]
fn a_cancel_meets_the_end_of_the_pool() {
    model("blocking: cancel × close", || {
        let pool = ModelPool::new(1, 0);
        let first = job(&pool);
        let (handle, scope) = cancel::scope();
        let (call, observer) = job_in(&scope, &pool);
        drop(scope);
        let cancelling = thread::spawn(move || handle.cancel());
        pool.close();
        cancelling.join().expect("no panic");
        let _either = ran(first);
        // Run, ended or cancelled: once.
        let _any = ran((call, observer));
        pool.wait_for_end();
    });
}
