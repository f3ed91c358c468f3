//! Directories: making them, and listing what they contain.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, FileType, Metadata};
use std::future::poll_fn;
use std::io;
use std::mem;
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, DirEntryExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use framewise_context::{control, coop};

use crate::blocking::call::{Caller, call, call_error, poll_call};
use crate::task::JoinHandle;

/// How a directory is made.
///
/// # Examples
///
/// ```
/// use framewise::fs::{self, DirBuilder};
///
/// # fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("framewise-doc-{}-builder", std::process::id()));
/// framewise::block_on(async {
///     DirBuilder::new().recursive(true).create(path.join("one/two")).await?;
///     fs::remove_dir_all(&path).await
/// })
/// # }
/// ```
#[derive(Debug, Default)]
pub struct DirBuilder {
    recursive: bool,
    #[cfg(unix)]
    mode: Option<u32>,
}

impl DirBuilder {
    /// Creates a builder in which nothing is set.
    pub fn new() -> DirBuilder {
        DirBuilder::default()
    }

    /// Sets whether the directories above are made, too. It is no error then if the directory
    /// exists.
    pub fn recursive(&mut self, recursive: bool) -> &mut DirBuilder {
        self.recursive = recursive;
        self
    }

    /// Sets the permissions, from which the process's mask is taken away. The default is `0o777`.
    #[cfg(unix)]
    pub fn mode(&mut self, mode: u32) -> &mut DirBuilder {
        self.mode = Some(mode);
        self
    }

    /// Makes the directory.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](super#errors).
    pub async fn create(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref().to_owned();
        let mut builder = fs::DirBuilder::new();
        builder.recursive(self.recursive);
        #[cfg(unix)]
        if let Some(mode) = self.mode {
            builder.mode(mode);
        }
        call(move || builder.create(path)).await
    }
}

/// Lists what a directory contains.
///
/// # Errors
///
/// Fails like [each operation](super#errors).
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("framewise-doc-{}-list", std::process::id()));
/// framewise::block_on(async {
///     fs::create_dir_all(path.join("directory")).await?;
///     fs::write(path.join("file"), "hello").await?;
///     let mut names = Vec::new();
///     let mut entries = fs::read_dir(&path).await?;
///     while let Some(entry) = entries.next_entry().await? {
///         names.push((entry.file_name(), entry.file_type().await?.is_dir()));
///     }
///     names.sort();
///     assert_eq!(names, [("directory".into(), true), ("file".into(), false)]);
///     fs::remove_dir_all(&path).await
/// })
/// # }
/// ```
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref().to_owned();
    let listing = call(move || {
        let mut listing = Listing {
            rest: Some(fs::read_dir(path)?),
            chunk: VecDeque::new(),
        };
        listing.read_chunk();
        Ok(listing)
    });
    Ok(ReadDir(State::Idle(listing.await?)))
}

/// What a directory contains, in the system's order; made by [`read_dir`].
///
/// The entries are fetched several at a time.
#[derive(Debug)]
pub struct ReadDir(State);

#[derive(Debug)]
enum State {
    Idle(Listing),
    Reading(JoinHandle<Listing>),
    /// A call that was not run has lost the listing.
    Failed,
}

#[derive(Debug)]
struct Listing {
    /// `None` after the end.
    rest: Option<fs::ReadDir>,
    chunk: VecDeque<io::Result<DirEntry>>,
}

/// How many entries one call fetches.
const CHUNK: usize = 32;

impl Listing {
    /// Fetches the next entries, up to an error.
    fn read_chunk(&mut self) {
        while self.chunk.len() < CHUNK
            && let Some(rest) = &mut self.rest
        {
            let Some(entry) = rest.next() else {
                self.rest = None;
                return;
            };
            let is_error = entry.is_err();
            self.chunk.push_back(entry.map(DirEntry::new));
            if is_error {
                return;
            }
        }
    }
}

impl ReadDir {
    /// Returns the next entry, or `None` at the end.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](super#errors). After an error of the system the next call goes
    /// on.
    ///
    /// # Cancel safety
    ///
    /// Safe: no entry is lost.
    ///
    /// # Frame
    ///
    /// The awaiting task's.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::fs;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("framewise-doc-{}-entries", std::process::id()));
    /// framewise::block_on(async {
    ///     fs::create_dir(&path).await?;
    ///     fs::write(path.join("one"), "hello").await?;
    ///     let mut entries = fs::read_dir(&path).await?;
    ///     while let Some(entry) = entries.next_entry().await? {
    ///         assert_eq!(entry.file_name(), "one");
    ///         assert!(entry.file_type().await?.is_file());
    ///         assert_eq!(entry.metadata().await?.len(), 5);
    ///     }
    ///     fs::remove_dir_all(&path).await
    /// })
    /// # }
    /// ```
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        poll_fn(|cx| self.poll_next_entry(cx)).await
    }

    /// Like [`next_entry`](Self::next_entry), as a poll function: the last caller is woken.
    ///
    /// # Errors
    ///
    /// See [`next_entry`](Self::next_entry).
    pub fn poll_next_entry(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<DirEntry>>> {
        ready!(control::poll_check(cx))?;
        loop {
            match &mut self.0 {
                State::Reading(call) => {
                    let read = ready!(poll_call(call, cx))?;
                    self.0 = State::Failed;
                    self.0 = State::Idle(read.map_err(call_error)?);
                }
                State::Idle(listing) if listing.rest.is_some() && listing.chunk.is_empty() => {
                    // Without a runtime the listing stays.
                    let caller = Caller::current()?;
                    if let State::Idle(mut listing) = mem::replace(&mut self.0, State::Failed) {
                        self.0 = State::Reading(caller.spawn(move || {
                            listing.read_chunk();
                            listing
                        }));
                    }
                }
                State::Idle(listing) => {
                    ready!(coop::poll_spend(cx));
                    return Poll::Ready(listing.chunk.pop_front().transpose());
                }
                State::Failed => {
                    let error = "an earlier call of this listing failed: list the directory again";
                    return Poll::Ready(Err(io::Error::other(error)));
                }
            }
        }
    }
}

/// A file or directory in a directory; returned by [`ReadDir`].
#[derive(Debug)]
pub struct DirEntry {
    std: Arc<fs::DirEntry>,
    /// The type, where the listing has it (it costs no call then).
    file_type: Option<FileType>,
}

impl DirEntry {
    fn new(std: fs::DirEntry) -> Self {
        Self {
            file_type: std.file_type().ok(),
            std: Arc::new(std),
        }
    }

    /// Returns the path: that of the listed directory, and the name.
    pub fn path(&self) -> PathBuf {
        self.std.path()
    }

    /// Returns the name.
    pub fn file_name(&self) -> OsString {
        self.std.file_name()
    }

    /// Returns the number of the inode.
    #[cfg(unix)]
    pub fn ino(&self) -> u64 {
        self.std.ino()
    }

    /// Returns the metadata; it does not follow a symbolic link.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](super#errors).
    pub async fn metadata(&self) -> io::Result<Metadata> {
        let std = Arc::clone(&self.std);
        call(move || std.metadata()).await
    }

    /// Returns the type; it does not follow a symbolic link.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](super#errors).
    pub async fn file_type(&self) -> io::Result<FileType> {
        if let Some(file_type) = self.file_type {
            return Ok(file_type);
        }
        let std = Arc::clone(&self.std);
        call(move || std.file_type()).await
    }
}
