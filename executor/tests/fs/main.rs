//! Files and directories: what is read and written, in which order, and what fails; runtimes that
//! end; frames. (What a wait leaves behind is in `waits/`, the budget in `budget/`.)
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod buffers;
mod directories;
mod failures;
mod files;
mod frames;
mod orders;
mod runtimes;
mod traits;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A directory of a test, which is removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("framewise-fs-{}-{number}", std::process::id());
        let path = env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Returns the path of a file that has these contents.
    fn file(&self, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join("file");
        fs::write(&path, contents).unwrap();
        path
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Opens a file for reading and writing.
async fn open(path: &Path) -> framewise::fs::File {
    let mut options = framewise::fs::File::options();
    options.read(true).write(true).open(path).await.unwrap()
}
