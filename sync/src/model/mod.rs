//! The build under `--cfg framewise_loom`: loom's primitives with the same API.
//!
//! They work only inside `loom::model`. loom never lets a wait time out by itself: a model that
//! needs a timeout makes it an explicit choice of its mock driver or clock.
//!
//! Every operation that has an ordering, and every lock, wait and notification, reports its call
//! site to `site.rs`. So `framewise-weaken` can weaken one operation at a time and see whether the
//! models notice.

mod atomics;
mod lock;
mod once;
mod point;
mod site;
mod threads;
mod try_lock;

pub use lock::{Condvar, Mutex, MutexGuard};
pub use loom::sync::Arc;
pub use once::OnceLock;
pub use try_lock::{TryLock, TryLockGuard};

/// Atomic integers, pointers and fences.
pub mod atomic {
    pub use super::atomics::{
        AtomicBool, AtomicI32, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32,
        AtomicU64, AtomicUsize, fence,
    };
    pub use std::sync::atomic::Ordering;
}

/// Hints to the processor.
pub mod hint {
    pub use loom::hint::spin_loop;
}

/// Threads.
pub mod thread {
    pub use super::threads::{
        Builder, FailingStart, JoinHandle, Thread, current, fail_start, park, spawn,
    };
    pub use loom::thread::{LocalKey, yield_now};
}

/// Interior mutability that loom tracks.
pub mod cell {
    pub use loom::cell::UnsafeCell;
    pub use std::cell::Cell;
}

#[doc(hidden)]
pub use loom as __loom;

/// Declares thread-local statics with `const` initializers (loom's are not `const`).
#[macro_export]
macro_rules! thread_local {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $kind:ty = const $init:block;)+) => {
        $($crate::__loom::thread_local! {
            $(#[$attribute])* $visibility static $name: $kind = $init;
        })+
    };
}
