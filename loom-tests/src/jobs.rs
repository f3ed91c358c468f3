//! Jobs of the blocking pool, and the ends of both.

use framewise::model::ModelPool;
use framewise::{JoinError, JoinHandle};

use crate::bell::Bell;
use crate::once::{EndWatch, EndWatched};

/// A job that does nothing, and who sees its closure's end.
pub fn job(pool: &ModelPool) -> (JoinHandle<()>, EndWatch) {
    let (closure, end) = EndWatched::new();
    (pool.spawn(move || closure.touch()), end)
}

/// Waits for the job's outcome. Its closure has ended by then, either way.
///
/// # Errors
///
/// Why it did not run.
#[track_caller]
pub fn ran((mut handle, end): (JoinHandle<()>, EndWatch)) -> Result<(), JoinError> {
    let outcome = Bell::new().block_on(&mut handle);
    assert!(end.has_ended(), "the closure is still there");
    outcome
}

/// Closes the pool and waits for its threads.
pub fn end_of_pool(pool: &ModelPool) {
    pool.close();
    pool.wait_for_end();
}
