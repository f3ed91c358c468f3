//! Stress tests, for races that no single interleaving shows. Each test names the rows of the list
//! of other runtimes' bugs that it covers ("class, repository and number"); all have a hang
//! watchdog.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod races;
mod wakeups;
