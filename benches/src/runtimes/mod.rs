//! The measured runtimes, which implement [`BenchRuntime`](crate::BenchRuntime).

mod framewise;
mod smol;
mod tokio;

pub use framewise::Framewise;
pub use smol::{Smol, SmolExecutor};
pub use tokio::Tokio;
