//! The example `server`, run as a process of its own and used as its clients would.
//!
//! `end_to_end` is the main job; the others each try one promise. Whoever waits here waits for a
//! line of the log, a reply or the end of a process, with an upper bound, and never for time to
//! pass.

mod client;
mod end_to_end;
#[path = "../support/example.rs"]
mod example;
mod export;
mod faults;
mod process;
mod refusals;
mod shutdown;
