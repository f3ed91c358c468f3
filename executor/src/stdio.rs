//! The standard streams of this process: calls on the blocking pool.
//!
//! An operation fails when its frame's work ends. The call goes on, and the next operation has its
//! result.
//!
//! Owns what is between a task and `std`'s stream: bytes that were read and not taken, and the one
//! call in flight. `std` owns the streams themselves, with their own buffers and locks.

use std::future::poll_fn;
use std::io::{self, Read, Write};
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use framewise_context::{control, coop};

use crate::blocking::call::{Caller, call_error, poll_call};
use crate::task::JoinHandle;

/// The most bytes that one call reads or writes.
const CALL_MAX: usize = 2 << 20;

/// Returns a handle to the standard input of this process.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> std::io::Result<()> {
/// framewise::block_on(async {
///     let mut bytes = [0; 512];
///     let count = framewise::io::stdin().read(&mut bytes).await?;
///     println!("{count} bytes");
///     Ok(())
/// })
/// # }
/// ```
pub fn stdin() -> Stdin {
    Stdin {
        chunk: Chunk::default(),
        reading: None,
    }
}

/// The standard input, read by calls on the blocking pool; made by [`stdin`].
///
/// A call that waits for input cannot be ended: it occupies a thread of the pool, which the
/// runtime's shutdown waits for, until there is input ([`shutdown_background`] does not wait). So
/// an interactive program does better with a thread of its own that reads. It implements the
/// reading traits of tokio and of futures-io, behind features.
///
/// Bytes that were read and not taken when a handle is dropped are lost: keep one handle.
///
/// # Frame
///
/// Operations are awaited in the frame of the task that awaits them. The call, which waits for
/// input, keeps no frame.
///
/// [`shutdown_background`]: crate::runtime::Runtime::shutdown_background
#[derive(Debug)]
pub struct Stdin {
    chunk: Chunk,
    reading: Option<JoinHandle<io::Result<Chunk>>>,
}

/// Bytes that were read.
#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    /// How many of them were taken.
    taken: usize,
}

impl Stdin {
    /// Reads into `buffer` and returns the number of bytes. Zero means the input's end, or that the
    /// buffer is empty.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, outside of a runtime, and if the runtime is shutting down.
    ///
    /// # Cancel safety
    ///
    /// Safe: bytes that were read for a dropped future are returned by the next read.
    ///
    /// # Frame
    ///
    /// The awaiting task's.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| {
            self.poll_read_with(cx, buffer.len(), |bytes| {
                buffer[..bytes.len()].copy_from_slice(bytes);
            })
        })
        .await
    }

    /// Reads at most `want` bytes, and passes them to `take`.
    fn poll_read_with(
        &mut self,
        cx: &mut Context<'_>,
        want: usize,
        take: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        ready!(control::poll_check(cx))?;
        loop {
            if let Some(reading) = &mut self.reading {
                let read = ready!(poll_call(reading, cx))?;
                self.reading = None;
                self.chunk = read.map_err(call_error)??;
                if self.chunk.bytes.is_empty() {
                    return Poll::Ready(Ok(0));
                }
            }
            let unread = &self.chunk.bytes[self.chunk.taken..];
            if want == 0 || !unread.is_empty() {
                ready!(coop::poll_spend(cx));
                let count = unread.len().min(want);
                take(&unread[..count]);
                self.chunk.taken += count;
                return Poll::Ready(Ok(count));
            }
            let limit = want.min(CALL_MAX);
            self.reading = Some(Caller::current()?.spawn(move || {
                let mut bytes = vec![0; limit];
                loop {
                    match io::stdin().read(&mut bytes) {
                        Ok(count) => {
                            bytes.truncate(count);
                            return Ok(Chunk { bytes, taken: 0 });
                        }
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
            }));
        }
    }
}

/// What a task has written, until a call takes it. (It is `std`'s lock: a task and a call take
/// turns by the call's handle, and the lock is held for moments.)
type Pending = Arc<Mutex<Option<Vec<u8>>>>;

/// A call that writes. If the pool drops it because the runtime ends, the thread that drops it
/// writes: the task has taken the bytes for accepted.
struct WriteCall<W: Write>(Pending, fn() -> W);

impl<W: Write> WriteCall<W> {
    fn run(self) -> io::Result<()> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        (self.1)().write_all(&bytes.unwrap_or_default())
    }
}

impl<W: Write> Drop for WriteCall<W> {
    fn drop(&mut self) {
        // The lock is taken if the pool rejects the call at once, by the task that makes it.
        if let Ok(mut pending) = self.0.try_lock()
            && let Some(bytes) = pending.take()
        {
            // There is no task to return an error to.
            let _ = (self.1)().write_all(&bytes);
        }
    }
}

/// A stream of `std`'s that is written.
#[derive(Debug)]
struct Output<W> {
    stream: fn() -> W,
    writing: Option<JoinHandle<io::Result<()>>>,
    /// `std`'s buffer may have bytes.
    needs_flush: bool,
}

impl<W: Write + 'static> Output<W> {
    fn new(stream: fn() -> W) -> Self {
        Self {
            stream,
            writing: None,
            needs_flush: false,
        }
    }

    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(control::poll_check(cx))?;
        if let Some(writing) = &mut self.writing {
            let written = ready!(poll_call(writing, cx))?;
            self.writing = None;
            written.map_err(call_error)??;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_pieces<'b, I: Iterator<Item = &'b [u8]>>(
        &mut self,
        cx: &mut Context<'_>,
        pieces: impl Fn() -> I,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_call(cx))?;
        ready!(coop::poll_spend(cx));
        let mut bytes = Vec::new();
        for piece in pieces() {
            bytes.extend_from_slice(&piece[..piece.len().min(CALL_MAX - bytes.len())]);
        }
        let count = bytes.len();
        if count == 0 {
            return Poll::Ready(Ok(0));
        }
        let caller = Caller::current()?;
        let pending = Pending::default();
        let call = WriteCall(Arc::clone(&pending), self.stream);
        // Locked, so that a call that is rejected does not write.
        let mut locked = pending.lock().unwrap_or_else(PoisonError::into_inner);
        *locked = Some(bytes);
        let mut call = caller.spawn(move || call.run());
        if call.is_finished() {
            *locked = None;
            let rejected = ready!(Pin::new(&mut call).poll(cx));
            return Poll::Ready(rejected.map_err(call_error).and_then(|end| end).map(|()| 0));
        }
        self.writing = Some(call);
        self.needs_flush = true;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_call(cx))?;
            if !self.needs_flush {
                ready!(coop::poll_spend(cx));
                return Poll::Ready(Ok(()));
            }
            let stream = self.stream;
            self.writing = Some(Caller::current()?.spawn(move || stream().flush()));
            self.needs_flush = false;
        }
    }
}

/// Defines the standard output or error.
macro_rules! output {
    ($(#[$doc:meta])* $name:ident, $(#[$made:meta])* $make:ident) => {
        $(#[$made])*
        pub fn $make() -> $name {
            $name(Output::new(io::$make))
        }

        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(Output<io::$name>);

        impl $name {
            /// Has bytes written, at most 2 MiB, and returns their number.
            ///
            /// # Errors
            ///
            /// Fails with the error of an earlier write; outside of a runtime, and if the runtime
            /// is shutting down. None of these bytes is written then.
            ///
            /// # Cancel safety
            ///
            /// Safe: if the future is dropped before it completes, nothing was written.
            ///
            /// # Frame
            ///
            /// The awaiting task's, like for all operations of a standard stream.
            pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                poll_fn(|cx| self.0.poll_write_pieces(cx, || std::iter::once(bytes))).await
            }

            /// Has all of `bytes` written.
            ///
            /// # Errors
            ///
            /// See [`write`](Self::write). Some of the bytes may be written.
            ///
            /// # Cancel safety
            ///
            /// Not safe: if the future is dropped, some of the bytes are written, and their number
            /// is lost.
            pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
                while !bytes.is_empty() {
                    let count = self.write(bytes).await?;
                    bytes = &bytes[count..];
                }
                Ok(())
            }

            /// Waits until what was written has reached the system.
            ///
            /// # Errors
            ///
            /// Fails with the error of an earlier write, and with the system's.
            ///
            /// # Cancel safety
            ///
            /// Safe: the bytes are written, and an error waits for the next write or flush.
            pub async fn flush(&mut self) -> io::Result<()> {
                poll_fn(|cx| self.0.poll_flush(cx)).await
            }
        }

        descriptor!($name, $make);
    };
}

/// Lends the stream's descriptor.
macro_rules! descriptor {
    ($name:ident, $make:ident) => {
        #[cfg(unix)]
        impl AsRawFd for $name {
            fn as_raw_fd(&self) -> RawFd {
                io::$make().as_raw_fd()
            }
        }

        #[cfg(unix)]
        impl AsFd for $name {
            fn as_fd(&self) -> BorrowedFd<'_> {
                // SAFETY: `std` takes its standard streams to be open all the time, too.
                unsafe { BorrowedFd::borrow_raw(self.as_raw_fd()) }
            }
        }
    };
}

output! {
    /// The standard output, written by calls on the blocking pool; made by [`stdout`].
    ///
    /// A write copies its bytes and returns; they are written meanwhile, and the next operation
    /// waits for that. Call [`flush`](Self::flush) before the program ends, or the last bytes may
    /// stay in a buffer. Bytes of several handles, and of `println!`, may mix. It implements the
    /// writing traits of tokio and of futures-io, behind features.
    Stdout,
    /// Returns a handle to the standard output of this process.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// framewise::block_on(async {
    ///     let mut output = framewise::io::stdout();
    ///     output.write_all(b"hello\n").await?;
    ///     output.flush().await
    /// })
    /// # }
    /// ```
    stdout
}

output! {
    /// The standard error, written by calls on the blocking pool; made by [`stderr`]. Like
    /// [`Stdout`].
    Stderr,
    /// Returns a handle to the standard error of this process.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// framewise::block_on(async {
    ///     let mut errors = framewise::io::stderr();
    ///     errors.write_all(b"nothing is wrong\n").await?;
    ///     errors.flush().await
    /// })
    /// # }
    /// ```
    stderr
}

descriptor!(Stdin, stdin);

/// The I/O traits of other crates.
#[cfg(any(feature = "futures-io", feature = "tokio"))]
mod traits {
    use super::{Stderr, Stdin, Stdout};
    use crate::io_traits::{impl_read, impl_write};

    impl_read!(Stdin);
    impl_write!(Stdout.0);
    impl_write!(Stderr.0);
}
