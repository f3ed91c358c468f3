//! The build under `--cfg framewise_shuttle`: shuttle's primitives with the same API.
//!
//! They work only inside a shuttle run. It runs all threads of a model on one OS thread and chooses
//! at random, at each operation of this crate, which thread continues. So models can be large: many
//! tasks, many workers, thousands of steps. In return nothing is explored exhaustively, and **every
//! operation is sequentially consistent**, whatever its ordering argument; a fence does nothing.
//! shuttle finds lost wake-ups, deadlocks, and protocols that fail over a long run or between more
//! threads than loom can handle. It never finds an ordering that is too weak; loom does.
//!
//! Three things are random here that neither loom nor shuttle randomizes:
//!
//! - a timed wait always times out, at once or after some turns of the other threads;
//! - a wait on a condition variable sometimes ends spuriously;
//! - `compare_exchange_weak` sometimes fails spuriously.
//!
//! The random numbers come from the schedule's own source, so a replay repeats them.

mod atomics;
mod cells;
mod chance;
mod lock;
mod threads;

pub use lock::{Condvar, Mutex, MutexGuard, TryLock, TryLockGuard};
pub use std::sync::{Arc, OnceLock};

/// Atomic integers, pointers and fences.
pub mod atomic {
    pub use super::atomics::{
        AtomicBool, AtomicI32, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32,
        AtomicU64, AtomicUsize,
    };
    pub use shuttle::sync::atomic::fence;
    pub use std::sync::atomic::Ordering;
}

/// Hints to the processor.
pub mod hint {
    pub use shuttle::hint::spin_loop;
}

/// Threads.
pub mod thread {
    pub use super::threads::{Builder, JoinHandle, spawn};
    pub use shuttle::thread::{LocalKey, Thread, current, park, yield_now};
}

/// Interior mutability that is tracked.
pub mod cell {
    pub use super::cells::UnsafeCell;
    pub use std::cell::Cell;
}

#[doc(hidden)]
pub use shuttle as __shuttle;

/// Declares thread-local statics with `const` initializers.
#[macro_export]
macro_rules! thread_local {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $kind:ty = const $init:block;)+) => {
        $($crate::__shuttle::thread_local! {
            $(#[$attribute])* $visibility static $name: $kind = $init;
        })+
    };
}
