//! Halves that borrow their stream, without allocation or reference counting.

use std::io::{self, IoSlice, IoSliceMut};

use crate::net::TcpStream;
use crate::net::half::{read_half_methods, write_half_methods};

/// A borrowed reading half of a stream; returned by [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a TcpStream);

/// A borrowed writing half of a stream; returned by [`TcpStream::split`].
///
/// Dropping it does not shut writing down: the whole stream can be used again.
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a TcpStream);

pub(super) fn split(stream: &mut TcpStream) -> (ReadHalf<'_>, WriteHalf<'_>) {
    (ReadHalf(stream), WriteHalf(stream))
}

impl ReadHalf<'_> {
    pub(crate) fn stream(&self) -> &TcpStream {
        self.0
    }

    read_half_methods!();
}

impl WriteHalf<'_> {
    pub(crate) fn stream(&self) -> &TcpStream {
        self.0
    }

    write_half_methods!();
}
