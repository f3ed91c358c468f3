//! framewise beside tokio and smol: the same questions, asked of each in the same words.
//!
//! A runtime is reached through one [`Face`]; a piece of work is generic over it and lives in
//! [`work`]. Who measures the work is somebody else: criterion (`benches/`), the comparer
//! (`src/bin/compare.rs`), callgrind (`src/bin/once.rs`) or a counting allocator
//! (`src/bin/allocations.rs`). So a runtime is never asked differently by two of them.

pub mod arguments;
mod face;
mod faces;
pub mod load;
pub mod means;
pub mod measure;
mod question;
pub mod work;

pub use face::{Face, WORKERS};
pub use faces::{Framewise, Smol, SmolExecutor, Tokio};
pub use question::{Keys, Question};

/// Calls a function that is generic over a [`Face`] for the runtime of that name.
///
/// Gives `None` where no runtime has it.
#[macro_export]
macro_rules! with_face {
    ($name:expr, $function:ident($($argument:expr),*)) => {
        match $name {
            "framewise" => Some($function::<$crate::Framewise>($($argument),*)),
            "tokio" => Some($function::<$crate::Tokio>($($argument),*)),
            "smol" => Some($function::<$crate::Smol>($($argument),*)),
            "smol-executor" => Some($function::<$crate::SmolExecutor>($($argument),*)),
            _ => None,
        }
    };
}
