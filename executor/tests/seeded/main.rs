//! Seeded runs: reproducibility, virtual time, ends of runs, and rejected operations.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clock;
mod ends;
mod orders;
mod replay;

use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
