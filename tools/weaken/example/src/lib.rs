//! Two rings that look alike: one is correct, and one has a seeded bug that its model does not
//! detect.
//!
//! See the README of `framewise-weaken`. This crate plays the role of a user's crate: it uses only
//! the facade, `framewise_sync`.

pub mod faulty;
pub mod ring;
