//! Test hooks: the calls by which the ordinary code lets a seeded run take part.
//!
//! Owns only the choice between two implementations: `seeded.rs` (feature `test-util`) calls the run that
//! this thread is in, if any; `plain.rs` compiles to nothing. Tasks, handles and sets call these
//! functions and know no run.

#[cfg(any(not(feature = "test-util"), framewise_loom, framewise_shuttle))]
mod plain;
#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
mod seeded;

#[cfg(any(not(feature = "test-util"), framewise_loom, framewise_shuttle))]
pub(crate) use plain::{blocking, ended, interrupts, nested, poll, pushed, spawned, take_one};
#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
pub(crate) use seeded::{blocking, ended, interrupts, nested, poll, pushed, spawned, take_one};
