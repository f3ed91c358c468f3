//! Where a seeded run takes part in the ordinary code: a few calls, empty without the feature.
//!
//! Owns nothing but the choice between the two: `seeded.rs` (feature `test-util`) asks the run that
//! this thread is in, if it is in one; `plain.rs` compiles to nothing. Tasks, handles and sets call
//! these and know no run.

#[cfg(any(not(feature = "test-util"), framewise_loom, framewise_shuttle))]
mod plain;
#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
mod seeded;

#[cfg(any(not(feature = "test-util"), framewise_loom, framewise_shuttle))]
pub(crate) use plain::{blocking, ended, interrupts, nested, poll, pushed, spawned, take_one};
#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
pub(crate) use seeded::{blocking, ended, interrupts, nested, poll, pushed, spawned, take_one};
