//! Files and directories: framewise's.

pub use framewise::fs::*;
