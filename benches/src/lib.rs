//! Benchmarks of framewise, tokio and smol with the same workloads.
//!
//! Each runtime implements [`BenchRuntime`]; a workload is generic over it and lives in [`work`].
//! The measuring programs are separate: criterion (`benches/`), the comparer (`src/bin/compare/`),
//! callgrind (`src/bin/once.rs`) and a counting allocator (`src/bin/allocations.rs`). So all of
//! them run a workload in the same way.

pub mod arguments;
pub mod carrier;
pub mod load;
pub mod measure;
mod runtime;
mod runtimes;
pub mod work;
mod workload;

pub use runtime::{BenchRuntime, WORKERS};
pub use runtimes::{Framewise, FramewiseAccount, Smol, SmolExecutor, Tokio};
pub use workload::{Keys, Workload};

/// Calls a function that is generic over [`BenchRuntime`] with the runtime of that name.
///
/// Returns `None` if there is no such runtime.
#[macro_export]
macro_rules! with_runtime {
    ($name:expr, $function:ident($($argument:expr),*)) => {
        match $name {
            "framewise" => Some($function::<$crate::Framewise>($($argument),*)),
            "framewise-account" => Some($function::<$crate::FramewiseAccount>($($argument),*)),
            "tokio" => Some($function::<$crate::Tokio>($($argument),*)),
            "smol" => Some($function::<$crate::Smol>($($argument),*)),
            "smol-executor" => Some($function::<$crate::SmolExecutor>($($argument),*)),
            _ => None,
        }
    };
}
