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

macro_rules! impl_readable {
    ([$($generics:tt)*] $kind:ty, $io:ty) => {
        impl<$($generics)*> Readable for $kind {
            type Io = $io;

            fn read_io(&self) -> &IoSource<$io> {
                self.io()
            }
        }
    };
}

/// `$end` ends writing, given a `&mut $kind`.
macro_rules! impl_writable {
    ([$($generics:tt)*] $kind:ty, $io:ty, $end:expr) => {
        impl<$($generics)*> Writable for $kind {
            type Io = $io;

            fn write_io(&self) -> &IoSource<$io> {
                self.io()
            }

            fn end_writing(&mut self) -> io::Result<()> {
                $end(self)
            }
        }
    };
}

/// Implements both for a stream and for references to it.
macro_rules! impl_stream {
    ($stream:ty) => {
        impl_readable!([] $stream, <$stream as Parts>::Io);
        impl_readable!([] &$stream, <$stream as Parts>::Io);
        impl_writable!([] $stream, <$stream as Parts>::Io, Parts::end_writing);
        impl_writable!([] &$stream, <$stream as Parts>::Io, |stream: &mut Self| Parts::end_writing(*stream));
    };
}

impl_stream!(crate::net::TcpStream);
#[cfg(unix)]
impl_stream!(crate::net::UnixStream);

impl_readable!([S: SplitStream] ReadHalf<'_, S>, S::Io);
impl_readable!([S: SplitStream] OwnedReadHalf<S>, S::Io);
impl_writable!([S: SplitStream] WriteHalf<'_, S>, S::Io, WriteHalf::end_writing);
impl_writable!([S: SplitStream] OwnedWriteHalf<S>, S::Io, OwnedWriteHalf::end_writing);

#[cfg(unix)]
mod pipes {
    use std::io;

    use mio::unix::pipe;

    use super::{Readable, Writable};
    use crate::net::unix::child::{ChildStderr, ChildStdin, ChildStdout};
    use crate::net::unix::pipe::{Receiver, Sender};
    use crate::source::IoSource;

    impl_readable!([] Receiver, pipe::Receiver);
    impl_readable!([] ChildStdout, pipe::Receiver);
    impl_readable!([] ChildStderr, pipe::Receiver);
    // The end is sent when the sender is dropped.
    impl_writable!([] Sender, pipe::Sender, |_| Ok(()));
    impl_writable!([] ChildStdin, pipe::Sender, |_| Ok(()));
}

/// Implements a crate's trait for writing, whose method `$close` ends it.
macro_rules! impl_write {
    ([$($generics:tt)*] $kind:ty, $write:path, $close:ident, { $($more:tt)* }) => {
        impl<$($generics)*> $write for $kind {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.write_io().poll_write(cx, buffer)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.write_io().poll_write_vectored(cx, buffers)
            }

            $($more)*

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                coop::poll_spend(cx).map(Ok)
            }

            fn $close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                ready!(coop::poll_spend(cx));
                Poll::Ready(Writable::end_writing(&mut *self))
            }
        }
    };
}

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

/// Calls a macro for each type that can be written, with its generic parameters and with
/// what follows.
macro_rules! for_each_writable {
    ($implement:ident, $($with:tt)*) => {
        $implement!([] $crate::net::TcpStream, $($with)*);
        $implement!([] &$crate::net::TcpStream, $($with)*);
        #[cfg(unix)]
        $implement!([] $crate::net::UnixStream, $($with)*);
        #[cfg(unix)]
        $implement!([] &$crate::net::UnixStream, $($with)*);
        $implement!([S: $crate::net::SplitStream] $crate::net::WriteHalf<'_, S>, $($with)*);
        $implement!([S: $crate::net::SplitStream] $crate::net::OwnedWriteHalf<S>, $($with)*);
        #[cfg(unix)]
        $implement!([] $crate::net::unix::pipe::Sender, $($with)*);
        #[cfg(unix)]
        $implement!([] $crate::net::unix::child::ChildStdin, $($with)*);
    };
}

use {for_each_readable, for_each_writable, impl_write};
