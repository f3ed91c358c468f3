//! Carriers of context values to tasks, so that each can be measured against carrying nothing.
//!
//! Every value is a `u64`, so copying it is free, which is `task_local!`'s best case. Framewise
//! binds all keys in one frame; `task_local!` needs one scope per key. A spawned task inherits the
//! frame automatically; `task_local!` values are set again by hand.

use std::future::Future;
use std::hint::black_box;

use framewise::{ContextVar, bind};

/// A carrier of context values.
pub trait Carrier: Send + Sync + 'static {
    /// The number of keys that it carries.
    const KEYS: usize;

    /// Reads the last key's value; zero if the carrier has no keys.
    fn get() -> u64;

    /// Binds all keys for a function.
    fn run<R>(body: impl FnOnce() -> R) -> R;

    /// Binds one additional key for a function, inside the scope of the others.
    fn run_one_more<R>(body: impl FnOnce() -> R) -> R;

    /// Binds all keys for a future.
    fn scope<F: Future + Send + 'static>(
        future: F,
    ) -> impl Future<Output = F::Output> + Send + 'static;

    /// Makes the spawner's values visible to a future that is about to be spawned.
    fn inherit<F: Future + Send + 'static>(
        future: F,
    ) -> impl Future<Output = F::Output> + Send + 'static;
}

/// The carrier without keys.
pub struct Nothing;

impl Carrier for Nothing {
    const KEYS: usize = 0;

    #[inline(never)]
    fn get() -> u64 {
        black_box(0)
    }

    #[inline]
    fn run<R>(body: impl FnOnce() -> R) -> R {
        body()
    }

    #[inline]
    fn run_one_more<R>(body: impl FnOnce() -> R) -> R {
        body()
    }

    #[inline]
    fn scope<F: Future + Send + 'static>(
        future: F,
    ) -> impl Future<Output = F::Output> + Send + 'static {
        future
    }

    #[inline]
    fn inherit<F: Future + Send + 'static>(
        future: F,
    ) -> impl Future<Output = F::Output> + Send + 'static {
        future
    }
}

/// The keys, declared for both kinds of carriers.
mod keys {
    pub(super) mod frame {
        use framewise::ContextVar;

        macro_rules! declare {
            ($($key:ident)+) => {
                $(pub(crate) static $key: ContextVar<u64> = ContextVar::new(stringify!($key));)+
            };
        }
        declare!(A B C D E F G H I J K L M N O P);
    }

    pub(super) mod task_local {
        macro_rules! declare {
            ($($key:ident)+) => {
                tokio::task_local! {
                    $(pub(crate) static $key: u64;)+
                    pub(crate) static ONE_MORE: u64;
                }
            };
        }
        declare!(A B C D E F G H I J K L M N O P);
    }
}

static ONE_MORE: ContextVar<u64> = ContextVar::new("ONE_MORE");

fn value() -> u64 {
    black_box(7)
}

macro_rules! frame_carrier {
    ($(#[$doc:meta])* $name:ident, $keys:literal, $first:ident $($key:ident)*, last $last:ident) => {
        $(#[$doc])*
        pub struct $name;

        impl Carrier for $name {
            const KEYS: usize = $keys;

            #[inline(never)]
            fn get() -> u64 {
                keys::frame::$last.get().unwrap_or_default()
            }

            #[inline]
            fn run<R>(body: impl FnOnce() -> R) -> R {
                bind(&keys::frame::$first, value())$(.and(&keys::frame::$key, value()))*.run(body)
            }

            #[inline]
            fn run_one_more<R>(body: impl FnOnce() -> R) -> R {
                ONE_MORE.run(value(), body)
            }

            #[inline]
            fn scope<F: Future + Send + 'static>(
                future: F,
            ) -> impl Future<Output = F::Output> + Send + 'static {
                bind(&keys::frame::$first, value())
                    $(.and(&keys::frame::$key, value()))*
                    .scope(future)
            }

            #[inline]
            fn inherit<F: Future + Send + 'static>(
                future: F,
            ) -> impl Future<Output = F::Output> + Send + 'static {
                future
            }
        }
    };
}

/// Nests `task_local!` scopes around an expression, the first key outermost.
macro_rules! nest {
    (sync $inner:expr;) => { $inner };
    (sync $inner:expr; $key:ident $($rest:ident)*) => {
        keys::task_local::$key.sync_scope(value(), || nest!(sync $inner; $($rest)*))
    };
    (future $inner:expr;) => { $inner };
    (future $inner:expr; $key:ident $($rest:ident)*) => {
        keys::task_local::$key.scope(value(), nest!(future $inner; $($rest)*))
    };
    (inherit $inner:expr;) => { $inner };
    (inherit $inner:expr; $key:ident $($rest:ident)*) => {
        keys::task_local::$key.scope(
            keys::task_local::$key.get(),
            nest!(inherit $inner; $($rest)*),
        )
    };
}

macro_rules! task_local_carrier {
    ($(#[$doc:meta])* $name:ident, $keys:literal, $($key:ident)+, last $last:ident) => {
        $(#[$doc])*
        pub struct $name;

        impl Carrier for $name {
            const KEYS: usize = $keys;

            #[inline(never)]
            fn get() -> u64 {
                keys::task_local::$last.try_get().unwrap_or_default()
            }

            #[inline]
            fn run<R>(body: impl FnOnce() -> R) -> R {
                nest!(sync body(); $($key)+)
            }

            #[inline]
            fn run_one_more<R>(body: impl FnOnce() -> R) -> R {
                keys::task_local::ONE_MORE.sync_scope(value(), body)
            }

            #[inline]
            fn scope<F: Future + Send + 'static>(
                future: F,
            ) -> impl Future<Output = F::Output> + Send + 'static {
                nest!(future future; $($key)+)
            }

            #[inline]
            fn inherit<F: Future + Send + 'static>(
                future: F,
            ) -> impl Future<Output = F::Output> + Send + 'static {
                nest!(inherit future; $($key)+)
            }
        }
    };
}

frame_carrier!(
    /// A frame with one variable.
    Frame1, 1, A, last A
);
frame_carrier!(
    /// A frame with four variables.
    Frame4, 4, A B C D, last D
);
frame_carrier!(
    /// A frame with sixteen variables.
    Frame16, 16, A B C D E F G H I J K L M N O P, last P
);
task_local_carrier!(
    /// One `task_local!`.
    TaskLocal1, 1, A, last A
);
task_local_carrier!(
    /// Four `task_local!`s.
    TaskLocal4, 4, A B C D, last D
);
task_local_carrier!(
    /// Sixteen `task_local!`s.
    TaskLocal16, 16, A B C D E F G H I J K L M N O P, last P
);
