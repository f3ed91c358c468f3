//! Halves that share their stream, so that two tasks can own them.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::task::{Context, Poll};

use framewise_sync::Arc;

use crate::callback::ReadyCallback;
use crate::net::TcpStream;
use crate::net::methods::{
    address_methods, peek_methods, read_methods, readable_methods, ready_methods, writable_methods,
    write_methods,
};
use crate::net::split::SplitStream;
use crate::net::stream_io::{ReadIo, WriteIo};
use crate::ready::{Direction, Interest, Ready};
use crate::source::{IoSource, capacity};

/// An owned reading half of a stream; returned by [`TcpStream::into_split`] and
/// [`UnixStream::into_split`](crate::net::UnixStream::into_split).
#[derive(Debug)]
pub struct OwnedReadHalf<S: SplitStream = TcpStream>(Arc<S>);

/// An owned writing half of a stream; returned by [`TcpStream::into_split`] and
/// [`UnixStream::into_split`](crate::net::UnixStream::into_split).
///
/// Dropping it shuts writing down, so that the peer reads the end of the stream. See
/// [`forget`](Self::forget).
#[derive(Debug)]
pub struct OwnedWriteHalf<S: SplitStream = TcpStream> {
    stream: Arc<S>,
    shutdown_on_drop: bool,
}

pub(super) fn split<S: SplitStream>(stream: S) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
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

fn reunite<S: SplitStream>(
    read: OwnedReadHalf<S>,
    write: OwnedWriteHalf<S>,
) -> Result<S, ReuniteError<S>> {
    if !Arc::ptr_eq(&read.0, &write.stream) {
        return Err(ReuniteError(read, write));
    }
    write.forget();
    let stream = Arc::clone(&read.0);
    drop(read);
    Ok(Arc::try_unwrap(stream).expect("there were only two halves, and both are gone"))
}

impl<S: SplitStream> OwnedReadHalf<S> {
    pub(crate) fn io(&self) -> &IoSource<S::Io> {
        self.0.io()
    }

    /// Returns the whole stream.
    pub fn as_stream(&self) -> &S {
        &self.0
    }

    address_methods!();

    /// Joins the halves to the whole stream.
    ///
    /// # Errors
    ///
    /// Fails and returns the halves if they are of different streams.
    pub fn reunite(self, other: OwnedWriteHalf<S>) -> Result<S, ReuniteError<S>> {
        reunite(self, other)
    }

    read_methods!();
    readable_methods!();
    ready_methods!();
}

impl OwnedReadHalf {
    peek_methods!();
}

impl<S: SplitStream> OwnedWriteHalf<S> {
    pub(crate) fn io(&self) -> &IoSource<S::Io> {
        self.stream.io()
    }

    /// Returns the whole stream.
    pub fn as_stream(&self) -> &S {
        &self.stream
    }

    address_methods!();

    /// Joins the halves to the whole stream.
    ///
    /// # Errors
    ///
    /// Fails and returns the halves if they are of different streams.
    pub fn reunite(self, other: OwnedReadHalf<S>) -> Result<S, ReuniteError<S>> {
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

    write_methods!();
    writable_methods!();
    ready_methods!();
}

impl<S: SplitStream> AsRef<S> for OwnedReadHalf<S> {
    fn as_ref(&self) -> &S {
        &self.0
    }
}

impl<S: SplitStream> AsRef<S> for OwnedWriteHalf<S> {
    fn as_ref(&self) -> &S {
        &self.stream
    }
}

impl<S: SplitStream> Drop for OwnedReadHalf<S> {
    fn drop(&mut self) {
        self.0.io().release_slot(Direction::Read);
    }
}

impl<S: SplitStream> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        self.stream.io().release_slot(Direction::Write);
        if self.shutdown_on_drop {
            // There is no caller to return an error to. The peer gets the end when the stream
            // closes.
            let _ = self.stream.end_writing();
        }
    }
}

/// The error of reuniting two halves of different streams.
#[derive(Debug)]
pub struct ReuniteError<S: SplitStream = TcpStream>(
    /// The reading half.
    pub OwnedReadHalf<S>,
    /// The writing half.
    pub OwnedWriteHalf<S>,
);

impl<S: SplitStream> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are of different streams: reunite those of one split")
    }
}

impl<S: SplitStream> Error for ReuniteError<S> {}
