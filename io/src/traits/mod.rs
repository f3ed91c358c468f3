//! The I/O traits of other crates for the streams and their halves.
//!
//! Each file implements one family on the poll functions of [`TcpStream`](crate::net::TcpStream).
//! Vectored writes are really vectored, and flushing does nothing, since nothing is buffered here.
//! Flushing and closing are ready at once; they take a unit of the task's budget, as all else does.
//! Closing ends writing; that the peer has gone already is then no error.
//!
//! Each direction of a stream has one place for the waker of a poll function, so one task at a time
//! should read, and one write, through these traits. (The streams' own methods have no such limit.)
//! Nor does a stream see that the future which polled it is dropped: what the place holds, a waker and
//! for a foreign waker its frame, is released with the next event or poll, with the stream, or with
//! an owned half.

#[cfg(feature = "futures-io")]
mod futures;
#[cfg(feature = "hyper")]
mod hyper;
#[cfg(feature = "tokio")]
mod tokio;

use std::io;

use crate::net::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, TcpStream, WriteHalf};

/// Where bytes are read from.
trait Readable {
    fn readable_stream(&self) -> &TcpStream;
}

/// Where bytes are written to.
trait Writable {
    fn writable_stream(&self) -> &TcpStream;

    fn end_writing(&mut self) -> io::Result<()> {
        self.writable_stream().end_writing()
    }
}

impl Readable for TcpStream {
    fn readable_stream(&self) -> &TcpStream {
        self
    }
}

impl Writable for TcpStream {
    fn writable_stream(&self) -> &TcpStream {
        self
    }
}

impl Readable for &TcpStream {
    fn readable_stream(&self) -> &TcpStream {
        self
    }
}

impl Writable for &TcpStream {
    fn writable_stream(&self) -> &TcpStream {
        self
    }
}

impl Readable for ReadHalf<'_> {
    fn readable_stream(&self) -> &TcpStream {
        self.stream()
    }
}

impl Writable for WriteHalf<'_> {
    fn writable_stream(&self) -> &TcpStream {
        self.stream()
    }
}

impl Readable for OwnedReadHalf {
    fn readable_stream(&self) -> &TcpStream {
        self.stream()
    }
}

impl Writable for OwnedWriteHalf {
    fn writable_stream(&self) -> &TcpStream {
        self.stream()
    }

    fn end_writing(&mut self) -> io::Result<()> {
        OwnedWriteHalf::end_writing(self)
    }
}
