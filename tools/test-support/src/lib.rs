//! What the tests of several crates share. A crate of the workspace has it as a dev-dependency by
//! path and without a version, which `cargo package` leaves out.
//!
//! A unit test of `framewise-context` must name no frame or variable of this crate: the unit under
//! test is another build of its types.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod allocator;
mod drops;
mod frames;
mod panics;
mod polls;
#[cfg(feature = "runtime")]
mod runtimes;

pub use allocator::*;
pub use drops::*;
pub use frames::*;
pub use panics::*;
pub use polls::*;
#[cfg(feature = "runtime")]
pub use runtimes::*;
