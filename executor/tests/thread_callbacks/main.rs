//! What users choose about a runtime's threads: callbacks, names, intervals; and what a runtime
//! tells of itself: ids, numbers, the error of its end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod callbacks;
mod intervals;
mod names;
mod numbers;
