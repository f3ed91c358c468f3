//! The blocking pool: its limit, the lifetime of its threads, aborts in its queue, and a thread
//! that cannot be started ("blocking pool": tokio 8056, 8406).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aborts;
mod calls;
mod no_thread;
mod threads;
