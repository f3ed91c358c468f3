//! Signals of the operating system: framewise's.

pub use framewise::signal::{ctrl_c, unix};
