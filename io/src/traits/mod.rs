//! The I/O traits of other crates for the streams and their halves.
//!
//! Each file implements one family on the poll functions of [`TcpStream`](crate::net::TcpStream).
//! Vectored writes pass all buffers to the system. Flushing does nothing, since nothing is buffered
//! here. Flushing and closing are ready at once, but take a unit of the task's budget like all
//! other operations. Closing shuts writing down, and succeeds if the peer is already gone.
//!
//! Each direction of a stream has one slot for the waker of a poll function, so only one task at a
//! time should read through these traits, and one write. (The streams' own methods have no such
//! limit.) A stream does not learn that the future which polled it is dropped. So the slot keeps
//! the waker, and the frame of a user-supplied waker, until the next event or poll, or until the
//! stream or an owned half is dropped.

#[cfg(feature = "futures-io")]
mod futures;
#[cfg(feature = "hyper")]
mod hyper;
#[cfg(feature = "tokio")]
mod tokio;

use std::io;

use crate::net::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, TcpStream, WriteHalf};

/// A stream or half that can be read.
trait Readable {
    fn readable_stream(&self) -> &TcpStream;
}

/// A stream or half that can be written.
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
