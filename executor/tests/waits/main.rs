//! C-48 as a table: the state that a wait leaves with a primitive is released when the wait ends or
//! is dropped, in each executor. A row is a primitive and a way to wait for it. Each wait runs once
//! to its end and is dropped once before it, in a frame whose value counts its references.
//!
//! The conformance suite checks sleeps; here are the primitives of framewise, one by one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod block_on;
mod datagrams;
mod files;
#[cfg(unix)]
mod processes;
mod row;
mod sockets;
mod tasks;
mod timers;
