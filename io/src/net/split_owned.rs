//! Halves that share their stream, so that two tasks can own them.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};

use framewise_sync::Arc;

use crate::net::TcpStream;
use crate::net::half::{read_half_methods, write_half_methods};
use crate::ready::Direction;

/// An owned reading half of a stream; returned by [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf(Arc<TcpStream>);

/// An owned writing half of a stream; returned by [`TcpStream::into_split`].
///
/// Dropping it shuts writing down, so that the peer reads the end of the stream. See
/// [`forget`](Self::forget).
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

    /// Joins the halves to the whole stream.
    ///
    /// # Errors
    ///
    /// Fails and returns the halves if they are of different streams.
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        reunite(self, other)
    }

    read_half_methods!();
}

impl OwnedWriteHalf {
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Joins the halves to the whole stream.
    ///
    /// # Errors
    ///
    /// Fails and returns the halves if they are of different streams.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        reunite(other, self)
    }

    /// Drops the half without shutting writing down.
    pub fn forget(mut self) {
        self.shutdown_on_drop = false;
    }

    /// Shuts writing down, for the I/O traits. The half's destructor then does not.
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
            // There is no caller to return an error to. The peer gets the end when the stream
            // closes.
            let _ = self.stream.end_writing();
        }
    }
}

/// The error of reuniting two halves of different streams.
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
