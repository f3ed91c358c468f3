//! The build under `--cfg framewise_shuttle`: shuttle's primitives behind the same face.
//!
//! They work only inside one of shuttle's runs, which runs all threads of a model on one thread of
//! the system and chooses at random, at each operation of this crate, which of them goes on. So
//! models can be large: many tasks, many workers, thousands of steps. In return nothing is
//! exhausted, and **every operation is sequentially consistent**, whatever its ordering says; a fence
//! is nothing. What is found here is a lost wake-up, a deadlock, a protocol that goes wrong over a
//! long run or between more threads than loom gets through. What is never found is an ordering that
//! is too weak: that is loom's part.
//!
//! Three things are chosen at random that neither loom nor shuttle itself would do:
//!
//! - a timed wait runs out after some turns of the others, be it at once, and always at some time;
//! - a wait on a condition variable ends without a reason, at times;
//! - `compare_exchange_weak` fails without a reason, at times.
//!
//! The choices are drawn from the schedule's own source, so that a replay makes them again.

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
    pub use shuttle::thread::{Thread, current, park, yield_now};
}

/// Interior mutability that is watched.
pub mod cell {
    pub use super::cells::UnsafeCell;
    pub use std::cell::Cell;
}

#[doc(hidden)]
pub use shuttle as __shuttle;

/// Declares thread-local statics with `const` initialisers.
#[macro_export]
macro_rules! thread_local {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $kind:ty = const $init:block;)+) => {
        $($crate::__shuttle::thread_local! {
            $(#[$attribute])* $visibility static $name: $kind = $init;
        })+
    };
}
