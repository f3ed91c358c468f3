//! Two rings that look alike: one is right, and one has a planted bug that its model misses.
//!
//! See the README of `framewise-weaken`. This crate stands for anybody's: of framewise it knows the
//! facade, `framewise_sync`, and nothing else.

pub mod planted;
pub mod ring;
