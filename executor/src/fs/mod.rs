//! Files and directories.
//!
//! The names and meanings are tokio's. Operating systems have no readiness of files, so each
//! operation is a blocking call on the runtime's [pool](crate::spawn_blocking), and many small
//! operations are slow: read and write in large pieces, use [`read`] and [`write()`] for whole
//! files, or do several steps in one [`spawn_blocking`](crate::spawn_blocking) with `std::fs`. For
//! pipes and devices, which may block for long, use [`net::unix::pipe`](crate::net::unix) and
//! [`AsyncFd`](crate::io::unix::AsyncFd) instead: a blocked thread of the pool delays the shutdown.
//!
//! # Errors
//!
//! Each operation fails with the system's error, outside of a runtime, and if the runtime is
//! shutting down or can start no thread: the operation was not done then.
//!
//! # Deadlines and cancellation
//!
//! Each operation fails when the deadline of its frame passes
//! ([`TimedOut`](std::io::ErrorKind::TimedOut)) or the frame is cancelled. The system cannot stop a
//! call: what was begun is finished, as if the future had been dropped, and the operations of a
//! [`File`] that follow wait for it. An operation that begins later makes no call.
//! [`File::into_std`], which has no error, waits on.
//!
//! # Cancel safety
//!
//! If the future of an operation is dropped, the system's call may be done, under way, or still to
//! come: a call leaves the pool's queue only at the runtime's shutdown. The methods of [`File`]
//! that change its position or contents say what that means for them.
//!
//! # Frame
//!
//! The awaiting task's. No code of the program runs in the call, which the pool makes at the root:
//! a call that takes long keeps no frame of a task that has given it up.
//!
//! # Examples
//!
//! ```
//! use framewise::fs::{self, File};
//!
//! # fn main() -> std::io::Result<()> {
//! # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-fs", std::process::id()));
//! framewise::block_on(async {
//!     fs::create_dir_all(&directory).await?;
//!     let path = directory.join("greeting");
//!     let mut file = File::create(&path).await?;
//!     file.write_all(b"hello").await?;
//!     file.flush().await?; // or the last write may not be done yet
//!     assert_eq!(fs::read(&path).await?, b"hello");
//!     fs::remove_dir_all(&directory).await
//! })
//! # }
//! ```

// `functions` has what is one call, `file` what is open.

mod directory;
mod file;
mod functions;
mod open_options;

pub use std::fs::FileTimes;

pub use directory::{DirBuilder, DirEntry, ReadDir, read_dir};
pub use file::File;
#[cfg(unix)]
pub use functions::symlink;
pub use functions::{
    canonicalize, copy, create_dir, create_dir_all, hard_link, metadata, read, read_link,
    read_to_string, remove_dir, remove_dir_all, remove_file, rename, set_permissions,
    symlink_metadata, try_exists, write,
};
#[cfg(windows)]
pub use functions::{symlink_dir, symlink_file};
pub use open_options::OpenOptions;
