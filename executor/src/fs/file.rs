//! [`File`]: the task's side of a file.
//!
//! Owns the call in flight, of which there is one at a time. `file_state.rs` has what the calls do.

use std::fmt;
use std::fs::{File as StdFile, FileTimes, Metadata, Permissions};
use std::future::poll_fn;
use std::io::{self, SeekFrom};
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use framewise_context::control::{self, Ended};
use framewise_context::{cancel, coop};

use super::OpenOptions;
use super::file_state::{Core, SetLenResult, State, WriteCall};
use crate::blocking::call::{Caller, call, call_error, poll_call};
use crate::task::JoinHandle;

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

/// A call that a thread of the pool makes, or is about to.
struct Flight {
    kind: Kind,
    call: JoinHandle<io::Result<u64>>,
}

/// A call that is over.
type Landed = (Kind, io::Result<u64>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    /// Its error waits in the state.
    Write,
    Seek(SeekFrom),
    /// Waits for calls that are in flight because their futures were dropped.
    Turn,
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
        if self
            .flight
            .as_ref()
            .is_some_and(|flight| !flight.call.is_finished())
        {
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

    /// Has the system write the file and its metadata to the device (`fsync`), after what was
    /// written before.
    ///
    /// An error of an earlier write is left for the next write or flush.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](super#errors).
    pub async fn sync_all(&self) -> io::Result<()> {
        self.call(|state| state.with_file(StdFile::sync_all)).await
    }

    /// Like [`sync_all`](Self::sync_all), without metadata that reading does not need
    /// (`fdatasync`).
    ///
    /// # Errors
    ///
    /// Fails like [each operation](super#errors).
    pub async fn sync_data(&self) -> io::Result<()> {
        self.call(|state| state.with_file(StdFile::sync_data)).await
    }

    /// Cuts the file, or extends it by zeros. The position stays, also if it is beyond the end.
    ///
    /// If the future is dropped after its first poll, the operations that follow wait for it.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](super#errors).
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::fs::{self, File};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("framewise-doc-{}-set-len", std::process::id()));
    /// framewise::block_on(async {
    ///     let mut file = File::create(&path).await?;
    ///     file.write_all(b"hello").await?;
    ///     file.set_len(4).await?;
    ///     assert_eq!(file.metadata().await?.len(), 4);
    ///     fs::remove_file(&path).await
    /// })
    /// # }
    /// ```
    pub async fn set_len(&self, len: u64) -> io::Result<()> {
        loop {
            if let Some(call) = self.begin_set_len(len)? {
                return call.await.map_err(call_error)?;
            }
            self.call(|state| state.with_file(|_| Ok(()))).await?;
        }
    }

    /// Begins to set the length, unless a call has the state.
    fn begin_set_len(&self, len: u64) -> io::Result<Option<JoinHandle<io::Result<()>>>> {
        control::check()?;
        let Some(mut state) = self.core.try_lock() else {
            return Ok(None);
        };
        let caller = Caller::current()?;
        let (core, result) = (Arc::clone(&self.core), SetLenResult::default());
        state.begin_set_len(len, Arc::clone(&result));
        let call = caller.spawn(move || {
            core.lock().finish();
            let mut result = result.lock().unwrap_or_else(PoisonError::into_inner);
            result.take().expect("it was set before this, or by this")
        });
        if call.is_finished() {
            state.cancel();
        }
        Ok(Some(call))
    }

    /// Returns the metadata.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](super#errors).
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.call(|state| state.with_file(StdFile::metadata)).await
    }

    /// Returns another handle of the same open file. Both share the position.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](super#errors).
    pub async fn try_clone(&self) -> io::Result<File> {
        let clone = self.call(|state| state.with_position(StdFile::try_clone));
        let mut clone = File::from_std(clone.await?);
        clone.max_buf_size = self.max_buf_size;
        Ok(clone)
    }

    /// Sets the permissions.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](super#errors).
    pub async fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        self.call(|state| state.with_file(|file| file.set_permissions(permissions)))
            .await
    }

    /// Sets the times of the last access and modification.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](super#errors).
    pub async fn set_times(&self, times: FileTimes) -> io::Result<()> {
        self.call(move |state| state.with_file(|file| file.set_times(times)))
            .await
    }

    /// Sets the time of the last modification.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](super#errors).
    pub async fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.set_times(FileTimes::new().set_modified(time)).await
    }

    /// Reads into `buffer` and returns the number of bytes. Zero means the file's end, or that the
    /// buffer is empty.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](super#errors).
    ///
    /// # Cancel safety
    ///
    /// Safe: bytes that were read for a dropped future are returned by the next read.
    ///
    /// # Frame
    ///
    /// The awaiting task's, like for all operations of a file.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::fs::{self, File};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("framewise-doc-{}-read", std::process::id()));
    /// framewise::block_on(async {
    ///     fs::write(&path, "hello").await?;
    ///     let mut file = File::open(&path).await?;
    ///     let mut buffer = [0; 16];
    ///     assert_eq!(file.read(&mut buffer).await?, 5);
    ///     assert_eq!(file.read(&mut buffer).await?, 0, "the end");
    ///     fs::remove_file(&path).await
    /// })
    /// # }
    /// ```
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| {
            self.poll_read_with(cx, buffer.len(), |bytes| {
                buffer[..bytes.len()].copy_from_slice(bytes);
            })
        })
        .await
    }

    /// Reads up to the file's end, behind what `all` contains. Returns the number of bytes.
    ///
    /// # Errors
    ///
    /// See [`read`](Self::read). `all` contains what was read before.
    ///
    /// # Cancel safety
    ///
    /// Safe in this sense: `all` contains what was read so far.
    pub async fn read_to_end(&mut self, all: &mut Vec<u8>) -> io::Result<usize> {
        let before = all.len();
        let limit = self.max_buf_size.min(READ_TO_END_MAX);
        let mut want = limit.min(READ_TO_END_FIRST);
        loop {
            let read =
                poll_fn(|cx| self.poll_read_with(cx, want, |bytes| all.extend_from_slice(bytes)));
            if read.await? == 0 {
                return Ok(all.len() - before);
            }
            want = limit.min(2 * want);
        }
    }

    /// Reads up to the file's end, which must be UTF-8, behind what `all` contains. Returns the
    /// number of bytes.
    ///
    /// # Errors
    ///
    /// See [`read`](Self::read). Fails with `InvalidData` if the bytes are not UTF-8; `all` is as
    /// it was then.
    ///
    /// # Cancel safety
    ///
    /// Not safe: what was read is lost.
    pub async fn read_to_string(&mut self, all: &mut String) -> io::Result<usize> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).await?;
        let text = String::from_utf8(bytes)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        all.push_str(&text);
        Ok(text.len())
    }

    /// Has bytes written, at most [`max_buf_size`](Self::max_buf_size), and returns their number:
    /// see [writing and flushing](Self#writing-and-flushing).
    ///
    /// # Errors
    ///
    /// Fails with the error of an earlier write, and like [each operation](super#errors): none of
    /// these bytes is written then.
    ///
    /// # Cancel safety
    ///
    /// Safe: if the future is dropped before it completes, nothing was written.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_write_pieces(cx, || std::iter::once(bytes))).await
    }

    /// Has all of `bytes` written.
    ///
    /// # Errors
    ///
    /// See [`write`](Self::write). Some of the bytes may be written.
    ///
    /// # Cancel safety
    ///
    /// Not safe: if the future is dropped, some of the bytes are written, and their number is lost.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.write(bytes).await?;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// Waits until what was written is in the file. (It may not be on the device: see
    /// [`sync_all`](Self::sync_all).)
    ///
    /// # Errors
    ///
    /// Fails with the error of an earlier write, and like [each operation](super#errors).
    ///
    /// # Cancel safety
    ///
    /// Safe: the bytes are written, and an error waits for the next write or flush.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Moves the position, and returns it.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](super#errors), and with the system's error at a position before
    /// the file's beginning.
    ///
    /// # Cancel safety
    ///
    /// Not safe: if the future is dropped, the position may be moved or not.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::SeekFrom;
    /// use framewise::fs::{self, File};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("framewise-doc-{}-seek", std::process::id()));
    /// framewise::block_on(async {
    ///     fs::write(&path, "hello").await?;
    ///     let mut file = File::open(&path).await?;
    ///     assert_eq!(file.seek(SeekFrom::End(-2)).await?, 3);
    ///     let mut rest = String::new();
    ///     file.read_to_string(&mut rest).await?;
    ///     assert_eq!(rest, "lo");
    ///     fs::remove_file(&path).await
    /// })
    /// # }
    /// ```
    pub async fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        poll_fn(|cx| self.poll_land(cx)).await?;
        self.start_seek(to)?;
        poll_fn(|cx| self.poll_land(cx)).await
    }

    /// Makes a call for an operation that does not change what the task sees.
    async fn call<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut State) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let core = Arc::clone(&self.core);
        call(move || operation(&mut core.lock())).await
    }

    /// Waits for the call in flight, if there is one. Returns its kind and result. Fails if the
    /// frame's work has ended, and leaves the call then.
    fn poll_flight(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Landed>, Ended>> {
        control::check()?;
        let Some(flight) = &mut self.flight else {
            return Poll::Ready(Ok(None));
        };
        let result = ready!(poll_call(&mut flight.call, cx))?;
        let kind = flight.kind;
        self.flight = None;
        let result = result.map_err(call_error).and_then(|result| result);
        if let (Kind::Seek(_), Ok(position)) = (kind, &result) {
            self.position = *position;
        }
        Poll::Ready(Ok(Some((kind, result))))
    }

    /// Waits in line behind calls whose futures were dropped.
    fn take_turn(&mut self) -> io::Result<()> {
        let core = Arc::clone(&self.core);
        let call = Caller::current()?.spawn(move || {
            core.lock().finish();
            Ok(0)
        });
        self.flight = Some(Flight {
            kind: Kind::Turn,
            call,
        });
        Ok(())
    }

    /// Reads at most `want` bytes, and passes them to `take`.
    pub(super) fn poll_read_with(
        &mut self,
        cx: &mut Context<'_>,
        want: usize,
        take: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        loop {
            let landed = ready!(self.poll_flight(cx))?;
            let is_end = match landed {
                Some((Kind::Read | Kind::Turn, Err(error))) => return Poll::Ready(Err(error)),
                Some((Kind::Read, Ok(count))) => count == 0,
                _ => false,
            };
            if want == 0 {
                ready!(coop::poll_spend(cx));
            }
            if want == 0 || is_end {
                return Poll::Ready(Ok(0));
            }
            let core = Arc::clone(&self.core);
            let Some(mut state) = core.try_lock() else {
                self.take_turn()?;
                continue;
            };
            let unread = state.unread();
            if !unread.is_empty() {
                ready!(coop::poll_spend(cx));
                let count = unread.len().min(want);
                take(&unread[..count]);
                state.take_read(count);
                return Poll::Ready(Ok(count));
            }
            drop(state);
            let limit = want.min(self.max_buf_size);
            let call = Caller::current()?.spawn(move || core.lock().read(limit));
            self.flight = Some(Flight {
                kind: Kind::Read,
                call,
            });
        }
    }

    /// Has the bytes of several pieces written, up to the limit.
    pub(super) fn poll_write_pieces<'b, I: Iterator<Item = &'b [u8]>>(
        &mut self,
        cx: &mut Context<'_>,
        pieces: impl Fn() -> I,
    ) -> Poll<io::Result<usize>> {
        loop {
            let landed = ready!(self.poll_flight(cx))?;
            if let Some((Kind::Write | Kind::Turn, Err(error))) = landed {
                return Poll::Ready(Err(error));
            }
            let core = Arc::clone(&self.core);
            let Some(mut state) = core.try_lock() else {
                self.take_turn()?;
                continue;
            };
            ready!(coop::poll_spend(cx));
            if let Some(error) = state.take_write_error() {
                return Poll::Ready(Err(error));
            }
            if pieces().all(<[u8]>::is_empty) {
                return Poll::Ready(Ok(0));
            }
            let caller = Caller::current()?;
            let count = state.begin_write(pieces(), self.max_buf_size);
            // Under the lock, so that a call that is rejected does not write.
            let write = WriteCall(Arc::clone(&core));
            let mut call = caller.spawn(move || {
                write.run();
                Ok(0)
            });
            if call.is_finished() {
                state.cancel();
                let rejected = ready!(Pin::new(&mut call).poll(cx));
                return Poll::Ready(
                    rejected
                        .map_err(call_error)
                        .and_then(|result| result)
                        .map(|_| 0),
                );
            }
            drop(state);
            self.flight = Some(Flight {
                kind: Kind::Write,
                call,
            });
            return Poll::Ready(Ok(count));
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let landed = ready!(self.poll_flight(cx))?;
            if let Some((Kind::Write | Kind::Turn, Err(error))) = landed {
                return Poll::Ready(Err(error));
            }
            if let Some(mut state) = self.core.try_lock() {
                ready!(coop::poll_spend(cx));
                return Poll::Ready(state.take_write_error().map_or(Ok(()), Err));
            }
            self.take_turn()?;
        }
    }

    /// Begins to move the position. No call may be in flight.
    pub(super) fn start_seek(&mut self, to: SeekFrom) -> io::Result<()> {
        if self.flight.is_some() {
            return Err(io::Error::other(
                "an operation of this file is in flight: wait for it before the seek begins",
            ));
        }
        let core = Arc::clone(&self.core);
        let call = Caller::current()?.spawn(move || core.lock().seek(to));
        self.flight = Some(Flight {
            kind: Kind::Seek(to),
            call,
        });
        Ok(())
    }

    /// Waits until no call is in flight. Returns the position that the last seek has returned, or
    /// that seek's error.
    pub(super) fn poll_land(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        if let Some((Kind::Seek(_), result)) = ready!(self.poll_flight(cx))? {
            return Poll::Ready(result);
        }
        ready!(coop::poll_spend(cx));
        Poll::Ready(Ok(self.position))
    }

    /// Moves the position. A call in flight that moves it there is this one's.
    #[cfg(feature = "futures-io")]
    pub(super) fn poll_seek(
        &mut self,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        loop {
            match ready!(self.poll_flight(cx))? {
                Some((Kind::Seek(sought), result)) if sought == to => return Poll::Ready(result),
                _ => self.start_seek(to)?,
            }
        }
    }
}

/// How much the first call of `read_to_end` asks for; each further one asks for twice as much.
const READ_TO_END_FIRST: usize = 32 << 10;
const READ_TO_END_MAX: usize = 2 << 20;

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
