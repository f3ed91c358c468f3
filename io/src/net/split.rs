//! Halves that borrow their stream, without allocation or reference counting, and what a stream
//! must have to be split.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::task::{Context, Poll};

use crate::callback::ReadyCallback;
use crate::net::TcpStream;
use crate::net::methods::{
    address_methods, peek_methods, read_methods, readable_methods, ready_methods, writable_methods,
    write_methods,
};
use crate::net::stream_io::{ReadIo, WriteIo};
use crate::ready::{Direction, Interest, Ready};
use crate::source::{IoSource, capacity};

/// A stream that can be split into halves: [`TcpStream`] or [`UnixStream`](crate::net::UnixStream).
/// It is sealed.
pub trait SplitStream: sealed::Parts {}

impl<S: sealed::Parts> SplitStream for S {}

pub(crate) mod sealed {
    use super::*;

    pub trait Parts: fmt::Debug + Send + Sync + 'static {
        type Io: ReadIo + WriteIo;
        type Address;

        fn io(&self) -> &IoSource<Self::Io>;

        fn shutdown(&self, how: Shutdown) -> io::Result<()>;

        fn local_addr(&self) -> io::Result<Self::Address>;

        fn peer_addr(&self) -> io::Result<Self::Address>;

        /// Shuts writing down. If the peer is already gone, there is nothing to shut down: that is
        /// no error.
        fn end_writing(&self) -> io::Result<()> {
            match self.shutdown(Shutdown::Write) {
                Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
                result => result,
            }
        }
    }
}

/// A borrowed reading half of a stream; returned by [`TcpStream::split`] and
/// [`UnixStream::split`](crate::net::UnixStream::split).
#[derive(Debug)]
pub struct ReadHalf<'a, S = TcpStream>(&'a S);

/// A borrowed writing half of a stream; returned by [`TcpStream::split`] and
/// [`UnixStream::split`](crate::net::UnixStream::split).
///
/// Dropping it does not shut writing down: the whole stream can be used again.
#[derive(Debug)]
pub struct WriteHalf<'a, S = TcpStream>(&'a S);

pub(super) fn split<S: SplitStream>(stream: &mut S) -> (ReadHalf<'_, S>, WriteHalf<'_, S>) {
    (ReadHalf(stream), WriteHalf(stream))
}

impl<S: SplitStream> ReadHalf<'_, S> {
    pub(crate) fn io(&self) -> &IoSource<S::Io> {
        self.0.io()
    }

    /// Returns the whole stream.
    pub fn as_stream(&self) -> &S {
        self.0
    }

    address_methods!();

    read_methods!();
    readable_methods!();
    ready_methods!();
}

impl ReadHalf<'_> {
    peek_methods!();
}

impl<S: SplitStream> WriteHalf<'_, S> {
    pub(crate) fn io(&self) -> &IoSource<S::Io> {
        self.0.io()
    }

    /// Returns the whole stream.
    pub fn as_stream(&self) -> &S {
        self.0
    }

    address_methods!();

    #[cfg(any(feature = "futures-io", feature = "tokio", feature = "hyper"))]
    pub(crate) fn end_writing(&mut self) -> io::Result<()> {
        self.0.end_writing()
    }

    write_methods!();
    writable_methods!();
    ready_methods!();
}

impl<S> AsRef<S> for ReadHalf<'_, S> {
    fn as_ref(&self) -> &S {
        self.0
    }
}

impl<S> AsRef<S> for WriteHalf<'_, S> {
    fn as_ref(&self) -> &S {
        self.0
    }
}
