//! Jobs of the blocking pool, their outcome, and the end of the pool.

use framewise::model::ModelPool;
use framewise::{JoinError, JoinHandle};

use crate::drop_tracker::{DropObserver, DropTracker};
use crate::test_waker::TestWaker;

/// Spawns a job that does nothing. Returns its handle and an observer of its closure's drop.
pub fn job(pool: &ModelPool) -> (JoinHandle<()>, DropObserver) {
    let (closure, observer) = DropTracker::new();
    (pool.spawn(move || closure.touch()), observer)
}

/// Waits for the job's outcome, and asserts that its closure was dropped by then.
///
/// # Errors
///
/// Returns the reason if the job did not run.
#[track_caller]
pub fn ran((mut handle, observer): (JoinHandle<()>, DropObserver)) -> Result<(), JoinError> {
    let outcome = TestWaker::new().block_on(&mut handle);
    assert!(observer.is_dropped(), "the closure was not dropped");
    outcome
}

/// Closes the pool and waits for its threads.
pub fn end_of_pool(pool: &ModelPool) {
    pool.close();
    pool.wait_for_end();
}
