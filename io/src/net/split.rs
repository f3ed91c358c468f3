//! Halves that borrow their stream: no allocation, no counting.

use std::io::{self, IoSlice, IoSliceMut};

use crate::net::TcpStream;
use crate::net::half::{read_half_methods, write_half_methods};

/// The reading half of a stream that is borrowed; made by [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a TcpStream);

/// The writing half of a stream that is borrowed; made by [`TcpStream::split`].
///
/// Dropping it ends nothing: the stream is whole again afterwards.
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
