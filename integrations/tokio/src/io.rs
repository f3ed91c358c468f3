//! Traits and helpers for asynchronous I/O, and readiness of any file descriptor.
//!
//! The traits and helpers are tokio's own, so that every crate that knows them knows these. They
//! need no runtime.

#[cfg(feature = "net")]
pub use framewise::io::{Interest, Ready};
#[cfg(feature = "io-std")]
pub use framewise::io::{Stderr, Stdin, Stdout, stderr, stdin, stdout};
pub use std::io::{Error, ErrorKind, Result, SeekFrom};
pub use upstream::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};
#[cfg(feature = "io-util")]
pub use upstream::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader, BufStream, BufWriter,
    Chain, DuplexStream, Empty, Join, Lines, ReadHalf, Repeat, SimplexStream, Sink, Split, Take,
    WriteHalf, copy, copy_bidirectional, copy_bidirectional_with_sizes, copy_buf, duplex, empty,
    join, repeat, simplex, sink, split,
};

/// Readiness of any file descriptor.
#[cfg(all(unix, feature = "net"))]
pub mod unix {
    pub use framewise::io::unix::{
        AsyncFd, AsyncFdReadyGuard, AsyncFdReadyMutGuard, AsyncFdRegisterError, TryIoError,
    };
}
