//! The pipes of a child process: its standard input, output and error.
//!
//! Owns the conversions from and to `std`'s types, which block. It must not know the process: the
//! executor starts and awaits it.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::OwnedFd;
use std::process::{self, Stdio};
use std::task::{Context, Poll};

use mio::unix::pipe as system_pipe;

use crate::callback::ReadyCallback;
use crate::net::methods::{
    read_methods, readable_methods, ready_methods, writable_methods, write_methods,
};
use crate::net::options::impl_descriptor;
use crate::net::stream_io::{ReadIo, WriteIo};
use crate::ready::{Direction, Interest, Ready};
use crate::source::{IoSource, capacity};

/// Defines the parent's end of a pipe, with what all three have.
macro_rules! child_pipe {
    (
        $(#[$doc:meta])*
        $name:ident, $std:ty, $system:ty, $initial:expr, $($methods:ident)+
    ) => {
        $(#[$doc])*
        pub struct $name {
            io: IoSource<$system>,
        }

        impl $name {
            pub(crate) fn io(&self) -> &IoSource<$system> {
                &self.io
            }

            $($methods!();)+
            ready_methods!();

            /// Converts `std`'s, and sets the pipe to non-blocking.
            ///
            /// # Errors
            ///
            /// Fails with the system's error, and outside of a runtime.
            pub fn from_std(pipe: $std) -> io::Result<Self> {
                let pipe = <$system>::from(pipe);
                pipe.set_nonblocking(true)?;
                Ok(Self {
                    io: IoSource::new(pipe, $initial)?,
                })
            }

            /// Converts to a descriptor, and sets the pipe to blocking.
            ///
            /// # Errors
            ///
            /// Fails with the system's error.
            pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
                let pipe = self.io.into_source()?;
                pipe.set_nonblocking(false)?;
                Ok(pipe.into())
            }
        }

        /// For the standard stream of another child. The pipe becomes blocking.
        impl TryFrom<$name> for Stdio {
            type Error = io::Error;

            fn try_from(pipe: $name) -> io::Result<Stdio> {
                pipe.into_owned_fd().map(Stdio::from)
            }
        }
    };
}

child_pipe! {
    /// The pipe to a child's standard input. Dropping it sends the end.
    ///
    /// A write fails with `BrokenPipe` if the child has closed its end. The system sends SIGPIPE
    /// first, which programs whose `main` is Rust's ignore.
    ChildStdin, process::ChildStdin, system_pipe::Sender, Ready::WRITABLE,
    write_methods writable_methods
}

child_pipe! {
    /// The pipe from a child's standard output.
    ChildStdout, process::ChildStdout, system_pipe::Receiver, Ready::EMPTY,
    read_methods readable_methods
}

child_pipe! {
    /// The pipe from a child's standard error.
    ChildStderr, process::ChildStderr, system_pipe::Receiver, Ready::EMPTY,
    read_methods readable_methods
}

impl_descriptor!(ChildStdin, ChildStdout, ChildStderr);
