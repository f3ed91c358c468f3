//! What servers meet: peers that reset at every point, half-closed streams, empty reads and
//! writes, and very many tasks, timers and connections at once. Each fault ends what it hits, with
//! an error, and nothing else.
//!
//! Other suites have the faults of one part: no descriptor or thread is left (`io`'s
//! `accept_exhausted`, `blocking`), `Duration::MAX` and forks (`bugs`), panics (`panics`).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod empty;
mod half_closed;
mod many;
mod resets;
