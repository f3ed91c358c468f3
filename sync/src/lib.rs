//! The facade for atomics, locks, cells, threads and the deque.
//!
//! Every crate of the workspace takes its concurrency primitives from this crate only. In an
//! ordinary build they are `std`'s, re-exported or thinly wrapped. Under `--cfg framewise_loom`
//! they are [loom](https://docs.rs/loom)'s, and under `--cfg framewise_shuttle`
//! [shuttle](https://docs.rs/shuttle)'s. So the shipped code itself runs inside models: small ones
//! that loom explores exhaustively, weak orderings included, and large ones that shuttle runs under
//! random schedules. The idea of one facade for `std` and loom is tokio's (`tokio/src/loom`). The
//! cfgs are our own because other crates also read plain `--cfg loom`, which changes or breaks
//! them.
//!
//! This crate must not know tasks, frames, timers or I/O. It adds no protocol of its own.
//!
//! It differs from `std` in three ways that every caller wants:
//!
//! - [`Mutex::lock`] ignores poisoning. The runtime holds no lock while it runs user code, so a
//!   panic under a lock is a bug of the runtime and not a state that a caller could handle.
//! - [`cell::UnsafeCell`] gives access through closures, so that models can track the accesses.
//! - [`thread_local!`] accepts only `const` initializers.

pub mod current;
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

/// Primitives for a `static`: always `std`'s.
///
/// loom's constructors are not `const`, so a static cannot hold loom's primitives, and a model does
/// not see these. A protocol over statics is therefore a type that borrows its primitives, so that
/// a model can instantiate it with loom's (`context/src/statics.rs`).
pub mod statics {
    use std::sync::PoisonError;

    pub use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
    pub use std::sync::{Mutex, MutexGuard, OnceLock};

    /// Acquires a lock that lives in a static, ignoring poisoning.
    pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
