//! The measured runtimes, which implement [`Face`](crate::Face).

mod framewise;
mod smol;
mod tokio;

pub use framewise::Framewise;
pub use smol::{Smol, SmolExecutor};
pub use tokio::Tokio;
