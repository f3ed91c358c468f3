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

#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "futures-io")]
mod futures;
#[cfg(feature = "hyper")]
mod hyper;
#[cfg(feature = "tokio")]
mod tokio;

use std::io;

use crate::net::split::sealed::Parts;
use crate::net::stream_io::{ReadIo, WriteIo};
use crate::net::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, SplitStream, WriteHalf};
use crate::source::IoSource;

/// A stream or half that can be read.
trait Readable {
    type Io: ReadIo;

    fn read_io(&self) -> &IoSource<Self::Io>;
}

/// A stream or half that can be written.
trait Writable {
    type Io: WriteIo;

    fn write_io(&self) -> &IoSource<Self::Io>;

    fn end_writing(&mut self) -> io::Result<()>;
}

/// Implements both for a stream and for references to it.
macro_rules! impl_stream {
    ($($stream:ty),+) => {$(
        impl Readable for $stream {
            type Io = <$stream as Parts>::Io;

            fn read_io(&self) -> &IoSource<Self::Io> {
                self.io()
            }
        }

        impl Writable for $stream {
            type Io = <$stream as Parts>::Io;

            fn write_io(&self) -> &IoSource<Self::Io> {
                self.io()
            }

            fn end_writing(&mut self) -> io::Result<()> {
                Parts::end_writing(self)
            }
        }

        impl Readable for &$stream {
            type Io = <$stream as Parts>::Io;

            fn read_io(&self) -> &IoSource<Self::Io> {
                self.io()
            }
        }

        impl Writable for &$stream {
            type Io = <$stream as Parts>::Io;

            fn write_io(&self) -> &IoSource<Self::Io> {
                self.io()
            }

            fn end_writing(&mut self) -> io::Result<()> {
                Parts::end_writing(*self)
            }
        }
    )+};
}

impl_stream!(crate::net::TcpStream);
#[cfg(unix)]
impl_stream!(crate::net::UnixStream);

impl<S: SplitStream> Readable for ReadHalf<'_, S> {
    type Io = S::Io;

    fn read_io(&self) -> &IoSource<S::Io> {
        self.io()
    }
}

impl<S: SplitStream> Writable for WriteHalf<'_, S> {
    type Io = S::Io;

    fn write_io(&self) -> &IoSource<S::Io> {
        self.io()
    }

    fn end_writing(&mut self) -> io::Result<()> {
        WriteHalf::end_writing(self)
    }
}

impl<S: SplitStream> Readable for OwnedReadHalf<S> {
    type Io = S::Io;

    fn read_io(&self) -> &IoSource<S::Io> {
        self.io()
    }
}

impl<S: SplitStream> Writable for OwnedWriteHalf<S> {
    type Io = S::Io;

    fn write_io(&self) -> &IoSource<S::Io> {
        self.io()
    }

    fn end_writing(&mut self) -> io::Result<()> {
        OwnedWriteHalf::end_writing(self)
    }
}

/// Implements one of the traits for the ends of pipes.
#[cfg(unix)]
macro_rules! impl_pipes {
    (Readable: $($receiver:ident)::+) => {
        impl Readable for crate::net::unix::$($receiver)::+ {
            type Io = mio::unix::pipe::Receiver;

            fn read_io(&self) -> &IoSource<Self::Io> {
                self.io()
            }
        }
    };
    (Writable: $($sender:ident)::+) => {
        impl Writable for crate::net::unix::$($sender)::+ {
            type Io = mio::unix::pipe::Sender;

            fn write_io(&self) -> &IoSource<Self::Io> {
                self.io()
            }

            /// The end is sent when the sender is dropped.
            fn end_writing(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}

#[cfg(unix)]
impl_pipes!(Readable: pipe::Receiver);
#[cfg(unix)]
impl_pipes!(Readable: child::ChildStdout);
#[cfg(unix)]
impl_pipes!(Readable: child::ChildStderr);
#[cfg(unix)]
impl_pipes!(Writable: pipe::Sender);
#[cfg(unix)]
impl_pipes!(Writable: child::ChildStdin);

/// Calls a macro for each type that can be read, with its generic parameters.
macro_rules! for_each_readable {
    ($implement:ident) => {
        $implement!([] $crate::net::TcpStream);
        $implement!([] &$crate::net::TcpStream);
        #[cfg(unix)]
        $implement!([] $crate::net::UnixStream);
        #[cfg(unix)]
        $implement!([] &$crate::net::UnixStream);
        $implement!([S: $crate::net::SplitStream] $crate::net::ReadHalf<'_, S>);
        $implement!([S: $crate::net::SplitStream] $crate::net::OwnedReadHalf<S>);
        #[cfg(unix)]
        $implement!([] $crate::net::unix::pipe::Receiver);
        #[cfg(unix)]
        $implement!([] $crate::net::unix::child::ChildStdout);
        #[cfg(unix)]
        $implement!([] $crate::net::unix::child::ChildStderr);
    };
}

/// Calls a macro for each type that can be written, with its generic parameters.
macro_rules! for_each_writable {
    ($implement:ident) => {
        $implement!([] $crate::net::TcpStream);
        $implement!([] &$crate::net::TcpStream);
        #[cfg(unix)]
        $implement!([] $crate::net::UnixStream);
        #[cfg(unix)]
        $implement!([] &$crate::net::UnixStream);
        $implement!([S: $crate::net::SplitStream] $crate::net::WriteHalf<'_, S>);
        $implement!([S: $crate::net::SplitStream] $crate::net::OwnedWriteHalf<S>);
        #[cfg(unix)]
        $implement!([] $crate::net::unix::pipe::Sender);
        #[cfg(unix)]
        $implement!([] $crate::net::unix::child::ChildStdin);
    };
}

use {for_each_readable, for_each_writable};
