//! Tests of the example `server`, which runs as a child process and serves real clients.
//!
//! `end_to_end` is the main test; each of the others checks one property. The tests wait only for a
//! line of the log, a response or the end of a process, each with a timeout, and never for time to
//! pass.

mod client;
mod deadlines;
mod end_to_end;
#[path = "../support/example.rs"]
mod example;
mod export;
mod faults;
mod process;
mod rejections;
mod shutdown;
