//! Child processes.
//!
//! [`Command`] starts a process like `std`'s does, and [`Child`] awaits it. The names are tokio's.
//!
//! # How an exit is noticed
//!
//! On Linux by a descriptor of the process (`pidfd_open`, since Linux 5.3), which the I/O driver
//! waits for. Where there is none, on older kernels, in sandboxes that forbid the call, and on
//! other systems, by SIGCHLD: the first wait [installs a handler](crate::signal#a-handler-stays),
//! which calls the one that was there before. No wait takes the exit of a process that another part
//! of the program has started: each asks the system for one process id only.
//!
//! A program that ignores SIGCHLD (`SIG_IGN`), or that waits for *any* child (`waitpid(-1)`), takes
//! these exits away: waiting then fails with the system's error (`ECHILD`).
//!
//! # A child that is dropped is not killed
//!
//! Like in `std`, dropping a [`Child`] leaves the process running, unless
//! [`kill_on_drop`](Command::kill_on_drop) is set. What differs from `std`: its exit is collected
//! when it comes, by a task at the root of the runtime that started it, so that no zombie stays
//! while that runtime runs. Children that outlive this runtime are collected, if they have ended,
//! when the program next starts or drops a child.
//!
//! # Frame
//!
//! A child has no frame, and keeps none. The waits and the pipes are awaited in the frame of the
//! task that awaits them. The child process inherits nothing of a frame: pass it what it needs.
//!
//! # Deadlines and cancellation
//!
//! Waits and pipes obey the frame in which they are awaited: they fail when its deadline passes
//! ([`TimedOut`](std::io::ErrorKind::TimedOut)) or it is cancelled. The process goes on, and the
//! child can be awaited again, for example in a [`shield`](crate::deadline::shield) after
//! [`start_kill`](Child::start_kill). [`Child::kill`] kills in any case.
//! [`Child::wait_with_output`] drops its child, as if its future had been dropped.
//!
//! In a seeded run (`framewise::test`) processes cannot be started.
//!
//! # Examples
//!
//! ```
//! use std::process::Stdio;
//! use framewise::process::Command;
//!
//! # fn main() -> std::io::Result<()> {
//! framewise::block_on(async {
//!     let mut sort = Command::new("sort")
//!         .stdin(Stdio::piped())
//!         .stdout(Stdio::piped())
//!         .kill_on_drop(true)
//!         .spawn()?;
//!     let words = sort.stdin.take().expect("it was configured");
//!     words.write_all(b"pear\napple\n").await?;
//!     drop(words); // sends the end
//!     let output = sort.wait_with_output().await?;
//!     assert_eq!(output.stdout, b"apple\npear\n");
//!     Ok(())
//! })
//! # }
//! ```

// `command` and `child` are the interface, `exit` waits for one process, `orphan` for those that
// were dropped. The pipes are the `io` crate's.

mod child;
mod command;
mod exit;
mod orphan;

pub use child::Child;
pub use command::Command;
pub use framewise_io::process::{ChildStderr, ChildStdin, ChildStdout};
