//! [`File`]: how it is opened, and what it is converted from and to.
//!
//! `file/flight.rs` has the call in flight, of which there is one at a time, `file/transfers.rs`
//! what reads, writes and seeks by such calls, `file/attributes.rs` what concerns the file and not
//! its position. `file/state.rs` has what the calls do on the pool's threads, `file/traits.rs` the
//! I/O traits.

mod attributes;
mod flight;
mod state;
#[cfg(any(feature = "futures-io", feature = "tokio"))]
mod traits;
mod transfers;

use std::fmt;
use std::fs::File as StdFile;
use std::io;
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;

use framewise_context::cancel;

use self::flight::Flight;
use self::state::Core;
use super::OpenOptions;
use crate::blocking::call::call;

/// An open file, which is read and written by calls on the runtime's pool.
///
/// A file that is dropped is closed. It implements the I/O traits of tokio and of futures-io,
/// behind features, and has the most used methods itself.
///
/// # Writing and flushing
///
/// A write copies its bytes and returns; they are written meanwhile, and the next operation waits
/// for that. So the error of a write (a full disk, for example) comes out at the next write or
/// flush, and the bytes of the last write are in the file when [`flush`](Self::flush) has returned.
/// Without a flush, a dropped file still writes them, but later, and an error is lost.
/// A runtime that ends writes what a write has accepted.
///
/// A failed write may have written a part of its bytes. The rest is not tried again.
///
/// # Frame
///
/// A file has no frame. Operations are awaited in the frame of the task that awaits them.
///
/// # Examples
///
/// ```
/// use std::io::SeekFrom;
/// use framewise::fs::{self, File};
///
/// # fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("framewise-doc-{}-file", std::process::id()));
/// framewise::block_on(async {
///     let mut file = File::options().read(true).write(true).create(true).open(&path).await?;
///     file.write_all(b"hello world").await?;
///     file.flush().await?;
///     file.seek(SeekFrom::Start(6)).await?;
///     let mut rest = Vec::new();
///     file.read_to_end(&mut rest).await?;
///     assert_eq!(rest, b"world");
///     fs::remove_file(&path).await
/// })
/// # }
/// ```
pub struct File {
    core: Arc<Core>,
    flight: Option<Flight>,
    /// The position that the last seek has returned.
    position: u64,
    max_buf_size: usize,
}

/// The limit of a call's bytes that a file begins with.
const MAX_BUF_SIZE: usize = 2 << 20;

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// See [`OpenOptions::open`].
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::fs::{self, File};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("framewise-doc-{}-open", std::process::id()));
    /// framewise::block_on(async {
    ///     fs::write(&path, "hello").await?;
    ///     let mut text = String::new();
    ///     File::open(&path).await?.read_to_string(&mut text).await?;
    ///     assert_eq!(text, "hello");
    ///     fs::remove_file(&path).await
    /// })
    /// # }
    /// ```
    pub async fn open(path: impl AsRef<Path>) -> io::Result<File> {
        Self::options().read(true).open(path).await
    }

    /// Opens a file for writing: creates it, or empties it.
    ///
    /// # Errors
    ///
    /// See [`OpenOptions::open`].
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::fs::{self, File};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("framewise-doc-{}-create", std::process::id()));
    /// framewise::block_on(async {
    ///     let mut file = File::create(&path).await?;
    ///     file.write_all(b"hello").await?;
    ///     // A file that is dropped without a flush may be written a little later.
    ///     file.flush().await?;
    ///     assert_eq!(fs::read(&path).await?, b"hello");
    ///     fs::remove_file(&path).await
    /// })
    /// # }
    /// ```
    pub async fn create(path: impl AsRef<Path>) -> io::Result<File> {
        let mut options = Self::options();
        options.write(true).create(true).truncate(true);
        options.open(path).await
    }

    /// Creates a file that must not exist, for reading and writing.
    ///
    /// # Errors
    ///
    /// See [`OpenOptions::open`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use framewise::fs::{self, File};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("framewise-doc-{}-create-new", std::process::id()));
    /// framewise::block_on(async {
    ///     drop(File::create_new(&path).await?);
    ///     let error = File::create_new(&path).await.unwrap_err();
    ///     assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    ///     fs::remove_file(&path).await
    /// })
    /// # }
    /// ```
    pub async fn create_new(path: impl AsRef<Path>) -> io::Result<File> {
        let mut options = Self::options();
        options.read(true).write(true).create_new(true);
        options.open(path).await
    }

    /// Creates options for opening a file, in which nothing is set.
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Converts `std`'s file.
    pub fn from_std(file: StdFile) -> File {
        File {
            core: Arc::new(Core::new(file)),
            flight: None,
            position: 0,
            max_buf_size: MAX_BUF_SIZE,
        }
    }

    /// Converts to `std`'s file, after the operation that is in flight.
    ///
    /// # Cancel safety
    ///
    /// Not safe: the file is closed if the future is dropped.
    ///
    /// # Frame
    ///
    /// The awaiting task's.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::{fs::{self, File}, spawn_blocking};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("framewise-doc-{}-into-std", std::process::id()));
    /// framewise::block_on(async {
    ///     fs::write(&path, "hello").await?;
    ///     let mut file = File::open(&path).await?.into_std().await;
    ///     let text = spawn_blocking(move || std::io::read_to_string(&mut file)).await??;
    ///     assert_eq!(text, "hello");
    ///     fs::remove_file(&path).await
    /// })
    /// # }
    /// ```
    pub async fn into_std(self) -> StdFile {
        let core = Arc::clone(&self.core);
        // It has no error for a deadline that passes.
        match cancel::shield(call(move || core.lock().take())).await {
            Ok(file) => file,
            // There is no pool.
            Err(_) => {
                let taken = self.core.lock().take();
                taken.expect("only a conversion, which has an owner, takes the file")
            }
        }
    }

    /// Converts to `std`'s file, unless an operation is in flight: the file is returned then.
    ///
    /// # Errors
    ///
    /// Fails with the file.
    pub fn try_into_std(self) -> Result<StdFile, File> {
        if self.flight.as_ref().is_some_and(Flight::is_under_way) {
            return Err(self);
        }
        let taken = self.core.try_lock().map(|mut state| state.take());
        match taken {
            Some(Ok(file)) => Ok(file),
            _ => Err(self),
        }
    }

    /// Sets the most bytes that one call reads or writes. The default is 2 MiB.
    ///
    /// # Panics
    ///
    /// Panics if it is zero.
    #[track_caller]
    pub fn set_max_buf_size(&mut self, max_buf_size: usize) {
        assert!(max_buf_size > 0, "`max_buf_size` must be greater than 0");
        self.max_buf_size = max_buf_size;
    }

    /// Returns what [`set_max_buf_size`](Self::set_max_buf_size) has set.
    pub fn max_buf_size(&self) -> usize {
        self.max_buf_size
    }
}

impl From<StdFile> for File {
    fn from(file: StdFile) -> File {
        File::from_std(file)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("File");
        #[cfg(unix)]
        shown.field("fd", &self.core.descriptor);
        shown
            .field("max_buf_size", &self.max_buf_size)
            .finish_non_exhaustive()
    }
}

#[cfg(unix)]
impl From<OwnedFd> for File {
    fn from(descriptor: OwnedFd) -> File {
        File::from_std(StdFile::from(descriptor))
    }
}

#[cfg(unix)]
impl FromRawFd for File {
    unsafe fn from_raw_fd(descriptor: RawFd) -> File {
        // SAFETY: the caller guarantees that the descriptor is open, and gives it away.
        File::from_std(unsafe { StdFile::from_raw_fd(descriptor) })
    }
}

#[cfg(unix)]
impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.core.descriptor
    }
}

#[cfg(unix)]
impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the core closes the descriptor when it is dropped, after this borrow; only a
        // conversion, which consumes this file, takes it out.
        unsafe { BorrowedFd::borrow_raw(self.core.descriptor) }
    }
}
