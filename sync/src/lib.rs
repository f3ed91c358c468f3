//! The one door to atomics, locks, cells, threads and the deque.
//!
//! Every crate of the workspace takes its concurrency primitives from here and from nowhere else.
//! In an ordinary build they are `std`'s, re-exported or thinly wrapped. Under
//! `--cfg framewise_loom` they are [loom](https://docs.rs/loom)'s, and under
//! `--cfg framewise_shuttle` [shuttle](https://docs.rs/shuttle)'s, so that the shipped code itself
//! runs inside models: small ones that loom exhausts, weak orderings and all, and large ones that
//! shuttle runs under random schedules. The cfgs are our own because plain `--cfg loom` is read by
//! other crates too and changes or breaks them.
//!
//! What this crate must not know: tasks, frames, timers, I/O. It adds no protocol of its own.
//!
//! Three differences from `std`, each of them wanted by every caller:
//!
//! - [`Mutex::lock`] does not report poisoning. No lock of the runtime is held while user code
//!   runs, so a panic under one is a bug of ours and not a state that callers could handle.
//! - [`cell::UnsafeCell`] gives access through closures, which is how models see the accesses.
//! - [`thread_local!`] takes only `const` initialisers.

pub mod deque;

#[cfg(all(framewise_loom, framewise_shuttle))]
compile_error!("one kind of models at a time: framewise_loom or framewise_shuttle");

#[cfg(framewise_loom)]
mod model;
#[cfg(not(any(framewise_loom, framewise_shuttle)))]
mod native;
#[cfg(framewise_shuttle)]
mod random;

#[cfg(framewise_loom)]
pub use model::*;
#[cfg(not(any(framewise_loom, framewise_shuttle)))]
pub use native::*;
#[cfg(framewise_shuttle)]
pub use random::*;

/// What lives in a `static`: always `std`'s.
///
/// loom's constructors are not `const`, so a static cannot hold one, and a model sees none of these.
/// A protocol over them is a type that takes its primitives from outside, so that models can make one
/// over theirs (`context/src/statics.rs`).
pub mod statics {
    use std::sync::PoisonError;

    pub use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
    pub use std::sync::{Mutex, MutexGuard, OnceLock};

    /// Takes a lock that lives in a static; poisoning is not reported.
    pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
