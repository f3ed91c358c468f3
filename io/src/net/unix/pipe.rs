//! Pipes: anonymous ones, and those with a path (FIFOs).

use std::fs::{File, OpenOptions as FileOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::task::{Context, Poll};

use mio::unix::pipe as system_pipe;

use crate::callback::ReadyCallback;
use crate::net::methods::{
    read_methods, readable_methods, ready_methods, writable_methods, write_methods,
};
use crate::net::options::impl_descriptor;
use crate::net::stream_io::{ReadIo, WriteIo};
use crate::ready::{Direction, Interest, Ready};
use crate::source::{IoSource, capacity};

/// Creates an anonymous pipe.
///
/// # Errors
///
/// Fails with the system's error, and outside of a runtime.
///
/// # Examples
///
/// ```no_run
/// # async fn pass() -> std::io::Result<()> {
/// let (sender, receiver) = framewise_io::net::unix::pipe::pipe()?;
/// sender.write_all(b"hello").await?;
/// drop(sender); // sends the end
/// let mut received = [0; 5];
/// receiver.read_exact(&mut received).await?;
/// assert_eq!(&received, b"hello");
/// # Ok(())
/// # }
/// ```
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    let (sender, receiver) = system_pipe::new()?;
    Ok((Sender::from_mio(sender)?, Receiver::from_mio(receiver)?))
}

/// How an end of a pipe with a path (a FIFO) is opened.
///
/// # Examples
///
/// ```no_run
/// # async fn log() -> std::io::Result<()> {
/// use framewise_io::net::unix::pipe::OpenOptions;
///
/// let receiver = OpenOptions::new().open_receiver("/run/log.fifo")?;
/// let mut line = [0; 512];
/// let count = receiver.read(&mut line).await?;
/// # drop(count);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    read_write: bool,
    unchecked: bool,
}

impl OpenOptions {
    /// Creates options in which nothing is set.
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

    /// Sets whether an end is opened for both reading and writing, on Linux. A receiver then never
    /// reads the end, and a sender can be opened before there is a receiver.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn read_write(&mut self, read_write: bool) -> &mut Self {
        self.read_write = read_write;
        self
    }

    /// Sets whether the check that the file is a pipe is left out.
    pub fn unchecked(&mut self, unchecked: bool) -> &mut Self {
        self.unchecked = unchecked;
        self
    }

    /// Opens the receiving end of the pipe at `path`, without waiting for a sender.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, with `InvalidInput` if the file is not a pipe, and outside of
    /// a runtime.
    pub fn open_receiver(&self, path: impl AsRef<Path>) -> io::Result<Receiver> {
        let file = self.open(
            path.as_ref(),
            FileOptions::new().read(true).write(self.read_write),
        )?;
        // SAFETY: the descriptor is open, and its owner is consumed.
        let receiver = unsafe { system_pipe::Receiver::from_raw_fd(file.into_raw_fd()) };
        Receiver::from_mio(receiver)
    }

    /// Opens the sending end of the pipe at `path`.
    ///
    /// # Errors
    ///
    /// Fails with the system's error (`ENXIO` if there is no receiver: try again later), with
    /// `InvalidInput` if the file is not a pipe, and outside of a runtime.
    pub fn open_sender(&self, path: impl AsRef<Path>) -> io::Result<Sender> {
        let file = self.open(
            path.as_ref(),
            FileOptions::new().write(true).read(self.read_write),
        )?;
        // SAFETY: the descriptor is open, and its owner is consumed.
        let sender = unsafe { system_pipe::Sender::from_raw_fd(file.into_raw_fd()) };
        Sender::from_mio(sender)
    }

    fn open(&self, path: &Path, options: &mut FileOptions) -> io::Result<File> {
        let file = options.custom_flags(libc::O_NONBLOCK).open(path)?;
        if !self.unchecked {
            check_is_pipe(&file)?;
        }
        Ok(file)
    }
}

/// The sending end of a pipe. Dropping it sends the end.
///
/// A write to a pipe without receivers fails with `BrokenPipe`, and the system sends SIGPIPE first,
/// which programs whose `main` is Rust's ignore.
pub struct Sender {
    io: IoSource<system_pipe::Sender>,
}

impl Sender {
    fn from_mio(sender: system_pipe::Sender) -> io::Result<Sender> {
        Ok(Sender {
            io: IoSource::new(sender, Ready::WRITABLE)?,
        })
    }

    pub(crate) fn io(&self) -> &IoSource<system_pipe::Sender> {
        &self.io
    }

    write_methods!();
    writable_methods!();
    ready_methods!(WRITABLE);

    /// Converts a descriptor of a pipe that is open for writing, and sets it to non-blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, with `InvalidInput` if it is not a pipe or not open for
    /// writing, and outside of a runtime.
    pub fn from_owned_fd(fd: OwnedFd) -> io::Result<Sender> {
        let fd = checked_end(fd, libc::O_WRONLY)?;
        // SAFETY: the descriptor is open, and its owner is consumed.
        Sender::from_mio(unsafe { system_pipe::Sender::from_raw_fd(fd.into_raw_fd()) })
    }

    /// Like [`from_owned_fd`](Self::from_owned_fd).
    ///
    /// # Errors
    ///
    /// See [`from_owned_fd`](Self::from_owned_fd).
    pub fn from_file(file: File) -> io::Result<Sender> {
        Self::from_owned_fd(file.into())
    }

    /// Like [`from_owned_fd`](Self::from_owned_fd), without a check. The descriptor must be set to
    /// non-blocking, or operations block the thread.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and outside of a runtime.
    pub fn from_owned_fd_unchecked(fd: OwnedFd) -> io::Result<Sender> {
        // SAFETY: the descriptor is open, and its owner is consumed.
        Sender::from_mio(unsafe { system_pipe::Sender::from_raw_fd(fd.into_raw_fd()) })
    }

    /// Like [`from_owned_fd_unchecked`](Self::from_owned_fd_unchecked).
    ///
    /// # Errors
    ///
    /// See [`from_owned_fd_unchecked`](Self::from_owned_fd_unchecked).
    pub fn from_file_unchecked(file: File) -> io::Result<Sender> {
        Self::from_owned_fd_unchecked(file.into())
    }

    /// Converts to a descriptor, which stays non-blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn into_nonblocking_fd(self) -> io::Result<OwnedFd> {
        self.io.into_source().map(Into::into)
    }

    /// Converts to a descriptor, and sets it to blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        let sender = self.io.into_source()?;
        sender.set_nonblocking(false)?;
        Ok(sender.into())
    }
}

/// The receiving end of a pipe.
pub struct Receiver {
    io: IoSource<system_pipe::Receiver>,
}

impl Receiver {
    fn from_mio(receiver: system_pipe::Receiver) -> io::Result<Receiver> {
        Ok(Receiver {
            io: IoSource::new(receiver, Ready::EMPTY)?,
        })
    }

    pub(crate) fn io(&self) -> &IoSource<system_pipe::Receiver> {
        &self.io
    }

    read_methods!();
    readable_methods!();
    ready_methods!(READABLE);

    /// Converts a descriptor of a pipe that is open for reading, and sets it to non-blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, with `InvalidInput` if it is not a pipe or not open for
    /// reading, and outside of a runtime.
    pub fn from_owned_fd(fd: OwnedFd) -> io::Result<Receiver> {
        let fd = checked_end(fd, libc::O_RDONLY)?;
        // SAFETY: the descriptor is open, and its owner is consumed.
        Receiver::from_mio(unsafe { system_pipe::Receiver::from_raw_fd(fd.into_raw_fd()) })
    }

    /// Like [`from_owned_fd`](Self::from_owned_fd).
    ///
    /// # Errors
    ///
    /// See [`from_owned_fd`](Self::from_owned_fd).
    pub fn from_file(file: File) -> io::Result<Receiver> {
        Self::from_owned_fd(file.into())
    }

    /// Like [`from_owned_fd`](Self::from_owned_fd), without a check. The descriptor must be set to
    /// non-blocking, or operations block the thread.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and outside of a runtime.
    pub fn from_owned_fd_unchecked(fd: OwnedFd) -> io::Result<Receiver> {
        // SAFETY: the descriptor is open, and its owner is consumed.
        Receiver::from_mio(unsafe { system_pipe::Receiver::from_raw_fd(fd.into_raw_fd()) })
    }

    /// Like [`from_owned_fd_unchecked`](Self::from_owned_fd_unchecked).
    ///
    /// # Errors
    ///
    /// See [`from_owned_fd_unchecked`](Self::from_owned_fd_unchecked).
    pub fn from_file_unchecked(file: File) -> io::Result<Receiver> {
        Self::from_owned_fd_unchecked(file.into())
    }

    /// Converts to a descriptor, which stays non-blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn into_nonblocking_fd(self) -> io::Result<OwnedFd> {
        self.io.into_source().map(Into::into)
    }

    /// Converts to a descriptor, and sets it to blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        let receiver = self.io.into_source()?;
        receiver.set_nonblocking(false)?;
        Ok(receiver.into())
    }
}

impl_descriptor!(Sender, Receiver);

fn check_is_pipe(file: &File) -> io::Result<()> {
    if file.metadata()?.file_type().is_fifo() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "the file is not a pipe",
    ))
}

/// Checks that a descriptor is an end of a pipe with this access, and sets it to non-blocking.
fn checked_end(fd: OwnedFd, access: libc::c_int) -> io::Result<OwnedFd> {
    let file = File::from(fd);
    check_is_pipe(&file)?;
    let status = flags(&file)?;
    let has = status & libc::O_ACCMODE;
    if has != access && has != libc::O_RDWR {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the pipe's end is open for the other direction",
        ));
    }
    if status & libc::O_NONBLOCK == 0 {
        set_flags(&file, status | libc::O_NONBLOCK)?;
    }
    Ok(file.into())
}

fn flags(file: &impl AsFd) -> io::Result<libc::c_int> {
    // SAFETY: the call takes no pointers, and the descriptor is borrowed, hence open.
    let flags = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_GETFL) };
    if flags < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(flags)
    }
}

fn set_flags(file: &impl AsFd, flags: libc::c_int) -> io::Result<()> {
    // SAFETY: as above.
    let result = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_SETFL, flags) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
