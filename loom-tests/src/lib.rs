//! What the models in `tests/` share.
//!
//! A model runs the shipped code under `--cfg framewise_loom`. In an ordinary build this crate is
//! empty, and so are its tests: the test command runs them a second time with the cfg set.

#[cfg(framewise_loom)]
mod bell;
#[cfg(framewise_loom)]
mod mirror;
#[cfg(framewise_loom)]
mod once;
#[cfg(framewise_loom)]
mod poison;
#[cfg(framewise_loom)]
mod run;
#[cfg(all(
    framewise_loom,
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod stacks;

/// The shipped door, for a test that stands in its place.
#[cfg(framewise_loom)]
pub use framewise_sync as door;

#[cfg(framewise_loom)]
pub use bell::Bell;
#[cfg(framewise_loom)]
pub use mirror::{Kernel, Mirror, TaskSet};
#[cfg(framewise_loom)]
pub use once::{EndWatch, EndWatched};
#[cfg(framewise_loom)]
pub use poison::PoisoningAllocator;
#[cfg(framewise_loom)]
pub use run::model;
