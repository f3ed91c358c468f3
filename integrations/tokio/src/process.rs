//! Child processes: framewise's.

pub use framewise::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
