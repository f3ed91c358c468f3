//! Halves that share their stream, so that they can go to two tasks.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};

use framewise_sync::Arc;

use crate::net::TcpStream;
use crate::net::half::{read_half_methods, write_half_methods};
use crate::ready::Direction;

/// The reading half of a stream; made by [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf(Arc<TcpStream>);

/// The writing half of a stream; made by [`TcpStream::into_split`].
///
/// Dropping it shuts writing down, so that the peer reads to the end; see [`forget`](Self::forget).
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<TcpStream>,
    shutdown_on_drop: bool,
}

pub(super) fn split(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let stream = Arc::new(stream);
    let read = OwnedReadHalf(Arc::clone(&stream));
    (
        read,
        OwnedWriteHalf {
            stream,
            shutdown_on_drop: true,
        },
    )
}

fn reunite(read: OwnedReadHalf, write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
    if !Arc::ptr_eq(&read.0, &write.stream) {
        return Err(ReuniteError(read, write));
    }
    write.forget();
    let stream = Arc::clone(&read.0);
    drop(read);
    Ok(Arc::try_unwrap(stream).expect("there were only two halves, and both are gone"))
}

impl OwnedReadHalf {
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.0
    }

    /// Makes the stream whole again.
    ///
    /// # Errors
    ///
    /// Fails, and gives the halves back, when they are not of the same stream.
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        reunite(self, other)
    }

    read_half_methods!();
}

impl OwnedWriteHalf {
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Makes the stream whole again.
    ///
    /// # Errors
    ///
    /// Fails, and gives the halves back, when they are not of the same stream.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        reunite(other, self)
    }

    /// Drops the half without shutting writing down.
    pub fn forget(mut self) {
        self.shutdown_on_drop = false;
    }

    /// Shuts writing down: for the I/O traits, whose callers may drop the half afterwards.
    #[cfg(any(feature = "futures-io", feature = "tokio", feature = "hyper"))]
    pub(crate) fn end_writing(&mut self) -> io::Result<()> {
        let ended = self.stream.end_writing();
        self.shutdown_on_drop &= ended.is_err();
        ended
    }

    write_half_methods!();
}

impl Drop for OwnedReadHalf {
    fn drop(&mut self) {
        self.0.io.release_slot(Direction::Read);
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        self.stream.io.release_slot(Direction::Write);
        if self.shutdown_on_drop {
            // Nobody can be told of a failure here; the peer sees the end when the stream closes.
            let _ = self.stream.end_writing();
        }
    }
}

/// Two halves that are not of the same stream.
#[derive(Debug)]
pub struct ReuniteError(
    /// The reading half.
    pub OwnedReadHalf,
    /// The writing half.
    pub OwnedWriteHalf,
);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are of different streams: reunite those of one split")
    }
}

impl Error for ReuniteError {}
